"""``masked``: from a store with units and tokens to a model folder that the synthesiser speaks with."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from codec import Codec
from codec.model import CodecConfig, CodecModel
from codec.units.encoder import UnitEncoder, UnitEncoderConfig
from codec.units.extractor import unit_extractor
from codec.units.unitfile import UnitFacts
from recipes.codes import write_codes
from recipes.export import export
from recipes.store import Store, StoreWriter
from recipes.train.loop import TrainConfig
from recipes.train.masked import MaskedTask, MaskedTraining, main
from recipes.units import FACTS
from tts.api import Controls, Synthesizer
from tts.base.errors import DataError, ModelError, UnavailableError
from tts.models import load_acoustic, masked_tts
from tts.models.masked import OPEN, Sampling
from tts.models.masked_tts import MaskedTts, config_for
from tts.voice import Voice
from vocoder.fourier import VocoderConfig
from vocoder.nn.checkpoint import save_model
from vocoder.nn.config import to_dict

SMALL = {"dim": 16, "hidden": 24, "n_layers": 1, "n_heads": 2, "code_dim": 8}
QUICK = TrainConfig(learning_rate=5e-3, warmup_steps=1, ema_decay=0.5, precision="32-true", report_steps=5)


@pytest.fixture(scope="module")
def parts(tmp_path_factory, model_folder):
    """Folders of the companions, all small: an fs2, a codec, a unit encoder."""
    place = tmp_path_factory.mktemp("parts")
    with torch.random.fork_rng():
        torch.manual_seed(2)
        codec = CodecModel(CodecConfig(
            latent_dim=12, n_q=5, codebook_size=16, dim=12, hidden=16, n_encoder_blocks=1, n_decoder_blocks=1,
            vocoder=VocoderConfig(dim=8, hidden=16, n_blocks=1, n_projections=0),
        ))  # fmt: skip
        units = UnitEncoder(UnitEncoderConfig(16, 24, 2, (2,), (1, 2), 0.0, 2, 12, 8))
        for parameter in [*(book.vectors for book in codec.quantizer.books), units.codebooks, codec.hint.weight]:
            torch.nn.init.normal_(parameter)
    save_model(place / "codec", codec.state_dict(), {"kind": "codec", "model": to_dict(codec.config)}, "# tiny")
    save_model(place / "units", units.state_dict(), {"kind": "units", "model": to_dict(units.config)}, "# tiny")
    (place / "text").symlink_to(model_folder / "fs2")
    return place


@pytest.fixture(scope="module")
def dump(tmp_path_factory, parts):
    """A store of utterances of two readers with random sounds; units repeat the phones, tokens are the codec's."""
    from frontend import analyze

    folder, rng = tmp_path_factory.mktemp("dump"), np.random.default_rng(0)
    clause = analyze("The old house stood near the river.", "en-us").clauses[0]
    for split, count in (("train", 6), ("dev", 2)):
        place, rows = folder / split, []
        shapes = {"mel": ("float16", 100), "f0": ("float32", 0), "units": ("int16", 2), "durations": ("int32", 0),
                  "ids": ("int16", 0), "styles": ("int16", 0), "langs": ("int16", 0)}  # fmt: skip
        stores = {name: StoreWriter(place, name, *shape) for name, shape in shapes.items()}
        for i in range(count):
            durations = rng.integers(1, 6, len(clause.ids))
            phone = np.repeat(np.asarray(clause.ids), durations)
            total = len(phone)
            values = {
                "mel": -5 + np.cos(np.outer(phone, np.arange(100) / 20)), "f0": np.full(total, 120.0 + i % 2 * 80),
                "units": phone[::2, None] % [5, 7], "durations": durations, "ids": clause.ids, "styles": clause.styles,
                "langs": clause.langs,
            }  # fmt: skip
            for name, value in values.items():
                stores[name].add(f"u{i}", value)
            rows.append({"key": f"u{i}", "speaker": "ab"[i % 2], "language": "en-us"})
        for store in stores.values():
            store.close()
        (place / "utterances.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        facts = UnitFacts.of(unit_extractor(f"house:{parts / 'units'}"))
        (place / FACTS).write_text(json.dumps(asdict(facts)))
        assert write_codes(place, Codec.load(parts / "codec")) == count
    return folder


def train(dump, parts, exp, steps, **changes):
    given = {"minutes": 1, "config": QUICK, "units": SMALL, "tokens": SMALL, "max_steps": steps} | changes
    return main(dump, exp, acoustic=parts / "text", codec=parts / "codec", extractor=f"house:{parts / 'units'}", **given)


@pytest.fixture(scope="module")
def folder(dump, parts, tmp_path_factory):
    """A model folder after twenty steps, its companions in it."""
    place = tmp_path_factory.mktemp("masked")
    task = MaskedTask(budget=400)
    torch.manual_seed(0)
    assert train(dump, parts, place / "exp", 20, task=task) == 20
    out = place / "model"
    out.mkdir()
    for name in ("text", "codec", "units"):
        (out / name).symlink_to(parts / name)
    export(place / "exp", dump, out, voices_from_minutes=0.0)
    return out


def test_training_learns_both_parts_and_one_alone_leaves_the_other(dump, parts, folder, tmp_path):
    rows = [json.loads(line) for line in (folder.parent / "exp" / "metrics.jsonl").read_text().splitlines()]
    assert rows[3]["units"] < 0.8 * rows[0]["units"] and rows[3]["tokens"] < rows[0]["tokens"] and "dev/tokens" in rows[-1]
    train(dump, parts, tmp_path / "exp", 2, task=MaskedTask(part="tokens", budget=400), warm_start=folder)
    (tmp_path / "out").mkdir()
    for name in ("text", "codec", "units"):
        (tmp_path / "out" / name).symlink_to(parts / name)
    export(tmp_path / "exp", dump, tmp_path / "out", voices_from_minutes=1000.0)
    before, after = (load_acoustic(place)[0] for place in (folder, tmp_path / "out"))
    assert torch.equal(before.units.enter.weight, after.units.enter.weight)
    assert not torch.equal(before.tokens.enter.weight, after.tokens.enter.weight)


def test_tokens_may_learn_from_the_units_that_the_model_finds(dump, parts, folder, monkeypatch):
    """Beyond a prompt they hear what they will hear in synthesis; items that are not told hear the recording."""
    speaker, _ = load_acoustic(parts / "text")
    model, _ = load_acoustic(folder)
    job = MaskedTraining(dump, model, speaker.variance, MaskedTask(budget=400, told=0.5, prompts=1.0))
    batch = job.told(job.collated("train", ["u0", "u1", "u2", "u3"], np.random.default_rng(5)))
    batch["tell"] = torch.tensor([True, False, True, False])
    heard = []

    def columns(units, *rest):
        heard.append(units)
        return MaskedTts.token_columns(model, units, *rest)

    monkeypatch.setattr(model, "token_columns", columns)
    model.loss(batch, ("tokens",))
    phones = model.unit_columns(batch["hidden"], batch["durations"], 2 * batch["units"].shape[2])
    found, real = model.likeliest(phones, batch["unit_mask"], batch["style"]), batch["unit_mask"]
    for i, tells in enumerate(batch["tell"].tolist()):
        first = 2 * int(batch["prompt"][i].sum())
        assert first and torch.equal(heard[0][i, :, :first], batch["units"][i, :, :first])
        rest = (found if tells else batch["units"])[i, :, first:]
        assert torch.equal(heard[0][i, :, first:][:, real[i, first:]], rest[:, real[i, first:]])
    assert (found != batch["units"])[:, :, 8:].any()
    plain = MaskedTraining(dump, model, speaker.variance, MaskedTask(budget=400))
    assert "tell" not in plain.told(plain.collated("train", ["u0"], np.random.default_rng(0)))


def test_tokens_go_into_a_grid_of_levels_and_back(parts):
    model = tiny(parts)
    assert model.config.tokens.levels == (12, 4, 4) and model.config.tokens.rows_a_book == 4
    codes = torch.randint(0, 16, (2, 5, 12))
    grid = model.grid_of(codes)
    assert grid.shape == (2, 20, 3) and torch.equal(grid[:, 4:8, 1], codes[:, 1, 4:8])  # book 1, frames 4 to 7
    assert torch.equal(model.codes_of(grid), codes)
    first = tiny(parts, levels=[12])
    assert first.config.n_books == 3 and torch.equal(first.codes_of(first.grid_of(codes)), codes[:, :3])
    with pytest.raises(ModelError, match="5 books"):
        tiny(parts, levels=[12, 12])


def tiny(parts, **changes):
    text, facts = load_acoustic(parts / "text")
    extractor = unit_extractor(f"house:{parts / 'units'}")
    torch.manual_seed(0)
    return MaskedTts(config_for(text, facts["model_id"], Codec.load(parts / "codec"), extractor, SMALL, SMALL | changes)).eval()


def test_stored_tokens_are_those_of_the_recording_and_are_made_once(dump, parts):
    store, mel = Store(dump / "train", "codes"), Store(dump / "train", "mel")
    model = Codec.load(parts / "codec").model
    found = model.encode_mel(torch.from_numpy(mel["u1"].astype(np.float32))[None])[0]
    assert np.array_equal(store["u1"].T, found.numpy())
    stamp = (dump / "train" / "codes.bin").stat().st_mtime_ns
    write_codes(dump / "train", Codec.load(parts / "codec"))
    assert (dump / "train" / "codes.bin").stat().st_mtime_ns == stamp


def test_speech_streams_is_repeatable_and_obeys(folder, monkeypatch):
    for name in ("UNITS", "TOKENS"):
        monkeypatch.setattr(masked_tts, name, Sampling(8, temperature=1.0, top_share=0.5))  # books here are small
    synthesizer = Synthesizer(folder)
    synthesizer.warm()
    with torch.no_grad():  # it has hardly learned to listen
        for model in (synthesizer._acoustic.units, synthesizer._acoustic.tokens):
            model.columns.weight.mul_(10.0)
    voice = synthesizer.voices()[0].name
    request = {"voice": voice, "language": "en-us", "watermark": False, "reason": "test"}
    text = "The house. The river."
    said = synthesizer.synth(text, **request)
    chunks = list(synthesizer.stream(text, **request))
    assert np.array_equal(said.samples, np.concatenate([chunk.samples for chunk in chunks]))
    assert np.array_equal(said.samples, synthesizer.synth(text, **request).samples) and np.abs(said.samples).max() > 0
    for change in ({"seed": 1}, {"steps": 1}, {"guidance": 3.0}, {"controls": Controls(pitch_st=9.0)}):
        other = synthesizer.synth(text, **request, **change)
        assert len(other.samples) == len(said.samples) and not np.array_equal(other.samples, said.samples), change
    softer = synthesizer.synth(text, **request, controls=Controls(energy_db=-6.0)).samples
    assert np.abs(softer).sum() < 0.8 * np.abs(said.samples).sum()
    assert len(synthesizer.synth(text, **request, controls=Controls(rate=2.0)).samples) < 0.7 * len(said.samples)


def test_passes_are_at_most_those_asked_for(folder, monkeypatch):
    model, _ = load_acoustic(folder)
    from frontend import analyze

    passes = {"units": 0, "tokens": 0}
    for name in passes:
        module = getattr(model, name)
        forward = module.forward

        def counted(*given, name=name, forward=forward):
            passes[name] += 1
            return forward(*given)

        monkeypatch.setattr(module, "forward", counted)
    clause = analyze("The old house stood near the river.", "en-us").clauses[0]
    voice = model.variance.voice(torch.randn(200, 100) - 5)
    with torch.inference_mode():
        plan = model.variance.plan(clause, voice)
    mel, f0, hint = model.infer(clause, voice, plan)
    assert passes == {"units": 8, "tokens": 8 + 2}
    assert len(mel) == len(f0) == len(hint) == plan.durations.sum()


def test_the_prompt_is_heard_and_stays(folder, monkeypatch):
    model, _ = load_acoustic(folder)
    torch.manual_seed(0)
    mel = torch.randn(200, 100) - 5
    voice = model.variance.voice(mel)
    codes = model.companions.codec.model.encode_mel(mel[25:173][None])
    assert torch.equal(voice.prompt.grid, model.grid_of(codes)[0])
    asked, sample = [], model.tokens.sample

    def watched(known, *rest):
        asked.append(known.clone())
        return sample(known, *rest)

    monkeypatch.setattr(model.tokens, "sample", watched)
    from frontend import analyze

    clause = analyze("The house.", "en-us").clauses[0]
    with torch.inference_mode():
        model.infer(clause, voice, model.variance.plan(clause, voice))
    (known,) = asked
    assert torch.equal(known[0, :, :37], voice.prompt.grid) and (known[0, :, 37:] == OPEN).all()
    assert model.variance.voice(mel[:3]).prompt is None


def test_a_cloned_voice_speaks(folder):
    rng = np.random.default_rng(0)
    voice = Voice("anna", (rng.standard_normal((150, 100)) - 5).astype(np.float32), consent={"kind": "statement"})
    said = Synthesizer(folder).synth("The house.", voice=voice, language="en-us")
    assert np.isfinite(said.samples).all() and said.provenance["watermark"]["applied"]


def test_other_companions_are_refused_by_name(folder, parts, dump, tmp_path):
    place = tmp_path / "model"
    place.mkdir()
    for path in Path(folder).iterdir():
        if path.name != "text":
            (place / path.name).symlink_to(path)
    with pytest.raises(UnavailableError, match="is not installed"):
        load_acoustic(place)
    (place / "text").symlink_to(parts / "text")
    (place / "codec").unlink()
    with pytest.raises(ModelError, match="speaks by codec"):
        load_acoustic(place)
    model = tiny(parts)
    (dump / "train" / "codes.facts.json").write_text(json.dumps({"codec": "other", "weights": "00"}))
    with pytest.raises(DataError, match="codes are those of 00"):
        MaskedTraining(dump, model, load_acoustic(parts / "text")[0].variance, MaskedTask())
