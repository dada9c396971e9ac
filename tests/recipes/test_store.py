"""The feature store: what goes in comes out, files appear only when complete, a cut or foreign file is refused."""

import json

import numpy as np
import pytest

from recipes.store import Store, StoreWriter
from tts.base.errors import DataError, NoInputError


@pytest.fixture
def mel(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {key: rng.standard_normal((n, 3)).astype(np.float16) for key, n in (("b", 5), ("a", 1), ("empty", 0), ("c", 7))}
    with StoreWriter(tmp_path, "mel", "float16", columns=3) as store:
        for key, array in arrays.items():
            store.add(key, array)
    return arrays


def test_what_was_stored_comes_back(tmp_path, mel):
    store = Store(tmp_path, "mel")
    assert len(store) == 4 and "a" in store and "z" not in store
    for key, array in mel.items():
        assert np.array_equal(store[key], array) and store[key].dtype == np.float16
        assert store.rows(key) == len(array)
    assert store["b"].base is not None  # a view of the map, not a copy
    with pytest.raises(ValueError, match="read-only"):
        store["b"][0, 0] = 1


def test_one_value_a_row_and_other_types(tmp_path):
    with StoreWriter(tmp_path, "ids", "int16") as store:
        store.add("x", [3, 1, 4])  # converted
    assert Store(tmp_path, "ids")["x"].tolist() == [3, 1, 4]


def test_a_store_of_nothing_is_read(tmp_path):
    with StoreWriter(tmp_path, "f0", "float32"):
        pass
    assert len(Store(tmp_path, "f0")) == 0


def test_a_failed_pass_leaves_the_old_store_and_no_rest(tmp_path, mel):
    with pytest.raises(RuntimeError), StoreWriter(tmp_path, "mel", "float16", columns=3) as store:
        store.add("new", np.zeros((2, 3)))
        raise RuntimeError
    assert np.array_equal(Store(tmp_path, "mel")["b"], mel["b"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mel.bin", "mel.json"]


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros((2, 4)), np.zeros((1, 2, 3))])
def test_an_array_that_does_not_fit_is_refused_with_its_id(tmp_path, array):
    with pytest.raises(DataError, match="utt7: mel: array of shape"), StoreWriter(tmp_path, "mel", "float16", 3) as store:
        store.add("utt7", array)


def test_an_id_is_stored_once(tmp_path):
    with pytest.raises(DataError, match="stored already"), StoreWriter(tmp_path, "f0", "float32") as store:
        store.add("u", [1.0])
        store.add("u", [2.0])


def test_a_missing_feature_names_the_stage_that_makes_it(tmp_path, mel):
    with pytest.raises(NoInputError, match=r"feature 'f0' is missing.*feature stage"):
        Store(tmp_path, "f0")
    (tmp_path / "mel.bin").unlink()
    with pytest.raises(NoInputError, match="feature 'mel' is missing"):
        Store(tmp_path, "mel")


def test_a_cut_file_is_refused(tmp_path, mel):
    data = (tmp_path / "mel.bin").read_bytes()
    (tmp_path / "mel.bin").write_bytes(data[:-2])
    with pytest.raises(DataError, match="holds 76 bytes, its index promises 78"):
        Store(tmp_path, "mel")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"dtype": "float99", "columns": 3, "items": {}}',
                                  '{"dtype": "float16", "columns": 3, "items": {"a": 3}}'])  # fmt: skip
def test_a_damaged_index_is_refused(tmp_path, mel, text):
    (tmp_path / "mel.json").write_text(text)
    with pytest.raises(DataError, match="no index of a feature store"):
        Store(tmp_path, "mel")


def test_the_index_is_plain_json(tmp_path, mel):
    index = json.loads((tmp_path / "mel.json").read_text())
    assert index == {"dtype": "float16", "columns": 3, "items": {"b": [0, 5], "a": [5, 1], "empty": [6, 0], "c": [6, 7]}}
