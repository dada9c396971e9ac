"""Zero-shot cloning of speakers who were never in training, cross-sentence: the reference says something else than the text.

Every measure of a cloned sentence stands beside the same measure of the speaker's own recording of that sentence (what the
literature calls human), of another person's, and of the sentence cloned from another person's reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from recipes.datadir import Utterance
from recipes.evaluate.asr import word_edits
from recipes.evaluate.clips import by_speaker, samples, trim_silence
from recipes.evaluate.edits import Edits
from recipes.evaluate.figures import mean_figure, rate_figure
from recipes.evaluate.per import phone_edits
from recipes.progress import track
from tts.base.errors import DataError

Wav = np.ndarray  # [S] float32 at 24 kHz
Embed = Callable[[Wav], np.ndarray]  # of length one

RATE, BLOCK = 24_000, 480  # Hz, samples
SECONDS = (1, 3, 10, 30)  # of reference
TARGET = 10  # seconds of the recording that every row is compared with, so that rows are comparable
WORDS_AT = (10,)  # seconds of reference at which words are counted too: their recogniser takes most of the time
LEAST = 12  # sentences a language, where few speakers are held out


@dataclass(frozen=True)
class Trial:
    """One sentence to say, and what is known of its speaker."""

    sentence: Utterance
    others: tuple[Utterance, ...]  # the speaker's further clips, longest first; the reference is made of their beginning
    stranger: tuple[Utterance, ...]  # those of another speaker, of the same gender where there is one
    first: bool  # of its speaker


def trials(clips: Sequence[Utterance], sentences: int) -> list[Trial]:
    """``sentences`` of each speaker, the shortest ones that last 2 s; languages with few speakers get more of each."""
    found = []
    for language in sorted({clip.language for clip in clips}):
        speakers = by_speaker(clip for clip in clips if clip.language == language)
        speakers = {name: items for name, items in speakers.items() if len(items) > 2}
        each = max(sentences, -(-LEAST // max(len(speakers), 1)))
        names = list(speakers)
        for i, name in enumerate(names):
            longest = sorted(speakers[name], key=lambda clip: (-(clip.seconds or 0), clip.id))
            texts = [clip for clip in reversed(longest) if (clip.seconds or 0) >= 2][: min(each, len(longest) - 2)]
            following = [other for other in names[i + 1 :] + names[:i] if other != name]
            like = [other for other in following if speakers[other][0].gender == speakers[name][0].gender]
            stranger = sorted(speakers[(like or following)[0]], key=lambda clip: -(clip.seconds or 0)) if following else []
            found += [Trial(text, tuple(clip for clip in longest if clip != text), tuple(stranger), k == 0)
                      for k, text in enumerate(texts)]  # fmt: skip
    return found


def reference(clips: Sequence[Utterance], seconds: float) -> tuple[Wav, int]:
    """The beginning of clips that are joined in their order, and how many clips it took.

    It holds so many seconds of sound (20 ms above -50 dBFS count), as voices need them; all there is where that is less.
    """
    parts, sound = [], 0
    wanted = int(np.ceil(seconds / BLOCK * RATE)) + 1
    for clip in clips:
        wav = trim_silence(samples(clip))
        loud = np.square(wav[: len(wav) // BLOCK * BLOCK].reshape(-1, BLOCK)).mean(1) > 10 ** (-50 / 10)
        until = np.flatnonzero(np.cumsum(loud) + sound >= wanted)
        parts.append(wav[: (until[0] + 1) * BLOCK] if len(until) else wav)
        sound += int(loud.sum())
        if len(until):
            break
    return np.concatenate(parts), len(parts)


def measure(
    items: Sequence[Trial],
    models: Mapping[str, Callable[[Utterance, Wav], Wav]],
    judges: Mapping[str, Embed],
    phones: Callable[[Utterance], Sequence[int]],
    recognise: Callable[[Wav], Sequence[int]],
    english: Callable[[Wav], list[str]] | None,
    only: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[dict]:
    """One record a sentence, model and reference.

    Args:
        items: What is said.
        models: ``models[name](sentence, reference)`` speaks the text of a clip in the voice of a recording.
        judges: Name of a speaker encoder -> its embedding of [S] at 24 kHz.
        phones, recognise: Phones of a text, and those heard in speech.
        english: Words heard in speech; None leaves word errors out.
        only: References of a model ("10 s" ...), where it does not get all of them.
    """
    hearing = (models, judges, phones, recognise, english, only)
    return [record for item in track(items, "cloning") for record in _of_trial(item, *hearing)]


def _of_trial(item: Trial, models, judges, phones, recognise, english, only) -> list[dict]:
    """The records of one sentence; arguments as of :func:`measure`."""
    sentence, text = item.sentence, phones(item.sentence)
    target, used = reference(item.others, TARGET)
    targets = {name: embed(target) for name, embed in judges.items()}
    unheard = {name: embed(samples(item.others[used])) for name, embed in judges.items()} if item.others[used:] else {}
    words_at = {"natural", *(f"{seconds} s" for seconds in WORDS_AT)} if english and item.first else set()

    def record(model: str, kind: str, made: Wav, seconds: float | None = None) -> dict:
        embeddings = {name: embed(made) for name, embed in judges.items()}
        row = {"model": model, "kind": kind, "clip": sentence.id, "speaker": sentence.speaker, "language": sentence.language,
               "seconds": seconds, "to_target": {name: float(vector @ targets[name]) for name, vector in embeddings.items()},
               "to_unheard": {name: float(embeddings[name] @ vector) for name, vector in unheard.items()}}  # fmt: skip
        if kind != "other person":
            heard = phone_edits(text, made, recognise)
            row |= {"phones": heard.length, "phone_errors": heard.errors}
        if kind in words_at and sentence.language.startswith("en"):
            counted = word_edits(sentence.text, english(made))
            row |= {"words": counted.length, "word_errors": counted.errors}
        return row

    given = {f"{seconds} s": reference(item.others, seconds)[0] for seconds in SECONDS}
    if len(given["30 s"]) <= len(target):
        del given["30 s"]  # there is no more of this speaker
    if item.stranger:
        given["wrong reference"] = reference(item.stranger, TARGET)[0]
    records = [record("", "natural", samples(sentence))]
    if item.stranger:
        records.append(record("", "other person", given["wrong reference"]))
    for name, speak in models.items():
        for kind, wav in given.items():
            if kind not in only.get(name, given):
                continue
            try:
                records.append(record(name, kind, speak(sentence, wav), len(wav) / RATE))
            except DataError:  # a voice needs a second of speech and may hear less in so short a reference: one sentence less
                continue
    return records


def table(records: Sequence[dict], model: str, judges: Sequence[str]) -> list[dict]:
    """Rows of one model, natural speech first."""
    rows = []
    for language in sorted({record["language"] for record in records}):
        mine = [record for record in records if record["language"] == language and record["model"] in ("", model)]
        scale = {kind: {judge: mean(mine, kind, judge).value for judge in judges} for kind in ("natural", "other person")}
        for kind in dict.fromkeys(record["kind"] for record in mine):
            of_kind = [record for record in mine if record["kind"] == kind]
            lengths = [record["seconds"] for record in of_kind if record["seconds"]]
            row = {"language": language, "speech": _LABELS.get(kind, f"cloned from {kind}"),
                   "reference s": f"{np.mean(lengths):.1f}" if lengths else None, "sentences": len(of_kind)}
            for judge in judges:
                cosine, same, different = mean(mine, kind, judge), scale["natural"][judge], scale["other person"][judge]
                row[judge] = cosine
                row[f"{judge} − natural"] = None if kind == "natural" else f"{cosine.value - same:+.3f}"
                row[f"{judge} score"] = None if different is None else f"{(cosine.value - different) / (same - different):.2f}"
            unheard = [record["to_unheard"][judges[0]] for record in of_kind if record["to_unheard"] and kind != "30 s"]
            row[f"{judges[0]}, unheard clip"] = mean_figure(unheard, 3) if unheard else None
            row["phone error"] = _rate(of_kind, "phone")
            row["word error"] = _rate(of_kind, "word")
            rows.append(row)
    return rows


_LABELS = {"natural": "the speaker's own recording", "other person": "another person's recording",
           "wrong reference": "cloned from another person"}  # fmt: skip


def mean(records: Sequence[dict], kind: str, judge: str):
    """Mean cosine to the target of one kind of speech."""
    return mean_figure([record["to_target"][judge] for record in records if record["kind"] == kind], 3)


def _rate(records: Sequence[dict], what: str):
    counted = [Edits(record[f"{what}_errors"], 0, 0, record[f"{what}s"]) for record in records if f"{what}s" in record]
    return rate_figure(counted) if counted else None


def goal(records: Sequence[dict], model: str, judges: Sequence[str]) -> str:
    """The sentence on the goal: cosine at 10 s within 0.05 of the speaker's own recordings, in the first language."""
    language = min(record["language"] for record in records)
    mine = [record for record in records if record["language"] == language and record["model"] in ("", model)]
    gaps = [f"{judge} {mean(mine, 'natural', judge).value - mean(mine, '10 s', judge).value:.3f}" for judge in judges]
    wanted = "Goal: at 10 s of reference at most 0.05 below the speaker's own recordings."
    return f"{wanted} Measured ({language}): {', '.join(gaps)}."
