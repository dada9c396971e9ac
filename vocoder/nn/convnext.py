"""ConvNeXt block over frames: the trunk of vocoders, aligner, acoustic models and codec.

Sequences are [B, T, C]. Convolution, norm and FiLM are one op of ``vocoder.kernels.convnext``, which says how they run; of few
frames the whole block is, where there is a kernel for it.

Source: Vocos (arXiv 2306.00814) after ConvNeXt (arXiv 2201.03545); differs: optional FiLM after the norm.
"""

from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from vocoder.kernels.convnext import dwconv_norm, few, whole_block
from vocoder.kernels.convnext.reference import rounded


class DepthwiseConv(nn.Module):
    """Parameters of a depthwise convolution over time: zero padding on both sides, or all before when causal."""

    def __init__(self, dim: int, kernel_size: int = 7, causal: bool = False):
        super().__init__()
        self.causal = causal
        self.conv = nn.Conv2d(dim, dim, (1, kernel_size), groups=dim)


class ConvNeXtBlock(nn.Module):
    """Depthwise conv, LayerNorm, two linear layers with GELU, layer scale, residual.

    Args:
        dim: Model width C.
        hidden: Width between the linear layers.
        layer_scale: Initial value of the per-channel output gain (1 / number of blocks in Vocos).
        cond_dim: Width of a conditioning vector for FiLM; None for none. FiLM starts as the identity.
        causal: No frame reaches an earlier one.
    """

    def __init__(self, dim, hidden, layer_scale=0.1, kernel_size=7, cond_dim=None, dropout=0.0, causal=False):
        super().__init__()
        self.depthwise = DepthwiseConv(dim, kernel_size, causal)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.film = FiLM(cond_dim, dim) if cond_dim else None
        self.expand = nn.Linear(dim, hidden)
        self.contract = nn.Linear(hidden, dim)
        self.gamma = nn.Parameter(torch.full((dim,), float(layer_scale)))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None, cond: Tensor | None = None) -> Tensor:
        """x [B, T, C]; mask [B, T, 1] float, 1 = real; cond [B, D] or [B, T, D]. Returns [B, T, C]."""
        conv, norm = self.depthwise.conv, self.norm
        film = None if self.film is None else self.film(cond)
        head = (conv.weight, conv.bias, norm.weight, norm.bias, norm.eps, self.depthwise.causal, mask, film)
        if not self.training and few(x, *self.parameters()):
            ends = (self.expand.weight, self.expand.bias, self.contract.weight, self.contract.bias, self.gamma)
            return whole_block(x, *head, *ends)
        y = dwconv_norm(x, *head)
        y = self.contract(self.dropout(F.gelu(self.expand(y))))
        return x + self.gamma * y


class FiLM(nn.Module):
    """cond [..., cond_dim] -> scale and shift side by side [..., 2 dim] of x * (1 + scale) + shift; the identity at first."""

    def __init__(self, cond_dim: int, dim: int):
        super().__init__()
        self.linear = nn.Linear(cond_dim, 2 * dim)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, cond: Tensor) -> Tensor:
        return self.linear(cond)


class FrameConv(nn.Conv1d):
    """Convolution over time, [B, T, C_in] -> [B, T, C_out], zero padding on both sides, or all before when causal."""

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int, causal: bool = False):
        super().__init__(in_dim, out_dim, kernel_size, padding=0 if causal else kernel_size // 2)
        self.lead = kernel_size - 1 if causal else 0

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x.transpose(1, 2), (self.lead, rounded(x)))).transpose(1, 2)[:, : x.shape[1]]


def init_weights(module: nn.Module) -> None:
    """Vocos' initialisation: truncated normal 0.02, zero bias. For ``Module.apply``; FiLM stays zero."""
    if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
        if module.weight.detach().abs().sum() != 0:
            nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
