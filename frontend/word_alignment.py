"""Which phoneme of a clause belongs to which word, when the engine joined or split words."""

from __future__ import annotations

import math
from functools import cache
from itertools import chain

_VOWELS = frozenset("iyɨʉɯuɪʏᵻʊeøɘɵɤoəɚɛœɜɝɞʌɔæɐaɶɑɒ")
_GAP = 0.7
_BAND = 24  # phonemes the clause may run ahead of its words


def _bare(phoneme: str) -> str:
    return phoneme.strip("ˈˌː")


@cache
def _cost(one: str, other: str) -> float:
    """0 for the same phoneme, more for others; a vowel never stands for a consonant (two gaps cost less)."""
    one, other = _bare(one), _bare(other)
    if one == other:
        return 0.0
    if one[:1] == other[:1]:
        return 0.3
    return 0.6 if (one[:1] in _VOWELS) == (other[:1] in _VOWELS) else 1.5


def _owners(expected: list[tuple[str, int]], heard: list[str]) -> list[int]:
    """Word number of each heard phoneme: edit distance with the expected phonemes of the words, near the diagonal."""
    rows, columns = len(expected) + 1, len(heard) + 1
    reach = _BAND + abs(rows - columns)
    lows = [max(0, i * columns // rows - reach) for i in range(rows)]
    best: list[list[float]] = []

    def at(i: int, j: int) -> float:
        place = j - lows[i] if i >= 0 else -1
        return best[i][place] if 0 <= place < len(best[i]) else math.inf

    for i in range(rows):
        row: list[float] = []
        best.append(row)
        for j in range(lows[i], min(columns, i * columns // rows + reach + 1)):
            same = at(i - 1, j - 1) + _cost(expected[i - 1][0], heard[j - 1]) if i and j else math.inf
            row.append(min(same, at(i - 1, j) + _GAP, at(i, j - 1) + _GAP) if i or j else 0.0)
    owners = [-1] * len(heard)
    i, j = rows - 1, columns - 1
    while j > 0:
        here = at(i, j)
        if i > 0 and here == at(i - 1, j - 1) + _cost(expected[i - 1][0], heard[j - 1]):
            i, j = i - 1, j - 1
            owners[j] = expected[i][1]
        elif i > 0 and here == at(i - 1, j) + _GAP:
            i -= 1
        else:  # an inserted sound (liaison) belongs to the word before it
            j -= 1
            owners[j] = expected[max(i - 1, 0)][1]
    return owners


def share_out(singles: list[list[str]], counts: list[int], heard: list[list[str]]) -> list[list[str]]:
    """Share the phonemes of a clause out among its words.

    Args:
        singles: Phonemes of each word said alone.
        counts: How many words the engine made of each word said alone.
        heard: The engine's words of the whole clause.

    Returns:
        Phonemes of each word; the single form where the clause left a word nothing.
    """
    if sum(counts) == len(heard):
        shares, place = [], 0
        for count in counts:
            shares.append(list(chain.from_iterable(heard[place:place + count])))
            place += count
        if all(abs(len(share) - len(single)) <= 3 for share, single in zip(shares, singles, strict=True)):
            return shares
    expected = [(phoneme, number) for number, single in enumerate(singles) for phoneme in single]
    if not expected:
        return [list(single) for single in singles]
    flat = list(chain.from_iterable(heard))
    shares = [[] for _ in singles]
    for phoneme, owner in zip(flat, _owners(expected, flat), strict=True):
        shares[owner].append(phoneme)
    return [share or list(single) for share, single in zip(shares, singles, strict=True)]
