"""Numbers, dates, money, units, codes and acronyms as they are read aloud, line by line (tests/golden/normalize)."""

# ruff: noqa: E501 - tables of samples
import sys
from pathlib import Path

import pytest

from frontend.clean import clean
from frontend.languages import languages
from frontend.normalize import normalize
from frontend.normalize.letters import roman_value
from frontend.normalize.zh import cardinal

GOLDEN = Path(__file__).parents[1] / "golden" / "normalize"


def spoken(text: str, language: str) -> str:
    return " ".join(normalize(clean(text)[0], language).chars.split())


def lines(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line and line[:2] != "# "]


def cases():
    for path in sorted(GOLDEN.glob("*.tsv")):
        for written, said in lines(path):
            yield pytest.param(path.stem, written, said, id=f"{path.stem}: {written[:30]}")


@pytest.mark.parametrize(("language", "written", "said"), list(cases()))
def test_text_is_read_as_in_the_golden_file(language, written, said):
    assert spoken(written, language) == said


def test_every_word_of_a_number_keeps_the_span_of_what_it_replaces():
    raw = "Er zahlt 3,50 € am 21. März."
    text = normalize(clean(raw)[0], "de")
    at = text.chars.index("drei Euro fünfzig")
    start, end = text.span(at, at + len("drei Euro fünfzig"))
    assert raw[start:end] == "3,50 €"
    at = text.chars.index("März")
    assert raw[slice(*text.span(at, at + 4))] == "März"


def test_number_and_unit_have_spans_of_their_own():
    raw = "nach 12 km"
    text = normalize(clean(raw)[0], "de")
    assert raw[slice(*text.span(text.chars.index("zwölf"), text.chars.index("zwölf") + 5))] == "12"
    assert raw[slice(*text.span(text.chars.index("Kilometer"), len(text)))] == "km"


@pytest.mark.parametrize("language", ["en-us", "de", "nl", "fr", "cmn", "es", "ru", "ja", "hi", "tr"])
def test_a_number_of_any_length_is_read(language):
    for digits in (1, 3, 18, 19, 250):
        said = spoken("7" * digits, language)
        assert said and not any(char.isdigit() for char in said)


def test_each_end_of_a_range_and_its_dash_keep_their_spans():
    raw = "Open 9am-5pm, 1-3 May"
    text = normalize(clean(raw)[0], "en-gb")
    for said, written in (("nine", "9"), ("to", "-"), ("five", "5"), ("first", "1"), ("third", "3")):
        at = text.chars.index(f" {said}") + 1
        assert raw[slice(*text.span(at, at + len(said)))] == written


@pytest.mark.parametrize(("tag", "said"), [("en-us", "one hundred one"), ("en-us-nyc", "one hundred one"),
                                           ("en-029", "one hundred and one"), ("en-gb-scotland", "one hundred and one")])  # fmt: skip
def test_english_is_american_only_in_america(tag, said):
    assert spoken("101", tag) == said


def test_more_than_eighteen_digits_are_read_one_by_one():
    assert spoken("1234567890123456789", "en-us").split()[:3] == ["one", "two", "three"]
    assert spoken("123456789012345678", "en-us").startswith("one hundred twenty-three quadrillion")


def test_every_language_reads_a_hard_line_without_failing():
    hard = "a 25 3.5 1,5 1.234.567 50% 5 km $5 21/03/2024 31/02/2024 14:30 -5 B2B USA 1/2 & # @ + = ° € 3rd VII e.g. x@y.org 007 +1 212 555 0123"
    for language in languages():
        if language.voice:
            assert len(spoken(hard, language.tag)) > 60, language.tag


@pytest.mark.parametrize(
    ("letters", "value"), [("XIV", 14), ("MCMXCIX", 1999), ("IV", 4), ("IIII", None), ("VX", None), ("", None)]
)
def test_roman_numerals(letters, value):
    assert roman_value(letters) == value


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "零"),
        (2, "二"),
        (10, "十"),
        (105, "一百零五"),
        (1010, "一千零一十"),
        (10_050, "一万零五十"),
        (20_000, "两万"),
        (100_000_000, "一亿"),
    ],
)
def test_mandarin_numbers(number, said):
    assert cardinal(number) == said


def test_plain_words_are_left_alone():
    for language, text in (
        ("fr", "Vers le Ciel, où son oeil voit"),
        ("fr", "Me dire, Le ciel"),
        ("en-us", "It is I, he said."),
        ("de", "Die Vorder- und Rückseite"),
    ):
        assert spoken(text, language) == text


if __name__ == "__main__":  # rewrites the second column; look at the difference before you keep it
    for path in sorted(GOLDEN.glob(sys.argv[1] if len(sys.argv) > 1 else "*.tsv")):
        kept = [line for line in path.read_text(encoding="utf-8").splitlines() if line[:2] == "# "]
        new = [f"{row[0]}\t{spoken(row[0], path.stem)}" for row in lines(path)]
        path.write_text("\n".join(kept + new) + "\n", encoding="utf-8")
