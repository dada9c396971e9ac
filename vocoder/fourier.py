"""Fourier-head vocoder in two forms behind one interface: ``decode(mel, f0) -> wav``.

``mel``      Vocos: ConvNeXt trunk -> magnitude and phase -> inverse STFT. F0 is not used.
``excited``  Harmonic plus noise: the trunk predicts a filter (gain and phase offset) for a pulse train that
             follows F0, and a gain for noise. The untrained model already sounds like a vocoder.

Sources: Vocos (arXiv 2306.00814); a given excitation as in HiFTNet (arXiv 2309.09493) and SiFi-GAN
(arXiv 2210.15533), an amplitude prior from the mel as in FreeV (arXiv 2406.08196). Differs from all: one
excitation spectrum, filtered in the STFT domain, plus filtered noise, with one network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor

from tts.base.errors import ModelError
from vocoder.audio.frames import HOP_LENGTH, MEL, N_FFT, N_MELS, SAMPLE_RATE
from vocoder.audio.mel import band_centres, mel_filterbank
from vocoder.audio.spectrum import istft, stft
from vocoder.excitation import bridged_log_f0, pulse_train
from vocoder.kernels.fourier_head import excited_spectrum, polar_spectrum
from vocoder.nn.convnext import ConvNeXtBlock, FrameConv, init_weights

FORMS = ("mel", "excited")
N_BINS = N_FFT // 2 + 1
# From log-mel to the log gain of a unit-variance excitation. The bands have area one in Hz, so that exp(mel) is the
# mean magnitude over the bin width; |STFT| of unit-variance noise under a Hann window is sqrt(sum w^2).
LEVEL = math.log(SAMPLE_RATE / N_FFT) - 0.5 * math.log(3 / 8 * N_FFT)
MEL_MEAN, MEL_STD = -5.0, 2.5  # rough, only to centre the input


@dataclass(frozen=True)
class VocoderConfig:
    form: str = "excited"  # "mel" or "excited"
    dim: int = 256  # trunk width
    hidden: int = 768  # width inside a block
    n_blocks: int = 6
    kernel_size: int = 7  # frames
    n_projections: int = 2  # times the waveform's mel is pulled back to the input mel
    causal: bool = False  # the trunk does not look ahead; the Fourier head does

    def __post_init__(self):
        if self.form not in FORMS:
            raise ModelError(f"vocoder form {self.form!r} is unknown.", fix=f"Known: {', '.join(FORMS)}.")

    @property
    def receptive_field(self) -> int:
        """Frames before an output frame that can reach it: the trunk's, then three an STFT and its inverse."""
        reach = self.kernel_size - 1 if self.causal else self.kernel_size // 2
        return (self.n_blocks + 1) * reach + 3 + 4 * self.n_projections

    @property
    def look_ahead(self) -> int:
        """Frames after it: as many, or those of the head alone when the trunk is causal."""
        return 4 + 4 * self.n_projections if self.causal else self.receptive_field


