"""ZMM-TTS, tiny: the clock of units, both losses, layers that can be left out, letters, the bottleneck, speech of both kinds."""

import math
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from frontend import inventory
from tts.api import Synthesizer
from tts.base.errors import DataError, ModelError, UnavailableError
from tts.models import load_acoustic
from tts.models.speaker import SpeakerEncoder
from tts.models.spelling import shared, spell
from tts.models.text import TextConfig
from tts.models.txt2vec import Txt2vec, Txt2vecConfig
from tts.models.units import NO_CODE, LayersConfig, UnitsConfig, check_codes, first_of_units, to_frames, to_units
from tts.models.vec2mel import Vec2mel, Vec2melConfig
from tts.models.vec2wav import Vec2wav, Vec2wavConfig
from vocoder.fourier import FourierVocoder, VocoderConfig
from vocoder.nn.checkpoint import save_model
from vocoder.nn.config import to_dict

LANGUAGES = (1, 2)  # en-us, de
UNITS = UnitsConfig(2, 12, 6)
XLSR = replace(UNITS, rate=50.0)
LAYERS = LayersConfig(LANGUAGES)


def alive(model):
    """The model with no layer that is zero, so that everything before it matters."""
    torch.manual_seed(1)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def text_model(units=UNITS, **changes):
    torch.manual_seed(0)
    changes = dict(changes)
    sizes = {"n_symbols": inventory.size(), "languages": LANGUAGES, **changes.pop("text", {})}
    text = TextConfig(dim=16, hidden=24, n_phone_blocks=1, n_style_blocks=1, n_blocks=2, dropout=0.0, **sizes)
    model = alive(Txt2vec(Txt2vecConfig(text, units=units, hidden=24, n_blocks=1, dropout=0.0, **changes)))
    model.codebooks.copy_(torch.randn(model.codebooks.shape))
    model.duration.out.bias.data = torch.tensor([np.log(7.0), 2.0], dtype=torch.float32)
    return model


def decoder(kind, units=UNITS, layers=LAYERS):
    torch.manual_seed(0)
    if kind == "zmm1":
        model = Vec2mel(Vec2melConfig(units, layers, dim=16, hidden=24, n_unit_blocks=1, n_frame_blocks=2, style_dim=8))
    else:
        model = Vec2wav(Vec2wavConfig(units, layers, dim=16, hidden=24, n_stage_blocks=1, codebook_size=5, n_frame_blocks=2,
                                      style_dim=8))  # fmt: skip
    model.table.codebooks.copy_(torch.randn(model.table.codebooks.shape))
    if kind == "zmm2":
        codes = torch.randint(0, units.codebook_size, (20, 60, units.n_books))
        model.initialise([(codes, torch.ones(20, 60, dtype=torch.bool))], torch.Generator().manual_seed(0))
    return alive(model)


def batch_of(units=UNITS, lengths=((6, 41), (9, 60)), seed=0):
    """A batch of both trainings: utterances of (phones, frames)."""
    rng = torch.Generator().manual_seed(seed)
    phones, frames = (max(sizes) for sizes in zip(*lengths, strict=True))
    size, most = len(lengths), units.n_units(frames)

    def whole(high, *shape):
        return torch.randint(0, high, shape, generator=rng)

    batch = {"ids": 7 + whole(100, size, phones), "langs": 1 + whole(2, size, 1).expand(-1, phones).clone(),
             "durations": torch.zeros(size, phones, dtype=torch.long), "units": whole(units.codebook_size, size, most, 2),
             "languages": 1 + whole(2, size, 1).expand(-1, most).clone(), "speaker": torch.randn(size, 192, generator=rng),
             "mel": torch.randn(size, frames, 100, generator=rng) - 5, "bandwidth": torch.tensor([12_000.0, 8_000.0][:size]),
             "log_f0": 5 + torch.randn(size, frames, generator=rng) / 10}  # fmt: skip
    batch["styles"] = 16 * batch["langs"] + whole(3, size, phones)
    batch["voiced"] = (torch.rand(size, frames, generator=rng) > 0.3).float()
    for i, (n, t) in enumerate(lengths):
        cuts = torch.randperm(t - 1, generator=rng)[: n - 1].sort().values + 1
        batch["durations"][i, :n] = torch.cat([cuts, torch.tensor([t])]).diff(prepend=torch.tensor([0]))
        batch["units"][i, units.n_units(t) :] = NO_CODE
    return batch | {"text_lengths": torch.tensor([n for n, _ in lengths]), "frame_lengths": torch.tensor([t for _, t in lengths]),
                    "unit_lengths": torch.tensor([units.n_units(t) for _, t in lengths])}  # fmt: skip


