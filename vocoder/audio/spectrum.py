"""STFT and inverse STFT with "same" padding, so that frames and hops are one to one.

``torch.istft`` refuses a padding of (n_fft - hop) / 2, which is the one under which T frames are exactly T hops;
hence the two functions here. Source: Vocos (arXiv 2306.00814), its ISTFT with padding "same".
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from vocoder.audio.frames import HOP_LENGTH, N_FFT


@lru_cache(maxsize=16)
def hann_window(n_fft: int, device: str = "cpu") -> Tensor:
    with torch.inference_mode(False):
        return torch.hann_window(n_fft, device=device)


def stft(wav: Tensor, n_fft: int = N_FFT, hop_length: int = HOP_LENGTH) -> Tensor:
    """Complex spectrum, frame t centred on sample (t + 1/2) * hop.

    Args:
        wav: [B, S] float; S a multiple of hop_length.

    Returns:
        [B, T, n_fft // 2 + 1] complex, T = S / hop_length. Beyond the ends the signal is zero.
    """
    pad = (n_fft - hop_length) // 2
    frames = F.pad(wav, (pad, pad)).unfold(-1, n_fft, hop_length)  # [B, T, n_fft]
    return torch.fft.rfft(frames * hann_window(n_fft, str(wav.device)))


def istft(spectrum: Tensor, n_fft: int = N_FFT, hop_length: int = HOP_LENGTH) -> Tensor:
    """Inverse of :func:`stft` by overlap-add, divided by the summed squared window.

    Args:
        spectrum: [B, T, n_fft // 2 + 1] complex.

    Returns:
        [B, T * hop_length] float.
    """
    window = hann_window(n_fft, str(spectrum.device))
    frames = torch.fft.irfft(spectrum, n=n_fft) * window  # [B, T, n_fft]
    wav = overlap_add(frames, hop_length)
    n_frames = spectrum.shape[1]
    envelope = _envelope(n_frames, n_fft, hop_length, str(spectrum.device))
    pad = (n_fft - hop_length) // 2
    return (wav / envelope)[:, pad : pad + n_frames * hop_length]


def overlap_add(frames: Tensor, hop_length: int) -> Tensor:
    """[B, T, n] windows, one every hop -> [B, (T - 1) * hop + n] samples. n must be a multiple of hop."""
    batch, n_frames, size = frames.shape
    parts = size // hop_length
    blocks = frames.reshape(batch, n_frames, parts, hop_length)
    out = frames.new_zeros(batch, n_frames + parts - 1, hop_length)
    for k in range(parts):
        out[:, k : k + n_frames] += blocks[:, :, k]
    return out.reshape(batch, -1)


@lru_cache(maxsize=64)
def _envelope(n_frames: int, n_fft: int, hop_length: int, device: str) -> Tensor:
    with torch.inference_mode(False):
        squared = hann_window(n_fft, device).square()
        return overlap_add(squared.expand(1, n_frames, n_fft), hop_length).clamp(min=1e-6)
