"""A model before and after a language was added to it: phone errors of the new language and of the old ones.

Who judges a language that no recogniser here ever heard? Two recognisers, each with its error on natural held-out recordings
beside it, and its error when it is shown the text of another sentence:

    own       an aligner adapted on real recordings of the language, of speakers who are not judged. It may share what is odd
              about these recordings with the model that was adapted on them.
    stranger  an aligner that never heard the language. Both the text and what it hears are folded on the phones that it knows
              (recipes/coverage.py): it cannot hear the new sounds, and it cannot be taken in by the recordings.

Only what both say is to be believed, and neither below its own error on natural speech.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from frontend.languages import resolve
from recipes.coverage import heard
from recipes.datadir import Utterance
from recipes.evaluate.clips import by_speaker, in_turns, samples
from recipes.evaluate.edits import Edits
from recipes.evaluate.figures import DRAWS, Figure, rate_figure
from recipes.evaluate.per import phone_edits
from recipes.progress import track
from tts.base.errors import DataError

Wav = np.ndarray
Phones = Callable[[Utterance], Sequence[int]]
OTHER = "another text"


@dataclass(frozen=True)
class Judge:
    """A recogniser, and the phones that it is asked about."""

    name: str
    recognise: Callable[[Wav], Sequence[int]]
    fold: Callable[[Iterable[int]], list[int]] = list

    def __call__(self, reference: Sequence[int], wav: Wav) -> Edits:
        return phone_edits(self.fold(reference), wav, lambda sound: self.fold(self.recognise(sound)))

    @classmethod
    def own(cls, aligner) -> Judge:
        return cls("own", aligner.recognise)

    @classmethod
    def stranger(cls, aligner) -> Judge:
        return cls("stranger", aligner.recognise, heard(aligner.config).folded)


def old_languages(rows: Sequence[Utterance], models: Mapping, phones: Phones, judge: Judge) -> list[dict]:
    """Records of natural and synthetic sentences of languages that all models know.

    Args:
        rows: Held-out sentences.
        models: Name -> ``House``; each speaks a sentence in the voice of its reader, or in one of its language.
    """
    records = []
    for row in track(rows, "old languages", len(rows)):
        reference = phones(row)
        records.append(record(row, "natural", "", judge, judge(reference, samples(row))))
        for name, house in models.items():
            spoken = house.speak(row)
            records.append(record(row, name, spoken.voice, judge, judge(reference, spoken.wav)))
    return records


def new_language(rows: Sequence[Utterance], models: Mapping, phones: Phones, judges: Sequence[Judge],
                 voices: Sequence[str]) -> list[dict]:
    """Records of natural and synthetic sentences of the new language.

    Args:
        rows: Held-out sentences of it.
        models: Name -> ``House``; all have ``voices``.
        judges: Recognisers.
        voices: Old voices that take turns, so that all models speak a sentence in the same voice. Models with a voice of the
            language itself say it in that too (``own voice``).
    """
    records = []
    for i, row in enumerate(track(rows, "new language", len(rows))):
        reference, other, natural = phones(row), phones(rows[i - 1]), samples(row)
        for judge in judges:
            records.append(record(row, "natural", "", judge, judge(reference, natural)))
            records.append(record(row, OTHER, "", judge, judge(other, natural)))
        for name, house in models.items():
            spoken = [(name, house.speak(row, voices[i % len(voices)]))]
            if any(resolve(voice.language) == resolve(row.language) for voice in house.voices):
                spoken.append((f"{name}, own voice", house.speak(row)))
            for label, speech in spoken:
                records += [record(row, label, speech.voice, judge, judge(reference, speech.wav)) for judge in judges]
    return records


def record(row: Utterance, system: str, voice: str, judge: Judge, edits: Edits) -> dict:
    return {"id": row.id, "language": row.language, "system": system, "voice": voice, "judge": judge.name,
            "phones": edits.length, "errors": edits.errors, "rate": edits.rate, "edits": edits}  # fmt: skip


def table(old: Sequence[dict], new: Sequence[dict], names: Sequence[str]) -> list[dict]:
    """Rows of languages, columns of models; the first of ``names`` is the model before."""
    before, *after = names
    rows = []
    for language in sorted({each["language"] for each in old}):
        rows.append(row_of([each for each in old if each["language"] == language], language, names))
    if len(rows) > 1:
        rows.append(row_of(old, "all old", names))
    for row, records in zip(rows, [*by_language(old), old], strict=False):
        row |= {f"{name}, change": change(records, before, name) for name in after}
    for judge in dict.fromkeys(each["judge"] for each in new):
        records = [each for each in new if each["judge"] == judge]
        label = f"{records[0]['language']} (new), judge {judge}"
        rows.append(row_of(records, label, names) | {OTHER: rate(records, OTHER)})
        if any(each["system"].endswith(", own voice") for each in records):
            natural = {"language": f"{label}, own voice"}
            rows.append(natural | {name: rate(records, f"{name}, own voice") for name in names})
    return rows


def by_language(records: Sequence[dict]) -> list[list[dict]]:
    return [[each for each in records if each["language"] == tag] for tag in sorted({each["language"] for each in records})]


def row_of(records: Sequence[dict], label: str, names: Sequence[str]) -> dict:
    sentences = len({each["id"] for each in records})
    return {"language": label, "sentences": sentences, **{name: rate(records, name) for name in ("natural", *names)}}


def rate(records: Sequence[dict], system: str) -> Figure:
    return rate_figure([each["edits"] for each in records if each["system"] == system])


def change(records: Sequence[dict], before: str, after: str) -> Figure:
    """Phone errors after over those before, less one, over the same sentences; 95 % from drawing sentences."""
    counts = {name: {each["id"]: each["errors"] for each in records if each["system"] == name} for name in (before, after)}
    keys = sorted(counts[before].keys() & counts[after].keys())
    if not keys or not sum(counts[before][key] for key in keys):
        return Figure(None, None, None, len(keys), 0, True)
    a, b = (np.array([counts[name][key] for key in keys], float) for name in (before, after))
    picks = np.random.default_rng(0).integers(0, len(keys), (DRAWS, len(keys)))
    draws = b[picks].sum(1) / np.maximum(a[picks].sum(1), 1) - 1
    low, high = np.percentile(draws, [2.5, 97.5])
    return Figure(float(b.sum() / a.sum() - 1), float(low), float(high), len(keys), 0, True)


def first_voices(house) -> list[str]:
    """The voice of most minutes of each gender."""
    chosen: dict[str, str] = {}
    for voice in sorted(house.voices, key=lambda voice: -voice.minutes):
        chosen.setdefault(voice.gender, voice.name)
    return sorted(chosen.values())


def held_out(rows: Iterable[Utterance], per_language: int, languages: Iterable[str] | None = None) -> list[Utterance]:
    """At most so many sentences a language, readers in turn, of the languages given or of all.

    Raises:
        DataError: Nothing is left.
    """
    wanted = None if languages is None else {resolve(tag).tag for tag in languages}
    groups: dict[str, list[Utterance]] = {}
    for row in rows:
        if wanted is None or resolve(row.language).tag in wanted:
            groups.setdefault(resolve(row.language).tag, []).append(row)
    chosen = [row for tag in sorted(groups) for row in in_turns(by_speaker(groups[tag]).values())[:per_language]]
    if not chosen:
        raise DataError("no sentence is left to judge.", where="data", code="evaluate.no_clips",
                        fix="Give data directories of held-out sentences.")  # fmt: skip
    return chosen
