"""dwconv_norm for CUDA: one program takes a few frames with all their channels; x is read and the result written once.

The k shifted reads of a frame meet in the level-1 cache. The two linear layers that follow stay with the matrix library.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor, library

TILE = 4096  # frames times channels of a program: 16 float32 registers a thread of 8 warps


@library.custom_op("parlance::dwconv_norm", mutates_args=())
def conv_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    norm_weight: Tensor | None,
    norm_bias: Tensor | None,
    eps: float,
    causal: bool,
    mask: Tensor | None,
    film: Tensor | None,
) -> Tensor:
    """[B, T, C] -> [B, T, C], the reference's but for rounding."""
    B, T, C = x.shape
    y = torch.empty(B, T, C, dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    size = weight.shape[-1]
    block_c = triton.next_power_of_2(C)
    block_t = max(1, min(16, TILE // block_c))
    given = [None if tensor is None else tensor.contiguous() for tensor in (mask, norm_weight, norm_bias, film)]
    convolve[(B * triton.cdiv(T, block_t),)](
        x.contiguous(),
        weight.contiguous(),
        bias,
        *given,
        y,
        T,
        eps,
        C=C,
        SIZE=size,
        LEAD=size - 1 if causal else size // 2,
        FILM_T=film is not None and film.dim() == 3,
        BLOCK_T=block_t,
        BLOCK_C=block_c,
        num_warps=8 if block_t * block_c >= TILE else 4,
    )
    return y


@conv_norm.register_fake
def _(x, weight, bias, norm_weight, norm_bias, eps, causal, mask, film):
    return torch.empty(x.shape, dtype=x.dtype, device=x.device)


@triton.jit
def convolve(
    x,  # [B, T, C]
    weight,  # [C, SIZE]
    bias,  # [C]
    mask,  # [B, T] or None
    norm_weight,  # [C] or None
    norm_bias,  # [C] or None
    film,  # [B, 2 C], with FILM_T [B, T, 2 C], or None
    y,  # [B, T, C]
    T,
    eps,
    C: tl.constexpr,
    SIZE: tl.constexpr,
    LEAD: tl.constexpr,  # frames of the kernel before the one it is for
    FILM_T: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """y = head of x."""
    item, t = place_of(tl.program_id(0), T, BLOCK_T)
    c = tl.arange(0, BLOCK_C)
    out = head(x, weight, bias, mask, norm_weight, norm_bias, film, item, t, c, T, eps, C, SIZE, LEAD, FILM_T)
    tl.store(y + (item * T + t)[:, None] * C + c[None, :], out, mask=(t < T)[:, None] & (c < C)[None, :])


@triton.jit
def place_of(block, T, BLOCK_T: tl.constexpr):
    """Item and frames [BLOCK_T] of a block of frames."""
    blocks = tl.cdiv(T, BLOCK_T)
    return (block // blocks).to(tl.int64), (block % blocks) * BLOCK_T + tl.arange(0, BLOCK_T)


@triton.jit
def head(
    x, weight, bias, mask, norm_weight, norm_bias, film, item, t, c, T, eps,
    C: tl.constexpr, SIZE: tl.constexpr, LEAD: tl.constexpr, FILM_T: tl.constexpr,
):  # fmt: skip
    """norm(bias + sum over j of weight[:, j] * x[t + j - LEAD]) * (1 + scale) + shift, float32 [frames t, channels c]."""
    channel = c < C
    total = tl.zeros([t.shape[0], c.shape[0]], tl.float32) + tl.load(bias + c, mask=channel, other=0.0).to(tl.float32)[None, :]
    for j in tl.static_range(SIZE):
        source = t + j - LEAD
        there = (source >= 0) & (source < T)
        frame = item * T + source
        seen = tl.load(x + frame[:, None] * C + c[None, :], mask=there[:, None] & channel[None, :], other=0.0).to(tl.float32)
        if mask is not None:
            seen *= tl.load(mask + frame, mask=there, other=0.0).to(tl.float32)[:, None]
        total += seen * tl.load(weight + c * SIZE + j, mask=channel, other=0.0).to(tl.float32)[None, :]
    centred = tl.where(channel[None, :], total - (tl.sum(total, 1) / C)[:, None], 0.0)
    out = centred * (1.0 / tl.sqrt(tl.sum(centred * centred, 1) / C + eps))[:, None]
    if norm_weight is not None:
        out *= tl.load(norm_weight + c, mask=channel, other=0.0).to(tl.float32)[None, :]
        out += tl.load(norm_bias + c, mask=channel, other=0.0).to(tl.float32)[None, :]
    if film is not None:
        inside = (t < T)[:, None] & channel[None, :]
        line = item * T + t if FILM_T else item + 0 * t
        place = film + line[:, None] * (2 * C) + c[None, :]
        out *= 1.0 + tl.load(place, mask=inside, other=0.0).to(tl.float32)
        out += tl.load(place + C, mask=inside, other=0.0).to(tl.float32)
    return out
