"""The synthesiser on a tiny model with random weights: one path for sound, timings, requests refused, globals untouched."""

import gc
import locale
import os
import random
import re
import signal
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from tts.api import Controls, Synthesizer, gap
from tts.base.errors import DataError, ModelError, NoInputError, TtsError, UnavailableError, UsageError
from tts.voice import Voice
from vocoder.audio.frames import HOP_LENGTH

TEXT = "Good morning, dear friends. This is the second sentence!\n\nAnd a new paragraph."


@pytest.fixture(scope="module", params=["fs2", "flow", "infill"])
def synthesizer(request, model_folder):
    return Synthesizer(model_folder / request.param)


@pytest.fixture(scope="module")
def fs2(model_folder):
    return Synthesizer(model_folder / "fs2")


def test_alone_streamed_batched_and_planned_are_the_same_samples(synthesizer, model_folder):
    request = {"language": "en", "seed": 3, "voice": "ada"}
    alone = synthesizer.synth(TEXT, **request).samples
    streamed = np.concatenate([chunk.samples for chunk in synthesizer.stream(TEXT, **request)])
    batched = list(synthesizer.batch(["Something else.", {"text": TEXT, "voice": "ada"}, "More."], language="en", seed=3))[
        1
    ].samples
    planned = synthesizer.render(synthesizer.plan(TEXT, **request)).samples
    fresh = Synthesizer(synthesizer.folder).synth(TEXT, **request).samples
    for other in (streamed, batched, planned, fresh):
        assert np.array_equal(alone, other)
    assert alone.dtype == np.float32 and np.isfinite(alone).all() and 0 < np.abs(alone).max() <= 1


def test_seed_voice_and_language_decide_the_samples(synthesizer):
    def samples(**request):
        return synthesizer.synth("Good morning.", **{"language": "en", "voice": "ada", "seed": 0, **request}).samples

    first = samples()
    for other in ({"seed": 1}, {"voice": "bea"}, {"language": "de"}):
        changed = samples(**other)
        assert len(changed) != len(first) or not np.allclose(changed, first, atol=1e-4), other
    assert np.array_equal(first, samples(seed=np.int64(0)))


def test_a_long_text_is_its_clauses_and_each_is_computed_alone(fs2):
    plan = fs2.plan(TEXT, language="en", voice="ada")
    assert len(plan.clauses) >= 3
    whole, start = fs2.render(plan).samples, 0
    for i, (clause, prosody) in enumerate(zip(plan.clauses, plan.prosody, strict=True)):
        sound = int(prosody.durations.sum()) * HOP_LENGTH
        silence = round((clause.pause_after + (gap(clause) if i < len(plan.clauses) - 1 else 0)) * 24_000)
        part = whole[start : start + sound + silence]
        assert np.abs(part[:sound]).max() > 0 and not part[sound:].any()
        assert part[0] == 0  # faded in: no click at the joint
        start += sound + silence
    assert start == len(whole)


def test_times_lie_in_the_audio_in_order_and_point_into_the_text(fs2):
    speech = fs2.synth(TEXT, language="en")
    for spans in (speech.words, speech.phones, speech.chunks):
        starts, ends = [s.start for s in spans], [s.end for s in spans]
        assert starts == sorted(starts) and ends == sorted(ends)
        assert starts[0] >= 0 and ends[-1] <= speech.duration + 1e-9
        assert all(s.start < s.end for s in spans)
    words = re.findall(r"\w+", TEXT)
    assert [word.label for word in speech.words] == words
    assert [TEXT[slice(*word.source)] for word in speech.words] == words
    for chunk in speech.chunks:
        assert sum(chunk.start <= word.start and word.end <= chunk.end + 1e-9 for word in speech.words) >= 2
    assert speech.metrics["rtf"] > 0 and speech.metrics["first_audio_s"] <= speech.metrics["wall_s"]


def test_a_stream_gives_its_first_chunk_before_the_rest_is_computed(fs2, monkeypatch):
    calls = []
    fs2.warm()
    real = fs2._acoustic.infer
    monkeypatch.setattr(fs2._acoustic, "infer", lambda *a, **k: calls.append(1) or real(*a, **k))
    stream = fs2.stream(TEXT, language="en")
    next(stream)
    assert len(calls) == 1
    assert len(list(stream)) >= 2 and len(calls) >= 3


def test_controls_move_what_they_name(fs2):
    text = "Good morning, dear friends."
    plain = fs2.synth(text, language="en").duration
    assert fs2.synth(text, language="en", controls=Controls(rate=2)).duration < 0.7 * plain
    assert fs2.synth(text, language="en", controls=Controls(rate=0.5)).duration > 1.6 * plain
    high, low = (fs2.plan(text, language="en", controls=Controls(pitch_st=st)).prosody[0].pitch for st in (12, -12))
    assert high / low == pytest.approx(4.0, rel=1e-4)


