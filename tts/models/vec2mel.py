"""``vec2mel``: discrete units to mel and F0 for the house vocoder; with ``txt2vec`` before it, ZMM-TTS1 (``zmm1``).

    codes ──codebook vectors, projected──▶ + speaker + language ──blocks──▶ [B, U, D] ──at frames──▶ blocks ──▶ mel, F0

Trained alone, on the units of recordings; units say little of who speaks, so the speaker embedding has to.

Source: ZMM-TTS (arXiv 2312.14398) §III.C. Differs: states are interpolated from the clock of the units to that of the frames,
instead of up-sampling by 8 and down-sampling by 5; ConvNeXt blocks, those of frames steered by the speaker (FiLM) besides; F0
and voicing beside the mel, because the vocoder is driven by them. In place of HiFi-GAN the package's vocoder speaks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tts.models.fs2 import MEL_CENTRE, MEL_SCALE
from tts.models.units import LayersConfig, UnitLayers, UnitsConfig, UnitTable, direction, to_frames
from tts.models.variance import PITCH_CENTRE, PITCH_SCALE, band_mask, masked_mean
from vocoder.audio.frames import N_MELS
from vocoder.nn.convnext import ConvNeXtBlock
from vocoder.nn.masks import length_mask

Decoded = tuple[Tensor, Tensor, Tensor]  # mel, normalised log F0, voicing logit


@dataclass(frozen=True)
class Vec2melConfig:
    units: UnitsConfig = field(default_factory=UnitsConfig)
    layers: LayersConfig = field(default_factory=LayersConfig)
    dim: int = 192
    hidden: int = 384
    n_unit_blocks: int = 2
    n_frame_blocks: int = 5
    style_dim: int = 64  # of the speaker, as it steers the frames' blocks
    dropout: float = 0.0


class Vec2mel(nn.Module):
    kind = "zmm1"

    def __init__(self, config: Vec2melConfig):
        super().__init__()
        self.config = config
        dim = config.dim
        self.table = UnitTable(config.units)
        self.embed = nn.Linear(config.units.dim, dim)
        self.norm_in = nn.LayerNorm(dim)
        self.layers = UnitLayers(config.layers, dim)
        self.unit_blocks = nn.ModuleList(
            ConvNeXtBlock(dim, config.hidden, 0.3, kernel_size=5, dropout=config.dropout) for _ in range(config.n_unit_blocks)
        )
        self.frames = FrameDecoder(config.units, config.layers, dim, config.hidden, config.n_frame_blocks, config.style_dim,
                                   config.dropout)  # fmt: skip

    def forward(self, codes: Tensor, speaker: Tensor, languages: Tensor, mask: Tensor, frame_mask: Tensor) -> Decoded:
        """Mel, F0 and voicing of units.

        Args:
            codes: [B, U, G]; what lies beyond ``mask`` is not read.
            speaker: [B, speaker_dim].
            languages: [B, U] frontend ids.
            mask, frame_mask: [B, U] and [B, T] bool, True = real.

        Returns:
            mel [B, T, 100], log F0 [B, T] normalised as in ``tts.models.fs2``, voicing logit [B, T].
        """
        x = self.norm_in(self.embed(self.table(codes))) + self.layers(speaker, languages)
        real = mask[..., None].to(x.dtype)
        for block in self.unit_blocks:
            x = block(x, real)
        return self.frames(x, speaker, mask, frame_mask)

    def loss(self, batch: dict, scratch: dict | None = None) -> dict[str, Tensor]:
        """Named losses of a batch of ``recipes.train.unit_corpus``; they are summed. ``scratch`` gets the predicted mel."""
        mask = length_mask(batch["unit_lengths"], batch["units"].shape[1])
        frame_mask = length_mask(batch["frame_lengths"], batch["mel"].shape[1])
        decoded = self(batch["units"], batch["speaker"], batch["languages"], mask, frame_mask)
        if scratch is not None:
            scratch["mel"] = decoded[0]
        return decoder_losses(decoded, batch)


class FrameDecoder(nn.Module):
    """States of units [B, U, D] -> mel [B, T, 100], log F0 and voicing logit [B, T]."""

    def __init__(self, units: UnitsConfig, layers: LayersConfig, dim: int, hidden: int, n_blocks: int, style_dim: int,
                 dropout: float = 0.0):  # fmt: skip
        super().__init__()
        self.clock = units.clock
        self.enter = nn.Linear(dim + 1, dim)
        self.style = nn.Linear(layers.speaker_dim, style_dim) if layers.speaker else None
        cond_dim = style_dim if layers.speaker else None
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(dim, hidden, 0.3, cond_dim=cond_dim, dropout=dropout) for _ in range(n_blocks)
        )
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, N_MELS + 2)  # mel, log F0, voicing logit

    def forward(self, x: Tensor, speaker: Tensor, mask: Tensor, frame_mask: Tensor) -> Decoded:
        """mask [B, U] of units, frame_mask [B, T]."""
        x = self.enter(to_frames(x, mask, frame_mask.shape[1], self.clock))
        real = frame_mask[..., None].to(x.dtype)
        cond = None if self.style is None else self.style(direction(speaker))
        for block in self.blocks:
            x = block(x, real, cond)
        mel, f0, voiced = self.out(self.norm(x)).float().split([N_MELS, 1, 1], dim=-1)
        return mel * MEL_SCALE + MEL_CENTRE, f0[..., 0], voiced[..., 0]


def decoder_losses(decoded: Decoded, batch: dict) -> dict[str, Tensor]:
    """Losses of (mel, log F0, voicing logit) against ``mel``, ``log_f0``, ``voiced`` of a batch, within its bands and lengths."""
    mel, f0, voiced = decoded
    mask = length_mask(batch["frame_lengths"], mel.shape[1])
    bands = band_mask(batch["bandwidth"]) * mask[..., None]
    target = (batch["log_f0"] - PITCH_CENTRE) / PITCH_SCALE
    unvoiced = F.binary_cross_entropy_with_logits(voiced, batch["voiced"], reduction="none")
    return {
        "mel": ((mel - batch["mel"]).abs() * bands).sum() / bands.sum(),
        "f0": masked_mean((f0 - target).abs(), mask & (batch["voiced"] > 0)),
        "voicing": 0.5 * masked_mean(unvoiced, mask),
    }
