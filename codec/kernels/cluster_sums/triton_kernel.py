"""cluster_sums for CUDA: rows are sorted by code, then one program adds up the rows of one code. No atomics, no waiting.

The stable sort fixes which rows meet in which step, so that the sums have the same bits at every call.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor, library

BLOCK_N, BLOCK_D = 32, 64  # rows, channels of one step


@library.custom_op("parlance::cluster_sums", mutates_args=())
def sums_of(rows: Tensor, codes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """[N, width] float32, [N] int64 -> [size], [size, width] float32, the reference's but for rounding."""
    width = rows.shape[1]
    ordered, order = torch.sort(codes.to(torch.int32), stable=True)
    bounds = torch.searchsorted(ordered, torch.arange(size + 1, dtype=torch.int32, device=codes.device))
    sums = torch.empty(size, width, dtype=torch.float32, device=rows.device)
    if sums.numel():
        grid = (size, triton.cdiv(width, BLOCK_D))
        add_rows[grid](rows.contiguous(), order, bounds, sums, width, BLOCK_N=BLOCK_N, BLOCK_D=BLOCK_D)
    return bounds.diff().float(), sums


@sums_of.register_fake
def _(rows, codes, size):
    return rows.new_empty(size), rows.new_empty(size, rows.shape[1])


@triton.jit
def add_rows(rows, order, bounds, sums, width, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr):
    """sums[k] = sum of rows[order[i]] for i in bounds[k] .. bounds[k + 1] - 1 (rows [N, width], sums [K, width])."""
    k = tl.program_id(0).to(tl.int64)
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    first, end = tl.load(bounds + k), tl.load(bounds + k + 1)
    total = tl.zeros([BLOCK_D], tl.float32)
    for start in range(first, end, BLOCK_N):
        i = start + tl.arange(0, BLOCK_N)
        row = tl.load(order + i, mask=i < end, other=0)
        seen = (i < end)[:, None] & (d < width)[None, :]
        total += tl.sum(tl.load(rows + row[:, None] * width + d[None, :], mask=seen, other=0.0), 0)
    tl.store(sums + k * width + d, total, mask=d < width)
