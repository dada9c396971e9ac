"""Recordings of a person to a reference: what is speech in them, what is wrong with them, which stretches to keep.

    files ──read──▶ samples ──activity──▶ stretches of speech ──choose──▶ at most 30 s of mel and F0, and a report

What cannot be a voice is an error; what makes a poor one is a warning in the report.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from itertools import pairwise
from numbers import Real
from pathlib import Path

import numpy as np

from tts.base.errors import DataError, NoInputError, UsageError
from tts.base.limits import LIMITS
from vocoder.audio.frames import FRAME_RATE, HOP_LENGTH, SAMPLE_RATE, frames_to_seconds

LONGEST_REFERENCE = 2250  # frames (30 s) kept of a reference
LONGEST_PIECE = 300  # frames (4 s): longer stretches are cut where they are quietest, so that parts can be left out
SPAN = 450  # frames (6 s) in which pairs of phones are counted
LEAST_SPEECH = 0.5  # s, without the pauses; of sound a recording holds LIMITS.voice_min_seconds
MARGIN = 5  # frames kept on both sides of a stretch
MOST_RECORDINGS = 64
LEVEL = -23.0  # dBFS of active speech, that of the training data
SHORT, NOISY, CLIPPED, NARROW = 3.0, 18.0, 1e-3, 7000.0  # s, dB, share, Hz
REVERBERANT, REVERBERANT_IN_NOISE = 190.0, 150.0  # dB a second; noise above -20 dB shortens every fall
NO_WORDS, FEW_WORDS = 2.5, 4.0  # pairs of phones a second; speech has 4 to 14


@dataclass(frozen=True)
class Report:
    """What was heard in the recordings of a voice; of several, the worst figure. ``docs/voices.md`` says how well each holds."""

    seconds: float  # read
    speech: float  # s of speech found
    kept: float  # s kept as reference
    level_db: float  # of the speech as recorded, dBFS
    snr_db: float
    clipped: float  # share of samples in flat tops
    bandwidth_hz: float
    decay: float | None  # dB a second: a room makes it slow
    words: float  # different pairs of phones that the recogniser hears, a second
    split: float | None  # cosine of the two halves that differ most in who speaks
    warnings: tuple[tuple[str, str], ...] = ()  # (code, sentence)

    @classmethod
    def from_dict(cls, values: dict) -> Report:
        """Of :meth:`to_dict`; raises TypeError or ValueError for anything else."""
        warnings = tuple((str(code), str(text)) for code, text in values["warnings"])
        numbers = {f.name: values[f.name] for f in fields(cls) if f.name != "warnings"}
        if not all(isinstance(v, Real) or (v is None and k in ("decay", "split")) for k, v in numbers.items()):
            raise TypeError("a report holds numbers")
        return cls(**numbers, warnings=warnings)

    def to_dict(self) -> dict:
        rounded = {k: round(v, 5) if isinstance(v, float) else v for k, v in asdict(self).items()}
        return rounded | {"warnings": [list(pair) for pair in self.warnings]}


@dataclass(frozen=True)
class Heard:
    """A reference, ready for a voice."""

    mel: np.ndarray  # float32 [T, 100], at the training level
    f0: np.ndarray  # float32 [T] Hz, 0 = unvoiced
    borders: tuple[int, ...]  # frames at which another stretch begins
    sha256: str  # of the samples read: float32, 24 kHz, mono
    report: Report


@dataclass(frozen=True)
class _Piece:
    """A stretch of speech of one recording."""

    recording: int
    start: int  # frames
    end: int
    score: float


def listen(sources: Sequence) -> Heard:
    """Find the speech of one person in recordings, judge it, and keep the best 30 s.

    Args:
        sources: Files, their bytes, or (samples, sample rate). LIMITS.voice_seconds are read in all, shared evenly, in
            memory that does not grow with the files.

    Raises:
        UsageError, NoInputError, DataError: What is given is no recording, cannot be read, is damaged or not finite,
            holds no speech (silence, noise, music), or less than LIMITS.voice_min_seconds of sound.
    """
    from vocoder.audio.mel import log_mel

    if len(sources) > MOST_RECORDINGS:
        raise UsageError(f"{len(sources)} recordings; a voice takes {MOST_RECORDINGS} at most.", where="paths", code="voice.many")
    share = max(LIMITS.voice_seconds / len(sources), 5.0)
    digest, found, pieces, reports = hashlib.sha256(), [], [], []
    for index, source in enumerate(sources):
        wav, more = read_start(source, share)
        digest.update(wav.tobytes())
        activity, power, f0 = _activity(wav, name_of(source))
        reports.append(
            _measure(wav, power, activity.speech, f"{name_of(source)}: " if len(sources) > 1 else "", share if more else None)
        )
        pieces += _pieces(wav, activity, f0, index)
        found.append((wav, f0))
    chosen = choose(pieces)
    mels, pitches, borders = [], [], []
    for index, (wav, f0) in enumerate(found):
        own = [piece for piece in chosen if piece.recording == index]
        if own:
            speech = np.concatenate([wav[p.start * HOP_LENGTH : p.end * HOP_LENGTH] for p in own])
            mel = log_mel(wav * gain_to_level(speech))
            borders += [p.end - p.start for p in own]
            mels += [mel[p.start : p.end] for p in own]
            pitches += [f0[p.start : p.end] for p in own]
    report = _joined(reports, sum(borders))
    total = sum(r.speech for r in reports)
    if total < LEAST_SPEECH:
        raise DataError(
            f"{total:.2f} s of speech were found; at least {LEAST_SPEECH:g} s are needed.",
            where=name_of(sources[0]), code="voice.no_speech", limit=LEAST_SPEECH,
            fix="Is it speech, near the microphone, without music? 6 to 30 s serve best.",
        )  # fmt: skip
    mel = np.concatenate(mels)
    words = words_heard(mel)
    if words < NO_WORDS:
        raise DataError(
            f"this does not sound like speech: the recogniser hears {words:.1f} different pairs of phones a second, in speech "
            "4 to 14.", where=name_of(sources[0]), code="voice.no_speech", fix="Give speech without music.",
        )  # fmt: skip
    warnings = report.warnings
    if words < FEW_WORDS:
        warnings += (("words", f"few words are heard ({words:.1f} different pairs of phones a second): music, or loud noise?"),)
    report = Report.from_dict(replace(report, words=words, warnings=warnings).to_dict())  # rounded, as a file keeps it
    return Heard(
        mel.astype(np.float32), np.concatenate(pitches), tuple(np.cumsum(borders)[:-1].tolist()), digest.hexdigest(), report
    )


def read_start(source, seconds: float) -> tuple[np.ndarray, bool]:
    """The first ``seconds`` of a recording, [S] float32 at 24 kHz, and whether there is more; in the memory of what is read."""
    from vocoder.audio.io import open_audio

    _check_source(source)
    parts, count, most, more = [], 0, int(seconds * SAMPLE_RATE), False
    with open_audio(source) as (_, blocks):
        for block in blocks:
            parts.append(block[: most - count])
            count += len(block)
            if count > most:
                more = True
                break
    wav = np.concatenate(parts)
    return wav / np.float32(max(1.0, float(np.abs(wav).max(initial=0.0)))), more


def choose(pieces: list[_Piece], most: int = LONGEST_REFERENCE) -> list[_Piece]:
    """The best pieces that fit into ``most`` frames, in their order; the last of them is cut to fit."""
    kept, left = [], most
    for piece in sorted(pieces, key=lambda p: -p.score):
        size = min(piece.end - piece.start, left)
        if size == piece.end - piece.start or size >= FRAME_RATE:
            kept.append(replace(piece, end=piece.start + size))
            left -= size
    return sorted(kept, key=lambda p: (p.recording, p.start))


def gain_to_level(wav: np.ndarray, dbfs: float = LEVEL) -> np.float32:
    """Factor that brings active speech (20 ms blocks within 30 dB of the loudest) to the level of the training data."""
    block = 480
    n = max(1, len(wav) // block)
    power = np.mean(np.resize(wav, n * block).reshape(n, block) ** 2, axis=1)
    active = power[power >= power.max() * 1e-3].mean()
    gain = 10 ** (dbfs / 20) / np.sqrt(max(active, 1e-10))
    return np.float32(min(gain, 0.99 / max(np.abs(wav).max(), 1e-6)))


def to_level(wav: np.ndarray, dbfs: float = LEVEL) -> np.ndarray:
    """Bring active speech to the level that the models were trained at."""
    return (wav * gain_to_level(wav, dbfs)).astype(np.float32)


def words_heard(mel: np.ndarray) -> float:
    """Different pairs of neighbouring phones that the house recogniser hears in mel [T, 100], a second; the mean over spans of
    6 s. Tones, machines and drums give few, or the same again and again."""
    import torch

    from tts.aligner import collapse

    with torch.inference_mode():
        posteriors = _recogniser()(torch.from_numpy(np.asarray(mel, np.float32))[None], torch.ones(1, len(mel), dtype=torch.bool))
    classes = np.array_split(posteriors[0].argmax(-1).numpy(), max(1, round(len(mel) / SPAN)))
    return sum(len(set(pairwise(collapse(span.tolist())))) for span in classes) / frames_to_seconds(len(mel))


@lru_cache(maxsize=1)
def _recogniser():
    from tts.aligner import Aligner

    return Aligner.load().model


def name_of(source) -> str:
    """A recording's name, for messages."""
    return str(source) if isinstance(source, str | Path) else str(getattr(source, "name", "<audio>"))


