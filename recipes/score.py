"""Stage 8 of a recipe: synthetic speech beside the recordings of the same sentences.

Phones are counted by the aligner that the recipe trained, so rates of two recipes do not compare; within one, synthetic
beside natural does. The tables of the house models are `recipes.evaluate`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from recipes import datadir
from recipes.evaluate.figures import mean_figure, rate_figure
from recipes.evaluate.house import text_phones
from recipes.evaluate.per import phone_edits
from tts.base.errors import NoInputError


def score(data, synth, aligner) -> tuple[list[dict], list[dict]]:
    """Rows a language and records a sentence, of the sentences that ``synth`` holds.

    Args:
        data: Data directory of the natural recordings.
        synth: Folder of ``recipes.speak``: ``<id>.wav`` and ``spoken.jsonl``.
        aligner: Aligner folder.
    """
    from tts.aligner import Aligner
    from vocoder.audio.io import read_audio

    recognise = Aligner.load(aligner).recognise
    spoken = {row["id"]: row for row in map(json.loads, _lines(Path(synth) / "spoken.jsonl"))}
    records = []
    for row in datadir.read(data):
        if row.id not in spoken:
            continue
        phones = text_phones(row)
        natural, synthetic = read_audio(row.wav), read_audio(Path(synth) / f"{row.id}.wav")
        records.append({
            "id": row.id, "language": row.language, "voice": spoken[row.id]["voice"], "rtf": spoken[row.id]["rtf"],
            "natural": phone_edits(phones, natural, recognise), "synthetic": phone_edits(phones, synthetic, recognise),
            "length": len(synthetic) / len(natural),
        })  # fmt: skip
    rows = []
    for language in sorted({record["language"] for record in records}):
        own = [record for record in records if record["language"] == language]
        rows.append({
            "language": language, "sentences": len(own),
            "phone errors, natural": rate_figure([record["natural"] for record in own]),
            "phone errors, synthetic": rate_figure([record["synthetic"] for record in own]),
            "length, of natural": mean_figure([record["length"] for record in own]),
            "real-time factor": round(float(np.median([record["rtf"] for record in own])), 3),
        })  # fmt: skip
    return rows, records


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise NoInputError("is missing.", where=path, fix="Run the synthesis stage first.", code="score.missing") from error
