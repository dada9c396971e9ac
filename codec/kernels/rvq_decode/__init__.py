"""Codes of a residual or product quantiser back to latents: the sum of the books' vectors over the stages.

    >>> import torch
    >>> from codec.kernels.rvq_decode import rvq_decode
    >>> from codec.kernels.rvq_search import pack_books
    >>> coarse, fine = torch.tensor([[0.0, 0.0], [8.0, 8.0]]), torch.tensor([[0.0, 0.0], [1.0, -1.0]])
    >>> rvq_decode(torch.tensor([[[1, 0], [1, -1]]]), pack_books([coarse, fine], starts=[0, 0]), dim=2).tolist()
    [[[9.0, 7.0], [0.0, 0.0]]]
"""

from __future__ import annotations

import torch
from torch import Tensor

from codec.kernels.rvq_search.books import Books
from tts.base.errors import DataError
from vocoder.kernels.dispatch import choose

__all__ = ["WAYS", "rvq_decode"]

WAYS = {"triton": "cuda"}


def rvq_decode(codes: Tensor, books: Books, dim: int) -> Tensor:
    """Latents of codes: stage q adds its vector on its channels; -1 adds nothing.

    Sums are float32, one rounded addition a stage and channel, from stage 0 on. All implementations give the same bits.
    No gradient.

    Args:
        codes: [B, n, T] int64 of the first n stages, -1..K-1. Not checked here, which on a GPU would wait for it: the
            reference refuses larger codes by an IndexError, the Triton form adds nothing for them.
        books: From ``pack_books``, on the device of ``codes``.
        dim: D, channels of a latent; those that no stage sees are 0.

    Returns:
        [B, T, D] float32.

    Raises:
        DataError: Shapes, dtypes or devices do not fit.
    """
    _validate(codes, books, dim)
    if choose("rvq_decode", codes.device.type, WAYS) == "triton":
        from codec.kernels.rvq_decode.triton_kernel import decode
    else:
        from codec.kernels.rvq_decode.reference import decode
    with torch.no_grad():
        return decode(codes, books.table, books.codebook_size, books.starts, books.widths, dim)


def _validate(codes: Tensor, books: Books, dim: int) -> None:
    def refuse(what, code, fix):
        raise DataError(f"rvq_decode: {what}", code=f"rvq.{code}", fix=fix)

    if codes.dim() != 3 or codes.dtype != torch.int64 or codes.shape[1] > books.n_q:
        refuse(f"codes are {codes.dtype} of shape {list(codes.shape)}, the books have {books.n_q} stages", "codes",
               f"Give int64 [B, n, T] with n up to {books.n_q}.")  # fmt: skip
    needed = max(start + width for start, width in zip(books.starts, books.widths, strict=True))
    if dim < needed:
        refuse(f"dim is {dim}, the books see channel {needed - 1}", "dim", f"Give {needed} or more.")
    if codes.device != books.table.device:
        refuse(f"codes are on {codes.device}, the books are on {books.table.device}", "device", "Move one to the other.")
