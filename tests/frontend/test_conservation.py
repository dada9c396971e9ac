"""Every character is spoken, mapped, a pause, markup, or dropped for a stated reason: the contract of `frontend.report`."""

# ruff: noqa: E501 - tables of samples
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frontend
from frontend import inventory
from frontend.report import DROP_REASONS
from tts.base import strict_json
from tts.base.errors import DataError

HOUSE = ("en-us", "de", "nl", "fr", "cmn")
OTHERS = ("es", "ru", "ja", "ar", "hi", "ko", "th", "ml")
KINDS = {"spoken", "mapped", "pause", "markup", "dropped"}
SYMBOLS = set("%&+=$€@#°")  # never silent without a note

FRAGMENTS = (
    "Dr. Meyer", "3,50 €", "$3.50", "21.03.2024", "14:30 Uhr", "1,234,567", "USA", "NASA", "B2B", "http://a.de/b?c=1", "x@y.org", "–", " - ",
    "…", "...", "“quote”", "[pause:300ms]", "[[həˈloʊ]]", "[word](/wɜːd/)", "[fr]bonjour[/fr]", "[fr]", "[unknown]", "😀👩‍👩‍👧", "🇩🇪", "你好，世界。",
    "２０２４年３月", "Привет", "раypal", "שלום", "مرحبا", "नमस्ते", "สวัสดี", "안녕", "こんにちは", "e\u0301", "a\u0301\u0316\u0301", "\u200b",
    "\u202eabc\u202c", "\x00", "\x01B", "\ufeff", "\ue000", "\U000e0041", "\ufdd0", "½", "10⁵", "m²", "ﬁ", "№ 5", "℃", "1️⃣", "’s", "'s morgens",
    "l'eau", "a-t-il", "\n", "\n\n", "\r\n", "\u2028", "(a)", "?!", "。。。", "000", "-5", "1/2", "XIV", "Louis XIV", "9" * 25, "a" * 70, "z.B.",
)  # fmt: skip
texts = st.lists(
    st.one_of(
        st.sampled_from(FRAGMENTS),
        st.text(st.characters(), max_size=6),
        st.text("abcdefgh ABC.,!?'-0123456789%$", max_size=12),
    ),
    min_size=1,
    max_size=8,
).map(" ".join) | st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=6).map("".join)


def check(analysis):
    """All clauses of the contract."""
    raw, spans = analysis.text, analysis.spans
    assert [s.start for s in spans] + [len(raw)] == [0] + [s.end for s in spans], "the spans do not lie end to end"
    assert "".join(raw[s.start : s.end] for s in spans) == raw
    total = sum(len(clause) for clause in analysis.clauses)
    owned = [(s.first_phone, s.last_phone) for s in spans if s.first_phone < s.last_phone]
    assert [a for a, _ in owned] + [total] == [0] + [b for _, b in owned], "a phone has no span, or two"
    noted = np.zeros(len(raw) + 1, bool)
    for note in analysis.notes:
        noted[note.start : note.end] = True
    for before, span in zip([None, *spans], spans, strict=False):
        assert span.kind in KINDS
        if span.kind in ("spoken", "mapped") and span.first_phone == span.last_phone:
            assert before is not None, "letters without a phone"  # only the rest of a word, after a dropped character
            assert before.kind in ("dropped", "markup") and span.first_phone > 0
        part = raw[span.start : span.end]
        if span.kind == "dropped":
            assert span.reason in DROP_REASONS
            assert span.first_phone == span.last_phone
            for i, char in enumerate(part, span.start):
                if unicodedata.category(char)[0] in "LN" or char in SYMBOLS:
                    assert span.reason in ("unsupported_script", "unassigned") and noted[i], (char, span)
            assert noted[span.start] or span.reason in ("whitespace", "punctuation_silent")
    for clause in analysis.clauses:
        assert len(clause.ids) == len(clause.styles) == len(clause.langs) == len(clause.spans)
        assert ((clause.ids > 0) & (clause.ids < inventory.size())).all()
        assert len(clause) <= 400 or len(clause.words) == 1
        assert (clause.spans[:, 0] <= clause.spans[:, 1]).all() and clause.spans.max() <= len(raw)
        for word in clause.words:
            assert 0 <= word.first_phone <= word.last_phone <= len(clause)


@pytest.mark.parametrize("language", HOUSE)
@settings(max_examples=120, deadline=None)
@given(text=texts)
def test_every_character_has_one_fate_in_the_house_languages(language, text):
    try:
        analysis = frontend.analyze(text, language)
    except DataError as error:
        assert error.code in ("text.empty", "text.nothing_to_speak")
        return
    check(analysis)


def test_the_house_languages_are_those_of_the_shipped_model():
    from tts import registry

    config = strict_json.load(registry.default_acoustic() / "config.json")
    assert set(config["minutes"]) == set(HOUSE)


@settings(max_examples=60, deadline=None)
@given(text=texts, language=st.sampled_from([*OTHERS, "auto"]))
def test_every_character_has_one_fate_in_other_languages(text, language):
    try:
        analysis = frontend.analyze(text, language)
    except DataError as error:
        assert error.code in ("text.empty", "text.nothing_to_speak")
        return
    check(analysis)
