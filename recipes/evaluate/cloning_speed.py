"""How long a voice takes to make, and how fast it speaks by each way of choosing prosody."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from recipes.evaluate.house import CONSENT
from recipes.progress import track

Result = tuple[list[dict], list[dict]]


def measure_cloning(synthesizer, make: Callable, reference: np.ndarray, text: str, language: str, runs: int,
                    manners: tuple[str, ...]) -> Result:  # fmt: skip
    """(rows of medians, every single run).

    Args:
        synthesizer: A ``tts.api.Synthesizer``.
        make: ``make(recordings, consent)`` -> a voice; ``Voice.from_audio``.
        reference: [S] float32 at 24 kHz.
        manners: Values of ``prosody``.
    """
    recordings, records = [(reference, 24_000)], []
    voice = None
    for run in track(range(runs + 1), "voice"):
        started = time.perf_counter()
        voice = make(recordings, CONSENT)
        records.append({"what": "voice", "first": run == 0, "seconds": time.perf_counter() - started})
    started = time.perf_counter()
    synthesizer.fit(voice, recordings)
    records.append({"what": "fit", "first": False, "seconds": time.perf_counter() - started})
    for manner in manners:
        for run in track(range(runs + 1), manner):
            records.append({"what": manner, "first": run == 0, **spoken(synthesizer, text, language, voice, manner)})

    def middle(what: str, column: str) -> float:
        return statistics.median(row[column] for row in records if row["what"] == what and not row["first"])

    first = next(row["seconds"] for row in records if row["what"] == "voice" and row["first"])
    rows = [{"what": "a voice", "runs": runs, "seconds": round(middle("voice", "seconds"), 2), "the first, s": round(first, 2)},
            {"what": "the same, fitted", "runs": 1, "seconds": round(middle("fit", "seconds"), 2)}]  # fmt: skip
    rows += [{"what": f"speech, {manner}", "runs": runs, "RTF": round(middle(manner, "rtf"), 3),
              "first audio ms": round(1000 * middle(manner, "first_audio_seconds"))} for manner in manners]  # fmt: skip
    return rows, records


def spoken(synthesizer, text: str, language: str, voice, manner: str) -> dict[str, float]:
    started, first, samples = time.perf_counter(), None, 0
    for chunk in synthesizer.stream(text, language=language, voice=voice, prosody=manner):
        first = first or time.perf_counter()
        samples += len(chunk.samples)
    done = time.perf_counter()
    return {"rtf": (done - started) * chunk.sample_rate / samples, "first_audio_seconds": first - started}
