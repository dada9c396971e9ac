"""The three trainings of ZMM-TTS on a store made of noise: they learn, resume to the bit, and become models that speak."""

import json
import shutil
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import codec.units.extractor as extractors
from codec.units.extractor import UnitExtractor
from codec.units.unitfile import UnitFacts
from recipes.evaluate.house import House
from recipes.export import export
from recipes.spelled import characters_of, spelling_of, write_spellings
from recipes.store import Store, StoreWriter
from recipes.train import txt2vec, vec2mel, vec2wav
from recipes.train.loop import TrainConfig
from recipes.train.unit_corpus import Books, UnitCorpus
from recipes.units import FACTS
from tts.api import Synthesizer
from tts.base.errors import DataError, ModelError, NoInputError, UsageError
from tts.models.txt2vec import load_txt2vec
from tts.models.units import NO_CODE
from vocoder.nn.checkpoint import load_config

CONFIG = TrainConfig(learning_rate=3e-3, warmup_steps=2, precision="32-true", report_steps=2, validate_steps=10_000,
                     ema_decay=0.5)  # fmt: skip
TEXT = {"dim": 16, "hidden": 24, "n_phone_blocks": 1, "n_style_blocks": 1, "n_blocks": 2, "dropout": 0.0}
TXT2VEC = {"hidden": 24, "n_blocks": 1, "dropout": 0.0}
VEC2MEL = {"dim": 16, "hidden": 24, "n_unit_blocks": 1, "n_frame_blocks": 2}
VEC2WAV = {"dim": 16, "hidden": 24, "n_stage_blocks": 1, "codebook_size": 8, "n_frame_blocks": 1}
GENERATOR = {"dim": 16, "hidden": 24, "n_blocks": 1}
SENTENCES = {"en-us": "The black cat sat on the mat.", "de": "Der Hund lief über die Brücke."}


