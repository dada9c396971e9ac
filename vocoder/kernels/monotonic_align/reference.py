"""The meaning of monotonic_align in plain torch: a row of scores a frame, then the way back. Runs on every device."""

from __future__ import annotations

import torch
from torch import Tensor

NEVER = float("-inf")  # the score of a state that no path reaches


def align(log_p: Tensor, text_lengths: Tensor, frame_lengths: Tensor, optional: Tensor) -> Tensor:
    """[B, T, N] finite float32, [B], [B], [B, N] bool -> [B, N] int64. The rules are those of the public function.

        score[t, n] = max(score[t-1, n], score[t-1, n-1], score[t-1, n-2] if optional[n-1]) + log_p[t, n]
    """
    B, T, N = log_p.shape
    passable = torch.zeros(B, N, dtype=torch.bool, device=log_p.device)  # may token n be entered from n - 2?
    passable[:, 2:] = optional[:, 1:-1]
    score = torch.full((B, N), NEVER, device=log_p.device)
    score[:, 0] = log_p[:, 0, 0]
    if N > 1:
        score[:, 1] = torch.where(optional[:, 0], log_p[:, 0, 1], NEVER)

    moves, scores = [], [score]
    for t in range(1, T):
        step, skip = torch.full_like(score, NEVER), torch.full_like(score, NEVER)
        step[:, 1:] = score[:, :-1]
        skip[:, 2:] = score[:, :-2]
        best, move = score, torch.zeros(B, N, dtype=torch.int64, device=log_p.device)
        for came_from, source in ((1, step), (2, torch.where(passable, skip, NEVER))):
            better = source > best  # strictly: ties keep the earlier of stay, step, skip
            best, move = torch.where(better, source, best), torch.where(better, came_from, move)
        score = best + log_p[:, t]
        moves.append(move)
        scores.append(score)

    items = torch.arange(B, device=log_p.device)
    final = torch.stack(scores, 1)[items, frame_lengths - 1]  # [B, N]
    last, before = text_lengths - 1, (text_lengths - 2).clamp(min=0)
    ends_before = (text_lengths > 1) & optional[items, last] & (final[items, before] > final[items, last])
    token = torch.where(ends_before, before, last)
    durations = torch.zeros(B, N, dtype=torch.int64, device=log_p.device)
    for t in reversed(range(T)):
        inside = t < frame_lengths
        durations[items, token] += inside
        if t > 0:
            token = torch.where(inside, token - moves[t - 1][items, token], token)
    return durations
