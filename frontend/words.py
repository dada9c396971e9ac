"""Normalised text into the tokens that are phonemised: words, runs of Chinese or Japanese, prosodic marks."""

from __future__ import annotations

import re
import unicodedata

from frontend.detect import language_of_script, script_of
from frontend.markup import IPA, Marked
from frontend.phonemize import Token
from frontend.spans import SpannedText
from frontend.split import grapheme_cut

MAX_LETTERS = 64  # of a word; longer ones are cut between graphemes

_MARKS = {
    **dict.fromkeys(".。।॥።។၊။۔", "."), **dict.fromkeys(",，、،", ","), **dict.fromkeys(";；؛", ";"),
    **dict.fromkeys(":：", ":"), **dict.fromkeys("?？؟;", "?"), **dict.fromkeys("!！", "!"), "…": "…", "—": "—",
    **dict.fromkeys("()（）[]【】{}", ","),
}  # fmt: skip
_STRENGTH = "?!.…:;—,"  # of several marks in a row the first one found here stands for all
_RUNS = {"CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO"}
# Words that begin with an apostrophe; elsewhere it is a quotation mark.
_CLIPPED = {
    "nl": {"s", "t", "n", "k", "m", "ie"},
    "af": {"n", "k", "t"},
    "en": {"em", "tis", "twas", "til", "cause", "cos", "n", "round", "bout"},
}


class _Classes(dict):
    """Character -> one letter of its class, filled as characters come: w word, c CJK, a apostrophe, h hyphen, d dash, m mark."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        category = unicodedata.category(char)
        if char == IPA:
            found = "i"
        elif char in _MARKS:
            found = "m"
        elif char == "'":
            found = "a"
        elif char == "-":
            found = "h"
        elif char == "–":
            found = "d"
        elif script_of(char) in _RUNS or char in "々〇ー":
            found = "c"
        elif category[0] in "LMN" or char in "\u200c\u200d":
            found = "w"
        elif char == '"':
            found = "q"
        else:
            found = " "
        self[code] = found
        return found


_CLASSES = _Classes()
_TOKEN = re.compile(r"a?w+(?:[ah]w+){0,6}|c+|i|(?<= )[hd]{1,3}(?= )|hh+|m[ maq]*")


def tokens(text: SpannedText, language: str, marked: Marked, has_words: bool = False) -> list[Token]:
    """Words and marks of one normalised run of text.

    Args:
        text: Normalised text; numbers are words by now.
        language: Tag of the run. Words in scripts it does not use get the tag of a language that does.
        marked: Where the inline pronunciations are.
        has_words: Words stand before this run; else its leading marks are silent.
    """
    classes = text.chars.translate(_CLASSES)
    has_kana = any("\u3040" <= char <= "\u30ff" for char in text.chars)
    found: list[Token] = []
    for match in _TOKEN.finditer(classes):
        start, end = match.span()
        if classes[start] == "i":
            found.append(_pronounced(text, start, marked))
        elif classes[start] == "m":
            found.append(_mark(text, start, end))
        elif classes[start] in "hd":  # " - ": a dash
            if found and not found[-1].mark:
                found.append(Token("—", *text.span(start, end), mark="—"))
        else:
            if classes[start] == "a" and not _is_clipped(text.chars[start + 1 : end], language):
                start += 1
            for a, b in _pieces(text.chars, start, end):
                word, script = text.chars[a:b], _script(text.chars[a:b])
                if any(char.isalnum() for char in word):
                    foreign = language_of_script(script, language, has_kana)
                    spans = tuple(text.span(i, i + 1) for i in range(a, b)) if classes[start] == "c" else None
                    found.append(Token(word, *text.span(a, b), language=foreign, spans=spans))
    while found and found[0].mark and not has_words:
        del found[0]
    return found


def _pronounced(text: SpannedText, at: int, marked: Marked) -> Token:
    word, ipa, start, end = marked.ipa[text.span(at, at + 1)[0]]
    return Token(word, start, end, ipa=ipa)


def _mark(text: SpannedText, start: int, end: int) -> Token:
    """One mark for a run of them; its span ends with the last one."""
    marks = [i for i in range(start, end) if text.chars[i] in _MARKS]
    kinds = {_MARKS[text.chars[i]] for i in marks}
    strongest = next(mark for mark in _STRENGTH if mark in kinds)
    return Token(strongest, *text.span(start, marks[-1] + 1), mark=strongest)


def _is_clipped(word: str, language: str) -> bool:
    return word.lower() in _CLIPPED.get(language.split("-")[0], ())


def _script(word: str) -> str:
    return next((script for char in word if (script := script_of(char))), "")


def _pieces(chars: str, start: int, end: int):
    """(start, end) of the parts of a word: cut where the script changes, and every 64 letters."""
    at = start
    last = ""
    for i in range(start, end):
        script = script_of(chars[i]) if unicodedata.category(chars[i])[0] == "L" else ""
        if script and last and script != last and not {script, last} <= _RUNS:
            yield from _short(chars, at, i)
            at = i
        last = script or last
    yield from _short(chars, at, end)


def _short(chars: str, start: int, end: int):
    while end - start > MAX_LETTERS:
        cut = start + grapheme_cut(chars[start : start + MAX_LETTERS + 1], MAX_LETTERS)
        yield start, cut
        start = cut
    if start < end:
        yield start, end
