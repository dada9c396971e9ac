"""Stage 7: the sentences of a data directory, spoken by a trained model through the public API only.

    <out>/<id>.wav        one a sentence
    <out>/wav.scp         as Kaldi's tools expect it
    <out>/spoken.jsonl    id, voice, rtf, text
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from recipes import datadir
from recipes.evaluate.house import House
from recipes.progress import track
from tts.base.errors import DataError
from tts.base.files import atomic_write
from vocoder.audio.frames import SAMPLE_RATE


def speak(data, model, out, utterances: int | None = None) -> int:
    """Speak at most ``utterances`` sentences, spread evenly over the directory; returns how many.

    A sentence is spoken in its own speaker's voice where the model has it, else in a voice of its language.
    """
    from vocoder.audio.io import write_audio

    rows = choose(data, utterances)
    house, out, made = House.load(Path(model)), Path(out), []
    out.mkdir(parents=True, exist_ok=True)
    for row in track(rows, "synthesise"):
        spoken = house.speak(row)
        write_audio(out / f"{row.id}.wav", spoken.wav, SAMPLE_RATE, force=True)
        made.append({"id": row.id, "voice": spoken.voice, "rtf": round(spoken.rtf, 4), "text": row.text})
    write_list(out, made)
    return len(made)


def choose(data, utterances: int | None) -> list[datadir.Utterance]:
    """At most ``utterances`` rows of a data directory, spread evenly over it."""
    rows = datadir.read(data)
    if not rows:
        raise DataError("holds no sentence.", where=data, code="speak.empty")
    if utterances and len(rows) > utterances:
        rows = [rows[i] for i in np.linspace(0, len(rows) - 1, utterances).round().astype(int)]
    return rows


def write_list(out: Path, made: list[dict]) -> None:
    """``wav.scp`` and ``spoken.jsonl`` of what was made."""
    atomic_write(out / "wav.scp", "".join(f"{row['id']} {out / row['id']}.wav\n" for row in made), force=True)
    atomic_write(out / "spoken.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made), force=True)
