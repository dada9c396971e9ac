"""Foreign accents: a clause of one language as a speaker of another pronounces it.

Phones that his language lacks become what learners are commonly heard to say (``frontend/data/substitutes.tsv``), or else the
nearest that it has by articulatory features, nuclei for nuclei; stress and tone become those of his language. Nothing is added
or left out, so that spans, words and durations keep their places.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from frontend import inventory, styles
from frontend.articulatory import nearest_of
from frontend.languages import Language, resolve
from frontend.types import Phones

STRESSED_TONE = 4  # Mandarin: falling, how stress of other languages is heard


@dataclass(frozen=True)
class Native:
    """What speakers of a language are used to."""

    language: Language
    phones: frozenset[int]
    styles: frozenset[int]  # numbers within the language's block


@cache
def natives() -> dict[str, Native]:
    """By tag: the languages of the house models (``frontend/data/native_phones.tsv``)."""
    return {
        tag: Native(resolve(tag), frozenset(map(inventory.symbol_to_id, phones.split())), frozenset(map(int, used.split())))
        for tag, phones, used in inventory.read_table("native_phones.tsv")
    }


def native_of(tag: str) -> Native | None:
    """Of a language, None where nothing is known of its speakers' habits (or no language is given)."""
    return natives().get(resolve(tag).tag) if tag else None


@cache
def habits() -> dict[int, tuple[int, ...]]:
    """What learners are commonly heard to say for a phone that their language lacks, the commonest first."""
    rows = inventory.read_table("substitutes.tsv")
    return {inventory.symbol_to_id(phone): tuple(map(inventory.symbol_to_id, choices.split())) for phone, choices in rows}


@cache
def substitute(phone: int, tag: str) -> int:
    """The phone that a speaker of a language says for a phone; itself where his language has it."""
    native = natives()[tag]
    if phone <= inventory.EXCLAMATION or phone in native.phones:
        return phone
    for other in habits().get(phone, ()):
        if other in native.phones:
            return other
    return nearest_of(phone, native.phones)[0]


def accented(clause: Phones, tag: str) -> Phones:
    """A clause with the accent of speakers of a language, a tag of :func:`natives`; language ids are theirs too."""
    native = natives()[tag]
    ids = np.array([substitute(int(phone), tag) for phone in clause.ids], clause.ids.dtype)
    new = [_style(int(style), int(phone), native) for style, phone in zip(clause.styles, ids, strict=True)]
    return replace(clause, ids=ids, styles=np.array(new, clause.styles.dtype),
                   langs=np.full_like(clause.langs, native.language.id))  # fmt: skip


def _style(style: int, phone: int, native: Native) -> int:
    """The nearest style of the language that its speakers use."""
    own, accent, long = styles.split_style(style)
    if own.kind != native.language.kind:
        if not inventory.is_nucleus(phone):
            accent = styles.NONE
        elif native.language.kind == "tone":
            accent = STRESSED_TONE if accent else styles.NEUTRAL_TONE
        else:
            accent = styles.PRIMARY if accent not in (0, styles.NEUTRAL_TONE) else styles.NONE
    choices = ((accent, long), (accent, False), (min(accent, 1), False), (0, False))
    packed = [styles.pack(native.language, *choice) for choice in choices]
    return styles.BLOCK * native.language.id + next((k for k in packed if k in native.styles), 0)
