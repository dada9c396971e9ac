"""Stage 3, phones: the text of every utterance as one sequence of phones in the feature store, or its row alone.

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

    rows = in_order(rows, dump)
    analyses = frontend.analyze_many([row.text for row in rows], [row.language for row in rows], join=True)
    counts, utterances = {"utterances": 0}, []
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
            utterances.append(utterance_of(row, analysis.language))
            counts["utterances"] += 1
            for note in analysis.notes:
                name = f"{note.kind}:{note.reason}"
                counts[name] = counts.get(name, 0) + 1
    write_utterances(utterances, dump)
    return counts


def write_rows(rows: Iterable[Row], dump) -> dict[str, int]:
    """``utterances.jsonl`` of all rows of a data directory, without phones: what a codec or a vocoder needs."""
    utterances = [utterance_of(row, row.language) for row in in_order(rows, dump)]
    write_utterances(utterances, dump)
    return {"utterances": len(utterances)}


def in_order(rows: Iterable[Row], dump) -> list[Row]:
    rows = sorted(rows, key=lambda row: row.id)
    if not rows:
        raise DataError("there are no utterances.", where=dump)
    return rows


def utterance_of(row: Row, language: str) -> Utterance:
    return Utterance(
        key=row.id,
        speaker=row.speaker,
        language=language,
        gender=row.gender or "u",
        bandwidth_hz=row.bandwidth_hz or 12_000,
        corpus=row.corpus or row.wav.parent.name,
        text=row.text,
    )


def write_utterances(utterances: list[Utterance], dump) -> None:
    lines = [json.dumps(asdict(utterance), ensure_ascii=False) for utterance in utterances]
    atomic_write(Path(dump) / "utterances.jsonl", "\n".join(lines) + "\n", force=True)
