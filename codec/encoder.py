"""Encoders of the codec: samples -> latent [B, T, D], a column a hop of 320 samples.

``mel``     log-mel, then ConvNeXt blocks over frames: fast on a CPU, and learned with little training.
``seanet``  strided convolutions on the samples, EnCodec's encoder (arXiv 2210.13438 §3.1) without its LSTM.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.parametrizations import weight_norm

from vocoder.audio.frames import HOP_LENGTH, N_MELS
from vocoder.audio.mel import log_mel
from vocoder.nn.convnext import ConvNeXtBlock, init_weights

MEL_CENTRE, MEL_SCALE = -5.0, 2.5  # rough, only to centre the input
STRIDES = (2, 4, 5, 8)  # their product is the hop


class MelEncoder(nn.Module):
    """[B, 320 T] samples -> [B, T, latent_dim]."""

    def __init__(self, latent_dim: int, dim: int, hidden: int, n_blocks: int):
        super().__init__()
        self.embed = nn.Conv1d(N_MELS, dim, 7, padding=3)
        self.norm_in = nn.LayerNorm(dim, eps=1e-6)
        self.blocks = nn.ModuleList(ConvNeXtBlock(dim, hidden, 1 / n_blocks) for _ in range(n_blocks))
        self.norm_out = nn.LayerNorm(dim, eps=1e-6)
        self.out = nn.Linear(dim, latent_dim)
        self.apply(init_weights)

    def forward(self, wav: Tensor) -> Tensor:
        x = (log_mel(wav) - MEL_CENTRE) / MEL_SCALE  # [B, T, 100]
        x = self.norm_in(self.embed(x.transpose(1, 2)).transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        return self.out(self.norm_out(x))

    def receptive_field(self) -> int:
        """Frames on each side that reach a column; an STFT frame reaches two hops."""
        return 3 * (len(self.blocks) + 1) + 2


class SeanetEncoder(nn.Module):
    """[B, 320 T] samples -> [B, T, latent_dim]; channels double at every stride."""

    def __init__(self, latent_dim: int, width: int = 16):
        super().__init__()
        layers: list[nn.Module] = [weight_norm(nn.Conv1d(1, width, 7, padding=3))]
        channels = [width * 2**i for i in range(len(STRIDES) + 1)]
        for (a, b), stride in zip(pairwise(channels), STRIDES, strict=True):
            left = stride // 2  # kernel 2 stride: stride samples of padding in all
            layers += [ResidualUnit(a), nn.ELU(), nn.ConstantPad1d((left, stride - left), 0.0)]
            layers += [weight_norm(nn.Conv1d(a, b, 2 * stride, stride))]
        layers += [nn.ELU(), weight_norm(nn.Conv1d(channels[-1], latent_dim, 7, padding=3))]
        self.layers = nn.Sequential(*layers)

    def forward(self, wav: Tensor) -> Tensor:
        wav = F.pad(wav, (0, -wav.shape[1] % HOP_LENGTH))
        return self.layers(wav[:, None]).transpose(1, 2)

    def receptive_field(self) -> int:
        """Frames on each side that reach a column."""
        samples, step = 3, 1
        for stride in STRIDES:
            samples += step  # the residual unit's kernel of 3
            samples += step * stride
            step *= stride
        return -(-(samples + 3 * step) // HOP_LENGTH)


class ResidualUnit(nn.Module):
    """ELU, convolution of 3 to half the channels, ELU, back by a convolution of 1; a convolution of 1 beside it (EnCodec)."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.ELU(), weight_norm(nn.Conv1d(channels, channels // 2, 3, padding=1)),
            nn.ELU(), weight_norm(nn.Conv1d(channels // 2, channels, 1)),
        )  # fmt: skip
        self.shortcut = weight_norm(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.body(x)
