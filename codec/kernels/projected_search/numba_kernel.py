"""projected_search for the CPU: all stages of a block of frames at a time, with scores and choice of ``rvq_search``."""

from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from codec.kernels.projected_search.books import ProjectedBooks
from codec.kernels.rvq_search.numba_kernel import BLOCK, choose_code, score_block, score_narrow


def search(latent: Tensor, books: ProjectedBooks, n_q: int) -> Tensor:
    """[N, D] contiguous float32 -> [N, n_q] int64, equal to the reference."""
    codes = torch.empty(latent.shape[0], n_q, dtype=torch.int64)
    directions, vectors = books.directions, books.vectors
    layout = np.array((vectors.starts, vectors.widths, vectors.offsets))
    scoring = (directions.table, directions.turned, directions.norms, directions.margins)
    tables = [tensor.numpy() for tensor in (books.down, books.bias, *scoring, vectors.table)]
    fill_codes(latent.numpy(), *tables, layout, codes.numpy())
    return codes


@numba.njit(cache=True, nogil=True)
def fill_codes(latent, down, bias, table, turned, norms, margins, vectors, layout, codes):
    """Write every element of codes [N, n_q]."""
    N, D = latent.shape
    K, dims = norms.shape[1], bias.shape[1]
    residual = np.zeros((D, BLOCK), np.float32)  # frames are lanes
    sums = np.empty((dims, BLOCK), np.float64)
    points = np.zeros((BLOCK, dims), np.float32)  # rows beyond n hold old numbers, which nobody reads
    scores = np.empty((BLOCK, (K + 3) // 4 * 4), np.float32)
    rivals = np.empty(K, np.int64)
    norms32 = norms.astype(np.float32)
    for first in range(0, N, BLOCK):
        n = min(BLOCK, N - first)
        for d in range(D):
            for i in range(n):
                residual[d, i] = latent[first + i, d]
        for q in range(codes.shape[1]):
            start, width, offset = layout[0, q], layout[1, q], layout[2, q]
            projection = down[offset // K * dims : (offset // K + width) * dims].reshape(width, dims)
            project_block(residual[start : start + width], projection, bias[q], sums, n)
            for i in range(n):
                direct(sums[:, i], points[i])
            book = table[q * K * dims : (q + 1) * K * dims].reshape(K, dims)
            if len(turned):
                score_narrow(points[:n], turned[q * K * dims : (q + 1) * K * dims].reshape(dims, K), norms32[q], scores)
            else:
                score_block(points[: (n + 3) // 4 * 4], book, norms32[q], scores)
            for i in range(n):
                code = choose_code(points[i], book, norms[q], scores[i], margins[q, 0], margins[q, 1], rivals)
                codes[first + i, q] = code
                place = offset + code * width
                for d in range(width):
                    residual[start + d, i] -= vectors[place + d]


@numba.njit(cache=True, nogil=True)
def project_block(part, projection, bias, sums, n):
    """sums[j, i] = bias[j] + sum over d of part[d, i] * projection[d, j], in float64 and in this order."""
    width, dims = projection.shape
    for j in range(dims):
        sums[j, :n] = bias[j]
    for d in range(width):
        for j in range(dims):
            weight = np.float64(projection[d, j])
            for i in range(n):
                sums[j, i] += np.float64(part[d, i]) * weight


@numba.njit(cache=True, nogil=True)
def direct(point, direction):
    """point, rounded to float32, of length one."""
    square = 0.0
    for j in range(len(point)):
        direction[j] = point[j]
        square += np.float64(direction[j]) * np.float64(direction[j])
    length = np.sqrt(square)
    if length > 0:  # NaN: as it is
        for j in range(len(point)):
            direction[j] = np.float64(direction[j]) / length