def alone(batch, units, i):
    """Row i without its padding."""
    sizes = {"ids": "text_lengths", "styles": "text_lengths", "langs": "text_lengths", "durations": "text_lengths",
             "units": "unit_lengths", "languages": "unit_lengths", "mel": "frame_lengths", "log_f0": "frame_lengths",
             "voiced": "frame_lengths"}  # fmt: skip
    return {k: v[i : i + 1, : int(batch[sizes[k]][i])] if k in sizes else v[i : i + 1] for k, v in batch.items()}


@pytest.mark.parametrize("units", [UNITS, XLSR], ids=["37.5", "50"])
def test_the_clocks_of_units_and_frames_agree(units):
    assert units.clock == {37.5: Fraction(2), 50.0: Fraction(3, 2)}[units.rate]
    times = torch.arange(30)[None, :, None].float() + 0.5  # centres of frames
    mask = torch.ones(1, 30, dtype=torch.bool)
    found = to_units(times, mask, units.clock)[0, :, 0]
    centres = (torch.arange(len(found)) + 0.5) * float(units.clock)
    assert len(found) == units.n_units(30) and (found - centres).abs().max() <= 0.25
    back = to_frames(centres[None, :, None], torch.ones(1, len(centres), dtype=torch.bool), 30, units.clock)
    inside = slice(1, -1)
    torch.testing.assert_close(back[0, inside, 0], times[0, inside, 0])
    starts = [math.floor(u * units.clock) for u in range(len(found))]
    assert first_of_units(torch.arange(30)[None], units.clock)[0].tolist() == starts


@pytest.mark.parametrize("units", [UNITS, XLSR], ids=["37.5", "50"])
def test_padding_changes_no_real_unit_or_frame(units):
    batch, models = batch_of(units), [text_model(units), decoder("zmm1", units), decoder("zmm2", units)]
    for name, of, rubbish in (("ids", "text", 20), ("durations", "text", 3), ("languages", "unit", 2), ("langs", "text", 1)):
        real = torch.arange(batch[name].shape[1])[None] < batch[f"{of}_lengths"][:, None]
        batch[name] = torch.where(real, batch[name], rubbish) if name != "durations" else batch[name] * real

    def outputs(b):
        mask = b["units"][..., 0] != NO_CODE
        frames = torch.arange(b["mel"].shape[1])[None] < b["frame_lengths"][:, None]
        scratch: dict = {}
        models[0].loss(b, scratch)
        return [scratch["logits"], *(m(b["units"], b["speaker"], b["languages"], mask, frames)[0] for m in models[1:])]

    with torch.inference_mode():
        together = outputs(batch)
        for i in range(2):
            for a, b, name in zip(together, outputs(alone(batch, units, i)), ("unit", "frame", "frame"), strict=True):
                n = int(batch[f"{name}_lengths"][i])
                torch.testing.assert_close(a[i, :n], b[0, :n], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["txt2vec", "zmm1", "zmm2"])
def test_gradients_reach_every_parameter(kind):
    model, batch = (text_model() if kind == "txt2vec" else decoder(kind)).train(), batch_of(lengths=((6, 41), (9, 60)))
    if kind == "zmm2":
        from tts.models.vec2mel import decoder_losses

        mask, scratch = batch["units"][..., 0] != NO_CODE, {}
        frames = torch.arange(60)[None] < batch["frame_lengths"][:, None]
        decoded = model(batch["units"], batch["speaker"], batch["languages"], mask, frames, scratch)
        losses = decoder_losses(decoded, batch) | {name: scratch[name] for name in ("commitment", "prior")}
    else:
        losses = model.loss(batch)
    sum(losses.values()).backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not still


