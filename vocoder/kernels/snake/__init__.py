"""Snake, a periodic activation: x + sin(a x)² / a, with a learned frequency a channel.

    >>> import torch
    >>> from vocoder.kernels.snake import snake
    >>> snake(torch.tensor([[[0.0, 1.0]]]), torch.tensor([torch.pi])).round(decimals=4).tolist()
    [[[0.0, 1.0]]]
"""

from __future__ import annotations

from torch import Tensor

from tts.base.errors import DataError
from vocoder.kernels.dispatch import choose

__all__ = ["WAYS", "snake"]

WAYS = {"triton": "cuda"}


def snake(x: Tensor, alpha: Tensor) -> Tensor:
    """x + sin(alpha x)² / (alpha + 1e-9).

    Both forms have gradients; they agree within float32 rounding (the Triton form computes 16-bit inputs in float32 too).

    Args:
        x: [B, C, T] float.
        alpha: [C], of the type of x.

    Returns:
        [B, C, T].

    Raises:
        DataError: Shapes or dtypes do not fit.

    Source: arXiv 2006.08195; in codecs, DAC (arXiv 2306.06546) section 3.1, from which the 1e-9 is.
    """
    if x.dim() != 3 or alpha.shape != x.shape[1:2] or alpha.dtype != x.dtype or not x.is_floating_point():
        raise DataError(
            f"snake: x is {x.dtype} of shape {list(x.shape)}, alpha {alpha.dtype} of shape {list(alpha.shape)}",
            code="snake.shape",
            fix="Give floats [B, C, T] and [C] of one type.",
        )
    if choose("snake", x.device.type, WAYS) == "triton":
        from vocoder.kernels.snake.triton_kernel import activate
    else:
        from vocoder.kernels.snake.reference import activate
    return activate(x, alpha)
