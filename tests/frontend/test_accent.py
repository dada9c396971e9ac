"""Foreign accents: what a clause becomes in the mouth of another language's speaker."""

from dataclasses import replace

import numpy as np
import pytest

import frontend
from frontend import inventory, styles
from frontend.accent import accented, native_of, natives, substitute
from frontend.languages import resolve


def phones(clause):
    return "".join(inventory.id_to_symbol(int(i)) for i in clause.ids if i > inventory.EXCLAMATION)


def read(ipa, tag):
    return frontend.analyze(ipa, tag, phonemes=True).clauses[0]


@pytest.mark.parametrize(
    ("ipa", "tag", "speaker", "expected"),
    [
        ("ðə ɹˈoʊd wʌz wˈaɪd", "en-us", "de", "zəʁodvazvaɪd"),
        ("θˈɪŋk", "en-us", "fr", "sink"),
        ("ʁˈyʃən", "de", "en-us", "ɹuʃən"),
        ("bˈɔ̃ʒuʁ", "fr", "nl", "bɔʒur"),
        ("ʂɤ5", "cmn", "en-us", "ʃə"),
        ("dˈɔɡ", "en-us", "cmn", "tʊk"),
    ],
)
def test_learners_sounds(ipa, tag, speaker, expected):
    assert phones(accented(read(ipa, tag), speaker)) == expected


@pytest.mark.parametrize("speaker", sorted(natives()))
@pytest.mark.parametrize("tag", sorted(natives()))
def test_only_sounds_and_styles_of_the_speaker_are_left_and_nothing_moves(tag, speaker):
    own, native = natives()[tag], natives()[speaker]
    for phone in own.phones:
        said = substitute(phone, speaker)
        assert said in native.phones and (said == phone) == (phone in native.phones)
    clause = read("pˈi tə lˈi", tag) if tag != "cmn" else read("pi1 tə5 li4", tag)
    other = accented(clause, speaker)
    assert len(other) == len(clause) and np.array_equal(other.spans, clause.spans) and other.words == clause.words
    assert set(other.langs) == {resolve(speaker).id}
    for style in other.styles:
        language, _, _ = styles.split_style(int(style))
        assert language.tag == speaker and int(style) % styles.BLOCK in native.styles
    if tag == speaker:
        assert np.array_equal(other.ids, clause.ids) and np.array_equal(other.styles, clause.styles)


def test_stress_becomes_tone_and_tone_becomes_stress():
    english, chinese = read("bənˈænə", "en-us"), read("ma1 ma5", "cmn")
    tones = [styles.split_style(int(s))[1] for s, i in zip(accented(english, "cmn").styles, english.ids, strict=True)
             if inventory.is_nucleus(int(i))]  # fmt: skip
    assert tones == [5, 4, 5]
    stresses = [styles.split_style(int(s))[1] for s, i in zip(accented(chinese, "de").styles, chinese.ids, strict=True)
                if inventory.is_nucleus(int(i))]  # fmt: skip
    assert stresses == [styles.PRIMARY, styles.NONE]


def test_a_tone_on_what_becomes_a_consonant_is_left_out():
    clause = read("ma1 ma5", "cmn")
    tones = clause.styles.copy()
    tones[clause.ids == inventory.symbol_to_id("m")] = styles.style_id(resolve("cmn"), 4)
    other = accented(replace(clause, styles=tones), "en-us")
    assert all(int(style) % styles.BLOCK in natives()["en-us"].styles for style in other.styles)


def test_languages_without_a_table_are_told():
    assert native_of("de-AT").language.tag == "de" and native_of("ml") is None and native_of("") is None
