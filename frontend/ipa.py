"""Reading IPA: what espeak writes, what a lexicon holds, what a person types, as base phones and styles.

One parser for all three. It matches the longest known spelling at each place (``tʃ`` before ``t``; a ``.``
keeps two letters apart), moves stress to the next vowel, length to the phone before it, tone to the syllable
before it, and maps what it does not know to the nearest phone, telling so. `format_ipa` writes what it reads.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from frontend import articulatory, inventory, styles
from frontend.languages import Language, resolve

_STRESS_MARK = {styles.PRIMARY: "ˈ", styles.SECONDARY: "ˌ"}
_STRESS = {"ˈ": styles.PRIMARY, "'": styles.PRIMARY, "ˌ": styles.SECONDARY}
_LENGTH = "ːˑ"
_TIES = str.maketrans("", "", "\u0361\u035c")
_TONE_LETTERS = re.compile("[˥˦˧˨˩]+")
_MANDARIN_CONTOURS = {"˥": 1, "˥˥": 1, "˧˥": 2, "˨˥": 2, "˨˩˦": 3, "˨˩": 3, "˧˩˧": 3, "˨˩˨": 3, "˥˩": 4, "˥˧": 4,
                      "˧": 5, "˨": 5, "˩": 5, "˦": 5}
_SILENT = "-‿.|()\u200d"  # syllable dots, ties between words, optional-sound brackets
_LONGEST = 5  # code points of the longest spelling, NFD


@dataclass(frozen=True)
class ParsedIpa:
    """Result of `parse_ipa`.

    Attributes:
        phones: (id of the base symbol, ``k`` of the style) for each phone.
        mapped: (what stood there, the symbol taken for it or "" if none) for each unknown spelling; for a
            diacritic that is not known, the symbol it stands on.
    """

    phones: tuple[tuple[int, int], ...]
    mapped: tuple[tuple[str, str], ...] = ()


@cache
def _spellings(tag: str, from_espeak: bool) -> dict[str, tuple[int, ...]]:
    """Every known spelling (NFD) and the ids it stands for."""
    table = {unicodedata.normalize("NFD", s): (i,) for i, s in enumerate(inventory.symbols()) if i > inventory.EXCLAMATION}
    rows = inventory.read_table("rewrites.tsv")
    for scope in ("*", "espeak", tag) if from_espeak else ("*", tag):
        for language, spelling, symbol in rows:
            if language == scope:
                table[unicodedata.normalize("NFD", spelling)] = (inventory.symbol_to_id(symbol),)
    return table


class _Reader:
    """State of one pass over one string."""

    def __init__(self, language: Language):
        self.language = language
        self.phones: list[list[int]] = []  # [id, stress or tone, is long]
        self.mapped: list[tuple[str, str]] = []
        self.stress = 0

    def add(self, index: int) -> None:
        accent = 0
        if self.stress and inventory.is_nucleus(index):
            accent, self.stress = self.stress, 0
        self.phones.append([index, accent, 0])

    def mark(self, index: int) -> None:
        self.stress = 0
        if self.phones and self.phones[-1][0] == inventory.WB:
            self.phones.pop()
        if index != inventory.WB or (self.phones and self.phones[-1][0] > inventory.EXCLAMATION):
            self.phones.append([index, 0, 0])

    def lengthen(self) -> None:
        if self.phones and self.phones[-1][0] > inventory.EXCLAMATION:
            self.phones[-1][2] = 1

    def tone(self, value: int) -> None:
        """Give a tone to the syllable before: its vowel, the glides before it, all after it."""
        phones, place = self.phones, len(self.phones) - 1
        while place >= 0 and phones[place][0] > inventory.EXCLAMATION and not inventory.is_nucleus(phones[place][0]):
            place -= 1
        if place < 0 or phones[place][0] <= inventory.EXCLAMATION:
            return
        while place > 0 and inventory.kind(phones[place - 1][0]) == "glide" and not phones[place - 1][1]:
            place -= 1
        for phone in phones[place:]:
            phone[1] = value

    def unknown(self, piece: str) -> None:
        index = articulatory.nearest(piece)
        if index is not None:
            self.add(index)
        self.mapped.append((piece, "" if index is None else inventory.id_to_symbol(index)))

    def unknown_diacritic(self, piece: str) -> None:
        before = inventory.id_to_symbol(self.phones[-1][0]) if self.phones else ""
        self.mapped.append((before + piece, before))

    def result(self) -> ParsedIpa:
        while self.phones and self.phones[-1][0] == inventory.WB:
            self.phones.pop()
        packed = tuple((index, styles.pack(self.language, accent, bool(long))) for index, accent, long in self.phones)
        return ParsedIpa(packed, tuple(self.mapped))


def parse_ipa(text: str, language: str | Language, from_espeak: bool = False) -> ParsedIpa:
    """Read an IPA string.

    Args:
        text: IPA, with ``ˈ ˌ`` before a syllable or vowel, ``ː`` after a phone, tone letters or digits after a
            syllable (tone languages), spaces between words, ``, . ? ! ; :`` as prosodic marks.
        language: Decides the style block and the reading of a few letters (German ``r``).
        from_espeak: Also read espeak's own ASCII spellings; no marks.
    """
    if not isinstance(language, Language):
        language = resolve(language)
    tonal = language.kind == "tone"
    table = _spellings(language.tag, from_espeak)
    text = unicodedata.normalize("NFD", text).translate(_TIES)
    reader, place = _Reader(language), 0
    while place < len(text):
        char = text[place]
        spelling = next((text[place:place + n] for n in range(_LONGEST, 0, -1) if text[place:place + n] in table), "")
        if from_espeak and tonal and char == "ɜ" and reader.phones:
            reader.tone(3)  # espeak's mnemonic of the third tone shows as this letter
        elif spelling:
            for index in table[spelling]:
                reader.add(index)
            place += len(spelling) - 1
        elif char in _STRESS:
            reader.stress = 0 if tonal else _STRESS[char]
        elif char in _LENGTH or (char == ":" and reader.phones and from_espeak):
            reader.lengthen()
        elif char in "0123456789" and (tonal or from_espeak):
            if tonal:  # elsewhere a mnemonic of espeak that says nothing
                reader.tone(min(int(char), 7))
        elif match := _TONE_LETTERS.match(text, place):
            if language.tag == "cmn" and match[0] in _MANDARIN_CONTOURS:
                reader.tone(_MANDARIN_CONTOURS[match[0]])
            else:
                reader.unknown_diacritic(match[0])
            place = match.end() - 1
        elif char.isspace():
            reader.mark(inventory.WB)
        elif char in inventory.MARKS and not from_espeak and (char != "." or text[place + 1:place + 2].strip() == ""):
            reader.mark(inventory.MARKS[char])
        elif char not in _SILENT:
            end = place + 1
            while end < len(text) and unicodedata.category(text[end]) == "Mn":
                end += 1
            if unicodedata.category(char) in ("Mn", "Lm", "Sk"):
                reader.unknown_diacritic(text[place:end])
            else:
                reader.unknown(text[place:end])
            place = end - 1
        place += 1
    return reader.result()


def format_ipa(ids: Iterable[int], style_ids: Iterable[int]) -> str:
    """Phones as a readable IPA string, one that `parse_ipa` reads back to the same phones.

    Args:
        ids: Base symbols of a clause; ``SIL`` is not written.
        style_ids: Their styles.

    Returns:
        e.g. ``hə.lˈoʊ wˈɝːld.`` with a ``.`` only where two phones would read as one; Mandarin with tone digits.
    """
    text, before = "", ""
    spoken = [(index, *styles.split_style(style)) for index, style in zip(map(int, ids), map(int, style_ids), strict=True)
              if index != inventory.SIL]
    for place, (index, language, accent, is_long) in enumerate(spoken):
        symbol = inventory.id_to_symbol(index)
        if index <= inventory.EXCLAMATION:
            after_mark = place + 1 < len(spoken) and index != inventory.WB
            text, before = text + (" " if index == inventory.WB else symbol + " " * after_mark), ""
            continue
        tonal = language.kind == "tone"
        lead = "" if tonal else _STRESS_MARK.get(accent, "")
        if before and not lead and _reads_otherwise(before, symbol, language.tag):
            lead = "."
        tail = "ː" * is_long
        if tonal and accent and _ends_tone(spoken, place):
            tail += str(accent)
        text, before = text + lead + symbol + tail, "" if tail else symbol
    return text


@cache
def _reads_otherwise(one: str, other: str, tag: str) -> bool:
    """True if two phones written together are read as something else."""
    read = [index for index, _ in parse_ipa(one + other, tag).phones]
    return read != [inventory.symbol_to_id(one), inventory.symbol_to_id(other)]


def _ends_tone(spoken: list[tuple[int, Language, int, bool]], place: int) -> bool:
    """True on the last phone of a tone: before another tone, another syllable, a boundary."""
    if place + 1 == len(spoken) or spoken[place + 1][2] != spoken[place][2]:
        return True
    after = spoken[place + 1][0]
    return inventory.kind(spoken[place][0]) != "glide" and (inventory.is_nucleus(after) or inventory.kind(after) == "glide")
