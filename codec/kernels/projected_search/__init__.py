"""Nearest-code search of a factorised quantiser: each stage projects to a few dimensions and takes the code of nearest direction.

    >>> import torch
    >>> from codec.kernels.projected_search import Stage, pack_stages, projected_search
    >>> book = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    >>> flat = Stage(torch.eye(2, 3), torch.zeros(2), book, torch.eye(3, 2), torch.zeros(3))
    >>> projected_search(torch.tensor([[9.0, 7.0, 5.0], [0.0, 0.1, 0.0]]), pack_stages([flat, flat], starts=[0, 0])).tolist()
    [[0, 0], [1, 0]]
"""

from __future__ import annotations

import torch
from torch import Tensor

from codec.kernels.projected_search.books import ProjectedBooks, Stage, pack_stages
from tts.base.errors import DataError
from vocoder.kernels.dispatch import choose

__all__ = ["WAYS", "ProjectedBooks", "Stage", "pack_stages", "projected_search"]

WAYS = {"triton": "cuda", "numba": "cpu"}


def projected_search(latent: Tensor, books: ProjectedBooks, n_q: int | None = None) -> Tensor:
    """Codes of the first ``n_q`` stages, each of what the stages before left over.

    Stage q projects its channels r of the running residual to a point p = W r + b, takes the code whose unit vector c_k is
    nearest to p / |p|, by the score |c_k|^2 - 2 c_k.p / |p|, and subtracts what the code projects back up to.

    Points are float64 sums, the bias first, then channel after channel, rounded once to float32; so are their lengths and
    directions. Scores, their ties and numbers that are not finite are as in ``rvq_search``. All implementations give the same
    integers. No gradient.

    Args:
        latent: [N, D] float32; N may be 0.
        books: From ``pack_stages``, on the device of ``latent``.
        n_q: Stages to run, 1..books.n_q; None = all.

    Returns:
        [N, n_q] int64 in 0..K-1, on the device of ``latent``.

    Raises:
        DataError: Shapes, dtypes, devices or n_q do not fit.

    Source: DAC (arXiv 2306.06546) appendix A, after improved VQGAN (arXiv 2110.04627) section 3.2.
    """
    n_q = books.n_q if n_q is None else n_q
    _validate(latent, books, n_q)
    if latent.shape[0] == 0:
        return torch.empty(0, n_q, dtype=torch.int64, device=latent.device)
    way = choose("projected_search", latent.device.type, WAYS)
    if way == "triton":
        from codec.kernels.projected_search.triton_kernel import search
    elif way == "numba":
        from codec.kernels.projected_search.numba_kernel import search
    else:
        from codec.kernels.projected_search.reference import search
    with torch.no_grad():
        return search(latent.contiguous(), books, n_q)


def _validate(latent: Tensor, books: ProjectedBooks, n_q: int) -> None:
    def refuse(what, code, fix):
        raise DataError(f"projected_search: {what}", code=f"rvq.{code}", fix=fix)

    if latent.dim() != 2 or latent.dtype != torch.float32:
        refuse(f"latent is {latent.dtype} of shape {list(latent.shape)}", "latent", "Give float32 rows [N, D].")
    if not 1 <= n_q <= books.n_q:
        refuse(f"n_q is {n_q}, the books have {books.n_q} stages", "n_q", f"Give 1 to {books.n_q}.")
    needed = max(start + width for start, width in zip(books.vectors.starts, books.vectors.widths, strict=True))
    if latent.shape[1] < needed:
        refuse(f"latent has {latent.shape[1]} channels, the books see channel {needed - 1}", "latent", f"Give [N, {needed}].")
    if latent.device != books.bias.device:
        refuse(f"latent is on {latent.device}, the books are on {books.bias.device}", "device", "Move one to the other.")
