"""STFT and inverse STFT with "same" padding, so that frames and hops are one to one.

``torch.istft`` refuses a padding of (n_fft - hop) / 2, which is the one under which T frames are exactly T hops;
hence the two functions here. Source: Vocos (arXiv 2306.00814), its ISTFT with padding "same".
"""

from __future__ import annotations

from functools import cache, lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from vocoder.audio.frames import HOP_LENGTH, N_FFT
from vocoder.kernels.fourier_head import overlap_add
from vocoder.kernels.fourier_head.reference import add_frames


@cache
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
    device, n_frames = str(spectrum.device), spectrum.shape[1]
    recording = spectrum.is_cuda and torch.cuda.is_current_stream_capturing()  # a graph may outlive what is kept for later
    envelope = (_envelope.__wrapped__ if recording else _envelope)(n_frames, n_fft, hop_length, device)
    frames = torch.fft.irfft(spectrum, n=n_fft)  # [B, T, n_fft]
    return overlap_add(frames, hann_window(n_fft, device), envelope, hop_length)


@lru_cache(maxsize=4)  # what lies long among what is freed again keeps memory in pieces
def _envelope(n_frames: int, n_fft: int, hop_length: int, device: str) -> Tensor:
    """[1, T * hop_length]: the squared windows over each sample."""
    pad = (n_fft - hop_length) // 2
    with torch.inference_mode(False):
        squared = hann_window(n_fft, device).square()
        whole = add_frames(squared.expand(1, n_frames, n_fft), hop_length).clamp(min=1e-6)
        return whole[:, pad : pad + n_frames * hop_length].contiguous()
