"""Mandarin: Han characters to phones through pypinyin, with tone sandhi and erhua.

Initials are single symbols, finals are cut into IPA segments shared with other languages (``uan`` -> ``w a n``).
The tone sits on every segment of the final, glides included; initials carry none. Word units are those of
pypinyin's phrase dictionary and of ``data/mandarin_words.tsv``; a word boundary (a pause that may take no time)
stands between units.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache

from frontend import inventory, styles
from frontend.languages import resolve

_INITIALS = {
    "b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ", "n": "n", "l": "l", "g": "k", "k": "kʰ", "h": "x",
    "j": "tɕ", "q": "tɕʰ", "x": "ɕ", "zh": "tʂ", "ch": "tʂʰ", "sh": "ʂ", "r": "ɻ", "z": "ts", "c": "tsʰ", "s": "s",
}
_FINALS = {
    "a": "a", "o": "ɔ", "e": "ɤ", "ê": "ɛ", "ai": "aɪ", "ei": "eɪ", "ao": "aʊ", "ou": "oʊ", "an": "a n", "en": "ə n",
    "ang": "ɑ ŋ", "eng": "ə ŋ", "ong": "ʊ ŋ", "er": "ɚ",
    "i": "i", "ia": "j a", "io": "j ɔ", "ie": "j ɛ", "iao": "j aʊ", "iu": "j oʊ", "ian": "j ɛ n", "in": "i n",
    "iang": "j ɑ ŋ", "ing": "i ŋ", "iong": "j ʊ ŋ",
    "u": "u", "ua": "w a", "uo": "w o", "uai": "w aɪ", "ui": "w eɪ", "uan": "w a n", "un": "w ə n", "uang": "w ɑ ŋ",
    "ueng": "w ə ŋ",
    "v": "y", "ve": "ɥ ɛ", "van": "ɥ ɛ n", "vn": "y n",
    "m": "m̩", "n": "n̩", "ng": "ŋ̩",
}
# Syllables written with y and w, as a final without initial.
_ZERO_INITIAL = {
    "yi": "i", "ya": "ia", "yo": "io", "ye": "ie", "yao": "iao", "you": "iu", "yan": "ian", "yin": "in", "yang": "iang",
    "ying": "ing", "yong": "iong", "wu": "u", "wa": "ua", "wo": "uo", "wai": "uai", "wei": "ui", "wan": "uan",
    "wen": "un", "wang": "uang", "weng": "ueng", "wong": "ong", "yu": "v", "yue": "ve", "yuan": "van", "yun": "vn",
}
_APICAL = {"z": "ɹ̩", "c": "ɹ̩", "s": "ɹ̩", "zh": "ɻ̩", "ch": "ɻ̩", "sh": "ɻ̩", "r": "ɻ̩"}  # the vowel of zi, zhi ...
_DIGITS = "〇零一二三四五六七八九十"
_ORDINAL_BEFORE = _DIGITS + "第百千万初统专唯单"  # 一 keeps its tone after these ...
_ORDINAL_AFTER = _DIGITS + "月号日楼"  # ... and before these
_FULL_ER_AFTER = "女男婴幼少孤胎健宠小产血运生患"  # 女儿: a syllable of its own
_FULL_ER_BEFORE = "子童女媳科歌孙"  # 儿子
_MUST_AFTER = "我你您他她它咱们谁家还总必就都也可非"  # 得 děi ...
_GOT = "了到过第不出病奖分名"  # ... but not with these behind it
_GROUND_AFTER = (  # 地 dì: 这块地, 扫地
    _DIGITS + "两几百千万亩块片这那每各此该本某的在为是有大扫拖擦种耕租买卖占满遍下落倒坠着到从和与及以籍游"
)
_GROUND_BEFORE = "的是里之为者"
_WINDOW = 16  # characters looked at for the next word


@dataclass(frozen=True)
class Unit:
    """A word of a Han run: its place in the run (characters, half open) and its (phone id, k)."""

    text: str
    start: int
    end: int
    phones: tuple[tuple[int, int], ...]
    unknown: str = ""  # characters without a reading


def is_han(char: str) -> bool:
    """True for Chinese characters (〇 and iteration mark included)."""
    return char in "〇々" or unicodedata.name(char, "").startswith(("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH"))


@cache
def syllable(pinyin: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(initial, final) of a toneless pinyin syllable (ü as v) as inventory symbols."""
    if pinyin in _ZERO_INITIAL:
        return (), tuple(_FINALS[_ZERO_INITIAL[pinyin]].split())
    initial = next((pinyin[:n] for n in (2, 1) if pinyin[:n] in _INITIALS and pinyin[n:]), "")
    final = pinyin[len(initial):]
    if initial in _APICAL and final == "i":
        return (_INITIALS[initial],), (_APICAL[initial],)
    if initial in ("j", "q", "x") and final.startswith("u"):
        final = "v" + final[1:]
    if pinyin in _FINALS:  # a, er, n, ng ...
        initial, final = "", pinyin
    elif initial in ("b", "p", "m", "f") and final == "o":
        final = "uo"
    head = (_INITIALS[initial],) if initial else ()
    return head, tuple(_FINALS[final].split())