def _activity(wav: np.ndarray, where: str):
    """(Activity, power, F0) of a recording that is finite and not silent."""
    from vocoder.audio.activity import find_speech, spectrum_power
    from vocoder.audio.io import check_speech
    from vocoder.audio.pitch import track_pitch

    check_speech(wav, SAMPLE_RATE, LIMITS.voice_min_seconds, where)
    power, f0 = spectrum_power(wav), track_pitch(wav)
    return find_speech(power, f0), power, f0


def _measure(wav: np.ndarray, power: np.ndarray, speech: np.ndarray, where: str, cut: float | None) -> Report:
    """Report of one recording, whose warnings begin with ``where``; ``cut``: only so many seconds were read."""
    from vocoder.audio import quality

    spoken = frames_to_seconds(int(speech.sum()))
    if not spoken:
        return Report(len(wav) / SAMPLE_RATE, 0.0, 0.0, -120.0, 0.0, 0.0, 0.0, None, 0.0, None)
    samples = wav[np.repeat(speech, HOP_LENGTH)[: len(wav)]]
    report = Report(
        seconds=len(wav) / SAMPLE_RATE, speech=spoken, kept=0.0,
        level_db=float(10 * np.log10(np.mean(samples**2) + 1e-12)), snr_db=quality.snr_db(power, speech),
        clipped=quality.clipped_share(wav), bandwidth_hz=quality.bandwidth(power, speech),
        decay=quality.decay_rate(power, speech), words=0.0, split=None,
    )  # fmt: skip
    told = []
    if cut is not None:
        told.append(("long", f"longer than is read: its first {cut:g} s were used"))
    if report.snr_db < NOISY:
        told.append(("noisy", f"noise lies only {report.snr_db:.0f} dB below the speech; {NOISY:g} dB and more serve"))
    if report.clipped > CLIPPED:
        told.append(("clipped", f"{report.clipped:.1%} of the samples are cut off: record at a lower level"))
    if report.bandwidth_hz < NARROW:
        told.append(
            ("narrow", f"nothing above {report.bandwidth_hz / 1000:.1f} kHz, as over a telephone: the voice will be duller")
        )
    if report.decay is not None and report.decay < (REVERBERANT if report.snr_db >= 20 else REVERBERANT_IN_NOISE):
        told.append(("reverberant", "the room is heard: record nearer to the microphone"))
    return replace(report, warnings=tuple((code, where + text) for code, text in told))


