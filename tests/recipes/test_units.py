"""Units of a feature store, centres of k-means units, and what the probes tell: signals and codes whose answer is known."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from codec.units import extractor as extractors
from codec.units.extractor import UnitExtractor
from codec.units.unitfile import UnitFacts
from recipes import units
from recipes.__main__ import cli
from recipes.batch import Corpus
from recipes.evaluate import units as experiment
from recipes.evaluate.units import PAUSE, Clip, System, commonest, measure, occurrence, phone_purity, random_codes, told_right
from recipes.store import Store, StoreWriter
from tts.base.errors import DataError, NoInputError, UsageError
from vocoder.audio.mel import log_mel

PHONES = (20, 21, 22)  # tones of 500, 1000 and 2000 Hz
SPEAKERS = {"ada": ("de", 0.3), "bob": ("nl", 0.06), "eve": ("nl", 0.01)}  # their language and loudness


def write_split(folder, clips):
    """Tones of 4 to 6 frames with pauses at both ends, a clip a random order; stores as the recipes write them."""
    rng, rows = np.random.default_rng(0), []
    with (StoreWriter(folder, "wav", "int16") as wavs, StoreWriter(folder, "mel", "float16", 100) as mels,
          StoreWriter(folder, "f0", "float32") as f0s, StoreWriter(folder, "ids", "int16") as all_ids,
          StoreWriter(folder, "durations", "int32") as all_durations):  # fmt: skip
        for i in range(clips):
            for speaker, (language, level) in SPEAKERS.items():
                key, ids = f"{folder.name}-{speaker}-{i}", np.array([1, *rng.choice(PHONES, 9), 1])
                durations = rng.integers(4, 7, len(ids))
                hz = np.repeat(np.select([ids == p for p in PHONES], [500, 1000, 2000], 0), 320 * durations)
                wav = level * np.sin(2 * np.pi * np.cumsum(hz) / 24_000) * (hz > 0)
                wavs.add(key, np.round(wav * 32767).astype(np.int16))
                mels.add(key, log_mel(wav.astype(np.float32)))
                f0s.add(key, np.zeros(durations.sum(), np.float32))
                all_ids.add(key, ids)
                all_durations.add(key, durations)
                rows.append(json.dumps({"key": key, "speaker": speaker, "language": language}))
    (folder / "utterances.jsonl").write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dump")
    write_split(folder / "train", 2)
    write_split(folder / "dev", 8)
    return folder


class Loud(UnitExtractor):
    """A unit each two frames: whether the mean of the mel is above -9, and above -5."""

    name, dim, sample_rate, frame_rate = "loud", 1, 24_000, 37.5
    codebooks = torch.zeros(2, 2, 1)

    def __init__(self, place="", download=False):
        pass

    def units_of_mel(self, mel, mask):
        assert mask.all() and mel.shape[:2] == mask.shape
        level = mel.mean(2)[:, ::2, None]
        return torch.cat((level > -9, level > -5), 2).long()


@pytest.fixture
def loud(monkeypatch):
    monkeypatch.setitem(extractors._KINDS, "loud", Loud)
    return Loud()


def call(*words):
    done = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_store_of_units_says_what_it_is_of(dump, loud):
    told = call("units", "--dump", dump, "--extractor", "loud", "--nj", 1)
    assert "units: dev: 24 utterances, 37.5 units a second of 2 x 2 codes of loud" in told and "train: 6" in told
    corpus, store = Corpus(dump / "dev"), Store(dump / "dev", "units")
    for key in corpus.keys:
        mel = torch.tensor(corpus.get("mel", key).astype(np.float32))[None]
        wanted = loud.units_of_mel(mel, torch.ones(1, corpus.frames(key)).bool())
        assert np.array_equal(store[key], wanted[0]) and store[key].dtype == np.int16
    assert units.read_facts(dump / "dev") == UnitFacts.of(loud)
    with pytest.raises(DataError, match="those of house"):
        UnitFacts("house", "0" * 16, 37.5, 2, 320).expect(units.read_facts(dump / "dev"), dump)


def test_units_that_are_there_are_kept_and_others_replaced(dump, loud, monkeypatch):
    units.write_units(dump / "dev", "loud")
    before = (dump / "dev" / "units.bin").stat().st_mtime_ns
    assert units.write_units(dump / "dev", "loud") == 24 and (dump / "dev" / "units.bin").stat().st_mtime_ns == before
    monkeypatch.setattr(Loud, "codebooks", torch.ones(2, 2, 1))
    units.write_units(dump / "dev", "loud")
    assert (dump / "dev" / "units.bin").stat().st_mtime_ns > before
    monkeypatch.setattr(Loud, "codebooks", torch.ones(2, 1, 1))
    with pytest.raises(DataError, match="is outside of the codebook, 0 to 0"):
        units.write_units(dump / "dev", "loud")
    with pytest.raises(NoInputError, match="there are no units"):
        units.read_facts(dump / "dev")  # what is half done is not taken for whole


def test_an_extractor_without_a_quantiser_is_refused(dump):
    with pytest.raises(UsageError, match="units-kmeans"):
        units.write_units(dump / "dev", "mel")


@pytest.mark.slow
def test_processes_share_the_work_and_change_nothing(dump, tmp_path):
    file = tmp_path / "km.safetensors"
    call("units-kmeans", "--dump", dump, "--features", "mel", "--centres", 5, "--out", file)
    units.write_units(dump / "dev", f"kmeans:{file}")
    alone = (dump / "dev" / "units.bin").read_bytes()
    (dump / "dev" / units.FACTS).unlink()
    units.write_units(dump / "dev", f"kmeans:{file}", nj=2)
    assert (dump / "dev" / "units.bin").read_bytes() == alone and len(set(alone)) == 5


def test_purity_and_mutual_information_are_those_of_the_table_of_counts():
    rng = np.random.default_rng(0)
    phones = rng.integers(0, 5, 400)
    codes = np.where(rng.random(400) < 0.7, 10 * phones, rng.integers(0, 7, 400))
    table = np.array([[((codes == z) & (phones == y)).mean() for y in range(5)] for z in np.unique(codes)])
    outer = table.sum(1, keepdims=True) * table.sum(0)
    shared = (table * np.log(np.where(table > 0, table, 1) / outer)).sum()
    told = phone_purity(codes, phones)
    assert told[0] == pytest.approx(table.max(1).sum())
    assert told[1] == pytest.approx(shared / -(table.sum(0) * np.log(table.sum(0))).sum())
    assert phone_purity(phones * 3, phones) == (1.0, pytest.approx(1.0))
    assert phone_purity(np.zeros(4, int), np.array([1, 1, 1, 2])) == (0.75, pytest.approx(0.0))
    assert phone_purity(np.array([1, 2]), np.array([3, 3])) == (1.0, 0.0)  # one phone: there is nothing to tell


def test_the_commonest_phone_of_a_code():
    assert commonest(np.array([5, 5, 5, 8, 8]), np.array([1, 2, 2, 4, 3])) == {5: 2, 8: 3}


@pytest.mark.parametrize(("rate", "frames", "wanted"), [
    (75.0, 7, [PAUSE, PAUSE, 20, 20, 20, 21, 21]),
    (37.5, 7, [PAUSE, 20, 21, 21]),  # the middle of a unit is where its second frame begins; the last is a half one
    (50.0, 7, [PAUSE, 20, 20, 21]),  # at 0.75, 2.25, 3.75 and 5.25 frames
])  # fmt: skip
def test_the_phone_of_a_unit_is_that_in_its_middle(rate, frames, wanted):
    stores = {"ids": [1, 20, 21], "durations": [2, 3, 2]}
    clip = Clip(SimpleNamespace(get=lambda name, key: stores[name]), "x")
    assert experiment.unit_phones(clip, len(wanted), rate).tolist() == wanted and frames == 7


def test_logistic_regression_tells_names_where_there_is_something_to_tell():
    rng = np.random.default_rng(0)
    names = ["a", "b", "c"] * 20
    habits = {"a": [8, 1, 1, 1], "b": [1, 8, 1, 1], "c": [1, 1, 8, 1]}

    def clips(alike):
        shares = [np.array(habits["a" if alike else name]) / 11 for name in names]
        return np.stack([occurrence(rng.choice(4, (40, 1), p=share), 4) for share in shares])

    assert np.mean(told_right(clips(False), names, clips(False), names)) == 1.0
    assert np.mean(told_right(clips(True), names, clips(True), names)) < 0.6


def test_pairs_of_random_codes_look_pure_but_tell_nothing_of_other_clips(dump):
    fit_on, judge = experiment.choose(dump, ["train", "dev"], 20)
    assert {c.key for c in fit_on}.isdisjoint(c.key for c in judge) and len(fit_on) == len(judge) == 15

    def phones(clip):
        return experiment.unit_phones(clip, clip.corpus.frames(clip.key), 75.0)[:, None] - PAUSE

    knowing = System("knowing", 75.0, 1, 40, phones)
    chance = random_codes(System("like", 75.0, 2, 40, None))
    rows, records = measure([knowing, chance], fit_on, judge)
    assert [(row["units"], row["book"]) for row in rows] == [("knowing", "0"), *(("random", book) for book in ("0", "1", "all"))]
    assert (records[0]["purity"], records[0]["held_out"], records[0]["used"]) == (1.0, 1.0, 4)  # three phones and the pause
    assert records[0]["pnmi"] == pytest.approx(1.0) and records[0]["bits_per_second"] == pytest.approx(75 * np.log2(40))
    both = records[3]
    assert both["purity"] > 0.7 and both["held_out"] < 0.4 and both["entries"] == 1600 and both["perplexity"] > 300


def test_speakers_without_a_second_utterance_cannot_be_judged(tmp_path):
    write_split(tmp_path / "dev", 1)
    with pytest.raises(DataError, match="not two speakers with two aligned utterances"):
        experiment.choose(tmp_path, ["dev"], 20)


def test_the_table_of_units(dump, tmp_path):
    """k-means over the mel finds the tones and the loudness of who speaks."""
    file = tmp_path / "km.safetensors"
    told = call("units-kmeans", "--dump", dump, "--features", "mel", "--centres", 9, "--out", file)
    assert f"units-kmeans: 9 centres in {file}\n" in told
    call("evaluate", "units", "--dump", dump, "--split", "dev", "--centres", 12, "--extractor", f"kmeans:{file}",
         "--out", tmp_path, "--results", tmp_path / "RESULTS.md")  # fmt: skip
    table = json.loads((tmp_path / "units.json").read_text())
    rows = {row["units"]: row for row in table["rows"]}
    assert list(rows) == [f"kmeans:{file}", "aligner, k-means", "mel, k-means", "random"]
    figures = {record["units"]: record for record in table["clips"]}
    assert figures["mel, k-means"]["held_out"] > 0.6 > figures["random"]["held_out"] + 0.2
    assert figures["mel, k-means"]["speaker"] > 0.8 > figures["random"]["speaker"] + 0.2
    assert rows["mel, k-means"]["entries used"] == "12 of 12" and rows["random"]["units/s"] == "75"
    assert "## Units: what they carry" in (tmp_path / "RESULTS.md").read_text()
