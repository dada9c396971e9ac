"""The phone inventory: one IPA table for all languages, with ids that never change once released.

Ids 0-2 are ``<pad>``, ``SIL`` (utterance edge, a pause) and ``WB`` (word boundary, an optional pause),
3-6 the prosodic marks ``, . ? !``, then base IPA symbols without stress, length or tone (those are styles).
"""

from __future__ import annotations

import hashlib
import unicodedata
from functools import cache
from importlib.resources import files

from tts.base.errors import DataError

VERSION = 1  # grows when symbols are appended

PAD, SIL, WB, COMMA, PERIOD, QUESTION, EXCLAMATION = range(7)

# Every mark the text side may hand over, and the mark that speaks it.
MARKS = {",": COMMA, ";": COMMA, ":": COMMA, "…": COMMA, "—": COMMA, ".": PERIOD, "?": QUESTION, "!": EXCLAMATION}

_NUCLEI = ("vowel", "diphthong", "syllabic")


def read_table(name: str) -> list[list[str]]:
    """Rows of a tab-separated file in ``frontend/data``, without comments (``# ``) and header."""
    lines = (files("frontend") / "data" / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("# ")][1:]


@cache
def symbols() -> tuple[str, ...]:
    """All symbols, NFC, in the order of their ids."""
    return tuple(row[1] for row in read_table("inventory.tsv"))


@cache
def _kinds() -> tuple[str, ...]:
    return tuple(row[2] for row in read_table("inventory.tsv"))


@cache
def _ids() -> dict[str, int]:
    return {symbol: index for index, symbol in enumerate(symbols())}


@cache
def _base_ids() -> dict[str, int]:
    """Base phones by their NFD spelling, for the parser."""
    return {unicodedata.normalize("NFD", s): i for i, s in enumerate(symbols()) if i > EXCLAMATION}


def size() -> int:
    """Number of symbols, ``<pad>`` included: the size of a phone embedding."""
    return len(symbols())


def base_id(symbol: str) -> int | None:
    """Id of a base phone in any Unicode normal form, None if it is not in the inventory."""
    return _base_ids().get(unicodedata.normalize("NFD", symbol))


def symbol_to_id(symbol: str) -> int:
    """Id of a symbol of the inventory; `DataError` for any other."""
    try:
        return _ids()[unicodedata.normalize("NFC", symbol)]
    except KeyError:
        raise DataError("not a symbol of the phone inventory", where="symbol", value=symbol, code="phone.unknown",
                        fix="List the symbols with frontend.inventory.symbols().") from None


def id_to_symbol(index: int) -> str:
    """Symbol of an id; `DataError` outside the inventory."""
    if not 0 <= index < size():
        raise DataError(f"phone id {index} is outside the inventory (0 to {size() - 1})", where="id", code="phone.id")
    return symbols()[index]


def kind(index: int) -> str:
    """What a symbol is: special, mark, vowel, diphthong, syllabic, stop, nasal, fricative, glide, ..."""
    return _kinds()[index]


def is_nucleus(index: int) -> bool:
    """True for symbols that can carry stress and tone: vowels, diphthongs, syllabic consonants."""
    return _kinds()[index] in _NUCLEI


def digest(count: int | None = None) -> str:
    """Hash of the first ``count`` symbols (all when None); stored with every model, so that a wrong inventory is refused.

    Symbols are only ever appended: a model of an older, shorter inventory still fits.
    """
    return hashlib.sha256("\n".join(symbols()[:count]).encode()).hexdigest()[:16]
