"""Voice conversion of speakers never heard: does it sound like the target, is it still understood, is the melody kept?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recipes.datadir import Utterance
from recipes.evaluate.clips import samples
from recipes.evaluate.edits import Edits
from recipes.evaluate.figures import mean_figure, rate_figure
from recipes.evaluate.per import phone_edits
from recipes.progress import track

Wav = np.ndarray  # [S] float32 at 24 kHz
Embed = Callable[[Wav], np.ndarray]  # of length one


@dataclass(frozen=True, eq=False)
class Target:
    """A voice to convert to, and what it sounds like."""

    name: str
    kind: str  # row of the table: "house voices", "cloned voices"
    voice: object  # tts.Voice
    clips: tuple[Wav, ...]  # natural recordings of it


def measure(
    sources: Sequence[Utterance],
    targets: Sequence[Target],
    systems: Mapping[str, Callable[[Utterance, Wav, object], Wav]],
    copy: Callable[[Wav], Wav],
    judges: Mapping[str, Embed],
    phones: Callable[[Utterance], Sequence[int]],
    recognise: Callable[[Wav], Sequence[int]],
) -> list[dict]:
    """One record a source, system and target.

    Args:
        systems: ``systems[name](clip, samples, voice)``: the clip in the voice.
        copy: Analysis and synthesis by the vocoder alone: what conversion loses at least.
        judges: Name of a speaker encoder -> its embedding.
    """
    wanted = {target.name: {name: center([embed(wav) for wav in target.clips]) for name, embed in judges.items()}
              for target in targets}  # fmt: skip
    of_trial = (targets, wanted, systems, copy, judges, phones, recognise)
    return [record for clip in track(sources, "conversion") for record in _of_source(clip, *of_trial)]


def _of_source(clip: Utterance, targets, wanted, systems, copy, judges, phones, recognise) -> list[dict]:
    from vocoder.audio.f0 import extract_f0

    wav, text = samples(clip), phones(clip)
    f0, own = extract_f0(wav), {name: embed(wav) for name, embed in judges.items()}

    def record(system: str, made: Wav, those: Sequence[Target]) -> list[dict]:
        heard, embedded = phone_edits(text, made, recognise), {name: embed(made) for name, embed in judges.items()}
        correlation = pitch_correlation(f0, extract_f0(made))
        return [{"clip": clip.id, "system": system, "target": target.name, "kind": target.kind, "correlation": correlation,
                 "phones": heard.length, "phone_errors": heard.errors,
                 "to_target": {name: float(vector @ wanted[target.name][name]) for name, vector in embedded.items()},
                 "to_source": {name: float(vector @ own[name]) for name, vector in embedded.items()}}
                for target in those]  # fmt: skip

    records = record("source", wav, targets) + record("vocoder copy", copy(wav), targets)
    for target in targets:
        for name, convert in systems.items():
            records += record(name, convert(clip, wav, target.voice), [target])
    return records


def table(records: Sequence[dict], targets: Sequence[Target], judges: Mapping[str, Embed]) -> list[dict]:
    """Rows by kind of target and system; the target's own recordings compared with each other are what can be reached."""
    rows = []
    for kind in dict.fromkeys(record["kind"] for record in records):
        mine = [record for record in records if record["kind"] == kind]
        row = {"target": kind, "speech": "the target's own recordings"}
        for name, embed in judges.items():
            pairs = [cosine for target in targets if target.kind == kind for cosine in held_out([embed(c) for c in target.clips])]
            row[f"{name}, to target"] = mean_figure(pairs, 3) if pairs else None
        rows.append(row)
        for system in dict.fromkeys(record["system"] for record in mine):
            of_system = [record for record in mine if record["system"] == system]
            row = {"target": kind, "speech": _LABELS.get(system, system), "conversions": len(of_system)}
            for name in judges:
                row[f"{name}, to target"] = mean_figure([record["to_target"][name] for record in of_system], 3)
                row[f"{name}, to source"] = mean_figure([record["to_source"][name] for record in of_system], 3)
            row["phone error"] = rate_figure([Edits(r["phone_errors"], 0, 0, r["phones"]) for r in of_system])
            row["F0 correlation"] = mean_figure([record["correlation"] for record in of_system])
            rows.append(row)
    return rows


_LABELS = {"source": "the source, not converted", "vocoder copy": "the source through the vocoder"}


def pitch_correlation(one: np.ndarray, other: np.ndarray) -> float | None:
    """Pearson's correlation of log F0 over frames voiced in both, [T] in Hz each; None with fewer than ten such frames."""
    size = min(len(one), len(other))
    both = (one[:size] > 0) & (other[:size] > 0)
    if both.sum() < 10:
        return None
    a, b = np.log(one[:size][both]), np.log(other[:size][both])
    return None if a.std() < 1e-6 or b.std() < 1e-6 else float(np.corrcoef(a, b)[0, 1])


def center(embeddings: Sequence[np.ndarray]) -> np.ndarray:
    """Mean direction."""
    mean = np.mean(embeddings, axis=0)
    return mean / np.linalg.norm(mean)


def held_out(embeddings: Sequence[np.ndarray]) -> list[float]:
    """Each one's cosine to the mean of the others; empty for one alone."""
    if len(embeddings) < 2:
        return []
    return [float(one @ center([other for other in embeddings if other is not one])) for one in embeddings]
