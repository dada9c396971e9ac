"""Stage 3, phones: the text of every utterance as one sequence of phones in the feature store.

    ids, styles, langs   int16 [N]            as frontend.Phones
    utterances.jsonl     recipes.batch.Utterance, one a line
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from recipes.batch import Utterance
from recipes.datadir import Utterance as Row
from recipes.store import StoreWriter
from tts.base.errors import DataError
from tts.base.files import atomic_write


def write_phones(rows: Iterable[Row], dump) -> dict[str, int]:
    """Phones of all rows of a data directory; returns counts of utterances kept, and of notes by reason."""
    import frontend

    rows = sorted(rows, key=lambda row: row.id)
    if not rows:
        raise DataError("there are no utterances.", where=dump)
    analyses = frontend.analyze_many([row.text for row in rows], [row.language for row in rows], join=True)
    counts, lines = {"utterances": 0}, []
    with (
        StoreWriter(dump, "ids", "int16") as ids,
        StoreWriter(dump, "styles", "int16") as styles,
        StoreWriter(dump, "langs", "int16") as langs,
    ):
        for row, analysis in zip(rows, analyses, strict=True):
            clause = analysis.clauses[0]
            ids.add(row.id, clause.ids)
            styles.add(row.id, clause.styles)
            langs.add(row.id, clause.langs)
            utterance = Utterance(
                key=row.id,
                speaker=row.speaker,
                language=analysis.language,
                gender=row.gender or "u",
                bandwidth_hz=row.bandwidth_hz or 12_000,
                corpus=row.corpus or row.wav.parent.name,
                text=row.text,
            )
            lines.append(json.dumps(asdict(utterance), ensure_ascii=False))
            counts["utterances"] += 1
            for note in analysis.notes:
                name = f"{note.kind}:{note.reason}"
                counts[name] = counts.get(name, 0) + 1
    atomic_write(Path(dump) / "utterances.jsonl", "\n".join(lines) + "\n", force=True)
    return counts
