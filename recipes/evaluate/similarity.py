"""Speaker similarity by Resemblyzer (GE2E), which took no part in training: cosines of clip embeddings.

A cosine by itself says little: natural clips of one voice and of two voices give the scale,
``score = (cosine - different) / (same - different)``: 1 is a natural clip of the same speaker, 0 another speaker.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tts.base.errors import DataError, UnavailableError

SAMPLE_RATE = 16_000  # Hz, of the judge


class SpeakerJudge:
    """``judge.embed(wav16k) -> [256]``, of length one."""

    def __init__(self):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # old namespaces of scipy and setuptools
                import resemblyzer
        except ImportError as error:
            raise UnavailableError(
                f"speaker similarity needs resemblyzer: {error}.",
                code="evaluate.resemblyzer",
                fix="Run: pip install 'parlance-tts[eval]' (setuptools < 82)",
            ) from error
        self._preprocess = resemblyzer.preprocess_wav
        self._encoder = resemblyzer.VoiceEncoder("cpu", verbose=False)

    def embed(self, wav: np.ndarray) -> np.ndarray:
        """[S] float32 at 16 kHz -> [256]; silences are cut and the level raised by the judge itself."""
        speech = self._preprocess(np.asarray(wav, np.float32))
        if len(speech) < SAMPLE_RATE // 4:
            raise DataError(
                f"the clip holds {len(speech) / SAMPLE_RATE:.2f} s of speech, the speaker judge needs 0.25 s.",
                code="evaluate.no_speech",
                fix="Leave the clip out, or find out why it is silent.",
            )
        return self._encoder.embed_utterance(speech)


@dataclass(frozen=True)
class NaturalScale:
    """Mean cosines of natural pairs of clips."""

    same: float
    different: float
    different_same_gender: float | None  # the harder question
    same_pairs: int
    different_pairs: int

    def score(self, cosine: float) -> float:
        """0 = different speakers, 1 = the same speaker; above 0.5 is nearer to the same."""
        return (cosine - self.different) / (self.same - self.different)


def natural_scale(clips: Mapping[str, Sequence[np.ndarray]], genders: Mapping[str, str]) -> NaturalScale:
    """The scale from natural embeddings.

    Args:
        clips: speaker -> embeddings of different recordings, [256] each.
        genders: speaker -> gender.

    Raises:
        DataError: fewer than two speakers, or no speaker with two clips.
    """
    same = [float(a @ b) for items in clips.values() for a, b in itertools.combinations(items, 2)]
    different, within_gender = [], []
    for one, other in itertools.combinations(clips, 2):
        cosines = [float(a @ b) for a in clips[one] for b in clips[other]]
        different += cosines
        if genders[one] == genders[other]:
            within_gender += cosines
    if not same or not different:
        raise DataError(
            "natural pairs need two speakers and two clips of one of them.",
            code="evaluate.pairs",
            fix="Take more clips or a corpus with more speakers.",
        )
    return NaturalScale(
        float(np.mean(same)),
        float(np.mean(different)),
        float(np.mean(within_gender)) if within_gender else None,
        len(same),
        len(different),
    )


def nearest_speaker(embedding: np.ndarray, clips: Mapping[str, Sequence[np.ndarray]]) -> str:
    """The speaker whose mean natural embedding lies nearest."""
    return max(clips, key=lambda speaker: float(embedding @ _mean(clips[speaker])))


def _mean(embeddings: Sequence[np.ndarray]) -> np.ndarray:
    mean = np.mean(embeddings, axis=0)
    return mean / np.linalg.norm(mean)