class Fake(UnitExtractor):
    name, dim, sample_rate, frame_rate = "fake", 12, 24_000, 37.5

    def __init__(self):
        self.codebooks = torch.randn(2, 20, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", autouse=True)
def fake():
    kept = dict(extractors._KINDS)
    extractors._KINDS["fake"] = lambda place, download: Fake()
    yield
    extractors._KINDS.clear()
    extractors._KINDS.update(kept)


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    """Real phones of two sentences, said again and again; each phone has its own code and its own mel."""
    import frontend

    root, rng = tmp_path_factory.mktemp("dump"), np.random.default_rng(0)
    clauses = {tag: frontend.analyze_many([text], [tag], join=True)[0].clauses[0] for tag, text in SENTENCES.items()}
    tones, table = rng.standard_normal((300, 100)).cumsum(1) / 5, rng.integers(0, 20, (300, 2))
    kinds = {"wav": ("int16", 0), "mel": ("float16", 100), "f0": ("float32", 0), "ids": ("int16", 0), "styles": ("int16", 0),
             "langs": ("int16", 0), "durations": ("int32", 0), "units": ("int16", 2)}  # fmt: skip
    for split, count in (("train", 8), ("dev", 2)):
        writers, rows = {name: StoreWriter(root / split, name, *kind) for name, kind in kinds.items()}, []
        for i in range(count):
            tag, key = list(clauses)[i % 2], f"{split}{i}"
            clause = clauses[tag]
            durations = np.where(clause.ids == 2, 0, rng.integers(3, 7, len(clause)))
            phones = np.repeat(clause.ids, durations)
            rows.append({"key": key, "speaker": f"s{i % 3}", "language": tag, "gender": "f", "bandwidth_hz": 12_000,
                         "corpus": "x", "text": SENTENCES[tag]})  # fmt: skip
            values = {"wav": 3000 * np.sin(np.arange(len(phones) * 320) / 25), "mel": tones[phones] - 5,
                      "f0": np.where(phones % 3, 150.0, 0.0), "ids": clause.ids, "styles": clause.styles, "langs": clause.langs,
                      "durations": durations, "units": table[phones[::2]]}  # fmt: skip
            for name, value in values.items():
                writers[name].add(key, value)
        for writer in writers.values():
            writer.close()
        (root / split / FACTS).write_text(json.dumps(asdict(UnitFacts.of(Fake()))))
        (root / split / "utterances.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return root


def rows_of(exp):
    return [json.loads(line) for line in (exp / "metrics.jsonl").read_text().splitlines()]


def weights(exp):
    from safetensors.torch import load_file

    return load_file(sorted(exp.glob("step-*"))[-1] / "ema.safetensors")


def train(name, dump, exp, steps, **given):
    torch.manual_seed(0)  # of the first weights
    task = {"extractor": "fake", **given.pop("task", {})}
    if name == "txt2vec":
        given = {"text": TEXT, "model": TXT2VEC} | given
        return txt2vec.main(dump, exp, 5, task=txt2vec.Txt2vecTask(budget=400, **task), config=CONFIG, max_steps=steps, **given)
    if name == "vec2mel":
        task = vec2mel.Vec2melTask(budget=400, **{"adversarial_from": 4, **task})
        return vec2mel.main(dump, exp, 5, model=VEC2MEL, task=task, config=CONFIG, max_steps=steps, **given)
    task = vec2wav.Vec2wavTask(**{"crop_frames": 16, "batch_size": 3, "wave_from": 2, "adversarial_from": 4, **task})
    return vec2wav.main(dump, exp, 5, model=VEC2WAV, generator=GENERATOR, task=task, config=CONFIG, max_steps=steps, **given)


@pytest.fixture(scope="module")
def trained(dump, tmp_path_factory):
    """All three, trained for some steps in two calls, and exported."""
    root = tmp_path_factory.mktemp("exp")
    for name, steps in (("txt2vec", 60), ("vec2mel", 12), ("vec2wav", 6)):
        assert train(name, dump, root / name, steps // 2) == steps // 2
        assert train(name, dump, root / name, steps) == steps
    for name, out in (("txt2vec", "txt2vec"), ("vec2mel", "zmm1"), ("vec2wav", "zmm2")):
        text = None if name == "txt2vec" else root / "models" / "txt2vec"
        export(root / name, dump, root / "models" / out, dtype="float32", voices_from_minutes=0.0, txt2vec=text)
    return root


def test_losses_fall_and_every_part_joins_in_its_turn(trained):
    text = rows_of(trained / "txt2vec")
    assert text[-2]["codes"] < 0.7 * text[0]["codes"] and text[-2]["vectors"] < 0.9 * text[0]["vectors"]
    assert text[-1]["dev/right"] > 0.3  # a code says its phone, 1 in 20 by chance
    mel = rows_of(trained / "vec2mel")
    assert "adversarial" not in mel[0] and {"adversarial", "features", "d"} <= mel[-2].keys()
    assert mel[-2]["mel"] < mel[0]["mel"]
    wav = rows_of(trained / "vec2wav")
    wav, judged = [row for row in wav if "rate" in row], wav[-1]
    assert "mel" not in wav[0] and "mel" in wav[1] and "d" not in wav[1] and "d" in wav[2]
    assert {"head/mel", "commitment", "prior", "frame", "coarse/perplexity", "fine/perplexity"} <= wav[0].keys()
    assert wav[-1]["fine/perplexity"] > 2 and judged["dev/mel_l1"] > 0


@pytest.mark.parametrize("name", ["vec2mel", "vec2wav"])
def test_a_resumed_training_has_the_bits_of_an_uninterrupted_one(dump, tmp_path, name):
    task = {"adversarial_from": None} if name == "vec2mel" else {"wave_from": 2, "adversarial_from": 9}
    for folder, stops in (("whole", (4,)), ("parts", (2, 4))):
        for stop in stops:
            train(name, dump, tmp_path / folder, stop, task=dict(task))
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("kind", ["zmm1", "zmm2"])
def test_exported_halves_speak(trained, kind):
    speaker = Synthesizer(trained / "models" / kind)
    speech = speaker.synth("The cat sat.", language="en")
    assert len(speech.samples) and np.isfinite(speech.samples).all()
    assert {voice.name for voice in speaker.voices()} == {"s0", "s1", "s2"}
    config = load_config(trained / "models" / kind)
    assert config["txt2vec"] == load_config(trained / "models" / "txt2vec")["model_id"] and config["units_id"] == Fake().units_id
    assert (trained / "models" / kind / "vocoder").is_dir() == (kind == "zmm2")
    assert not (trained / "models" / kind / "txt2vec").exists()  # it lies beside


def test_a_recording_is_copied_through_its_units(trained, tmp_path, monkeypatch):
    """As long as the recording, and what the decoder makes of its units, whatever its text; other units are refused."""
    house = House.load(trained / "models" / "zmm1")
    wav = np.sin(np.arange(320 * 61 + 100) / 20).astype(np.float32) / 3
    codes = torch.randint(20, (1, 31, 2), generator=torch.Generator().manual_seed(3))
    monkeypatch.setattr(Fake, "units", lambda self, wav: codes, raising=False)
    monkeypatch.setitem(extractors._KINDS, "house", lambda place, download: Fake())
    clip = SimpleNamespace(id="x", speaker="s0", language="en-us", gender="f", text="not read")
    made = house.copied(clip, wav)
    assert len(made.wav) == 320 * 61 and np.isfinite(made.wav).all() and made.voice == "s0"
    again = house.copied(clip, 0 * wav)
    assert np.array_equal(made.wav, again.wav)
    codes = codes.flip(1)
    assert not np.array_equal(made.wav, house.copied(clip, wav).wav)
    monkeypatch.setattr(house.synthesizer, "_config", house.synthesizer._config | {"units_id": "0" * 16})
    with pytest.raises(ModelError, match="installed extractor"):
        house.copied(clip, wav)


def test_a_model_elsewhere_takes_its_text_half_with_it(trained, dump, tmp_path):
    export(trained / "vec2mel", dump, tmp_path / "mine", voices_from_minutes=0.0, txt2vec=trained / "models" / "txt2vec")
    assert (tmp_path / "mine" / "txt2vec" / "config.json").exists() and Synthesizer(tmp_path / "mine").voices()
    with pytest.raises(UsageError, match="--txt2vec"):
        export(trained / "vec2mel", dump, tmp_path / "mine")
    with pytest.raises(ModelError, match="'acoustic', 'txt2vec' is needed"):
        export(trained / "vec2mel", dump, tmp_path / "mine", txt2vec=trained / "models" / "zmm1")


def test_a_vocoder_may_be_fitted_to_predicted_mels(trained, dump, tmp_path):
    from recipes.train.acoustic import predict_mels

    assert predict_mels(trained / "models" / "zmm1", dump, tmp_path, utterances=5) == 5
    mels, frames = Store(tmp_path, "mel"), Store(dump / "train", "f0")
    assert all(mels.rows(key) == frames.rows(key) for key in mels.items) and np.isfinite(mels.array).all()


def test_few_shot_begins_from_an_exported_model(trained, dump, tmp_path):
    for name, kind in (("txt2vec", "txt2vec"), ("vec2mel", "zmm1"), ("vec2wav", "zmm2")):
        given = {"text": None, "model": None} if name == "txt2vec" else {}  # sizes are those of the model
        train(name, dump, tmp_path / name, 0, warm_start=trained / "models" / kind, **given)
        own, before = weights(tmp_path / name), weights(trained / name)
        shipped = [key for key in own if ".ema_" not in key and not key.startswith("rebuild")]
        assert all(torch.equal(own[key], before[key]) for key in shipped), name
        assert json.loads((tmp_path / name / "model.json").read_text())["began_from"]["steps"] > 0
    corpus = UnitCorpus(dump, Books.of("fake"), False, 1200)
    corpus.books = replace(corpus.books, facts=replace(corpus.books.facts, units_id="0"))
    with pytest.raises(ModelError, match="these are 0"):
        vec2mel.sized(vec2mel.Vec2melConfig, corpus, None, trained / "models" / "zmm1")


def test_the_text_side_of_an_acoustic_model_is_a_start(dump, tmp_path):
    from tts.registry import HOUSE

    corpus = UnitCorpus(dump, Books.of("fake"), True, 1200)
    net = txt2vec.build(corpus, {"languages": [1, 2, 3, 4, 5]}, None, txt2vec.Txt2vecTask())
    start = {name: value.clone() for name, value in net.state_dict().items()}
    assert txt2vec.take_over(net, HOUSE / "fs2") > 60
    moved = {name for name, value in net.state_dict().items() if not torch.equal(value, start[name])}
    assert {name.split(".")[0] for name in moved} == {"text", "duration"}
    with pytest.raises(ModelError, match="a speaker has no text side"):
        txt2vec.take_over(net, HOUSE / "speaker")


def test_letters_are_a_front_end_too(dump, tmp_path):
    folder = shutil.copytree(dump, tmp_path / "dump")
    assert [write_spellings(folder / split) for split in ("train", "dev")] == [
        {"utterances": 8, "left_out": 0}, {"utterances": 2, "left_out": 0}]  # fmt: skip
    corpus = UnitCorpus(folder, Books.of("fake"), True, 1200).train
    assert set(characters_of(corpus)) == {c for s in SENTENCES.values() for c in s.lower() if c.isalpha()}
    spelling = spelling_of(corpus, "train0")
    durations = corpus.get("durations", "train0")
    assert spelling.durations(durations).sum() == durations.sum() and len(spelling.phone_groups) == len(durations)
    train("txt2vec", folder, tmp_path / "exp", 3, model=TXT2VEC | {"front": "characters"})
    export(tmp_path / "exp", folder, tmp_path / "txt2vec")
    model, config = load_txt2vec(tmp_path / "txt2vec")
    assert model.config.characters == characters_of(corpus) and "inventory" not in config


def test_units_that_do_not_fit_are_refused(dump, tmp_path):
    def changed(name, units):
        folder = shutil.copytree(dump, tmp_path / name)
        store = Store(dump / "train", "units")
        with StoreWriter(folder / "train", "units", "int16", units(store["train0"]).shape[1]) as writer:
            for key in store.items:
                writer.add(key, units(store[key]))
        return folder

    books = Books.of("fake")
    for name, units, message in (
        ("beyond", lambda codes: codes + 1, "20"),
        ("books", lambda codes: np.concatenate([codes, codes[:, :1]], axis=1), r"\[units, 2\] integers"),
        ("clock", lambda codes: codes[::2], "units for .* frames; .* are expected"),
    ):
        with pytest.raises(DataError, match=message):
            UnitCorpus(changed(name, units), books, True, 1200)
    with pytest.raises(DataError, match="its units are of fake"):
        UnitCorpus(dump, replace(books, facts=replace(books.facts, units_id="0")), True, 1200)
    one_less = UnitCorpus(changed("edge", lambda codes: codes[:-1]), books, True, 1200)
    assert len(one_less.units("train", "train0")) == books.config.n_units(one_less.frames["train0"])


def test_a_crop_at_the_edge_has_no_units_outside(dump):
    corpus = UnitCorpus(dump, Books.of("fake"), False, 10**9)
    net = vec2wav.Whole(vec2wav.sized(vec2wav.Vec2wavConfig, corpus, VEC2WAV), vec2wav.VocoderConfig(**GENERATOR))
    task = vec2wav.Vec2wavTask(crop_frames=16, batch_size=3, extractor="fake")
    job = vec2wav.Vec2wavTraining(dump, corpus, net, task)
    crop, units = job.crops("train", ["train0"], [0]), corpus.units("train", "train0")
    lead, heard = crop["units"][0].split([vec2wav.AROUND, crop["units"].shape[1] - vec2wav.AROUND])
    assert (lead == NO_CODE).all() and np.array_equal(heard, units[: len(heard)])
    assert crop["mel"].shape[1] * 320 == crop["wav"].shape[1] == job.size * 320
    later = job.crops("train", ["train0"], [3])
    assert np.array_equal(later["mel"][0], np.asarray(corpus.train.get("mel", "train0")[6 : 6 + job.size], np.float32))
    assert np.array_equal(later["units"][0, vec2wav.AROUND], units[3])
    with pytest.raises(UsageError, match="before the waveform"):
        vec2wav.Vec2wavTraining(dump, corpus, net, vec2wav.Vec2wavTask(wave_from=9, adversarial_from=3))


def test_decoders_learn_from_told_units(trained, dump, tmp_path):
    """What a txt2vec tells of an utterance is what it says of its phones, and a share of the training has it in their place."""
    mine = tmp_path / "dump"
    shutil.copytree(dump, mine)
    corpus = UnitCorpus(mine, Books.of("fake"), False, 10**9)
    with pytest.raises(NoInputError, match="told units"):
        corpus.sound("train", ["train0"], np.random.default_rng(0), told=1.0)
    assert txt2vec.tell_units(trained / "models" / "txt2vec", mine) == {"train": 8, "dev": 2}
    corpus, model = UnitCorpus(mine, Books.of("fake"), False, 10**9), load_txt2vec(trained / "models" / "txt2vec")[0]
    keys = [f"train{i}" for i in range(8)]
    columns = {name: corpus.train.get(name, "train4") for name in ("ids", "styles", "langs")}
    phones = SimpleNamespace(**columns, text="", words=())
    told = corpus.units("train", "train4", told=True)
    assert (told == corpus.told("train")["train4"]).all() and (told != corpus.units("train", "train4")).any()
    spoken = model.units(phones, corpus.embeddings("train", ["train4"], np.random.default_rng(1))[0],
                         corpus.train.get("durations", "train4"))[0][0]  # fmt: skip
    assert (spoken.numpy() == told).mean() > 0.9  # of another utterance of the speaker
    draws = [corpus.sound("train", keys, np.random.default_rng(i), told=0.5)["units"] for i in range(20)]
    real = corpus.sound("train", keys, np.random.default_rng(0))["units"]
    assert 0.3 < np.mean([(units == real).flatten(1).all(1).float().mean() for units in draws]) < 0.7
    for name in ("vec2mel", "vec2wav"):
        assert train(name, mine, tmp_path / name, 6, task={"told": 1.0}) == 6
        assert train(name, mine, tmp_path / f"{name}-real", 6) == 6
        told, real = weights(tmp_path / name), weights(tmp_path / f"{name}-real")
        assert any((told[tensor] != real[tensor]).any() for tensor in told)
    with pytest.raises(ModelError, match="units"):
        facts = UnitFacts.of(Fake())
        (mine / "train" / FACTS).write_text(json.dumps(asdict(replace(facts, units_id="0" * 12))))
        txt2vec.tell_units(trained / "models" / "txt2vec", mine)
