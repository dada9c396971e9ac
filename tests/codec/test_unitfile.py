"""Unit files: codes come back as they were; whatever is wrong with a file is one clear error."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from codec.units.extractor import MelFeatures, UnitExtractor
from codec.units.kmeans import KmeansUnits
from codec.units.unitfile import UnitFacts, read_units, write_units
from tts.base.errors import CannotCreateError, DataError, NoInputError, UsageError
from vocoder.nn.checkpoint import write_tensors

FACTS = UnitFacts("sign", "0123456789abcdef", 37.5, 2, 320)
CODES = np.array([[0, 319], [7, 7], [318, 1]])


@pytest.fixture
def path(tmp_path):
    write_units(tmp_path / "talk.units", CODES, FACTS)
    return tmp_path / "talk.units"


def test_codes_and_facts_come_back(path):
    codes, facts = read_units(path, expect=replace(FACTS, extractor="elsewhere/sign"))
    assert np.array_equal(codes, CODES) and codes.dtype == np.int16 and facts == FACTS
    with pytest.raises(CannotCreateError):
        write_units(path, CODES, FACTS)
    write_units(path, CODES[:1], FACTS, force=True)
    assert len(read_units(path)[0]) == 1


def test_the_facts_are_those_of_the_extractor():
    books = torch.arange(500.0).view(5, 100)
    facts = UnitFacts.of(KmeansUnits("k", MelFeatures(), books))
    assert (facts.extractor, facts.unit_rate, facts.n_groups, facts.n_entries) == ("k", 75.0, 1, 5)
    assert facts.units_id != UnitFacts.of(KmeansUnits("k", MelFeatures(), books + 1)).units_id
    with pytest.raises(UsageError, match="no quantiser"):
        UnitFacts.of(MelFeatures())
    assert UnitExtractor.codebooks is None


@pytest.mark.parametrize(("codes", "code", "message"), [
    (np.zeros((0, 2), int), "empty", "holds no units"),
    (np.zeros((3, 1), int), "shape", r"int64 of shape \[3, 1\], \[units, 2\] integers are needed"),
    (np.zeros(3, int), "shape", r"of shape \[3\]"),
    (np.zeros((3, 2)), "shape", "float64"),
    (np.array([[0, 1], [2, 320]]), "code", "unit 1: code 320 of group 1 is outside of the codebook, 0 to 319"),
    (np.array([[-1, 0]]), "code", "unit 0: code -1 of group 0"),
    (np.array([[70_000, 0]]), "code", "code 70000"),
])  # fmt: skip
def test_wrong_codes_are_not_written(tmp_path, codes, code, message):
    with pytest.raises(DataError, match=message) as caught:
        write_units(tmp_path / "x.units", codes, FACTS)
    assert caught.value.code == f"units.{code}" and not (tmp_path / "x.units").exists()


def stored(path, codes, **changed):
    facts = {"kind": "units", "extractor": "sign", "units_id": "0123456789abcdef", "unit_rate": "37.5", "n_groups": "2",
             "n_entries": "320"} | changed  # fmt: skip
    write_tensors(path, {"codes": torch.tensor(codes)}, {k: v for k, v in facts.items() if v is not None})


def test_a_code_outside_of_the_codebook_is_found_on_reading(tmp_path):
    stored(tmp_path / "x.units", [[1, 2], [3, 400]])
    with pytest.raises(DataError, match="unit 1: code 400 of group 1 is outside of the codebook, 0 to 319"):
        read_units(tmp_path / "x.units")


@pytest.mark.parametrize(("changed", "code"), [
    ({"kind": "voice"}, "kind"),
    ({"unit_rate": None}, "facts"),
    ({"unit_rate": "nan"}, "facts"),
    ({"n_entries": "many"}, "facts"),
    ({"n_entries": "70000"}, "facts"),
    ({"n_groups": "3"}, "shape"),
])  # fmt: skip
def test_a_file_with_wrong_facts_is_refused(tmp_path, changed, code):
    stored(tmp_path / "x.units", [[1, 2]], **changed)
    with pytest.raises(DataError, match="Make it again") as caught:
        read_units(tmp_path / "x.units")
    assert caught.value.code == f"units.{code}"


def test_empty_foreign_and_missing_files_are_refused(tmp_path, path):
    (tmp_path / "empty.units").write_bytes(b"")
    with pytest.raises(DataError, match=r"empty\.units: is empty") as caught:
        read_units(tmp_path / "empty.units")
    assert caught.value.code == "units.empty"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="is no sound unit file"):
        read_units(path)
    with pytest.raises(NoInputError):
        read_units(tmp_path / "absent.units")


def test_units_of_another_extractor_are_refused_by_name(path):
    with pytest.raises(DataError, match=r"units are of sign \(0123456789abcdef\), those of house \(ff\) are needed") as caught:
        read_units(path, expect=UnitFacts("house", "ff", 37.5, 2, 320))
    assert caught.value.code == "units.extractor"
