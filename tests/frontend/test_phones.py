"""Words become the right phones: golden sentences, one layout, nothing lost.

The golden files are written anew by ``python tests/frontend/test_phones.py``; read the difference before committing.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from frontend import inventory, styles
from frontend.g2p import engine
from frontend.ipa import format_ipa, parse_ipa
from frontend.languages import resolve
from frontend.lexicon import Lexicon
from frontend.phonemize import PhoneString, Token, phonemize, phonemize_batch
from tts.base.errors import DataError, UnavailableError

GOLDEN = Path(__file__).parent.parent / "golden" / "ipa"
_FULL_WIDTH = str.maketrans("，。？！；：", ",.?!;:")


def tokens(text: str) -> list[Token]:
    """Words and marks of a text that needs no normalising."""
    return [Token(m[0], *m.span(), mark=m[2] and m[2].translate(_FULL_WIDTH))
            for m in re.finditer(r"([\w'-]+)|([^\w\s])", text)]


def sentences() -> list[tuple[str, str]]:
    lines = (GOLDEN / "sentences.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [tuple(line.split("\t")) for line in lines]


def golden_text(language: str) -> str:
    lines = ["# text, phones; made by: python tests/frontend/test_phones.py"]
    for tag, text in sentences():
        if tag == language:
            said = phonemize(tokens(text), tag)
            lines.append(f"{text}\t{format_ipa(said.ids, said.styles)}")
    return "\n".join(lines) + "\n"


def symbols(said: PhoneString) -> list[str]:
    return [inventory.id_to_symbol(int(i)) for i in said.ids]


@pytest.mark.parametrize("language", ["en-us", "de", "nl", "fr", "cmn"])
def test_golden_sentences(language):
    assert golden_text(language).splitlines() == (GOLDEN / f"{language}.tsv").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(("language", "text"), sentences())
def test_a_clause_has_one_layout_and_owns_every_character_of_its_words(language, text):
    words = tokens(text)
    said = phonemize(words, language)
    n = len(said.ids)
    assert said.ids.dtype == said.styles.dtype == said.langs.dtype == np.int16
    assert said.spans.shape == (n, 2) and said.spans.dtype == np.int32
    names = symbols(said)
    assert names[0] == names[-1] == "SIL" and names.count("SIL") == 2 and "<pad>" not in names
    assert [s for s in names if s in inventory.MARKS] == [w.mark.replace(";", ",") for w in words if w.mark]
    for index, name in enumerate(names):
        if name == "WB":  # only between two words
            assert said.ids[index - 1] > inventory.EXCLAMATION and said.ids[index + 1] > inventory.EXCLAMATION
    # Words lie end to end with one boundary phone between, and each owns phones inside its span.
    for word, after in zip(said.words, [*said.words[1:], None], strict=True):
        assert word.first_phone < word.last_phone
        assert (said.ids[word.first_phone:word.last_phone] > inventory.EXCLAMATION).all()
        assert (said.spans[word.first_phone:word.last_phone] == (word.start, word.end)).all()
        assert text[word.start:word.end] == word.text
        assert after is None or after.first_phone == word.last_phone + 1
    assert "".join(w.text for w in said.words) == "".join(w.text for w in words if not w.mark)
    assert (np.diff(said.spans[:, 0]) >= 0).all()


@pytest.mark.parametrize(("language", "text"), [s for s in sentences() if "coffee" not in s[1]])
def test_written_ipa_reads_back_to_the_same_phones(language, text):
    said = phonemize(tokens(text), language)
    inner = slice(1, -1)
    read = parse_ipa(format_ipa(said.ids, said.styles), language)
    assert read.mapped == ()
    assert [index for index, _ in read.phones] == said.ids[inner].tolist()
    assert [k for _, k in read.phones] == (said.styles[inner] % styles.BLOCK).tolist()


def test_a_batch_says_what_single_calls_say():
    clauses = [(tokens(text), language) for language, text in sentences()]
    for one, (words, language) in zip(phonemize_batch(clauses), clauses, strict=True):
        alone = phonemize(words, language)
        assert (one.ids == alone.ids).all() and (one.styles == alone.styles).all() and one.words == alone.words


def test_joined_and_linked_words_keep_their_own_phones():
    english = phonemize(tokens("one of the bears"), "en")
    assert [symbols(english)[w.first_phone:w.last_phone] for w in english.words] == [
        ["w", "ʌ", "n"], ["ʌ", "v"], ["ð", "ə"], ["b", "ɛ", "ɹ", "z"]]
    french = phonemize(tokens("les enfants"), "fr")
    assert symbols(french) == ["SIL", "l", "e", "z", "WB", "ɑ̃", "f", "ɑ̃", "SIL"]


def test_stress_sits_on_vowels_only_and_length_is_style():
    said = phonemize(tokens("Schöne Straßen"), "de")
    for index, style in zip(said.ids, said.styles, strict=True):
        language, stress, _ = styles.split_style(int(style))
        assert language.tag == "de"
        assert not stress or inventory.is_nucleus(int(index))
    long_vowels = [inventory.id_to_symbol(int(i)) for i, s in zip(said.ids, said.styles, strict=True)
                   if styles.split_style(int(s))[2]]
    assert long_vowels == ["ø", "ɑ"]


def test_other_languages_inside_a_clause_keep_their_language():
    said = phonemize([Token("Hallo", 0, 5), Token("world", 6, 11, language="en-GB"), Token("。", 11, 12, mark=".")], "de")
    tags = {w.text: resolve("en-gb").id if w.text == "world" else resolve("de").id for w in said.words}
    for word in said.words:
        assert set(said.langs[word.first_phone:word.last_phone]) == {tags[word.text]}
    mixed = phonemize(tokens("我想喝coffee"), "zh")
    coffee = mixed.words[-1]
    assert coffee.text == "coffee" and set(mixed.langs[coffee.first_phone:coffee.last_phone]) == {resolve("en-us").id}


def test_foreign_words_espeak_speaks_in_another_voice_are_noted_and_carry_no_flag():
    said = phonemize(tokens("Ich trage einen Pullover zum Shopping"), "de")
    assert [(n.kind, n.reason, n.detail) for n in said.notes] == [("language", "language_switch", "en")]


def test_inline_ipa_wins_over_the_lexicon_and_the_lexicon_over_rules():
    lexicon = Lexicon()
    lexicon.add("gif", "dʒˈɪf")
    words = [Token("GIF", 0, 3), Token("gif", 4, 7, ipa="ɡˈɪf"), Token("gift", 8, 12)]
    said = phonemize(words, "en-us", lexicon)
    assert [symbols(said)[w.first_phone] for w in said.words] == ["dʒ", "ɡ", "ɡ"]


def test_lexicon_words_are_found_inside_a_run_of_han():
    lexicon = Lexicon()
    lexicon.add("行走", "xɑŋ2tsoʊ3", "zh")
    said = phonemize(tokens("一起行走吧"), "zh", lexicon)
    assert [(w.text, w.start, w.end) for w in said.words] == [("一起", 0, 2), ("行走", 2, 4), ("吧", 4, 5)]
    assert symbols(said)[said.words[1].first_phone:said.words[1].last_phone] == ["x", "ɑ", "ŋ", "ts", "oʊ"]


def test_what_cannot_be_said_is_noted():
    said = phonemize([Token("'", 0, 1), Token("go", 2, 4, ipa="ꙮɡoʊ"), Token("t", 5, 6, ipa="t̬ə")], "en")
    assert [(n.kind, n.reason, n.start, n.detail) for n in said.notes] == [
        ("dropped", "punctuation_silent", 0, "'"), ("dropped", "unsupported_script", 2, "ꙮ"),
        ("mapped", "nearest_phone", 5, "t̬ -> t")]
    assert [w.last_phone - w.first_phone for w in said.words] == [0, 2, 2]


def test_an_empty_clause_is_two_silences():
    assert symbols(phonemize([], "de")) == ["SIL", "SIL"]
    assert symbols(phonemize([Token("…", 0, 1, mark="…")], "de")) == ["SIL", ",", "SIL"]


def test_normalised_words_may_be_longer_than_their_span():
    said = phonemize([Token("二零二四", 0, 4), Token("twenty one", 5, 7, language="en")], "zh")
    assert [(w.text, w.start, w.end) for w in said.words][-1] == ("twenty one", 5, 7)
    shorter = phonemize([Token("三点五", 0, 2)], "zh")
    assert (shorter.spans[1:-1] == (0, 2)).all()


def test_unknown_languages_and_marks_are_refused():
    with pytest.raises(UnavailableError, match="unknown language"):
        phonemize(tokens("hello"), "xx-yy")
    with pytest.raises(DataError, match="mark"):
        phonemize([Token("¡", 0, 1, mark="¡")], "es")


@pytest.mark.parametrize(("language", "text"), [
    ("es", "El niño juega en la calle"), ("it", "Gli amici mangiano la pizza"), ("pl", "Szczęście i miłość"),
    ("pt-BR", "Não há pão amanhã"), ("ru", "Молоко и хлеб"), ("sv", "Sjuksköterskan är här"), ("fi", "Hyvää päivää"),
    ("cs", "Příliš žluťoučký kůň"), ("el", "Καλημέρα κόσμε"), ("hi", "नमस्ते दुनिया"), ("ko", "안녕하세요"),
    ("tr", "Günaydın dünya"), ("vi", "Xin chào Việt Nam"), ("ar", "مرحبا"), ("uk", "Добрий ранок"), ("ml", "നമസ്കാരം"),
])
def test_languages_beyond_the_trained_ones_are_covered_by_the_inventory(language, text):
    said = phonemize([Token(w[0], *w.span()) for w in re.finditer(r"\S+", text)], language)
    assert all(w.first_phone < w.last_phone for w in said.words)
    assert not said.notes


if __name__ == "__main__":
    for name in ("en-us", "de", "nl", "fr", "cmn"):
        (GOLDEN / f"{name}.tsv").write_text(golden_text(name), encoding="utf-8")
    engine().close()
