"""Spectral losses shared by vocoder and codec training."""

from __future__ import annotations

import torch
from torch import Tensor

from vocoder.audio.frames import MelConfig
from vocoder.audio.mel import mel_filterbank
from vocoder.audio.spectrum import stft

# (window, hop, bands): fine in time to fine in frequency
MEL_SCALES = ((2048, 512, 160), (1280, 320, 100), (512, 128, 80), (256, 64, 40), (128, 32, 20))


def multi_scale_mel_loss(real: Tensor, fake: Tensor, scales=MEL_SCALES) -> Tensor:
    """Mean L1 of log-mels over several resolutions. real, fake [B, S], S a multiple of 512.

    Source: DAC (arXiv 2306.06546) §3.4, several mel scales with bands in proportion to the window; differs: L1 of
    natural logs of magnitude only, five scales.
    """
    total = 0.0
    with torch.autocast(real.device.type, enabled=False):
        both = torch.cat([real, fake]).float()
        for n_fft, hop_length, n_mels in scales:
            bank = mel_filterbank(MelConfig(n_fft=n_fft, hop_length=hop_length, n_mels=n_mels)).to(both.device)
            mel = (stft(both, n_fft, hop_length).abs() @ bank).clamp(min=1e-5).log()
            a, b = mel.chunk(2)
            total = total + (a - b).abs().mean()
    return total / len(scales)
