"""The rules of all languages in their order, the more special before the more general."""

from __future__ import annotations

import re

from frontend.normalize import addresses, amounts, dates, letters
from frontend.normalize.engine import END, NOT_IN_WORD, Rule, any_of, full_stop
from frontend.normalize.grammar import Grammar


def _abbreviation(g: Grammar) -> str:
    keys = {form for key in g.abbreviations for form in (key, key[0].upper() + key[1:])}
    return rf"{NOT_IN_WORD}(?<!\.-)(?:{any_of(keys)}){END}"


def _expand(match: re.Match, g: Grammar) -> str | None:
    found = match.group()
    if found in g.units and match.string[: match.start()].rstrip(" ")[-1:].isdigit():
        return None
    new = g.abbreviations.get(found) or g.abbreviations.get(found[0].lower() + found[1:])
    return new + full_stop(match, found)


def _contextual(number: int):
    def make(g: Grammar) -> str:
        return g.contextual[number][0] if number < len(g.contextual) else r"(?!)"

    def fix(match: re.Match, g: Grammar) -> str:
        return match.expand(g.contextual[number][1]) + full_stop(match, match.group())

    return make, fix


RULES: tuple[Rule, ...] = (
    addresses.ADDRESS,
    dates.WEEKDAY,
    *(_contextual(number) for number in range(16)),
    (_abbreviation, _expand),
    amounts.ABOUT,
    amounts.SPAN,
    dates.ISO_DATE,
    dates.NUMERIC_DATE,
    dates.SHORT_DATE,
    dates.WRITTEN_DATE,
    dates.TIME,
    amounts.TELEPHONE,
    amounts.RANGE,
    amounts.AMOUNT,
    amounts.ORDINAL,
    amounts.MEASURE,
    amounts.DOTTED,
    amounts.FRACTION,
    letters.ROMAN,
    letters.ROMAN_ORDINAL,
    amounts.CODE,
    amounts.SIGNED,
    letters.CAPITALS,
    letters.SIGN,
)
