"""Prosody, clones and edits of the shipped models over HTTP: the same as in Python, and recordings that are none refused."""

import io
import json
import os
import sys

import numpy as np
import pytest
from scipy.io import wavfile

from tests.serve.conftest import RATE, form, serving
from tts import prosody
from tts.api import Synthesizer
from tts.edit.native import Native
from tts.provenance import VALID, verify
from tts.voice import Voice
from vocoder.audio.io import encode_audio, read_audio
from vocoder.audio.wavfile import to_pcm16

TEXT = "We met on Monday, and then we walked to the old station."
AGREED = {"consent": "a house voice; for this test; today"}


@pytest.fixture(scope="module")
def house():
    with serving(Synthesizer()) as server:
        yield server


@pytest.fixture(scope="module")
def take(house):
    return house.ask("/v1/audio/speech", {"input": TEXT, "voice": "bdl", "response_format": "flac"}).body


def spoken(house, **fields):
    answer = house.ask("/v1/audio/speech", {"input": TEXT, "response_format": "pcm", **fields})
    return np.frombuffer(answer.body, "<i2") / 32768 if answer.status == 200 else answer


def test_prosody_is_the_file_of_the_command_line_and_comes_back(house):
    plan = Synthesizer().plan(TEXT, voice="bdl")
    answer = house.ask("/v1/audio/prosody", {"input": TEXT, "voice": "bdl"})
    assert answer.status == 200 and answer.body.decode() == prosody.dumps(plan)
    plain = spoken(house, voice="bdl")
    assert np.array_equal(spoken(house, voice="bdl", prosody=answer.json), plain)
    slow = house.ask("/v1/audio/prosody", {"input": TEXT, "voice": "bdl", "speed": 0.5}).json
    assert len(spoken(house, voice="bdl", prosody=slow)) > 1.6 * len(plain)
    document = answer.json
    document["clauses"][0]["phones"][2]["ms"] += 400
    assert len(spoken(house, voice="bdl", prosody=document)) == len(plain) + 0.4 * RATE
    events = house.ask("/v1/audio/speech", {"input": TEXT, "voice": "bdl", "prosody": document, "response_format": "pcm",
                                            "stream_format": "ndjson", "timings": True})  # fmt: skip
    timings = json.loads(events.body.split(b"\n")[0])
    ends = np.cumsum([row["ms"] for row in document["clauses"][0]["phones"] if row["ms"]]) / 1000
    assert np.allclose([phone["end"] for phone in timings["phones"]], ends, atol=1e-3)


def test_prosody_that_cannot_be_spoken_is_told(house):
    document = house.ask("/v1/audio/prosody", {"input": TEXT, "voice": "bdl"}).json

    def changed(**values):
        made = json.loads(json.dumps(document))
        for row in made["clauses"][0]["phones"][:20]:
            row.update(values)
        return made

    for given, status, code in (
        ({}, 400, "prosody.format"),
        (document | {"text": "Other words."}, 400, "prosody.text"),
        (changed(ms="long"), 400, "prosody.value"),
        (changed(ms=-1), 400, "prosody.value"),
        (changed(hz=1e30), 400, "prosody.value"),
        (changed(phone="x"), 400, "prosody.differs"),
        (changed(path="/etc/passwd"), 400, "prosody.key"),
        (changed(ms=60_000), 413, "request.seconds"),
    ):
        answer = spoken(house, voice="bdl", prosody=given)
        assert (answer.status, answer.json["error"]["code"]) == (status, code), given


