"""``infill``, tiny: what is hidden and what is kept, prompts, contexts, guidance, training with and without text."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tts.base.errors import ModelError, UsageError
from tts.models.infill import PROMPT_FRAMES, SPAN, InfillConfig, many_spans, one_span, prompt_of
from tts.models.reference import REFERENCE_BANDS

TEXT = ("ids", "styles", "langs", "durations", "text_lengths")


@pytest.fixture
def model(tiny):
    return tiny("infill")


@pytest.fixture
def said(model, batch_of):
    """(phones, voice, plan) of the first utterance of a batch."""
    batch = batch_of()
    phones = SimpleNamespace(**{name: batch[name][0, :9].numpy() for name in ("ids", "styles", "langs")})
    with torch.inference_mode():
        voice = model.variance.voice(batch["reference"][0])
        return phones, voice, model.variance.plan(phones, voice)


def test_one_span_hides_most_of_each_utterance_and_nothing_beyond_it():
    torch.manual_seed(0)
    lengths = torch.tensor([200, 50, 3] * 100)
    hidden = one_span(lengths, 210)
    share = hidden.sum(1) / lengths
    assert (share >= 0.7).all() and (share <= 1).all() and share[::3].std() > 0.05
    assert (hidden.long().diff(dim=1).abs().sum(1) + hidden[:, 0] + hidden[:, -1] == 2).all()  # one rise, one fall
    assert not any(row[n:].any() for row, n in zip(hidden, lengths, strict=True))
    starts = hidden[::3].float().argmax(1)
    assert starts.min() < 5 and starts.max() > 40  # anywhere


def test_scattered_spans_are_ten_frames_or_more_and_as_many_on_average():
    torch.manual_seed(0)
    lengths = torch.tensor([300] * 200)
    hidden = many_spans(lengths, 320)
    assert not hidden[:, 300:].any() and float(hidden[:, :300].float().mean()) == pytest.approx(0.85, abs=0.03)
    inner = "".join("x" if frame else "." for frame in hidden[0, :300]).strip(".").split(".")[1:-1]
    assert all(len(span) >= SPAN for span in inner if span)


def test_frames_that_are_known_stay_and_move_the_others(model, said):
    phones, voice, plan = said
    size = int(plan.durations.sum())
    rng = np.random.default_rng(0)
    mel, kept = rng.normal(-5, 1, (size, 100)).astype(np.float32), np.zeros(size, bool)
    kept[:10] = kept[-8:] = True
    made = model.infer(phones, voice, plan, context=(mel, kept))[0].numpy()
    np.testing.assert_allclose(made[kept], mel[kept], atol=1e-5)
    other = np.where(kept[:, None], mel + 1, mel)
    moved = model.infer(phones, voice, plan, context=(other, kept))[0].numpy()
    assert np.abs(moved - made)[~kept].max() > 1e-3
    ignored = np.where(kept[:, None], mel, mel + 1)
    np.testing.assert_array_equal(model.infer(phones, voice, plan, context=(ignored, kept))[0].numpy(), made)


def test_a_prompt_is_heard_and_not_said(model, said):
    phones, voice, plan = said
    silent = type(voice)(voice.style, voice.tokens)
    assert voice.prompt.shape == (30, 100) and silent.prompt is None
    made, f0 = model.infer(phones, voice, plan)
    assert len(made) == len(f0) == plan.durations.sum()
    without = model.infer(phones, silent, plan)[0]
    assert made.shape == without.shape and not torch.allclose(made, without, atol=1e-4)


def test_the_prompt_ends_where_the_speech_does():
    mel = torch.full((400, 100), -9.0)
    mel[50:300] = -3.0
    prompt = prompt_of(mel)
    assert len(prompt) == PROMPT_FRAMES and (prompt == -3).all()
    assert len(prompt_of(mel[250:320])) == 50 and len(prompt_of(torch.full((20, 100), -11.5))) == 20


def test_chance_is_seed_and_clause_alone_and_steps_guidance_and_solver_count(model, said):
    def mel(**request):
        return model.infer(*said, **{"noise": (1, 0), **request})[0]

    assert torch.equal(mel(), mel())
    different = [mel(noise=(2, 0)), mel(noise=(1, 1)), mel(steps=5), mel(guidance=0.0), mel(solver="euler")]
    assert not any(torch.allclose(mel(), other) for other in different)
    with pytest.raises(UsageError, match="rk4"):
        mel(solver="rk4")
    with pytest.raises(ModelError, match=r"solver 'rk4' is unknown.*euler, midpoint"):
        InfillConfig(None, solver="rk4")


def test_without_conditions_the_context_is_not_there_either(model, batch_of):
    """v(nothing) of an utterance with a known beginning is that of the hidden rest alone."""
    batch = batch_of(((9, 50),))
    known, hidden, conditions, mask, cond, tokens = model.given(batch)
    hidden = (torch.arange(50) >= 20).float()[None, :, None]
    x, t = torch.randn(1, 50, 100, generator=torch.Generator().manual_seed(0)), torch.tensor(0.4)
    given = (known * (1 - hidden), hidden, conditions, mask, cond, tokens)
    with torch.inference_mode():
        with_text = model.field(given, 0.0)(x, t)
        guided = model.field(given, 1.0)(x, t)
        rest = tuple(torch.zeros_like(a) for a in (known[:, 20:], conditions[:, 20:], cond, tokens))
        free = model.velocity(x[:, 20:], t[None], rest[0], hidden[:, 20:], rest[1], mask[:, 20:], *rest[2:])
    torch.testing.assert_close(guided[:, 20:], 2 * with_text[:, 20:] - free, rtol=1e-4, atol=1e-4)
    assert not guided[:, :20].any()


def test_it_begins_with_the_best_guess_for_white_data(tiny):
    """With an output of zero, x at t -> v is the regression of v on x: what is left has no correlation with x."""
    model = tiny("infill")
    for parameter in (model.out.weight, model.out.bias):
        torch.nn.init.zeros_(parameter)
    noise, data = torch.randn(2, 1, 4000, 100, generator=torch.Generator().manual_seed(0))
    conditions, hidden = torch.zeros(1, 4000, 12), torch.ones(1, 4000, 1)
    for t in (0.0, 0.3, 0.9):
        x = (1 - t) * noise + t * data
        with torch.inference_mode():
            v = model.velocity(x, torch.tensor([t]), torch.zeros_like(x), hidden, conditions, hidden[..., 0] > 0,
                               torch.zeros(1, 8), torch.zeros(1, 2, 8))  # fmt: skip
        rest = data - noise - v
        assert abs(float((rest * x).mean())) < 0.01
        assert float(rest.square().mean()) == pytest.approx(1 / (t**2 + (1 - t) ** 2), rel=0.02)


def test_a_batch_without_text_trains_everything_but_the_text_side(tiny, batch_of):
    model, batch = tiny("infill").train(), batch_of()
    losses = model.loss({name: value for name, value in batch.items() if name not in TEXT})
    assert set(losses) == {"speaker", "flow", "f0", "voicing"}
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        heard = not name.startswith("variance.") or name.startswith(("variance.reference", "variance.speakers", "variance.band"))
        assert (parameter.grad is not None) == heard, name
    frozen = tiny("infill", freeze=True).train()
    assert set(frozen.loss(batch)) == {"flow", "f0", "voicing"} and not frozen.variance.training
    assert set(model.loss(batch)) > {"flow", "duration", "pitch", "energy"}


def test_what_is_dropped_in_training_is_dropped_and_nothing_in_validation(tiny, batch_of, monkeypatch):
    model, batch = tiny("infill").train(), batch_of(((9, 50),) * 60)
    object.__setattr__(model.config, "drop_context_text", 0.5)
    seen = []
    whole = type(model).velocity
    monkeypatch.setattr(type(model), "velocity", lambda self, *a: seen.append(a) or whole(self, *a))
    object.__setattr__(model.config, "drop_condition", 0.5)
    model.loss(batch)
    _, _, known, hidden, conditions, mask, cond, tokens = seen[0]
    free = ~cond.any(1)
    assert 15 < free.sum() < 45
    assert not any(a[free].any() for a in (known, conditions, tokens)) and hidden[free].all()
    context = (hidden[..., 0] == 0) & mask
    has_context = context.any(1)
    bare = torch.tensor([not row[where].any() for row, where in zip(conditions, context, strict=True)])
    assert has_context.sum() > 10 and 0 < (bare & has_context).sum() < has_context.sum()
    narrow = torch.tensor([bool((row[where][:, REFERENCE_BANDS:] < -2).all()) for row, where in zip(known, context, strict=True)])
    assert 0 < (narrow & has_context).sum() < has_context.sum()
    assert not known[hidden[..., 0] > 0].any()

    model.eval().loss(batch)
    known, hidden, conditions, mask, cond = seen[1][2:7]
    context = (hidden[..., 0] == 0) & mask
    assert conditions[context].any(1).all() and cond.any(1).all() and (known[context][:, REFERENCE_BANDS:] > -2).all()


def test_f0_and_voicing_are_heard_in_the_mel_beside_the_planned_pitch(model, said):
    phones, voice, plan = said
    with torch.inference_mode():
        higher = type(plan)(plan.durations, plan.pitch * 2, plan.energy)
    model.pitch.out.bias.data[1] = 50.0  # all voiced
    low, high = (model.infer(phones, voice, each)[1] for each in (plan, higher))
    inside = (low > 51) & (high < 699)
    assert inside.any() and float((high / low)[inside].log2().median()) == pytest.approx(1, abs=0.2)
