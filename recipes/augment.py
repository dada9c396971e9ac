"""Speakers who do not exist: a recording as a longer or shorter vocal tract would have spoken it.

Scaling the frequency axis by a factor moves formants and pitch together, which is what the size of a speaker does, and
leaves timing alone. The corpus has few speakers; this multiplies them.

Source: vocal tract length perturbation (Jaitly and Hinton 2013); differs: the same warp of all frequencies, pitch with it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from vocoder.audio.frames import MEL
from vocoder.audio.mel import band_centres, hz_to_mel

WIDEST = 12  # percent that frequencies move, up or down


def draw_warp(rng, share: float) -> int:
    """Percent to move frequencies by, -12 to 12; 0 for ``1 - share`` of the draws."""
    return int(rng.integers(-WIDEST, WIDEST + 1)) if rng.random() < share else 0


def warp_mel(mel: np.ndarray, percent: int) -> np.ndarray:
    """Log-mel [T, 100] with its frequency axis scaled by 1 + percent / 100; bands above the old top repeat it."""
    return mel if percent == 0 else np.asarray(mel, np.float32) @ warp_matrix(percent)


def warp_f0(f0: np.ndarray, percent: int) -> np.ndarray:
    """Hz [T], 0 = unvoiced."""
    return f0 * np.float32(1 + percent / 100)


def warp_bandwidth(hz: float, percent: int) -> float:
    """The highest frequency that a warped recording holds."""
    return min(hz * (1 + percent / 100), MEL.f_max)


@lru_cache(maxsize=2 * WIDEST + 1)
def warp_matrix(percent: int) -> np.ndarray:
    """[100, 100]: mel @ matrix is the warped mel, interpolated between bands."""
    centres = band_centres()
    places = np.interp(hz_to_mel(centres / (1 + percent / 100)), hz_to_mel(centres), np.arange(len(centres)))
    low = np.minimum(places.astype(int), len(centres) - 2)
    matrix = np.zeros((len(centres), len(centres)), np.float32)
    matrix[low, np.arange(len(centres))] = 1 - (places - low)
    matrix[low + 1, np.arange(len(centres))] += places - low
    return matrix
