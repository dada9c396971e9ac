"""``tts clone``: a voice file with its consent, and nothing without one."""

import json

import pytest

from tts.voice import Voice
from vocoder.audio.io import write_audio

CONSENT = "myself; recorded for this test; 3 May 2026"


@pytest.fixture
def recording(tmp_path, monkeypatch, spoken):
    monkeypatch.chdir(tmp_path)
    write_audio("me.wav", spoken["kathleen"][: 4 * 24_000], 24_000)


def test_recordings_become_a_voice_with_its_consent_and_a_report(recording, tts):
    done = tts(
        "clone", "me.wav", "me.wav", "-o", "Jane.safetensors", "--consent", CONSENT, "-l", "en", "--licence", "CC0", "--json"
    )
    assert done.code == 0 and done.json["seconds"] == pytest.approx(8, abs=0.5)
    voice = Voice.load("Jane.safetensors")
    assert (voice.name, voice.language, voice.licence, voice.consent["statement"]) == ("jane", "en-us", "CC0", CONSENT)
    assert voice.source_sha256 == done.json["source_sha256"] and voice.report.to_dict() == done.json["report"]
    assert tts("clone", "me.wav", "-o", "Jane.safetensors", "--consent", CONSENT).code == 73


def test_warnings_and_what_was_kept_are_told_and_the_report_on_request(recording, tts, spoken):
    write_audio("short.wav", spoken["bdl"][:44_000], 24_000)
    done = tts("clone", "short.wav", "-o", "a.safetensors", "--consent", CONSENT, "--report")
    first, *_, last = done.err.splitlines()
    assert done.code == 0 and first.startswith("warning: only 1.") and "of speech" in first
    assert last.startswith("a.safetensors: voice a, 1.") and "kept of 1.8 s, in 1 piece" in last
    assert "speech over noise" in done.out.decode() and "bandwidth" in done.out.decode()


def test_a_consent_file_is_read_and_an_expired_one_refused(recording, tts, tmp_path):
    record = {"speaker": "Me", "relation": "self", "statement": "For tests.", "date": "2026-05-03"}
    (tmp_path / "consent.json").write_text(json.dumps(record))
    assert tts("clone", "me.wav", "-o", "me.safetensors", "--consent", "consent.json").code == 0
    assert Voice.load("me.safetensors").consent == {"kind": "record", **record}
    (tmp_path / "old.json").write_text(json.dumps(record | {"expires": "2020-01-01"}))
    done = tts("clone", "me.wav", "-o", "b.safetensors", "--consent", "old.json")
    assert done.code == 77 and "expired on 2020-01-01" in done.err and not (tmp_path / "b.safetensors").exists()


def test_no_consent_no_voice(recording, tts, tmp_path):
    done = tts("clone", "me.wav", "-o", "me.safetensors")
    assert done.code == 77 and "consent" in done.err and "JSON file" in done.err and not (tmp_path / "me.safetensors").exists()


def test_what_is_no_recording_or_no_name_is_told(recording, tts, tmp_path):
    (tmp_path / "text.wav").write_text("hello")
    assert tts("clone", "text.wav", "-o", "a.safetensors", "--consent", CONSENT).code == 65
    assert tts("clone", "none.wav", "-o", "a.safetensors", "--consent", CONSENT).code == 66
    assert tts("clone", "/dev/zero", "-o", "a.safetensors", "--consent", CONSENT).code == 66
    assert tts("clone", "me.wav", "-o", "a.safetensors", "--consent", CONSENT, "--name", "../x").code == 65
    assert tts("clone", "-o", "a.safetensors", "--consent", CONSENT).code == 2
    assert not (tmp_path / "a.safetensors").exists()