class FourierVocoder(nn.Module):
    """mel and F0 -> waveform."""

    def __init__(self, config: VocoderConfig = VocoderConfig()):
        super().__init__()
        self.config = config
        n_inputs = N_MELS + (2 if config.form == "excited" else 0)
        n_outputs = N_BINS * (3 if config.form == "excited" else 2)
        self.embed = FrameConv(n_inputs, config.dim, config.kernel_size, config.causal)
        self.norm_in = nn.LayerNorm(config.dim, eps=1e-6)
        blocks = [
            ConvNeXtBlock(config.dim, config.hidden, 1 / config.n_blocks, config.kernel_size, causal=config.causal)
            for _ in range(config.n_blocks)
        ]
        self.blocks = nn.ModuleList(blocks)
        self.norm_out = nn.LayerNorm(config.dim, eps=1e-6)
        self.head = nn.Linear(config.dim, n_outputs)
        self.apply(init_weights)
        if config.form == "excited":  # start from the mel prior with no phase offset
            nn.init.zeros_(self.head.weight)
        self.register_buffer("spread", envelope_from_mel(), persistent=False)
        self.register_buffer("bank", mel_filterbank(), persistent=False)

    def forward(self, mel: Tensor, f0: Tensor, noise: Tensor | None = None, pulses: Tensor | None = None, held=None, extra=None):
        """Waveform of a batch.

        Args:
            mel: [B, T, 100] log-mel.
            f0: [B, T] Hz, 0 = unvoiced (ignored by the ``mel`` form).
            noise: [B, 320 T] unit-variance noise for the ``excited`` form; drawn from torch when None.
            pulses: [B, 320 T] pulse train of f0; made here, from phase 0, when None.
            held: [B, T] ``bridged_log_f0`` of f0; made here when None. A piece of an utterance brings its own, because
                a pause may be longer than the piece.
            extra: [B, T, dim] added to the embedded input: what a codec knows beside the mel.

        Returns:
            [B, 320 T] float32.
        """
        with torch.autocast(mel.device.type, enabled=False):  # spectra need full precision
            excitation = self.excitation(f0.float(), noise, pulses) if self.config.form == "excited" else ()
        spectrum = self.spectrum(mel, f0, held, extra, *excitation)
        with torch.autocast(mel.device.type, enabled=False):
            wav = istft(spectrum)
            for _ in range(self.config.n_projections):
                wav = istft(self.projected(stft(wav), mel.float()))
            return wav

    def excitation(self, f0: Tensor, noise: Tensor | None, pulses: Tensor | None) -> tuple[Tensor, Tensor]:
        """Spectra of pulse train and noise, each [B, T, bins] complex."""
        if noise is None:
            noise = torch.randn(f0.shape[0], f0.shape[1] * HOP_LENGTH, device=f0.device)
        return stft(pulse_train(f0) if pulses is None else pulses), stft(noise)

    def spectrum(self, mel: Tensor, f0: Tensor, held: Tensor | None, extra: Tensor | None, *excitation: Tensor) -> Tensor:
        """What the networks make of a mel and, in the ``excited`` form, of the excitation's spectra: [B, T, bins] complex."""
        outputs = self.head(self.trunk(mel, f0, held, extra)).float()
        with torch.autocast(mel.device.type, enabled=False):  # phases too
            if self.config.form == "mel":
                return polar_spectrum(outputs)
            return excited_spectrum(outputs, self.prior(mel.float()), *excitation)

    def prior(self, mel: Tensor) -> Tensor:
        """Log gain of the excitation to start from: [B, T, 100] -> [B, T, bins]."""
        return mel @ self.spread + LEVEL

    def projected(self, spectrum: Tensor, mel: Tensor) -> Tensor:
        """Scale a spectrum [B, T, bins] smoothly over frequency, so that its mel comes nearer to mel [B, T, 100].

        Frames overlap four times, so that any predicted spectrum is changed by overlap-add; one step of this
        undoes half of the mel error that remains, at the price of one STFT. As Griffin-Lim, but in the mel domain.
        """
        return spectrum * self.correction(spectrum.abs(), mel)

    def correction(self, magnitude: Tensor, mel: Tensor) -> Tensor:
        """The factors of :meth:`projected`, for magnitudes [B, T, bins]."""
        found = (magnitude @ self.bank).clamp(min=MEL.floor).log()
        return ((mel - found).clamp(-2, 2) @ self.spread).exp()

    def trunk(self, mel: Tensor, f0: Tensor, held: Tensor | None = None, extra: Tensor | None = None) -> Tensor:
        """[B, T, 100], [B, T] -> [B, T, dim]."""
        x = (mel - MEL_MEAN) / MEL_STD
        if self.config.form == "excited":
            log_f0 = bridged_log_f0(f0) if held is None else held
            x = torch.cat([x, (log_f0 - 5.0)[..., None] * 2, (f0 > 0)[..., None].to(x.dtype)], dim=-1)
        x = self.embed(x)
        x = self.norm_in(x if extra is None else x + extra)
        for block in self.blocks:
            x = block(x)
        return self.norm_out(x)


def envelope_from_mel() -> Tensor:
    """[100, 641] matrix: log-mel at the band centres -> the same at each STFT bin, interpolated linearly."""
    centres = band_centres()
    bins = np.linspace(0, SAMPLE_RATE / 2, N_BINS)
    matrix = np.stack([np.interp(bins, centres, row) for row in np.eye(N_MELS)])
    return torch.from_numpy(matrix.astype(np.float32))
