"""Encoders of the codec: samples -> latent [B, T, D], a column a hop of 320 samples.

``mel``     log-mel, then ConvNeXt blocks over frames: fast on a CPU, and learned with little training.
``seanet``  strided convolutions on the samples, EnCodec's encoder (arXiv 2210.13438 §3.1) without its LSTM; with ELU, or with
            Snake as in DAC (arXiv 2306.06546 §3.1).

The causal forms pad on the left alone. ``reach`` is (frames before, frames after) a column that it hears.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.parametrizations import weight_norm

from vocoder.audio.frames import HOP_LENGTH, N_MELS
from vocoder.audio.mel import log_mel
from vocoder.kernels.snake import snake
from vocoder.nn.convnext import ConvNeXtBlock, FrameConv, init_weights

MEL_CENTRE, MEL_SCALE = -5.0, 2.5  # rough, only to centre the input
STRIDES = (2, 4, 5, 8)  # their product is the hop
ACTIVATIONS = ("elu", "snake")  # of ``seanet``


class MelEncoder(nn.Module):
    """[B, 320 T] samples -> [B, T, latent_dim]: a group of mel frames, turned, plus what the blocks add.

    ``group`` frames are coded together: their mels make one vector, whose turn is cut into as many columns. So a slow change
    costs one code and not ``group``. At the start the blocks add nothing, the latent is the mel, and the decoder turns it back.
    """

    def __init__(self, latent_dim: int, dim: int, hidden: int, n_blocks: int, causal: bool = False, group: int = 1):
        super().__init__()
        self.causal, self.group = causal, group
        self.embed = FrameConv(N_MELS, dim, 7, causal)
        self.norm_in = nn.LayerNorm(dim, eps=1e-6)
        self.blocks = nn.ModuleList(ConvNeXtBlock(dim, hidden, 1 / n_blocks, causal=causal) for _ in range(n_blocks))
        self.norm_out = nn.LayerNorm(dim, eps=1e-6)
        self.out = GroupLinear(dim, latent_dim, group)
        self.turn = GroupLinear(N_MELS, latent_dim, group)
        self.apply(init_weights)
        nn.init.zeros_(self.out.weight)
        nn.init.orthogonal_(self.turn.weight)

    def forward(self, wav: Tensor) -> Tensor:
        return self.of_mel(log_mel(wav))

    def of_mel(self, mel: Tensor) -> Tensor:
        """Log-mel [B, T, 100] -> [B, T, latent_dim]."""
        mel = (mel - MEL_CENTRE) / MEL_SCALE
        size = mel.shape[1]
        mel = torch.cat([mel, mel[:, -1:].expand(-1, -size % self.group, -1)], dim=1)  # the last frame fills up the last group
        x = self.norm_in(self.embed(mel))
        for block in self.blocks:
            x = block(x)
        return (self.turn(mel) + self.out(self.norm_out(x)))[:, :size]

    @torch.no_grad()
    def orient(self, mel: Tensor, blocks: list[tuple[int, int]]) -> None:
        """Turn the mel so that blocks of channels are quantised independently at little loss.

        Principal components of groups of log-mels [B, T, 100], each given to the block (first channel, width) of the column whose
        variances have the smallest product so far. Source: Ge et al., Optimized product quantization (CVPR 2013) section 4.2,
        eigenvalue allocation.
        """
        rows = fold((mel.double() - MEL_CENTRE) / MEL_SCALE, self.group).flatten(0, 1)
        variances, axes = torch.linalg.eigh(torch.cov(rows.T))
        variances = variances.clamp(min=1e-6 * float(variances[-1]))
        variances = variances / variances[0]  # from one up, so that products grow
        latent_dim = len(self.turn.weight) // self.group
        places = [(column * latent_dim + first, width) for first, width in blocks for column in range(self.group)]
        weight = torch.zeros_like(self.turn.weight)
        log_products, filled = [0.0] * len(places), [0] * len(places)
        for variance, axis in zip(variances.flip(0), axes.T.flip(0), strict=True):
            free = [i for i, (_, width) in enumerate(places) if filled[i] < width]
            if not free:
                break
            place = min(free, key=lambda i: log_products[i])
            weight[places[place][0] + filled[place]] = axis
            filled[place] += 1
            log_products[place] += float(variance.log())
        self.turn.weight.copy_(weight)
        self.turn.bias.copy_(-weight.double() @ rows.mean(0))

    @property
    def reach(self) -> tuple[int, int]:
        """An STFT frame reaches 480 samples beyond its hop, two frames; a group reaches all of its frames."""
        layers, more = len(self.blocks) + 1, 1 + self.group
        return (6 * layers + more, more) if self.causal else (3 * layers + more, 3 * layers + more)


class GroupLinear(nn.Linear):
    """[B, T, in] -> [B, T, out] by one matrix over ``group`` frames, counted from the first; zeros fill up the last group."""

    def __init__(self, in_dim: int, out_dim: int, group: int):
        super().__init__(group * in_dim, group * out_dim)
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[1]
        x = super().forward(fold(x, self.group))
        return x.reshape(len(x), -1, self.out_features // self.group)[:, :size]


def fold(x: Tensor, group: int) -> Tensor:
    """[B, T, C] -> [B, ceil(T / group), group C], filled up with zeros."""
    return F.pad(x, (0, 0, 0, -x.shape[1] % group)).reshape(len(x), -1, group * x.shape[2])


class SeanetEncoder(nn.Module):
    """[B, 320 T] samples -> [B, T, latent_dim]; channels double at every stride."""

    def __init__(self, latent_dim: int, width: int = 16, causal: bool = False, activation: str = "elu"):
        super().__init__()
        self.causal = causal
        layers: list[nn.Module] = [*padded(1, width, 7, 1, causal)]
        channels = [width * 2**i for i in range(len(STRIDES) + 1)]
        for (a, b), stride in zip(pairwise(channels), STRIDES, strict=True):
            layers += [ResidualUnit(a, causal, activation), active(activation, a), *padded(a, b, 2 * stride, stride, causal)]
        layers += [active(activation, channels[-1]), *padded(channels[-1], latent_dim, 7, 1, causal)]
        self.layers = nn.Sequential(*layers)

    def forward(self, wav: Tensor) -> Tensor:
        wav = F.pad(wav, (0, -wav.shape[1] % HOP_LENGTH))
        return self.layers(wav[:, None]).transpose(1, 2)

    @property
    def reach(self) -> tuple[int, int]:
        samples, step = 3, 1
        for stride in STRIDES:
            samples += step + step * stride  # the residual unit's kernel of 3, then the strided one's
            step *= stride
        frames = -(-(samples + 3 * step) // HOP_LENGTH)
        return (2 * frames, 0) if self.causal else (frames, frames)


class ResidualUnit(nn.Module):
    """Activation, convolution of 3 to half the channels, activation, convolution of 1 back; one of 1 beside them (EnCodec)."""

    def __init__(self, channels: int, causal: bool = False, activation: str = "elu"):
        super().__init__()
        self.body = nn.Sequential(
            active(activation, channels), *padded(channels, channels // 2, 3, 1, causal),
            active(activation, channels // 2), *padded(channels // 2, channels, 1, 1, causal),
        )  # fmt: skip
        self.shortcut = weight_norm(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.body(x)


class Snake(nn.Module):
    """x + sin(alpha x)² / alpha over [B, C, T], a learned frequency a channel."""

    def __init__(self, channels: int):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return snake(x, self.alpha.to(x.dtype))


def active(activation: str, channels: int) -> nn.Module:
    return Snake(channels) if activation == "snake" else nn.ELU()


def padded(in_channels: int, out_channels: int, kernel_size: int, stride: int, causal: bool) -> list[nn.Module]:
    """Zeros, kernel_size - stride of them, half before and half after or all before; then a convolution with weight norm."""
    pad = kernel_size - stride
    left = pad if causal else pad // 2
    return [nn.ConstantPad1d((left, pad - left), 0.0), weight_norm(nn.Conv1d(in_channels, out_channels, kernel_size, stride))]
