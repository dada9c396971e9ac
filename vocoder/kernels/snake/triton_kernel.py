"""snake for CUDA: x is read and the result written once; backward once more, with the sums for alpha beside.

Every program of the backward pass writes one partial sum, and torch adds these up: no atomics, the same bits at every call.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor, library

from vocoder.kernels.fourier_head.triton_kernel import cos_sin

BLOCK = 1024  # samples of a program
TINY = tl.constexpr(1e-9)


@library.custom_op("parlance::snake", mutates_args=())
def activate(x: Tensor, alpha: Tensor) -> Tensor:
    """[B, C, T], [C] -> [B, C, T], the reference's but for rounding."""
    B, C, T = x.shape
    y = torch.empty(B, C, T, dtype=x.dtype, device=x.device)
    if y.numel():
        forth[(B * C, triton.cdiv(T, BLOCK))](x.contiguous(), alpha.contiguous(), y, C, T, BLOCK=BLOCK)
    return y


@activate.register_fake
def _(x, alpha):
    return x.new_empty(x.shape)


@library.custom_op("parlance::snake_backward", mutates_args=())
def gradients(x: Tensor, alpha: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    """[B, C, T], [C], gradient of the result [B, C, T] -> gradients of x and alpha."""
    B, C, T = x.shape
    blocks = triton.cdiv(T, BLOCK)
    dx = torch.empty(B, C, T, dtype=x.dtype, device=x.device)
    parts = torch.empty(B, C, blocks, dtype=torch.float32, device=x.device)
    if dx.numel():
        back[(B * C, blocks)](x.contiguous(), alpha.contiguous(), grad.contiguous(), dx, parts, C, T, BLOCK=BLOCK)
    return dx, parts.sum((0, 2)).to(alpha.dtype)


@gradients.register_fake
def _(x, alpha, grad):
    return x.new_empty(x.shape), alpha.new_empty(alpha.shape)


def remember(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def differentiate(ctx, grad):
    return gradients(*ctx.saved_tensors, grad)


activate.register_autograd(differentiate, setup_context=remember)


@triton.jit
def forth(x, alpha, y, C, T, BLOCK: tl.constexpr):
    """y = x + sin(a x)^2 / (a + tiny); x and y [B C, T], alpha [C]."""
    row = tl.program_id(0).to(tl.int64)
    t = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    a = tl.load(alpha + row % C).to(tl.float32)
    v = tl.load(x + row * T + t, mask=t < T, other=0.0).to(tl.float32)
    _, sine = cos_sin(a * v)
    tl.store(y + row * T + t, v + sine * sine / (a + TINY), mask=t < T)


@triton.jit
def back(x, alpha, grad, dx, parts, C, T, BLOCK: tl.constexpr):
    """dx = g (1 + a sin(2 a x) / (a + tiny)); of alpha the sum of g (x sin(2 a x) - sin(a x)^2 / (a + tiny)) / (a + tiny)."""
    row = tl.program_id(0).to(tl.int64)
    t = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    a = tl.load(alpha + row % C).to(tl.float32)
    v = tl.load(x + row * T + t, mask=t < T, other=0.0).to(tl.float32)
    g = tl.load(grad + row * T + t, mask=t < T, other=0.0).to(tl.float32)
    cosine, sine = cos_sin(a * v)
    double = 2.0 * sine * cosine
    tl.store(dx + row * T + t, g * (1.0 + a / (a + TINY) * double), mask=t < T)
    share = g * (v * double - sine * sine / (a + TINY)) / (a + TINY)
    tl.store(parts + row * tl.num_programs(1) + tl.program_id(1), tl.sum(share, 0))
