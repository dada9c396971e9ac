"""Cost against length: texts of some minutes, each spoken in a fresh process; time should grow with them, memory should not."""

from __future__ import annotations

import random
from itertools import cycle

from recipes.evaluate.paragraph import PARAGRAPHS
from recipes.evaluate.speed import TIMEOUT, WORD, probe
from recipes.progress import track

WORDS_A_MINUTE = 150
SENTENCES = (30, 4, 17, 9, 24, 13, 20, 6)  # words: short and long texts have the same longest clause


def measure_length(model: str | None, minutes: list[int]) -> tuple[list[dict], list[dict]]:
    """(one row a length, the same unrounded). Memory is the high-water mark, worker processes included."""
    rows, records = [], []
    for wanted in track(minutes, "length"):
        request = {"model": model, "language": "en", "word": WORD, "text": text_of(wanted)}
        found = probe(request, TIMEOUT + 60 * wanted)  # real time at worst
        records.append({"minutes": wanted, "characters": len(request["text"]), **found})
        rows.append({"text, min": wanted, "audio min": round(found["audio_seconds"] / 60, 1), "RTF": round(found["rtf"], 3),
                     "first audio ms": round(1000 * found["first_audio_seconds"]),
                     "MiB at first audio": round(found["first_audio_mib"]), "peak MiB": round(found["peak_mib"])})
    return rows, records


def text_of(minutes: int) -> str:
    """About so many minutes of English: sentences of known words in chance order, so that hardly a clause occurs twice."""
    words = [word.strip(".,").lower() for word in PARAGRAPHS["en"].split()]
    draw, sentences, left = random.Random(0), [], minutes * WORDS_A_MINUTE
    for size in cycle(SENTENCES):
        if left <= 0:
            return " ".join(sentences)
        sentences.append(" ".join(draw.choices(words, k=size)).capitalize() + ".")
        left -= size
