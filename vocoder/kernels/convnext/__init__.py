"""The head of a ConvNeXt block: depthwise convolution over time, LayerNorm over channels, FiLM.

    >>> import torch
    >>> from vocoder.kernels.convnext import dwconv_norm
    >>> dwconv_norm(torch.randn(2, 50, 16), torch.randn(16, 1, 1, 7), torch.zeros(16)).shape
    torch.Size([2, 50, 16])
"""

from __future__ import annotations

from torch import Tensor

from vocoder.kernels.dispatch import choose, watched

__all__ = ["WAYS", "dwconv_norm"]

WAYS = {"triton": "cuda"}


def dwconv_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    norm_weight: Tensor | None = None,
    norm_bias: Tensor | None = None,
    eps: float = 1e-6,
    causal: bool = False,
    mask: Tensor | None = None,
    film: Tensor | None = None,
) -> Tensor:
    """norm(depthwise(x * mask)) * (1 + scale) + shift.

    The Triton form keeps everything in float32 between reading x and writing the result; it agrees with the reference within
    rounding. It has no backward: where autograd watches, the reference runs.

    Args:
        x: [B, T, C]; beyond its ends there are zeros.
        weight, bias: [C, 1, 1, k] with k odd, and [C], of the convolution.
        norm_weight, norm_bias: [C] gain and offset of the norm; None when folded into what follows.
        eps: Added to the variance.
        causal: All k - 1 frames of the kernel lie before, none after.
        mask: [B, T, 1] float, 1 = real.
        film: [B, 2 C] or [B, T, 2 C], scale and shift side by side.

    Returns:
        [B, T, C].

    Source: ConvNeXt (arXiv 2201.03545) figure 4; FiLM (arXiv 1709.07871).
    """
    tensors = (x, weight, bias, norm_weight, norm_bias, mask, film)
    if choose("convnext", x.device.type, WAYS) == "triton" and not watched(*tensors):
        from vocoder.kernels.convnext.triton_kernel import conv_norm
    else:
        from vocoder.kernels.convnext.reference import conv_norm
    return conv_norm(x, weight, bias, norm_weight, norm_bias, eps, causal, mask, film)