def test_a_clone_speaks_is_kept_as_a_file_and_is_forgotten(house, take, tmp_path):
    answer = house.ask("/v1/voices", *form({"audio": take, "name": "jane", "language": "en", **AGREED}))
    told = answer.json
    assert answer.status == 200 and told["name"] == "jane" and told["language"] == "en-us"
    assert told["consent"] == {"kind": "asserted", "statement": AGREED["consent"]} and told["warnings"][0]["code"] == "short"
    assert told["id"].startswith("jane-") and told["id"] not in house.ask("/v1/voices").body.decode()
    there = spoken(house, voice=told["id"])
    kept = house.ask(f"/v1/voices/{told['id']}")
    path = tmp_path / "jane.safetensors"
    path.write_bytes(kept.body)
    here = Synthesizer().synth(TEXT, voice=Voice.load(path))
    assert np.array_equal(there, np.frombuffer(to_pcm16(here.samples).tobytes(), "<i2") / 32768)
    file = house.ask("/v1/audio/speech", {"input": "Yes.", "voice": {"id": told["id"]}, "response_format": "flac"})
    assert file.headers["x-voice"] == "jane" and verify(file.body).verdict == VALID
    assert house.ask(f"/v1/voices/{told['id']}", method="DELETE").status == 204
    gone = spoken(house, voice=told["id"])
    assert gone.status == 404 and told["id"] not in gone.json["error"]["fix"]


def test_an_edit_is_that_of_the_command_line(house, take):
    new = TEXT.replace("Monday", "Friday")
    fields = {"audio": take, "text": TEXT, "to": new, "candidates": "4", "seed": "3", **AGREED}
    answer = house.ask("/v1/audio/edit", *form(fields))
    edited = Synthesizer().edit(take, TEXT, to=new, candidates=4, seed=3, **AGREED)
    told = json.loads(answer.headers["x-edit"])
    assert answer.status == 200 and answer.headers["content-type"] == "audio/wav"
    assert np.array_equal(Native.read(answer.body).samples, edited.audio.samples)
    assert np.allclose(told["segments_edited"], [edited.edits[0].new], atol=1e-4) and told["warnings"] == []
    assert verify(answer.body).verdict == VALID


def wav(samples):
    """A WAV file of any samples."""
    data = io.BytesIO()
    wavfile.write(data, RATE, samples.astype(np.float32))
    return data.getvalue()


def test_recordings_that_are_none_are_refused(house, take):
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * RATE)
    edit = {"text": TEXT, "to": "Other words.", **AGREED}
    for path, audio, code in (
        ("voices", b"no audio", "audio.format"),
        ("voices", take[:100], "audio."),
        ("voices", wav(np.zeros(2 * RATE)), "audio.silent"),
        ("voices", wav(noise[:1000]), "audio.too_short"),
        ("voices", wav(noise), "voice.no_speech"),
        ("voices", wav(np.full(2 * RATE, np.nan)), "audio."),
        ("audio/edit", b"no audio", "audio.format"),
        ("audio/edit", wav(np.full(2 * RATE, np.nan)), "audio."),
        ("audio/edit", wav(np.stack([read_audio(take)] * 2, 1)), "edit.channels"),
    ):
        answer = house.ask(f"/v1/{path}", *form({"audio": audio, **(AGREED if path == "voices" else edit)}))
        assert answer.status == 400 and answer.json["error"]["code"].startswith(code), (path, code, answer.body)
    long = encode_audio(np.tile(read_audio(take), 40), RATE, "flac")
    answer = house.ask("/v1/audio/edit", *form({"audio": long, **edit}))
    assert (answer.status, answer.json["error"]["code"]) == (413, "audio.too_long")


def test_recordings_and_voices_of_them_are_not_written(house, take):
    edit = {"audio": take, "text": TEXT, "to": TEXT.replace("Monday", "Friday"), "candidates": "1", **AGREED}
    written, watching = [], True

    def watch(event, arguments):
        if watching and event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            written.append(arguments[0])

    sys.addaudithook(watch)
    try:
        voice = house.ask("/v1/voices", *form({"audio": take, **AGREED})).json["id"]
        assert house.ask(f"/v1/voices/{voice}").status == house.ask("/v1/audio/edit", *form(edit)).status == 200
    finally:
        watching = False
    assert written == []
