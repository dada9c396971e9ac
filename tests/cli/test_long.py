"""Long texts: written as they are spoken, in flat memory; interrupted, nothing is left."""

import io
import os
import signal
import sys
import tracemalloc

import numpy as np
import pytest

from tts.speech import Span, Speech
from vocoder.audio.io import read_info

RATE = 24_000
SENTENCE = "This is sentence number one of a very long book. "
TEXT = SENTENCE * 200


@pytest.fixture
def book(hum, monkeypatch):
    """The hum goes on for half an hour: ten seconds a sentence, in two chunks, of which the first has the timings."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(5 * RATE).astype(np.float32)

    def stream(self, text, **options):
        for i in range(180):
            span = (Span(f"clause {i}", 0.0, 9.0, (len(SENTENCE) * i, len(SENTENCE) * (i + 1))),)
            for timings in ({"words": span, "phones": span, "chunks": span}, {}):
                yield Speech(noise.copy(), text, "en-us", "kathleen", 0, metrics={"rtf": 0.1}, **timings)
            if i == book.interrupted_at:
                os.kill(os.getpid(), signal.SIGINT)

    book.interrupted_at = None
    monkeypatch.setattr(hum, "stream", stream)
    return book


@pytest.mark.parametrize(("name", "format"), [("a.wav", "wav"), ("a.flac", "flac"), ("/dev/null", "wav")])
@pytest.mark.parametrize("rate_hz", [24_000, 8_000])
def test_half_an_hour_takes_the_memory_of_a_sentence(book, tts, name, format, rate_hz):
    tracemalloc.start()
    try:
        done = tts("synth", TEXT, "-o", name, "--format", format, "--rate-hz", rate_hz, "--subtitles", "a.srt")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert done.code == 0 and ": 1800.00 s, en-us, voice kathleen, seed 0, RTF 0.10" in done.err
    assert peak < 12 << 20, f"{peak / 2**20:.0f} MiB for 165 MiB of samples"
    if name != "/dev/null":
        assert read_info(name).frames == 1800 * rate_hz
    with open("a.srt") as file:
        assert file.read().endswith("180\n00:29:50,000 --> 00:29:59,000\nclause 179\n")


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_ctrl_c_leaves_no_half_file(book, tts, name):
    book.interrupted_at = 2
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
    try:
        done = tts("synth", TEXT, "-o", name, "--subtitles", "a.srt")
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.code == 130 and done.err == "" and os.listdir(".") == []


def test_progress_is_for_a_terminal(book, tts, monkeypatch):
    lines = {}
    for terminal in (True, False):
        err = io.TextIOWrapper(io.BytesIO(), write_through=True)
        err.isatty = lambda terminal=terminal: terminal
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", err)
            assert tts("synth", TEXT, "-o", "a.wav", "--force").code == 0
        lines[terminal] = err.buffer.getvalue().decode().split("\r")
    assert lines[True][1] == "  0%, 5 s" and lines[True][90] == " 45%, 895 s"
    assert lines[True][-1].removeprefix("\033[K") == lines[False][0]
