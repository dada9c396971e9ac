"""projected_search for CUDA: one program takes a block of frames through all stages, with the choice of ``rvq_search``.

Points pass through memory, because every thread of the search reads all of a frame's; so does what is left over.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor, library

from codec.kernels.projected_search.books import ProjectedBooks
from codec.kernels.projected_search.reference import search as exact_search
from codec.kernels.rvq_search.books import Books
from codec.kernels.rvq_search.triton_kernel import BLOCK_M, BLOCK_N, best_code, take_off

BLOCK_D = 64  # channels of a step


def search(latent: Tensor, books: ProjectedBooks, n_q: int) -> Tensor:
    """[N, D] contiguous float32 -> [N, n_q] int64, equal to the reference."""
    directions, vectors = books.directions, books.vectors
    scoring = (directions.table, directions.norms, directions.margins, vectors.table)
    return find(latent, books.down, books.bias, *scoring, vectors.codebook_size, vectors.starts, vectors.widths, n_q)


@library.custom_op("parlance::projected_search", mutates_args=())
def find(
    latent: Tensor,
    down: Tensor,
    bias: Tensor,
    table: Tensor,
    norms: Tensor,
    margins: Tensor,
    vectors: Tensor,
    codebook_size: int,
    starts: Sequence[int],
    widths: Sequence[int],
    n_q: int,
) -> Tensor:
    """As ``search``, from what is in the books."""
    (N, D), (n_stages, dims) = latent.shape, bias.shape
    codes = torch.empty(N, n_q, dtype=torch.int64, device=latent.device)
    doubtful = torch.empty(N, dtype=torch.int32, device=latent.device)
    points = torch.empty(N, dims, dtype=torch.float32, device=latent.device)
    residual = latent.clone()
    directions = Books.known(table, codebook_size, [0] * n_stages, [dims] * n_stages, norms)
    books = ProjectedBooks(down, bias, directions, Books.known(vectors, codebook_size, starts, widths))
    layout = torch.tensor([books.vectors.starts, books.vectors.widths, books.vectors.offsets], device=latent.device)
    block_j = max(16, triton.next_power_of_2(dims))  # what a matrix product of the hardware takes at least
    stages[(triton.cdiv(N, BLOCK_M),)](
        residual, points, down, bias, table, norms, norms.float(), margins, vectors, layout, codes, doubtful,
        N, D, codebook_size, n_stages, n_q, dims, BLOCK_M=BLOCK_M, BLOCK_N=BLOCK_N, BLOCK_D=BLOCK_D, BLOCK_J=block_j,
    )  # fmt: skip
    again = doubtful.nonzero()[:, 0]
    if len(again):
        codes[again] = exact_search(latent[again], books, n_q)
    return codes


@find.register_fake
def _(latent, down, bias, table, norms, margins, vectors, codebook_size, starts, widths, n_q):
    return latent.new_empty(latent.shape[0], n_q, dtype=torch.int64)


@triton.jit
def stages(
    residual,  # [N, D] float32, overwritten
    points,  # [N, dims], room
    down,  # the stages' [width, dims]
    bias,  # [stages, dims]
    table,  # the stages' [K, dims], of length one
    norms,  # [stages, K] float64
    norms32,
    margins,  # [stages, 2]
    vectors,  # the stages' [K, width]
    layout,  # [3, stages]: starts, widths, offsets of the vectors
    codes,  # [N, n_q]
    doubtful,  # [N]
    N,
    D,
    K,
    n_stages,
    n_q,
    dims,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_J: tl.constexpr,
):
    """p = W r + b, code_q = argmin_k |c_k|^2 - 2 c_k.p / |p|, then r -= vector of the code, for q = 0 .. n_q - 1."""
    row = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)
    real = row < N
    j = tl.arange(0, BLOCK_J)
    inside = real[:, None] & (j < dims)[None, :]
    point = points + row * dims  # [BLOCK_M]
    doubt = tl.zeros([BLOCK_M], tl.int32)
    for q in range(n_q):
        width, place = tl.load(layout + n_stages + q), tl.load(layout + 2 * n_stages + q)
        mine = residual + row * D + tl.load(layout + q)  # [BLOCK_M]
        weight = down + place // K * dims + j  # [BLOCK_J]
        start = tl.load(bias + q * dims + j, mask=j < dims, other=0.0).to(tl.float64)
        total = tl.zeros([BLOCK_M, BLOCK_J], tl.float64) + start[None, :]
        for d in range(0, width):  # in this order
            r = tl.load(mine + d, mask=real, other=0.0).to(tl.float64)
            total += r[:, None] * tl.load(weight + d * dims, mask=j < dims, other=0.0).to(tl.float64)[None, :]
        p = total.to(tl.float32)  # [BLOCK_M, BLOCK_J]
        tl.store(point[:, None] + j[None, :], p, mask=inside)
        tl.debug_barrier()  # written before others read it
        square = tl.zeros([BLOCK_M], tl.float64)
        for i in range(0, dims):  # in this order
            x = tl.load(point + i, mask=real, other=0.0).to(tl.float64)
            square += x * x
        length = tl.sqrt(square)
        length = tl.where(length > 0, length, 1.0)
        tl.debug_barrier()  # read by all before it is overwritten
        tl.store(point[:, None] + j[None, :], (p.to(tl.float64) / length[:, None]).to(tl.float32), mask=inside)
        tl.debug_barrier()
        slope, offset = tl.load(margins + 2 * q), tl.load(margins + 2 * q + 1)
        code, unsure = best_code(
            point, real, table + q * K * dims, norms + q * K, norms32 + q * K, slope, offset, dims, K, BLOCK_M, BLOCK_N, BLOCK_J
        )
        doubt = tl.maximum(doubt, unsure)
        tl.store(codes + row * n_q + q, code.to(tl.int64), mask=real)
        take_off(mine, real, vectors + place, code, width, BLOCK_D)
        tl.debug_barrier()  # all of it is written before the next stage reads it
    tl.store(doubtful + row, doubt, mask=real)
