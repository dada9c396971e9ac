"""monotonic_align for the CPU: the reference's sums, compiled; one row of scores and one byte a state."""

from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor


def align(log_p: Tensor, text_lengths: Tensor, frame_lengths: Tensor, optional: Tensor) -> Tensor:
    """[B, T, N] finite contiguous float32, [B], [B], [B, N] bool -> [B, N] int64, equal to the reference."""
    durations = torch.empty(log_p.shape[0], log_p.shape[2], dtype=torch.int64)
    fill_durations(log_p.numpy(), text_lengths.numpy(), frame_lengths.numpy(), optional.numpy(), durations.numpy())
    return durations


@numba.njit(cache=True, nogil=True)
def fill_durations(log_p, text_lengths, frame_lengths, optional, durations):
    """Write every element of durations [B, N]."""
    B, T, N = log_p.shape
    never = np.float32(-np.inf)
    score = np.empty(N, np.float32)
    move = np.empty((T, N), np.uint8)
    for b in range(B):
        n_tokens, n_frames = text_lengths[b], frame_lengths[b]
        score[:] = never
        score[0] = log_p[b, 0, 0]
        if n_tokens > 1 and optional[b, 0]:
            score[1] = log_p[b, 0, 1]
        for t in range(1, n_frames):
            for n in range(
                min(n_tokens, 2 * t + 2) - 1, -1, -1
            ):  # downwards: what lies below is still frame t - 1
                best, came_from = score[n], 0
                if n > 0 and score[n - 1] > best:
                    best, came_from = score[n - 1], 1
                if n > 1 and optional[b, n - 1] and score[n - 2] > best:
                    best, came_from = score[n - 2], 2
                score[n] = best + log_p[b, t, n]
                move[t, n] = came_from
        token = n_tokens - 1
        if n_tokens > 1 and optional[b, token] and score[token - 1] > score[token]:
            token -= 1
        durations[b, :] = 0
        for t in range(n_frames - 1, -1, -1):
            durations[b, token] += 1
            if t > 0:
                token -= move[t, token]
