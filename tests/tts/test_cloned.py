"""The house model with voices of recordings: their colour, fitting, and prosody that is drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tts.api import Synthesizer
from tts.base.errors import DataError, ModelError, UsageError
from tts.colour import FEW, colour
from tts.colour import TEXT as TEXT_OF_COLOUR
from tts.fit import fit, prepared
from tts.voice import Voice

TEXT = "The small boat was tied to the wooden bridge, and nobody was in it."


@pytest.fixture(scope="module")
def house():
    return Synthesizer(threads=1)


@pytest.fixture(scope="module")
def take(house):
    """A recording: a house voice moved up by four semitones, through a dull microphone, which makes somebody else of it."""
    speech = house.synth(TEXT, voice="bdl", language="en", seed=5)
    wav = np.convolve(speech.samples, np.array([0.25, 0.5, 0.25], np.float32), "same").astype(np.float32)
    n = len(wav)
    return np.interp(np.arange(0, n, 1.15), np.arange(n), wav).astype(np.float32)


@pytest.fixture(scope="module")
def cloned(take):
    return Voice.from_audio([(take, 24_000)], consent="a test", name="someone", language="en-us")


def test_the_colour_is_what_a_recording_has_beyond_the_model(house, cloned):
    """A reference made of the model's own speech and a known gain over frequency has that gain as its colour."""
    import frontend

    house.warm()
    voice = replace(house._voice_tensors(cloned), colour=None)
    clauses = frontend.analyze(TEXT_OF_COLOUR, "en-us").clauses
    with torch.inference_mode():
        said = [house._acoustic.infer(clause, voice, house._acoustic.variance.plan(clause, voice))[0] for clause in clauses]
        mel = torch.cat(said).numpy()
        gain = np.cos(np.arange(100) / 25).astype(np.float32)
        found = colour(house._acoustic, voice, mel + gain).numpy()
    expected = (gain - gain.mean()) * len(mel) / (len(mel) + FEW)
    assert np.abs(found - expected)[5:80].max() < 0.15
    assert house._voice_tensors(cloned).colour is not None and house._voice_tensors(house.voice("bdl")).colour is None


@pytest.mark.parametrize("texts", [[TEXT], None], ids=["with its text", "by what is heard"])
def test_fitting_brings_the_voice_nearer_to_the_recording(house, cloned, take, texts):
    house.warm()
    pieces = prepared([(take, 24_000)], texts, "en-us")
    guess = replace(house._voice_tensors(cloned), colour=None)
    result = fit(house._acoustic, guess, pieces, steps=12)
    assert result.after < 0.97 * result.before
    again = fit(house._acoustic, guess, pieces, steps=12)
    assert np.array_equal(result.tensors.style.numpy(), again.tensors.style.numpy())


def test_a_fitted_voice_is_a_file_for_its_model_alone(house, cloned, take, tmp_path):
    fitted = house.fit(cloned, [(take, 24_000)], [TEXT], steps=2)
    fitted.save(tmp_path / "v.safetensors")
    loaded = Voice.load(tmp_path / "v.safetensors")
    assert np.array_equal(loaded.tokens, fitted.tokens) and loaded.model_id == house.model_id
    ours, theirs = (house.synth("Good morning.", voice=voice, language="en").samples for voice in (fitted, loaded))
    assert np.array_equal(ours, theirs)
    assert not np.array_equal(ours, house.synth("Good morning.", voice=cloned, language="en").samples[: len(ours)])
    with pytest.raises(ModelError, match="belongs to model"):
        Synthesizer("fs2").synth("Good morning.", voice=loaded, language="en")


def test_texts_must_be_those_of_the_recordings(house, cloned, take):
    with pytest.raises(DataError, match="2 texts for 1 recordings"):
        house.fit(cloned, [(take, 24_000)], [TEXT, TEXT])


@pytest.mark.parametrize("form", ["causal", "causal+durations", "masked"])
def test_drawn_prosody_follows_the_seed_alone(house, form):
    def plan(seed):
        return house.plan("We met on Monday. It rained.", voice="slt", language="en", prosody=form, seed=seed)

    one, same, other = plan(1), plan(1), plan(2)
    for a, b in zip(one.prosody, same.prosody, strict=True):
        assert np.array_equal(a.codes, b.codes) and np.array_equal(a.durations, b.durations)
    assert not all(np.array_equal(a.codes, b.codes) for a, b in zip(one.prosody, other.prosody, strict=True))
    speech = house.synth("We met on Monday. It rained.", voice="slt", language="en", prosody=form, seed=1)
    assert np.array_equal(speech.samples, house.render(one).samples)


def test_the_manner_of_another_voice_needs_the_language_model(house):
    request = {"voice": "slt", "language": "en", "prosody": "causal"}
    own, mixed = (house.plan("We met on Monday.", **request, **more) for more in (
        {}, {"prosody_voice": "kathleen", "prosody_strength": 1.0}))  # fmt: skip
    assert not np.array_equal(own.prosody[0].codes, mixed.prosody[0].codes)
    with pytest.raises(UsageError, match="causal"):
        house.plan("We met.", voice="slt", prosody="masked", prosody_voice="kathleen")
    with pytest.raises(UsageError, match=r"regression, causal, causal\+durations, masked"):
        house.plan("We met.", voice="slt", prosody="random")
    with pytest.raises(UsageError, match="no prosody codes"):
        Synthesizer("fs2").plan("We met.", voice="slt", language="en", prosody="causal")
