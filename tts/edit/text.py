"""What an edit changes: in the words of a text, and in the phones that say them.

The words that stay keep the phones that were aligned with the recording; only what differs comes from the new text, read
as a whole, so that new words sound as they do in their place.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from tts.base.errors import DataError, UsageError
from tts.prosody import is_silent

_BREAK = re.compile(r"[\s—–…]+")


@dataclass(frozen=True)
class Region:
    """Phones ``[old[0], old[1])`` of what was said become phones ``[new[0], new[1])`` of what will be."""

    old: tuple[int, int]
    new: tuple[int, int]
    old_text: str
    new_text: str


@dataclass(frozen=True, eq=False)
class Rewrite:
    """The phones of the edited recording."""

    phones: object  # frontend.Phones [N]
    source: np.ndarray  # int64 [N]: phone of the recording that each was, -1 for a new one
    regions: tuple[Region, ...]


def changed_text(
    text: str, replaced: Sequence = (), inserted: Sequence = (), deleted: Sequence = (), to: str | None = None
) -> str:
    """The text after all edits; words are found whatever their case and the marks around them, which stay.

    Args:
        text: What is said.
        replaced: Pairs (words, new words).
        inserted: Pairs (words, new words to come after them).
        deleted: Words.
        to: The whole new text instead.

    Raises:
        UsageError: No edit, or ``to`` with others, or two edits of one word.
        DataError: Words are not in the text, or more than once.
    """
    edits = [(*_find(text, old), new) for old, new in replaced]
    edits += [(end, end, new) for (_, end), new in ((_find(text, old), new) for old, new in inserted)]
    edits += [(*_find(text, old), "") for old in deleted]
    if (to is None) == (not edits):
        raise UsageError(
            "there is nothing to edit." if to is None else "a whole new text does not go with single edits.", where="edit",
            code="edit.what", fix='Say --replace "old" "new", --insert-after "word" "new", --delete "words", or --to "new text".',
        )  # fmt: skip
    if to is not None:
        return to
    edits.sort()
    for (_, end, _), (start, *_) in pairwise(edits):
        if start < end:
            what = f"two edits change {text[start:end]!r}."
            raise UsageError(what, where="edit", code="edit.overlap", fix="Join them into one.")
    for start, end, new in reversed(edits):
        before, after = text[:start], text[end:]
        if start == end:  # an insertion
            new = new.strip() if _is_han(text[start - 1]) else f" {new.strip()}"
        elif not new.strip():
            before, after, new = before.rstrip(), after if before.strip() else after.lstrip(), ""
        text = before + new + after
    return text


def _words(text: str) -> list[tuple[str, int, int]]:
    """(folded, start, end) of each word, without the marks around it; Han characters one by one."""
    found, at = [], 0
    for part in [*_BREAK.finditer(text), None]:
        end = part.start() if part else len(text)
        places = [i for i in range(at, end) if unicodedata.category(text[i])[0] not in "PSZ"]
        if places:
            start, stop = places[0], places[-1] + 1
            cuts = sorted({start, stop, *(j for i in range(start, stop) if _is_han(text[i]) for j in (i, i + 1))})
            found += [(_folded(text[a:b]), a, b) for a, b in pairwise(cuts) if _folded(text[a:b])]
        at = part.end() if part else end
    return found


def _folded(word: str) -> str:
    bare = unicodedata.normalize("NFC", word.casefold().replace("’", "'"))
    return bare if any(unicodedata.category(char)[0] not in "PSZ" for char in bare) else ""


def _is_han(char: str) -> bool:
    return "\u3400" <= char <= "\u9fff"


def _find(text: str, words: str) -> tuple[int, int]:
    """Where words stand in a text: (start, end) in code points."""
    wanted, there = [w for w, *_ in _words(words)], _words(text)
    starts = [i for i in range(len(there) - len(wanted) + 1) if [w for w, *_ in there[i : i + len(wanted)]] == wanted]
    if not wanted or len(starts) != 1:
        times = "nowhere" if not starts or not wanted else f"{len(starts)} times"
        raise DataError(
            f"{words!r:.80} stands {times} in the text.", where="edit", code="edit.words",
            fix=f"The text is: {text:.200}" if times == "nowhere" else "Give the words beside it too.",
        )  # fmt: skip
    return there[starts[0]][1], there[starts[0] + len(wanted) - 1][2]


def rewrite(old, new, nearest: int = 0, durations: np.ndarray | None = None) -> Rewrite:
    """Which phones stay and which come, by the words of two texts (``frontend.Phones``, each one clause).

    Args:
        old: What is said; its phones are those of the recording.
        new: What will be said.
        nearest: Regions with fewer frames of kept sound between them become one.
        durations: int [N] frames of ``old``; needed when ``nearest`` is more than 0.

    Raises:
        DataError: The words are the same.
    """
    said, wanted = _spoken_words(old), _spoken_words(new)
    names = [[word.text.casefold() for word in words] for words in (said, wanted)]
    matcher = difflib.SequenceMatcher(None, *names, autojunk=False)
    blocks = [list(op[1:]) for op in matcher.get_opcodes() if op[0] != "equal"]
    for block in blocks:
        _widen(block, old, new, said, wanted)
    cuts = [cut for block in _merged(blocks) for cut in [_cut(block, old, new, said, wanted)] if cut]
    if durations is not None:
        cuts = _joined_cuts(cuts, durations, nearest)
    if not cuts:
        raise DataError("the words of both texts are the same.", where="edit", code="edit.same", fix="Is this the edit you mean?")
    return _spliced(cuts, old, new, said, wanted)


def _spoken_words(phones) -> list:
    return [word for word in phones.words if word.last_phone > word.first_phone]


def _widen(block: list[int], old, new, said, wanted) -> None:
    """A kept word beside the change that is now said otherwise ("a" before a vowel) changes too."""

    def differ(i: int, j: int) -> bool:
        one, other = said[i], wanted[j]
        a, b = old.ids[one.first_phone : one.last_phone], new.ids[other.first_phone : other.last_phone]
        return not np.array_equal(a, b)

    i1, i2, j1, j2 = block
    while i1 > 0 and j1 > 0 and differ(i1 - 1, j1 - 1):
        i1, j1 = i1 - 1, j1 - 1
    while i2 < len(said) and j2 < len(wanted) and differ(i2, j2):
        i2, j2 = i2 + 1, j2 + 1
    block[:] = i1, i2, j1, j2


def _merged(blocks: list[list[int]]) -> list[list[int]]:
    """Blocks in order, those that meet made one."""
    found: list[list[int]] = []
    for block in blocks:
        if found and (block[0] < found[-1][1] or block[2] < found[-1][3]):
            found[-1] = [min(found[-1][0], block[0]), max(found[-1][1], block[1]),
                         min(found[-1][2], block[2]), max(found[-1][3], block[3])]  # fmt: skip
        else:
            found.append(block)
    return found


def _cut(block, old, new, said, wanted) -> tuple[int, int, int, int] | None:
    """Phones (old start, old end, new start, new end) of a change of words; pauses and marks that both have at its ends stay."""

    def between(words, phones, first, last):
        start = words[first - 1].last_phone if first > 0 else 1
        return start, words[last].first_phone if last < len(words) else len(phones) - 1

    i1, i2, j1, j2 = block
    (a, b), (c, d) = between(said, old, i1, i2), between(wanted, new, j1, j2)
    while a < b and c < d and old.ids[a] == new.ids[c] and is_silent(old.ids[a]):
        a, c = a + 1, c + 1
    while a < b and c < d and old.ids[b - 1] == new.ids[d - 1] and is_silent(old.ids[b - 1]):
        b, d = b - 1, d - 1
    return (a, b, c, d) if a < b or c < d else None


def _joined_cuts(cuts, durations, nearest: int) -> list[tuple[int, int, int, int]]:
    found: list = []
    for cut in cuts:
        if found and durations[found[-1][1] : cut[0]].sum() < nearest:
            found[-1] = (found[-1][0], cut[1], found[-1][2], cut[3])
        else:
            found.append(cut)
    return found


def _spliced(cuts, old, new, said, wanted) -> Rewrite:
    rows, source, regions, at = [], [], [], 0
    names = ("ids", "styles", "langs", "spans")

    def text(words, start, end):
        return " ".join(word.text for word in words if start <= word.first_phone < end)

    for a, b, c, d in [*cuts, (len(old), len(old), 0, 0)]:
        rows.append([getattr(old, name)[at:a] for name in names])
        source.append(np.arange(at, a))
        size = sum(map(len, source))
        rows.append([getattr(new, name)[c:d] for name in names])
        source.append(np.full(d - c, -1))
        if a < len(old):
            regions.append(Region((a, b), (size, size + d - c), text(said, a, b), text(wanted, c, d)))
        at = b
    arrays = {name: np.concatenate([row[i] for row in rows]) for i, name in enumerate(names)}
    return Rewrite(replace(old, **arrays, words=()), np.concatenate(source), tuple(regions))
