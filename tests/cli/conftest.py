"""The command in-process, with a synthesiser that hums: what the CLI itself does, without a model."""

import json
import sys
import types
from dataclasses import dataclass, field

import numpy as np
import pytest

from tts.api import Controls
from tts.base.errors import DataError, UnavailableError, UsageError
from tts.base.rng import normal

RATE = 24_000


@dataclass(frozen=True)
class Span:
    label: str
    start: float
    end: float
    source: tuple[int, int] | None = None


@dataclass(frozen=True)
class Note:
    kind: str
    start: int
    end: int
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class VoiceInfo:
    name: str
    language: str
    gender: str
    corpus: str
    licence: str
    minutes: float


@dataclass
class Speech:
    samples: np.ndarray
    text: str
    voice: str
    language: str
    seed: int
    words: list = field(default_factory=list)
    phones: list = field(default_factory=list)
    notes: tuple = ()
    metrics: dict = field(default_factory=lambda: {"rtf": 0.1})
    sample_rate: int = RATE

    @property
    def duration(self):
        return len(self.samples) / RATE

    def to_srt(self):
        return "1\n00:00:00,000 --> 00:00:01,000\n" + self.text + "\n"

    def to_vtt(self):
        return "WEBVTT\n\n" + self.text + "\n"

    def to_dict(self):
        words = [vars(word) for word in self.words]
        facts = {key: getattr(self, key) for key in ("text", "duration", "seed", "voice", "language", "sample_rate")}
        return facts | {"words": words, "phones": words, "chunks": []}


class Synthesizer:
    calls: list = []

    def __init__(self, model=None, threads=None):
        if model not in (None, "fs2", "flow"):
            raise UnavailableError(f"model {model!r} is not installed.", where="model")

    def _speech(self, text, voice=None, language="auto", controls=None, seed=0, **rest):
        Synthesizer.calls.append({"text": text, "voice": voice, "language": language, "controls": controls, "seed": seed, **rest})
        if not text.strip():
            raise DataError("the text is empty.", where="<text>", code="text.empty")
        if voice not in (None, "kathleen") and not isinstance(voice, Voice):
            raise UnavailableError(f"voice {voice!r} is not known.", where="voice")
        name = getattr(voice, "name", None) or voice or "kathleen"
        words = [Span(w, 0.1 * i, 0.1 * i + 0.1, (text.index(w), text.index(w) + len(w))) for i, w in enumerate(text.split())]
        samples = 0.1 * normal(seed, text, 2400 * len(words))
        notes = tuple(Note("dropped", i, i + 1, "unsupported_script", c) for i, c in enumerate(text) if c == "☃")
        return Speech(samples, text, name, "en-us" if language == "auto" else language, seed, words, words, notes)

    def synth(self, text, **options):
        return self._speech(text, **options)

    def stream(self, text, **options):
        whole = self._speech(text, **options)
        for start in range(0, len(whole.samples), 3000):
            yield Speech(whole.samples[start : start + 3000], text, whole.voice, whole.language, whole.seed, notes=whole.notes)

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
