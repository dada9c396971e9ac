"""The result of synthesis: samples with the times of words and phones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from html import escape
from unicodedata import east_asian_width

import numpy as np

from tts.base.errors import DataError
from vocoder.audio.frames import SAMPLE_RATE

SHOWN = 30  # seconds that a notebook plays and shows
LINE = 42  # columns of a subtitle's line; a cue has two


@dataclass(frozen=True)
class Span:
    """A stretch of sound and what it says."""

    label: str  # words and clauses: as written in the text; phones: the IPA symbol
    start: float  # seconds
    end: float
    source: tuple[int, int] | None = None  # code points of the raw text, half open
    spoken: str = ""  # words and clauses: as read aloud, "three dollars" for "$3"
    speaker: str = ""  # clauses of a dialogue: who says them


@dataclass(frozen=True, eq=False)
class Speech:
    """Speech, mono float32 in [-1, 1], with timings. ``speech.save("hello.wav")`` writes it; a notebook plays and shows it.

    >>> import tts
    >>> speech = tts.synth("Hello there.", language="en")
    >>> [word.label for word in speech.words], speech.duration == len(speech.samples) / 24_000
    (['Hello', 'there'], True)
    """

    samples: np.ndarray  # float32 [S]
    text: str
    language: str
    voice: str
    seed: int
    words: tuple[Span, ...] = ()
    phones: tuple[Span, ...] = ()
    chunks: tuple[Span, ...] = ()  # clauses
    notes: tuple = ()  # frontend.Note: what was dropped, mapped or doubted
    prosody: tuple = ()  # tts.models.variance.PhonePlan of each clause
    metrics: dict = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)  # the record that files of it carry (tts.provenance)
    sample_rate: int = SAMPLE_RATE
    length: int | None = None  # samples that were spoken, when they are not held here but went to a file

    @property
    def duration(self) -> float:
        """Seconds."""
        return (len(self.samples) if self.length is None else self.length) / self.sample_rate

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.array(self.samples, dtype=dtype)

    def save(self, path, format: str | None = None, bitrate: float | None = None, force: bool = False) -> None:
        """Write an audio file with its provenance record; the format follows the ending when none is given."""
        from tts.provenance import note
        from vocoder.audio.io import write_audio

        write_audio(path, self.samples, self.sample_rate, format, bitrate, force, note=note(self.provenance))

    def to_srt(self, level: str = "chunk") -> str:
        """SubRip subtitles: clauses in cues of at most two lines, or one cue a word (``level="word"``).

        Where another speaker of a dialogue begins, the name stands before the words.
        """
        blocks = [
            f"{i}\n{_clock(s.start, ',')} --> {_clock(s.end, ',')}\n{s.label}\n"
            for i, s in enumerate(self._level(level, named=True), start=1)
        ]
        return "\n".join(blocks)

    def to_vtt(self, level: str = "chunk") -> str:
        """WebVTT subtitles, as :meth:`to_srt`; the speakers of a dialogue are voice tags."""
        blocks = [
            f"{_clock(s.start, '.')} --> {_clock(s.end, '.')}\n{_voice_tag(s.speaker)}{escape(s.label, quote=False)}\n"
            for s in self._level(level)
        ]
        return "WEBVTT\n\n" + "\n".join(blocks)

    def to_dict(self) -> dict:
        """Everything but the samples, for JSON."""
        return {
            "text": self.text,
            "language": self.language,
            "voice": self.voice,
            "seed": self.seed,
            "sample_rate": self.sample_rate,
            "duration": round(self.duration, 4),
            "words": rows(self.words),
            "phones": rows(self.phones),
            "chunks": rows(self.chunks),
            "notes": [vars(note) for note in self.notes],
            "metrics": {k: round(v, 4) for k, v in self.metrics.items()},
            "provenance": self.provenance,
        }

    def _repr_html_(self) -> str:
        """For notebooks: a player, the waveform and the words of the first 30 s, and what was made by whom; nothing is loaded."""
        import base64

        from tts.provenance import note
        from vocoder.audio.io import encode_audio

        shown = self.samples[: round(SHOWN * self.sample_rate)]
        data = base64.b64encode(encode_audio(shown, self.sample_rate, "wav", note=note(self.provenance))).decode()
        facts = [f"voice {self.voice}", self.language, f"{self.duration:.2f} s", f"seed {self.seed}"]
        if len(self.samples) > len(shown):
            facts.append(f"the first {SHOWN} s are shown")
        if self.length is not None:
            facts.append("its samples are in a file")
        if self.provenance:
            mark = self.provenance.get("watermark", {})
            facts += ["synthetic", "watermarked" if mark.get("applied") else f"without watermark: {mark.get('reason', '')}"]
        else:
            facts.append("no provenance record")
        return (
            f'<figure style="margin:0"><audio controls="" src="data:audio/wav;base64,{data}"></audio>'
            f'<div style="overflow-x:auto">{_picture(shown, self.sample_rate, self.words)}</div>'
            f"<figcaption>{escape(' · '.join(facts))}</figcaption></figure>"
        )

    def _level(self, level: str, named: bool = False) -> tuple[Span, ...]:
        if level not in ("chunk", "word"):
            raise DataError(f"subtitles come by 'chunk' or by 'word', not by {level!r}.", where="level")
        if level == "word":
            return self.words
        before = ["", *(chunk.speaker for chunk in self.chunks)]
        names = [f"{c.speaker}: " if named and c.speaker != last else "" for c, last in zip(self.chunks, before, strict=False)]
        return tuple(cue for chunk, name in zip(self.chunks, names, strict=True) for cue in self._cues(chunk, name))

    def _cues(self, chunk: Span, name: str) -> list[Span]:
        """A clause in cues of about equal length that fit two lines; cut before words, whose times are known."""
        words = [word for word in self.words if word.source and chunk.start <= word.start < chunk.end]
        wanted = -(-_width(name + chunk.label) // (2 * LINE))
        cuts, size = [], _width(chunk.label) / max(1, wanted)
        for word in words[1:]:
            if _width(self.text[chunk.source[0] : word.source[0]]) >= size * (len(cuts) + 1) and len(cuts) + 1 < wanted:
                cuts.append(word)
        starts = [(chunk.source[0], chunk.start)] + [(word.source[0], word.start) for word in cuts] if wanted > 1 else []
        if len(starts) < 2:
            return [replace(chunk, label=_lines(name + chunk.label))]
        ends = [*starts[1:], (chunk.source[1], chunk.end)]
        return [
            Span(_lines(first + self.text[a:b]), start, end, (a, b), speaker=chunk.speaker)
            for first, (a, start), (b, end) in zip([name, *[""] * len(cuts)], starts, ends, strict=True)
        ]


def rows(spans: Iterable[Span]) -> list[dict]:
    """Spans for JSON, one dict each."""
    return [
        {"label": s.label, "start": round(s.start, 4), "end": round(s.end, 4), "source": s.source}
        | {key: value for key, value in (("spoken", s.spoken), ("speaker", s.speaker)) if value}
        for s in spans
    ]


def moved(spans: Iterable[Span], seconds: float) -> list[Span]:
    """The spans so much later."""
    return [replace(s, start=s.start + seconds, end=s.end + seconds) for s in spans]


class Account:
    """What the chunks of a stream say of themselves, while their samples go elsewhere; times move with the samples.

    Args:
        keep: Of "words", "phones" and "chunks", those that are wanted: hours of speech have a million phones.
    """

    def __init__(self, keep: Iterable[str] = ("words", "phones", "chunks")):
        self.length = 0  # samples so far
        self._spans: dict[str, list[Span]] = {name: [] for name in keep}
        self._last: Speech | None = None

    def add(self, chunk: Speech) -> np.ndarray:
        """Note the next chunk of the stream; its samples come back, to be written."""
        offset = self.length / chunk.sample_rate
        for name, spans in self._spans.items():
            spans += moved(getattr(chunk, name), offset)
        self.length += len(chunk.samples)
        self._last = replace(chunk, samples=chunk.samples[:0], words=(), phones=(), chunks=(), prosody=())
        return chunk.samples

    def provenance(self) -> dict:
        """The record of the speech so far."""
        return {} if self._last is None else self._last.provenance

    def speech(self) -> Speech:
        """The speech so far, without its samples."""
        return replace(self._last, length=self.length, **{name: tuple(spans) for name, spans in self._spans.items()})


def join(chunks: Iterable[Speech]) -> Speech:
    """One Speech from the chunks of a stream."""
    account, samples, prosody = Account(), [], []
    for chunk in chunks:
        samples.append(account.add(chunk))
        prosody += chunk.prosody
    return replace(account.speech(), samples=np.concatenate(samples), prosody=tuple(prosody), length=None)


def _picture(samples: np.ndarray, sample_rate: int, words: Iterable[Span]) -> str:
    """An SVG of a waveform, 100 points a second, with the words under it in two rows that take turns."""
    width, hop = 100 * len(samples) / sample_rate, max(1, sample_rate // 50)
    peaks = [float(np.abs(samples[start : start + hop]).max()) for start in range(0, len(samples), hop)]
    wave = "".join(f"M{2 * i + 1} {40 - 38 * peak:.0f}V{41 + 38 * peak:.0f}" for i, peak in enumerate(peaks))
    labels = "".join(
        f'<text x="{100 * word.start:.0f}" y="{95 + 16 * (i % 2)}">{escape(word.label[:40])}</text>'
        for i, word in enumerate(word for word in words if 100 * word.start < width)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="120" role="img" aria-label="waveform" '
        'style="font:12px sans-serif" fill="currentColor">'
        f'<path d="{wave}" stroke="currentColor" stroke-width="2"/>{labels}</svg>'
    )


def _width(text: str) -> int:
    """Columns on a screen: Chinese characters take two."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def _lines(text: str) -> str:
    """One line, or two of about equal width, cut at a space (at any character in scripts without them)."""
    text = " ".join(text.split())
    if _width(text) <= LINE:
        return text
    places = [i for i, char in enumerate(text) if char == " "] or list(range(1, len(text)))
    cut = min(places, key=lambda i: abs(_width(text[:i]) - _width(text) / 2))
    return f"{text[:cut].rstrip()}\n{text[cut:].lstrip()}"


def _voice_tag(speaker: str) -> str:
    return f"<v {escape(speaker, quote=False)}>" if speaker else ""


def _clock(seconds: float, comma: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    whole, fraction = divmod(rest, 1000)
    return f"{hours:02}:{minutes:02}:{whole:02}{comma}{fraction:03}"
