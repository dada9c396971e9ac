"""Voices: consent first, one small file that comes back as it was, damaged, changed and foreign ones refused by name."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch

from tts import registry
from tts.base.errors import CannotCreateError, DataError, ModelError, NoInputError, NotPermittedError
from tts.listen import Report
from tts.voice import LONGEST_REFERENCE, Voice, VoiceInfo, pitch_of
from vocoder.audio.io import write_audio
from vocoder.nn.checkpoint import write_tensors


@pytest.fixture(scope="module")
def recording(tmp_path_factory, spoken):
    path = tmp_path_factory.mktemp("voice") / "Jane Doe (2).wav"
    write_audio(path, np.pad(spoken["kathleen"][: 4 * 24_000], 12_000), 24_000)
    return path


@pytest.fixture(scope="module")
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
    assert voice.name == "jane-doe-2" and voice.language == "en-us" and voice.languages == ("en-us",)
    assert voice.consent == {"kind": "asserted", "statement": "Jane Doe; in writing; 2026-11-01"}
    assert voice.style is None and voice.model_id is None and len(voice.source_sha256) == 64
    seconds = len(voice.reference) / 75
    assert 3.5 < seconds < 4.2 and voice.report.kept == pytest.approx(seconds, abs=0.01)  # the silence is gone
    assert voice.reference.shape[1] == 100 and voice.reference.dtype == np.float32
    assert 130 < voice.pitch[0] < 260 and 0.03 < voice.pitch[1] < 0.5
    assert (voice.speaker is None) == (voice.speaker_model is None)


def test_saved_and_loaded_it_is_the_same_voice_to_the_bit(voice, tmp_path):
    voice.save(tmp_path / "jane.safetensors")
    again = Voice.load(tmp_path / "jane.safetensors")
    for name in ("reference", "speaker"):
        assert np.array_equal(getattr(again, name), getattr(voice, name)), name
    names = "name style model_id language languages gender corpus licence minutes consent source_sha256 speaker_model report"
    for name in names.split():
        assert getattr(again, name) == getattr(voice, name), name
    assert again.borders == voice.borders
    assert again.pitch == pytest.approx(voice.pitch, abs=1e-4)
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


def test_several_recordings_are_one_reference_of_bounded_length(recording):
    once, often = (Voice.from_audio([recording] * n, consent="a; b; c") for n in (1, 9))
    assert len(often.reference) == LONGEST_REFERENCE == 2250 > len(once.reference)
    assert len(often.borders) >= 7 and once.source_sha256 != often.source_sha256


def test_pitch_is_the_median_and_a_spread_that_octave_errors_do_not_move():
    f0 = 200 * np.exp(0.1 * np.random.default_rng(0).standard_normal(2000))
    f0[::50] *= 2
    f0[::3] = 0
    median, spread = pitch_of(f0.astype(np.float32))
    assert median == pytest.approx(200, rel=0.02) and spread == pytest.approx(0.1, rel=0.1)
    assert pitch_of(np.zeros(100, np.float32)) is None


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
    "the future": (json.dumps(FACTS | {"format": 3}), REFERENCE, "newer than this parlance.*Upgrade"),
    "format true": (json.dumps(FACTS | {"format": True}), REFERENCE, "newer than this parlance"),
    "half of format 2": (json.dumps(FACTS | {"format": 2}), REFERENCE, "not a voice file"),
    "80 bands": (json.dumps(FACTS), {"reference": torch.zeros(5, 80)}, r"shape \(5, 80\), not \[T, 100\]"),
    "one row": (json.dumps(FACTS), {"reference": torch.zeros(100)}, "the reference has shape"),
    "a path as name": (json.dumps(FACTS | {"name": "../../etc"}), REFERENCE, "name is malformed"),
    "a number as name": (json.dumps(FACTS | {"name": 5}), REFERENCE, "voice's name is malformed"),
    "words as minutes": (json.dumps(FACTS | {"minutes": "many"}), REFERENCE, "minutes is malformed"),
    "true as minutes": (json.dumps(FACTS | {"minutes": True}), REFERENCE, "minutes is malformed"),
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


def test_a_voice_of_format_1_is_read_and_becomes_one_of_format_2(tmp_path):
    write_tensors(tmp_path / "old.safetensors", REFERENCE, {"parlance_voice": json.dumps(FACTS)})
    old = Voice.load(tmp_path / "old.safetensors")
    assert (old.language, old.languages, old.minutes, old.report, old.pitch) == ("en-us", ("en-us",), 1.5, None, None)
    assert VoiceInfo.read(tmp_path / "old.safetensors").language == "en-us"
    old.save(tmp_path / "new.safetensors")
    assert VoiceInfo.read(tmp_path / "new.safetensors") == VoiceInfo.read(tmp_path / "old.safetensors")


def test_every_house_voice_loads():
    paths = sorted((registry.HOUSE / "fs2" / "voices").glob("*.safetensors"))
    assert len(paths) >= 12 and all(Voice.load(path).name == path.stem for path in paths)


def rewritten(path, change):
    """Change the facts of a voice file in place, as with a text editor."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    facts = json.loads(header["__metadata__"]["parlance_voice"])
    change(facts)
    header["__metadata__"]["parlance_voice"] = json.dumps(facts)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


