"""Pitch without a compiler: what cloning, editing and conversion use. pyworld (``vocoder/audio/f0.py``) is the reference.

Source: Boersma 1993, "Accurate short-term analysis of the fundamental frequency ... of a sampled sound": peaks of the
autocorrelation divided by that of the window, a path through them by dynamic programming. Costs are those of Praat.
Differs: the clock is the package's; windows hold two and a half periods of the lowest pitch.
"""

from __future__ import annotations

import numpy as np

from vocoder.audio.f0 import F0_MAX, F0_MIN, remove_short_runs
from vocoder.audio.frames import FRAME_RATE, SAMPLE_RATE, samples_to_frames

RATE = 12_000  # Hz, of the analysis
WINDOW = 500  # samples: 42 ms
N_FFT = 1024
CANDIDATES = 6  # peaks a frame
SILENCE, VOICING = 0.03, 0.45
OCTAVE_COST, OCTAVE_JUMP_COST, VOICING_COST = 0.01, 0.35, 0.14
JUMPS = 0.01 * FRAME_RATE  # Praat's costs are meant for steps of 10 ms
BLOCK = 4096  # frames analysed at once


def track_pitch(wav: np.ndarray) -> np.ndarray:
    """Fundamental frequency at the centre of each frame.

    Args:
        wav: [S] float in [-1, 1] at 24 kHz.

    Returns:
        [T] float32 in Hz, 0 = unvoiced, T = ceil(S / 320), as ``extract_f0``.
    """
    import soxr

    n_frames = samples_to_frames(len(wav))
    low = soxr.resample(np.asarray(wav, np.float32), SAMPLE_RATE, RATE) if len(wav) else np.zeros(0, np.float32)
    padded = np.pad(low, (WINDOW // 2, WINDOW + RATE // 20))
    loudest = float(np.abs(low - low.mean()).max()) if len(low) else 0.0
    if loudest < 1e-4:
        return np.zeros(n_frames, np.float32)
    centres = np.round((np.arange(n_frames) + 0.5) * RATE / FRAME_RATE).astype(int)
    parts = [_candidates(padded, centres[i : i + BLOCK], loudest) for i in range(0, n_frames, BLOCK)]
    f0, strength = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    path = _best_path(f0, strength)
    return remove_short_runs(f0[np.arange(n_frames), path]).astype(np.float32)


def _candidates(padded: np.ndarray, centres: np.ndarray, loudest: float) -> tuple[np.ndarray, np.ndarray]:
    """Pitches [T, 1 + CANDIDATES] in Hz and their strengths; the first candidate is "unvoiced", 0 Hz."""
    window = np.hanning(WINDOW).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[centres]
    frames = frames - frames.mean(1, keepdims=True)
    peak = np.abs(frames[:, WINDOW // 4 : -WINDOW // 4]).max(1)
    power = np.abs(np.fft.rfft(frames * window, N_FFT)) ** 2
    correlation = np.fft.irfft(power)[:, : WINDOW // 2 + 1]
    own = np.fft.irfft(np.abs(np.fft.rfft(window, N_FFT)) ** 2)[: WINDOW // 2 + 1]
    r = correlation / np.maximum(correlation[:, :1], 1e-9) / (own / own[0])
    first, last = int(RATE / F0_MAX) - 1, min(int(RATE / F0_MIN) + 1, WINDOW // 2 - 1)
    inner = r[:, first : last + 1]
    is_peak = (inner > r[:, first - 1 : last]) & (inner >= r[:, first + 1 : last + 2]) & (inner > 0.3)
    lags = np.arange(first, last + 1)
    score = np.where(is_peak, inner - OCTAVE_COST * np.log2(np.maximum(F0_MIN * lags / RATE, 1e-6)), -np.inf)
    chosen = np.argsort(-score, axis=1)[:, :CANDIDATES]
    rows = np.arange(len(r))[:, None]
    lag = lags[chosen]
    a, b, c = r[rows, lag - 1], r[rows, lag], r[rows, lag + 1]
    bend = np.minimum(a - 2 * b + c, -1e-9)
    shift = np.clip(0.5 * (a - c) / bend, -1, 1)
    f0 = RATE / (lag + shift)
    height = np.clip(b - 0.25 * (a - c) * shift, 0, 1)
    usable = np.isfinite(score[rows, chosen]) & (f0 >= F0_MIN) & (f0 <= F0_MAX)
    strength = np.where(usable, height - OCTAVE_COST * np.log2(F0_MIN / f0), -1e3)
    unvoiced = VOICING + np.maximum(0, 2 - (peak / loudest) / (SILENCE / (1 + VOICING)))
    zeros = np.zeros((len(r), 1))
    return np.hstack([zeros, np.where(usable, f0, F0_MIN)]), np.hstack([unvoiced[:, None], strength])


def _best_path(f0: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Candidate of each frame [T]: strong ones, few jumps (Viterbi)."""
    log_f0, voiced = np.log2(np.maximum(f0, 1.0)), f0 > 0
    total, back = strength[0], np.zeros(f0.shape, np.int64)
    for t in range(1, len(f0)):
        both = voiced[t - 1][:, None] & voiced[t][None]
        change = voiced[t - 1][:, None] ^ voiced[t][None]
        cost = OCTAVE_JUMP_COST * np.abs(log_f0[t - 1][:, None] - log_f0[t][None]) * both + VOICING_COST * change
        reached = total[:, None] - JUMPS * cost
        back[t] = reached.argmax(0)
        total = reached.max(0) + strength[t]
    path = np.empty(len(f0), np.int64)
    path[-1] = total.argmax()
    for t in range(len(f0) - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return path
