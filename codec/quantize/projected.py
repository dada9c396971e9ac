"""Chains of stages that quantise few dimensions: each projects what is left over down, codes it, and projects back up.

Down and up projections and codes are parameters, learned by gradient. Backward, a stage is its two projections, as if its codes
were exact; so the gradient of the chain is that of the chain without rounding, for any number of stages.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn as nn
from torch import Tensor

from codec.quantize.base import UNUSED, ChainConfig, Quantized, Quantizer, add_block, masked_mean, usage_statistics


class ProjectedStage(nn.Module):
    """The stage of a ``ProjectedChain``: ``down`` [width -> dims], a code of that, ``up`` [dims -> width]."""

    def __init__(self, width: int, dims: int):
        super().__init__()
        self.down, self.up = nn.Linear(width, dims), nn.Linear(dims, width)

    def forward(self, part: Tensor, codes: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """[..., width] and its codes [...] -> what the stage makes of it [..., width], and its losses [...]."""
        raise NotImplementedError

    def encode(self, part: Tensor) -> Tensor:
        """[N, width] -> codes [N]."""
        raise NotImplementedError

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [...] -> [..., width]."""
        raise NotImplementedError

    def fit(self, part: Tensor, generator) -> None:
        """Initialise from [N, width]."""
        raise NotImplementedError


class ProjectedChain(Quantizer):
    """A ``Quantizer`` of ``ProjectedStage``s, one made by ``make_stage(width)`` for each block of the config."""

    def __init__(self, config: ChainConfig, codebook_size: int, make_stage: Callable[[int], ProjectedStage]):
        super().__init__(config)
        self.codebook_size = codebook_size
        self.stages = nn.ModuleList(make_stage(width) for _, width in config.blocks)

    def run(self, latent, n_q, used, mask, generator):
        (B, T, D), stages = latent.shape, used.shape[1]
        with torch.no_grad():
            found = self.encode_rows(latent.reshape(-1, D), stages).view(B, T, stages)
        counted = used[..., None] & mask[:, None]  # [B, stages, T]
        residual, total = latent, torch.zeros_like(latent)
        codes, losses, errors, energies = [], {}, [], []
        for q in range(stages):
            start, width = self.config.blocks[q]
            block = slice(start, start + width)
            part, stage_losses = self.stages[q](residual[..., block], found[..., q])
            part = torch.where(used[:, q, None, None], part, 0.0)
            total, residual = add_block(total, part, start), add_block(residual, -part, start)
            codes.append(torch.where(used[:, q, None], found[..., q], UNUSED))
            for name, values in stage_losses.items():
                losses.setdefault(name, []).append(values)
            errors.append(residual.detach()[..., block].square().mean(-1))
            energies.append(latent.detach()[..., block].square().mean(-1))
        codes, errors, energies = (torch.stack(x, 1) for x in (codes, errors, energies))
        losses = {name: masked_mean(torch.stack(values, 1), counted) for name, values in losses.items()}
        usage = usage_statistics(codes, counted, errors, energies, self.codebook_size)
        return Quantized(total, codes, n_q, losses, usage)

    def encode_rows(self, rows, n_q):
        residual, codes = rows, []
        for stage, (start, width) in zip(self.stages[:n_q], self.config.blocks, strict=False):
            codes.append(stage.encode(residual[:, start : start + width]))
            residual = add_block(residual, -stage.decode(codes[-1]), start)
        return torch.stack(codes, 1)

    def stage_vectors(self, q, codes):
        return self.stages[q].decode(codes)

    def fit(self, latents, generator):
        residual = latents
        for stage, (start, width) in zip(self.stages, self.config.blocks, strict=True):
            part = residual[:, start : start + width]
            stage.fit(part, generator)
            residual = add_block(residual, -stage.decode(stage.encode(part)), start)


def principal_axes(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """[N, width] -> the mean [width] and the ``count`` orthonormal directions [count, width] of most variance, most first."""
    mean = rows.mean(0)
    centred = (rows - mean).double()
    axes = torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1)[:, :count].T
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))  # an axis is given but for its sign
    return mean, (axes * largest.sign()).float()


def fit_linear(layer: nn.Linear, inputs: Tensor, outputs: Tensor) -> None:
    """Set ``layer`` to the least squares from inputs [N, in] to outputs [N, out]."""
    ones = torch.ones(len(inputs), 1, dtype=torch.float64, device=inputs.device)
    solution = torch.linalg.lstsq(torch.cat((inputs.double(), ones), 1), outputs.double()).solution  # [in + 1, out]
    layer.weight.copy_(solution[:-1].T)
    layer.bias.copy_(solution[-1])
