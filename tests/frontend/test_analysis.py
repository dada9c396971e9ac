"""The whole way from text to phones: markup, limits, errors, and the same result alone, in a corpus and joined."""

# ruff: noqa: E501 - long samples
import json

import numpy as np
import pytest

import frontend
from frontend import inventory
from tts.base.errors import DataError, ResourceError, UnavailableError, UsageError


def words(analysis) -> list[str]:
    return [word.text for clause in analysis.clauses for word in clause.words]


def symbols(clause) -> list[str]:
    return [inventory.id_to_symbol(i) for i in clause.ids.tolist()]


def test_a_sentence_a_clause_and_words_that_point_into_the_text():
    raw = "Dr. Lee paid $3.50.  Then he left!"
    analysis = frontend.analyze(raw, "en")
    assert [clause.normalized for clause in analysis.clauses] == [
        "doctor Lee paid three dollars and fifty cents.",
        "Then he left!",
    ]
    assert analysis.language == "en-us"
    spoken = {word.text: raw[word.start : word.end] for clause in analysis.clauses for word in clause.words}
    assert spoken["doctor"] == "Dr." and spoken["Lee"] == "Lee" and spoken["cents"] == "$3.50" and spoken["Then"] == "Then"
    for clause in analysis.clauses:
        assert symbols(clause)[0] == symbols(clause)[-1] == "SIL"
        for word in clause.words:
            assert (clause.spans[word.first_phone : word.last_phone] == (word.start, word.end)).all()


@pytest.mark.parametrize(
    ("language", "raw", "expected"),
    [
        ("zh", "2024年3月21日，花了3.5元",
         [*zip("二零二四年三月", "2024年3月", strict=True), ("二", "21"), ("十", "21"), ("一", "21"), ("日", "日"),
          ("花", "花"), ("了", "了"), *((word, "3.5元") for word in "三点五元")]),
        ("de", "很多次 heißt [zh]2次[/zh]",
         [("很", "很"), ("多", "多"), ("次", "次"), ("heißt", "heißt"), ("两", "2"), ("次", "次")]),
    ],
)  # fmt: skip
def test_every_word_of_a_run_of_han_points_at_its_own_characters(language, raw, expected):
    clauses = frontend.analyze(raw, language).clauses
    assert [(word.text, raw[word.start : word.end]) for clause in clauses for word in clause.words] == expected


def test_the_report_is_json():
    report = json.loads(json.dumps(frontend.analyze("Hi 😀 there.", "en").to_dict()))
    assert [span["kind"] for span in report["spans"]][:3] == ["spoken", "dropped", "dropped"]
    assert report["notes"][0]["reason"] == "unsupported_script"


def test_inline_markup():
    raw = "Say [tomato](/təˈmɑːtoʊ/) or [[kæt]] [pause:300ms] and [de]Guten Tag[/de] now, [sic] ok."
    analysis = frontend.analyze(raw, "en")
    assert words(analysis) == ["Say", "tomato", "or", "kæt", "and", "Guten", "Tag", "now", "sic", "ok"]
    assert [clause.pause_after for clause in analysis.clauses] == [0.3, 0.0]
    number = {language.tag: language.id for language in frontend.languages()}
    by_word = {word.text: clause.langs[word.first_phone] for clause in analysis.clauses for word in clause.words}
    assert by_word["Guten"] == number["de"] and by_word["now"] == number["en-us"]
    assert "".join(raw[s.start : s.end] for s in analysis.spans if s.kind == "markup").startswith("[](/təˈmɑːtoʊ/)[[]]")
    assert any(note.reason == "unknown_markup" for note in analysis.notes)


def test_markup_can_be_switched_off():
    assert "pause" in words(frontend.analyze("a [pause] b", "en", markup=False))


def test_pauses_add_up_and_are_bounded():
    analysis = frontend.analyze("One. [pause:2s] [pause:999s] Two.", "en")
    assert analysis.clauses[0].pause_after == 12.0 and len(analysis.clauses) == 2


def test_a_long_text_stays_under_the_limits_and_loses_no_word():
    raw = "word after word, " * 200
    analysis = frontend.analyze(raw, "en", max_chars=120, max_phones=60)
    assert len(words(analysis)) == 600
    assert all(len(clause) <= 60 for clause in analysis.clauses)
    assert all(symbols(clause)[0] == symbols(clause)[-1] == "SIL" for clause in analysis.clauses)


