"""Where somebody speaks in a recording: voice activity on the frame clock, with a noise floor that follows the recording.

A frame is a seed when it is periodic and clearly above the floor; speech is what is loud around a seed. So a steady
noise is no speech however loud it is, and the voiceless sounds of a word are speech because of the voiced ones
beside them. Music and machines that hum pass: whether words are said is for a recogniser.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from vocoder.audio.frames import HOP_LENGTH, N_FFT, SAMPLE_RATE
from vocoder.audio.spectrum import stft

BAND = slice(round(100 * N_FFT / SAMPLE_RATE), round(4000 * N_FFT / SAMPLE_RATE))  # bins where speech has its power
SEED_DB, STAY_DB = 8.0, 4.0  # above the floor: of a seed, and of the frames around it
REACH = 20  # frames (0.27 s): what is loud so near to a seed belongs to it
BRIDGE = 23  # frames (0.3 s): a shorter pause is part of the speech
SHORTEST = 8  # frames (0.1 s) of speech, at least
FLOOR_WINDOW = 150  # frames (2 s) on both sides in which the floor is searched
QUIETEST_DB = -85.0  # below the loudest: digital silence is no floor to measure from


@dataclass(frozen=True)
class Activity:
    """What is heard a frame. Arrays [T]."""

    speech: np.ndarray  # bool
    level: np.ndarray  # float32 dB, power between 100 and 4000 Hz
    floor: np.ndarray  # float32 dB, of the noise


def spectrum_power(wav: np.ndarray) -> np.ndarray:
    """[S] at 24 kHz -> power [T, 641] float32."""
    padded = np.pad(np.asarray(wav, np.float32), (0, -len(wav) % HOP_LENGTH))
    return stft(torch.from_numpy(padded)[None])[0].abs().square().numpy()


def find_speech(power: np.ndarray, f0: np.ndarray) -> Activity:
    """Voice activity.

    Args:
        power: [T, 641], of :func:`spectrum_power`.
        f0: [T] in Hz, 0 = not periodic, of ``track_pitch``.

    Source: hysteresis and hangover as in every detector since Rabiner and Sambur 1975; the floor by minimum statistics
    (Martin 2001), here the quietest tenth of four seconds, so that no speech presence has to be guessed first.
    """
    level = 10 * np.log10(power[:, BAND].sum(1) + 1e-12)
    level = np.maximum(level, level.max() + QUIETEST_DB).astype(np.float32)
    floor = noise_floor(level)
    seed = (f0 > 0) & (level > floor + SEED_DB)
    loud = level > floor + STAY_DB
    near = dilate(runs_of(seed, 3), REACH)
    speech = connected(seed, loud & near)
    speech = ~runs_of(~speech, BRIDGE, ends=True)
    return Activity(runs_of(speech, SHORTEST), level, floor)


def noise_floor(level: np.ndarray) -> np.ndarray:
    """[T] dB -> [T] dB: the quietest tenth around each frame; where speech leaves no gap, that of the whole recording."""
    n = len(level)
    smooth = np.convolve(np.pad(level, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    starts = np.arange(0, n, FLOOR_WINDOW // 2)
    local = [np.percentile(smooth[max(0, s - FLOOR_WINDOW) : s + FLOOR_WINDOW], 10) for s in starts]
    quiet = np.percentile(smooth, 5)
    local = np.minimum(local, quiet + 10.0)
    return np.interp(np.arange(n), starts, local).astype(np.float32)


def edges(mask: np.ndarray) -> np.ndarray:
    """[T] bool -> [n, 2]: begin and end of each run of True."""
    change = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return change.reshape(-1, 2)


def runs_of(mask: np.ndarray, shortest: int, ends: bool = False) -> np.ndarray:
    """Only the runs of True of at least ``shortest`` frames; with ``ends`` also those that touch an end."""
    kept = np.zeros_like(mask)
    for start, end in edges(mask):
        kept[start:end] = end - start >= shortest or (ends and (start == 0 or end == len(mask)))
    return kept


def dilate(mask: np.ndarray, frames: int) -> np.ndarray:
    """True within ``frames`` of a True frame."""
    kept = np.zeros_like(mask)
    for start, end in edges(mask):
        kept[max(0, start - frames) : end + frames] = True
    return kept


def connected(seed: np.ndarray, area: np.ndarray) -> np.ndarray:
    """The runs of ``area`` that hold a seed."""
    kept = np.zeros_like(area)
    for start, end in edges(area | seed):
        kept[start:end] = seed[start:end].any()
    return kept
