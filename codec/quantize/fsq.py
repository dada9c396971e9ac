"""Finite scalar quantisation: four numbers rounded to 8, 5, 5, 5 levels are a code. No codebook, no loss, no dead codes.

Several stages form a residual chain. What is left over gets smaller from stage to stage, and one rounding step for all would find
nothing but zeros in it; so every stage has a scale of its own.

Source: FSQ (arXiv 2309.15505) section 3.1; residual chains with scales, arXiv 2508.15860. Differs: scales start from data and are
learned, a number a dimension; every stage has projections of its own, because latents have more than four dimensions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch import Tensor

from codec.quantize.base import ChainConfig, straight_through
from codec.quantize.projected import ProjectedChain, ProjectedStage, fit_linear, principal_axes
from tts.base.errors import ModelError


@dataclass(frozen=True)
class FsqConfig(ChainConfig):
    levels: tuple[int, ...] = (8, 5, 5, 5)  # K = their product

    def __post_init__(self):
        super().__post_init__()
        if not self.levels or min(self.levels) < 2:
            raise ModelError(f"levels are {self.levels}.", code="quantizer.config", fix="Give two or more for each dimension.")


class FsqStage(ProjectedStage):
    def __init__(self, width: int, levels: tuple[int, ...]):
        super().__init__(width, len(levels))
        self.log_scale = nn.Parameter(torch.zeros(len(levels)))
        constants = {
            "levels": torch.tensor(levels),
            "radix": torch.tensor([math.prod(levels[:i]) for i in range(len(levels))]),  # of the mixed-radix number of the digits
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, part, codes):
        values = straight_through(self._bounded(part), self._digits(codes).float()) * self._step()
        return self.up(values), {}

    def encode(self, part):
        digits = self._bounded(part).round()
        return ((digits.long() + self.levels // 2) * self.radix).sum(-1)

    def decode(self, codes):
        return self.up(self._digits(codes) * self._step())

    def fit(self, part, generator):
        mean, axes = principal_axes(part, len(self.levels))
        self.down.weight.copy_(axes)
        self.down.bias.copy_(-axes @ mean)
        self.log_scale.copy_(self.down(part).std(0).clamp(min=1e-8).log())
        fit_linear(self.up, self._bounded(part).round() * self._step(), part)

    def _bounded(self, part: Tensor) -> Tensor:
        """[..., width] -> numbers [..., dims] within the levels, whose nearest whole ones -L//2 .. (L-1)//2 are the digits.

        Equation 1 of FSQ: tanh, stretched to L levels; where L is even moved by half a level, so that 0 stays 0.
        """
        half = (self.levels - 1) * (1 - 1e-3) / 2
        offset = torch.where(self.levels % 2 == 0, 0.5, 0.0)
        shift = torch.atanh(offset / half)
        return torch.tanh(self.down(part) * torch.exp(-self.log_scale) + shift) * half - offset

    def _digits(self, codes: Tensor) -> Tensor:
        """Codes [...] -> [..., dims] whole numbers: a code is the mixed-radix number of its digits."""
        return codes[..., None] // self.radix % self.levels - self.levels // 2

    def _step(self) -> Tensor:
        """[dims], from one level to the next in the units of ``down``."""
        return torch.exp(self.log_scale) / (self.levels // 2)


class Fsq(ProjectedChain):
    """It has no losses."""

    def __init__(self, config: FsqConfig | None = None):
        config = config or FsqConfig()
        super().__init__(config, math.prod(config.levels), lambda width: FsqStage(width, config.levels))