def _joined(reports: list[Report], kept: int) -> Report:
    """One report of all recordings: sums of seconds, the worst of the rest."""
    heard = [r for r in reports if r.speech] or reports
    speech = sum(r.speech for r in reports)
    warnings = tuple(pair for r in reports for pair in r.warnings)
    if speech < SHORT:
        warnings = (("short", f"only {speech:.1f} s of speech: 6 to 30 s serve best"), *warnings)
    return Report(
        seconds=sum(r.seconds for r in reports), speech=speech, kept=frames_to_seconds(kept),
        level_db=min(r.level_db for r in heard), snr_db=min(r.snr_db for r in heard), clipped=max(r.clipped for r in heard),
        bandwidth_hz=min(r.bandwidth_hz for r in heard),
        decay=min((r.decay for r in heard if r.decay is not None), default=None), words=0.0, split=None, warnings=warnings,
    )  # fmt: skip


def _pieces(wav: np.ndarray, activity, f0: np.ndarray, recording: int) -> list[_Piece]:
    """Stretches of speech with a little around them, none much longer than LONGEST_PIECE, and how good each is: the
    share of voiced frames, plus a tenth for each 4 dB over the noise, less what is clipped."""
    from vocoder.audio.activity import dilate, edges
    from vocoder.audio.quality import clipped_share

    pieces = []
    for start, end in edges(dilate(activity.speech, MARGIN)):
        cuts = [start]
        while end - cuts[-1] > LONGEST_PIECE:
            low = cuts[-1] + LONGEST_PIECE // 2
            cuts.append(low + int(activity.level[low : min(cuts[-1] + LONGEST_PIECE, end - 30)].argmin()))
        for a, b in pairwise([*cuts, int(end)]):
            clear = float(np.clip((activity.level[a:b] - activity.floor[a:b]).mean(), 0, 40)) / 40
            clipped = clipped_share(wav[a * HOP_LENGTH : b * HOP_LENGTH])
            pieces.append(_Piece(recording, int(a), int(b), float((f0[a:b] > 0).mean()) + clear - 20 * clipped))
    return pieces


def _check_source(source) -> None:
    """Refuse what is no recording at all; errors name what may be given."""
    given, fix = type(source).__name__, "Give a file, its bytes, or (samples, sample_rate)."
    if isinstance(source, tuple):
        rate = source[1] if len(source) == 2 else None
        try:
            kind = np.asarray(source[0]).dtype.kind
        except (ValueError, IndexError):
            kind = "O"
        if isinstance(rate, bool) or not isinstance(rate, Real) or kind not in "fiu":
            raise UsageError("these are not numbers with their sample rate.", where="<audio>", code="audio.type", fix=fix)
    elif isinstance(source, np.ndarray):
        raise UsageError("samples come with their rate.", where="<audio>", code="audio.no_rate", fix=fix)
    elif not (isinstance(source, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(source, "read")):
        raise UsageError(f"{given} is no recording.", where="<audio>", code="audio.type", fix=fix)
    if isinstance(source, str | os.PathLike):
        try:
            mode = os.stat(source).st_mode
        except (OSError, ValueError):
            return  # opening it says why
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise NoInputError("is a device, not a recording.", where=source, code="audio.device", fix="Give a file.")
