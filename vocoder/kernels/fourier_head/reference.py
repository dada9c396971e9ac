"""The meaning of the Fourier head's ops in plain torch. Runs on every device, with gradients."""

from __future__ import annotations

import torch
from torch import Tensor


def polar_spectrum(outputs: Tensor) -> Tensor:
    """[B, T, 2 bins] -> [B, T, bins] complex."""
    magnitude, phase = outputs.chunk(2, dim=-1)
    return torch.polar(magnitude.exp().clamp(max=100.0), phase)


def excited_spectrum(outputs: Tensor, prior: Tensor, harmonics: Tensor, noise: Tensor) -> Tensor:
    """[B, T, 3 bins], [B, T, bins] and two complex [B, T, bins] -> [B, T, bins] complex."""
    harmonic_gain, phase, noise_gain = outputs.chunk(3, dim=-1)
    spectrum = harmonics * torch.polar((prior + harmonic_gain).clamp(-14, 5).exp(), phase)
    return spectrum + noise * (prior - 1.0 + noise_gain).clamp(-14, 5).exp()


def overlap_add(frames: Tensor, window: Tensor, envelope: Tensor, hop_length: int) -> Tensor:
    """[B, T, n], [n], [1, T hop] -> [B, T hop]."""
    pad = (frames.shape[2] - hop_length) // 2
    return add_frames(frames * window, hop_length)[:, pad : pad + envelope.shape[1]] / envelope


def add_frames(frames: Tensor, hop_length: int) -> Tensor:
    """[B, T, n] windows, one every hop -> [B, (T - 1) * hop + n] samples. n must be a multiple of hop."""
    batch, n_frames, size = frames.shape
    parts = size // hop_length
    blocks = frames.reshape(batch, n_frames, parts, hop_length)
    out = frames.new_zeros(batch, n_frames + parts - 1, hop_length)
    for k in range(parts):
        out[:, k : k + n_frames] += blocks[:, :, k]
    return out.reshape(batch, -1)
