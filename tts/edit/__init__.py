"""Speech editing: a recording corrected by editing its text; outside the joins its samples stay as they are.

    recording, text ──aligner──▶ phones with their own durations, pitch, energy ┐
    new text ──frontend──▶ new phones ──acoustic model──▶ durations, candidates ┴─▶ best ──▶ mel between true mels ──▶ joins

Source: Mega-TTS (arXiv 2306.03509) §3.4. Differs: the mel of the whole sentence is decoded once more beside the true one, and
their difference over the kept phones is an equaliser for the new ones; the joins are made in the waveform.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tts.base.errors import DataError, NotPermittedError
from tts.edit.native import Native
from tts.edit.region import Recording, draw_region
from tts.edit.splice import INSIDE, REACH, Join, crossfade, find_join, half_fade, insert, jump
from tts.edit.text import changed_text, rewrite
from vocoder.audio.frames import HOP_LENGTH, SAMPLE_RATE

NEAREST = 30  # frames (0.4 s): edits with less kept sound between them are made as one
CANDIDATES = 16


@dataclass(frozen=True)
class Edit:
    """One stretch that was said anew. Times in seconds."""

    old_text: str
    new_text: str
    old: tuple[float, float]  # in the recording: what was taken out, up to the middles of the joins
    new: tuple[float, float]  # in the result: what stands there now; equal times for a deletion
    joins: tuple[dict, ...]  # at (seconds in the result), correlation, jump
    score: float | None  # of the chosen prosody; None for a deletion
    scores: tuple[float, ...] = ()  # of all candidates


@dataclass(frozen=True, eq=False)
class Edited:
    """An edited recording."""

    audio: Native
    text: str  # as it is said now
    language: str
    edits: tuple[Edit, ...]
    kept: tuple[tuple[int, int, int], ...]  # (start in the result, start in the recording, samples): bit for bit the same
    consent: dict = field(default_factory=dict)
    source_sha256: str = ""
    seed: int = 0
    warnings: tuple[str, ...] = ()
    provenance: dict = field(default_factory=dict)  # the record that files of it carry (tts.provenance)

    @property
    def samples(self) -> np.ndarray:
        """float32 [S] at ``sample_rate``, the recording's own."""
        return self.audio.wav.astype(np.float32)

    @property
    def sample_rate(self) -> int:
        return self.audio.sample_rate

    @property
    def duration(self) -> float:
        return len(self.audio.samples) / self.sample_rate

    def save(self, path, force: bool = False) -> None:
        """A WAV or FLAC file in the recording's own rate and sample format, with its provenance record."""
        from tts.provenance import note

        self.audio.write(path, force, note(self.provenance))

    def to_bytes(self, format: str = "wav") -> bytes:
        """The bytes of such a file."""
        from tts.provenance import note

        return self.audio.encode(format, note(self.provenance))

    def to_dict(self) -> dict:
        """Everything but the samples, for JSON."""
        rows = [
            {
                "old_text": edit.old_text,
                "new_text": edit.new_text,
                "old": [round(t, 5) for t in edit.old],
                "new": [round(t, 5) for t in edit.new],
                "joins": [{key: round(value, 5) for key, value in join.items()} for join in edit.joins],
                "score": None if edit.score is None else round(edit.score, 3),
                "candidates": len(edit.scores),
            }
            for edit in self.edits
        ]
        return {
            "text": self.text,
            "language": self.language,
            "sample_rate": self.sample_rate,
            "subtype": self.audio.subtype,
            "duration": round(self.duration, 5),
            "segments_edited": [row["new"] for row in rows],
            "edits": rows,
            "kept_samples": sum(count for *_, count in self.kept),
            "consent": self.consent,
            "source_sha256": self.source_sha256,
            "seed": self.seed,
            "warnings": list(self.warnings),
        }


