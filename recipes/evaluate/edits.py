"""Error rates of sequences: substitutions, deletions and insertions over the length of the reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Edits:
    """The edits that turn one reference into what was recognised; sums over clips give the corpus rate."""

    substitutions: int
    deletions: int
    insertions: int
    length: int  # of the reference

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        return self.errors / self.length if self.length else float(self.errors > 0)

    def __add__(self, other: Edits) -> Edits:
        return Edits(*(getattr(self, name) + getattr(other, name) for name in ("substitutions", "deletions", "insertions", "length")))


def count_edits(reference: Sequence, recognised: Sequence) -> Edits:
    """The fewest edits between two sequences of words or phone ids."""
    from rapidfuzz.distance import Levenshtein

    kinds = [step.tag for step in Levenshtein.editops(reference, recognised)]
    return Edits(kinds.count("replace"), kinds.count("delete"), kinds.count("insert"), len(reference))


def total(edits: Iterable[Edits]) -> Edits:
    return sum(edits, Edits(0, 0, 0, 0))


def rate_interval(edits: Sequence[Edits], draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the corpus rate, by drawing clips with replacement (seeded)."""
    errors, lengths = np.array([[item.errors, item.length] for item in edits], dtype=float).T
    picks = np.random.default_rng(seed).integers(0, len(edits), (draws, len(edits)))
    rates = errors[picks].sum(1) / np.maximum(lengths[picks].sum(1), 1)
    return tuple(float(x) for x in np.quantile(rates, [0.025, 0.975]))
