"""The head of a ConvNeXt block: depthwise convolution over time, LayerNorm over channels, FiLM. Of few frames the whole block.

    >>> import torch
    >>> from vocoder.kernels.convnext import dwconv_norm
    >>> dwconv_norm(torch.randn(2, 50, 16), torch.randn(16, 1, 1, 7), torch.zeros(16)).shape
    torch.Size([2, 50, 16])
"""

from __future__ import annotations

from torch import Tensor

from vocoder.kernels.dispatch import choose, watched

__all__ = ["FEW", "WAYS", "dwconv_norm", "few", "whole_block"]

WAYS = {"triton": "cuda"}
FEW = 256  # frames of all items together up to which a block is one kernel; not yet measured on a GPU


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
        norm_weight, norm_bias: [C] gain and offset of the norm; None: 1 and 0.
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


def few(x: Tensor, *parameters: Tensor | None) -> bool:
    """Should a block of these parameters run as one kernel on x [B, T, C]? Where Triton runs, on few frames, without autograd."""
    if not 0 < x.shape[0] * x.shape[1] <= FEW or x.shape[2] > 512 or watched(x, *parameters):
        return False
    return choose("convnext", x.device.type, WAYS) == "triton"


def whole_block(x: Tensor, *args) -> Tensor:
    """x + gamma * (contract gelu(expand dwconv_norm(x) + its bias) + its bias), in one kernel that needs Triton.

    Args:
        x: [B, T, C] with C up to 512.
        args: The others of ``dwconv_norm`` in its order, then expand [H, C], its bias [H], contract [C, H], its bias [C], and
            gamma [C], or None when folded.

    Returns:
        [B, T, C], the same on every run.
    """
    from vocoder.kernels.convnext.block_kernel import block

    return block(x, *args)
