"""Text that remembers where every character came from: the one engine behind every rewrite.

A ``SpannedText`` is a string and, for each of its characters, the half-open span of the raw text that it
stands for. ``edit`` replaces, deletes and expands; ``nfc`` normalises; slices keep their map. So a word made
of "3,5 km" still knows the six raw characters it speaks.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from re import Match, Pattern

import numpy as np


@dataclass(frozen=True, eq=False)
class SpannedText:
    """A string with a raw span a character.

    ``starts`` and ``ends`` are int32 [len(chars)], in code points of the raw text, and never decrease.
    """

    chars: str
    starts: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, raw: str) -> SpannedText:
        """The raw text itself: character i stands for [i, i + 1)."""
        starts = np.arange(len(raw), dtype=np.int32)
        return cls(raw, starts, starts + 1)

    def __len__(self) -> int:
        return len(self.chars)

    def __getitem__(self, part: slice) -> SpannedText:
        return SpannedText(self.chars[part], self.starts[part], self.ends[part])

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Raw span of the characters [start, end); they must not be empty."""
        return int(self.starts[start]), int(self.ends[end - 1])

    def edit(self, edits: Iterable[tuple[int, int, str]]) -> SpannedText:
        """Replace every [start, end) by a new string; edits are in order, not empty, and do not overlap.

        Each new character gets the raw span of everything it replaces.
        """
        chars, starts, ends = [], [], []
        at = 0
        for start, end, new in edits:
            chars += self.chars[at:start], new
            raw_start, raw_end = self.span(start, end)
            starts += self.starts[at:start], np.full(len(new), raw_start, np.int32)
            ends += self.ends[at:start], np.full(len(new), raw_end, np.int32)
            at = end
        if not chars:
            return self
        return SpannedText(
            "".join(chars) + self.chars[at:],
            np.concatenate([*starts, self.starts[at:]]),
            np.concatenate([*ends, self.ends[at:]]),
        )

    def sub(self, pattern: Pattern, replace: Callable[[Match], str | None]) -> SpannedText:
        """``re.sub`` that keeps the map; ``replace`` may answer None to leave a match as it is."""
        edits = []
        for match in pattern.finditer(self.chars):
            if match.end() > match.start() and (new := replace(match)) is not None:
                edits.append((match.start(), match.end(), new))
        return self.edit(edits)

    def strip(self) -> SpannedText:
        """Without white space at both ends."""
        left = len(self.chars) - len(self.chars.lstrip())
        return self[left : left + len(self.chars.strip())]

    def nfc(self) -> SpannedText:
        """Unicode NFC. Characters that compose share the raw span of all their parts.

        Call it only after runs of combining marks were cut short: ``unicodedata`` is quadratic in them.
        """
        if unicodedata.is_normalized("NFC", self.chars):
            return self
        edits, start = [], 0
        for i in range(1, len(self.chars) + 1):
            if i < len(self.chars) and _joins_backwards(self.chars[i]):
                continue
            piece = self.chars[start:i]
            if not unicodedata.is_normalized("NFC", piece):
                edits.append((start, i, unicodedata.normalize("NFC", piece)))
            start = i
        return self.edit(edits)


def _joins_backwards(char: str) -> bool:
    """Whether NFC may compose or reorder the character with the one before: marks and Hangul vowels, finals."""
    if char < "\u0300":
        return False
    return unicodedata.category(char)[0] == "M" or "\u1161" <= char <= "\u11c2"
