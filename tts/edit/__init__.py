"""Speech editing: a recording corrected by editing its text; outside the joins its samples stay as they are.

    recording, text ──aligner──▶ phones with their own durations, pitch, energy ┐
    new text ──frontend──▶ new phones ──acoustic model──▶ durations, candidates ┴─▶ best ──▶ mel between true mels ──▶ joins

Source: Mega-TTS (arXiv 2306.03509) §3.4. Differs: the mel of the whole sentence is decoded once more beside the true one, and
their difference over the kept phones is an equaliser for the new ones; the joins are made in the waveform.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tts.base.errors import DataError
from tts.edit.native import Native
from tts.edit.region import Recording, Speaker, draw_region
from tts.edit.splice import INSIDE, REACH, Join, find_join, insert, jump
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
        """A WAV or FLAC file in the recording's own rate and sample format."""
        self.audio.write(path, force)

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
    """See :meth:`tts.api.Synthesizer.edit`; ``speaker_of(voice)`` gives the models in that voice (:class:`Speaker`)."""
    import frontend
    from tts.alignment import align_clauses, joined
    from tts.api import check_range
    from tts.voice import Voice
    from vocoder.audio.io import resample

    check_range("candidates", candidates, 1, 256, int)
    new_text = changed_text(text, replace, insert_after, delete, to)
    if isinstance(lexicon, str):
        lexicon = frontend.Lexicon.load(lexicon)
    read = frontend.analyze(text, language, lexicon=lexicon)
    voice = Voice.from_audio([audio], consent=consent, name="edited", language=read.language)
    native = Native.read(audio)
    wav, rate = native.wav, native.sample_rate
    at_24k = resample(wav.astype(np.float32), rate, SAMPLE_RATE)
    aligned = align_clauses(at_24k, read.clauses)
    target, _ = joined(frontend.analyze(new_text, read.language, lexicon=lexicon).clauses)
    change = rewrite(aligned.phones, target, NEAREST, aligned.durations)
    recording, speaker = Recording.of(at_24k, aligned), speaker_of(voice)

    pieces, kept, edits, at, size = [], [], [], 0, 0
    for i, region in enumerate(change.regions):
        borders = [round(int(aligned.ends[phone]) * HOP_LENGTH * rate / SAMPLE_RATE) for phone in region.old]
        score, scores = None, ()
        if region.new[0] == region.new[1]:
            end, middle, start, left, right = _deleted(wav, borders, rate)
        else:
            drawn = draw_region(speaker, recording, change, i, candidates, seed)
            score, scores = drawn.score, drawn.scores
            end, middle, start, left, right = _said_anew(wav, resample(drawn.wav, SAMPLE_RATE, rate), drawn, borders, rate)
        if end < at:
            raise DataError("two edits are too near to each other.", where="edit", code="edit.overlap", fix="Make them one.")
        kept.append((size, at, end - at))
        pieces += [native.samples[at:end], native.like(middle)]
        size += end - at
        half = (left.one if left else end) - end
        new = (size + half, size + len(middle) - half) if right or not left else (size + half, size + half)
        edits.append((region, (left.one if left else end, right.one if right else start), new, left, right, score, scores))
        size, at = size + len(middle), start
    kept.append((size, at, len(wav) - at))
    result = native.with_samples(np.concatenate([*pieces, native.samples[at:]]))
    warnings = list(aligned.warnings)
    if native.lossy:
        warnings.append(f"{native.lossy} holds no samples: those kept are its decoding, at 16 bits.")
    return Edited(
        audio=result,
        text=new_text,
        language=read.language,
        edits=tuple(_told(result, rate, *edit) for edit in edits),
        kept=tuple(kept),
        consent=voice.consent,
        source_sha256=voice.source_sha256,
        seed=seed,
        warnings=tuple(warnings),
    )


def _said_anew(wav: np.ndarray, new: np.ndarray, drawn, borders: list[int], rate: int):
    """(end of kept, middle, start of kept, left join, right join) of a region with new sound."""
    scale = rate / SAMPLE_RATE
    new = new.astype(np.float64)
    a, b = (round(sample * scale) for sample in drawn.span)
    left = find_join(wav, new, borders[0], a - borders[0], rate, REACH, INSIDE)
    right = find_join(wav, new, borders[1], b - borders[1], rate, INSIDE, REACH)
    return *insert(wav, new, left, right, (a, b), rate), left, right


def _deleted(wav: np.ndarray, borders: list[int], rate: int):
    """As ``_said_anew``, of a region that is left out: the recording goes over to its own later part."""
    from tts.edit.splice import FADE, crossfade

    a, b = borders
    join = find_join(wav, wav, a, b - a, rate, REACH, REACH)
    if join is None:  # at an end of the recording
        return a, np.zeros(0), b, None, None
    half = round(FADE / 2 * rate)
    middle = crossfade(wav[join.one - half : join.one + half], wav[join.other - half : join.other + half], join.correlation)
    return join.one - half, middle, join.other + half, join, None


def _told(result: Native, rate: int, region, old, new, left: Join | None, right: Join | None, score, scores) -> Edit:
    wav = result.wav
    joins = [{"at": at / rate, "correlation": join.correlation, "jump": jump(wav, at, rate)}
             for at, join in zip(new, (left, right), strict=True) if join]  # fmt: skip
    return Edit(region.old_text, region.new_text, tuple(t / rate for t in old), tuple(t / rate for t in new), tuple(joins),
                score, tuple(scores))  # fmt: skip
