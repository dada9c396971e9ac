"""k-means: where codebooks start."""

from __future__ import annotations

import torch
from torch import Tensor

from codec.kernels.cluster_sums import cluster_sums
from codec.kernels.rvq_search import pack_books, rvq_search
from tts.base.errors import DataError

ROWS_PER_CODE = 8  # fewer, and a book learns its sample by heart
ITERATIONS = 20


def nearest(rows: Tensor, vectors: Tensor) -> Tensor:
    """[N, width], [K, width] float32 -> [N] int64, the nearest vector of each row."""
    return rvq_search(rows, pack_books([vectors], [0]))[:, 0]


def draw_rows(rows: Tensor, count: int, generator=None) -> Tensor:
    """[count, width]: rows drawn with replacement."""
    return rows[torch.randint(len(rows), (count,), generator=generator).to(rows.device)]


def kmeans(rows: Tensor, size: int, generator=None, iterations: int = ITERATIONS) -> Tensor:
    """[N, width] float32 -> [size, width]: Lloyd's algorithm; an empty cluster starts anew from a random row.

    It starts from random rows half-way to the mean of all. From the rows themselves, in many dimensions, the one that happens to
    lie nearest to the mean is nearest to almost everything, and later stages of a chain use a few dozen of 1024 codes.

    Raises:
        DataError: Fewer than 8 rows a cluster.
    """
    if len(rows) < ROWS_PER_CODE * size:
        raise DataError(
            f"{len(rows):,} latents for {size:,} codes",
            code="quantizer.latents",
            fix=f"Collect at least {ROWS_PER_CODE * size:,}, better 20 for each code.",
        )
    chosen = rows[torch.randperm(len(rows), generator=generator)[:size].to(rows.device)]
    vectors = (chosen + rows.mean(0)) / 2
    for _ in range(iterations):
        counts, sums = cluster_sums(rows, nearest(rows, vectors), size)
        means = sums / counts.clamp(min=1)[:, None]
        vectors = torch.where(counts[:, None] > 0, means, draw_rows(rows, size, generator))
    return vectors
