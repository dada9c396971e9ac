"""What the frontend hands on: phones with spans, words, and notes on everything that was changed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Note:
    """Something the reader of the result should know: a character dropped, a symbol mapped, a tag doubted."""

    kind: str  # spoken | mapped | pause | markup | dropped | language
    start: int  # code points of the raw text, half open
    end: int
    reason: str  # a word of the closed list in frontend.report, e.g. "control", "nearest_phone"
    detail: str = ""


@dataclass(frozen=True)
class Word:
    """One spoken word: where it stands in the raw text, and which phones say it."""

    text: str  # as normalised, e.g. "twenty-one"
    start: int  # span in the raw text, code points, half open
    end: int
    first_phone: int  # phone range in the clause, half open
    last_phone: int


@dataclass(frozen=True, eq=False)
class Phones:
    """One clause, ready to be spoken. Everything a model needs from text.

    Arrays have one entry a phone (N of them, prosodic marks included): ``ids`` base symbol in
    ``frontend.inventory``, ``styles`` language-aware style (stress, tone, length), ``langs`` language,
    ``spans`` [N, 2] where the phone comes from in ``text``.
    """

    text: str  # the raw text as given (the whole text; spans point into it)
    normalized: str  # this clause after normalisation
    language: str  # tag of the clause, e.g. "en-us"
    ids: np.ndarray  # int16 [N]
    styles: np.ndarray  # int16 [N]
    langs: np.ndarray  # int16 [N]
    spans: np.ndarray  # int32 [N, 2]
    words: tuple[Word, ...] = ()
    notes: tuple[Note, ...] = ()
    pause_before: float = 0.0  # seconds of silence asked for before the first clause
    pause_after: float = 0.0  # seconds of silence asked for after the clause (paragraphs, [pause:…])
    paragraph_end: bool = field(default=False)

    def __len__(self) -> int:
        return len(self.ids)