def test_parts_of_one_clause_hold_the_same_phones_as_the_whole():
    raw = " ".join(["alpha beta gamma delta"] * 8)
    whole = frontend.analyze(raw, "en").clauses[0]
    parts = frontend.analyze(raw, "en", max_phones=40).clauses
    kept = [i for clause in parts for i in clause.ids.tolist() if i not in (inventory.SIL, inventory.WB)]
    assert kept == [i for i in whole.ids.tolist() if i not in (inventory.SIL, inventory.WB)]
    assert len(parts) > 3


def test_a_corpus_gives_what_single_calls_give():
    texts = ["Guten Tag.", "Der 3. Mai war schön. Ja!", "Wie geht es dir?"]
    for many, text in zip(frontend.analyze_many(texts, "de"), texts, strict=True):
        one = frontend.analyze(text, "de")
        assert len(many.clauses) == len(one.clauses) and many.spans == one.spans
        assert all(np.array_equal(a.ids, b.ids) for a, b in zip(many.clauses, one.clauses, strict=True))


def test_joined_texts_are_one_sequence():
    analysis = frontend.analyze_many(["Ja. Nein! " * 100], "de", join=True)[0]
    assert len(analysis.clauses) == 1 and len(analysis.clauses[0].words) == 200
    assert symbols(analysis.clauses[0]).count("SIL") == 2


def test_phonemes_are_taken_as_they_are():
    analysis = frontend.analyze("həˈloʊ wɜːld!", "en", phonemes=True)
    assert symbols(analysis.clauses[0]) == ["SIL", "h", "ə", "l", "oʊ", "WB", "w", "ɝ", "l", "d", "!", "SIL"]


def test_process_gives_the_clauses():
    assert [clause.normalized for clause in frontend.process("One. Two.", "en")] == ["One.", "Two."]


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "text.empty"), (" \n\t ", "text.empty"), ("😀", "text.nothing_to_speak"), ("...!?", "text.nothing_to_speak"),
     ("\x00\u200b", "text.nothing_to_speak"), ("[pause]", "text.nothing_to_speak"), (None, "text.type")],
)  # fmt: skip
def test_nothing_to_speak_is_a_clear_error(text, code):
    with pytest.raises(DataError) as caught:
        frontend.analyze(text, "en")
    assert caught.value.code == code


def test_the_error_of_a_corpus_names_the_text():
    with pytest.raises(DataError, match=r"texts\[1\]"):
        frontend.analyze_many(["a", "", "b"], "en")


def test_too_much_text_and_unknown_languages_are_refused():
    with pytest.raises(ResourceError) as caught:
        frontend.analyze("a" * (1 << 20) + "b", "en")
    assert caught.value.exit_code == 76
    with pytest.raises(UnavailableError):
        frontend.analyze("a", "xx-unknown")
    with pytest.raises(UsageError):
        frontend.analyze_many(["a"], ["en", "de"])
    with pytest.raises(UsageError):
        frontend.analyze("a", "en", max_phones=3)


@pytest.mark.parametrize(
    "text",
    ["s'" * 100, "ness" * 80, "un" * 80, "\x01B a", "a" * 5000, "9" * 5000, "a\u0301" * 400, "e" + "\u0301\u0316" * 2000, "(" * 2000 + "a",
     "a.b" * 500, "[[" * 500 + "a", "<speak>&lt;</speak>", "{a}\\n%s%n", "𝓗𝓮𝓵𝓵𝓸", "اَلسَّلَامُ", "ᏣᎳᎩ", "\u202eabc", "﷽" * 5],
)  # fmt: skip
def test_hostile_text_is_spoken_or_refused_but_never_breaks(text):
    try:
        analysis = frontend.analyze(text, "en")
    except DataError as error:
        assert error.code == "text.nothing_to_speak"
    else:
        assert "".join(text[s.start : s.end] for s in analysis.spans) == text


def test_a_book_is_read_as_it_is_needed_and_ends_the_same(monkeypatch):
    from frontend import analysis as module

    asked = []
    real = module.phonemize_batch
    monkeypatch.setattr(module, "phonemize_batch", lambda clauses, lexicon: asked.append(len(clauses)) or real(clauses, lexicon))
    text = "A cat sat here. " * 200 + "\x00The end 😀."
    reading = frontend.read(text, "en")
    assert reading.language == "en-us" and not asked
    first = next(iter(reading))
    assert first.normalized == "A cat sat here." and asked == [2]
    read, whole = reading.analysis(), frontend.analyze(text, "en")
    assert [c.ids.tolist() for c in reading] == [c.ids.tolist() for c in read.clauses] == [c.ids.tolist() for c in whole.clauses]
    assert reading.notes == read.notes == whole.notes and {n.reason for n in read.notes} >= {"control"}
    assert read.spans == whole.spans
