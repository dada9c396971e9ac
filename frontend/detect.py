"""Which language is this: by script where the script says it, by letter statistics (py3langid) where not.

The tag a caller gives is obeyed; the detector only doubts it in a note. Words in a script that the tagged
language does not use are spoken in a language that does.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

from frontend.everyday import EVERYDAY
from frontend.languages import languages, resolve

HOME = ("en", "de", "nl", "fr")  # languages of Latin script that the house model was trained on: the likely ones
CONFIDENT = 0.95  # probability over which the detector may doubt a tag
ENOUGH_LETTERS = 24  # fewer say too little
_FEW_LETTERS = 20  # of a text that is in a house language unless it looks nothing like one

# Script (first word of the Unicode name) -> the language that speaks it when the tag does not use it.
_SPEAKS = {
    "LATIN": "en-us", "CYRILLIC": "ru", "GREEK": "el", "ARABIC": "ar", "HEBREW": "he", "CJK": "cmn", "BOPOMOFO": "cmn",
    "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "DEVANAGARI": "hi", "BENGALI": "bn", "GURMUKHI": "pa",
    "GUJARATI": "gu", "ORIYA": "or", "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml",
    "SINHALA": "si", "THAI": "th", "LAO": "lo", "MYANMAR": "my", "GEORGIAN": "ka", "ARMENIAN": "hy",
    "ETHIOPIC": "am", "CHEROKEE": "chr",
}  # fmt: skip
# Scripts of the languages that are not written in Latin letters alone.
_SCRIPTS = {
    "CYRILLIC": "ru uk bg be mk sr bs kk ky tt ba cv tk uz nog az kaa", "GREEK": "el grc", "ARABIC": "ar fa ur ug sd ku pa az",
    "HEBREW": "he", "CJK": "cmn yue hak ja ko vi", "BOPOMOFO": "cmn", "HIRAGANA": "ja", "KATAKANA": "ja",
    "HANGUL": "ko", "DEVANAGARI": "hi mr ne kok sd", "BENGALI": "bn as bpy", "GURMUKHI": "pa", "GUJARATI": "gu",
    "ORIYA": "or", "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml", "SINHALA": "si", "THAI": "th",
    "LAO": "lo", "MYANMAR": "my shn", "GEORGIAN": "ka", "ARMENIAN": "hy hyw", "ETHIOPIC": "am ti", "CHEROKEE": "chr",
}  # fmt: skip
_NO_LATIN = frozenset(
    {tag for script, tags in _SCRIPTS.items() for tag in tags.split()} - {"sr", "bs", "tk", "uz", "az", "kaa", "ku", "pa", "vi"}
) | {"pa"}
_SAME = {"IDEOGRAPHIC": "CJK", "HALFWIDTH": "KATAKANA", "FULLWIDTH": "LATIN", "FEMININE": "LATIN", "MASCULINE": "LATIN"}


@lru_cache(maxsize=8192)
def script_of(char: str) -> str:
    """Script of a letter ("LATIN", "CJK" ...), "" for anything else or a script nobody here speaks."""
    if not char.isalpha() and unicodedata.category(char)[0] != "M":
        return ""
    word = unicodedata.name(char, "").split(" ")[0].split("-")[0]
    word = _SAME.get(word, word)
    return word if word in _SPEAKS else ""


@cache
def uses_script(language: str, script: str) -> bool:
    """Whether a language (tag) is written in the script."""
    base = language.split("-")[0]
    if script == "LATIN":
        return base not in _NO_LATIN or language.endswith("-latn")
    return base in _SCRIPTS[script].split()


def language_of_script(script: str, home: str, has_kana: bool = False) -> str | None:
    """The language that speaks a script inside a text tagged ``home``; None = home itself can."""
    if not script or uses_script(home, script):
        return None
    return "ja" if script == "CJK" and has_kana else _SPEAKS[script]


def detect(text: str) -> str:
    """Tag of the language a text is most likely written in; ``en-us`` when it holds no letters.

    Scripts of one language decide alone. Among the others the house languages win close calls.
    """
    counts = _script_counts(text)
    if not counts:
        return "en-us"
    if counts.get("HIRAGANA", 0) + counts.get("KATAKANA", 0) > 0.1 * sum(counts.values()):
        return "ja"
    counts["CJK"] = 3 * counts.get("CJK", 0)  # one character says as much as three letters
    script = max(counts, key=counts.get)
    if script in ("CJK", "BOPOMOFO"):
        return "cmn"
    speakers = [tag for tag in _rankable() if uses_script(tag, script)]
    if len(speakers) < 2:
        return resolve(_SPEAKS[script]).tag
    return resolve(_probabilities(text, tuple(speakers))[0][0]).tag


def paragraph(text: str, language: str) -> tuple[str, float] | None:
    """(tag, its probability) where a paragraph of a text in ``language`` is confidently in another one."""
    doubted = doubt(text, language)
    if doubted is None:
        return None
    tag = detect(text)  # a script may have several languages
    return (tag, doubted[1]) if tag != language else None


def doubt(text: str, language: str) -> tuple[str, float] | None:
    """(likelier tag, its probability) when the text is confidently in another language than its tag."""
    counts = _script_counts(text)
    if sum(counts.values()) < ENOUGH_LETTERS:
        return None
    script = max(counts, key=counts.get)
    base = language.split("-")[0]
    if not uses_script(language, script):
        return resolve(_SPEAKS[script]).tag, 1.0
    speakers = tuple(tag for tag in _rankable() if uses_script(tag, script))
    if base not in speakers:
        return None  # the detector does not know the language: no opinion
    best, probability = _probabilities(text, speakers)[0]
    relatives = next((group for group in _NEAR if base in group), {base})
    return (resolve(best).tag, probability) if best not in relatives and probability >= CONFIDENT else None


# Written too alike for a doubt.
_NEAR = ({"nb", "da", "sv"}, {"bs", "hr", "sr", "sl"}, {"ms", "id"}, {"es", "gl", "ca", "an", "pt"}, {"cs", "sk"},
         {"af", "nl"}, {"hi", "mr", "ne"}, {"ru", "uk", "be", "bg"}, {"ur", "fa", "ar", "ug"})  # fmt: skip


def _script_counts(text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for char in text[:4000]:
        if script := script_of(char):
            counts[script] = counts.get(script, 0) + 1
    return counts


@cache
def _rankable() -> tuple[str, ...]:
    """Base tags that espeak speaks and the detector knows."""
    ours = {language.tag.split("-")[0] for language in languages() if language.voice}
    return tuple(sorted(ours & {_TO_OURS.get(label, label) for label in _identifier().labels}))


_TO_OURS = {"no": "nb", "zh": "cmn"}


@cache
def _identifier():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=False)


def _probabilities(text: str, among: tuple[str, ...]) -> list[tuple[str, float]]:
    """Probabilities over the given tags, likeliest first; house languages get a head start on short text."""
    import numpy as np

    sample = re.sub(r"\s+", " ", text[:2000])
    words = re.findall(r"[^\W\d_]+", sample[:60].lower())
    is_short = sum(map(len, words)) < _FEW_LETTERS
    scores = {}
    for label, score in _identifier().rank(sample):
        tag = _TO_OURS.get(label, label)
        if tag in among:
            known = float(score) if score > _NO_EVIDENCE else 0.0
            if tag in HOME:
                known += _SHORT_HEAD_START if is_short else _HEAD_START
                known += _EVERYDAY_WORD * sum(word in EVERYDAY[tag] for word in words)
                known += _SHORT_EDGE.get(tag, 0.0) if is_short else 0.0
            scores.setdefault(tag, known)
    tags = sorted(scores, key=lambda tag: (-scores[tag], HOME.index(tag) if tag in HOME else len(HOME)))
    weights = np.exp(np.array([scores[tag] - scores[tags[0]] for tag in tags]) / 2)
    return list(zip(tags, (weights / weights.sum()).tolist(), strict=True))


_HEAD_START = 6.0  # nats, of the house languages
_SHORT_HEAD_START = 12.0  # the same where letters say little
_SHORT_EDGE = {"en": 3.0, "de": 1.5}  # there, of the more frequent languages: "Help!" and "Ja!" are good Dutch too
_EVERYDAY_WORD = 4.0  # for each everyday word among the first words
_NO_EVIDENCE = -1e30  # below: the detector knows nothing of these letters ("Hi.")
