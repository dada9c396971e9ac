"""Corpora as they are published, one file each: ``read(root) -> Corpus``. Nothing is downloaded here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from recipes import datadir
from recipes.datadir import Utterance
from tts.base.errors import DataError, NoInputError, UsageError
from tts.base.files import atomic_write

KINDS = ("speech", "ljspeech", "vctk", "libritts", "common_voice", "piper", "lhotse", "mm6")


@dataclass
class Corpus:
    """Utterances by split, and what was left out with the reason: nothing is dropped silently."""

    splits: dict[str, list[Utterance]] = field(default_factory=dict)
    rejected: list[tuple[str, str]] = field(default_factory=list)  # (utterance id, reason)

    def add(self, split: str, utterance: Utterance) -> None:
        self.splits.setdefault(split, []).append(utterance)

    def reject(self, key: str, reason: str) -> None:
        self.rejected.append((key, reason))


def read(kind: str, root: str | Path, **options) -> Corpus:
    """The corpus of a kind (a name in KINDS) at a folder; options are those of its ``read``."""
    if kind not in KINDS:
        raise UsageError(f"corpus kind {kind!r} is not known.", code="corpus.kind", fix=f"Use one of: {', '.join(KINDS)}.")
    corpus = import_module(f"recipes.corpora.{kind}").read(Path(root), **options)
    if not any(corpus.splits.values()):
        raise DataError(f"no usable utterance found ({len(corpus.rejected)} were left out).", where=root, code="corpus.empty",
                        fix=f"Expected layout: see recipes/corpora/{kind}.py.")
    return corpus


def write(corpus: Corpus, out: str | Path) -> dict[str, int]:
    """One data directory a split under ``out``, and ``rejected.tsv``; returns how many utterances each split has."""
    for split, utterances in corpus.splits.items():
        datadir.write(Path(out) / split, utterances)
    rows = "".join(f"{key}\t{reason}\n" for key, reason in sorted(corpus.rejected))
    atomic_write(Path(out) / "rejected.tsv", "id\treason\n" + rows, force=True)
    return {split: len(utterances) for split, utterances in sorted(corpus.splits.items())}


def hold_out(utterances: Iterable[Utterance], dev: int, test: int) -> dict[str, list[Utterance]]:
    """Train, dev and test of a corpus published without splits.

    The choice depends on the ids only, so it never moves: every n-th utterance of the sorted list, n as large as fits.
    Utterances whose text is held out do not stay in train.
    """
    utterances = sorted(utterances, key=lambda utterance: utterance.id)
    count = min(dev + test, len(utterances) // 2)
    step = max(1, len(utterances) // max(1, count))
    chosen = utterances[::step][:count]
    n_dev = round(count * dev / max(1, dev + test))
    held = {item.id: "dev" if i < n_dev else "test" for i, item in enumerate(chosen[::2] + chosen[1::2])}
    texts = {item.text.casefold(): held[item.id] for item in chosen}
    splits: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    for item in utterances:
        splits[held.get(item.id) or texts.get(item.text.casefold(), "train")].append(item)
    return {name: items for name, items in splits.items() if items}


def tail(utterances: list[Utterance], dev: int, test: int) -> dict[str, list[Utterance]]:
    """The last utterances by id are test, those before them dev; at most a third of the list is held out."""
    utterances = sorted(utterances, key=lambda utterance: utterance.id)
    share = min(1.0, len(utterances) / 3 / (dev + test))
    dev, test = int(dev * share), int(test * share)
    end = len(utterances) - test
    splits = {"train": utterances[: end - dev], "dev": utterances[end - dev : end], "test": utterances[end:]}
    return {name: items for name, items in splits.items() if items}


def safe_id(name: str) -> str:
    """A name as an id of a data directory: other characters become hyphens."""
    return re.sub(r"[^A-Za-z0-9._+@=%]+", "-", name).strip("-")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number, line) of the non-empty lines of a UTF-8 table."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise NoInputError("is missing.", where=path, code="corpus.missing",
                           fix="Give the folder of the corpus with --root.") from error
    except UnicodeDecodeError as error:
        raise DataError("is not UTF-8 text.", where=path, pos=f"byte {error.start}", code="corpus.utf8") from error
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.removesuffix("\r")
