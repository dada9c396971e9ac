"""Speaker verification: are two recordings of one person? Equal error rate over all pairs of clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tts.base.errors import DataError


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
