"""Stage 4, alignment: durations of every utterance once, and the list of those that do not fit their text.

    durations.bin/json   int32 [N], frames a token, sum = frames of the utterance
    dropped.tsv          id, reason, surety, phone error: what training leaves out
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from recipes.batch import Corpus
from recipes.store import StoreWriter
from tts.aligner import N_MARKS, Aligner
from tts.alignment import edit_distance
from tts.base.errors import DataError
from tts.base.files import atomic_write

WORST_PHONE_ERROR = 0.4  # share of phones that the recogniser disagrees on
LONGEST_PHONE = 60  # frames (0.8 s); pauses may be longer


def align_corpus(dump, aligner: Aligner, progress=None, worst: float = WORST_PHONE_ERROR) -> dict[str, int]:
    """Align one split of the store; returns counts by outcome (``kept`` and each reason for dropping)."""
    corpus = Corpus(dump)
    rows, counts = ["id\treason\tsurety\tphone_error"], {"kept": 0}
    with StoreWriter(dump, "durations", "int32") as store:
        for key in corpus.keys:
            mel = torch.from_numpy(np.asarray(corpus.get("mel", key), dtype=np.float32))
            ids = np.asarray(corpus.get("ids", key))
            try:
                durations, surety, heard = aligner.inspect(mel, ids)
            except DataError:
                rows.append(f"{key}\ttoo_short\t\t")
                counts["too_short"] = counts.get("too_short", 0) + 1
                continue
            said = [int(i) for i in ids if i >= N_MARKS]
            error = edit_distance(heard, said) / max(1, len(said))
            reason = reason_to_drop(durations, ids, error, worst)
            store.add(key, durations)
            counts[reason or "kept"] = counts.get(reason or "kept", 0) + 1
            if reason:
                rows.append(f"{key}\t{reason}\t{surety:.3f}\t{error:.3f}")
            if progress is not None:
                progress.update(step=sum(counts.values()))
    atomic_write(Path(dump) / "dropped.tsv", "\n".join(rows) + "\n", force=True)
    return counts


def reason_to_drop(durations: np.ndarray, ids: np.ndarray, phone_error: float, worst: float = WORST_PHONE_ERROR) -> str | None:
    if phone_error > worst:
        return "text_does_not_match"
    spoken = durations[ids >= N_MARKS]
    if len(spoken) == 0:
        return "nothing_to_say"
    if spoken.max() > LONGEST_PHONE:
        return "overlong_phone"
    if len(spoken) > 8 and (spoken <= 1).mean() > 0.5:
        return "squeezed"
    return None


def main(dump, aligner=None, splits=("train", "dev", "test"), worst: float = WORST_PHONE_ERROR) -> dict[str, dict[str, int]]:
    """Align the given splits with an aligner folder (the house aligner when None).

    ``worst``: share of phones that the aligner may hear otherwise; it hears a language that it barely knows badly.
    """
    from recipes.progress import Progress

    model = Aligner.load(aligner)
    results = {}
    for split in splits:
        if (Path(dump) / split / "utterances.jsonl").exists():
            with Progress(f"align {split}") as progress:
                results[split] = align_corpus(Path(dump) / split, model, progress, worst)
    return results