def test_pitch_range_scales_rises_and_falls_around_the_same_centre(fs2):
    plans = [fs2.plan("Good morning, dear friends.", language="en", controls=Controls(pitch_range=x)) for x in (0, 1, 2)]
    spoken = plans[0].clauses[0].ids >= 7
    flat, plain, lively = (np.log(plan.prosody[0].pitch[spoken]) for plan in plans)
    assert flat.std() < 1e-5 and lively.std() == pytest.approx(2 * plain.std(), rel=1e-4)
    assert flat.mean() == pytest.approx(plain.mean(), abs=1e-4) == pytest.approx(lively.mean(), abs=1e-4)


def test_an_edited_plan_is_spoken_as_edited_by_any_synthesizer_of_the_model(fs2):
    plan = fs2.plan("Hello there.", language="en")
    durations = plan.prosody[0].durations.copy()
    durations[2] += 30
    edited = replace(plan, prosody=(replace(plan.prosody[0], durations=durations),))
    speech = Synthesizer(fs2.folder).render(edited)  # its weights are not loaded yet
    assert len(speech.samples) == len(fs2.render(plan).samples) + 30 * HOP_LENGTH
    with pytest.raises(DataError, match="the plan has"):
        fs2.render(replace(plan, prosody=(replace(plan.prosody[0], durations=durations[:-1]),)))


def test_voices_are_listed_and_the_language_picks_its_own(fs2):
    assert [(v.name, v.language, v.minutes) for v in fs2.voices()] == [
        ("carl", "de", 3.0),
        ("bea", "en-us", 9.0),
        ("ada", "en-us", 5.0),
    ]
    assert fs2.voice(None, "de").name == "carl" and fs2.voice(None, "en-us").name == "bea"
    assert fs2.voice(None, "fr").name == "bea"  # nobody speaks it: who was heard most
    assert fs2.synth("Guten Tag.", language="de").voice == "carl"


def test_a_cloned_voice_speaks_with_every_model_and_a_house_voice_with_its_own(fs2, model_folder, tmp_path):
    reference = (np.random.default_rng(4).standard_normal((80, 100)) - 5).astype(np.float16).astype(np.float32)
    cloned = Voice("me", reference, consent={"kind": "asserted"})
    cloned.save(tmp_path / "me.safetensors")
    flow = Synthesizer(model_folder / "flow")
    for each in (fs2, flow):
        first = each.synth("Hello.", language="en", voice=cloned).samples
        assert np.array_equal(first, each.synth("Hello.", language="en", voice=Voice.load(tmp_path / "me.safetensors")).samples)
    house = fs2.voice("ada")
    with pytest.raises(ModelError, match=rf"'ada' belongs to model {house.model_id}; loaded is [0-9a-f]+") as caught:
        flow.synth("Hello.", language="en", voice=house)
    assert caught.value.code == "voice.model"
    with pytest.raises(ModelError, match=r"has \(5,\) style values, not 8"):
        fs2.synth("Hello.", language="en", voice=replace(house, style=np.zeros(5, np.float32)))


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        ({"voice": "adda"}, UnavailableError, "voice 'adda' does not exist.*'ada'"),
        ({"voice": "../fs2/voices/ada"}, UnavailableError, "does not exist"),
        ({"language": "klingon"}, TtsError, "unknown language"),
        ({"seed": "one"}, UsageError, "seed is 'one'"),
        ({"seed": 1.5}, UsageError, "seed is 1.5"),
        ({"steps": 0}, UsageError, "steps is 0; it goes from 1 to 128"),
        ({"guidance": float("nan")}, UsageError, "guidance is nan"),
        ({"controls": {"rate": 2}}, UsageError, "controls are"),
        ({"lexicon": "/nowhere/lexicon.tsv"}, NoInputError, "lexicon.tsv"),
    ],
)
def test_requests_that_cannot_be_met_are_refused_with_the_reason(fs2, request_, error, message):
    with pytest.raises(error, match=message):
        fs2.synth("Hello.", **{"language": "en", **request_})


@pytest.mark.parametrize("text", ["", " \n ", "☃", "..."])
def test_a_text_without_words_is_an_error_not_silence(fs2, text):
    with pytest.raises(DataError):
        fs2.synth(text, language="en")


@pytest.mark.parametrize(
    "values", [{"rate": 0.2}, {"rate": float("nan")}, {"pitch_st": 13}, {"energy_db": "loud"}, {"rate": True}]
)
def test_controls_outside_their_range_are_refused(values):
    (name,) = values
    with pytest.raises(UsageError, match=rf"{name} is .*; it goes from") as caught:
        Controls(**values)
    assert caught.value.code == f"controls.{name}"


