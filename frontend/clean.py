"""First step: Unicode in order. Controls and invisible characters out, compatibility forms and typography mapped.

Nothing here knows a language. Every character that goes is noted with its reason; runs of combining marks are
cut at 30 before normalising (UAX #15 stream-safe), because NFC is quadratic in them.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import numpy as np

from frontend.report import join_notes
from frontend.spans import SpannedText
from frontend.types import Note

MAX_MARKS = 30  # combining marks in a row

_QUOTES = {c: '"' for c in "“”„‟«»‹›〝〞〟＂「」『』《》〈〉″"} | {c: "'" for c in "‘’‚‛ʼʹ′＇´ꞌ"}
_DASHES = {c: "-" for c in "‐‑−﹣－⁃"} | {"‒": "–", "―": "—", "⸺": "—", "⸻": "—", "〜": "–", "～": "–"}
_BREAKS = {"\r": "\n", "\v": "\n", "\f": "\n\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n\n", "\t": " "}
_MAPPED = _QUOTES | _DASHES | _BREAKS | {"⁄": "/", "∕": "/", "．": ".", "·": " ", "・": " ", "･": " ", "。": "。", "｡": "。"}
_KEPT = set("°№§²³，！？：；（）、।॥؟،؛۔።…%‰–—") | {chr(c) for c in range(0x3131, 0x318F)}
_BIDI = set("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_JOINERS = "\u200c\u200d"
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef\u180b-\u180d\u180f]")
_NEEDS_JOINER = re.compile("[\u0600-\u07ff\u0860-\u0dff\u0f00-\u109f\u1780-\u17ff\u1800-\u18af\ufb50-\ufdff\ufe70-\ufeff]")

# Letters of Cyrillic and Greek that look like Latin ones (a subset of the skeletons of UTS #39).
_LOOKALIKE = dict(
    zip("АВЕЅІЈКМНОРСТУХаеоріјѕсухһԁԛԝ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABESIJKMHOPCTYXaeopijscyxhdqw" + "ABEZHIKMNOPTYXo", strict=True)
)
_LOOKALIKE_BACK = {"CYRILLIC": {}, "GREEK": {}}
for _foreign, _latin in _LOOKALIKE.items():
    _LOOKALIKE_BACK[unicodedata.name(_foreign).split()[0]].setdefault(_latin, _foreign)
_WORD = re.compile(r"[^\W\d_]{2,}")


def clean(raw: str) -> tuple[SpannedText, list[Note]]:
    """Bring raw text into NFC without invisible characters.

    Args:
        raw: Any string, lone surrogates included.

    Returns:
        The cleaned text with its map, and a note for everything dropped or folded.
    """
    text = SpannedText.of(raw)
    if raw.isascii() and raw.isprintable():
        return text, []
    # Each distinct character is judged once, so the cost is one pass over an array.
    codes = np.frombuffer(raw.encode("utf-32-le", "surrogatepass"), np.uint32)
    distinct, inverse = np.unique(codes, return_inverse=True)
    rules = [_judge(chr(code)) for code in distinct.tolist()]
    touched = np.array([rule is not None for rule in rules])
    marks = np.array([unicodedata.category(chr(code)) in ("Mn", "Me") for code in distinct.tolist()])

    edits, notes = [], []
    overflow = _overflow(marks[inverse]) if marks.any() else set()
    for i in sorted({*np.flatnonzero(touched[inverse]).tolist(), *overflow}):
        new, reason = ("", "combining_overflow") if i in overflow else rules[inverse[i]]
        if raw[i] in _JOINERS and i and _NEEDS_JOINER.match(raw[i - 1]):
            continue
        if raw[i] == "\r" and raw[i + 1 : i + 2] == "\n":
            new = ""
        edits.append((i, i + 1, new))
        if reason:
            notes.append(Note("dropped", i, i + 1, reason, _describe(raw[i])))
    text = text.edit(edits).nfc()
    return _fold_lookalikes(text, notes), join_notes(notes)


def _overflow(is_mark: np.ndarray) -> set[int]:
    """Positions of marks beyond the thirtieth of their run."""
    index = np.arange(len(is_mark))
    last_base = np.maximum.accumulate(np.where(is_mark, -1, index))
    return set(np.flatnonzero(is_mark & (index - last_base > MAX_MARKS)).tolist())


@lru_cache(maxsize=4096)
def _judge(char: str) -> tuple[str, str] | None:
    """None: stays. Else (replacement, reason of the drop; empty when it is only mapped)."""
    code = ord(char)
    if char in _MAPPED:
        return (_MAPPED[char], "") if _MAPPED[char] != char else None
    if char in _KEPT or "\x20" <= char < "\x7f" or char == "\n":
        return None
    if char in _BIDI:
        return "", "bidi_control"
    if 0xE0000 <= code <= 0xE007F:
        return "", "tag_char"
    if _SELECTORS.match(char):
        return "", "variation_selector"
    category = unicodedata.category(char)
    if category == "Cn":
        is_non = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
        return "", "noncharacter" if is_non else "unassigned"
    if reason := {"Cc": "control", "Cf": "format", "Co": "private_use", "Cs": "surrogate"}.get(category):
        return "", reason
    if category[0] == "Z":
        return " ", ""
    if category == "Nd":
        return str(unicodedata.digit(char)), ""
    return _compatible(char, category)


def _compatible(char: str, category: str) -> tuple[str, str] | None:
    """Ligatures, widths, superscripts and fractions to plain letters and digits; pictures out."""
    form = unicodedata.decomposition(char)
    plain = unicodedata.normalize("NFKC", char)
    if form.startswith("<super>") and category in ("So", "Sk", "Lm"):
        return (" ", "unsupported_script") if category != "Lm" else (plain, "")
    if form.startswith("<fraction>"):
        return " " + plain.replace("⁄", "/"), ""
    if form.startswith(("<super>", "<sub>")) and category == "No":
        return " " + plain, ""
    if form.startswith("<") and (category[0] in "LN" or any(c.isalnum() or c in "%+=<>&@#$*/£¥¢₩" for c in plain)):
        return plain, ""
    if category in ("So", "Sk") or category == "Me":
        return " ", "unsupported_script"
    return None


def _fold_lookalikes(text: SpannedText, notes: list[Note]) -> SpannedText:
    """Words that mix Latin with Cyrillic or Greek look-alikes go to the script of their majority."""
    if not any(char in _LOOKALIKE for char in set(text.chars)):
        return text

    def fold(match):
        word = match.group()
        scripts = {c: unicodedata.name(c, "?").split()[0] for c in set(word)}
        counts = {s: sum(scripts[c] == s for c in word) for s in ("LATIN", "CYRILLIC", "GREEK")}
        present = [s for s, n in counts.items() if n]
        if len(present) < 2 or any(s not in counts for s in scripts.values()):
            return None
        home = max(present, key=lambda s: counts[s])
        table = _LOOKALIKE if home == "LATIN" else _LOOKALIKE_BACK[home]
        folded = "".join(c if scripts[c] == home else table.get(c, "?") for c in word)
        if "?" in folded:
            return None
        notes.append(Note("mapped", *text.span(*match.span()), "confusable", f"{word} read as {folded}"))
        return folded

    return text.sub(_WORD, fold)


def _describe(char: str) -> str:
    return f"U+{ord(char):04X} {unicodedata.name(char, '')}".strip()
