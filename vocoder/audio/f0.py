"""Pitch by pyworld, one value a frame of the clock. The only file that touches pyworld."""

from __future__ import annotations

import sys
import types
import warnings

import numpy as np

from tts.base.errors import UnavailableError
from vocoder.audio.frames import FRAME_RATE, HOP_LENGTH, SAMPLE_RATE, samples_to_frames

F0_MIN, F0_MAX = 60.0, 500.0  # Hz


def extract_f0(wav: np.ndarray, method: str = "dio") -> np.ndarray:
    """Fundamental frequency at the centre of each frame.

    Args:
        wav: [S] float in [-1, 1] at 24 kHz.
        method: "dio" (bulk work; with StoneMask) or "harvest" (evaluation reference, 15 times slower).

    Returns:
        [T] float32 in Hz, 0 = unvoiced, T = ceil(S / 320).

    Raises:
        UnavailableError: pyworld is not installed.

    Source: WORLD (Morise et al. 2016): DIO or Harvest, refined by StoneMask.
    """
    pyworld = import_pyworld()
    n_frames = samples_to_frames(len(wav))
    # pyworld samples f0 at k * period; half a hop of lead-in puts k = t on the middle of hop t.
    padded = np.concatenate([wav[HOP_LENGTH // 2 :], np.zeros(2 * HOP_LENGTH)]).astype(np.float64)
    track = getattr(pyworld, method)
    period = 1000.0 / FRAME_RATE
    f0, times = track(padded, SAMPLE_RATE, f0_floor=F0_MIN, f0_ceil=F0_MAX, frame_period=period)
    f0 = pyworld.stonemask(padded, f0, times, SAMPLE_RATE)[:n_frames]
    f0[(f0 < F0_MIN * 0.9) | (f0 > F0_MAX * 1.1)] = 0.0
    return np.pad(remove_short_runs(f0), (0, n_frames - len(f0))).astype(np.float32)


def remove_short_runs(f0: np.ndarray, shortest: int = 3) -> np.ndarray:
    """Voiced runs of fewer than ``shortest`` frames are tracker noise: make them unvoiced."""
    f0 = f0.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (f0 > 0).astype(np.int8), [0]])))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start < shortest:
            f0[start:end] = 0.0
    return f0


def interpolate_log_f0(f0: np.ndarray) -> np.ndarray:
    """[T] Hz with zeros -> [T] natural log, unvoiced gaps bridged linearly; log 150 if nothing is voiced."""
    voiced = np.flatnonzero(f0 > 0)
    if len(voiced) == 0:
        return np.full(len(f0), np.log(150.0), dtype=np.float32)
    return np.interp(np.arange(len(f0)), voiced, np.log(f0[voiced])).astype(np.float32)


def import_pyworld():
    """pyworld asks pkg_resources for its own version; newer setuptools has none, so lend it a stand-in."""
    lent = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of its own end, which is no news to a user of pitch
            import pkg_resources  # noqa: F401
    except ImportError:
        stand_in = types.ModuleType("pkg_resources")
        stand_in.get_distribution = lambda name: types.SimpleNamespace(version="0")
        sys.modules["pkg_resources"] = stand_in
        lent = True
    try:
        import pyworld
    except ImportError as error:
        raise UnavailableError(
            "pitch extraction needs pyworld, which is not installed.",
            fix="Run: pip install 'parlance-tts[train]'",
            code="f0.pyworld_missing",
        ) from error
    finally:
        if lent:
            del sys.modules["pkg_resources"]
    return pyworld
