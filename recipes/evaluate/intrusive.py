"""Distances of a clip to a recording of the same words: in its timing (copies), or aligned by DTW (speech from text)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tts.base.errors import DataError, UnavailableError

DB = 20 / np.log(10)  # from natural log of magnitude to decibel


def pesq_wide(reference: np.ndarray, degraded: np.ndarray) -> float | None:
    """Wide-band PESQ (P.862.2), 1.0 to 4.64, of [S] at 16 kHz; None where it finds no speech."""
    pesq = _eval_package("pesq")
    reference, degraded = same_length(reference, degraded)
    if not (reference.any() and degraded.any()):
        return None
    try:
        return float(pesq.pesq(16_000, reference, degraded, "wb"))
    except pesq.NoUtterancesError:
        return None


def stoi(reference: np.ndarray, degraded: np.ndarray) -> float | None:
    """Short-time objective intelligibility, up to 1, of [S] at 16 kHz; None under half a second, which it cannot judge."""
    if len(reference) < 8_000:
        return None
    return float(_eval_package("pystoi").stoi(*same_length(reference, degraded), 16_000))


@dataclass(frozen=True)
class PitchError:
    cents: float | None  # mean absolute difference over frames voiced in both; None when there are none
    gross: float | None  # share of those frames more than 50 cents off
    voicing: float  # share of all frames where one is voiced and the other not
    frames: int
    rms_cents: float | None  # root mean square over frames voiced in both: one octave error weighs as much as many small ones
    f1: float | None  # of the voiced frames of the reference found again; None when neither has any


def pitch_error(reference_f0: np.ndarray, degraded_f0: np.ndarray) -> PitchError:
    """Compare two pitch tracks [T] in Hz, 0 = unvoiced; the longer one is cut.

    Take tracks of ``vocoder.audio.f0.extract_f0`` with its default method: on natural clips through WORLD (whose pitch is right
    by construction) DIO with StoneMask leaves 14 to 37 cents of its own noise, Harvest 40 to 150, because it calls creaky and
    whispered frames voiced and follows them by octaves. A semitone is 100 cents.
    """
    reference_f0, degraded_f0 = same_length(reference_f0, degraded_f0)
    if not len(reference_f0):
        raise DataError("there are no frames to compare.", code="evaluate.empty", fix="Give longer clips.")
    voiced, heard = reference_f0 > 0, degraded_f0 > 0
    both = voiced & heard
    cents = 1200 * np.abs(np.log2(degraded_f0[both] / reference_f0[both]))
    n_voiced = int(voiced.sum()) + int(heard.sum())
    return PitchError(
        float(cents.mean()) if both.any() else None,
        float((cents > 50).mean()) if both.any() else None,
        float((voiced != heard).mean()),
        len(voiced),
        float(np.sqrt(np.square(cents).mean())) if both.any() else None,
        2 * int(both.sum()) / n_voiced if n_voiced else None,
    )


def mel_distance(reference: np.ndarray, degraded: np.ndarray, bandwidth_hz: float = 12_000) -> float:
    """Mean absolute difference in dB of two log-mels [T, 100], over the bands below the recording's bandwidth."""
    from vocoder.audio.mel import band_centres

    reference, degraded = same_length(reference, degraded)
    bands = band_centres() < bandwidth_hz
    return float(np.abs(reference[:, bands] - degraded[:, bands]).mean() * DB)


@dataclass(frozen=True)
class AlignedDistance:
    mcd: float  # dB, mel-cepstral distortion of coefficients 1..24 along the best path
    f0_cents: float | None  # mean absolute difference of voiced frames along the path
    duration_ratio: float  # frames of the spoken clip / frames of the recording


def aligned_distance(reference_mel, degraded_mel, reference_f0, degraded_f0, bandwidth_hz: float = 12_000) -> AlignedDistance:
    """Two utterances of the same words with their own timing: mel [T, 100] and F0 [T] of each, aligned by dynamic time warping.

    The cepstra are cosine transforms of our own log-mel, so the figures compare systems here, not with other papers.
    """
    librosa = _eval_package("librosa")
    from scipy.fft import dct

    from vocoder.audio.mel import band_centres

    bands = band_centres() < bandwidth_hz
    cepstra = [dct(mel[:, bands].astype(np.float64), norm="ortho")[:, 1:25] for mel in (reference_mel, degraded_mel)]
    # Orthonormal coefficients of M bands: sum of squares / M is the mean squared log difference, whatever M is.
    scale = DB / np.sqrt(bands.sum())
    _, path = librosa.sequence.dtw(cepstra[0].T, cepstra[1].T)
    here, there = path[::-1].T
    mcd = scale * np.linalg.norm(cepstra[0][here] - cepstra[1][there], axis=1).mean()
    here, there = np.minimum(here, len(reference_f0) - 1), np.minimum(there, len(degraded_f0) - 1)
    pitch = pitch_error(reference_f0[here], degraded_f0[there])
    return AlignedDistance(float(mcd), pitch.cents, len(degraded_mel) / len(reference_mel))


def in_line(reference: np.ndarray, degraded: np.ndarray, most: int = 960) -> tuple[np.ndarray, int]:
    """(``degraded`` [S] moved, padded or cut so that it lies on ``reference`` [S], the samples that it was late).

    The lag is that of the highest cross-correlation within ``most`` samples; beyond the ends there are zeros.
    """
    size = 1 << (len(reference) + len(degraded)).bit_length()
    spectrum = np.conj(np.fft.rfft(reference, size)) * np.fft.rfft(degraded, size)
    correlation = np.fft.irfft(spectrum, size)
    lags = np.arange(-most, most + 1)
    lag = int(lags[np.argmax(correlation[lags])])
    moved = degraded[lag:] if lag >= 0 else np.pad(degraded, (-lag, 0))
    return np.pad(moved, (0, max(0, len(reference) - len(moved))))[: len(reference)], lag


def same_length(*arrays: np.ndarray) -> list[np.ndarray]:
    """All cut to the shortest."""
    length = min(map(len, arrays))
    return [array[:length] for array in arrays]


def _eval_package(name: str):
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UnavailableError(
            f"this measure needs {name}: {error}.", code=f"evaluate.{name}", fix="Run: pip install 'parlance-tts[eval]'"
        ) from error
