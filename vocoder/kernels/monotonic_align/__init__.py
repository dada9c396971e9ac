"""Monotonic alignment search: which frames belong to which token.

    >>> import torch
    >>> from vocoder.kernels.monotonic_align import monotonic_align
    >>> log_p = torch.tensor([[[0.0, -9.0], [-1.0, -2.0], [-9.0, 0.0]]])  # 3 frames, 2 tokens
    >>> monotonic_align(log_p, torch.tensor([2]), torch.tensor([3])).tolist()
    [[2, 1]]
"""

from __future__ import annotations

import torch
from torch import Tensor

from tts.base.errors import DataError
from vocoder.kernels.dispatch import choose

__all__ = ["WAYS", "minimal_frames", "monotonic_align"]

WAYS = {"triton": "cuda", "numba": "cpu"}
BOUND = 1e30  # scores are clamped to +-BOUND, so that a sum of scores never meets the -inf of an unreachable state


def monotonic_align(log_p: Tensor, text_lengths: Tensor, frame_lengths: Tensor, optional: Tensor | None = None) -> Tensor:
    """Durations of the best monotonic path: each frame on one token, tokens in order, the sum of scores greatest.

    Every token lasts at least one frame, except those marked ``optional``, which may last none. Of two neighbouring tokens at
    least one is kept, so a step passes over one optional token at most. The first and the last token may be optional too.

    Ties: sums are float32, one rounded addition a frame, from the first frame to the last. Going back from the end, equal sums
    prefer the last token over the one before it, then *staying* on a token over coming from the token before, and that over
    passing over an optional token. All implementations give the same integers. No gradient.

    Args:
        log_p: [B, T, N] float32 scores; what lies beyond the lengths is never read. Values beyond +-1e30 count as +-1e30,
            infinities too.
        text_lengths: [B] int, tokens of each item, 1..N.
        frame_lengths: [B] int, frames of each item, 1..T.
        optional: [B, N] bool, True where a token may take no frame; None = none may.

    Returns:
        [B, N] int64 frames a token, on the device of ``log_p``; row sums equal ``frame_lengths``; 0 beyond ``text_lengths``.

    Raises:
        DataError: shapes, dtypes or lengths do not fit, an item has fewer frames than its tokens need, or a score is NaN.

    Source: Glow-TTS (arXiv 2005.11129) section 3.2; optional tokens as the blank of CTC.
    """
    if optional is None:
        optional = torch.zeros(log_p.shape[0], log_p.shape[-1], dtype=torch.bool, device=log_p.device)
    optional = optional.to(log_p.device)
    lengths = [x.to(device=log_p.device, dtype=torch.int64) for x in (text_lengths, frame_lengths)]
    _validate(log_p, *lengths, optional)
    if log_p.numel() == 0:  # no items
        return torch.zeros(log_p.shape[0], log_p.shape[2], dtype=torch.int64, device=log_p.device)
    log_p = log_p.detach().clamp(-BOUND, BOUND).contiguous()
    way = choose("monotonic_align", log_p.device.type, WAYS)
    if way == "triton":
        from vocoder.kernels.monotonic_align.triton_kernel import align
    elif way == "numba":
        from vocoder.kernels.monotonic_align.numba_kernel import align
    else:
        from vocoder.kernels.monotonic_align.reference import align
    return align(log_p, *lengths, optional.contiguous())


def minimal_frames(text_lengths: Tensor, optional: Tensor) -> Tensor:
    """[B] int64: the fewest frames that each item's tokens can share: every second token of a run of optional ones falls away."""
    needed = torch.zeros_like(text_lengths)
    passed = torch.zeros_like(text_lengths, dtype=torch.bool)  # was the token before passed over?
    for n in range(optional.shape[1]):
        passed = optional[:, n] & ~passed
        needed += (n < text_lengths) & ~passed
    return needed.clamp(min=1)


def _validate(log_p: Tensor, text_lengths: Tensor, frame_lengths: Tensor, optional: Tensor) -> None:
    def refuse(what, code, fix):
        raise DataError(f"monotonic_align: {what}", code=f"align.{code}", fix=fix)

    if log_p.dim() != 3 or log_p.dtype != torch.float32:
        refuse(f"log_p is {log_p.dtype} of shape {list(log_p.shape)}", "scores", "Give float32 scores [B, T, N].")
    B, T, N = log_p.shape
    if optional.shape != (B, N) or optional.dtype != torch.bool:
        refuse(f"optional is {optional.dtype} of shape {list(optional.shape)} for log_p {[B, T, N]}", "optional",
               f"Give bool [{B}, {N}].")
    for name, lengths, limit in (("text_lengths", text_lengths, N), ("frame_lengths", frame_lengths, T)):
        if lengths.shape != (B,):
            refuse(f"{name} has shape {list(lengths.shape)} for a batch of {B}", "lengths", f"Give one length an item, [{B}].")
        if B and not (lengths.min() >= 1 and lengths.max() <= limit):
            refuse(f"{name} runs from {int(lengths.min())} to {int(lengths.max())}, log_p has room for 1..{limit}", "lengths",
                   "Leave out empty items and pad log_p to the longest one.")
    short = (frame_lengths < minimal_frames(text_lengths, optional)).nonzero()
    if len(short):
        item = int(short[0])
        refuse(f"item {item} has {int(frame_lengths[item])} frames for {int(text_lengths[item])} tokens, which need at least "
               f"{int(minimal_frames(text_lengths, optional)[item])}", "short",
               "Leave the item out, or mark tokens that may be silent as optional.")
    real = (torch.arange(T, device=log_p.device) < frame_lengths[:, None])[:, :, None] \
        & (torch.arange(N, device=log_p.device) < text_lengths[:, None])[:, None, :]
    if bool((log_p.isnan() & real).any()):
        item, t, n = (log_p.isnan() & real).nonzero()[0].tolist()
        refuse(f"the score of item {item}, frame {t}, token {n} is NaN", "nan", "Look for the cause where the scores are made.")
