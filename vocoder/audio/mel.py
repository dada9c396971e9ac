"""The one log-mel spectrogram."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tts.base.errors import DataError
from vocoder.audio.frames import MEL, MelConfig
from vocoder.audio.spectrum import stft


def log_mel(wav, config: MelConfig = MEL):
    """Log-mel spectrogram, the input of every vocoder here.

    Frame t is centred on the middle of hop t ("same" padding); a last partial hop is filled with zeros,
    so that n samples give ceil(n / hop) frames.

    Args:
        wav: [B, S] or [S] float32 in [-1, 1] at config.sample_rate; torch or numpy.
        config: Bands, window, floor. Must be the one the models were trained with.

    Returns:
        [B, T, n_mels] or [T, n_mels] float32 of the same kind as wav: natural log of magnitude, not below log(floor).

    Raises:
        DataError: wav is empty or has more than two dimensions.

    Source: Vocos (arXiv 2306.00814): magnitude (power 1); bands as in the Slaney auditory toolbox.
    """
    if isinstance(wav, np.ndarray):
        return log_mel(torch.from_numpy(np.ascontiguousarray(wav, dtype=np.float32)), config).numpy()
    if wav.dim() == 1:
        return log_mel(wav[None], config)[0]
    if wav.dim() != 2 or wav.shape[1] == 0:
        raise DataError(f"wav has shape {tuple(wav.shape)}; a mel needs [B, S] with S > 0.", code="mel.shape")
    wav = F.pad(wav.float(), (0, -wav.shape[1] % config.hop_length))
    magnitude = stft(wav, config.n_fft, config.hop_length).abs()
    mel = magnitude @ mel_filterbank(config).to(wav.device)
    return mel.clamp(min=config.floor).log()


def hz_to_mel(hz):
    """Slaney's mel scale: linear below 1 kHz, logarithmic above."""
    hz = np.asarray(hz, dtype=np.float64)
    return np.where(hz < 1000.0, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1e-9) / 1000.0) / np.log(6.4))


def mel_to_hz(mel):
    mel = np.asarray(mel, dtype=np.float64)
    return np.where(mel < 15.0, mel * 200 / 3, 1000.0 * np.exp(np.log(6.4) * (mel - 15) / 27))


@lru_cache(maxsize=8)
def mel_filterbank(config: MelConfig = MEL) -> Tensor:
    """[n_fft // 2 + 1, n_mels] float32 triangles of equal area."""
    bins = np.arange(config.n_fft // 2 + 1) * config.sample_rate / config.n_fft
    edges = band_edges(config)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins[:, None] - low) / (centre - low)
    falling = (high - bins[:, None]) / (high - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (high - low))
    with torch.inference_mode(False):
        return torch.from_numpy(triangles.astype(np.float32))


def band_edges(config: MelConfig = MEL) -> np.ndarray:
    """[n_mels + 2] Hz: band m rises from edge m, has its peak at m + 1 and ends at m + 2."""
    return mel_to_hz(np.linspace(hz_to_mel(config.f_min), hz_to_mel(config.f_max), config.n_mels + 2))


def band_centres(config: MelConfig = MEL) -> np.ndarray:
    """[n_mels] centre of each band in Hz: tells which bands a recording's bandwidth reaches."""
    return band_edges(config)[1:-1]
