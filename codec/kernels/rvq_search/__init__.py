"""Nearest-code search through the stages of a residual or product quantiser.

    >>> import torch
    >>> from codec.kernels.rvq_search import pack_books, rvq_search
    >>> coarse, fine = torch.tensor([[0.0, 0.0], [8.0, 8.0]]), torch.tensor([[0.0, 0.0], [1.0, -1.0]])
    >>> rvq_search(torch.tensor([[9.0, 7.0], [0.1, 0.2]]), pack_books([coarse, fine], starts=[0, 0])).tolist()
    [[1, 1], [0, 0]]
"""

from __future__ import annotations

import torch
from torch import Tensor

from codec.kernels.rvq_search.books import Books, pack_books
from tts.base.errors import DataError
from vocoder.kernels.dispatch import choose

__all__ = ["WAYS", "Books", "pack_books", "rvq_search"]

WAYS = {"triton": "cuda", "numba": "cpu"}


def rvq_search(latent: Tensor, books: Books, n_q: int | None = None) -> Tensor:
    """Codes of the first ``n_q`` stages, each the nearest to what the stages before left over.

    Stage q sees its channels r of the running residual, takes the code k of the least score |c_k|^2 - 2 r.c_k, and subtracts
    c_k (one rounded float32 subtraction a channel). Stages over disjoint channels are thus product quantisation, stages over the
    same channels residual quantisation.

    Scores are float64, r.c_k and |c_k|^2 added in the order of the channels (the products are exact); equal scores: the lowest
    code. A stage whose channels hold a NaN or an infinity takes code 0. All implementations give the same integers. No gradient.

    Args:
        latent: [N, D] float32; N may be 0.
        books: From ``pack_books``, on the device of ``latent``.
        n_q: Stages to run, 1..books.n_q; None = all.

    Returns:
        [N, n_q] int64 in 0..K-1, on the device of ``latent``.

    Raises:
        DataError: Shapes, dtypes, devices or n_q do not fit.

    Source: MCRVQ of Language-Codec (arXiv 2402.12208) section 3; RVQ of SoundStream (arXiv 2107.03312) algorithm 1.
    """
    n_q = books.n_q if n_q is None else n_q
    _validate(latent, books, n_q)
    if latent.shape[0] == 0:
        return torch.empty(0, n_q, dtype=torch.int64, device=latent.device)
    way = choose("rvq_search", latent.device.type, WAYS)
    if way == "triton":
        from codec.kernels.rvq_search.triton_kernel import search
    elif way == "numba":
        from codec.kernels.rvq_search.numba_kernel import search
    else:
        from codec.kernels.rvq_search.reference import search
    return search(latent.detach().contiguous(), books, n_q)


def _validate(latent: Tensor, books: Books, n_q: int) -> None:
    def refuse(what, code, fix):
        raise DataError(f"rvq_search: {what}", code=f"rvq.{code}", fix=fix)

    if latent.dim() != 2 or latent.dtype != torch.float32:
        refuse(f"latent is {latent.dtype} of shape {list(latent.shape)}", "latent", "Give float32 rows [N, D].")
    if not 1 <= n_q <= books.n_q:
        refuse(f"n_q is {n_q}, the books have {books.n_q} stages", "n_q", f"Give 1 to {books.n_q}.")
    needed = max(start + width for start, width in zip(books.starts, books.widths, strict=True))
    if latent.shape[1] < needed:
        refuse(f"latent has {latent.shape[1]} channels, the books see channel {needed - 1}", "latent", f"Give [N, {needed}].")
    if latent.device != books.table.device:
        refuse(f"latent is on {latent.device}, the books are on {books.table.device}", "device", "Move one to the other.")
