"""Which implementation of an operation runs: environment switch, then device, then availability.

``PARLANCE_KERNELS`` is ``auto`` (default: the best way that this device and these packages offer), ``reference`` (plain torch
everywhere), or the name of a way (``numba``, ``triton``): then that way or an error, never a silent substitute. An op that has
no form of that name on any device runs its reference, and so does a form without a backward where autograd watches.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

from tts.base.errors import UnavailableError

if TYPE_CHECKING:
    from torch import Tensor

NAMES = ("numba", "triton")  # every way of any op


def available(name: str) -> bool:
    """Is the package behind the way ``name`` installed? Asks the import system, imports nothing."""
    return importlib.util.find_spec(name) is not None


def choose(op: str, device: str, ways: dict[str, str]) -> str:
    """Name of the implementation of ``op`` to use on ``device``.

    Args:
        op: The operation, for the message.
        device: Device type of the tensors: "cpu", "cuda".
        ways: Name of each fast implementation -> device type it runs on, best first.

    Returns:
        A key of ``ways``, or "reference", which runs everywhere.

    Raises:
        UnavailableError: ``PARLANCE_KERNELS`` names a way that cannot run here.
    """
    wanted = os.environ.get("PARLANCE_KERNELS") or "auto"
    if wanted == "reference" or (wanted in NAMES and wanted not in ways):
        return "reference"
    for name, where in ways.items():
        if wanted in ("auto", name) and where == device and available(name):
            return name
    if wanted == "auto":
        return "reference"
    raise UnavailableError(
        f"PARLANCE_KERNELS={wanted} offers no implementation of {op} for device {device!r} here",
        where="PARLANCE_KERNELS",
        code="kernels.unavailable",
        value=wanted,
        fix=f"Use auto, reference, or one of: {', '.join(f'{name} ({where})' for name, where in ways.items())}.",
    )


def watched(*tensors: Tensor | None) -> bool:
    """Will autograd want a backward of what is made of these?"""
    import torch

    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)
