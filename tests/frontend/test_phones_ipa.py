"""IPA is read by one parser, whoever wrote it."""

import pytest

from frontend import inventory
from frontend.ipa import format_ipa, parse_ipa
from frontend.languages import resolve
from frontend.styles import style_id


def read(text, language="en-us", **how):
    parsed = parse_ipa(text, language, **how)
    return [inventory.id_to_symbol(i) for i, _ in parsed.phones], [k for _, k in parsed.phones], parsed.mapped


@pytest.mark.parametrize(("text", "symbols"), [
    ("tʃɪn", ["tʃ", "ɪ", "n"]), ("t͡ʃɪn", ["tʃ", "ɪ", "n"]), ("nʌt.ʃɛl", ["n", "ʌ", "t", "ʃ", "ɛ", "l"]),
    ("aɪɚ", ["aɪ", "ɚ"]), ("kɔːɹ", ["k", "ɔ", "ɹ"]), ("gəʊ", ["ɡ", "əʊ"]), ("ʧʤ", ["tʃ", "dʒ"]),
    ("s\u0303a\u0303", ["s", "ã"]), ("\u00e3", ["ã"]), ("ç", ["ç"]), ("c\u0327", ["ç"]),
])
def test_the_longest_spelling_in_any_unicode_form_wins(text, symbols):
    assert read(text)[0] == symbols


def test_stress_moves_to_the_next_vowel_and_length_to_the_phone_before():
    assert read("ˈstɹiːtˌlaɪts") == (["s", "t", "ɹ", "i", "t", "l", "aɪ", "ts"], [0, 0, 0, 1 + 3, 0, 0, 2, 0], ())
    assert read("ˈn̩ə") == (["n̩", "ə"], [1, 0], ())
    assert read("fatːo", "it")[1] == [0, 0, 3, 0]


def test_words_and_marks():
    assert read(" həloʊ, wɜːld. ")[0] == ["h", "ə", "l", "oʊ", ",", "w", "ɝ", "l", "d", "."]
    assert read("ə ˈd ɔ?")[0] == ["ə", "WB", "d", "WB", "ɔ", "?"]
    assert read("a.b")[0] == ["a", "b"]


def test_tone_covers_the_syllable_with_its_glides_and_coda():
    assert read("ni2xwaŋ3", "cmn") == (["n", "i", "x", "w", "a", "ŋ"], [0, 2, 0, 3, 3, 3], ())
    assert read("ni˧˥xwaŋ˨˩˦", "cmn") == read("ni2xwaŋ3", "cmn")
    assert read("tʰa5 a1ma", "cmn")[1] == [0, 5, 0, 1, 0, 0]


def test_a_letter_means_what_its_language_means():
    assert read("roːt", "de")[0][0] == "ʁ" and read("rɛd", "en-us")[0][0] == "ɹ" and read("pero", "es")[0][2] == "r"


def test_what_is_not_known_goes_to_the_nearest_phone_and_is_told():
    assert read("ʛa") == (["ɢ", "a"], [0, 0], (("ʛ", "ɢ"),))
    assert read("t̬a")[2] == (("t̬", "t"),)
    assert read("aꙮb") == (["a", "b"], [0, 0], (("ꙮ", ""),))
    assert read("˥a") == (["a"], [0], (("˥", ""),))


def test_ascii_spellings_are_espeaks_only():
    assert read("tS", "uz", from_espeak=True)[0] == ["tʃ"]
    assert read("tS", "uz")[2] == (("S", ""),)


@pytest.mark.parametrize("language", ["en-us", "cmn"])
def test_any_single_phone_in_any_style_is_written_and_read_back(language):
    own = resolve(language)
    for index in range(inventory.EXCLAMATION + 1, inventory.size()):
        if parse_ipa(inventory.id_to_symbol(index), own).phones[0][0] != index:
            continue  # a letter this language reads as another phone
        accents = range(3 if own.kind == "stress" else 6) if inventory.is_nucleus(index) else [0]
        for accent in accents:
            for is_long in (False, True):
                style = style_id(own, accent, is_long)
                assert parse_ipa(format_ipa([index], [style]), own).phones == ((index, style % 16),)
