"""The meaning of rvq_decode in plain torch: a gather and an addition a stage. Runs on every device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def decode(codes: Tensor, table: Tensor, codebook_size: int, starts: Sequence[int], widths: Sequence[int], dim: int) -> Tensor:
    """[B, n, T] int64, the flat books -> [B, T, dim] float32. The rules are those of the public function."""
    total = torch.zeros(codes.shape[0], codes.shape[2], dim, device=codes.device)
    offset = 0
    for code, start, width in zip(codes.unbind(1), starts, widths, strict=False):
        book = table[offset : offset + codebook_size * width].view(codebook_size, width)
        total[..., start : start + width] += torch.where((code != -1)[..., None], book[code.clamp(min=0)], 0.0)
        offset += codebook_size * width
    return total
