"""Ids of phones, styles and languages are frozen; every phone has features."""

import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from frontend import articulatory, inventory, styles
from frontend.languages import languages, resolve
from tts.base.errors import DataError, UnavailableError

GOLDEN = Path(__file__).parent.parent / "golden"


def frozen(name):
    return [line.split("\t") for line in (GOLDEN / name).read_text(encoding="utf-8").splitlines() if line[0] != "#"]


def test_released_phone_ids_never_move():
    released = frozen("inventory.tsv")
    assert [[str(i), s] for i, s in enumerate(inventory.symbols())][:len(released)] == released
    assert inventory.symbols()[:7] == ("<pad>", "SIL", "WB", ",", ".", "?", "!")


def test_released_language_ids_and_style_kinds_never_move():
    released = frozen("languages.tsv")
    assert [[str(x.id), x.tag, x.kind] for x in languages()][:len(released)] == released


def test_symbols_are_unique_base_phones_in_one_unicode_form():
    symbols = inventory.symbols()
    assert len(set(symbols)) == len(symbols) == inventory.size()
    assert all(unicodedata.normalize("NFC", s) == s for s in symbols)
    assert not re.search("[ˈˌːˑ0-9˥˦˧˨˩]", "".join(symbols))
    assert all(inventory.symbol_to_id(inventory.id_to_symbol(i)) == i for i in range(len(symbols)))


def test_unknown_symbols_and_ids_are_data_errors():
    with pytest.raises(DataError, match="inventory"):
        inventory.symbol_to_id("ꙮ")
    with pytest.raises(DataError, match=str(inventory.size())):
        inventory.id_to_symbol(inventory.size())


def test_digest_depends_on_every_symbol(monkeypatch):
    before = inventory.digest()
    changed = (*inventory.symbols()[:-1], "ꙮ")
    monkeypatch.setattr(inventory, "symbols", lambda: changed)
    assert inventory.digest() != before


def test_every_base_phone_has_features_and_specials_have_none():
    matrix = articulatory.feature_matrix()
    assert matrix.shape == (inventory.size(), 24)
    assert not matrix[:inventory.EXCLAMATION + 1].any()
    assert np.all(np.abs(matrix[inventory.EXCLAMATION + 1:]).sum(axis=1) > 0)
    assert np.abs(matrix).max() <= 1


@pytest.mark.parametrize(("symbol", "expected"), [("p", "p"), ("ʛ", "ɢ"), ("t̬ʷʰ", "t"), ("ɣ̞", "ɣ"), ("ꙮ", None)])
def test_nearest_phone(symbol, expected):
    found = articulatory.nearest(symbol)
    assert (found and inventory.id_to_symbol(found)) == expected


def test_styles_pack_and_unpack_within_the_block_of_their_language():
    seen = set()
    for language in languages():
        accents = range(8) if language.kind == "tone" else range(3)
        for accent in accents:
            for is_long in (False, True):
                style = styles.style_id(language, accent, is_long)
                assert styles.split_style(style) == (language, accent, is_long)
                assert style // styles.BLOCK == language.id
                seen.add(style)
    assert len(seen) == sum(16 if x.kind == "tone" else 6 for x in languages())
    assert max(seen) < styles.n_styles() < 2**15


def test_frozen_packing_of_styles():
    english, chinese = resolve("en-us"), resolve("cmn")
    assert styles.style_id(english, styles.PRIMARY, True) == 16 + 4
    assert styles.style_id(chinese, styles.NEUTRAL_TONE, True) == 5 * 16 + 13


def test_styles_outside_a_language_are_data_errors():
    with pytest.raises(DataError, match="stress 3"):
        styles.style_id(resolve("de"), 3)
    with pytest.raises(DataError, match="not used by de"):
        styles.split_style(2 * 16 + 7)
    with pytest.raises(DataError):
        styles.split_style(styles.n_styles())


@pytest.mark.parametrize(("tag", "expected"), [
    ("en", "en-us"), ("EN_us", "en-us"), ("en-GB", "en-gb"), ("en-CA", "en-us"), ("de-AT-1996", "de"), ("nl-BE", "nl"),
    ("fr-FR", "fr"), ("fr-BE", "fr-be"), ("zh", "cmn"), ("zh-CN", "cmn"), ("zh-Hant-TW", "cmn"), ("zh-HK", "yue"),
    ("pt-BR", "pt-br"), ("pt", "pt"), ("no", "nb"),
])
def test_tags_people_write(tag, expected):
    assert resolve(tag).tag == expected


def test_an_unknown_tag_names_close_ones():
    with pytest.raises(UnavailableError, match="german") as caught:
        resolve("germn")
    assert caught.value.code == "language.unknown"
    with pytest.raises(UnavailableError):
        resolve("other")
    with pytest.raises(UnavailableError):
        resolve("")