CHANGES = {
    "the statement": lambda facts: facts["consent"].update(statement="everybody; always; now"),
    "a field more": lambda facts: facts["consent"].update(scope="all"),
    "the licence": lambda facts: facts.update(licence="CC0"),
    "the name": lambda facts: facts.update(name="other"),
    "the digest": lambda facts: facts.update(digest="0" * 64),
    "an unknown key": lambda facts: facts.update(note="x"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_record_that_was_changed_is_noticed(voice, tmp_path, change):
    path = tmp_path / "v.safetensors"
    voice.save(path)
    rewritten(path, lambda facts: None)
    Voice.load(path)  # written again without a change
    rewritten(path, CHANGES[change])
    for read in (Voice.load, VoiceInfo.read):
        with pytest.raises(ModelError, match="was changed after it was saved") as caught:
            read(path)
        assert caught.value.code == "voice.digest" and caught.value.exit_code == 78


def test_a_reference_that_was_changed_is_noticed(voice, tmp_path):
    path = tmp_path / "v.safetensors"
    voice.save(path)
    data = bytearray(path.read_bytes())
    data[-101] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ModelError, match="was changed"):
        Voice.load(path)


@pytest.mark.parametrize("values", [{"pitch": (0.0, 1.0)}, {"borders": (-1,)}, {"languages": (5,)}], ids=str)
def test_a_file_with_senseless_facts_is_refused(voice, tmp_path, values):
    replace(voice, **values).save(tmp_path / "v.safetensors")
    with pytest.raises(ModelError, match=f"{next(iter(values))} is malformed"):
        Voice.load(tmp_path / "v.safetensors")


def test_a_voice_whose_consent_has_expired_is_refused(voice, tmp_path):
    ended = {"kind": "record", "speaker": "Jane Doe", "expires": "2020-01-31"}
    for name, consent in (("own", ended), ("mixed", {"kind": "mix", "parts": [{"name": "x", "consent": ended}]})):
        replace(voice, consent=consent).save(tmp_path / f"{name}.safetensors")
        with pytest.raises(NotPermittedError, match="consent of Jane Doe expired on 2020-01-31") as caught:
            Voice.load(tmp_path / f"{name}.safetensors")
        assert caught.value.where == str(tmp_path / f"{name}.safetensors")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(NoInputError):
        Voice.load(tmp_path / "missing.safetensors")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ModelError):
        Voice.load(tmp_path / "text")
    write_tensors(tmp_path / "weights", {"w": torch.zeros(3)}, {})
    with pytest.raises(ModelError, match="not a voice file"):
        Voice.load(tmp_path / "weights")


def test_a_report_comes_back_and_nonsense_does_not(voice):
    assert Report.from_dict(json.loads(json.dumps(voice.report.to_dict()))) == voice.report
    for bad in ({"snr_db": "loud"}, {"kept": None}, {"warnings": [["a"]]}):
        with pytest.raises((TypeError, ValueError)):
            Report.from_dict(voice.report.to_dict() | bad)
