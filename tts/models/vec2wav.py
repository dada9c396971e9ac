"""``vec2wav``: discrete units to samples through a bottleneck of two stages; with ``txt2vec`` before it, ZMM-TTS2 (``zmm2``).

    codes ──vectors──▶ fine [B, U, D] ──mean of four──▶ coarse [B, U / 4, D] ──4 heads × 64 codes──▶ ─┬─predictor, × 4─▶ +
                          └──────────────────────────── joined ──4 heads × 64 codes──▶ ◀──────────────┘                 │
    sum of both, post-processed ──▶ + speaker + language ──frame decoder──▶ mel, F0 ──generator──▶ samples          (prior loss)

The coarse stage is quantised first; what it says is repeated, and predicts the fine stage, whose codes are then few to choose
from. Each head quantises its own share of the channels, with a book of running means (``codec.quantize``).

Source: ZMM-TTS (arXiv 2312.14398) §III.D, an MSMC-VQ-GAN (arXiv 2209.10887), and its released code. Differs: the generator is the
package's Fourier vocoder, not HiFi-GAN, and what stands before it is a mel and F0, not a latent: so it begins from a trained
vocoder, and watermark, pitch controls and streams are those of every other model. It is
trained through to the samples together with all of this (``recipes/train/vec2wav.py``) and lies in the folder ``vocoder`` of the
model. Speaker and language reach it through the mel. ConvNeXt blocks instead of FFT blocks; errors of rebuilt vectors are
measured in deviations of the codebook.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from codec.quantize.rvq import Rvq, RvqConfig
from tts.models.units import LayersConfig, UnitLayers, UnitsConfig, UnitTable
from tts.models.vec2mel import Decoded, FrameDecoder
from vocoder.nn.convnext import ConvNeXtBlock, FrameConv


@dataclass(frozen=True)
class Vec2wavConfig:
    units: UnitsConfig = field(default_factory=UnitsConfig)
    layers: LayersConfig = field(default_factory=LayersConfig)
    dim: int = 96  # 256 in the source
    hidden: int = 192
    n_stage_blocks: int = 2  # of each of the two stages
    coarse: int = 4  # units that a coarse code covers
    n_heads: int = 4
    codebook_size: int = 64  # of a head
    n_unit_blocks: int = 1  # behind the bottleneck
    n_frame_blocks: int = 3
    style_dim: int = 64  # of the speaker, as it steers the frames' blocks


class Vec2wav(nn.Module):
    """All but the generator: units -> mel and F0."""

    kind = "zmm2"

    def __init__(self, config: Vec2wavConfig):
        super().__init__()
        self.config = config
        dim = config.dim

        def blocks(n):
            return nn.ModuleList(ConvNeXtBlock(dim, config.hidden, 0.3, kernel_size=5) for _ in range(n))

        def heads():
            return Rvq(RvqConfig(dim, config.n_heads, config.n_heads, config.n_heads, config.codebook_size))

        def post():
            return nn.Sequential(nn.Linear(dim, dim), nn.Tanh(), nn.Linear(dim, dim))

        self.table = UnitTable(config.units)
        self.embed = nn.Linear(config.units.dim, dim)
        self.norm_in = nn.LayerNorm(dim)
        self.fine_blocks, self.coarse_blocks = blocks(config.n_stage_blocks), blocks(config.n_stage_blocks)
        self.coarse, self.fine = heads(), heads()
        self.predict = FrameConv(dim, dim, 5)
        self.join_in, self.join_out = FrameConv(2 * dim, dim, 3), FrameConv(dim, dim, 3)
        self.coarse_post, self.fine_post = post(), post()
        self.unit_blocks = blocks(config.n_unit_blocks)
        self.layers = UnitLayers(config.layers, dim)
        self.frames = FrameDecoder(config.units, config.layers, dim, config.hidden, config.n_frame_blocks, config.style_dim)

    def forward(self, codes: Tensor, speaker: Tensor, languages: Tensor, mask: Tensor, frame_mask: Tensor,
                scratch: dict | None = None) -> Decoded:  # fmt: skip
        """Mel, F0 and voicing of units, as ``Vec2mel.forward``; ``scratch`` gets what the bottleneck is trained by.

        These are the losses "commitment" (of both stages) and "prior" (squared error of the fine stage as predicted from the
        coarse one), "states" [B, U, D] behind it, from which the vectors are to be rebuilt, and "usage" of the books.
        """
        real = mask[..., None].float()
        fine, coarse, coarse_mask = self.stages(self.table(codes), mask)
        rough = self.coarse(coarse, mask=coarse_mask)
        told = rough.quantized * coarse_mask[..., None]
        prior, latent = self.joined(fine, told, mask)
        exact = self.fine(latent, mask=mask)
        x = self.coarse_post(self.repeat(told, mask)) + self.fine_post(exact.quantized)
        for block in self.unit_blocks:
            x = block(x, real)
        if scratch is not None:
            scratch["commitment"] = rough.losses["commitment"] + exact.losses["commitment"]
            scratch["prior"] = mean_square(prior - exact.quantized.detach(), real)
            scratch["states"] = x
            scratch["usage"] = {"coarse": rough.usage, "fine": exact.usage}
        return self.frames(x + self.layers(speaker, languages), speaker, mask, frame_mask)

    def stages(self, vectors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors [B, U, 768] -> the fine stage [B, U, D], the coarse one [B, ceil(U / 4), D] and its mask."""
        x, real = self.norm_in(self.embed(vectors)), mask[..., None].float()
        for block in self.fine_blocks:
            x = block(x, real)
        short = -x.shape[1] % self.config.coarse
        total, count = (
            F.pad(values, (0, 0, 0, short)).unflatten(1, (-1, self.config.coarse)).sum(2) for values in (x * real, real)
        )
        y, coarse_mask = total / count.clamp(min=1), count[..., 0] > 0
        for block in self.coarse_blocks:
            y = block(y, coarse_mask[..., None].float())
        return x, y, coarse_mask

    def joined(self, fine: Tensor, rough: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The fine stage as predicted from the quantised coarse one, and the latent that is quantised for it; [B, U, D] both."""
        prior, real = self.repeat(self.predict(rough), mask), mask[..., None].float()
        both = self.join_in(torch.cat([fine * real, prior * real], dim=-1)).tanh()
        return prior, self.join_out(both * real)

    def repeat(self, x: Tensor, mask: Tensor) -> Tensor:
        """The coarse stage [B, ceil(U / 4), D] at the clock of the units [B, U, D]."""
        return x.repeat_interleave(self.config.coarse, dim=1)[:, : mask.shape[1]]

    @torch.no_grad()
    def initialise(self, batches: list[tuple[Tensor, Tensor]], generator=None) -> None:
        """Books of both stages by k-means over units of the corpus: pairs of codes [B, U, G] and mask [B, U].

        Raises:
            DataError: they are too few.
        """
        stages = [(*self.stages(self.table(codes), mask), mask) for codes, mask in batches]
        self.coarse.initialise(torch.cat([coarse[real] for _, coarse, real, _ in stages]), generator)
        latents = []
        for fine, coarse, real, mask in stages:
            rough = self.coarse.decode(self.coarse.encode(coarse)) * real[..., None]
            latents.append(self.joined(fine, rough, mask)[1][mask])
        self.fine.initialise(torch.cat(latents), generator)

    def start_learning(self) -> None:
        """Let the books go on learning, after a training state was loaded into a new model."""
        self.coarse.start_learning()
        self.fine.start_learning()


def mean_square(x: Tensor, real: Tensor) -> Tensor:
    """Of [B, U, D] where real [B, U, 1] is one."""
    return (x.square() * real).sum() / real.sum().clamp(min=1) / x.shape[-1]
