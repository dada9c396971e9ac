"""The voice: a style vector and a few attended tokens from seconds of speech."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from vocoder.audio.mel import band_centres
from vocoder.nn.attention import CrossAttention
from vocoder.nn.convnext import ConvNeXtBlock

REFERENCE_BANDS = int((band_centres() < 7500).sum())  # 16 kHz recordings reach so far: above, the encoder is blind
REFERENCE_FRAMES = 300  # 4 s are attended
MEMORY_STRIDE = 8  # frames (107 ms)


@dataclass(frozen=True)
class ReferenceConfig:
    dim: int = 128
    hidden: int = 384
    n_blocks: int = 3
    style_dim: int = 128  # the style vector
    n_tokens: int = 8  # attended reference tokens


class ReferenceEncoder(nn.Module):
    """mel of any speech of a speaker -> style vector and tokens. Sees nothing above 7.5 kHz, so that a narrow
    recording gives the same voice as a full one.

    Source: timbre from another utterance of the same speaker, Mega-TTS (arXiv 2306.03509) §3.1; attended tokens as
    in Mega-TTS 2 (arXiv 2307.07218) and SupertonicTTS (arXiv 2503.23108), here 8 of them.
    """

    def __init__(self, config: ReferenceConfig):
        super().__init__()
        self.config = config
        self.embed = nn.Linear(REFERENCE_BANDS, config.dim)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.dim, config.hidden, 0.3, kernel_size=5) for _ in range(config.n_blocks)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.score = nn.Linear(config.dim, 1)
        self.style = nn.Sequential(nn.Linear(2 * config.dim, config.style_dim), nn.LayerNorm(config.style_dim))
        self.queries = nn.Parameter(torch.randn(config.n_tokens, config.dim) * 0.5)
        self.attend = CrossAttention(config.dim, config.dim)
        nn.init.trunc_normal_(self.attend.out.weight, std=0.1)

    def forward(self, mel: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """mel [B, T, 100], mask [B, T] -> style [B, style_dim], tokens [B, n_tokens, dim]."""
        return self.summary(self.hear(mel, mask), mask)

    def hear(self, mel: Tensor, mask: Tensor) -> Tensor:
        """Frames as heard: [B, T, dim]."""
        real = mask[..., None].float()
        x = self.embed((mel[..., :REFERENCE_BANDS] + 5.0) / 2.5) * real
        for block in self.blocks:
            x = block(x, real)
        return self.norm(x)

    def summary(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Style and tokens of frames as heard."""
        weight = self.score(x).float().masked_fill(~mask[..., None], -1e4).softmax(1)
        mean = (weight * x).sum(1)
        spread = ((weight * (x - mean[:, None]).square()).sum(1) + 1e-5).sqrt()
        style = self.style(torch.cat([mean, spread], dim=-1))
        queries = self.queries.expand(len(x), -1, -1)
        tokens = self.attend(queries, x, mask)
        return style, tokens


class MultiReferenceEncoder(ReferenceEncoder):
    """Keeps the reference itself too, for phones to find in it how this voice sounds: the longer, the more there is.

    Source: multi-reference timbre encoder, Mega-TTS 2 (arXiv 2307.07218) §3.2. Differs: stride 8, not 16, of frames of
    another rate; style and tokens beside it.
    """

    def forward(self, mel: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As :class:`ReferenceEncoder`, then memory [B, ceil(T / 8), dim] and its mask [B, ceil(T / 8)], True = real."""
        x = self.hear(mel, mask)
        real = mask[..., None].to(x.dtype)
        short = -mel.shape[1] % MEMORY_STRIDE
        total = F.pad(x * real, (0, 0, 0, short)).unflatten(1, (-1, MEMORY_STRIDE)).sum(2)
        count = F.pad(real, (0, 0, 0, short)).unflatten(1, (-1, MEMORY_STRIDE)).sum(2)
        return *self.summary(x, mask), total / count.clamp(min=1), count[..., 0] > 0


def reference_crop(mel: Tensor, frames: int = REFERENCE_FRAMES) -> Tensor:
    """The middle ``frames`` frames of [T, 100]."""
    start = max(0, (mel.shape[0] - frames) // 2)
    return mel[start : start + frames]
