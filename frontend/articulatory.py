"""Articulatory features of phones, so that an unseen IPA symbol finds its nearest phone.

The table is panphon's 24 features (-1, 0, 1; a mean over the parts of diphthongs and affricates), exported once
for the inventory and for the IPA letters outside it. panphon itself is not needed at run time:

    python -m frontend.articulatory > frontend/data/articulatory.tsv     # needs panphon 0.22.2
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable
from functools import cache

import numpy as np

from frontend import inventory
from tts.base.errors import DataError

# Symbols panphon spells in another way, and those it does not know, by their closest description.
_PANPHON_SPELLING = {"ᵻ": "ɨ", "ɐ": "ə", "ɐ̃": "ə̃", "dʒʰ": "dʒ", "ɚ": "ə˞", "ɝ": "ɜ˞", "ɧ": "ʃ", "ɺ": "ɾ", "p͈": "pˀ", "t͈": "tˀ",
                     "k͈": "kˀ", "s͈": "sˀ", "tɕ͈": "tɕˀ"}
# IPA letters outside the inventory that a lexicon may use.
_OTHER_LETTERS = ("ʛ", "ɣ̞", "β̞", "ð̞")


@cache
def _table() -> dict[str, np.ndarray]:
    return {unicodedata.normalize("NFD", row[0]): np.array(row[1:], dtype=np.float32)
            for row in inventory.read_table("articulatory.tsv")}


@cache
def feature_matrix() -> np.ndarray:
    """Features of all ids, float32 [n_symbols, 24]; zeros for ``<pad>``, SIL, WB and marks."""
    zeros = np.zeros(24, dtype=np.float32)
    return np.stack([_table().get(unicodedata.normalize("NFD", s), zeros) for s in inventory.symbols()])


@cache
def nearest(symbol: str) -> int | None:
    """Id of the phone nearest to an IPA symbol, None if no part of it is known.

    Diacritics that the table does not know are taken off, last first, until the rest is known.
    """
    spelling = unicodedata.normalize("NFD", symbol)
    while spelling:
        exact = inventory.base_id(spelling)
        if exact is not None:
            return exact
        if spelling in _table():
            first = inventory.EXCLAMATION + 1
            distances = np.abs(feature_matrix()[first:] - _table()[spelling]).sum(axis=1)
            return first + int(distances.argmin())
        spelling = spelling[:-1]
    return None


def nearest_of(phone: int, choices: Iterable[int]) -> tuple[int, float]:
    """(id, distance) of the phone among ``choices`` whose features differ least; nuclei for nuclei where there are any.

    The distance is the sum of the differences of 24 features that are -1, 0 or 1. Equal distances: the lower id.

    Raises:
        DataError: No choice is a phone.
    """
    phones = sorted(choice for choice in choices if choice > inventory.EXCLAMATION)
    alike = [choice for choice in phones if inventory.is_nucleus(choice) == inventory.is_nucleus(phone)] or phones
    if not alike:
        raise DataError("there is no phone to choose from.", where="choices", code="phone.none")
    distances = np.abs(feature_matrix()[alike] - feature_matrix()[phone]).sum(axis=1)
    return alike[int(distances.argmin())], float(distances.min())


def export() -> str:
    """The text of ``articulatory.tsv``, computed by panphon."""
    import panphon

    features = panphon.FeatureTable()

    def vector(symbol: str) -> np.ndarray | None:
        spelling = unicodedata.normalize("NFD", _PANPHON_SPELLING.get(symbol, symbol))
        rows = features.word_to_vector_list(spelling, numeric=True)
        known = "".join(features.ipa_segs(spelling))
        return np.mean(rows, axis=0) if known == spelling else None

    lines = ["# panphon 0.22.2 features of the phones; made by: python -m frontend.articulatory",
             "\t".join(["symbol", *features.names])]
    for symbol in [*inventory.symbols()[inventory.EXCLAMATION + 1:], *_OTHER_LETTERS]:
        values = vector(symbol)
        if values is not None:
            lines.append("\t".join([symbol, *(f"{v:g}" for v in values)]))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(export())
