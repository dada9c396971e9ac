"""Rule for mail and web addresses."""

from __future__ import annotations

import re

from frontend.normalize.engine import END, Edits, Rule, letter_name
from frontend.normalize.grammar import Grammar

_TOP = "com|org|net|edu|gov|info|io|eu|de|at|ch|nl|be|fr|uk|us|es|it|pl|ru|cn|jp|tv|me|app|dev"


def _address(g: Grammar) -> str:
    name = r"[A-Za-z0-9][A-Za-z0-9-]*"
    return (
        rf"(?P<scheme>https?://|ftp://)?(?:[\w.+-]+@{name}(?:\.{name})+|www\.{name}(?:\.{name})*|"
        rf"(?<![\w.@-]){name}(?:\.{name})*\.(?:{_TOP}){END}|(?<=://){name}(?:\.{name})*)(?:[/?#:][^\s\"'<>()]*[\w/])?"
    )


def _say_address(match: re.Match, g: Grammar) -> Edits:
    edits: Edits = []
    start, scheme = match.start(), match["scheme"]
    if scheme:
        start += len(scheme)
    for part in re.finditer(r"[^\W\d_]+|\d+|[\W_]", match.string[start : match.end()]):
        a, b, word = start + part.start(), start + part.end(), part.group()
        if word.isdigit():
            new = g.digits(word) if len(word) != 4 else g.whole(word)
        elif word.isalpha():
            new = " ".join(letter_name(c, g) for c in word.upper()) if _must_spell(word) else word.lower()
        else:
            new = g.web.get(word, g.symbols.get(word, ""))
        edits.append((a, b, f" {new} "))
    if scheme:  # not said, but it belongs to what is said
        edits[0] = (match.start(), edits[0][1], edits[0][2])
    return edits


def _must_spell(word: str) -> bool:
    return not re.search(r"[aeiouyäöüéèàáíóúąęåæøаеиоуыэюяієї]", word.lower())


ADDRESS: Rule = (_address, _say_address)
