"""The record in every format: it says what made the file, and does not fit another."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest

from tts import provenance
from tts.base.errors import UsageError
from tts.payload import Payload
from tts.watermark import Detection, Stretch
from vocoder.audio.io import encode_audio, read_audio, read_comment, write_audio

RATE = 24_000
VOICE = SimpleNamespace(name="ada", consent={"kind": "asserted", "statement": "Ada; in writing; 2026"})
MARKED = Detection("marked", 1e-20, 2.0, "public", (Stretch(0.0, 2.0, Payload(0x17F7)),))
NOT_FOUND = Detection("not found", 0.5, 2.0, "public")


def made(**changes):
    facts = {"model_id": "7f7cf464011879ab", "voice": VOICE, "language": "en-us", "text": "Hello.", "seed": 3,
             "watermark": {"applied": True, "scheme": 1, "key_id": "public", "payload": "17f7"}}  # fmt: skip
    return provenance.record(**{**facts, **changes})


def sound(seconds=2.0):
    return (0.3 * np.sin(np.arange(int(seconds * RATE)) / 9)).astype(np.float32)


@pytest.mark.parametrize("format", ["wav", "flac", "opus", "mp3"])
def test_every_format_carries_the_record_and_the_sound_stays_the_same(format):
    data = encode_audio(sound(), RATE, format, note=provenance.note(made()))
    verdict = provenance.verify(data, MARKED)
    assert verdict.verdict == "valid" and "watermark" in verdict.checked
    assert ("pcm_sha256" in verdict.checked) == (format in ("wav", "flac"))
    assert verdict.record["voice"] == "ada" and verdict.record["voice_origin"] == "cloned" and verdict.record["synthetic"] is True
    assert "statement" not in json.dumps(verdict.record) and "Hello" not in json.dumps(verdict.record)
    assert np.array_equal(read_audio(data), read_audio(encode_audio(sound(), RATE, format)))
    assert provenance.verify(encode_audio(sound(), RATE, format), MARKED).verdict == "absent"


def test_a_file_is_written_like_bytes_and_twice_the_same(tmp_path):
    for name in ("a.wav", "a.flac"):
        chunks = iter(np.array_split(sound(), 7))
        write_audio(tmp_path / name, chunks, RATE, note=provenance.note(made))
        data = (tmp_path / name).read_bytes()
        assert data == encode_audio(sound(), RATE, name[2:], note=provenance.note(made()))
        assert provenance.verify(tmp_path / name, MARKED).verdict == "valid"
    write_audio(tmp_path / "large.wav", sound(), RATE, rf64=True, note=provenance.note(made()))
    assert provenance.verify(tmp_path / "large.wav", MARKED).verdict == "valid"


@pytest.mark.parametrize("format", ["wav", "flac"])
def test_changed_and_cut_samples_do_not_fit_the_record(format):
    note = provenance.note(made())
    data = encode_audio(sound(), RATE, format, note=note)
    comment = read_comment(data)
    changed = sound()
    changed[1_000] += 0.01
    for other, reason in ((changed, "hash"), (sound(1.5), "number of samples")):
        forged = encode_audio(other, RATE, format, note=lambda audio: comment)
        verdict = provenance.verify(forged, MARKED)
        assert verdict.verdict == "does not match audio" and reason in verdict.reason


def test_record_and_mark_must_agree():
    data = encode_audio(sound(), RATE, "opus", note=provenance.note(made()))
    assert provenance.verify(data, NOT_FOUND).reason == "the watermark that it tells of is not heard"
    other = Detection("marked", 1e-20, 2.0, "public", (Stretch(0.0, 2.0, Payload(0x1123)),))
    assert provenance.verify(data, other).reason == "the watermark is of another model"
    assert provenance.verify(data, Detection("too short", 0.5, 0.3, "public")).verdict == "valid"
    left_out = made(watermark=provenance.unmarked("a test"))
    verdict = provenance.verify(encode_audio(sound(), RATE, "opus", note=provenance.note(left_out)), NOT_FOUND)
    assert verdict.verdict == "valid" and verdict.record["watermark"] == {"applied": False, "reason": "a test"}


def test_builtin_voices_edits_and_dates():
    house = SimpleNamespace(name="kathleen", consent={"kind": "dataset_licence", "corpus": "en_kathleen"})
    plain = made(voice=house)
    assert plain["voice_origin"] == "builtin" and "created_utc" not in plain and plain == made(voice=house)
    edited = made(segments_edited=[(1.0, 2.5)], created_utc="2026-11-26T12:00:00+00:00")
    assert edited["segments_edited"] == [[1.0, 2.5]] and "composite" in edited["digital_source_type"]
    assert made(text="Hello!")["text_sha256"] != made()["text_sha256"]


def test_a_reason_is_needed():
    with pytest.raises(UsageError, match="needs a reason"):
        provenance.unmarked(" ")


@pytest.mark.parametrize(
    "comment", ["", "Recorded at home", "{", '{"schema": "other/1"}', '{"a": 1, "a": 2}', "[" * 100, "{" + " " * 70_000]
)
def test_comments_of_others_are_no_record(comment):
    assert provenance.read(encode_audio(sound(), RATE, "wav", note=lambda audio: comment)) is None


@pytest.mark.parametrize("changes", [{"audio": 3}, {"watermark": []}, {"synthetic": "no"}, {"audio": None}])
def test_a_broken_record_does_not_match(changes):
    def note(audio):
        return json.dumps({**made(), "audio": {"sample_rate": RATE}, **changes})

    assert provenance.verify(encode_audio(sound(), RATE, "wav", note=note), MARKED).verdict == "does not match audio"


def test_a_pipe_carries_the_record_without_a_hash(monkeypatch):
    out = io.BytesIO()
    monkeypatch.setattr("sys.stdout", SimpleNamespace(buffer=out))
    write_audio("-", iter(np.array_split(sound(), 3)), RATE, note=provenance.note(made()))
    verdict = provenance.verify(out.getvalue(), MARKED)
    assert verdict.verdict == "valid" and verdict.checked == ("sample_rate", "watermark")


def test_raw_samples_have_no_room_for_it():
    assert len(encode_audio(sound(), RATE, "pcm", note=provenance.note(made()))) == 2 * len(sound())
