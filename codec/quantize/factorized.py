"""Factorised vector quantisation: 8-dimensional codes, found by angle and learned by gradient.

Source: DAC (arXiv 2306.06546) section 3.2 and appendix A, after improved VQGAN (arXiv 2110.04627). Differs: starts from the
principal axes of latents and clusters of their directions instead of noise; projections are not weight-normalised.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F

from codec.kernels.cluster_sums import cluster_sums
from codec.kernels.projected_search import ProjectedBooks, Stage, pack_stages, projected_search
from codec.quantize.base import ChainConfig, Laid, straight_through
from codec.quantize.clusters import kmeans, nearest
from codec.quantize.projected import ProjectedChain, ProjectedStage, fit_linear, principal_axes


@dataclass(frozen=True)
class FactorizedConfig(ChainConfig):
    """``n_product`` > 0 gives the block plan of MCRVQ."""

    codebook_size: int = 1024  # K
    code_dim: int = 8  # dimensions in which a stage looks for its code


class FactorizedStage(ProjectedStage):
    def __init__(self, width: int, config: FactorizedConfig):
        super().__init__(width, config.code_dim)
        self.book = nn.Parameter(torch.randn(config.codebook_size, config.code_dim))

    def forward(self, part, codes):
        point = self.down(part)  # [..., code_dim]
        vector = self.book[codes]
        losses = {
            "commitment": (point - vector.detach()).square().mean(-1),
            "codebook": (vector - point.detach()).square().mean(-1),
        }
        return self.up(straight_through(point, vector.detach())), losses

    def encode(self, part):
        return projected_search(part, pack_stages([self.parts()], [0]))[:, 0]

    def decode(self, codes):
        return self.up(self.book[codes])

    def fit(self, part, generator):
        mean, axes = principal_axes(part, self.down.out_features)
        self.down.weight.copy_(axes)
        self.down.bias.copy_(-axes @ mean)
        points = self.down(part)
        directions = F.normalize(points, dim=-1)
        centres = F.normalize(kmeans(directions, len(self.book), generator), dim=-1)
        counts, sums = cluster_sums(points, nearest(directions, centres), len(self.book))
        means = sums / counts.clamp(min=1)[:, None]
        self.book.copy_(torch.where(counts[:, None] > 0, means, centres * points.norm(dim=1).mean()))
        fit_linear(self.up, self.book[self.encode(part)], part)

    def parts(self) -> Stage:
        return Stage(self.down.weight, self.down.bias, self.book, self.up.weight, self.up.bias)


class Factorized(ProjectedChain):
    """Its losses: "codebook" (weight 1.0 in DAC) draws codes to latents, "commitment" (0.25) latents to codes."""

    def __init__(self, config: FactorizedConfig | None = None):
        config = config or FactorizedConfig()
        super().__init__(config, config.codebook_size, lambda width: FactorizedStage(width, config))
        self._laid = Laid()

    def encode_rows(self, rows, n_q):
        return projected_search(rows, self.packed(), n_q)

    def packed(self) -> ProjectedBooks:
        """The stages as the search reads them, laid out anew when a parameter has changed."""
        stages = [stage.parts() for stage in self.stages]
        parameters = [parameter for stage in stages for parameter in stage]
        return self._laid.of(parameters, lambda: pack_stages(stages, [start for start, _ in self.config.blocks]))
