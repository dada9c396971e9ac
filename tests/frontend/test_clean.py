"""Unicode in order: what is mapped, what is dropped and why, and that it takes linear time."""

# ruff: noqa: E501 - tables of samples
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontend.clean import MAX_MARKS, clean
from frontend.report import DROP_REASONS
from frontend.spans import SpannedText


def reasons(text: str) -> list[str]:
    return [note.reason for note in clean(text)[1] if note.kind == "dropped"]


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("“Hi” ‘there’ «oui» „ja“", '"Hi" \'there\' "oui" "ja"'),
        ("it’s", "it's"),
        ("a\u00a0b\u202fc\u3000d\te", "a b c d e"),
        ("２０２４年", "2024年"),
        ("٣ किताबें २५", "3 किताबें 25"),
        ("ﬁne", "fine"),
        ("3½", "3 1/2"),
        ("10⁵", "10 5"),
        ("m² m³", "m² m³"),
        ("25℃", "25°C"),
        ("５％", "5%"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("\u2212 5", "- 5"),
        ("e\u0301", "é"),
        ("ガ", "ガ"),
        ("\u1100\u1161\u11a8", "각"),
    ],
)
def test_typography_and_compatibility_forms_are_mapped(raw, cleaned):
    assert clean(raw)[0].chars == cleaned


@pytest.mark.parametrize(
    ("char", "reason"),
    [
        ("\x00", "control"), ("\x01", "control"), ("\x9f", "control"), ("\u200b", "format"), ("\ufeff", "format"), ("\u00ad", "format"),
        ("\u202e", "bidi_control"), ("\u061c", "bidi_control"), ("\U000e0041", "tag_char"), ("\ue000", "private_use"),
        ("\ufdd0", "noncharacter"), ("\U0010ffff", "noncharacter"), ("\u0378", "unassigned"), ("\ud800", "surrogate"),
        ("\ufe0f", "variation_selector"), ("😀", "unsupported_script"), ("™", "unsupported_script"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_dropped_with_its_reason(char, reason):
    text, notes = clean(f"a{char}b")
    assert text.chars.replace(" ", "") == "ab"
    assert [(note.kind, note.start, note.end, note.reason) for note in notes] == [("dropped", 1, 2, reason)]
    assert notes[0].detail.startswith("U+")


def test_joiners_stay_where_a_script_needs_them():
    assert clean("می‌خواهم क्‍ष")[0].chars == "می‌خواهم क्‍ष"
    assert reasons("a\u200db") == ["format"]


def test_a_run_of_marks_is_cut_before_normalising():
    text, notes = clean("a" + "\u0301\u0316" * 5_000 + "b")
    assert len(text) < MAX_MARKS + 3 and text.chars.endswith("b")
    assert [(note.reason, note.end - note.start) for note in notes] == [("combining_overflow", 10_000 - MAX_MARKS)]


def test_lookalikes_fold_to_the_script_of_the_word():
    text, notes = clean("раypal Моskva 10 αβc")
    assert text.chars == "paypal Москva 10 αβc" or text.chars.startswith("paypal")
    assert next(note.reason for note in notes) == "confusable"
    assert clean("Привет мир")[1] == []


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=60))
def test_the_map_covers_everything_that_is_not_dropped(raw):
    text, notes = clean(raw)
    assert unicodedata.is_normalized("NFC", text.chars)
    assert len(text.starts) == len(text.ends) == len(text)
    spans = list(zip(text.starts.tolist(), text.ends.tolist(), strict=True))
    assert all(0 <= a < b <= len(raw) for a, b in spans)
    assert spans == sorted(spans)
    seen = {i for a, b in spans for i in range(a, b)} | {i for n in notes for i in range(n.start, n.end)}
    assert {i for i in range(len(raw)) if i not in seen} <= {i for i, c in enumerate(raw) if c == "\r"}
    assert all(note.reason in (*DROP_REASONS, "confusable") for note in notes)


@settings(max_examples=200, deadline=None)
@given(st.text("ae\u0301\u0316\u0323\u1100\u1161\u11a8각बा\u09be\u09c7 가", max_size=20))
def test_nfc_in_pieces_is_nfc_of_the_whole(raw):
    assert SpannedText.of(raw).nfc().chars == unicodedata.normalize("NFC", raw)


def test_every_kind_of_scalar_value_between_letters():
    for start in range(0, 0x110000, 4096 * 53):  # a sample of the planes; the whole range takes a minute
        raw = " ".join(f"a{chr(code)}b" for code in range(start, min(start + 4096, 0x110000)))
        text, _ = clean(raw)
        assert text.chars.count("b") >= 4000 and unicodedata.is_normalized("NFC", text.chars)


@pytest.mark.parametrize("unit", ["a\u0301", "é", "😀", "\u0301", "раy ", "\u200b", "1 ", "\ufdfa", "“"])
def test_time_grows_with_the_length_only(unit):
    def seconds(n: int) -> float:
        raw = (unit * n)[:n]
        began = time.perf_counter()
        clean(raw)
        return time.perf_counter() - began

    seconds(1000)
    small, large = min(seconds(15_000) for _ in range(3)), min(seconds(60_000) for _ in range(2))
    assert large < 12 * small + 0.05, (small, large)
