"""Inline markup: ``[pause:300ms]``, ``[word](/ipa/)``, ``[[ipa]]``, ``[fr]…[/fr]``.

Two private-use characters stand in for markup while the text is rewritten (cleaning has removed all others):
a spoken piece of IPA and a pause. What they mean is looked up by their place in the raw text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from frontend.languages import resolve
from frontend.spans import SpannedText
from frontend.types import Note
from tts.base.errors import UnavailableError

IPA, PAUSE = "\ue000", "\ue001"
DEFAULT_PAUSE, MAX_PAUSE = 0.5, 10.0  # seconds

_MARKUP = re.compile(
    r"\[\[(?P<ipa>[^\[\]\n]{1,400})\]\]"
    r"|\[(?P<word>[^\[\]\n]{1,200})\]\(/(?P<said>[^/\n]{1,400})/\)"
    r"|\[pause(?::\s*(?P<amount>\d{1,6}(?:\.\d{1,3})?)\s*(?P<unit>ms|s))?\]"
    r"|\[(?P<close>/?)(?P<tag>[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3})\]"
    r"|\[(?P<unknown>[^\[\]\n]{1,200})\]"
)


@dataclass(frozen=True, eq=False)
class Marked:
    """Text without its markup, and what the markup said; all keys and ranges are raw positions."""

    text: SpannedText
    ipa: dict[int, tuple[str, str, int, int]] = field(default_factory=dict)  # -> word, ipa, span of what is spoken
    pauses: dict[int, float] = field(default_factory=dict)  # -> seconds
    languages: tuple[tuple[int, int, str], ...] = ()  # start, end, tag; later ones lie inside earlier ones
    notes: tuple[Note, ...] = ()

    def runs(self, text: SpannedText, language: str) -> Iterator[tuple[SpannedText, str]]:
        """The stretches of a piece of this text under one language tag; ``language`` where markup says none."""
        if not self.languages or not len(text):
            yield text, language
            return
        which = self._range_at[text.starts]
        cuts = [0, *(np.flatnonzero(np.diff(which)) + 1).tolist(), len(text)]
        for start, end in pairwise(cuts):
            number = which[start]
            yield text[start:end], self.languages[number - 1][2] if number else language

    @cached_property
    def _range_at(self) -> np.ndarray:
        """Number of the innermost language range (from 1) at each raw position, 0 = none."""
        which = np.zeros(int(self.text.ends[-1]) if len(self.text) else 0, np.int32)
        for number, (start, end, _) in enumerate(self.languages, 1):
            which[start:end] = number
        return which


def parse(text: SpannedText, raw: str) -> Marked:
    """Take the markup out of cleaned text.

    Args:
        text: Cleaned text.
        raw: The raw text it came from; IPA is read from there, since cleaning maps some of its letters.
    """
    if "[" not in text.chars:
        return Marked(text)
    matches = list(_MARKUP.finditer(text.chars))
    closed = _language_pairs(matches)
    ipa, pauses, notes, edits, ranges = {}, {}, [], [], []
    for i, match in enumerate(matches):
        start, end = text.span(*match.span())
        if match["ipa"] or match["said"]:
            group = "ipa" if match["ipa"] else "said"
            sound = raw[slice(*text.span(*match.span(group)))]
            shown = "ipa" if match["ipa"] else "word"
            inner = text.span(*match.span(shown))
            ipa[start] = (match[shown], sound, *inner)
            notes += _around(start, end, *inner, "pronunciation")
            edits.append((*match.span(), IPA))
        elif match.group().startswith("[pause") and not match["tag"] and not match["unknown"]:
            seconds = float(match["amount"]) / (1000 if match["unit"] == "ms" else 1) if match["amount"] else DEFAULT_PAUSE
            pauses[start] = min(seconds, MAX_PAUSE)
            notes.append(Note("markup", start, end, "pause", f"{pauses[start]:g} s"))
            edits.append((*match.span(), PAUSE))
        elif i in closed:
            if not match["close"]:
                inner_end, _ = text.span(*matches[closed[i]].span())
                ranges.append((end, inner_end, resolve(match["tag"]).tag))
            notes.append(Note("markup", start, end, "language", match["tag"]))
            edits.append((*match.span(), ""))
        else:
            notes.append(Note("spoken", start, end, "unknown_markup", match.group()[:80]))
    return Marked(text.edit(edits), ipa, pauses, tuple(ranges), tuple(notes))


def _language_pairs(matches: list[re.Match]) -> dict[int, int]:
    """Index of each opening language tag -> its closing one, and back; unpaired tags are left out."""
    pairs, open_tags = {}, []
    for i, match in enumerate(matches):
        if not match["tag"]:
            continue
        if not match["close"]:
            if _is_language(match["tag"]):
                open_tags.append((match["tag"].lower(), i))
        elif any(tag == match["tag"].lower() for tag, _ in open_tags[-16:]):
            while open_tags:
                tag, j = open_tags.pop()
                if tag == match["tag"].lower():
                    pairs |= {j: i, i: j}
                    break
    return pairs


def _is_language(tag: str) -> bool:
    try:
        resolve(tag)
    except UnavailableError:
        return False
    return True


def _around(start: int, end: int, inner_start: int, inner_end: int, reason: str) -> list[Note]:
    sides = ((start, inner_start), (inner_end, end))
    return [Note("markup", a, b, reason) for a, b in sides if a < b]
