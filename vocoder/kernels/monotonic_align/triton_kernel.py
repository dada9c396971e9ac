"""monotonic_align for CUDA: one program an item, the row of scores in registers, one byte a state in memory for the way back.

Two launches, because the way back reads what all threads of the way forth wrote.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor, library


@library.custom_op("parlance::monotonic_align", mutates_args=())
def align(log_p: Tensor, text_lengths: Tensor, frame_lengths: Tensor, optional: Tensor) -> Tensor:
    """[B, T, N] finite contiguous float32, [B], [B], [B, N] bool -> [B, N] int64, equal to the reference."""
    B, T, N = log_p.shape
    move = torch.empty(B, T, N, dtype=torch.int8, device=log_p.device)
    final = torch.empty(B, dtype=torch.int64, device=log_p.device)  # the token of the last frame
    durations = torch.empty(B, N, dtype=torch.int64, device=log_p.device)
    block = triton.next_power_of_2(N)
    warps = max(1, min(8, block // 64))
    optional = optional.to(torch.int8)
    forth[(B,)](log_p, text_lengths, frame_lengths, optional, move, final, T, N, BLOCK_N=block, num_warps=warps)
    back[(B,)](move, frame_lengths, final, durations, T, N, BLOCK_N=block, num_warps=warps)
    return durations


@align.register_fake
def _(log_p, text_lengths, frame_lengths, optional):
    return optional.new_empty(optional.shape, dtype=torch.int64)


@triton.jit
def forth(log_p, text_lengths, frame_lengths, optional, move, final, T, N, BLOCK_N: tl.constexpr):
    """score[n] = max(score[n], score[n-1], score[n-2] if optional[n-1]) + log_p[t, n], for one item (tensors as in align)."""
    item = tl.program_id(0).to(tl.int64)
    n_tokens, n_frames = tl.load(text_lengths + item), tl.load(frame_lengths + item)
    n = tl.arange(0, BLOCK_N)
    real = n < n_tokens
    never = float("-inf")
    row = item * T * N + n  # int64: B * T * N may pass 2^31
    one_back, two_back = tl.maximum(n - 1, 0), tl.maximum(n - 2, 0)
    opening = tl.load(optional + item * N)
    passable = tl.load(optional + item * N + n - 1, mask=real & (n > 1), other=0) != 0
    start = real & ((n == 0) | ((n == 1) & (opening != 0)))
    score = tl.where(start, tl.load(log_p + row, mask=real, other=0.0), never)  # [BLOCK_N]
    for t in range(1, n_frames):
        step = tl.where(n > 0, tl.gather(score, one_back, 0), never)
        skip = tl.where(passable, tl.gather(score, two_back, 0), never)
        came_from = tl.where(step > score, 1, 0)
        best = tl.where(step > score, step, score)
        came_from = tl.where(skip > best, 2, came_from)
        best = tl.where(skip > best, skip, best)
        score = tl.where(real, best + tl.load(log_p + row + t * N, mask=real, other=0.0), never)
        tl.store(move + row + t * N, came_from.to(tl.int8), mask=real)
    last = n_tokens - 1
    at_last = tl.max(tl.where(n == last, score, never), 0)
    at_before = tl.max(tl.where(n == last - 1, score, never), 0)
    ends_before = (tl.load(optional + item * N + last) != 0) & (at_before > at_last)
    tl.store(final + item, last - ends_before.to(tl.int64))


@triton.jit
def back(move, frame_lengths, final, durations, T, N, BLOCK_N: tl.constexpr):
    """Count the frames of each token on the way from the last frame to the first."""
    item = tl.program_id(0).to(tl.int64)
    n_frames = tl.load(frame_lengths + item)
    token = tl.load(final + item)
    n = tl.arange(0, BLOCK_N)
    count = (n == token).to(tl.int64)  # [BLOCK_N]
    for i in range(1, n_frames):
        token -= tl.load(move + item * T * N + (n_frames - i) * N + token).to(tl.int64)
        count += (n == token).to(tl.int64)
    tl.store(durations + item * N + n, count, mask=n < N)
