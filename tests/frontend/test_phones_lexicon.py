"""The lexicon: what it finds, and the line of every fault."""

import pytest

from frontend.languages import resolve
from frontend.lexicon import Lexicon
from tts.base.errors import DataError, NoInputError

EN, DE = resolve("en-us"), resolve("de")


@pytest.fixture
def write(tmp_path):
    def write(data):
        path = tmp_path / "words.tsv"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


def test_language_entries_come_before_general_ones_and_case_is_a_fallback(write):
    lexicon = Lexicon.load(write("\ufeff# ours\nGIF\tdʒɪf\nGif\tɡɪf\tde\r\n\nUS\tjuːˈɛs\nus\tʌs\n"))
    assert len(lexicon) == 4
    assert lexicon.lookup("GIF", EN) == lexicon.lookup("gif", EN) == "dʒɪf"
    assert lexicon.lookup("Gif", DE) == lexicon.lookup("gif", DE) == "ɡɪf"
    assert lexicon.lookup("US", EN) == "juːˈɛs" and lexicon.lookup("us", EN) == "ʌs"
    assert lexicon.lookup("jpeg", EN) is None


def test_words_are_found_in_any_unicode_form(write):
    lexicon = Lexicon.load(write("cafe\u0301\tkæfˈeɪ\n"))
    assert lexicon.lookup("caf\u00e9", EN) == "kæfˈeɪ"


@pytest.mark.parametrize(("text", "line", "code"), [
    ("ok\toʊkeɪ\nno tab\n", 2, "lexicon.fields"), ("a\tb\tde\textra\n", 1, "lexicon.fields"), ("# c\n\n\tə\n", 3, "lexicon.word"),
    ("word\t\n", 1, "lexicon.ipa"), ("ok\tə\nword\twɜːꙮ\n", 2, "lexicon.ipa"), ("word\tə\txx\n", 1, "lexicon.language"),
])
def test_a_fault_names_its_line(write, text, line, code):
    path = write(text)
    with pytest.raises(DataError) as caught:
        Lexicon.load(path)
    assert (caught.value.pos, caught.value.where, caught.value.code) == (line, str(path), code)


def test_files_that_cannot_be_read(write, tmp_path):
    with pytest.raises(NoInputError, match="cannot read"):
        Lexicon.load(tmp_path / "missing.tsv")
    with pytest.raises(DataError, match="byte 2"):
        Lexicon.load(write(b"a\t\xff\n"))


def test_a_run_is_cut_at_the_longest_entries():
    lexicon = Lexicon()
    for word in ("行", "行走"):
        lexicon.add(word, "a4", "zh")
    chinese = resolve("zh")
    assert [(a, b, bool(i)) for a, b, i in lexicon.split("一起行走行不", chinese)] == [
        (0, 2, False), (2, 4, True), (4, 5, True), (5, 6, False)]
    assert lexicon.split("", chinese) == [] and lexicon.split("一", chinese) == [(0, 1, None)]
