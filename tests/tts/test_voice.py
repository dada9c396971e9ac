"""Voices: consent first, one small file that comes back as it was, damaged and foreign ones refused by name."""

import json

import numpy as np
import pytest
import torch

from tts.base.errors import CannotCreateError, DataError, ModelError, NoInputError, NotPermittedError
from tts.voice import LONGEST_REFERENCE, Voice, to_level, trim_silence
from vocoder.audio.io import write_audio
from vocoder.audio.mel import log_mel
from vocoder.nn.checkpoint import write_tensors


def speech(seconds=2.0, lead=0.5, amplitude=0.2):
    """Half a second of near silence, a voice-like buzz, near silence."""
    t = np.arange(int(seconds * 24_000)) / 24_000
    buzz = sum(np.sin(2 * np.pi * 130 * k * t) / k for k in range(1, 12)) * (1 + 0.3 * np.sin(2 * np.pi * 4 * t))
    noise = np.random.default_rng(0).standard_normal(int(lead * 24_000)) * 1e-5
    return np.concatenate([noise, amplitude * buzz / np.abs(buzz).max(), noise]).astype(np.float32)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("voice") / "Jane Doe (2).wav"
    write_audio(path, speech(), 24_000)
    return path


@pytest.fixture
def voice(recording):
    return Voice.from_audio(recording, consent="Jane Doe; in writing; 2026-11-01", language="en-us")


@pytest.mark.parametrize("consent", [None, "", {}])
def test_nobody_is_cloned_without_consent(recording, consent):
    with pytest.raises(NotPermittedError, match=r"consent of the person who speaks.*Say who agreed") as caught:
        Voice.from_audio(recording, consent=consent)
    assert caught.value.exit_code == 77 and caught.value.where == str(recording)


def test_consent_is_asked_before_the_file_is_opened(tmp_path):
    with pytest.raises(NotPermittedError):
        Voice.from_audio(tmp_path / "missing.wav")
    with pytest.raises(NoInputError):
        Voice.from_audio(tmp_path / "missing.wav", consent="me; now; here")
    with pytest.raises(DataError, match="at least one recording"):
        Voice.from_audio([], consent="me; now; here")


def test_a_cloned_voice_holds_its_reference_and_record_and_belongs_to_no_model(voice):
    assert voice.name == "jane-doe-2" and voice.language == "en-us"
    assert voice.consent == {"kind": "asserted", "statement": "Jane Doe; in writing; 2026-11-01"}
    assert voice.style is None and voice.model_id is None and len(voice.source_sha256) == 64
    seconds = len(voice.reference) / 75
    assert 2.0 < seconds < 2.4  # silence cut, a tenth of a second kept on both sides
    assert voice.reference.shape[1] == 100 and voice.reference.dtype == np.float32


def test_saved_and_loaded_it_is_the_same_voice_to_the_bit(voice, tmp_path):
    voice.save(tmp_path / "jane.safetensors")
    again = Voice.load(tmp_path / "jane.safetensors")
    assert np.array_equal(again.reference, voice.reference)
    for name in ("name", "style", "model_id", "language", "gender", "corpus", "licence", "minutes", "consent", "source_sha256"):
        assert getattr(again, name) == getattr(voice, name), name
    with pytest.raises(CannotCreateError):
        voice.save(tmp_path / "jane.safetensors")
    voice.save(tmp_path / "jane.safetensors", force=True)


def test_a_style_is_kept_in_full_precision(voice, tmp_path):
    styled = Voice(
        "kim", voice.reference, style=np.array([0.1, 1e-5, -3.3333333], np.float32), model_id="abc", consent={"kind": "x"}
    )
    styled.save(tmp_path / "kim.safetensors")
    again = Voice.load(tmp_path / "kim.safetensors")
    assert np.array_equal(again.style, styled.style) and again.model_id == "abc"


def test_the_level_of_a_recording_makes_no_difference(tmp_path):
    references = []
    for i, amplitude in enumerate((0.02, 0.5)):
        write_audio(tmp_path / f"{i}.flac", speech(amplitude=amplitude, lead=0.0), 24_000)
        references.append(Voice.from_audio(tmp_path / f"{i}.flac", consent="a; b; c").reference)
    loud = references[1] > -6
    assert np.abs(references[0] - references[1])[loud].mean() < 0.02


