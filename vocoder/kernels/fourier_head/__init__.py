"""What surrounds the inverse FFT of a Fourier head: network outputs to a spectrum before it, overlap-add after it.

    >>> import torch
    >>> from vocoder.kernels.fourier_head import overlap_add, polar_spectrum
    >>> spectrum = polar_spectrum(torch.zeros(1, 3, 10))  # log-magnitude and phase of 5 bins
    >>> frames = torch.fft.irfft(spectrum, n=8)
    >>> overlap_add(frames, torch.ones(8), torch.full((1, 6), 4.0), hop_length=2).shape
    torch.Size([1, 6])
"""

from __future__ import annotations

from torch import Tensor

from vocoder.kernels.dispatch import choose, watched

__all__ = ["WAYS", "excited_spectrum", "overlap_add", "polar_spectrum"]

WAYS = {"triton": "cuda"}


def polar_spectrum(outputs: Tensor) -> Tensor:
    """min(exp(m), 100) e^{jp}, Vocos' head.

    The Triton forms of this module agree with the reference within float32 rounding; they have no backward: where autograd
    watches, the reference runs.

    Args:
        outputs: [B, T, 2 bins] float32, log-magnitude m and phase p side by side.

    Returns:
        [B, T, bins] complex64.

    Source: Vocos (arXiv 2306.00814) section 3.2.
    """
    return _form(outputs).polar_spectrum(outputs)


def excited_spectrum(outputs: Tensor, prior: Tensor, harmonics: Tensor, noise: Tensor) -> Tensor:
    """harmonics · exp(prior + m) e^{jp} + noise · exp(prior - 1 + g); exponents are clamped to -14..5.

    Args:
        outputs: [B, T, 3 bins] float32: log gain m of the harmonics, their phase offset p, log gain g of the noise.
        prior: [B, T, bins] float32, log gain to start from.
        harmonics, noise: [B, T, bins] complex64, spectra of the excitation.

    Returns:
        [B, T, bins] complex64.
    """
    return _form(outputs, prior, harmonics, noise).excited_spectrum(outputs, prior, harmonics, noise)


def overlap_add(frames: Tensor, window: Tensor, envelope: Tensor, hop_length: int) -> Tensor:
    """Frames, windowed, one every hop, added up and divided by the envelope; (n - hop) / 2 samples are cut at both ends.

    Args:
        frames: [B, T, n] float32, n a multiple of hop_length.
        window: [n].
        envelope: [1, T hop_length], sum of the squared windows over each sample that is kept.

    Returns:
        [B, T hop_length] float32.
    """
    return _form(frames).overlap_add(frames, window, envelope, hop_length)


def _form(*tensors: Tensor):
    """The module that holds all three."""
    if choose("fourier_head", tensors[0].device.type, WAYS) == "triton" and not watched(*tensors):
        from vocoder.kernels.fourier_head import triton_kernel as form
    else:
        from vocoder.kernels.fourier_head import reference as form
    return form
