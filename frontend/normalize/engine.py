"""How a rule is applied, and the patterns that many rules share.

A rule is a pattern made from a `Grammar` and a function from a match to edits; rules run in order, each on what
the ones before left. Clauses are short (a limit of the splitter), so patterns may look around.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from frontend.normalize.grammar import Grammar
from frontend.spans import SpannedText

Edits = list[tuple[int, int, str]]
Rule = tuple[Callable[[Grammar], str], Callable[[re.Match, Grammar], Edits | str | None]]
NOT_IN_WORD = r"(?<![^\W_])"
END = r"(?![^\W_])"


def apply(text: SpannedText, grammar: Grammar, rules: Iterable[Rule]) -> SpannedText:
    """The rules, in order, on one clause."""
    for make, fix in rules:
        pattern = _pattern(make, grammar)
        edits: Edits = []
        for match in pattern.finditer(text.chars):
            got = fix(match, grammar)
            if got is not None:
                edits += [(*match.span(), got)] if isinstance(got, str) else got
        if edits:
            text = text.edit([(a, b, _spaced(text.chars, a, b, new)) for a, b, new in edits])
    return text


@lru_cache(maxsize=512)
def _pattern(make: Callable[[Grammar], str], grammar: Grammar) -> re.Pattern:
    return re.compile(make(grammar), re.ASCII if grammar.spaceless else 0)


def word_before(match: re.Match, g: Grammar) -> str:
    """The word that stands right before a match or the numbers it is joined to, "" at the beginning."""
    line = match.string[max(0, match.start() - 40) : match.start()].rpartition("\n")[2]
    return _nearest(re.findall(r"[^\W_]+", line)[::-1], g)


def word_after(match: re.Match, g: Grammar) -> str:
    """The word that stands right after a match or the numbers it is joined to, "" at the end."""
    line = match.string[match.end() : match.end() + 40].partition("\n")[0]
    return _nearest(re.findall(r"[^\W_]+", line), g)


def _nearest(words: list[str], g: Grammar) -> str:
    """The first word, in "am 3. und 4. Mai" over "3. und" or "und 4."."""
    at = 0
    while g.joins and at < len(words):
        if words[at].isdigit():
            at += 1
        elif words[at] in g.joins and at + 1 < len(words) and words[at + 1].isdigit():
            at += 2
        else:
            break
    return words[at] if at < len(words) and words[at].isalpha() else ""


def _spaced(chars: str, start: int, end: int, new: str) -> str:
    """The new words, apart from letters that touch them; a rule that begins with a space knows better."""
    if new.startswith(" "):
        return new
    before = " " if start and chars[start - 1].isalnum() and new[:1].isalnum() else ""
    after = " " if chars[end : end + 1].isalnum() and new[-1:].isalnum() else ""
    return before + new + after


def any_of(words) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=lambda w: (-len(w), w))) or r"(?!)"


def number_pattern(grammar: Grammar, decimals: bool = True) -> str:
    """Digits with or without thousands groups, and decimals."""
    groups, point = re.escape(grammar.groups), re.escape(grammar.decimal)
    whole = rf"(?:\d{{1,3}}(?:[{groups}]\d{{3}})+(?!\d)|\d+)"
    return rf"{whole}(?:{point}\d+)?" if decimals else whole


def measured_pattern(grammar: Grammar) -> str:
    """The same before a unit, where one or two digits after the decimal sign of another language are decimals too."""
    return rf"(?:\d+[.,]\d\d?(?![.,]?\d)|{number_pattern(grammar)})"


def measured(written: str, grammar: Grammar) -> str:
    """What ``measured_pattern`` found, as this language writes it."""
    return re.sub(r"^(\d+)[.,](\d\d?)$", rf"\g<1>{grammar.decimal}\2", written)


def minus_pattern(grammar: Grammar) -> str:
    """A hyphen that is a minus: nothing stands before it (in scripts without spaces, no Latin letter, digit or percent sign)."""
    return r"(?<![\w).%‰])-" if grammar.spaceless else r"(?<![^\s(\"'])-"


def full_stop(match: re.Match, written: str) -> str:
    """The period of an abbreviation ends the sentence too when nothing follows."""
    return "." if written.endswith(".") and not match.string[match.end() :].strip("\"') ") else ""


def letter_name(char: str, g: Grammar) -> str:
    return g.letters.get(char, char)
