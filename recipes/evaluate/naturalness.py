"""Naturalness by DNSMOS (P.835 and P.808 networks in the speechmos wheel), 16 kHz.

DNSMOS was made to judge noise suppression: it hears noise, buzz and dullness, it does not hear wrong tones, flat intonation or
skipped words. All systems are brought to one level first, because it also hears level.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from tts.base.errors import DataError, UnavailableError

SAMPLE_RATE = 16_000  # Hz, of the judge
LEVEL = -23.0  # dBFS of active speech


@dataclass(frozen=True)
class Dnsmos:
    """Mean opinion scores, 1 to 5."""

    overall: float
    signal: float
    background: float
    p808: float  # the second network, overall quality

    def to_dict(self) -> dict[str, float]:
        return asdict(self)


def dnsmos(wav: np.ndarray) -> Dnsmos:
    """Scores of [S] float32 at 16 kHz; clips shorter than the judge's 9 s are repeated by it."""
    try:
        from speechmos import dnsmos as judge
    except ImportError as error:
        raise UnavailableError(
            f"naturalness needs speechmos: {error}.", code="evaluate.speechmos", fix="Run: pip install 'parlance-tts[eval]'"
        ) from error
    scores = judge.run(to_level(wav, SAMPLE_RATE), SAMPLE_RATE, return_df=False)
    return Dnsmos(*(float(scores[name]) for name in ("ovrl_mos", "sig_mos", "bak_mos", "p808_mos")))


def to_level(wav: np.ndarray, sample_rate: int, level: float = LEVEL) -> np.ndarray:
    """[S] scaled so that its active 20 ms windows (within 40 dB of the loudest) have this RMS level; peaks stay below 1.

    Raises:
        DataError: the clip is silent or shorter than one window.
    """
    window = sample_rate // 50
    power = np.mean(np.square(wav[: len(wav) // window * window].reshape(-1, window), dtype=np.float64), axis=1)
    if not power.size or power.max() < 1e-10:
        raise DataError("the clip is silent.", code="evaluate.silent", fix="Find out why nothing was spoken.")
    rms = np.sqrt(power[power > power.max() * 1e-4].mean())
    gain = min(10 ** (level / 20) / rms, 1.0 / np.abs(wav).max())
    return (wav * gain).astype(np.float32)
