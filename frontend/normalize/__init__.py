"""Numbers, dates, abbreviations and symbols into words, per language; every word keeps its raw span."""

from __future__ import annotations

from frontend.spans import SpannedText


def normalize(text: SpannedText, language: str) -> SpannedText:
    """Written text as it is spoken: "3,5 km" -> "drei Komma fünf Kilometer".

    Args:
        text: One clause in one language, cleaned.
        language: Tag; languages without rules of their own use number words of num2words or CLDR.
    """
    return text
