"""Error rates of sequences: substitutions, deletions and insertions over the length of the reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tts.base.errors import UnavailableError


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
        return Edits(
            *(getattr(self, name) + getattr(other, name) for name in ("substitutions", "deletions", "insertions", "length"))
        )


def count_edits(reference: Sequence, recognised: Sequence) -> Edits:
    """The fewest edits between two sequences of words or phone ids."""
    if not reference:
        return Edits(0, 0, len(recognised), 0)
    try:
        import jiwer
    except ImportError as error:
        raise UnavailableError(
            "error rates need jiwer, which is not installed.", code="evaluate.jiwer", fix="Run: pip install 'parlance-tts[eval]'"
        ) from error
    made = jiwer.process_words(*(" ".join(map(str, items)) for items in (reference, recognised)))
    return Edits(made.substitutions, made.deletions, made.insertions, len(reference))


def total(edits: Iterable[Edits]) -> Edits:
    return sum(edits, Edits(0, 0, 0, 0))
