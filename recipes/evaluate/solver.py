"""Few evaluations of a flow-matching model beside many: the same sentence, voice and noise by every solver."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from recipes.evaluate.figures import mean_figure, rate_figure
from recipes.evaluate.intrusive import mel_distance
from recipes.evaluate.per import Recogniser, phone_edits
from recipes.progress import track

ACCURATE = 16  # midpoint steps of what others are compared with
EVALUATIONS = (4, 8)


def systems(acoustic) -> dict[str, object]:
    """Name with the number of evaluations -> table of a solver; the accurate one first."""
    from tts.models.solver import Table

    found = {f"midpoint, {2 * ACCURATE}": Table.plain(2, ACCURATE)}
    for n in EVALUATIONS:
        found |= {f"euler, {n}": Table.plain(1, n), f"midpoint, {n}": Table.plain(2, n // 2)}
        found |= {f"bespoke RK{order}, {n}": table for (order, steps), table in acoustic.solvers.items() if order * steps == n}
    return found


def of_house(synthesizer, seed: int = 0) -> Callable:
    """clip, voice name, table -> (log-mel [T, 100], samples [S]) of a synthesiser with a flow-matching model."""

    def speak(clip, voice: str, table) -> tuple[np.ndarray, np.ndarray]:
        plan = synthesizer.plan(clip.text, voice=voice, language=clip.language, seed=seed)
        tensors, mels, wavs = synthesizer._voice_tensors(plan.voice), [], []
        for i, (clause, prosody) in enumerate(zip(plan.clauses, plan.prosody, strict=True)):
            mel, f0 = synthesizer._acoustic.infer(clause, tensors, prosody, solver=table, noise=(seed, i))
            mels.append(mel.numpy())
            wavs.append(synthesizer._vocoder.decode(mels[-1], f0.numpy(), seed=seed))
        return np.concatenate(mels), np.concatenate(wavs)

    return speak


def measure(
    clips: Sequence,
    voice_of: Callable[[object], str],
    systems: Mapping[str, object],
    speak: Callable,
    phones: Callable[[object], Sequence[int]],
    recognise: Recogniser,
    embed: Callable[[np.ndarray], np.ndarray],
    natural: Callable[[object], np.ndarray],
) -> list[dict]:
    """One record a clip and system.

    Args:
        clips: Sentences to speak.
        voice_of: clip -> name of its voice.
        systems: Name -> solver; the first is what the mels of the others are compared with.
        speak: (clip, voice, solver) -> (log-mel [T, 100], samples).
        phones, recognise: Ids of a clip's text, and those heard in samples.
        embed, natural: Samples -> unit vector of their speaker; clip -> samples of its recording.
    """
    records = []
    for clip in track(clips, "solver"):
        voice, reference, own, accurate = voice_of(clip), phones(clip), embed(natural(clip)), None
        for name, solver in systems.items():
            mel, wav = speak(clip, voice, solver)
            accurate = mel if accurate is None else accurate
            heard = phone_edits(reference, wav, recognise)
            records.append({"clip": clip.id, "system": name, "mel": mel_distance(accurate, mel), "errors": heard.errors,
                            "phones": heard.length, "edits": heard, "cosine": float(embed(wav) @ own)})  # fmt: skip
    return records


def table(records: Sequence[dict]) -> list[dict]:
    """One row a system."""
    rows = []
    for name in dict.fromkeys(record["system"] for record in records):
        mine, (solver, _, evaluations) = [record for record in records if record["system"] == name], name.rpartition(", ")
        rows.append({"solver": solver, "evaluations": int(evaluations), "clips": len(mine),
                     "mel dB to the first": mean_figure([record["mel"] for record in mine]),
                     "phone error": rate_figure([record["edits"] for record in mine]),
                     "cosine to the recording": mean_figure([record["cosine"] for record in mine], 3)})  # fmt: skip
    return rows
