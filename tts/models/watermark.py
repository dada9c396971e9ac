"""The two learned parts of the watermark: how a random pattern is shaped, and what a mel says of such a pattern.

    white noise of a key [L, 100] ──shape──▶ pattern, added to the log-mel before the vocoder
    log-mel of any audio [T, 100] ──evidence──▶ [T, 100], correlated with the pattern of a key at every offset

Neither part knows a key: training draws new noise at every step. So for a key that was drawn without regard to a recording, the
correlation of that recording's evidence with the key's pattern is a normal number, whatever the recording holds, and a
p-value needs no calibration (``tts.watermark``).

Own design. Related: spread spectrum (Cox et al. 1997), detectors trained through attacks (WavMark, arXiv 2308.12770; AudioSeal,
arXiv 2401.17264), which mark samples after synthesis; here the mark is part of the mel that the vocoder voices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor

from tts.base.errors import ModelError
from vocoder.audio.frames import FRAME_RATE, N_MELS
from vocoder.nn.convnext import ConvNeXtBlock, FrameConv, init_weights

MEL_MEAN, MEL_STD = -5.0, 2.5  # rough, only to centre the input


@dataclass(frozen=True)
class MarkConfig:
    period: int = 128  # L, frames after which the pattern begins again: 1.7 s
    amplitude: float = 0.14  # root mean square of the pattern, natural log: 1.2 dB
    highest_rate: float = 16.0  # Hz, of changes over time; the mel's window of 53 ms passes hardly more
    dim: int = 128
    hidden: int = 320
    n_blocks: int = 3

    def __post_init__(self):
        if self.period % 2 or self.period < 16 or not 0 < self.amplitude <= 1:
            raise ModelError(
                "the period is an even number of frames from 16 on, the amplitude lies in (0, 1].", code="mark.config"
            )

    @property
    def reach(self) -> int:
        """Frames on each side that evidence of a frame depends on."""
        return 3 * (self.n_blocks + 1)


class MarkModel(nn.Module):
    def __init__(self, config: MarkConfig = MarkConfig()):
        super().__init__()
        self.config = config
        rates = torch.fft.rfftfreq(config.period, 1 / FRAME_RATE)
        self.rate_gain = nn.Parameter(-((rates / 8) ** 2) / 2)  # log, of each rate of change over time
        self.scale_gain = nn.Parameter(-((torch.arange(N_MELS) / 40.0) ** 2) / 2)  # log, of each cosine over the bands
        self.band_gain = nn.Parameter(torch.zeros(N_MELS))
        self.register_buffer("passed", ((rates > 0) & (rates <= config.highest_rate)).float(), persistent=False)
        self.register_buffer("cosines", cosines(N_MELS), persistent=False)
        turns = torch.arange(len(rates))[:, None] * torch.arange(config.period) * (2 * torch.pi / config.period)
        self.register_buffer("waves", torch.stack([turns.cos(), -turns.sin()]), persistent=False)  # of the Fourier transform
        self.embed = FrameConv(N_MELS, config.dim, 7)
        self.norm_in = nn.LayerNorm(config.dim, eps=1e-6)
        self.blocks = nn.ModuleList(ConvNeXtBlock(config.dim, config.hidden, 1 / config.n_blocks) for _ in range(config.n_blocks))
        self.norm_out = nn.LayerNorm(config.dim, eps=1e-6)
        self.out = nn.Linear(config.dim, N_MELS)
        for part in (self.embed, self.blocks, self.out):
            part.apply(init_weights)

    def evidence(self, mel: Tensor) -> Tensor:
        """Log-mel [B, T, 100] -> [B, T, 100]: positive where the mel lies above what speech would have there."""
        x = self.norm_in(self.embed((mel - MEL_MEAN) / MEL_STD))
        for block in self.blocks:
            x = block(x)
        return self.out(self.norm_out(x))

    def shape(self, white: Tensor) -> Tensor:
        """Unit white noise [..., L, 100] -> patterns [..., L, 100] of root mean square ``amplitude``; linear."""
        rates, bands = self._gains()
        return torch.fft.irfft(torch.fft.rfft(white @ bands, dim=-2) * rates[:, None], n=self.config.period, dim=-2)

    def deviations(self, folded: Tensor, white: Tensor) -> Tensor:
        """How well folded evidence fits patterns that begin at every frame of the period.

        Args:
            folded: [B, L, 100], as of :func:`fold`.
            white: [K, L, 100] white noise that the patterns are shaped from.

        Returns:
            [B, K, L]: inner product of evidence and the pattern whose row 0 lies at frame s, divided by the standard deviation
            that it has over all white noise. Reckoned by rates, of which only those that pass are needed.
        """
        rates, bands = self._gains()
        some = slice(1, 1 + int(self.passed.sum()))
        real, imag = ((basis[some] * rates[some, None]) @ folded @ bands.T for basis in self.waves)  # adjoint of shape, by rates
        white_real, white_imag = (basis[some] @ white for basis in self.waves)
        products = torch.complex(
            torch.einsum("brm,krm->bkr", real, white_real) + torch.einsum("brm,krm->bkr", imag, white_imag),
            torch.einsum("brm,krm->bkr", imag, white_real) - torch.einsum("brm,krm->bkr", real, white_imag),
        )
        products = nn.functional.pad(products, (1, len(rates) - some.stop))
        spread = (real.square() + imag.square()).sum((1, 2)) * 2 / self.config.period
        return torch.fft.irfft(products, n=self.config.period, dim=2) / spread.clamp(min=1e-12).sqrt()[:, None, None]

    def _gains(self) -> tuple[Tensor, Tensor]:
        """Gains of the rates [L / 2 + 1], and the matrix [100, 100] over bands; scaled to the amplitude."""
        rates = self.rate_gain.exp() * self.passed
        both_sides = torch.cat([rates, rates[1:-1]])
        scales = self.scale_gain.exp()
        scales = torch.cat([0 * scales[:1], scales[1:]])  # never all bands at once: that would be loudness
        bands = self.cosines.T * scales @ self.cosines * (0.5 + self.band_gain.sigmoid())
        power = both_sides.square().mean() * bands.square().sum(0).mean()
        return rates * self.config.amplitude / power.sqrt(), bands


def cosines(n: int) -> Tensor:
    """[n, n] orthonormal DCT-II, a row a cosine."""
    k, i = np.arange(n)[:, None], np.arange(n)
    matrix = np.sqrt(2 / n) * np.cos(np.pi * k * (i + 0.5) / n)
    matrix[0] /= np.sqrt(2)
    return torch.from_numpy(matrix.astype(np.float32))


def fold(evidence: Tensor, period: int, first: int = 0) -> Tensor:
    """Evidence [..., T, 100] of frames ``first``.. -> its sum over periods [..., L, 100], frame t in row t mod L."""
    size = evidence.shape[-2]
    before = first % period
    after = -(before + size) % period
    padded = nn.functional.pad(evidence, (0, 0, before, after))
    return padded.unflatten(-2, (-1, period)).sum(-3)
