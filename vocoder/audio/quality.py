"""What is wrong with a recording of speech, by measures of one pass over its spectrum: noise, clipping, bandwidth, reverberation.

Each is a plain number with a unit; what is too much of it is said by who asks. How well they hold is measured by
``python -m recipes evaluate references``.
"""

from __future__ import annotations

import numpy as np

from vocoder.audio.activity import edges
from vocoder.audio.frames import FRAME_RATE, N_FFT, SAMPLE_RATE

HZ = SAMPLE_RATE / N_FFT  # of a bin
_GROUPS = np.unique(np.round(np.concatenate([np.arange(4, 55, 4), np.geomspace(55, 640, 20)])).astype(int))  # from 75 Hz
_QUIETEST, _SMOOTH, _BIAS = 2, 5, 1.4  # percentile, frames; mean power of noise over the percentile of its smoothed power
_NARROW = 7000.0  # Hz; only below is a steep edge looked for


def snr_db(power: np.ndarray, speech: np.ndarray) -> float:
    """Power of speech over that of the noise under it, dB.

    The noise of each group of bins is what the quietest 2 % of speech frames hold there: vowels are silent above,
    fricatives below. So a recording without pauses, or with pauses that were muted, gets a figure too.

    Args:
        power: [T, 641], of ``spectrum_power``.
        speech: [T] bool, some of them True.

    Source: minimum statistics (Martin 2001), over a whole recording.
    """
    groups = np.add.reduceat(power[:, :640], _GROUPS[:-1], axis=1)
    parts = [running_mean(groups[start:end], min(_SMOOTH, end - start)) for start, end in edges(speech)]
    noise = float(np.percentile(np.concatenate(parts), _QUIETEST, axis=0).sum()) * _BIAS
    total = float(groups[speech].mean(0).sum())
    noise = max(noise, total * 1e-7)
    return float(10 * np.log10(max(total - noise, 0.1 * noise) / noise))


def running_mean(values: np.ndarray, size: int) -> np.ndarray:
    """[T, n] -> [T - size + 1, n], mean over ``size`` frames."""
    total = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), values]), axis=0)
    return (total[size:] - total[:-size]) / size


def clipped_share(wav: np.ndarray) -> float:
    """Share of samples in flat tops: three and more in a row within 2 % of the highest (or lowest) sample.

    Speech touches its peak once; a recording that was cut off stays there, also after it was made quieter or resampled.
    """
    flat = 0
    for side in (wav, -wav):
        peak = float(side.max(initial=0.0))
        if peak > 0.02:
            runs = edges(side > 0.98 * peak)
            length = runs[:, 1] - runs[:, 0]
            flat += int(length[length >= 3].sum())
    return flat / max(len(wav), 1)


def bandwidth(power: np.ndarray, speech: np.ndarray) -> float:
    """Highest frequency that the loud frames of the speech reach, Hz: within 65 dB of the strongest, or up to an edge
    below 7 kHz where the spectrum falls by 12 dB within 300 Hz and never comes back."""
    loud = 10 * np.log10(np.percentile(power[speech], 90, axis=0) + 1e-14)
    smooth = np.convolve(np.pad(loud, 4, mode="edge"), np.ones(9) / 9, mode="valid")
    top = float(np.flatnonzero(smooth > smooth.max() - 65.0)[-1]) * HZ
    width = round(300 / HZ)
    above = np.maximum.accumulate(smooth[::-1])[::-1]  # the loudest from here up
    for i in range(40, round(_NARROW / HZ) - width):
        falls = smooth[i] - smooth[i + width] >= 12.0
        if falls and above[i + width] < min(smooth.max() - 45.0, smooth[i] - 10.0):
            return min(top, (i + width / 2) * HZ)
    return top


def decay_rate(power: np.ndarray, speech: np.ndarray, frames: int = 8) -> float | None:
    """How fast sound dies away at its fastest, dB a second: the 90th percentile over falls of ``frames`` frames, mean of
    three octaves. A room holds it up: 60 dB over this is near its reverberation time. None when the recording has too
    few falls to judge (noise hides them)."""
    rates = []
    for low, high in ((500, 1000), (1000, 2000), (2000, 4000)):
        level = 10 * np.log10(power[:, round(low / HZ) : round(high / HZ)].sum(1) + 1e-12)
        floor = np.percentile(level[speech], 5) if speech.any() else 0.0
        window = np.lib.stride_tricks.sliding_window_view(level, frames) if len(level) >= frames else np.empty((0, frames))
        drop = window[:, 0] - window[:, -1]
        falls = speech[: len(window)] & (np.diff(window, axis=1) < 0.5).all(1) & (drop > 8.0)
        for margin in (15.0, 8.0):  # a large room never lets the sound fall far
            chosen = falls & (window[:, 0] > floor + margin)
            if chosen.sum() >= 4:
                rates.append(np.percentile(drop[chosen], 90) / (frames - 1) * FRAME_RATE)
                break
    return float(np.mean(rates)) if rates else None
