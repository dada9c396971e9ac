"""The Fourier head's ops for CUDA: one launch each, every tensor read and written once.

Complex tensors pass as pairs of float32. Overlap-add gathers, one program a few hundred samples of the output, so that no two
programs write the same sample and sums have a fixed order.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor, library

BLOCK = 1024  # bins or samples of a program


@library.custom_op("parlance::polar_spectrum", mutates_args=())
def polar_spectrum(outputs: Tensor) -> Tensor:
    """[B, T, 2 bins] float32 -> [B, T, bins] complex64, the reference's but for rounding."""
    B, T, width = outputs.shape
    spectrum = torch.empty(B, T, width // 2, dtype=torch.complex64, device=outputs.device)
    if spectrum.numel():
        grid = (B * T, triton.cdiv(width // 2, BLOCK))
        polar[grid](outputs.contiguous(), torch.view_as_real(spectrum), width // 2, BLOCK=BLOCK)
    return spectrum


@polar_spectrum.register_fake
def _(outputs):
    B, T, width = outputs.shape
    return outputs.new_empty(B, T, width // 2, dtype=torch.complex64)


@library.custom_op("parlance::excited_spectrum", mutates_args=())
def excited_spectrum(outputs: Tensor, prior: Tensor, harmonics: Tensor, noise: Tensor) -> Tensor:
    """[B, T, 3 bins], [B, T, bins] and two complex [B, T, bins] -> [B, T, bins] complex64, the reference's but for rounding."""
    B, T, bins = prior.shape
    spectrum = torch.empty(B, T, bins, dtype=torch.complex64, device=prior.device)
    if spectrum.numel():
        pairs = (torch.view_as_real(x.resolve_conj().contiguous()) for x in (harmonics, noise))
        grid = (B * T, triton.cdiv(bins, BLOCK))
        filter_pair[grid](outputs.contiguous(), prior.contiguous(), *pairs, torch.view_as_real(spectrum), bins, BLOCK=BLOCK)
    return spectrum


@excited_spectrum.register_fake
def _(outputs, prior, harmonics, noise):
    return prior.new_empty(prior.shape, dtype=torch.complex64)


@library.custom_op("parlance::overlap_add", mutates_args=())
def overlap_add(frames: Tensor, window: Tensor, envelope: Tensor, hop_length: int) -> Tensor:
    """[B, T, n], [n], [1, T hop] -> [B, T hop] float32, the reference's but for rounding."""
    B, T, size = frames.shape
    wav = torch.empty(B, T * hop_length, dtype=torch.float32, device=frames.device)
    if wav.numel():
        block = min(BLOCK, triton.next_power_of_2(T * hop_length))
        grid = (triton.cdiv(T * hop_length, block), B)
        read = (frames.contiguous(), window.contiguous(), envelope.contiguous())
        gather[grid](*read, wav, T, hop_length, PARTS=size // hop_length, BLOCK=block)
    return wav


@overlap_add.register_fake
def _(frames, window, envelope, hop_length):
    return frames.new_empty(frames.shape[0], frames.shape[1] * hop_length)


@triton.jit
def cos_sin(phase):
    """Of |phase| up to 1e5 with an error of a few 1e-7: 2 pi is taken off in two parts, the first of which has few bits."""
    turns = tl.floor(phase * 0.15915494309189535 + 0.5)
    rest = (phase - turns * 6.28125) - turns * 1.9353071795864769e-3
    return tl.cos(rest), tl.sin(rest)


@triton.jit
def polar(outputs, spectrum, bins, BLOCK: tl.constexpr):
    """spectrum = min(exp(m), 100) (cos p, sin p); outputs [rows, 2 bins], spectrum [rows, bins, 2]."""
    row = tl.program_id(0).to(tl.int64)
    k = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    real = k < bins
    line = outputs + row * 2 * bins + k
    magnitude = tl.minimum(tl.exp(tl.load(line, mask=real, other=0.0)), 100.0)
    cosine, sine = cos_sin(tl.load(line + bins, mask=real, other=0.0))
    place = spectrum + (row * bins + k) * 2
    tl.store(place, magnitude * cosine, mask=real)
    tl.store(place + 1, magnitude * sine, mask=real)


@triton.jit
def filter_pair(outputs, prior, harmonics, noise, spectrum, bins, BLOCK: tl.constexpr):
    """spectrum = H exp(prior + m) e^{jp} + N exp(prior - 1 + g); outputs [rows, 3 bins], complex ones [rows, bins, 2]."""
    row = tl.program_id(0).to(tl.int64)
    k = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    real = k < bins
    line, place = outputs + row * 3 * bins + k, (row * bins + k) * 2
    start = tl.load(prior + row * bins + k, mask=real, other=0.0)
    gain = tl.exp(tl.minimum(tl.maximum(start + tl.load(line, mask=real, other=0.0), -14.0), 5.0))
    noise_gain = tl.exp(tl.minimum(tl.maximum(start - 1.0 + tl.load(line + 2 * bins, mask=real, other=0.0), -14.0), 5.0))
    cosine, sine = cos_sin(tl.load(line + bins, mask=real, other=0.0))
    h_real, h_imag = tl.load(harmonics + place, mask=real, other=0.0), tl.load(harmonics + place + 1, mask=real, other=0.0)
    n_real, n_imag = tl.load(noise + place, mask=real, other=0.0), tl.load(noise + place + 1, mask=real, other=0.0)
    tl.store(spectrum + place, gain * (h_real * cosine - h_imag * sine) + n_real * noise_gain, mask=real)
    tl.store(spectrum + place + 1, gain * (h_real * sine + h_imag * cosine) + n_imag * noise_gain, mask=real)


@triton.jit
def gather(frames, window, envelope, wav, T, HOP, PARTS: tl.constexpr, BLOCK: tl.constexpr):
    """wav[s] = sum over frames t of frames[t, i] window[i] / envelope[s], i = s + pad - t HOP in 0 .. PARTS HOP - 1."""
    item = tl.program_id(1).to(tl.int64)
    s = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    real = s < T * HOP
    place = s + (PARTS * HOP - HOP) // 2  # before the ends are cut
    total = tl.zeros([BLOCK], tl.float32)
    for k in tl.static_range(PARTS):
        t = place // HOP - k
        i = place % HOP + k * HOP
        there = real & (t >= 0) & (t < T)
        frame = tl.load(frames + (item * T + t) * (PARTS * HOP) + i, mask=there, other=0.0)
        total += frame * tl.load(window + i, mask=there, other=0.0)
    tl.store(wav + item * T * HOP + s, total / tl.load(envelope + s, mask=real, other=1.0), mask=real)
