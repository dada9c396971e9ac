"""The meaning of cluster_sums in plain torch. Runs on every device."""

from __future__ import annotations

import torch
from torch import Tensor


def sums_of(rows: Tensor, codes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """[N, width] float32, [N] int64 -> [size], [size, width]. The rules are those of the public function."""
    counts = torch.bincount(codes, minlength=size).to(rows.dtype)
    return counts, rows.new_zeros(size, rows.shape[1]).index_add_(0, codes, rows)
