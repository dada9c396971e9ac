"""A codebook that follows the running means of what falls to its codes, and really replaces those that nothing falls to.

Source: VQ-VAE (arXiv 1711.00937) appendix A.1 for the means; dead codes as in Moshi's Mimi (arXiv 2410.00037): the usual code
writes a new vector and, in the same step, overwrites it from sums that it left alone. Here sums and usage are replaced with it.
"""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor

from codec.kernels.cluster_sums import cluster_sums
from codec.quantize.clusters import draw_rows
from codec.quantize.distributed import broadcast_from_first, sum_over_ranks

DECAY = 0.99
EXPIRED = 0.1  # share of the mean usage below which a code is dead
CHECK_EVERY = 5  # steps


class EmaBook(nn.Module):
    """[K, width] vectors. Between ``start_learning`` and ``stop_learning`` it also has the statistics that ``update`` needs.

    All of its state is buffers: ``vectors``, and while learning ``ema_usage`` [K] and ``ema_sums`` [K, width], running means over
    steps of how many rows fell to a code and of their sum, and ``ema_age``, steps so far.
    """

    def __init__(self, codebook_size: int, width: int):
        super().__init__()
        self.register_buffer("vectors", torch.zeros(codebook_size, width))
        self.stop_learning()

    def start_learning(self, usage: Tensor | None = None) -> None:
        """Learn from the present vectors on; usage [K] is how common each is, None = all alike."""
        usage = torch.ones_like(self.vectors[:, 0]) if usage is None else usage / usage.mean()
        self.register_buffer("ema_usage", usage)
        self.register_buffer("ema_sums", self.vectors * usage[:, None])
        self.register_buffer("ema_age", torch.zeros((), dtype=torch.int64, device=usage.device))

    def stop_learning(self) -> None:
        for name in ("ema_usage", "ema_sums", "ema_age"):
            self.register_buffer(name, None)

    @property
    def learning(self) -> bool:
        return self.ema_usage is not None

    @torch.no_grad()
    def update(self, rows: Tensor, codes: Tensor, generator=None) -> None:
        """One step from rows [N, width], which fell to codes [N]; N may be 0. All ranks make the same step."""
        counts, sums = cluster_sums(rows, codes, len(self.vectors))
        sum_over_ranks(counts)
        sum_over_ranks(sums)
        self.ema_usage.lerp_(counts, 1 - DECAY)
        self.ema_sums.lerp_(sums, 1 - DECAY)
        self.ema_age += 1
        if int(self.ema_age) % CHECK_EVERY == 0:
            self._replace_expired(rows, generator)
        alive = self.ema_usage > 1e-6  # the mean of nothing would be the origin
        means = self.ema_sums / self.ema_usage.clamp(min=1e-6)[:, None]
        self.vectors.copy_(torch.where(alive[:, None], means, self.vectors))

    def _replace_expired(self, rows: Tensor, generator) -> None:
        """Dead codes move to random rows of this batch, as if each had been of mean usage there."""
        mean = self.ema_usage.mean()
        expired = self.ema_usage < EXPIRED * mean
        fresh = draw_rows(rows, len(self.vectors), generator) if len(rows) else self.vectors.clone()
        broadcast_from_first(fresh)
        self.ema_sums.copy_(torch.where(expired[:, None], mean * fresh, self.ema_sums))
        self.ema_usage.copy_(torch.where(expired, mean, self.ema_usage))