def _sandhi(text: str, readings: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Tones in context: 不 and 一 before other tones, third tone before third tone (from the right).

    The dictionary writes 一 and 不 now in their own tone, now in context: they start from their own.
    """
    own = {"一": 1, "不": 4}
    tones = [own.get(char, tone) if tone != styles.NEUTRAL_TONE else tone
             for char, (_, tone) in zip(text, readings, strict=True)]
    for i in range(len(text) - 2, -1, -1):
        following, before, after = tones[i + 1], text[i - 1:i], text[i + 1]
        if text[i] == "不" and tones[i] == 4 and following == 4:
            tones[i] = 2
        elif text[i] == "一" and tones[i] == 1 and following in (1, 2, 3, 4):
            if not (before and before in _ORDINAL_BEFORE) and after not in _ORDINAL_AFTER:
                tones[i] = 2 if following == 4 else 4
        elif tones[i] == 3 and following == 3:
            tones[i] = 2
    return [(pinyin, tone) for (pinyin, _), tone in zip(readings, tones, strict=True)]


def _is_erhua(text: str, place: int) -> bool:
    return (text[place] == "儿" and place > 0 and text[place - 1] not in _FULL_ER_AFTER + "儿"
            and text[place + 1:place + 2] not in tuple(_FULL_ER_BEFORE))


def _rhotic(final: tuple[str, ...]) -> tuple[str, ...]:
    """A final with 儿 after it."""
    *front, last = final
    if last == "n":
        final = tuple(front)
        last = final[-1] if final else "ə"
    opened = {"aɪ": ("a",), "eɪ": ("ə",), "i": ("i", "ə"), "y": ("y", "ə"), "ɹ̩": ("ə",), "ɻ̩": ("ə",), "ɛ": ("a",)}
    if last in opened and not (last == "ɛ" and len(front) < 2):
        final = (*final[:-1], *opened[last])
    return (*final, "ɻ") if final[-1] != "ɚ" else final


@cache
def _own_words() -> dict[str, list[str]]:
    return {word: pinyin.split() for word, pinyin in inventory.read_table("mandarin_words.tsv")}


def _words(text: str) -> list[tuple[str, list[str]]]:
    """Longest words from the left, each with its pinyin (tone digit at the end, "" for a character without reading)."""
    from pypinyin import Style, lazy_pinyin
    from pypinyin.seg.mmseg import seg

    own, words, place = _own_words(), [], 0
    longest = max(map(len, own))
    while place < len(text):
        window = text[place:place + _WINDOW]
        word = next(seg.cut(window))
        mine = next((window[:n] for n in range(min(longest, len(window)), 0, -1) if window[:n] in own), "")
        if len(mine) >= len(word):
            words.append((mine, own[mine]))
        else:
            pinyin = lazy_pinyin([word], style=Style.TONE3, neutral_tone_with_five=True, errors=lambda c: [""] * len(c))
            after = text[place + len(word):place + len(word) + 1]
            words.append((word, [_particle(word, words[-1][0], after) or pinyin[0]] if words and len(word) == 1 else pinyin))
        place += len(words[-1][0])
    return words


def _particle(char: str, before: str, after: str) -> str:
    """Reading of a character that is a word of its own and has several, "" if the dictionary's will do."""
    if char == "得":  # got; "must" after pronouns and some adverbs; a complement after a verb
        if before[-1] not in _MUST_AFTER:
            return "de5"
        return "de2" if after and after in _GOT else "dei3"
    if char == "地" and after and after not in _GROUND_BEFORE and before[-1] not in _GROUND_AFTER:  # 慢慢地走
        return "de5"
    if char == "只" and before[-1] in _DIGITS + "两几百千万这那每":
        return "zhi1"
    return ""


def read_units(text: str) -> list[Unit]:
    """Words of a run of Han characters with their phones."""
    words = _words(text)
    flat = [pinyin for _, readings in words for pinyin in readings]
    readings = [(p[:-1], int(p[-1])) if p else ("", 0) for p in flat]
    readings = _sandhi(text, readings)
    language = resolve("cmn")
    spoken: list[list[tuple[int, int]]] = []
    for place, (pinyin, tone) in enumerate(readings):
        initial, final = syllable(pinyin) if pinyin else ((), ())
        if place and _is_erhua(text, place) and spoken[-1]:
            spoken.append([])
            continue
        if place + 1 < len(text) and _is_erhua(text, place + 1) and final:
            final = _rhotic(final)
        spoken.append([(inventory.symbol_to_id(s), 0) for s in initial]
                      + [(inventory.symbol_to_id(s), styles.pack(language, tone)) for s in final])
    units: list[Unit] = []
    start = 0
    for word, _ in words:
        end = start + len(word)
        phones = tuple(phone for syllable_phones in spoken[start:end] for phone in syllable_phones)
        unknown = "".join(text[i] for i in range(start, end) if not readings[i][0])
        if word == "儿" and not phones and units:  # 花 儿: one word
            last = units.pop()
            units.append(Unit(last.text + word, last.start, end, last.phones, last.unknown))
        else:
            units.append(Unit(word, start, end, phones, unknown))
        start = end
    return units