def edit_recording(
    speaker_of,
    audio,
    text: str,
    *,
    replace=(),
    insert_after=(),
    delete=(),
    to: str | None = None,
    language: str = "auto",
    consent=None,
    lexicon=None,
    candidates: int = CANDIDATES,
    seed: int = 0,
) -> Edited:
    """See :meth:`tts.api.Synthesizer.edit`; ``speaker_of(voice)`` gives a ``tts.edit.region.Speaker``."""
    import frontend
    from tts.alignment import align_clauses, joined
    from tts.api import check_range
    from tts.voice import Voice
    from vocoder.audio.io import resample

    if not consent or (isinstance(consent, str) and not consent.strip()):
        raise NotPermittedError(
            "editing a recording needs the consent of the person who speaks.", where="consent", code="consent.missing",
            fix='Say who agreed, how and when: --consent "myself; own recording; 3 May 2026".',
        )  # fmt: skip
    check_range("candidates", candidates, 1, 256, int)
    new_text = changed_text(text, replace, insert_after, delete, to)
    if isinstance(lexicon, str | Path):
        lexicon = frontend.Lexicon.load(lexicon)
    read = frontend.analyze(text, language, lexicon=lexicon)
    voice = Voice.from_audio([audio], consent=consent, name="edited", language=read.language)
    native = Native.read(audio)
    wav, rate = native.wav, native.sample_rate
    at_24k = resample(wav.astype(np.float32), rate, SAMPLE_RATE)
    aligned = align_clauses(at_24k, read.clauses)
    wanted = frontend.analyze(new_text, read.language, lexicon=lexicon)
    target, _ = joined(wanted.clauses)
    change = rewrite(aligned.phones, target, NEAREST, aligned.durations)
    speaker = speaker_of(voice)
    recording = Recording.of(at_24k, aligned, speaker.codes_of)

    pieces, kept, edits, at, size = [], [], [], 0, 0
    for i, region in enumerate(change.regions):
        borders = [round(int(aligned.ends[phone]) * HOP_LENGTH * rate / SAMPLE_RATE) for phone in region.old]
        score, scores = None, ()
        if region.new[0] == region.new[1]:
            splice = _deleted(wav, borders, rate)
        else:
            drawn = draw_region(speaker, recording, change, i, candidates, seed)
            score, scores = drawn.score, drawn.scores
            splice = _said_anew(wav, resample(drawn.wav, SAMPLE_RATE, rate), drawn.span, borders, rate)
        if splice.end < at:
            raise DataError("two edits are too near to each other.", where="edit", code="edit.overlap", fix="Make them one.")
        kept.append((size, at, splice.end - at))
        pieces += [native.samples[at : splice.end], native.like(splice.middle)]
        size += splice.end - at
        edits.append((region, splice, size, score, scores))
        size, at = size + len(splice.middle), splice.start
    kept.append((size, at, len(wav) - at))
    result = native.with_samples(np.concatenate([*pieces, native.samples[at:]]))
    warnings = [*aligned.warnings, *(f"not spoken: {n.detail or n.reason}" for n in wanted.notes if n.kind == "dropped")]
    if native.lossy:
        warnings.append(f"{native.lossy} holds no samples: those kept are its decoding, at 16 bits.")
    return Edited(
        audio=result,
        text=new_text,
        language=read.language,
        edits=tuple(_told(result, *edit) for edit in edits),
        kept=tuple(kept),
        consent=voice.consent,
        source_sha256=voice.source_sha256,
        seed=seed,
        warnings=tuple(warnings),
    )


@dataclass(frozen=True, eq=False)
class _Splice:
    """``recording[:end] + middle + recording[start:]``; samples."""

    end: int
    middle: np.ndarray
    start: int
    old: tuple[int, int]  # in the recording, between the middles of the joins
    joins: tuple[tuple[int, Join], ...]  # place in ``middle``


def _said_anew(wav: np.ndarray, new: np.ndarray, span: tuple[int, int], borders: list[int], rate: int) -> _Splice:
    """New sound in the place of what lies between two borders; ``span``: of the new phones in it, at 24 kHz."""
    new = new.astype(np.float64)
    a, b = (round(sample * rate / SAMPLE_RATE) for sample in span)
    left = find_join(wav, new, borders[0], a - borders[0], rate, REACH, INSIDE)
    right = find_join(wav, new, borders[1], b - borders[1], rate, INSIDE, REACH)
    end, middle, start = insert(wav, new, left, right, (a, b), rate)
    half = half_fade(rate)
    joins = [(place, join) for place, join in ((half, left), (len(middle) - half, right)) if join]
    return _Splice(end, middle, start, (left.one if left else end, right.one if right else start), tuple(joins))


def _deleted(wav: np.ndarray, borders: list[int], rate: int) -> _Splice:
    """Nothing in the place of what lies between two borders: the recording goes over to its own later part."""
    a, b = borders
    join = find_join(wav, wav, a, b - a, rate, REACH, REACH)
    if join is None:  # at an end of the recording
        return _Splice(a, np.zeros(0), b, (a, b), ())
    half = half_fade(rate)
    middle = crossfade(wav[join.one - half : join.one + half], wav[join.other - half : join.other + half], join.correlation)
    return _Splice(join.one - half, middle, join.other + half, (join.one, join.other), ((half, join),))


def _told(result: Native, region, splice: _Splice, at: int, score, scores) -> Edit:
    """``at``: where the middle begins in the result."""
    rate, wav = result.sample_rate, result.wav
    joins = [{"at": (at + place) / rate, "correlation": join.correlation, "jump": jump(wav, at + place, rate)}
             for place, join in splice.joins]  # fmt: skip
    half, places = half_fade(rate), [place for place, _ in splice.joins]
    first = half if half in places else 0
    last = places[-1] if places and places[-1] >= len(splice.middle) - half else len(splice.middle)
    return Edit(region.old_text, region.new_text, tuple(t / rate for t in splice.old),
                ((at + first) / rate, (at + last) / rate), tuple(joins), score, tuple(scores))  # fmt: skip
