"""The command in-process, with a synthesiser that hums: what the CLI itself does, without a model."""

import json
import re
import sys
from dataclasses import dataclass

import pytest

from frontend.types import Note
from tts.base.rng import normal
from tts.speech import Span, Speech
from tts.voice import VoiceInfo

RATE = 24_000


class Synthesizer:
    calls: list = []

    def __init__(self, model=None, threads=None):
        pass

    def stream(self, text, voice=None, language="auto", controls=None, seed=0, **rest):
        Synthesizer.calls.append({"text": text, "voice": voice, "language": language, "controls": controls, "seed": seed, **rest})
        name = getattr(voice, "name", None) or voice or "kathleen"
        spans = [(match[0], *match.span()) for match in re.finditer(r"\S+", text)]
        words = tuple(Span(word, 0.1 * i, 0.1 * i + 0.1, (start, end)) for i, (word, start, end) in enumerate(spans))
        samples = 0.1 * normal(seed, text, 2400 * len(words))
        notes = tuple(Note("dropped", i, i + 1, "unsupported_script", c) for i, c in enumerate(text) if c == "☃")
        whole = (Span(text, 0.0, len(samples) / RATE, (0, len(text))),)
        timings = {"words": words, "phones": words, "chunks": whole}
        for start in range(0, len(samples), 3000):
            yield Speech(
                samples[start : start + 3000], text, "en-us" if language == "auto" else language, name, seed,
                notes=notes, metrics={"rtf": 0.1}, **timings,
            )  # fmt: skip
            timings = {}

    def voices(self):
        return [
            VoiceInfo("kathleen", "en-us", "f", "Kathleen", "CC0", 79.5),
            VoiceInfo("kerstin", "de", "f", "Kerstin", "CC0", 103.0),
        ]


@pytest.fixture
def hum(monkeypatch, tmp_path):
    """Replace the API by the humming one, and work in an empty folder."""
    monkeypatch.setattr("tts.api.Synthesizer", Synthesizer)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Synthesizer, "calls", [])
    return Synthesizer


@dataclass
class Done:
    code: int
    out: bytes
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def tts(monkeypatch, capfdbinary):
    """``tts(*args, stdin=b"...")`` runs one command line in this process."""
    import io

    from tts.cli import run

    def call(*args, stdin=None, terminal=False):
        buffer = io.TextIOWrapper(io.BytesIO(stdin or b""), encoding="utf-8")
        buffer.isatty = lambda: stdin is None
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        out.isatty = lambda: terminal
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", buffer)
            patch.setattr(sys, "stdout", out)
            code = run([str(arg) for arg in args])
        return Done(code, out.buffer.getvalue(), capfdbinary.readouterr().err.decode())

    return call
