"""``tts clone``: a voice file with its consent, and nothing without one."""

import numpy as np
import pytest

from tts.voice import Voice
from vocoder.audio.io import write_audio

CONSENT = "myself; recorded for this test; 3 May 2026"


@pytest.fixture
def recording(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noise = 0.1 * np.random.default_rng(0).standard_normal(72_000).astype(np.float32)
    write_audio("me.wav", noise, 24_000)


def test_a_recording_becomes_a_voice_with_its_consent(recording, tts):
    done = tts("clone", "me.wav", "me.wav", "-o", "Jane.safetensors", "--consent", CONSENT, "-l", "en", "--json")
    assert done.code == 0 and done.json["seconds"] == pytest.approx(6, abs=0.1)
    voice = Voice.load("Jane.safetensors")
    assert (voice.name, voice.language, voice.consent["statement"]) == ("jane", "en-us", CONSENT)
    assert voice.source_sha256 == done.json["source_sha256"]
    assert tts("clone", "me.wav", "-o", "Jane.safetensors", "--consent", CONSENT).code == 73


def test_no_consent_no_voice(recording, tts, tmp_path):
    done = tts("clone", "me.wav", "-o", "me.safetensors")
    assert done.code == 77 and "consent" in done.err and not (tmp_path / "me.safetensors").exists()


def test_what_is_no_recording_or_no_name_is_told(recording, tts, tmp_path):
    (tmp_path / "text.wav").write_text("hello")
    assert tts("clone", "text.wav", "-o", "a.safetensors", "--consent", CONSENT).code == 65
    assert tts("clone", "none.wav", "-o", "a.safetensors", "--consent", CONSENT).code == 66
    assert tts("clone", "me.wav", "-o", "a.safetensors", "--consent", CONSENT, "--name", "../x").code == 65
    assert tts("clone", "-o", "a.safetensors", "--consent", CONSENT).code == 2
