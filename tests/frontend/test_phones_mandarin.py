"""Mandarin: every syllable, tones in context, erhua."""

import pytest

from frontend import inventory
from frontend.mandarin import is_han, read_units, syllable


def said(text):
    """Phones of a run as ``[symbols with tone]`` per unit."""
    return [" ".join(inventory.id_to_symbol(i) + str(k or "") for i, k in unit.phones) for unit in read_units(text)]


def tones(text):
    """Tone of each syllable nucleus."""
    return [k for unit in read_units(text) for i, k in unit.phones if inventory.is_nucleus(i)]


def test_every_syllable_of_the_dictionary_is_in_the_inventory():
    from pypinyin.constants import PINYIN_DICT
    from pypinyin.contrib.tone_convert import to_normal

    toneless = {to_normal(p).replace("ü", "v") for readings in PINYIN_DICT.values() for p in readings.split(",")}
    assert len(toneless) > 400
    for pinyin in toneless:
        initial, final = syllable(pinyin)
        assert len(initial) <= 1 and final
        assert any(inventory.is_nucleus(inventory.symbol_to_id(s)) for s in final), pinyin
        assert all(inventory.symbol_to_id(s) for s in initial)


@pytest.mark.parametrize(("pinyin", "phones"), [
    ("zhi", "tʂ ɻ̩"), ("si", "s ɹ̩"), ("xu", "ɕ y"), ("lv", "l y"), ("nve", "n ɥ ɛ"), ("juan", "tɕ ɥ ɛ n"), ("xiong", "ɕ j ʊ ŋ"),
    ("bo", "p w o"), ("wo", "w o"), ("er", "ɚ"), ("weng", "w ə ŋ"), ("liu", "l j oʊ"), ("gui", "k w eɪ"), ("n", "n̩"),
    ("ri", "ɻ ɻ̩"), ("e", "ɤ"), ("ang", "ɑ ŋ"), ("chuang", "tʂʰ w ɑ ŋ"), ("hng", "x ŋ̩"),
])
def test_syllables(pinyin, phones):
    initial, final = syllable(pinyin)
    assert " ".join(initial + final) == phones


def test_the_tone_sits_on_the_final_only():
    assert said("团") == ["tʰ w2 a2 n2"]


@pytest.mark.parametrize(("text", "expected"), [
    ("你好", [2, 3]), ("我很好", [3, 2, 3]), ("小老虎很好", [3, 2, 3, 2, 3]),
    ("不对", [2, 4]), ("不好", [4, 3]), ("不", [4]),
    ("一个", [2, 4]), ("一天", [4, 1]), ("第一天", [4, 1, 1]), ("一月", [1, 4]),
    ("二十一", [4, 2, 1]), ("十一点", [2, 1, 3]), ("一", [1]),
    ("看一看", [4, 2, 4]), ("统一", [3, 1]), ("差不多", [4, 5, 1]),
    ("我们吗", [3, 5, 5]),
])
def test_tones_in_context(text, expected):
    assert tones(text) == expected


@pytest.mark.parametrize(("text", "expected"), [
    ("花儿", ["x w1 a1 ɻ1"]), ("玩儿", ["w2 a2 ɻ2"]), ("小孩儿", ["ɕ j3 aʊ3", "x a2 ɻ2"]), ("事儿", ["ʂ ə4 ɻ4"]),
    ("女儿", ["n y3 ɚ2"]), ("儿子", ["ɚ2 ts ɹ̩5"]), ("今儿", ["tɕ i1 ə1 ɻ1"]), ("一点儿", ["i4 t j3 a3 ɻ3"]),
])
def test_erhua_melts_into_the_syllable_before(text, expected):
    assert said(text) == expected


@pytest.mark.parametrize(("text", "expected"), [
    ("跑得快", [3, 5, 4]), ("还得走", [2, 2, 3]), ("得到", [2, 4]), ("高兴地说", [1, 4, 5, 1]), ("地铁", [4, 3]),
    ("慢慢地走", [4, 4, 5, 3]), ("认真地学习", [4, 1, 5, 2, 2]), ("使劲地点头", [3, 4, 5, 3, 2]), ("这块地很大", [4, 4, 4, 3, 4]),
    ("各地表示", [4, 4, 3, 4]), ("我得走了", [3, 2, 3, 5]), ("你得去", [2, 3, 4]), ("他得了冠军", [1, 2, 5, 4, 1]),
    ("他跑得快", [1, 3, 5, 4]),
    ("三只猫", [1, 1, 1]), ("朋友喜欢东西", [2, 5, 3, 5, 1, 5]), ("北京地铁很长", [3, 1, 4, 2, 3, 2]),
])
def test_particles_and_neutral_tones(text, expected):
    assert tones(text) == expected


def test_the_table_of_words_is_well_formed():
    from frontend.inventory import read_table

    for word, pinyin in read_table("mandarin_words.tsv"):
        syllables = pinyin.split()
        assert len(syllables) == len(word) and all(map(is_han, word))
        assert all(syllable(s[:-1])[1] and s[-1] in "12345" for s in syllables)


def test_units_lie_end_to_end_and_unreadable_characters_are_told():
    text = "银行行走\U00030000儿"
    units = read_units(text)
    assert [u.start for u in units] == [0, *[u.end for u in units[:-1]]] and units[-1].end == len(text)
    assert "".join(u.text for u in units) == text
    assert [u.unknown for u in units if u.unknown] == ["\U00030000"]
    assert said("银行行走") == ["i2 n2 x ɑ2 ŋ2", "ɕ i2 ŋ2 ts oʊ3"]


def test_han_characters():
    assert all(map(is_han, "中〇々𠀀")) and not any(map(is_han, "aひカ한。1"))
