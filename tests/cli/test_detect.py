"""``tts detect`` and what ``tts synth`` writes for it."""

import json

import numpy as np
import pytest

from tts.provenance import read

RATE = 24_000


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A marked and an unmarked file of the house, by its command."""
    from tts.cli import run

    folder = tmp_path_factory.mktemp("detect")
    text = "The birch canoe slid on the smooth planks."
    assert run(["synth", text, "-l", "en", "-o", str(folder / "marked.flac"), "-q"]) == 0
    assert run(["synth", text, "-l", "en", "-o", str(folder / "bare.wav"), "-q", "--no-watermark", "--reason", "a test"]) == 0
    return folder


def test_marked_speech_gives_0_and_other_speech_9(tts, files):
    done = tts("detect", files / "marked.flac")
    assert done.code == 0 and b"marked (p " in done.out and b"key public; record valid: model " in done.out
    done = tts("detect", files / "bare.wav")
    assert done.code == 9 and b"not found" in done.out and b"does not say that a person spoke" in done.out
    assert b"without watermark: a test" in done.out and b"human" not in done.out
    assert tts("detect", files / "marked.flac", files / "bare.wav").code == 9


def test_json_tells_stretches_payload_and_record(tts, files):
    done = tts("detect", "--json", files / "marked.flac", files / "bare.wav")
    marked, bare = map(json.loads, done.out.decode().splitlines())
    assert done.code == 9 and marked["watermark"]["verdict"] == "marked" and marked["record"]["verdict"] == "valid"
    record, (stretch,) = marked["record"]["record"], marked["watermark"]["stretches"]
    assert stretch["payload"]["model"] == record["model_id"][:3] == record["watermark"]["payload"][1:]
    assert set(marked["record"]["checked"]) == {"sample_rate", "samples", "pcm_sha256", "watermark"}
    assert bare["watermark"]["verdict"] == "not found" and bare["record"]["record"]["watermark"]["reason"] == "a test"


def test_stdin_and_records_that_steer_no_terminal(tts, files):
    from vocoder.audio.io import encode_audio

    done = tts("detect", "-", stdin=(files / "marked.flac").read_bytes())
    assert done.code == 0 and done.out.startswith(b"-: marked")
    record = {**read(files / "bare.wav"), "voice": "\x1b[31mred", "audio": {}}
    done = tts("detect", "-", stdin=encode_audio(np.zeros(RATE, np.float32), RATE, "wav", note=lambda audio: json.dumps(record)))
    assert done.code == 9 and b"too short" in done.out and b"\x1b" not in done.out


def test_what_is_no_audio_is_an_error(tts, tmp_path):
    (tmp_path / "x.wav").write_bytes(b"no audio")
    assert tts("detect", tmp_path / "x.wav").code == 65
    assert tts("detect", tmp_path / "missing.wav").code == 66
    assert tts("detect").code == 2


def test_no_watermark_needs_a_reason_and_a_reason_needs_it(tts, hum):
    assert tts("synth", "Hello.", "-o", "a.wav", "--no-watermark").code == 2
    assert tts("synth", "Hello.", "-o", "a.wav", "--reason", "why").code == 2
    assert not hum.calls
    assert tts("synth", "Hello.", "-o", "a.wav", "--no-watermark", "--reason", "why").code == 0
    assert hum.calls[0]["watermark"] is False and hum.calls[0]["reason"] == "why"


def test_equal_requests_give_equal_files_until_a_date_is_asked_for(tts, files, tmp_path):
    words = ("synth", "The birch canoe slid on the smooth planks.", "-l", "en", "-q", "-o")
    assert tts(*words, tmp_path / "again.flac").code == 0
    assert (tmp_path / "again.flac").read_bytes() == (files / "marked.flac").read_bytes()
    assert tts(*words, tmp_path / "dated.flac", "--dated").code == 0
    assert read(tmp_path / "dated.flac")["created_utc"].endswith("+00:00")
    assert tts("detect", tmp_path / "dated.flac").code == 0
