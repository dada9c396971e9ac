"""Numbers, dates, abbreviations and symbols into words, per language; every word keeps its raw span."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module

from frontend.normalize.grammar import Grammar
from frontend.spans import SpannedText

_OWN = ("de", "en", "fr", "nl")
# Nothing for the rules: no digits, no symbols, no capitals beside each other or alone, no period inside.
_NEEDS_RULES = re.compile(r"\d|[^\w\s,;:?!…'\"()\-–—.]|[^\W\d_a-z]|\.(?=.)")


def normalize(text: SpannedText, language: str) -> SpannedText:
    """Written text as it is spoken: "3,5 km" -> "drei Komma fünf Kilometer".

    Args:
        text: One clause in one language, cleaned.
        language: Tag; languages without rules of their own use number words of num2words or CLDR.
    """
    if not _NEEDS_RULES.search(text.chars):
        return text
    if language == "cmn":
        from frontend.normalize import zh

        return zh.apply(text)
    from frontend.normalize.engine import apply
    from frontend.normalize.shared import RULES

    return apply(text, grammar(language), RULES)


@cache
def grammar(language: str) -> Grammar:
    """Conventions of a language (tag)."""
    base = language.split("-")[0]
    if base in _OWN:
        module = import_module(f"frontend.normalize.{base}")
        return module.region(language) if base == "en" else module.GRAMMAR
    from frontend.normalize.generic import make

    return make(language)
