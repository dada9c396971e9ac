"""Masks over padded sequences. True = real."""

from __future__ import annotations

import torch
from torch import Tensor


def length_mask(lengths: Tensor, size: int | None = None) -> Tensor:
    """[B] -> [B, size] bool, True at positions before each length."""
    size = int(lengths.max()) if size is None else size
    return torch.arange(size, device=lengths.device)[None] < lengths[:, None]
