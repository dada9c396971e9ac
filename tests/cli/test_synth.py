"""``tts synth``: text in from three places, sound out to three, and nothing half-written when it goes wrong."""

import json
import os

import numpy as np
import pytest

from tts.base.rng import normal
from vocoder.audio.io import read_audio, read_info, write_audio

RATE = 24_000


def quiet_folder():
    return sorted(os.listdir("."))


def test_words_to_a_file_with_one_line_on_stderr(hum, tts):
    done = tts("synth", "Hello", "there.", "-o", "a.wav", "-v", "kathleen", "--seed", 3)
    assert done.code == 0 and done.out == b"" and quiet_folder() == ["a.wav"]
    assert done.err == "a.wav: 0.20 s, en-us, voice kathleen, seed 3\n"
    assert np.abs(read_audio("a.wav") - 0.1 * normal(3, "Hello there.", 4800)).max() < 1e-4


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.opus", "a.mp3"])
def test_the_ending_gives_the_format_and_flags_override_it(hum, tts, name):
    assert tts("synth", "One two three four five.", "-o", name, "-q").err == ""
    assert len(read_audio(name)) == 12_000
    assert tts("synth", "One", "-o", "raw.bin", "--format", "pcm", "--rate-hz", 8000).code == 0
    assert os.path.getsize("raw.bin") == 1600


def test_options_arrive_with_their_units_and_aliases(hum, tts):
    tts("synth", "a", "-o", "1.wav", "--rate", "+10%", "--pitch", "-2st", "--energy", "3dB", "-l", "de", "--steps", 4)
    tts("synth", "a", "-o", "2.wav", "--speed", "0.5", "--phonemes", "--lexicon", "x.tsv", "--guidance", "1.5")
    first, second = hum.calls
    assert first["controls"].rate == pytest.approx(1.1) and first["controls"].pitch_st == -2 and first["controls"].energy_db == 3
    assert first["language"] == "de" and first["steps"] == 4 and first["seed"] == 0
    assert second["controls"].rate == 0.5 and second["phonemes"] and second["lexicon"] == "x.tsv" and second["guidance"] == 1.5


def test_text_from_files_stdin_and_after_a_double_dash(hum, tts):
    with open("t.txt", "w") as file:
        file.write("From a file.")
    assert tts("synth", "-i", "t.txt", "-i", "t.txt", "-o", "a.wav").code == 0
    assert tts("synth", "-o", "b.wav", stdin="Grüße.".encode()).code == 0
    assert tts("synth", "-i", "-", "-o", "c.wav", stdin=b"Dash.").code == 0
    assert tts("synth", "-o", "d.wav", "--", "-5 degrees", "--json-errors").code == 0
    assert [call["text"] for call in hum.calls] == ["From a file.\n\nFrom a file.", "Grüße.", "Dash.", "-5 degrees --json-errors"]


def test_a_pipe_gets_a_stream_equal_to_the_file(hum, tts):
    piped = tts("synth", "Hello there you.", "-o", "-")
    assert piped.code == 0 and piped.out[4:8] == b"\xff" * 4 and "stdout: 0.30 s" in piped.err
    default = tts("synth", "Hello there you.")
    assert default.out == piped.out and quiet_folder() == []
    tts("synth", "Hello there you.", "-o", "a.wav")
    assert np.array_equal(read_audio(piped.out), read_audio("a.wav"))
    raw = tts("synth", "Hello there you.", "-o", "-", "--format", "pcm")
    assert raw.out == piped.out[44:]
    flac = tts("synth", "Hello there you.", "-o", "-", "--format", "flac")
    assert np.array_equal(read_audio(flac.out), read_audio("a.wav"))


def test_a_terminal_gets_a_file_never_samples(hum, tts):
    assert tts("synth", "Hi", terminal=True).code == 0 and quiet_folder() == ["speech.wav"]
    again = tts("synth", "Hi", terminal=True)
    assert again.code == 73 and "--force" in again.err
    assert tts("synth", "Hi", "--force", terminal=True).code == 0
    assert tts("synth", "Hi", "-o", "-", terminal=True).code == 2


def test_json_timings_and_subtitles(hum, tts):
    done = tts(
        "synth", "Hello there.", "-o", "a.wav", "--json", "--timings", "t.json", "--subtitles", "s.srt", "--rate-hz", 16000
    )
    assert done.code == 0 and done.json["output"] == "a.wav" and done.json["seed"] == 0
    times = json.load(open("t.json"))
    assert times["words"][1] == {"label": "there.", "start": 0.1, "end": 0.2, "source": [6, 12]}
    assert open("s.srt").read().startswith("1\n00:00:00,000 --> ") and read_info("a.wav").sample_rate == 16_000
    assert tts("synth", "Hi", "--timings", "-", "-o", "b.wav").json["text"] == "Hi"
    assert tts("synth", "Hi", "--subtitles", "s.vtt", "-o", "c.wav").code == 0 and open("s.vtt").read().startswith("WEBVTT")


def test_what_is_dropped_is_said(hum, tts):
    done = tts("synth", "Snow ☃ man", "-o", "a.wav")
    assert done.code == 0 and "note: dropped (unsupported_script) at 5-6: ☃" in done.err
    many = tts("synth", "☃" * 9, "-o", "b.wav").err
    assert many.count("note:") == 6 and "4 more" in many


def test_a_random_seed_is_reported_and_repeats(hum, tts):
    seed = tts("synth", "Hi", "-o", "a.wav", "--seed", "random", "--json").json["seed"]
    tts("synth", "Hi", "-o", "b.wav", "--seed", seed)
    assert open("a.wav", "rb").read() == open("b.wav", "rb").read()


def test_a_recording_needs_consent(spoken, hum, tts):
    write_audio("me.wav", spoken["bdl"], RATE)
    refused = tts("synth", "Hi", "-v", "me.wav", "-o", "a.wav")
    assert refused.code == 77 and "--consent" in refused.err and "tts voices" in refused.err and quiet_folder() == ["me.wav"]
    done = tts("synth", "Hi", "-v", "me.wav", "-o", "a.wav", "--consent", "me; own voice; today")
    assert done.code == 0 and hum.calls[-1]["voice"].consent == {"kind": "asserted", "statement": "me; own voice; today"}
    assert tts("synth", "Hi", "-v", "kathleen", "--consent", "x", "-o", "b.wav").code == 2


def test_unexpected_errors_are_bugs_and_interruptions_are_not(hum, tts, monkeypatch):
    for raised, code in (
        (RuntimeError("tensor trouble\nsecond line"), 70),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 141),
        (MemoryError(), 76),
        (OSError(28, "No space left on device"), 74),
    ):

        def fail(self, text, raised=raised, **options):
            raise raised
            yield

        monkeypatch.setattr(hum, "stream", fail)
        monkeypatch.setattr("tts.cli._close_stdout", lambda: None)
        done = tts("synth", "hi", "-o", "x.wav")
        assert done.code == code and "Traceback" not in done.err and quiet_folder() == []
        if code == 70:
            assert "bug" in done.err and "--debug" in done.err and len(done.err.splitlines()) == 1
            assert "Traceback" in tts("synth", "hi", "-o", "x.wav", "--debug").err


def test_an_error_after_some_chunks_is_told_by_the_code(hum, tts, monkeypatch):
    real = hum.stream

    def breaks(self, text, **options):
        yield next(iter(real(self, text, **options)))
        raise RuntimeError("lost")

    monkeypatch.setattr(hum, "stream", breaks)
    assert tts("synth", "Hello there you", "-o", "-").code == 70
