"""The two exchanges that codebooks need between training processes; nothing happens without torch.distributed."""

from __future__ import annotations

import torch.distributed
from torch import Tensor


def _active() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def sum_over_ranks(tensor: Tensor) -> None:
    """In place."""
    if _active():
        torch.distributed.all_reduce(tensor)


def broadcast_from_first(tensor: Tensor) -> None:
    """In place: all ranks get the values of rank 0."""
    if _active():
        torch.distributed.broadcast(tensor, 0)
