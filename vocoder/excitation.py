"""Excitation of the harmonic-plus-noise vocoder: a band-limited pulse train that follows F0.

Why: a plain Fourier head must predict absolute phase, which advances by 2 pi f hop / rate each frame. With an
excitation that advances already, what remains to be learned is a slowly varying vocal-tract filter.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vocoder.audio.frames import HOP_LENGTH, SAMPLE_RATE

DEFAULT_LOG_F0 = math.log(150.0)  # where nothing voiced is near


def pulse_train(f0: Tensor, start_phase: Tensor | None = None, held: Tensor | None = None) -> Tensor:
    """Harmonic series below Nyquist, flat spectrum, unit power where voiced, silent where not.

    Between frame centres log F0 is interpolated linearly and voicing cross-fades. The top harmonic fades in and
    out, so that a gliding F0 makes no clicks. Phase is accumulated in float64: float32 drifts within minutes.

    Args:
        f0: [B, T] Hz, 0 = unvoiced; the value at the middle of each hop.
        start_phase: [B] in cycles; 0 when None.
        held: [B, T] ``bridged_log_f0`` of f0; made here when None.

    Returns:
        [B, T * 320] float32.

    Source: closed form of sum_k cos(k phi), the Dirichlet kernel.
    """
    log_f0 = upsample_linear(bridged_log_f0(f0) if held is None else held)  # [B, S]
    return _pulses(log_f0, upsample_linear((f0 > 0).to(f0.dtype)), start_phase)[0]


def _pulses(log_f0: Tensor, gate: Tensor, start_phase: Tensor | None) -> tuple[Tensor, Tensor]:
    """log_f0, gate [B, S] -> pulses [B, S] and the phase [B, S] in cycles, below 1, float64."""
    f0_samples = log_f0.exp()
    cycles = torch.cumsum(f0_samples.double() / SAMPLE_RATE, dim=1)
    if start_phase is not None:
        cycles = cycles + start_phase[:, None].double()
    cycles = cycles - cycles.floor()
    phi = (2 * math.pi * cycles).float()  # [0, 2 pi)
    n_harmonics = SAMPLE_RATE / 2 / f0_samples - 1.0  # real-valued: the fraction fades the top one
    whole = n_harmonics.floor()
    half_sine = torch.sin(phi / 2)
    near_zero = half_sine.abs() < 1e-4
    kernel = torch.sin((whole + 0.5) * phi) / (2 * torch.where(near_zero, 1.0, half_sine)) - 0.5
    kernel = torch.where(near_zero, whole, kernel)
    kernel = kernel + (n_harmonics - whole) * torch.cos((whole + 1) * phi)
    return gate * kernel * torch.sqrt(2.0 / n_harmonics), cycles


class PulseStream:
    """``pulse_train`` of one sound whose pitch comes in pieces: phase and held pitch are carried over the cuts.

    The pitch before the first voiced frame is DEFAULT_LOG_F0, as of ``bridged_log_f0`` with ``before``.
    """

    def __init__(self, device: torch.device | str = "cpu"):
        self.held = torch.full((1,), DEFAULT_LOG_F0, device=device)  # of the last frame seen
        self.phase = torch.zeros(1, dtype=torch.float64, device=device)  # cycles, where the last, open hop begins
        self.tail = None  # (f0, held) of the last two frames at most: the open hop's and the one before

    def push(self, f0: Tensor) -> tuple[Tensor, Tensor]:
        """f0 [1, T], T >= 1 -> (pulses, held) [1, 320 (T + k)], [1, T].

        The pulses begin with the k = 0 or 1 hops that were given before and are given anew: the second half of a hop knows the
        frame after it only now. Of the last hop, the second half holds as if no frame followed.
        """
        held = bridged_log_f0(f0, self.held)
        self.held = held[:, -1]
        known = (f0, held) if self.tail is None else tuple(torch.cat(pair, 1) for pair in zip(self.tail, (f0, held), strict=True))
        again = 0 if self.tail is None else 1
        skip = (known[0].shape[1] - f0.shape[1] - again) * HOP_LENGTH
        log_f0, gate = upsample_linear(known[1])[:, skip:], upsample_linear((known[0] > 0).to(f0.dtype))[:, skip:]
        pulses, cycles = _pulses(log_f0, gate, self.phase)
        if pulses.shape[1] > HOP_LENGTH:
            self.phase = cycles[:, -HOP_LENGTH - 1]
        self.tail = tuple(values[:, -2:] for values in known)
        return pulses, held


def bridged_log_f0(f0: Tensor, before: Tensor | None = None) -> Tensor:
    """[B, T] Hz, 0 = unvoiced -> natural log, unvoiced frames at the pitch before them.

    ``before`` [B]: natural log of the pitch before the first frame, so that no frame looks ahead; when None, frames before
    the first voiced one have its pitch.
    """
    voiced = f0 > 0
    log_f0 = torch.where(voiced, f0.clamp(min=20.0).log(), 0.0)
    if before is None:
        return hold_over_gaps(log_f0, voiced)
    first = torch.ones_like(voiced[:, :1])
    return hold_over_gaps(torch.cat([before[:, None].to(log_f0), log_f0], 1), torch.cat([first, voiced], 1))[:, 1:]


def hold_over_gaps(values: Tensor, valid: Tensor) -> Tensor:
    """[B, T]: replace invalid entries by the last valid one before, or by the first valid one after."""
    index = torch.arange(values.shape[1], device=values.device).expand_as(values)
    last = torch.where(valid, index, -1).cummax(dim=1).values
    first = torch.where(valid, index, values.shape[1]).min(dim=1, keepdim=True).values
    source = torch.where(last >= 0, last, first).clamp(max=values.shape[1] - 1)
    held = values.gather(1, source)
    return torch.where(valid.any(dim=1, keepdim=True), held, DEFAULT_LOG_F0)


def upsample_linear(values: Tensor, factor: int = HOP_LENGTH) -> Tensor:
    """[B, T] at hop centres -> [B, T * factor] at samples, constant beyond the outer centres.

    The same arithmetic in every hop, so that a piece of a sound gives the samples of the whole; ``F.interpolate`` loses precision
    with the position.
    """
    place = (torch.arange(factor, device=values.device, dtype=values.dtype) + 0.5) / factor - 0.5  # hops from the centre
    padded = F.pad(values[:, None], (1, 1), mode="replicate")[:, 0]
    before, here, after = padded[:, :-2, None], padded[:, 1:-1, None], padded[:, 2:, None]
    return (here + torch.where(place < 0, here - before, after - here) * place).flatten(1)
