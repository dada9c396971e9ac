"""The aligner: which frames say which phone, and which phones a recording says.

One convolutional network over mel frames with two uses. Against the keys of a text it gives a soft alignment, from
which monotonic search takes durations; its second head recognises phones without a text (CTC), which is the measure
of intelligibility in every language. One model for all languages, over the shared inventory.

Source: One TTS Alignment to Rule Them All (arXiv 2108.10447): distance of queries and keys, beta-binomial prior,
forward-sum and binarisation losses. Differs: ConvNeXt query encoder; a CTC head shares it; pauses may take 0 frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tts.base.errors import DataError
from vocoder.audio.frames import N_MELS
from vocoder.kernels.monotonic_align import minimal_frames, monotonic_align
from vocoder.nn.convnext import ConvNeXtBlock
from vocoder.nn.masks import length_mask

N_MARKS = 7  # ids below are padding, silence, word boundary and punctuation: they may take no frame
SHORTEST_PAUSE = 4  # frames (53 ms); a shorter one inside an utterance is given to the phones beside it


@dataclass(frozen=True)
class AlignerConfig:
    n_symbols: int  # size of the phone inventory, marks included
    dim: int = 192  # width of the query encoder
    hidden: int = 576
    n_blocks: int = 5
    text_dim: int = 128  # width of the key encoder
    key_dim: int = 64  # where queries and keys meet
    temperature: float = 0.2  # factor of the squared distance; 0.05 learns later, and worse borders, on a small corpus


class AlignerModel(nn.Module):
    def __init__(self, config: AlignerConfig):
        super().__init__()
        self.config = config
        self.embed = nn.Linear(3 * N_MELS, config.dim)
        self.norm_in = nn.LayerNorm(config.dim)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.dim, config.hidden, 1 / config.n_blocks, dropout=0.1) for _ in range(config.n_blocks)
        )
        self.norm_out = nn.LayerNorm(config.dim)
        self.query = nn.Linear(config.dim, config.key_dim)
        self.recogniser = nn.Linear(config.dim, config.n_symbols)  # class 0 (padding) is CTC's blank
        with torch.no_grad():
            self.recogniser.bias[0] = 5.0  # most frames are blank: training that has to find this out may get lost
        self.symbols = nn.Embedding(config.n_symbols, config.text_dim)
        self.key_conv = nn.Conv1d(config.text_dim, 2 * config.text_dim, 3, padding=1)
        self.key = nn.Linear(2 * config.text_dim, config.key_dim)

    def encode(self, mel: Tensor, mask: Tensor) -> Tensor:
        """mel [B, T, 100], mask [B, T] -> [B, T, dim]. The mean over time of each band is taken off: it is the
        speaker's and the room's, not the phone's."""
        weights = mask[..., None].float()
        mean = (mel * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp(min=1)
        x = (mel - mean) / 2 * weights
        before, after = F.pad(x, (0, 0, 1, 0))[:, :-1], F.pad(x, (0, 0, 0, 1))[:, 1:]
        x = self.norm_in(self.embed(torch.cat([before, x, after], dim=-1)))
        for block in self.blocks:
            x = block(x, weights)
        return self.norm_out(x)

    def keys(self, ids: Tensor) -> Tensor:
        """[B, N] -> [B, N, key_dim]."""
        x = self.symbols(ids).transpose(1, 2)
        return self.key(F.gelu(self.key_conv(x)).transpose(1, 2))

    def log_attention(self, hidden: Tensor, ids: Tensor, text_mask: Tensor, prior: Tensor | None) -> Tensor:
        """[B, T, N] log probability of each token at each frame (equation 4 of the source, with the prior)."""
        query, key = self.query(hidden).float(), self.keys(ids).float()
        square = query.square().sum(-1)[:, :, None] + key.square().sum(-1)[:, None] - 2 * query @ key.transpose(1, 2)
        energy = (-self.config.temperature * square).masked_fill(~text_mask[:, None], -1e4)
        log_p = energy.log_softmax(-1)
        return log_p if prior is None else (log_p + prior).log_softmax(-1)

    def phone_posteriors(self, hidden: Tensor) -> Tensor:
        """[B, T, n_symbols] log probabilities; class 0 is the blank."""
        return self.recogniser(hidden).float().log_softmax(-1)

    def forward(self, mel: Tensor, mask: Tensor) -> Tensor:
        return self.phone_posteriors(self.encode(mel, mask))


@lru_cache(maxsize=1024)
def beta_binomial_log_prior(n_tokens: int, n_frames: int, width: float = 1.0) -> Tensor:
    """[T, N] float32: log of BetaBinomial(n; N - 1, w t, w (T + 1 - t)), t = 1..T, a soft diagonal.

    Source: arXiv 2108.10447 §2.2; differs: support N - 1, so that rows sum to one.
    """
    n = torch.arange(n_tokens, dtype=torch.float64)[None]
    t = torch.arange(1, n_frames + 1, dtype=torch.float64)[:, None]
    a, b, top = width * t, width * (n_frames + 1 - t), torch.tensor(n_tokens - 1.0, dtype=torch.float64)
    g = torch.lgamma
    choose = g(top + 1) - g(n + 1) - g(top - n + 1)
    return (choose + g(n + a) + g(top - n + b) - g(top + a + b) + g(a + b) - g(a) - g(b)).float()


def pause_prior(mel: Tensor, ids: Tensor) -> Tensor:
    """[T, N] log prior that lets pauses be only where it is quiet: 0, or -30 for a pause in a loud frame.

    A frame counts as loud above a quarter of the way from the utterance's quietest to its loudest level (5th and 95th
    percentile of the mean log-mel). For alignment alone: a model trained under it learns to undo it, because training
    forces every word boundary to be visited (measured: the share of boundaries without a pause fell from 0.78 to 0.33).

    Args:
        mel: [T, 100]; ids: [N] base symbol ids.
    """
    level = mel.float().mean(-1)
    low, high = level.quantile(0.05), level.quantile(0.95)
    loud = level > low + (high - low) / 4
    return -30.0 * (loud[:, None] & may_be_silent(ids)[None]).float()


def forward_sum_loss(log_attention: Tensor, text_lengths: Tensor, frame_lengths: Tensor) -> Tensor:
    """Negative log likelihood of all monotonic alignments, a frame, by CTC with the tokens 1..N as labels.

    Source: arXiv 2108.10447 equation 7 and its released code: a blank of log probability -1 is put before the tokens.
    """
    log_p = F.pad(log_attention, (1, 0), value=-1.0).log_softmax(-1)
    labels = torch.arange(1, log_attention.shape[2] + 1, device=log_p.device).expand(len(log_p), -1)
    loss = F.ctc_loss(
        log_p.transpose(0, 1), labels, frame_lengths, text_lengths, blank=0, reduction="none", zero_infinity=True
    )
    return (loss / frame_lengths).mean()


def may_be_silent(ids: Tensor) -> Tensor:
    """True for tokens that may take no frame: silence, word boundaries, punctuation."""
    return ids < N_MARKS


def aligner_losses(model: AlignerModel, batch: dict, binarise: float) -> dict[str, Tensor]:
    """Forward-sum, binarisation (scaled by ``binarise``) and CTC losses of a batch with mel, ids and their lengths."""
    mask = length_mask(batch["frame_lengths"], batch["mel"].shape[1])
    text_mask = length_mask(batch["text_lengths"], batch["ids"].shape[1])
    hidden = model.encode(batch["mel"], mask)
    log_attention = model.log_attention(hidden, batch["ids"], text_mask, batch["prior"])
    losses = {"forward_sum": forward_sum_loss(log_attention, batch["text_lengths"], batch["frame_lengths"])}
    if binarise > 0:
        with torch.no_grad():
            durations = monotonic_align(
                log_attention.float(), batch["text_lengths"], batch["frame_lengths"], may_be_silent(batch["ids"])
            )
            token = token_of_frame(durations, mask.shape[1])
        chosen = log_attention.gather(2, token[..., None])[..., 0]
        losses["binarisation"] = -binarise * (chosen * mask).sum() / mask.sum()
    losses["ctc"] = F.ctc_loss(
        model.phone_posteriors(hidden).transpose(0, 1),
        batch["phones"],
        batch["frame_lengths"],
        batch["phone_lengths"],
        zero_infinity=True,
        reduction="none",
    ).div(batch["phone_lengths"]).mean()
    return losses


def token_of_frame(durations: Tensor, n_frames: int) -> Tensor:
    """[B, N] frames a token -> [B, n_frames] index of each frame's token (the last token beyond the end)."""
    ends = durations.cumsum(1)
    frames = torch.arange(n_frames, device=durations.device).expand(len(durations), -1).contiguous()
    return torch.searchsorted(ends, frames, right=True).clamp(max=durations.shape[1] - 1)


def collapse(classes) -> list[int]:
    """Best path of CTC: repeats merged, blanks removed."""
    return [int(b) for a, b in pairwise([0, *classes]) if b != a and b != 0]


class Aligner:
    """The shipped aligner: durations of a known text, or phones of unknown speech."""

    def __init__(self, model: AlignerModel, config: dict):
        self.model, self.config = model.eval(), config

    @classmethod
    def load(cls, folder=None) -> Aligner:
        """Load a model folder; the house aligner when None."""
        from vocoder.nn.checkpoint import build, load_into, load_model
        from vocoder.nn.config import from_dict

        folder = Path(folder) if folder else Path(__file__).parent / "assets" / "aligner"
        config, tensors = load_model(folder, "aligner")
        model = build(AlignerModel, from_dict(AlignerConfig, config.get("model"), str(folder)))
        load_into(model, tensors, str(folder))
        return cls(model, config)

    @torch.inference_mode()
    def recognise(self, wav: np.ndarray) -> list[int]:
        """Phones heard in wav ([S] float32, 24 kHz), as base symbol ids without silence and marks."""
        from vocoder.audio.mel import log_mel

        mel = torch.from_numpy(log_mel(np.asarray(wav, dtype=np.float32)))[None]
        posteriors = self.model(mel, torch.ones(mel.shape[:2], dtype=torch.bool))
        return collapse(posteriors[0].argmax(-1).tolist())

    @torch.inference_mode()
    def align(self, wav: np.ndarray, ids) -> tuple[np.ndarray, float]:
        """Durations of phones in a recording.

        Args:
            wav: [S] float32, 24 kHz.
            ids: [N] base symbol ids of what is said, with marks, as ``frontend`` gives them.

        Returns:
            (durations int64 [N] in frames, mean log probability a frame of the path: nearer to 0 is surer).
        """
        from vocoder.audio.mel import log_mel

        return self.align_mel(torch.from_numpy(log_mel(np.asarray(wav, dtype=np.float32))), ids)

    def align_mel(self, mel: Tensor, ids) -> tuple[np.ndarray, float]:
        """As :meth:`align`, from mel [T, 100]."""
        durations, surety, _ = self.inspect(mel, ids)
        return durations, surety

    @torch.inference_mode()
    def inspect(self, mel: Tensor, ids) -> tuple[np.ndarray, float, list[int]]:
        """Durations, surety and the phones heard, in one pass over mel [T, 100]."""
        ids = torch.as_tensor(np.asarray(ids, dtype=np.int64))[None]
        if ids.numel() == 0 or ids.min() < 0 or ids.max() >= self.model.config.n_symbols:
            raise DataError(f"ids are one or more of 0 to {self.model.config.n_symbols - 1}.", where="ids", code="align.ids")
        n_frames = torch.tensor([mel.shape[0]])
        if mel.shape[0] < int(minimal_frames(torch.tensor([ids.shape[1]]), may_be_silent(ids))):
            raise DataError(
                f"{mel.shape[0]} frames of audio cannot hold {ids.shape[1]} phones.",
                fix="Is this the text of this recording?",
                code="align.too_short",
            )
        hidden = self.model.encode(mel[None].float(), torch.ones(1, mel.shape[0], dtype=torch.bool))
        prior = (beta_binomial_log_prior(ids.shape[1], len(mel)).clamp(min=-20) + pause_prior(mel, ids[0]))[None]
        log_p = self.model.log_attention(hidden, ids, torch.ones_like(ids, dtype=torch.bool), prior)
        n_tokens = torch.tensor([ids.shape[1]])
        durations = monotonic_align(log_p, n_tokens, n_frames, may_be_silent(ids))
        fleeting = may_be_silent(ids) & (durations < SHORTEST_PAUSE)  # a stop's closure, not a pause
        fleeting[:, [0, -1]] = False
        durations = monotonic_align(log_p.masked_fill(fleeting[:, None], -1e4), n_tokens, n_frames, may_be_silent(ids))
        token = token_of_frame(durations, mel.shape[0])
        surety = log_p[0].gather(1, token[0][:, None]).mean()
        heard = collapse(self.model.phone_posteriors(hidden)[0].argmax(-1).tolist())
        return durations[0].numpy(), float(surety), heard
