"""The command in-process, with a synthesiser that hums: what the CLI itself does, without a model."""

import json
import re
import sys
import types
from dataclasses import dataclass

import numpy as np
import pytest

from frontend.types import Note
from tts.api import Controls
from tts.base.errors import DataError, UnavailableError, UsageError
from tts.base.rng import normal
from tts.speech import Span, Speech

RATE = 24_000


@dataclass(frozen=True)
class VoiceInfo:
    name: str
    language: str
    gender: str
    corpus: str
    licence: str
    minutes: float


class Synthesizer:
    calls: list = []

    def __init__(self, model=None, threads=None):
        if model not in (None, "fs2", "flow"):
            raise UnavailableError(f"model {model!r} is not installed.", where="model")

    def stream(self, text, voice=None, language="auto", controls=None, seed=0, **rest):
        Synthesizer.calls.append({"text": text, "voice": voice, "language": language, "controls": controls, "seed": seed, **rest})
        if not text.strip():
            raise DataError("the text is empty.", where="<text>", code="text.empty")
        if voice not in (None, "kathleen") and not isinstance(voice, Voice):
            raise UnavailableError(f"voice {voice!r} is not known.", where="voice")
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


@dataclass
class Voice:
    name: str
    consent: str | None = None

    @classmethod
    def from_audio(cls, paths, consent):
        from vocoder.audio.io import check_speech, read_audio

        if consent.count(";") != 2:
            raise UsageError("consent names who, how and when.", where="--consent")
        for path in paths:
            check_speech(read_audio(path), RATE, 1.0, str(path))
        return cls("cloned", consent)

    @classmethod
    def load(cls, path):
        from vocoder.nn.checkpoint import read_tensors

        read_tensors(path)
        return cls("saved")


@pytest.fixture
def hum(monkeypatch, tmp_path):
    """Replace the API by the humming one, and work in an empty folder."""
    api, voice = types.ModuleType("tts.api"), types.ModuleType("tts.voice")
    api.Synthesizer, api.Controls, voice.Voice = Synthesizer, Controls, Voice
    monkeypatch.setitem(sys.modules, "tts.api", api)
    monkeypatch.setitem(sys.modules, "tts.voice", voice)
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
