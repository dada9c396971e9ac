"""How natural sentences and planned ones differ in melody and timing: distance of pitch contours, spread of pitch, durations.

Source: Mega-TTS (arXiv 2306.03509) §4.1 measures the distance of pitch contours by dynamic time warping, Mega-TTS 2
(arXiv 2307.07218) §4.1 moments of pitch and the error of durations. Differs: pitch in semitones around its median, so
that speakers of all registers count alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from recipes.evaluate.figures import mean_figure
from recipes.progress import track

EVERY = 3  # frames: contours are compared 25 times a second


def of_house(synthesizer) -> tuple[Callable, dict[str, Callable]]:
    """``natural`` and ``systems`` of :func:`measure` for a synthesiser's own voices: all the prosody that it can speak with."""
    import torch

    from recipes.evaluate.clips import samples
    from tts.alignment import align_text
    from tts.base.errors import ModelError, UnavailableError
    from tts.sampler import Director, ProsodySampler, find
    from vocoder.audio.pitch import track_pitch

    synthesizer.warm()
    acoustic, aligned, voices = synthesizer._acoustic, {}, {}

    def read(clip):
        if clip.id not in aligned:
            aligned[clip.id] = align_text(samples(clip), clip.text, clip.language)
        return aligned[clip.id]

    def natural(clip):
        return track_pitch(samples(clip)), read(clip).durations

    def planner(director_of):
        def plan(clip, seed):
            if clip.speaker not in voices:
                voices[clip.speaker] = synthesizer.voice(clip.speaker)
            voice = voices[clip.speaker]
            tensors, phones = synthesizer._voice_tensors(voice), read(clip).phones
            with torch.inference_mode():
                planned = director_of(voice, seed).plan(0, phones, tensors)
                return acoustic.infer(phones, tensors, planned, noise=(seed, 0))[1].numpy(), planned.durations

        return plan

    systems = {"regression": planner(lambda voice, seed: Director(acoustic.variance))}
    for form, durations in (("causal", "parallel"), ("causal", "causal"), ("masked", "parallel")):
        try:
            sampler = ProsodySampler.load(find(synthesizer.folder, form), acoustic, durations)
        except (ModelError, UnavailableError):
            continue
        for prompted in (False, True):
            name = form + (", causal durations" if durations == "causal" else "") + (", own reference" if prompted else "")

            def director(voice, seed, sampler=sampler, prompted=prompted):
                prompt = synthesizer._directors.prompt(sampler, voice) if prompted else None
                return Director(acoustic.variance, sampler, seed, prompt)

            systems[name] = planner(director)
    return natural, systems


def contour(f0: np.ndarray) -> np.ndarray:
    """F0 [T] Hz, 0 = unvoiced -> semitones around the median, voiced frames only, 25 a second at most."""
    voiced = f0[f0 > 0]
    return 12 * np.log2(voiced / np.median(voiced))[::EVERY] if len(voiced) else np.zeros(0)


def warped_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference along the best monotonic path of two contours [n], [m]: dynamic time warping, step pattern
    (1, 0), (0, 1), (1, 1), divided by the steps of the path."""
    cost = np.abs(one[:, None] - other[None])
    total, steps = np.full(cost.shape, np.inf), np.zeros(cost.shape, int)
    for i in range(len(one)):
        for j in range(len(other)):
            if i == j == 0:
                total[0, 0], steps[0, 0] = cost[0, 0], 1
                continue
            ways = [(total[a, b], steps[a, b]) for a, b in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if a >= 0 and b >= 0]
            best = min(ways)
            total[i, j], steps[i, j] = best[0] + cost[i, j], best[1] + 1
    return float(total[-1, -1] / steps[-1, -1])


def measure(
    clips: Sequence,
    natural: Callable,
    systems: Mapping[str, Callable],
    seeds: Sequence[int] = (0, 1, 2),
) -> list[dict]:
    """One record a clip, system and draw.

    Args:
        clips: Recordings of speakers whose voices the systems have.
        natural: clip -> (F0 [T] Hz, durations of phones [N] in frames), of the recording.
        systems: Name -> (clip, seed) -> the same of the sentence as planned.
    """
    records = []
    for clip in track(clips, "prosody"):
        f0, durations = natural(clip)
        own, spoken = contour(f0), durations > 0
        if len(own) < 2 * 75 // EVERY // 2:
            continue
        records.append({"system": "natural", "clip": clip.id, "spread": float(own.std())})
        for name, plan in systems.items():
            drawn = [plan(clip, seed) for seed in seeds]
            contours = [contour(each[0]) for each in drawn]
            for i, (planned, (_, frames)) in enumerate(zip(contours, drawn, strict=True)):
                records.append({
                    "system": name, "clip": clip.id, "seed": seeds[i],
                    "distance": warped_distance(own, planned),
                    "spread": float(planned.std()),
                    "duration_ms": float(np.abs(frames - durations)[spoken].mean() * 1000 / 75),
                    "length": float(frames.sum() / durations.sum()),
                    "between_draws": warped_distance(planned, contours[(i + 1) % len(contours)]),
                })  # fmt: skip
    return records


def table(records: Sequence[dict]) -> list[dict]:
    """One row a system, means over clips of the mean over draws."""
    rows = []
    for system in dict.fromkeys(record["system"] for record in records):
        mine = [record for record in records if record["system"] == system]
        clips = list(dict.fromkeys(record["clip"] for record in mine))

        def figure(key, mine=mine, clips=clips):
            values = [[record[key] for record in mine if record["clip"] == clip and key in record] for clip in clips]
            return mean_figure([float(np.mean(each)) for each in values]) if all(values) else None

        rows.append({"prosody": system, "clips": len(clips), "pitch distance st": figure("distance"),
                     "pitch spread st": figure("spread"), "duration error ms": figure("duration_ms"),
                     "length / natural": figure("length"), "between draws st": figure("between_draws")})  # fmt: skip
    return rows