def test_several_recordings_are_one_reference_of_bounded_length(recording):
    once, often = (Voice.from_audio([recording] * n, consent="a; b; c") for n in (1, 8))
    assert len(often.reference) == LONGEST_REFERENCE == 900 > len(once.reference)
    assert once.source_sha256 != often.source_sha256


@pytest.mark.parametrize("name", ["", "Jane", "a/b", "../x", "-x", "é", "a" * 65])
def test_only_plain_names_are_written(voice, tmp_path, name):
    with pytest.raises(DataError, match="is no voice name"):
        Voice(name, voice.reference).save(tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


FACTS = {
    "format": 1, "name": "jane", "model_id": None, "language": "en-us", "gender": "f", "corpus": "", "licence": "",
    "minutes": 1.5, "consent": {"kind": "x"}, "source_sha256": "",
}  # fmt: skip
REFERENCE = {"reference": torch.zeros(5, 100)}
BAD = {
    "not json": ("{", REFERENCE, "not a voice file"),
    "a list": ("[]", REFERENCE, "not a voice file"),
    "a number": ("3", REFERENCE, "not a voice file"),
    "no name": (json.dumps({k: v for k, v in FACTS.items() if k != "name"}), REFERENCE, "not a voice file"),
    "no reference": (json.dumps(FACTS), {"other": torch.zeros(5, 100)}, "not a voice file"),
    "the future": (json.dumps(FACTS | {"format": 2}), REFERENCE, "newer than this parlance.*Upgrade"),
    "80 bands": (json.dumps(FACTS), {"reference": torch.zeros(5, 80)}, r"shape \(5, 80\), not \[T, 100\]"),
    "one row": (json.dumps(FACTS), {"reference": torch.zeros(100)}, "the reference has shape"),
    "a path as name": (json.dumps(FACTS | {"name": "../../etc"}), REFERENCE, "name is malformed"),
    "a number as name": (json.dumps(FACTS | {"name": 5}), REFERENCE, "voice's name is malformed"),
    "words as minutes": (json.dumps(FACTS | {"minutes": "many"}), REFERENCE, "minutes is malformed"),
    "a list as consent": (json.dumps(FACTS | {"consent": []}), REFERENCE, "consent is malformed"),
    "a matrix as style": (json.dumps(FACTS), REFERENCE | {"style": torch.zeros(2, 8)}, "style is malformed"),
}


@pytest.mark.parametrize("fault", BAD)
def test_what_is_no_sound_voice_is_refused_by_path(tmp_path, fault):
    facts, tensors, message = BAD[fault]
    path = tmp_path / "bad.safetensors"
    write_tensors(path, tensors, {"parlance_voice": facts})
    with pytest.raises(ModelError, match=message) as caught:
        Voice.load(path)
    assert caught.value.where == str(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(NoInputError):
        Voice.load(tmp_path / "missing.safetensors")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ModelError):
        Voice.load(tmp_path / "text")
    write_tensors(tmp_path / "weights", {"w": torch.zeros(3)}, {})
    with pytest.raises(ModelError, match="not a voice file"):
        Voice.load(tmp_path / "weights")


def test_silence_is_trimmed_and_a_margin_kept():
    wav = speech(1.0, lead=0.5)
    trimmed = trim_silence(wav)
    assert 1.15 < len(trimmed) / 24_000 < 1.25
    assert len(trim_silence(wav[:100])) == 100
    assert len(trim_silence(np.zeros(48_000, np.float32))) == 48_000


def test_active_speech_is_brought_to_minus_23_db_without_clipping():
    wav = to_level(speech(lead=3.0, amplitude=0.01))
    active = wav[3 * 24_000 : -3 * 24_000]
    assert 20 * np.log10(np.sqrt(np.mean(active**2))) == pytest.approx(-23, abs=0.5)
    click = np.zeros(24_000, np.float32)
    click[::480] = 1e-3
    assert np.abs(to_level(click)).max() <= 0.991
    assert log_mel(to_level(np.zeros(480, np.float32))).max() < -11