def test_the_two_losses_are_what_they_say():
    model, batch = text_model(), batch_of()
    codes, real = batch["units"], batch["units"][..., 0] != NO_CODE
    logits = torch.randn(*codes.shape, UNITS.codebook_size)
    losses = model.unit_losses(logits, codes)
    p, total, distance = logits.softmax(-1), 0.0, 0.0
    for b, u in real.nonzero():
        for g in range(2):
            total -= p[b, u, g, codes[b, u, g]].log()
            distance += (p[b, u, g] @ model.codebooks[g] - model.codebooks[g][codes[b, u, g]]).abs().mean()
    n = 2 * int(real.sum())
    torch.testing.assert_close(losses["codes"], total / n)
    torch.testing.assert_close(losses["vectors"], distance / n / model.codebooks.std())
    sure = 50 * F.one_hot(codes.clamp(min=0), UNITS.codebook_size).float()
    assert max(float(x) for x in model.unit_losses(sure, codes).values()) < 1e-5
    squared = text_model(regression="mse", class_weight=1 / math.log(10)).unit_losses(sure * 0, codes)
    assert float(squared["codes"]) == pytest.approx(math.log10(UNITS.codebook_size), rel=1e-5)  # the released code's decimal logs
    assert set(text_model(class_weight=0.0).unit_losses(logits, codes)) == {"vectors"}
    assert set(text_model(regression_weight=0.0).unit_losses(logits, codes)) == {"codes"}
    with pytest.raises(ModelError, match="without both losses"):
        text_model(class_weight=0.0, regression_weight=0.0)


def test_layers_of_speaker_and_language_can_be_left_out():
    none, batch = LayersConfig(speaker=False), batch_of()
    other = {**batch, "speaker": -batch["speaker"], "languages": 3 - batch["languages"]}
    for model in (decoder("zmm1"), decoder("zmm1", layers=none), decoder("zmm2", layers=none)):
        mask, frames = batch["units"][..., 0] != NO_CODE, torch.ones(2, 60, dtype=torch.bool)
        with torch.inference_mode():
            a, b = (model(x["units"], x["speaker"], x["languages"], mask, frames)[0] for x in (batch, other))
        assert torch.equal(a, b) == (model.config.layers == none)
    blind = text_model(speaker=False, text={"languages": ()})
    scratch, changed = {}, {}
    with torch.inference_mode():
        blind.loss(batch, scratch)
        blind.loss({**batch, "speaker": -batch["speaker"], "langs": 3 - batch["langs"]}, changed)
    assert torch.equal(scratch["logits"], changed["logits"])
    assert not [name for name in blind.state_dict() if name.startswith(("layers.", "timing."))]


