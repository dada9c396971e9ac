"""The meaning of projected_search in plain torch. Every device."""

from __future__ import annotations

import torch
from torch import Tensor

from codec.kernels.projected_search.books import ProjectedBooks, project, unit
from codec.kernels.rvq_search.reference import ROWS, nearest


def search(latent: Tensor, books: ProjectedBooks, n_q: int) -> Tensor:
    """[N, D] contiguous float32 -> [N, n_q] int64. The rules are those of the public function."""
    codes = torch.empty(latent.shape[0], n_q, dtype=torch.int64, device=latent.device)
    directions, vectors = books.directions, books.vectors
    for first in range(0, latent.shape[0], ROWS):
        residual = latent[first : first + ROWS].clone()
        for q in range(n_q):
            part = residual[:, vectors.starts[q] : vectors.starts[q] + vectors.widths[q]]  # a view: what the stage sees
            points = unit(project(part, books.projection(q).T, books.bias[q]))
            code = nearest(points, directions.vectors(q), directions.norms[q])
            codes[first : first + ROWS, q] = code
            part -= vectors.vectors(q)[code]
    return codes
