"""The meaning of dwconv_norm in plain torch. Runs on every device, with gradients.

The convolution runs as a channels-last conv2d on a view of the same memory, which on two CPU cores is several times faster than
conv1d, forward and backward.

On a CPU torch's convolution library keeps what it made for every length that it meets, 60 to 170 KB each; of speech nearly every
clause has its own. Where no gradient is wanted, ``rounded`` therefore gives it a few lengths only.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LENGTHS_AN_OCTAVE = 4


def conv_norm(x, weight, bias, norm_weight, norm_bias, eps, causal, mask, film) -> Tensor:
    """[B, T, C] -> [B, T, C]; arguments as of the public function."""
    y = depthwise(x if mask is None else x * mask, weight, bias, causal)
    y = F.layer_norm(y, (y.shape[-1],), norm_weight, norm_bias, eps)
    if film is None:
        return y
    scale, shift = film.chunk(2, dim=-1)
    if scale.dim() == 2:
        scale, shift = scale[:, None], shift[:, None]
    return y * (1 + scale) + shift


def block(
    x, weight, bias, norm_weight, norm_bias, eps, causal, mask, film, expand, expand_bias, contract, contract_bias, gamma
) -> Tensor:
    """[B, T, C] -> [B, T, C]; arguments as of ``convnext_block``."""
    y = conv_norm(x, weight, bias, norm_weight, norm_bias, eps, causal, mask, film)
    y = F.linear(F.gelu(F.linear(y, expand, expand_bias)), contract, contract_bias)
    return x + (y if gamma is None else gamma * y)


def depthwise(x: Tensor, weight: Tensor, bias: Tensor, causal: bool) -> Tensor:
    """[B, T, C], [C, 1, 1, k], [C] -> [B, T, C]."""
    size, lead = weight.shape[-1], weight.shape[-1] - 1 if causal else 0
    after = rounded(x)
    image = (F.pad(x, (0, 0, lead, after)) if lead or after else x).transpose(1, 2).unsqueeze(2)
    y = F.conv2d(image, weight, bias, padding=(0, 0 if causal else size // 2), groups=len(weight))  # channels-last in memory
    return y.squeeze(2).transpose(1, 2)[:, : x.shape[1]]


def rounded(x: Tensor) -> int:
    """Frames of zeros to put behind x [B, T, C] before a convolution, so that few lengths occur: a quarter of T at most.

    A convolution takes what lies beyond the ends for zeros anyway: its first T frames stay what they were.
    """
    if x.device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return 0
    step = max(1, (1 << x.shape[1].bit_length()) // (2 * LENGTHS_AN_OCTAVE))
    return -x.shape[1] % step
