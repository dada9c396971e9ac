"""Engines of the CPU side by side: the same sentences, voices and seed, each beside the samples of fp32."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from recipes.evaluate.figures import mean_figure
from recipes.evaluate.intrusive import mel_distance, pesq_wide
from recipes.progress import track
from tts.engine import offered, snr

EXACT = "fp32"


def measure_engines(model: str | None, texts: dict[str, str], runs: int) -> tuple[list[dict], list[dict]]:
    """(one row an engine that is offered here, one record a text and engine).

    Args:
        model: That speaks; the house model if None.
        texts: Language -> text.
        runs: Of each text by each engine, in turn; the quickest counts.
    """
    from tts.api import Synthesizer
    from vocoder.audio.frames import SAMPLE_RATE
    from vocoder.audio.io import resample
    from vocoder.audio.mel import log_mel

    synthesizer = Synthesizer(model)
    engines = offered(synthesizer.graphs_of(synthesizer.fresh_vocoder()))
    speakers = {}
    for engine in engines:
        with spoken_by(engine):
            speakers[engine] = Synthesizer(model)
            speakers[engine].warm()
    records = []
    for language, text in track(texts.items(), "engines"):
        made, seconds = {}, dict.fromkeys(engines, np.inf)
        for _ in range(runs):
            for engine, speaker in speakers.items():
                began = time.perf_counter()
                made[engine] = speaker.synth(text, language=language, watermark=False, reason="comparison of engines").samples
                seconds[engine] = min(seconds[engine], time.perf_counter() - began)
        exact = made[EXACT]
        for engine, wav in made.items():
            record = {"engine": engine, "language": language, "rtf": seconds[engine] * SAMPLE_RATE / len(exact)}
            if engine != EXACT:
                wide = [resample(each, SAMPLE_RATE, 16_000) for each in (exact, wav)]
                record |= {"snr": snr(exact, wav), "pesq": pesq_wide(*wide), "mel": mel_distance(log_mel(exact), log_mel(wav))}
            records.append(record)
    return [_row(engine, [record for record in records if record["engine"] == engine]) for engine in engines], records


@contextmanager
def spoken_by(engine: str) -> Iterator[None]:
    """What is loaded within speaks by this engine."""
    before = os.environ.get("PARLANCE_ENGINE")
    os.environ["PARLANCE_ENGINE"] = engine
    try:
        yield
    finally:
        os.environ.pop("PARLANCE_ENGINE")
        if before is not None:
            os.environ["PARLANCE_ENGINE"] = before


def _row(engine: str, mine: list[dict]) -> dict:
    def figure(name: str, digits: int):
        return mean_figure([record.get(name) for record in mine], digits)

    return {"engine": engine, "texts": len(mine), "RTF": figure("rtf", 4), "SNR dB": figure("snr", 1),
            "PESQ wb": figure("pesq", 3), "mel dB": figure("mel", 3)}  # fmt: skip
