"""``tts voices``: list by default, show, mix, verify."""

import json

import numpy as np
import pytest

from tts.api import Synthesizer as Real
from tts.likeness import Likeness
from tts.voice import Voice
from vocoder.audio.io import write_audio

CONSENT = "myself; recorded for this test; 3 May 2026"


@pytest.fixture(scope="module")
def house():
    return Real()


@pytest.fixture
def me(tmp_path, monkeypatch, spoken):
    """A cloned voice ``me.safetensors`` and its recording in an empty folder."""
    monkeypatch.chdir(tmp_path)
    write_audio("me.wav", spoken["kathleen"], 24_000)
    voice = Voice.from_audio("me.wav", consent=CONSENT, language="en-us")
    voice.save("me.safetensors")
    return voice


def test_without_a_command_it_lists_as_ever(hum, tts):
    plain = tts("voices")
    assert plain.code == 0 and plain.out == tts("voices", "list").out
    assert tts("voices", "-l", "de").out == tts("voices", "list", "-l", "de").out != plain.out
    assert json.loads(tts("voices", "--json").out)[0]["name"] == "kathleen"
    assert b"verify" in tts("voices", "--help").out
    done = tts("voices", "shwo", "x")
    assert done.code == 2 and "Did you mean 'show'" in done.err


def test_show_tells_facts_consent_and_report(tts, me):
    done = tts("voices", "show", "me.safetensors")
    text = done.out.decode()
    assert done.code == 0 and CONSENT in text and "speech over noise" in text and me.source_sha256 in text
    document = tts("voices", "show", "me.safetensors", "--json").json
    assert document["consent"] == me.consent and document["report"] == me.report.to_dict() and document["pitch"][0] > 100
    house = tts("voices", "show", "kerstin", "--json").json
    assert (
        house["name"] == "kerstin" and house["licence"] and house["consent"]["kind"] == "dataset_licence" and not house["report"]
    )
    assert tts("voices", "show", "kerstn").code == 69 and tts("voices", "show", "none.safetensors").code == 66
    assert tts("voices", "show", "../kerstin").code == 66  # a path, and no voice name


def test_mix_of_a_house_voice_and_a_clone(tts, me, house):
    done = tts("voices", "mix", "kerstin=0.7", "me.safetensors=0.3", "-o", "mix.safetensors")
    assert done.code == 0 and "70% kerstin, 30% me" in done.err
    mix = Voice.load("mix.safetensors")
    assert np.allclose(mix.style, 0.7 * house.voice("kerstin").style + 0.3 * house.style(me), atol=1e-5)
    assert [part["consent"]["kind"] for part in mix.consent["parts"]] == ["dataset_licence", "asserted"]
    assert tts("voices", "mix", "kerstin=1", "me.safetensors=0", "-o", "mix.safetensors").code == 73
    assert tts("voices", "mix", "kerstin=1", "me.safetensors=0", "-o", "mix.safetensors", "--force").code == 0
    assert np.array_equal(Voice.load("mix.safetensors").style, house.voice("kerstin").style)
    for arguments in (["kerstin"], ["kerstin=x"], ["=1"], ["kerstin=nan"], ["kerstin=-1"], ["kerstin=0"]):
        assert tts("voices", "mix", *arguments, "-o", "b.safetensors").code == 2, arguments


@pytest.mark.parametrize("same", [True, False])
def test_verify_says_the_verdict_by_its_exit_code(tts, me, monkeypatch, same):
    asked = []
    monkeypatch.setattr("tts.likeness.compare", lambda *pair: asked.append(pair) or Likeness(0.25, 0.4, same, {"eer": 0.05}))
    done = tts("voices", "verify", "me.safetensors", "me.wav")
    assert done.code == (0 if same else 9) and ("one person" if same else "two people") in done.out.decode()
    assert "threshold 0.40 (eer 5.0%)" in done.out.decode()
    (pair,) = asked
    assert isinstance(pair[0], Voice) and pair[1] == "me.wav"
    document = tts("voices", "verify", "kerstin", "me.wav", "--json").json
    assert document == {"cosine": 0.25, "threshold": 0.4, "same": same, "error_rates": {"eer": 0.05}}
    assert tts("voices", "verify", "kerstin", "nobody").code == 69