def test_behind_the_bottleneck_is_only_what_the_codes_say():
    model, batch = decoder("zmm2"), batch_of()
    mask, frames = batch["units"][..., 0] != NO_CODE, torch.arange(60)[None] < batch["frame_lengths"][:, None]
    scratch: dict = {}
    with torch.inference_mode():
        model(batch["units"], batch["speaker"], batch["languages"], mask, frames, scratch)
        fine, coarse, coarse_mask = model.stages(model.table(batch["units"]), mask)
        rough = model.coarse.encode(coarse)
        assert rough.shape == (2, 4, -(-mask.shape[1] // 4)) and int(rough.max()) < 5
        told = model.coarse.decode(rough) * coarse_mask[..., None]
        exact = model.fine.encode(model.joined(fine, told, mask)[1])
        x = model.coarse_post(model.repeat(told, mask)) + model.fine_post(model.fine.decode(exact))
        for block in model.unit_blocks:
            x = block(x, mask[..., None].float())
    torch.testing.assert_close(x[mask], scratch["states"][mask])


def test_codes_outside_the_books_are_refused():
    with pytest.raises(DataError, match="run from 0 to 12, a book holds 0 to 11"):
        check_codes(torch.tensor([[[0, 12]]]), UNITS)
    with pytest.raises(DataError, match=r"Give integers \[\.\.\., 2\]"):
        check_codes(torch.zeros(1, 5, 3, dtype=torch.long), UNITS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """zmm1 and zmm2 with random weights, sharing one txt2vec beside them."""
    home = tmp_path_factory.mktemp("zmm")
    known = {"units_id": "0123", "speaker_model": SpeakerEncoder.load().config["model_id"], "minutes": {"en-us": 2.0, "de": 1.0}}
    text = text_model()
    shared_id = save_model(home / "txt2vec", text.state_dict(), {
        "kind": "txt2vec", "model": to_dict(text.config), "inventory": inventory.digest(), **known}, "# tiny")["model_id"]
    for kind in ("zmm1", "zmm2"):
        model = decoder(kind)
        model.frames.out.bias.data[101] = 2.0  # voiced
        weights = {name: t for name, t in model.state_dict().items() if ".ema_" not in name}
        save_model(home / kind, weights, {"kind": "acoustic", "architecture": kind, "model": to_dict(model.config),
                                          "txt2vec": shared_id, **known}, "# tiny")  # fmt: skip
        vocoder = FourierVocoder(VocoderConfig(dim=8, hidden=16, n_blocks=1, n_projections=0))
        save_model(home / kind / "vocoder", vocoder.state_dict(), {"kind": "vocoder", "model": to_dict(vocoder.config)}, "# tiny")
    return home


@pytest.fixture(scope="module")
def cloned():
    from tts.voice import Voice

    rng = np.random.default_rng(0)
    reference, style = rng.standard_normal((120, 100)) - 5, rng.standard_normal(192)
    return Voice("ada", reference.astype(np.float32), style=style.astype(np.float32))


TEXT = "Good morning, dear friends. This is the second sentence!"


@pytest.mark.parametrize("kind", ["zmm1", "zmm2"])
def test_streamed_planned_and_whole_are_the_same_samples(folder, cloned, kind):
    speaker = Synthesizer(folder / kind)
    speaker._load()
    voice = replace(cloned, model_id=speaker.model_id)
    request = {"language": "en", "seed": 3, "voice": voice}
    whole = speaker.synth(TEXT, **request).samples
    assert np.array_equal(whole, np.concatenate([chunk.samples for chunk in speaker.stream(TEXT, **request)]))
    plan = speaker.plan(TEXT, **request)
    assert np.array_equal(whole, speaker.render(plan).samples)
    assert np.isfinite(whole).all() and 0 < np.abs(whole).max() <= 1
    assert not np.array_equal(whole, speaker.synth(TEXT, **{**request, "voice": replace(voice, style=-voice.style)}).samples)


def test_controls_and_edits_move_what_is_heard(folder, cloned):
    model, _ = load_acoustic(folder / "zmm1")
    import frontend

    clause, voice = frontend.analyze(TEXT, "en-us").clauses[0], model.variance.voice(torch.from_numpy(cloned.reference))
    plain, raised = (model.variance.plan(clause, voice, pitch_st=st, energy_db=db) for st, db in ((0, 0), (4, 6)))
    (mel, f0), (louder, higher) = (model.infer(clause, voice, plan) for plan in (plain, raised))
    assert np.array_equal(plain.durations, raised.durations) and len(mel) == plain.durations.sum()
    voiced = (f0 > 60) & (f0 < 500)
    torch.testing.assert_close((higher / f0)[voiced].log2() * 12, torch.full((int(voiced.sum()),), 4.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(louder - mel, torch.full_like(mel, 6 * math.log(10) / 20), atol=1e-4, rtol=0)
    own = model.variance.speak(clause, voice, plain.durations)[0]
    torch.testing.assert_close(mel, own)  # a plan as it was made changes nothing
    fast = model.variance.plan(clause, voice, rate=2.0)
    assert 0.4 < fast.durations.sum() / plain.durations.sum() < 0.65


def test_halves_that_do_not_belong_together_are_refused(folder, tmp_path):
    import shutil

    shutil.copytree(folder / "zmm1", tmp_path / "zmm1")
    with pytest.raises(ModelError, match=r"its txt2vec .* is missing: nothing is there"):
        load_acoustic(tmp_path / "zmm1")
    other = text_model(speaker=False)
    config = {"kind": "txt2vec", "model": to_dict(other.config), "inventory": inventory.digest(), "units_id": "9"}
    save_model(tmp_path / "txt2vec", other.state_dict(), config, "# another")
    with pytest.raises(ModelError, match="is missing: found only"):
        load_acoustic(tmp_path / "zmm1")
    with pytest.raises(ModelError, match="'txt2vec', 'acoustic' is needed"):
        load_acoustic(folder / "txt2vec")
    stored = dict(load_acoustic(folder / "zmm1")[1], units_id="456")
    model = decoder("zmm1")
    save_model(tmp_path / "odd" / "zmm1", model.state_dict(), stored, "# other units")
    shutil.copytree(folder / "txt2vec", tmp_path / "odd" / "txt2vec")
    with pytest.raises(ModelError, match="units are those of 456, found 0123"):
        load_acoustic(tmp_path / "odd" / "zmm1")


def test_what_needs_conditions_of_a_decoder_says_that_units_are_none(folder):
    from tts.convert import Converter

    model, config = load_acoustic(folder / "zmm1")
    with pytest.raises(ModelError, match="speaks by units and converts no recordings"):
        Converter(model, config, None, folder / "zmm1").load()


def test_letters_and_phones_meet_at_words():
    import frontend

    clause = frontend.analyze("The cat, it ran.", "en-us").clauses[0]
    spelling = spell(clause)
    written = "".join(token if isinstance(token, str) else " " for token in spelling.tokens)
    assert written.split() == ["the", "cat", "it", "ran"]
    durations = np.arange(len(clause)) % 5 + 1
    letters = spelling.durations(durations)
    assert letters.sum() == durations.sum()
    for word in clause.words:
        inside = spelling.groups == spelling.phone_groups[word.first_phone]
        assert letters[inside].sum() == durations[word.first_phone : word.last_phone].sum()
        assert np.ptp(letters[inside]) <= 1
    assert shared(np.array([5, 2]), np.array([0, 0, 0, 1])).tolist() == [1, 2, 2, 2]
    characters = "".join(sorted({t for t in spelling.tokens if isinstance(t, str)}))
    model = text_model(front="characters", characters=characters, text={"n_symbols": 7 + len(characters), "use_styles": False})
    plan = model.plan(clause, torch.randn(192))
    spoken = clause.ids >= 7
    assert len(plan) == len(clause) and (plan[spoken] > 0).all()
    codes, languages = model.units(clause, torch.randn(192), plan)
    assert codes.shape == (1, UNITS.n_units(int(plan.sum())), 2) and (languages == 1).all()
    with pytest.raises(DataError, match="never saw the letters b z"):
        model.plan(frontend.analyze("A zebra.", "en-us").clauses[0], torch.randn(192))


def test_without_transformers_xphonebert_says_so(monkeypatch):
    import tts.models.txt2vec as module

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(module, "import_module", missing)
    with pytest.raises(UnavailableError, match="pip install transformers"):
        text_model(front="xphonebert", bert="{}")
    with pytest.raises(ModelError, match="front end 'braille' is unknown"):
        text_model(front="braille")


def test_a_pretrained_encoder_of_phones_takes_the_place_of_ours():
    transformers = pytest.importorskip("transformers")
    import json

    size = inventory.size() + 4
    config = transformers.RobertaConfig(vocab_size=size, hidden_size=12, num_hidden_layers=1, num_attention_heads=2,
                                        intermediate_size=16, max_position_embeddings=80)  # fmt: skip
    model = text_model(front="xphonebert", bert=json.dumps(config.to_diff_dict()))
    table = {symbol: 4 + i for i, symbol in enumerate(inventory.symbols())} | {"▁": 3 + size}
    tokenizer = SimpleNamespace(unk_token_id=3, bos_token_id=0, eos_token_id=2,
                                convert_tokens_to_ids=lambda symbol: table.get(symbol, 3) % size)  # fmt: skip
    assert model.text.read_vocabulary(tokenizer) > 0.9
    batch = batch_of()
    together: dict = {}
    with torch.inference_mode():
        model.loss(batch, together)
        for i in range(2):
            single: dict = {}
            model.loss(alone(batch, UNITS, i), single)
            n = int(batch["unit_lengths"][i])
            torch.testing.assert_close(together["logits"][i, :n], single["logits"][0, :n], atol=2e-5, rtol=1e-4)
    with pytest.raises(ModelError, match="holds 0 of"):
        model.text.read_vocabulary(SimpleNamespace(**{**vars(tokenizer), "convert_tokens_to_ids": lambda symbol: 3}))
