"""Rules for Roman numerals, acronyms and initials, and for single signs."""

from __future__ import annotations

import re

from frontend.everyday import ALSO_ACRONYMS, EVERYDAY
from frontend.normalize.engine import END, NOT_IN_WORD, Edits, Rule, any_of, letter_name, word_after, word_before
from frontend.normalize.grammar import Grammar

_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def _roman(g: Grammar) -> str:
    names = any_of(g.regnal | g.numbered | {n.capitalize() for n in g.numbered})
    return rf"{NOT_IN_WORD}({names})\s([IVXLCDM]{{1,9}})(\.?){END}"


def _say_roman(match: re.Match, g: Grammar) -> Edits | None:
    value = roman_value(match[2])
    if value is None:
        return None
    if match[1] in g.regnal:
        is_dotted = bool(match[3]) and bool(match.string[match.end() :].strip())
        return [(match.start(2), match.end(3) if is_dotted else match.end(2), g.regnal_form(value))]
    return [(*match.span(2), g.cardinal(value))]


def _roman_ordinal(g: Grammar) -> str:
    return rf"{NOT_IN_WORD}([IVX]{{1,6}})({g.roman_suffix}){END}"


def _say_roman_ordinal(match: re.Match, g: Grammar) -> str | None:
    value = roman_value(match[1])
    return g.ordinal_form(value, match[2], word_before(match, g), word_after(match, g)) if value else None


def roman_value(letters: str) -> int | None:
    """Value of a well-formed Roman numeral up to 3999, else None."""
    form = r"M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
    if not letters or not re.fullmatch(form, letters):
        return None
    values = [_ROMAN[c] for c in letters]
    return sum(-v if v < max(values[i:]) else v for i, v in enumerate(values))


def _capitals(g: Grammar) -> str:
    return (
        rf"(?<![\w'-])(?:[^\W\d_]\.){{2,8}}|(?<![^\W_.])(?P<initial>[^\W\d_])\.(?=[\s-]?[^\W\d_])|"
        rf"{NOT_IN_WORD}(?P<word>[^\W\d_]{{2,}})(?:(?P<plural>'?s)|(?P<clitic>'[^\W\d_]{{1,2}}))?{END}|"
        rf"{NOT_IN_WORD}(?P<single>[^\W\d_]){END}(?!')"
    )


def _say_capitals(match: re.Match, g: Grammar) -> Edits | str | None:
    letters = match["word"] or match["initial"] or match["single"] or match.group()
    is_plural = bool(match["plural"]) or match["clitic"] == "'S"
    if not is_plural and len(letters) > 2 and letters[-1] == "s" and letters[:-1].isupper():  # "CDs"
        is_plural, letters = True, letters[:-1]
    if not letters.isupper() or not (letters[0] < "\u0590" or "\u1e00" <= letters[0] < "\u2000"):
        return None
    if match["initial"]:
        return [(match.start(), match.end(), letter_name(match["initial"], g))]
    if match["single"]:
        return _say_single(match, g)
    start = match.start()
    if match["word"]:
        is_shouted = _is_shouted(match.string, g)
        is_acronym = letters in g.said or letters.lower() in ALSO_ACRONYMS.get(g.tag, "").split()
        if letters.lower() in EVERYDAY.get(g.tag, ()) and (is_shouted or not is_acronym):
            return [(start, match.end(), match.group().lower())]
        if letters in g.said:
            return [(start, start + len(letters), g.said[letters])]
        if len(letters) > 6 or (_is_pronounceable(letters) if len(letters) > 3 else is_shouted and _has_vowel(letters)):
            return [(start, match.end(), match.group().lower())]
    spelled = [(start + i, start + i + 1, f" {letter_name(c, g)} ") for i, c in enumerate(letters) if c != "."]
    if match.string[start - 1 : start] == "'":  # l'UE: the elided article stays with its letter
        spelled[0] = (start, start + 1, spelled[0][2].lstrip())
    dots = [(start + i, start + i + 1, "") for i, c in enumerate(letters) if c == "."]
    if dots and not match.string[match.end() :].strip("\"') "):
        dots.pop()  # it ends the sentence too
    if match["word"] and is_plural:
        a, _b, new = spelled[-1]
        spelled[-1] = (a, match.end(), new.rstrip() + "'s ")
    return sorted(spelled + dots)


def _say_single(match: re.Match, g: Grammar) -> str | None:
    char = match["single"]
    if char not in g.letter_words:
        return letter_name(char, g)
    follows = re.match(r"\s*[^\W\d_]", match.string[match.end() :])
    return None if follows or match.start() == 0 or char == "I" else letter_name(char, g)


def _is_shouted(clause: str, g: Grammar) -> bool:
    """Whether the clause is written in capitals, so that they say nothing about single words.

    An everyday word among them tells it from a list of acronyms; in a language without a table, the lack of commas.
    """
    words = re.findall(r"[^\W\d_]{2,}", clause)
    capitals = [word for word in words if word.isupper()]
    if len(words) < 2 or len(capitals) <= 0.7 * len(words):
        return False
    if g.tag in EVERYDAY:
        return any(word.lower() in EVERYDAY[g.tag] and word not in g.said for word in capitals)
    return len(words) > 2 and "," not in clause


def _is_pronounceable(letters: str) -> bool:
    plain = re.sub(r"[AEIOUYÄÖÜÉÈÊ]", "a", letters.upper())
    return "a" in plain and not re.search(r"[^a]{4}|^[^a]{3}|[^a]{3}$", plain)


def _has_vowel(letters: str) -> bool:
    return bool(re.search("[AEIOUYÄÖÜÉÈÊÀÂÎÔÙ]", letters))


def _sign(g: Grammar) -> str:
    return rf"[{re.escape(''.join(g.symbols))}]" if g.symbols else r"(?!)"


def _say_sign(match: re.Match, g: Grammar) -> str:
    return f" {g.symbols[match.group()]} "


ROMAN: Rule = (_roman, _say_roman)
ROMAN_ORDINAL: Rule = (_roman_ordinal, _say_roman_ordinal)
CAPITALS: Rule = (_capitals, _say_capitals)
SIGN: Rule = (_sign, _say_sign)
