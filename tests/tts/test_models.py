"""Acoustic models, tiny: gradients everywhere, padding that changes nothing, language slots, plans, controls, learning."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tts.base.errors import DataError, ModelError
from tts.models import model_classes
from tts.models.flow import FlowConfig
from tts.models.fs2 import to_hz
from tts.models.megatts import PROSODY_BANDS
from tts.models.reference import REFERENCE_BANDS, reference_crop
from tts.models.text import TextConfig, expand, mean_over_phones, position_in_phone
from tts.models.variance import LONGEST_PHONE, PhonePlan, VoiceTensors, band_mask, masked_mean, measure
from vocoder.nn.masks import length_mask

KINDS = ("fs2", "flow", "infill", "megatts")


def phones_of(batch, i=0):
    n = int(batch["text_lengths"][i])
    return SimpleNamespace(**{name: batch[name][i, :n].numpy() for name in ("ids", "styles", "langs")})


def voice_of(model, batch, i=0):
    with torch.inference_mode():
        return model.variance.voice(batch["reference"][i])


def alone(batch, i):
    """Row i as a batch of one, without its padding."""
    n, t = int(batch["text_lengths"][i]), int(batch["frame_lengths"][i])
    ends = dict.fromkeys(("ids", "styles", "langs", "durations"), n) | dict.fromkeys(("mel", "log_f0", "voiced"), t)
    return {k: [v[i]] if k == "keys" else v[i : i + 1, : ends[k]] if k in ends else v[i : i + 1] for k, v in batch.items()}


@pytest.mark.parametrize("fusion", ["sum", "proj"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_every_parameter(tiny, batch_of, kind, fusion):
    model = tiny(kind, fusion=fusion).train()
    losses = model.loss(batch_of())
    assert all(loss.dim() == 0 and torch.isfinite(loss) for loss in losses.values())
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        if not name.endswith("reference.score.bias"):  # a softmax follows: its gradient is zero but for rounding
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("kind", KINDS)
def test_padding_never_changes_real_frames(tiny, batch_of, kind, monkeypatch):
    """Every row of a batch, its padding filled with rubbish, has the conditions and the output that it has alone."""
    model, batch = tiny(kind), batch_of(((9, 50), (6, 34), (12, 41)))
    for name, rubbish in (("ids", 20), ("styles", 33), ("langs", 2), ("mel", 50.0), ("log_f0", 70.0), ("voiced", 1.0)):
        real = length_mask(batch["frame_lengths" if batch[name].is_floating_point() else "text_lengths"], batch[name].shape[1])
        batch[name] = torch.where(real[..., None] if name == "mel" else real, batch[name], rubbish)
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)

    def outputs(batch):
        with torch.inference_mode():
            conditions, pitch, cond, tokens, losses = model.variance.training_pass(batch)
            mask = length_mask(batch["frame_lengths"], batch["mel"].shape[1])
            mel = (model.prior if kind == "flow" else model).decode(conditions, mask, cond, tokens)[0]
            x = torch.linspace(-1, 1, 100).expand(*mask.shape, 100)
            if kind == "infill":
                hidden = (torch.arange(x.shape[1]) > 9).float()[None, :, None].expand(*mask.shape, 1)
                known = x * (1 - hidden)
                mel = model.velocity(x, torch.full((len(x),), 0.3), known, hidden, conditions, mask, cond, tokens)
            if kind == "flow":
                mel = model.velocity(x, torch.full((len(x),), 0.3), conditions, mel, mask, cond, tokens)
        return conditions, pitch, mel, losses

    together = outputs(batch)
    for i in range(3):
        single, t = outputs(alone(batch, i)), int(batch["frame_lengths"][i])
        for a, b in zip(together[:3], single[:3], strict=True):
            assert torch.allclose(a[i, :t], b[0, :t], atol=2e-5)
    again = {**batch, "ids": batch["ids"].clone()}
    again["ids"][1, 6:] = 9
    for name, loss in outputs(again)[3].items():
        assert float(loss) == pytest.approx(float(together[3][name]), abs=1e-6), name


def test_a_narrow_recording_teaches_nothing_above_its_band(tiny, batch_of):
    model, batch = tiny("fs2"), batch_of()
    full, narrow = (int(bands.sum()) for bands in band_mask(batch["bandwidth"]))
    assert full >= 98 and 70 < narrow < 95
    losses = []
    for value in (-11.0, 3.0):
        batch["mel"][1, :, narrow:] = value
        torch.manual_seed(0)
        losses.append({name: float(loss.detach()) for name, loss in model.loss(batch).items()})
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_the_flow_leaves_a_frozen_prior_as_it_was(tiny, batch_of):
    model = tiny("flow", freeze=True).train()
    assert not model.prior.training and model.blocks.training
    losses = model.loss(batch_of())
    assert set(losses) == {"flow"}
    losses["flow"].backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == name.startswith("prior."), name
    assert set(tiny("flow").train().loss(batch_of())) > {"flow", "mel", "duration"}


def test_an_unseen_language_uses_the_generic_slot_and_known_ones_their_own(tiny):
    encoder = tiny("fs2").variance.text
    styles, langs = torch.tensor([[16 + 3, 32 + 3, 48 + 3, 7 * 16 + 3]]), torch.tensor([[1, 2, 3, 7]])
    with torch.inference_mode():
        x = encoder.embed_styles(styles, langs)[0]
        generic = encoder.styles.weight[3] + encoder.languages.weight[0]
    assert torch.equal(x[2], x[3]) and torch.equal(x[2], generic)
    assert not torch.allclose(x[0], x[2]) and not torch.allclose(x[0], x[1])


def test_the_generic_slot_is_trained_by_forgetting(tiny):
    encoder = tiny("fs2").variance.text.train()
    torch.manual_seed(0)
    encoder.embed_styles(torch.full((200, 1), 16 + 3), torch.ones(200, 1, dtype=torch.long)).sum().backward()
    heard = encoder.languages.weight.grad[:, 0]
    assert 5 < heard[0] < 45 and heard[1] == 200 - heard[0] and heard[2] == 0


def test_styles_off_ignores_styles_and_languages(tiny, batch_of):
    batch = batch_of()
    for use in (True, False):
        encoder = tiny("fs2", use_styles=use).variance.text
        mask = length_mask(batch["text_lengths"])
        with torch.inference_mode():
            a = encoder(batch["ids"], batch["styles"], batch["langs"], mask)
            b = encoder(batch["ids"], batch["styles"] * 0 + 35, batch["langs"] * 0 + 2, mask)
        assert torch.equal(a, b) != use


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_has_a_value_a_phone_and_infer_a_frame_for_every_planned_one(tiny, batch_of, kind):
    model, batch = tiny(kind), batch_of()
    phones, voice = phones_of(batch), voice_of(model, batch)
    with torch.inference_mode():
        plan = model.variance.plan(phones, voice)
    assert plan.durations.dtype == np.int64 and len(plan.durations) == len(plan.pitch) == len(plan.energy) == 9
    plan.check(9)
    mel, f0 = model.infer(phones, voice, plan)
    assert mel.shape == (plan.durations.sum(), 100) and f0.shape == (plan.durations.sum(),)
    assert torch.isfinite(mel).all() and ((f0 == 0) | ((f0 >= 50) & (f0 <= 700))).all()
    again = model.infer(phones, voice, plan)
    assert torch.equal(mel, again[0]) and torch.equal(f0, again[1])


def test_chance_of_the_flow_is_seed_and_clause_alone(tiny, batch_of):
    model, batch = tiny("flow"), batch_of()
    phones, voice = phones_of(batch), voice_of(model, batch)
    with torch.inference_mode():
        plan = model.variance.plan(phones, voice)
    state = torch.get_rng_state()
    mels = [model.infer(phones, voice, plan, noise=noise)[0] for noise in ((1, 0), (1, 0), (2, 0), (1, 1))]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(mels[0], mels[1])
    assert not torch.allclose(mels[0], mels[2]) and not torch.allclose(mels[0], mels[3])
    assert not torch.equal(mels[0], model.infer(phones, voice, plan, noise=(1, 0), steps=5)[0])
    assert not torch.equal(mels[0], model.infer(phones, voice, plan, noise=(1, 0), guidance=0.5)[0])


def test_rate_pitch_and_energy_move_what_they_name_and_nothing_else(tiny, batch_of):
    variance, batch = tiny("fs2").variance, batch_of()
    phones, voice = phones_of(batch), voice_of(tiny("fs2"), batch)
    with torch.inference_mode():
        plain, fast, slow = (variance.plan(phones, voice, rate=rate) for rate in (1.0, 2.0, 0.5))
        high, loud = variance.plan(phones, voice, pitch_st=12), variance.plan(phones, voice, energy_db=6)
    assert fast.durations.sum() == pytest.approx(plain.durations.sum() / 2, abs=5)
    assert slow.durations.sum() == pytest.approx(plain.durations.sum() * 2, abs=5)
    assert high.pitch / plain.pitch == pytest.approx(2.0, rel=1e-5)
    assert loud.energy - plain.energy == pytest.approx(6 * np.log(10) / 20, abs=1e-5)
    for other in (high, loud):
        assert np.array_equal(other.durations, plain.durations)
    assert np.array_equal(fast.pitch, plain.pitch) and np.array_equal(high.energy, plain.energy)


def test_pauses_may_be_absent_phones_never_and_nothing_is_endless(tiny, batch_of):
    variance, batch = tiny("fs2").variance, batch_of()
    phones, voice = phones_of(batch), voice_of(tiny("fs2"), batch)
    variance.duration.out.bias.data = torch.tensor([-5.0, -100.0])
    with torch.inference_mode():
        assert variance.plan(phones, voice).durations.tolist() == [1, 1, 1, 1, 0, 1, 1, 1, 0]  # the first keeps a frame
        variance.duration.out.bias.data = torch.tensor([50.0, 100.0])
        assert variance.plan(phones, voice).durations.tolist() == [LONGEST_PHONE] * 9


PLANS = {
    "too short": ([3, 3], [100, 100], [0, 0]),
    "ragged": ([3, 3, 3], [100, 100], [0, 0, 0]),
    "negative": ([3, -1, 3], [100] * 3, [0] * 3),
    "nothing": ([0, 0, 0], [100] * 3, [0] * 3),
    "an hour": ([3, 270_000, 3], [100] * 3, [0] * 3),
    "halves": ([3.5, 3, 3], [100] * 3, [0] * 3),
    "no pitch": ([3, 3, 3], [100, 0, 100], [0] * 3),
    "endless pitch": ([3, 3, 3], [100, np.inf, 100], [0] * 3),
    "no energy": ([3, 3, 3], [100] * 3, [0, np.nan, 0]),
}


@pytest.mark.parametrize("fault", PLANS)
def test_an_edited_plan_that_cannot_be_spoken_is_refused(fault):
    with pytest.raises(DataError, match="the plan ") as caught:
        PhonePlan(*(np.array(values) for values in PLANS[fault])).check(3)
    assert caught.value.code == "plan.malformed"
    PhonePlan(np.array([3, 0, 3]), np.full(3, 90.0), np.zeros(3)).check(3)


def test_style_of_a_reference_ignores_padding_and_bands_that_narrow_recordings_lack(tiny):
    reference = tiny("fs2").variance.reference
    mel = torch.randn(1, 40, 100, generator=torch.Generator().manual_seed(0)) - 5
    padded = torch.cat([mel, torch.full((1, 25, 100), 9.0)], dim=1)
    narrow = mel.clone()
    narrow[..., REFERENCE_BANDS:] = -11.5
    with torch.inference_mode():
        style, tokens = reference(mel, length_mask(torch.tensor([40])))
        padded_style, _ = reference(padded, length_mask(torch.tensor([40]), 65))
        narrow_style, narrow_tokens = reference(narrow, length_mask(torch.tensor([40])))
        other, _ = reference(mel + 1, length_mask(torch.tensor([40])))
    assert style.shape == (1, 8) and tokens.shape == (1, 2, 8)
    assert torch.allclose(style, padded_style, atol=1e-5)
    assert torch.equal(style, narrow_style) and torch.equal(tokens, narrow_tokens)
    assert not torch.allclose(style, other, atol=1e-3)


def test_a_long_reference_is_cropped_to_its_middle():
    mel = torch.arange(1000.0)[:, None].expand(-1, 100)
    assert reference_crop(mel, 300)[[0, -1], 0].tolist() == [350, 649]
    assert len(reference_crop(mel[:20], 300)) == 20


def test_expanding_and_averaging_over_phones_are_inverse():
    durations = torch.tensor([[2, 0, 3, 0], [1, 1, 0, 0]])
    token = torch.tensor([[0, 0, 2, 2, 2], [0, 1, 3, 3, 3]])
    values = torch.tensor([[1.0, 5.0, 3.0, 7.0], [4.0, 2.0, 9.0, 9.0]])
    frames = expand(values[..., None], token)[..., 0]
    assert frames.tolist() == [[1, 1, 3, 3, 3], [4, 2, 9, 9, 9]]
    weights = torch.tensor([[1.0] * 5, [1, 1, 0, 0, 0]])
    mean, weight = mean_over_phones(frames, weights, token, 4)
    assert weight.tolist() == [[2, 0, 3, 0], [1, 1, 0, 0]]
    assert mean.tolist() == [[1, 0, 3, 0], [4, 2, 0, 0]]
    position = position_in_phone(durations, token)
    assert position[0, :, 0].tolist() == pytest.approx([0.25, 0.75, 1 / 6, 0.5, 5 / 6])
    assert position[0, :, 1].tolist() == pytest.approx(np.log([2, 2, 3, 3, 3]).tolist())


def test_small_parts_have_their_closed_forms():
    assert float(masked_mean(torch.tensor([1.0, 5.0, 3.0]), torch.tensor([True, False, True]))) == 2.0
    assert float(masked_mean(torch.tensor([1.0]), torch.tensor([False]))) == 0.0
    hz = to_hz(torch.tensor([0.0, 99.0, 0.0]), torch.tensor([True, True, False]))
    assert hz.tolist() == pytest.approx([np.exp(5.1), 700, 0], rel=1e-5)


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ModelError, match=r"fusion 'add' is unknown.*sum, proj"):
        TextConfig(n_symbols=10, languages=(1,), fusion="add")
    with pytest.raises(ModelError, match=r"solver 'rk4' is unknown.*euler, midpoint"):
        FlowConfig(None, solver="rk4")
    with pytest.raises(ModelError, match=r"architecture 'vits' is unknown.*fs2, flow"):
        model_classes("vits")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name", "bound"), [("fs2", "mel", 0.25), ("flow", "flow", 0.4), ("infill", "flow", 0.8), ("megatts", "mel", 0.25)]
)
def test_two_utterances_are_learned_by_heart(tiny, batch_of, kind, name, bound):
    """The loss after 100 steps falls below ``bound`` of where it was: measured 0.15 (mel) and 0.2 (flow)."""
    model, batch = tiny(kind).train(), batch_of()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)
    history = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(100):
            losses = model.loss(batch)
            optimizer.zero_grad()
            sum(losses.values()).backward()
            optimizer.step()
            history.append({k: float(v.detach()) for k, v in losses.items()})

    def mean(rows, key):
        return float(np.mean([row[key] for row in rows]))

    assert mean(history[-15:], name) < bound * mean(history[:8], name), (mean(history[:8], name), mean(history[-15:], name))
    for key in ("duration", "pitch", "energy"):
        assert mean(history[-15:], key) < 0.5 * mean(history[:8], key), key


def test_a_voice_moves_the_sound(tiny, batch_of):
    model, batch = tiny("fs2"), batch_of()
    phones, voice = phones_of(batch), voice_of(model, batch)
    with torch.inference_mode():
        plan = model.variance.plan(phones, voice)
    mel = model.infer(phones, voice, plan)[0]
    other_style = model.infer(phones, VoiceTensors(voice.style + 1, voice.tokens), plan)[0]
    other_tokens = model.infer(phones, VoiceTensors(voice.style, voice.tokens + 1), plan)[0]
    assert not torch.allclose(mel, other_style, atol=1e-4) and not torch.allclose(mel, other_tokens, atol=1e-6)


def test_a_megatts_without_codes_begins_as_the_fs2_that_it_starts_from(tiny, model_folder, batch_of):
    from frontend import inventory
    from recipes.train.acoustic import take_over
    from tts.models import load_acoustic

    mega, (fs2, _) = tiny("megatts", n_symbols=inventory.size()), load_acoustic(model_folder / "fs2")
    assert take_over(mega, model_folder / "fs2") >= len(fs2.state_dict())
    torch.nn.init.zeros_(mega.variance.timbre.out.weight)  # as a new one has it
    torch.nn.init.zeros_(mega.variance.timbre.out.bias)
    batch = batch_of()
    phones = phones_of(batch)
    with torch.inference_mode():
        plan = fs2.variance.plan(phones, voice_of(fs2, batch))
    mels = [model.infer(phones, voice_of(model, batch), plan)[0] for model in (fs2, mega)]
    torch.testing.assert_close(*mels, atol=1e-4, rtol=0)


def test_prosody_codes_come_from_the_low_band_and_only_where_phones_have_frames(tiny, batch_of):
    variance, batch = tiny("megatts").variance, batch_of()
    mel, durations = batch["mel"][0, :50], batch["durations"][0, :9]
    codes = variance.codes_of(mel, durations)
    assert ((codes == -1) == (durations == 0)).all() and codes.max() < 8
    above, louder = mel.clone(), mel + 0.5
    above[:, PROSODY_BANDS:] += 3.0
    assert torch.equal(variance.codes_of(above, durations), codes)
    assert torch.equal(variance.codes_of(louder, durations), codes)  # the level is no prosody


def units_folder(path, seed=0):
    """A unit encoder of random weights and books."""
    from dataclasses import asdict

    from codec.units.encoder import UnitEncoder, UnitEncoderConfig
    from vocoder.nn.checkpoint import save_model

    torch.manual_seed(seed)
    config = UnitEncoderConfig(16, 24, n_blocks=2, attention_after=(), layers=(1, 2), codebook_size=8, width=8)
    encoder = UnitEncoder(config)
    encoder.fit_books(*torch.randn(2, 400, 32), torch.Generator().manual_seed(seed))
    save_model(path, encoder.state_dict(), {"kind": "units", "model": asdict(encoder.config)}, "# units\n", "float32")
    return path


def test_prosody_codes_can_come_from_units_and_belong_to_their_books(tmp_path, batch_of):
    from tts.models.megatts import ProsodyEncoder, prosody_config

    source = f"house:{units_folder(tmp_path / 'units')}"
    config = prosody_config({"source": source, "dim": 12, "hidden": 16, "code_dim": 4, "codebook_size": 8})
    encoder, batch = ProsodyEncoder(config).eval(), batch_of()
    measured = measure(batch)
    latent = encoder(batch["mel"], measured)
    high = batch["mel"].clone()
    high[:, :25, PROSODY_BANDS:] += 3.0  # units hear all bands
    assert not torch.allclose(encoder(high, measured), latent, atol=1e-4)
    assert not any("units" in name for name in encoder.state_dict())  # the extractor's weights are not the model's
    units_folder(tmp_path / "units", seed=1)
    with pytest.raises(ModelError, match="trained on units"):
        ProsodyEncoder(config)
    import tts.units  # noqa: F401 - adds the aligner, which has no books and hears samples

    with pytest.raises(ModelError, match="works from mels"):
        prosody_config({"source": "aligner"})


def test_codes_move_timing_pitch_and_sound_and_wrong_ones_are_refused(tiny, batch_of):
    model, batch = tiny("megatts"), batch_of()
    phones, voice = phones_of(batch), voice_of(model, batch)
    with torch.inference_mode():
        one, other = (model.variance.plan(phones, voice, codes=np.full(9, code)) for code in (1, 5))
    assert not np.allclose(one.pitch, other.pitch) and not np.allclose(one.energy, other.energy)
    same_plan = PhonePlan(one.durations, one.pitch, one.energy, other.codes)
    assert not torch.allclose(model.infer(phones, voice, one)[0], model.infer(phones, voice, same_plan)[0], atol=1e-5)
    for codes in (np.zeros(8, np.int64), np.full(9, 8)):
        with pytest.raises(DataError):
            model.variance.plan(phones, voice, codes=codes)


def test_phones_attend_to_the_whole_reference(tiny, batch_of):
    model, batch = tiny("megatts"), batch_of()
    phones, voice = phones_of(batch), voice_of(model, batch)
    assert voice.memory.shape == (4, 8)  # 30 frames in steps of 8
    with torch.inference_mode():
        plan = model.variance.plan(phones, voice)
    changed = VoiceTensors(voice.style, voice.tokens, voice.memory + 1)
    assert not torch.allclose(model.infer(phones, voice, plan)[0], model.infer(phones, changed, plan)[0], atol=1e-6)


def test_a_flow_starts_from_an_fs2_and_leaves_it_as_it_is(tiny, model_folder, batch_of):
    from frontend import inventory
    from recipes.train.acoustic import take_over
    from tts.models import load_acoustic

    flow, (fs2, _) = tiny("flow", freeze=True, n_symbols=inventory.size()), load_acoustic(model_folder / "fs2")
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter)
    assert take_over(flow, model_folder / "fs2") >= len(fs2.state_dict())
    assert all(torch.equal(flow.prior.state_dict()[name], tensor) for name, tensor in fs2.state_dict().items())
    assert not any(parameter.requires_grad for parameter in flow.prior.parameters())
    assert set(flow.loss(batch_of())) == {"flow"}
