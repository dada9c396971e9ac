"""Speaker verification: are two recordings of one person? Equal error rate over all pairs of clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recipes.datadir import Utterance
from recipes.evaluate.clips import samples
from recipes.progress import track
from tts.base.errors import DataError

Embed = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Verification:
    """What cosines of embeddings tell of pairs."""

    rate: float  # equal error rate: the share of wrong answers where both kinds are equally frequent
    threshold: float  # cosine at that point
    same: float  # mean cosine of pairs of one speaker
    different: float
    same_pairs: int
    different_pairs: int


def equal_error_rate(embeddings: np.ndarray, speakers: Sequence[str]) -> Verification:
    """Over all pairs of clips.

    Args:
        embeddings: [n, dim], of length one.
        speakers: n names.

    Raises:
        DataError: no pair of one speaker, or none of two.
    """
    names = np.asarray(speakers)
    one, other = np.triu_indices(len(names), 1)
    cosines, same = (embeddings @ embeddings.T)[one, other], names[one] == names[other]
    if same.all() or not same.any():
        raise DataError("verification needs two speakers, and two clips of one of them.", code="evaluate.pairs")
    order = np.argsort(cosines)
    missed = np.cumsum(same[order]) / same.sum()  # of one speaker, at or below the threshold
    accepted = 1 - np.cumsum(~same[order]) / (~same).sum()
    at = int(np.argmin(np.abs(missed - accepted)))
    return Verification(float(missed[at] + accepted[at]) / 2, float(cosines[order[at]]), float(cosines[same].mean()),
                        float(cosines[~same].mean()), int(same.sum()), int((~same).sum()))  # fmt: skip


CROPS = (1, 3, None)  # seconds; None: whole clips
RATE, BLOCK = 24_000, 480  # Hz, samples


def middle(wav: np.ndarray, seconds: float | None) -> np.ndarray:
    """The middle of what is left of a clip when its silences are cut, inner ones too; or all of it."""
    n = len(wav) // BLOCK
    level = np.square(wav[: n * BLOCK].reshape(n, BLOCK)).mean(1)
    wav = wav[: n * BLOCK].reshape(n, BLOCK)[level > level.max() * 1e-4].reshape(-1)
    size = len(wav) if seconds is None else min(len(wav), round(seconds * RATE))
    start = (len(wav) - size) // 2
    return wav[start : start + size]


def verify(corpora: Mapping[str, Sequence[Utterance]], judges: Mapping[str, Embed]) -> tuple[list[dict], list[dict]]:
    """Rows of error rates by language, length and judge, and one record a clip.

    Args:
        corpora: Corpus -> clips; languages with two clips of one speaker and with two speakers are judged.
        judges: Name -> embedding of [S] at 24 kHz.
    """
    rows, records = [], []
    clips = [clip for items in corpora.values() for clip in items]
    for language in sorted({clip.language for clip in clips}):
        mine = [clip for clip in clips if clip.language == language]
        names = [clip.speaker for clip in mine]
        if len(set(names)) < 2 or len(set(names)) == len(names):
            continue
        waves = [samples(clip) for clip in track(mine, f"verification {language}")]
        for seconds in CROPS:
            cut = [middle(wav, seconds) for wav in waves]
            length = f"{np.mean([len(wav) for wav in cut]) / RATE:.1f}"
            for judge, embed in judges.items():
                found = equal_error_rate(np.stack([embed(wav) for wav in cut]), names)
                rows.append({"language": language, "speakers": len(set(names)), "clips": len(mine), "seconds": length,
                             "judge": judge, "equal error rate": f"{100 * found.rate:.1f} %",
                             "same speaker": f"{found.same:.3f} ({found.same_pairs:,} pairs)",
                             "different": f"{found.different:.3f} ({found.different_pairs:,} pairs)",
                             "threshold": f"{found.threshold:.3f}"})  # fmt: skip
                records.append({"language": language, "crop": seconds, "judge": judge, "rate": found.rate,
                                "same": found.same, "different": found.different})  # fmt: skip
    return rows, records
