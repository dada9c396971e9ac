"""rvq_search for CUDA: one program takes a block of frames through all stages; no distance leaves the chip.

Float32 scores keep the best two codes and the third value of every frame. Where the two are within rounding of each other they
are compared again by the reference's float64 sums; a frame whose third is near as well is marked and left to the reference.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor, library

from codec.kernels.rvq_search.books import Books
from codec.kernels.rvq_search.reference import search as exact_search

BLOCK_M, BLOCK_N, BLOCK_D = 64, 64, 32  # frames, codes, channels of one matrix product


def search(latent: Tensor, books: Books, n_q: int) -> Tensor:
    """[N, D] contiguous float32 -> [N, n_q] int64, equal to the reference."""
    return find(latent, books.table, books.norms, books.margins, books.codebook_size, books.starts, books.widths, n_q)


@library.custom_op("parlance::rvq_search", mutates_args=())
def find(
    latent: Tensor,
    table: Tensor,
    norms: Tensor,
    margins: Tensor,
    codebook_size: int,
    starts: Sequence[int],
    widths: Sequence[int],
    n_q: int,
) -> Tensor:
    """As ``search``, from what is in the books."""
    N, D = latent.shape
    codes = torch.empty(N, n_q, dtype=torch.int64, device=latent.device)
    doubtful = torch.empty(N, dtype=torch.int32, device=latent.device)
    books = Books.known(table, codebook_size, starts, widths, norms)
    layout = torch.tensor([books.starts, books.widths, books.offsets], device=latent.device)
    residual = latent.clone()
    tables = (table, norms, norms.float(), margins, layout)
    sizes = dict(BLOCK_M=BLOCK_M, BLOCK_N=BLOCK_N, BLOCK_D=BLOCK_D)
    stages[(triton.cdiv(N, BLOCK_M),)](residual, *tables, codes, doubtful, N, D, codebook_size, books.n_q, n_q, **sizes)
    again = doubtful.nonzero()[:, 0]
    if len(again):
        codes[again] = exact_search(latent[again], books, n_q)
    return codes


@find.register_fake
def _(latent, table, norms, margins, codebook_size, starts, widths, n_q):
    return latent.new_empty(latent.shape[0], n_q, dtype=torch.int64)


@triton.jit
def insert(v1, i1, v2, i2, v3, value, index):
    """Put (value, index) into the sorted best three, behind equal values."""
    first, second = value < v1, value < v2
    v3 = tl.where(second, v2, tl.minimum(v3, value))
    v2, i2 = tl.where(first, v1, tl.where(second, value, v2)), tl.where(first, i1, tl.where(second, index, i2))
    return tl.where(first, value, v1), tl.where(first, index, i1), v2, i2, v3


@triton.jit
def best_code(
    mine,  # [BLOCK_M] pointers to the first number of each row
    real,  # [BLOCK_M]
    book,  # [K, width]
    norms,  # [K] float64
    norms32,  # [K]
    slope,
    offset,
    width,
    K,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """argmin_k |c_k|^2 - 2 r.c_k of each row and whether it is in doubt, [BLOCK_M] int32 both; 0 for rows that are not finite."""
    square = tl.zeros([BLOCK_M], tl.float64)
    for d0 in range(0, width, BLOCK_D):
        d = d0 + tl.arange(0, BLOCK_D)
        r = tl.load(mine[:, None] + d[None, :], mask=real[:, None] & (d < width)[None, :], other=0.0).to(tl.float64)
        square += tl.sum(r * r, 1)
    margin = slope * tl.sqrt(square) + offset
    calm = (square < 1e30) & (margin < 1e20)  # no float32 score overflows
    doubt = tl.where((calm == 0) & (square < float("inf")), 1, 0)

    v1 = tl.full([BLOCK_M], float("inf"), tl.float32)
    v2, v3 = v1, v1
    i1 = tl.zeros([BLOCK_M], tl.int32)
    i2 = i1
    for k0 in range(0, K, BLOCK_N):
        k = k0 + tl.arange(0, BLOCK_N)
        dot = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
        for d0 in range(0, width, BLOCK_D):
            d = d0 + tl.arange(0, BLOCK_D)
            r = tl.load(mine[:, None] + d[None, :], mask=(real & calm)[:, None] & (d < width)[None, :], other=0.0)
            c = tl.load(book + k[None, :] * width + d[:, None], mask=(k < K)[None, :] & (d < width)[:, None], other=0.0)
            dot = tl.dot(r, c, dot, input_precision="ieee")
        norm = tl.load(norms32 + k, mask=k < K, other=float("inf"))
        score = norm[None, :] - 2.0 * dot  # [BLOCK_M, BLOCK_N]
        for _ in tl.static_range(3):
            value, at = tl.min(score, 1, return_indices=True, return_indices_tie_break_left=True)
            v1, i1, v2, i2, v3 = insert(v1, i1, v2, i2, v3, value, k0 + at)
            score = tl.where(tl.arange(0, BLOCK_N)[None, :] == at[:, None], float("inf"), score)

    code = i1
    close = real & calm & ((v2 - v1).to(tl.float64) <= margin)
    doubt = tl.where(close & ((v3 - v1).to(tl.float64) <= margin), 1, doubt)
    if tl.max(close.to(tl.int32), 0) > 0:
        s1 = tl.zeros([BLOCK_M], tl.float64)
        s2 = s1
        for d in range(0, width):
            r = tl.load(mine + d, mask=close, other=0.0).to(tl.float64)
            s1 += r * tl.load(book + i1 * width + d, mask=close, other=0.0).to(tl.float64)
            s2 += r * tl.load(book + i2 * width + d, mask=close, other=0.0).to(tl.float64)
        s1 = tl.load(norms + i1, mask=close, other=0.0) - 2.0 * s1
        s2 = tl.load(norms + i2, mask=close, other=0.0) - 2.0 * s2
        code = tl.where(close & ((s2 < s1) | ((s2 == s1) & (i2 < i1))), i2, i1)
    return tl.where(calm, code, 0), doubt


@triton.jit
def take_off(mine, real, vectors, code, width, BLOCK_D: tl.constexpr):
    """Rows (pointers ``mine`` [BLOCK_M]) less the vectors [K, width] of their codes."""
    for d0 in range(0, width, BLOCK_D):
        d = d0 + tl.arange(0, BLOCK_D)
        inside = real[:, None] & (d < width)[None, :]
        r = tl.load(mine[:, None] + d[None, :], mask=inside, other=0.0)
        c = tl.load(vectors + code[:, None] * width + d[None, :], mask=inside, other=0.0)
        tl.store(mine[:, None] + d[None, :], r - c, mask=inside)


@triton.jit
def stages(
    residual,  # [N, D] float32, overwritten
    table,
    norms,  # [stages, K] float64
    norms32,
    margins,  # [stages, 2]
    layout,  # [3, stages]: starts, widths, offsets
    codes,  # [N, n_q]
    doubtful,  # [N]
    N,
    D,
    K,
    n_stages,
    n_q,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """code_q = argmin_k |c_k|^2 - 2 r.c_k, then r -= c, for q = 0 .. n_q - 1."""
    row = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)
    real = row < N
    doubt = tl.zeros([BLOCK_M], tl.int32)
    for q in range(n_q):
        width = tl.load(layout + n_stages + q)
        book = table + tl.load(layout + 2 * n_stages + q)
        slope, offset = tl.load(margins + 2 * q), tl.load(margins + 2 * q + 1)
        mine = residual + row * D + tl.load(layout + q)  # [BLOCK_M]
        code, unsure = best_code(
            mine, real, book, norms + q * K, norms32 + q * K, slope, offset, width, K, BLOCK_M, BLOCK_N, BLOCK_D
        )
        doubt = tl.maximum(doubt, unsure)
        tl.store(codes + row * n_q + q, code.to(tl.int64), mask=real)
        tl.debug_barrier()  # all have read the residual
        take_off(mine, real, book, code, width, BLOCK_D)
        tl.debug_barrier()  # all of it is written before the next stage reads it
    tl.store(doubtful + row, doubt, mask=real)
