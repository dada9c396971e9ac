"""Attention over frames or phones, [B, T, C]."""

from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor


class SelfAttention(nn.Module):
    """Pre-norm multi-head self-attention with rotary positions, residual included."""

    def __init__(self, dim: int, n_heads: int = 4, dropout: float = 0.0):
        super().__init__()
        self.n_heads = n_heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [B, T, C]; mask [B, T] bool, True = real, or [B or 1, 1, T, T]: True where row hears column."""
        batch, size, dim = x.shape
        mask = mask[:, None, None] if mask.dim() == 2 else mask
        q, k, v = self.qkv(self.norm(x)).view(batch, size, 3, self.n_heads, -1).unbind(2)  # [B, T, H, C / H] each
        q, k, v = rotate(q).transpose(1, 2), rotate(k).transpose(1, 2), v.transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return x + self.dropout(self.out(y.transpose(1, 2).reshape(batch, size, dim)))


class CrossAttention(nn.Module):
    """Attention of a sequence to a few tokens, residual included; silent at initialisation."""

    def __init__(self, dim: int, memory_dim: int, n_heads: int = 4):
        super().__init__()
        self.n_heads = n_heads
        self.norm = nn.LayerNorm(dim)
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(memory_dim, 2 * dim)
        self.out = nn.Linear(dim, dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """x [B, T, C], memory [B, M, D], mask [B, M] bool, True = real -> [B, T, C]."""
        batch, size, dim = x.shape
        q = self.q(self.norm(x)).view(batch, size, self.n_heads, -1).transpose(1, 2)
        k, v = self.kv(memory).view(batch, memory.shape[1], 2, self.n_heads, -1).transpose(1, 3).unbind(2)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=None if mask is None else mask[:, None, None])
        return x + self.out(y.transpose(1, 2).reshape(batch, size, dim))


def rotate(x: Tensor, start: int = 0) -> Tensor:
    """Rotary position embedding (RoFormer, arXiv 2104.09864) of [B, T, H, D], positions from ``start`` on."""
    size, dim = x.shape[1], x.shape[-1]
    frequencies = 10_000 ** (-torch.arange(0, dim, 2, device=x.device) / dim)
    angles = torch.arange(start, start + size, device=x.device)[:, None] * frequencies  # [T, D / 2]
    cos, sin = angles.cos()[None, :, None].to(x.dtype), angles.sin()[None, :, None].to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)
