"""Which recordings are judged: rows of a ``metadata.tsv``, chosen the same way on every machine."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tts.base.errors import DataError, NoInputError

COLUMNS = ("id", "path", "split", "speaker", "gender", "lang", "bandwidth_hz", "seconds", "text")


@dataclass(frozen=True)
class Clip:
    """One recording with its text."""

    id: str
    path: Path
    corpus: str
    split: str  # train, dev, test
    speaker: str
    gender: str
    language: str  # tag, e.g. "en-us"
    bandwidth_hz: int
    seconds: float
    text: str

    def wav(self, sample_rate: int = 24_000) -> np.ndarray:
        """[S] float32 samples."""
        from vocoder.audio.io import read_audio

        return read_audio(self.path, sample_rate)


def read_metadata(speech) -> list[Clip]:
    """All clips of a corpus folder, in the order of its metadata.tsv.

    Raises:
        NoInputError: the folder has no metadata.tsv.
        DataError: a line lacks columns or holds a bad number.
    """
    path = Path(speech) / "metadata.tsv"
    if not path.is_file():
        raise NoInputError("there is no metadata.tsv here.", where=speech, code="clips.metadata",
                           fix="Give the corpus folder with --speech DIR.")
    clips = []
    with path.open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE), start=2):
            try:
                clips.append(Clip(row["id"], path.parent / row["path"], Path(row["path"]).parts[0], row["split"], row["speaker"],
                                  row["gender"], row["lang"], int(row["bandwidth_hz"]), float(row["seconds"]), row["text"]))
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f"the line does not fit the columns {', '.join(COLUMNS)}.", where=path, pos=line,
                                code="clips.line", fix="Mend the line.") from error
    return clips


def select(clips: Iterable[Clip], split: str, per_corpus: int, corpora: Iterable[str] | None = None, max_seconds: float = 15.0) -> list[Clip]:
    """``per_corpus`` clips of each corpus, speakers in turn; which ones depends on the ids alone.

    Raises:
        DataError: nothing is left.
    """
    corpora = None if corpora is None else set(corpora)
    found: dict[str, dict[str, list[Clip]]] = defaultdict(lambda: defaultdict(list))
    for clip in sorted(clips, key=lambda clip: hashlib.sha256(clip.id.encode()).digest()):
        if clip.split == split and clip.seconds <= max_seconds and (corpora is None or clip.corpus in corpora):
            found[clip.corpus][clip.speaker].append(clip)
    chosen = []
    for corpus in sorted(found):
        turns = [clip for turn in zip_longest_lists(found[corpus].values()) for clip in turn]
        chosen += turns[:per_corpus]
    if not chosen:
        names = "any corpus" if corpora is None else ", ".join(sorted(corpora))
        raise DataError(f"no clips of split {split!r} in {names}.", where="metadata.tsv", code="clips.none",
                        fix="Check --speech, or leave the table out.")
    return chosen


def zip_longest_lists(lists: Iterable[list]) -> Iterable[list]:
    """The first of each list, then the second of each that has one, and so on."""
    lists = list(lists)
    for turn in range(max(map(len, lists), default=0)):
        yield [items[turn] for items in lists if turn < len(items)]
