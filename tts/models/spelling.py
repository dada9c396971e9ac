"""Letters instead of phones: what ``txt2vec`` reads when its front end is ``characters``.

A clause is still planned by phones, so that times, edits and prosody files keep their meaning. Letters and phones meet at the
borders of words: a word lasts as many frames as its phones, and its letters share them evenly; inside a word the network finds
out itself what sounds where.

Source: hard alignment of words, soft inside, PortaSpeech (arXiv 2109.15166) §3.2. Differs from ZMM-TTS, which aligns letters.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np

from tts.aligner import N_MARKS
from tts.base.errors import DataError


@dataclass(frozen=True)
class Spelling:
    """A clause as M letters and marks; both sides know the word (or mark) that they belong to."""

    tokens: tuple[str | int, ...]  # [M] a letter, or the id of a mark
    groups: np.ndarray  # int64 [M]
    phone_groups: np.ndarray  # int64 [N]
    first_phones: np.ndarray  # int64 [M] first phone of the word, for the language

    def ids(self, characters: str) -> np.ndarray:
        """int64 [M]: marks keep their ids, letters follow in the order of ``characters``.

        Raises:
            DataError: The model never saw some of the letters.
        """
        number = {letter: N_MARKS + i for i, letter in enumerate(characters)}
        unknown = sorted({token for token in self.tokens if isinstance(token, str) and token not in number})
        if unknown:
            raise DataError(f"the model never saw the letters {' '.join(unknown)}.", where="text", code="text.letters",
                            fix="Take a model that reads phones, or train one on texts with these letters.")  # fmt: skip
        return np.array([token if isinstance(token, int) else number[token] for token in self.tokens], dtype=np.int64)

    def durations(self, of_phones: np.ndarray) -> np.ndarray:
        """Frames of phones [N] -> frames of letters [M]."""
        return shared(self._totals(of_phones, self.phone_groups), self.groups)

    def phone_durations(self, of_tokens: np.ndarray) -> np.ndarray:
        """Frames of letters [M] -> frames of phones [N]."""
        return shared(self._totals(of_tokens, self.groups), self.phone_groups)

    def _totals(self, durations, groups) -> np.ndarray:
        return np.bincount(groups, np.asarray(durations), minlength=int(self.groups.max()) + 1).astype(np.int64)


def spell(phones) -> Spelling:
    """``frontend.Phones`` -> its spelling: normalised words in lower case, as they are spoken; marks as they stand."""
    tokens, groups, firsts, phone_groups = [], [], [], np.zeros(len(phones.ids), np.int64)
    place, group = 0, 0

    def add(items, size):
        nonlocal place, group
        tokens.extend(items)
        groups.extend([group] * len(items))
        firsts.extend([place] * len(items))
        phone_groups[place : place + size] = group
        place, group = place + size, group + 1

    for word in sorted(phones.words, key=lambda word: word.first_phone):
        letters = letters_of(word.text)
        if word.first_phone < place or word.last_phone <= word.first_phone or not letters:
            continue
        while place < word.first_phone:
            add([int(phones.ids[place])], 1)
        add(letters, word.last_phone - word.first_phone)
    while place < len(phones.ids):
        add([int(phones.ids[place])], 1)
    if any(isinstance(token, int) and token >= N_MARKS for token in tokens):
        raise DataError("some phones belong to no written word.", where="text", code="text.letters",
                        fix="Take a model that reads phones.")  # fmt: skip
    return Spelling(tuple(tokens), np.array(groups), phone_groups, np.array(firsts))


def letters_of(word: str) -> list[str]:
    """Lower-case letters of a word, NFC; whitespace and controls are none."""
    return [c for c in unicodedata.normalize("NFC", word.lower()) if not c.isspace() and c.isprintable()]


def shared(totals: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Frames of groups [K] -> of their members [M], as evenly as whole frames can be; ``groups`` [M] is sorted."""
    sizes = np.bincount(groups, minlength=len(totals))
    starts = np.cumsum(sizes) - sizes
    place = np.arange(len(groups)) - starts[groups]
    whole, size = totals[groups], sizes[groups]
    return (place + 1) * whole // size - place * whole // size
