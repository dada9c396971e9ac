"""The meaning of rvq_search in plain torch: float64 scores, and sums in channel order where two codes are close. Every device."""

from __future__ import annotations

import torch
from torch import Tensor

from codec.kernels.rvq_search.books import Books, sum_in_order

ROWS = 4096  # at a time, which bounds the distance matrix


def search(latent: Tensor, books: Books, n_q: int) -> Tensor:
    """[N, D] contiguous float32 -> [N, n_q] int64. The rules are those of the public function."""
    codes = torch.empty(latent.shape[0], n_q, dtype=torch.int64, device=latent.device)
    for first in range(0, latent.shape[0], ROWS):
        residual = latent[first : first + ROWS].clone()
        for q in range(n_q):
            part = residual[:, books.starts[q] : books.starts[q] + books.widths[q]]  # a view: what the stage sees
            code = nearest(part, books.vectors(q), books.norms[q])
            codes[first : first + ROWS, q] = code
            part -= books.vectors(q)[code]
    return codes


def nearest(rows: Tensor, vectors: Tensor, norms: Tensor) -> Tensor:
    """[N, width], [K, width] float32, [K] float64 -> [N] int64: code of the least score |c|^2 - 2 r.c, the lowest of equal ones.

    Products of float32 numbers are exact in float64, so a sum of them has one value once its order is fixed: channel after
    channel. Matrix products add in orders of their own and serve to find the few codes that need that sum.
    """
    finite = rows.isfinite().all(1, keepdim=True)
    rows = torch.where(finite, rows, 0.0).double()
    scores = norms - 2 * rows @ vectors.double().T  # [N, K]
    reach = rows.norm(dim=1, keepdim=True) * norms.max().sqrt() + norms.max()
    near = scores <= scores.amin(1, keepdim=True) + reach * (vectors.shape[1] + 4) * 2.0**-50
    near &= finite | (torch.arange(len(vectors), device=rows.device) == 0)  # NaN and infinity: code 0
    code = near.int().argmax(1)  # the first one
    row, candidate = (near & (near.sum(1, keepdim=True) > 1)).nonzero(as_tuple=True)
    if len(row):
        exact = norms[candidate] - 2 * sum_in_order(rows[row] * vectors[candidate].double())
        scores.fill_(float("inf"))[row, candidate] = exact
        least = scores == scores.amin(1, keepdim=True)
        rival = near.sum(1) > 1
        code[rival] = least.int().argmax(1)[rival]
    return code
