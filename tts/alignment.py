"""A text beside its recording: when each word and phone is said, by the package's own aligner.

The clauses of a text are aligned as one sequence, as the aligner was trained, and cut again at their borders: so the
length of a clause, a choice of the frontend, moves no border.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from tts.base.errors import DataError
from tts.base.limits import LIMITS
from tts.speech import Span, Speech
from vocoder.audio.frames import SAMPLE_RATE

# Share of phones heard otherwise: 84 held-out clips reach 0.56 with their text (but for one known to be wrong), and 0.79 or more
# with another.
DOUBTFUL = 0.68


@dataclass(frozen=True, eq=False)
class Aligned:
    """Frames of every phone of a recording."""

    clauses: tuple  # frontend.Phones, as the frontend gave them
    phones: object  # frontend.Phones: all clauses as one
    places: tuple  # int64 [n] a clause: index in ``phones`` of each of its phones, -1 for an edge that fell away
    durations: np.ndarray  # int64 [N] frames of ``phones``
    mel: np.ndarray  # float32 [T, 100]
    phone_error: float  # share of the phones that the recogniser hears otherwise

    @property
    def warnings(self) -> list[str]:
        """What makes the times doubtful."""
        if self.phone_error <= DOUBTFUL:
            return []
        return [f"{self.phone_error:.0%} of the phones sound otherwise: is this what is said, and in this language?"]

    @property
    def ends(self) -> np.ndarray:
        """[N + 1] frames: phone n lasts from ``ends[n]`` to ``ends[n + 1]``."""
        return np.concatenate([[0], np.cumsum(self.durations)])

    def speech(self, n_samples: int) -> Speech:
        """Words, phones and clauses with their times, as of :class:`tts.speech.Speech`, without samples.

        Args:
            n_samples: Of the recording, at 24 kHz.
        """
        from tts.api import as_written, timings

        end = n_samples / SAMPLE_RATE
        words, phones = (
            tuple(replace(span, end=min(span.end, end)) for span in spans if span.start < end)
            for spans in timings(self.phones, self.durations)
        )
        chunks = []
        for clause in self.clauses:
            source = (int(clause.spans[:, 0].min()), int(clause.spans[:, 1].max()))
            said = [word for word in words if source[0] <= word.source[0] < source[1]]
            if said:
                spoken = clause.normalized.strip()
                chunks.append(Span(as_written(clause, source), said[0].start, said[-1].end, source, spoken))
        first = self.clauses[0]
        return Speech(
            np.zeros(0, np.float32), first.text, first.language, voice="", seed=0, words=words, phones=phones,
            chunks=tuple(chunks), length=n_samples,
        )  # fmt: skip


def align_text(wav: np.ndarray, text: str, language: str = "auto", lexicon=None, phonemes: bool = False) -> Aligned:
    """Times of a text in its recording.

    Args:
        wav: [S] float32, 24 kHz.
        text, language, lexicon, phonemes: What is said, as for :meth:`tts.api.Synthesizer.synth`.

    Raises:
        DataError: The recording is too short or too long for it, or nothing in the text can be spoken.
    """
    import frontend

    if isinstance(lexicon, str | Path):
        lexicon = frontend.Lexicon.load(lexicon)
    return align_clauses(wav, frontend.analyze(text, language, lexicon=lexicon, phonemes=phonemes).clauses)


def align_clauses(wav: np.ndarray, clauses: Sequence) -> Aligned:
    """As :func:`align_text`, of clauses that are read already (``frontend.Phones``)."""
    import torch

    from tts.aligner import N_MARKS
    from vocoder.audio.mel import log_mel

    if len(wav) > LIMITS.align_seconds * SAMPLE_RATE:
        raise DataError(
            f"is {len(wav) / SAMPLE_RATE:.0f} s long; at most {LIMITS.align_seconds:g} s are aligned with a text.",
            where="<audio>", code="align.too_long", limit=LIMITS.align_seconds, fix="Cut it into shorter pieces.",
        )  # fmt: skip
    phones, places = joined(clauses)
    mel = log_mel(np.asarray(wav, np.float32))
    durations, _, heard = house_aligner().inspect(torch.from_numpy(mel), phones.ids)
    said = [int(i) for i in phones.ids if i >= N_MARKS]
    return Aligned(tuple(clauses), phones, places, durations, mel, edit_distance(heard, said) / max(1, len(said)))


@lru_cache(maxsize=1)
def house_aligner():
    """The shipped aligner, loaded once."""
    from tts.aligner import Aligner

    return Aligner.load()


def joined(clauses: Sequence) -> tuple:
    """Clauses (``frontend.Phones``) as one, with silence at the outer edges alone, and where the phones of each went.

    Returns:
        (Phones [N], one int64 [n] a clause: index of each phone in it, -1 for an inner edge).
    """
    from frontend.inventory import EXCLAMATION, WB

    rows, words, places, size = [], [], [], 0
    for i, clause in enumerate(clauses):
        own = np.arange(len(clause))
        kept = own[0 if i == 0 else 1 : len(own) if i == len(clauses) - 1 else len(own) - 1]
        if rows and rows[-1][0][-1] > EXCLAMATION:  # the sentence was cut between words
            edge = clause.spans[0]
            rows.append(tuple(np.array([x]) for x in (WB, clause.styles[0], clause.langs[0], edge)))
            size += 1
        place = np.full(len(own), -1)
        place[kept] = size + np.arange(len(kept))
        rows.append((clause.ids[kept], clause.styles[kept], clause.langs[kept], clause.spans[kept]))
        shift = size - kept[0]
        words += [replace(w, first_phone=w.first_phone + shift, last_phone=w.last_phone + shift) for w in clause.words]
        places.append(place)
        size += len(kept)
    ids, styles, langs, spans = (np.concatenate(column) for column in zip(*rows, strict=True))
    whole = replace(
        clauses[0], normalized=" ".join(clause.normalized for clause in clauses), ids=ids.astype(np.int16),
        styles=styles.astype(np.int16), langs=langs.astype(np.int16), spans=spans.astype(np.int32), words=tuple(words),
    )  # fmt: skip
    return whole, tuple(places)


def edit_distance(a: list[int], b: list[int]) -> int:
    """Levenshtein distance of two phone sequences, by numpy alone."""
    row = np.arange(len(b) + 1)
    b = np.asarray(b)
    for i, x in enumerate(a, 1):
        substituted = row[:-1] + (b != x)
        best = np.minimum(substituted, row[1:] + 1)
        best = np.concatenate([[i], best])
        # insertions run along the row: best[j] = min over k <= j of best[k] + (j - k)
        offset = np.arange(len(best))
        row = np.minimum.accumulate(best - offset) + offset
    return int(row[-1])


def textgrid(speech: Speech, levels: Sequence[str]) -> str:
    """Praat's TextGrid (long form): one interval tier a level ("word", "phone"), with empty intervals between."""
    end = speech.duration
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end:.6f}",
             "tiers? <exists>", f"size = {len(levels)}", "item []:"]  # fmt: skip
    for i, level in enumerate(levels, 1):
        rows, at = [], 0.0
        for span in _spans(speech, level):
            if span.start > at + 1e-6:
                rows.append((at, span.start, ""))
            rows.append((max(at, span.start), span.end, span.label))
            at = span.end
        if end > at + 1e-6:
            rows.append((at, end, ""))
        lines += [f"    item [{i}]:", '        class = "IntervalTier"', f'        name = "{level}s"', "        xmin = 0",
                  f"        xmax = {end:.6f}", f"        intervals: size = {len(rows)}"]  # fmt: skip
        for n, (start, stop, label) in enumerate(rows, 1):
            label = label.replace('"', '""')
            lines += [f"        intervals [{n}]:", f"            xmin = {start:.6f}", f"            xmax = {stop:.6f}",
                      f'            text = "{label}"']  # fmt: skip
    return "\n".join(lines) + "\n"


def ctm(speech: Speech, level: str, name: str) -> str:
    """NIST's time-marked conversation: ``NAME 1 START SECONDS LABEL``, a line a word or phone."""
    return "".join(
        f"{name} 1 {span.start:.3f} {span.end - span.start:.3f} {'_'.join(span.label.split())}\n"
        for span in _spans(speech, level)
    )


def _spans(speech: Speech, level: str) -> tuple[Span, ...]:
    return speech.words if level == "word" else speech.phones