def test_a_folder_that_is_no_acoustic_model_is_refused(model_folder, tmp_path):
    with pytest.raises(UnavailableError, match=r"config\.json is missing"):
        Synthesizer(tmp_path)
    with pytest.raises(ModelError, match="kind 'vocoder'"):
        Synthesizer(model_folder / "fs2" / "vocoder").synth(
            "Hello.", language="en", voice=Voice("x", np.zeros((9, 100), np.float32))
        )


def state():
    """Everything of the process that a library must leave alone."""
    return {
        "random": random.getstate(),
        "numpy": repr(np.random.get_state()),
        "torch": torch.get_rng_state().tolist(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "dtype": torch.get_default_dtype(),
        "grad": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warnings": list(warnings.filters),
        "signals": {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE)},
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "locale": locale.setlocale(locale.LC_ALL),
        "numpy errors": np.geterr(),
        "gc": gc.isenabled(),
    }


def test_no_call_moves_anything_global(model_folder):
    Synthesizer(model_folder / "fs2").synth("Hello.", language="en")  # imports, which may register things once, are done
    before = state()
    synthesizer = Synthesizer(model_folder / "flow")
    synthesizer.synth("Good morning.", language="en", seed=5)
    list(synthesizer.stream("Guten Tag.", language="de"))
    synthesizer.render(synthesizer.plan("Again.", language="en"))
    synthesizer.voices()
    after = state()
    for name, value in before.items():
        assert after[name] == value, name


def test_a_long_text_is_spoken_before_it_is_read_to_the_end(fs2, monkeypatch):
    from frontend import analysis

    fs2.warm()
    asked, real = [], analysis.phonemize_batch
    monkeypatch.setattr(analysis, "phonemize_batch", lambda clauses, *rest: asked.append(len(clauses)) or real(clauses, *rest))
    stream = fs2.stream("Good morning. " * 30 + "\x07Bye.", language="en")
    chunks = [(chunk, sum(asked)) for chunk in stream]
    assert chunks[0][1] <= 2 and chunks[-1][1] == 31
    assert [note.reason for note in chunks[-1][0].notes] == ["control"]


def test_words_are_labelled_as_written_and_say_how_they_are_read(fs2):
    speech = fs2.synth("Dr. Hill paid $3.", language="en")
    assert [(word.label, word.spoken) for word in speech.words] == [
        ("Dr.", "doctor"), ("Hill", "Hill"), ("paid", "paid"), ("$3", "three dollars")]  # fmt: skip
    assert [chunk.label for chunk in speech.chunks] == ["Dr. Hill paid $3."]
    assert all(type(time) is float for span in speech.words + speech.phones for time in (span.start, span.end))


def test_energy_is_a_gain_in_decibels(fs2):
    def rms(**controls):
        samples = fs2.synth("Good morning, dear friends.", language="en", controls=Controls(**controls)).samples
        return 20 * np.log10(np.sqrt(np.mean(np.square(samples))))

    assert rms(energy_db=-6) - rms() == pytest.approx(-6, abs=0.1)
    assert rms(energy_db=-12) - rms(energy_db=-3) == pytest.approx(-9, abs=0.1)


def test_solver_settings_are_refused_where_there_is_no_solver(fs2):
    with pytest.raises(UsageError, match="fs2 has no solver"):
        fs2.synth("Hello.", language="en", steps=4)
    with pytest.raises(UsageError, match="fs2 has no solver"):
        fs2.synth("Hello.", language="en", solver="euler")


def test_a_solver_that_the_model_lacks_is_refused_before_any_sound(model_folder):
    infill = Synthesizer(model_folder / "infill")
    with pytest.raises(UnavailableError, match="no bespoke solver of 3 steps"):
        next(infill.stream("Hello.", language="en", steps=3, solver="bespoke"))
    plan = infill.plan("Hello.", language="en", solver="euler")
    other = infill.plan("Hello.", language="en")
    assert np.array_equal(infill.render(plan).samples, infill.synth("Hello.", language="en", solver="euler").samples)
    assert not np.array_equal(infill.render(plan).samples, infill.render(other).samples)


def test_a_language_that_was_never_heard_is_noted(fs2):
    assert [note.reason for note in fs2.synth("Hola.", language="es").notes] == ["unheard"]
    assert not [note for note in fs2.synth("Hello.", language="en").notes if note.reason == "unheard"]


@pytest.mark.parametrize("request_", [{"language": None}, {"language": 3}, {"lexicon": {"a": "b"}}, {"controls": {"rate": 2}}])
def test_arguments_of_another_type_are_usage_errors(fs2, request_):
    with pytest.raises(UsageError):
        fs2.synth("Hello.", **{"language": "en", **request_})


def test_a_pause_before_the_first_word_is_silence(fs2):
    plain, later = (fs2.synth(f"{pause}Hello.", language="en") for pause in ("", "[pause:2s]"))
    assert len(later.samples) - len(plain.samples) == 48_000 and not later.samples[:48_000].any()
    assert later.words[0].start == pytest.approx(plain.words[0].start + 2)
