"""rvq_decode for CUDA: one program sums a block of frames and channels over the stages; only codes, vectors and sums move."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor, library

BLOCK_T, BLOCK_D = 16, 64  # frames, channels


@library.custom_op("parlance::rvq_decode", mutates_args=())
def decode(codes: Tensor, table: Tensor, codebook_size: int, starts: Sequence[int], widths: Sequence[int], dim: int) -> Tensor:
    """[B, n, T] int64, the flat books -> [B, T, dim] float32, equal to the reference."""
    B, n, T = codes.shape
    latent = torch.empty(B, T, dim, dtype=torch.float32, device=codes.device)
    grid = (B * triton.cdiv(T, BLOCK_T), triton.cdiv(dim, BLOCK_D))
    plan = tuple(starts[:n]), tuple(widths[:n])
    if latent.numel():
        gather_sum[grid](codes.contiguous(), table, latent, T, codebook_size, n, dim, *plan, BLOCK_T=BLOCK_T, BLOCK_D=BLOCK_D)
    return latent


@decode.register_fake
def _(codes, table, codebook_size, starts, widths, dim):
    return table.new_empty(codes.shape[0], codes.shape[2], dim)


@triton.jit
def gather_sum(
    codes,  # [B, n, T]
    table,
    latent,  # [B, T, D]
    T,
    K,
    N_Q: tl.constexpr,
    D: tl.constexpr,
    STARTS: tl.constexpr,  # first channel and width of each stage: a kernel for each plan, with no table of plans to read
    WIDTHS: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """latent[t, d] = sum over q of book_q[code[q, t], d - start_q], in the order of the stages."""
    blocks = tl.cdiv(T, BLOCK_T)
    item = (tl.program_id(0) // blocks).to(tl.int64)
    t = (tl.program_id(0) % blocks) * BLOCK_T + tl.arange(0, BLOCK_T)
    d = tl.program_id(1) * BLOCK_D + tl.arange(0, BLOCK_D)
    total = tl.zeros([BLOCK_T, BLOCK_D], tl.float32)
    book = table
    for q in tl.static_range(N_Q):
        code = tl.load(codes + (item * N_Q + q) * T + t, mask=t < T, other=-1)
        seen = ((code >= 0) & (code < K))[:, None] & ((d >= STARTS[q]) & (d < STARTS[q] + WIDTHS[q]))[None, :]
        total += tl.load(book + code[:, None] * WIDTHS[q] + (d - STARTS[q])[None, :], mask=seen, other=0.0)
        book += K * WIDTHS[q]
    tl.store(latent + (item * T + t)[:, None] * D + d[None, :], total, mask=(t < T)[:, None] & (d < D)[None, :])
