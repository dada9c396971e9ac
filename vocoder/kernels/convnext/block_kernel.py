"""A whole ConvNeXt block in one launch, for few frames: what a launch costs is then more than what it computes.

A program takes BLOCK_T frames and a share of the hidden channels: it computes the head of its frames (again, as every share needs
all of it), then its part of both products, and lays that part down. Whoever is the last of its frames adds the parts in the order
of the shares, so that the sum is the same on every run, and writes the result.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor, library

from vocoder.kernels.convnext.triton_kernel import head, place_of

BLOCK_T = 16  # the least that a product of tiles takes
TILE = 4096  # channels times hidden channels of a weight tile: 16 KiB of float32; several are on their way at once
SHARES = 64  # of the hidden channels, at most


@library.custom_op("parlance::convnext_block", mutates_args=())
def block(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    norm_weight: Tensor | None,
    norm_bias: Tensor | None,
    eps: float,
    causal: bool,
    mask: Tensor | None,
    film: Tensor | None,
    expand: Tensor,
    expand_bias: Tensor,
    contract: Tensor,
    contract_bias: Tensor,
    gamma: Tensor | None,
) -> Tensor:
    """[B, T, C] -> [B, T, C], the reference's but for rounding."""
    B, T, C = x.shape
    y = torch.empty(B, T, C, dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    size, hidden = weight.shape[-1], len(expand)
    block_c = max(16, triton.next_power_of_2(C))
    block_h = max(16, TILE // block_c)
    blocks, shares = B * triton.cdiv(T, BLOCK_T), min(SHARES, triton.cdiv(hidden, block_h))
    parts = torch.empty(shares, B * T, C, dtype=torch.float32, device=x.device)
    given = [None if tensor is None else tensor.contiguous() for tensor in (mask, norm_weight, norm_bias, film)]
    products = [tensor.contiguous() for tensor in (expand, expand_bias, contract, contract_bias)]
    compute[(blocks * shares,)](
        x.contiguous(),
        weight.contiguous(),
        bias,
        *given,
        *products,
        gamma,
        parts,
        torch.zeros(blocks, dtype=torch.int32, device=x.device),
        y,
        T,
        B * T,
        eps,
        C=C,
        H=hidden,
        SIZE=size,
        LEAD=size - 1 if causal else size // 2,
        FILM_T=film is not None and film.dim() == 3,
        SHARES=shares,
        BLOCK_T=BLOCK_T,
        BLOCK_C=block_c,
        BLOCK_H=block_h,
        num_warps=4,
    )
    return y


@block.register_fake
def _(x, weight, bias, norm_weight, norm_bias, eps, causal, mask, film, expand, expand_bias, contract, contract_bias, gamma):
    return torch.empty(x.shape, dtype=x.dtype, device=x.device)


@triton.jit
def compute(
    x,  # [B, T, C]
    weight,  # [C, SIZE]
    bias,  # [C]
    mask,  # [B, T] or None
    norm_weight,  # [C] or None
    norm_bias,  # [C] or None
    film,  # [B, 2 C], with FILM_T [B, T, 2 C], or None
    expand,  # [H, C]
    expand_bias,  # [H]
    contract,  # [C, H]
    contract_bias,  # [C]
    gamma,  # [C] or None
    parts,  # float32 [SHARES, N, C]
    done,  # int32 [blocks of frames], zeros
    y,  # [B, T, C]
    T,
    N,  # B T
    eps,
    C: tl.constexpr,
    H: tl.constexpr,
    SIZE: tl.constexpr,
    LEAD: tl.constexpr,
    FILM_T: tl.constexpr,
    SHARES: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_H: tl.constexpr,
):
    """y = x + gamma * (contract gelu(expand head(x) + expand_bias) + contract_bias)."""
    share = tl.program_id(0) % SHARES
    frames = tl.program_id(0) // SHARES
    item, t = place_of(frames, T, BLOCK_T)
    c = tl.arange(0, BLOCK_C)
    channel = c < C
    state = head(x, weight, bias, mask, norm_weight, norm_bias, film, item, t, c, T, eps, C, SIZE, LEAD, FILM_T)
    state = state.to(expand.dtype.element_ty)
    total = tl.zeros([BLOCK_T, BLOCK_C], tl.float32)
    for begin in range(share * BLOCK_H, H, SHARES * BLOCK_H):
        h = begin + tl.arange(0, BLOCK_H)
        here = channel[:, None] & (h < H)[None, :]
        tile = tl.load(expand + h[None, :] * C + c[:, None], mask=here, other=0.0)
        wide = tl.dot(state, tile, input_precision="ieee")
        wide += tl.load(expand_bias + h, mask=h < H, other=0.0).to(tl.float32)[None, :]
        wide = 0.5 * wide * (1.0 + tl.erf(wide * 0.7071067811865476))
        tile = tl.load(contract + c[None, :] * H + h[:, None], mask=(h < H)[:, None] & channel[None, :], other=0.0)
        total = tl.dot(wide.to(tile.dtype), tile, total, input_precision="ieee")
    inside = (t < T)[:, None] & channel[None, :]
    place = (item * T + t)[:, None] * C + c[None, :]
    tl.store(parts + share * N.to(tl.int64) * C + place, total, mask=inside)
    tl.debug_barrier()  # every thread has stored before one of them says so
    if tl.atomic_add(done + frames, 1, sem="acq_rel") == SHARES - 1:
        total = tl.zeros([BLOCK_T, BLOCK_C], tl.float32)
        total += tl.load(contract_bias + c, mask=channel, other=0.0).to(tl.float32)[None, :]
        for each in range(SHARES):
            total += tl.load(parts + each * N.to(tl.int64) * C + place, mask=inside, other=0.0, cache_modifier=".cg")
        if gamma is not None:
            total *= tl.load(gamma + c, mask=channel, other=0.0).to(tl.float32)[None, :]
        tl.store(y + place, total + tl.load(x + place, mask=inside, other=0.0).to(tl.float32), mask=inside)
