"""Parts of a feature store, and a new language mixed with replay of the old ones.

    subset(dump, out, ...)     the same features, fewer utterances: nothing is copied, the files are linked
    mix(new, replay, out, ...) two stores in one, the old one as a small share of itself; every trainer takes it as any other

How often training shows an utterance is the ``weight`` of its row, so a mix needs nothing of the trainer.

Source: rehearsal against forgetting (Robins 1995), as in experience replay (arXiv 1811.11682); here a fixed share of every
epoch, spread evenly over the old languages and their speakers.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

from recipes.batch import Corpus, Utterance
from recipes.pack import fair_share
from recipes.phones import write_utterances
from recipes.store import Store, StoreWriter
from recipes.train.acoustic import dropped
from tts.base.errors import DataError, UsageError
from tts.base.files import atomic_write
from vocoder.audio.frames import FRAME_RATE

SPLITS = ("train", "dev", "test")
MIXED = ("mel", "f0", "ids", "styles", "langs", "durations", "units")  # no trainer of text to sound reads samples
DEV = 40  # utterances of the old languages that validation hears


def subset(
    dump, out, languages: Iterable[str] = (), without: Iterable[str] = (), minutes: float | None = None
) -> dict[str, float]:
    """A store of some languages, or of a few minutes; returns the minutes of each split.

    Args:
        dump: Store with its splits.
        out: Store to make, of links; one that is there is made anew.
        languages: Tags to keep; all when empty.
        without: Tags to leave out.
        minutes: Of training speech at most, speakers in turn; less is always part of more.

    Raises:
        DataError: Nothing is left of the training split.
    """
    from frontend.languages import resolve

    kept, left_out = {resolve(tag).tag for tag in languages}, {resolve(tag).tag for tag in without}
    done: dict[str, float] = {}
    for split in SPLITS:
        source, target = Path(dump) / split, Path(out) / split
        if not (source / "utterances.jsonl").exists():
            continue
        corpus = Corpus(source, dropped(source))
        rows, held = list(corpus.utterances.values()), {row.language for row in corpus.utterances.values()}
        rows = [row for row in rows if row.language not in left_out and (not kept or row.language in kept)]
        if minutes is not None and split == "train":
            rows = share(corpus, rows, minutes)
        if not rows and split == "train":
            raise DataError("no utterance is left.", where=source, code="subset.empty",
                            fix=f"It holds {', '.join(sorted(held))}.")  # fmt: skip
        shutil.rmtree(target, ignore_errors=True)
        if not rows:
            continue
        target.mkdir(parents=True)
        for path in (*source.glob("*.bin"), *source.glob("*.json")):
            os.symlink(path.resolve(), target / path.name)
        write_utterances(sorted(rows, key=lambda row: row.key), target)
        done[split] = minutes_of(corpus, rows)
    return done


def mix(new, replay, out, share_of_replay: float = 0.5, hours: float = 1.0) -> dict[str, float]:
    """A store of a new language and a part of an old one; returns the minutes of each in training.

    Args:
        new: Store of the new language; all of its training split that alignment kept.
        replay: Store of what the model was trained on, or of a small part of it (``recipes pack``).
        out: Store to write.
        share_of_replay: Share of the frames of an epoch that are replayed, 0 (all forgets) to below 1.
        hours: Of the old store at most, languages alike, speakers of a language in turn.

    Raises:
        UsageError: The share is no share.
        DataError: The stores have an utterance in common.
    """
    if not 0 <= share_of_replay < 1:
        raise UsageError(f"{share_of_replay:g} is no share of replay.", where="share", fix="0 or more, below 1.")
    made = [max(path.stat().st_mtime_ns for path in Path(store, "train").glob("*.json*")) for store in (new, replay)]
    stated = {"new": str(Path(new).resolve()), "replay": str(Path(replay).resolve()), "share": share_of_replay, "hours": hours,
              "made": made}  # fmt: skip
    record = Path(out) / "mix.json"
    if record.exists() and (before := json.loads(record.read_text()))["of"] == stated:
        return before["minutes"]
    minutes: dict[str, float] = {}
    for split in ("train", "dev"):
        stores = [Corpus(Path(store) / split, dropped(Path(store) / split)) for store in (new, replay)
                  if (Path(store) / split / "utterances.jsonl").exists()]  # fmt: skip
        if split == "train":
            rows = parts(*stores, share_of_replay, hours)
            minutes = {name: minutes_of(corpus, part) for name, corpus, part in zip(("new", "replay"), stores, rows, strict=True)}
        else:
            rows = [list(corpus.utterances.values()) for corpus in stores]
            rows[-1:] = [sorted(part, key=lambda row: row.key)[:: max(1, len(part) // DEV)] for part in rows[-1:]]
        write(zip(stores, rows, strict=True), Path(out) / split)
    atomic_write(record, json.dumps({"of": stated, "minutes": minutes}, indent=1) + "\n", force=True)
    return minutes


def parts(new: Corpus, old: Corpus, share_of_replay: float, hours: float) -> list[list[Utterance]]:
    """Training rows of both, those of the old one with the weight that gives them their share of an epoch."""
    fresh = list(new.utterances.values())
    common = new.utterances.keys() & old.utterances.keys()
    if common:
        raise DataError(f"{len(common)} utterances are in both stores, first {min(common)!r}.", where=old.dump, code="mix.common",
                        fix="Give other names, or leave the new language out of the replayed store.")  # fmt: skip
    by_language: dict[str, list[Utterance]] = {}
    for row in old.utterances.values():
        by_language.setdefault(row.language, []).append(row)
    kept = [row for rows in by_language.values() for row in share(old, rows, 60 * hours / len(by_language))]
    if not share_of_replay or not kept:
        return [fresh, []]
    wanted = share_of_replay / (1 - share_of_replay) * minutes_of(new, fresh)
    return [fresh, [replace(row, weight=wanted / minutes_of(old, kept)) for row in kept]]


def share(corpus: Corpus, rows: list[Utterance], minutes: float) -> list[Utterance]:
    """At most so many minutes, speakers in turn."""
    frames = {row.key: corpus.frames(row.key) for row in rows}
    chosen = {row["key"] for row in fair_share([asdict(row) for row in rows], frames, minutes * 60 * FRAME_RATE)}
    return [row for row in rows if row.key in chosen]


def minutes_of(corpus: Corpus, rows: Iterable[Utterance]) -> float:
    return sum(corpus.frames(row.key) for row in rows) / FRAME_RATE / 60


def write(stores: Iterable[tuple[Corpus, list[Utterance]]], folder: Path) -> None:
    """Features that all of the stores have, of the rows given, in one store."""
    stores = [(corpus, rows) for corpus, rows in stores if rows]
    names = [name for name in MIXED if all((corpus.dump / f"{name}.json").exists() for corpus, _ in stores)]
    for name in names:
        first: Store = stores[0][0].store(name)
        columns = first.array.shape[1] if first.array.ndim > 1 else 0
        with StoreWriter(folder, name, first.array.dtype.name, columns) as writer:
            for corpus, rows in stores:
                for row in rows:
                    if row.key in corpus.store(name):  # alignment leaves out what is too short
                        writer.add(row.key, corpus.get(name, row.key))
    folder.mkdir(parents=True, exist_ok=True)
    write_utterances([row for _, rows in stores for row in rows], folder)
