"""Compact discriminators and their losses for vocoder and codec.

Multi-period (HiFi-GAN, arXiv 2010.05646) and multi-resolution (UnivNet, arXiv 2106.07889; Vocos uses three
resolutions), at a quarter of the usual width; hinge loss, mean over sub-discriminators (SoundStream, Vocos).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.parametrizations import weight_norm

from vocoder.audio.spectrum import stft

Judgement = tuple[list[Tensor], list[list[Tensor]]]  # logits and feature maps, one entry a sub-discriminator


class PeriodDiscriminator(nn.Module):
    """Looks at every period-th sample side by side."""

    def __init__(self, period: int, width: int):
        super().__init__()
        self.period = period
        sizes = [1, width, 2 * width, 4 * width, 4 * width]
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, (5, 1), (3, 1), padding=(2, 0))) for a, b in pairwise(sizes)
        )
        self.out = weight_norm(nn.Conv2d(sizes[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, wav: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = F.pad(wav, (0, -wav.shape[1] % self.period))
        x = x.view(wav.shape[0], 1, -1, self.period)
        features = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
            features.append(x)
        return self.out(x), features


class ResolutionDiscriminator(nn.Module):
    """Looks at the spectrum at one resolution: log magnitude, plus real and imaginary parts compressed."""

    def __init__(self, n_fft: int, width: int):
        super().__init__()
        self.n_fft = n_fft
        channels = [3, width, width, width, width]
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, (3, 9), (1, 2), padding=(1, 4)))
            for a, b in pairwise(channels)
        )
        self.out = weight_norm(nn.Conv2d(width, 1, (3, 3), padding=(1, 1)))

    def forward(self, wav: Tensor) -> tuple[Tensor, list[Tensor]]:
        spectrum = stft(wav.float(), self.n_fft, self.n_fft // 4)  # [B, T, bins]
        magnitude = spectrum.abs().clamp(min=1e-4)
        compressed = spectrum / magnitude.sqrt()
        x = torch.stack([magnitude.log() / 4, compressed.real / 2, compressed.imag / 2], dim=1)
        features = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
            features.append(x)
        return self.out(x), features


class Discriminators(nn.Module):
    """All sub-discriminators; ``forward(wav [B, S])``, S a multiple of 512."""

    def __init__(self, periods=(2, 3, 5, 7, 11), resolutions=(2048, 1024, 512), width: int = 16):
        super().__init__()
        members = [PeriodDiscriminator(p, width) for p in periods]
        members += [ResolutionDiscriminator(r, width) for r in resolutions]
        self.members = nn.ModuleList(members)

    def forward(self, wav: Tensor) -> Judgement:
        results = [member(wav) for member in self.members]
        return [logits for logits, _ in results], [features for _, features in results]


class MelDiscriminators(nn.Module):
    """Judges of mel windows of several lengths, against over-smoothed spectra; ``forward(mel [B, T, 100], starts)``.

    Source: Mega-TTS (arXiv 2306.03509) §3.1, three windows of 32, 64 and 128 frames, three layers each.
    """

    def __init__(self, windows=(32, 64, 128), width: int = 32):
        super().__init__()
        self.windows = windows
        self.nets = nn.ModuleList()
        for _ in windows:
            channels = [1, width, 2 * width, 2 * width]
            self.nets.append(
                nn.ModuleList(
                    weight_norm(nn.Conv2d(a, b, 3, 2, padding=1)) for a, b in pairwise(channels)
                )
            )
        self.out = nn.ModuleList(weight_norm(nn.Conv2d(2 * width, 1, 3, padding=1)) for _ in windows)

    def forward(self, mel: Tensor, places: Tensor) -> Judgement:
        """mel [B, T, 100]; places [B] in [0, 1): where in the utterance each window lies, the same for real and fake."""
        logits, features = [], []
        for window, net, out in zip(self.windows, self.nets, self.out, strict=True):
            if mel.shape[1] < window:
                continue
            starts = (places * (mel.shape[1] - window + 1)).long()
            index = starts[:, None] + torch.arange(window, device=mel.device)
            x = (mel.gather(1, index[..., None].expand(-1, -1, mel.shape[2])).unsqueeze(1) + 5.5) / 2.5
            maps = []
            for conv in net:
                x = F.leaky_relu(conv(x), 0.1)
                maps.append(x)
            logits.append(out(x))
            features.append(maps)
        return logits, features


def discriminator_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Hinge, mean over sub-discriminators."""
    return sum(F.relu(1 - r.float()).mean() + F.relu(1 + f.float()).mean() for r, f in zip(real, fake, strict=True)) / len(real)


def generator_loss(fake: list[Tensor]) -> Tensor:
    return sum(F.relu(1 - f.float()).mean() for f in fake) / len(fake)


def feature_loss(real: list[list[Tensor]], fake: list[list[Tensor]]) -> Tensor:
    """L1 between feature maps, mean over all of them."""
    pairs = [(r, f) for rs, fs in zip(real, fake, strict=True) for r, f in zip(rs, fs, strict=True)]
    return sum((r.detach().float() - f.float()).abs().mean() for r, f in pairs) / len(pairs)
