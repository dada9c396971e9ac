"""lhotse manifests, read and written as the JSON lines that they are; lhotse itself is not needed.

    ljspeech_recordings_train.jsonl.gz      id, sources: [{type: file, source, channels}], sampling_rate, duration
    ljspeech_supervisions_train.jsonl.gz    id, recording_id, start, duration, text, language, speaker, gender
    cuts_train.jsonl.gz                     a cut with its recording and supervisions inside

A pair is found by its names. The split is the last part of the name: with dev or valid in it dev, with test or eval test,
else train; ``all`` is split here, one utterance in fifty for dev and for test each.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from recipes.corpora import Corpus, hold_out, safe_id
from recipes.datadir import Utterance
from tts.base import strict_json
from tts.base.errors import DataError, NoInputError
from tts.base.files import atomic_file

NAMES = {"english": "en-us", "german": "de", "dutch": "nl", "french": "fr", "chinese": "cmn", "mandarin": "cmn"}


def read(root: Path, language: str = "") -> Corpus:
    """All supervisions with text whose recording is one file; ``language`` replaces the manifests' own."""
    root = Path(root).resolve()
    corpus, found = Corpus(), {}
    for path in sorted(root.glob("*.jsonl*")):
        split = split_of(path)
        if "cuts" in path.name:
            for cut in json_lines(path):
                recording = cut.get("recording", {})
                for item in cut.get("supervisions", []):
                    shifted = {**item, "start": item.get("start", 0) + cut.get("start", 0)}
                    add(corpus, found, split, recording, shifted, language, root)
        elif "supervisions" in path.name:
            other = path.with_name(path.name.replace("supervisions", "recordings"))
            if not other.exists():
                raise NoInputError(f"{other.name} is missing beside it.", where=path, code="corpus.missing")
            recordings = {row.get("id"): row for row in json_lines(other)}
            for item in json_lines(path):
                add(corpus, found, split, recordings.get(item.get("recording_id"), {}), item, language, root)
    for split, items in found.items():
        each = max(1, len(items) // 50)
        for name, part in (hold_out(items, each, each) if split == "all" else {split: items}).items():
            corpus.splits.setdefault(name, []).extend(part)
    return corpus


def add(corpus: Corpus, found: dict, split: str, recording: dict, item: dict, language: str, root: Path) -> None:
    key, text = safe_id(str(item.get("id"))), (item.get("text") or "").strip()
    sources = [source for source in recording.get("sources", []) if source.get("type") == "file"]
    if not text or len(sources) != 1:
        corpus.reject(key, "no transcript" if sources else "its recording is not one file")
        return
    wav = Path(sources[0]["source"])
    start, seconds = float(item.get("start", 0)), float(item["duration"])
    whole = start < 0.01 and abs(seconds - float(recording.get("duration", seconds))) < 0.01
    tag, custom = item.get("language") or "", item.get("custom") or {}
    bandwidth = custom.get("bandwidth_hz") or int(recording.get("sampling_rate", 24_000)) // 2
    found.setdefault(split, []).append(Utterance(
        id=key, wav=wav if wav.is_absolute() else root / wav, text=text, speaker=safe_id(str(item.get("speaker") or key)),
        language=language or NAMES.get(tag.lower(), tag), seconds=seconds, gender=(item.get("gender") or "")[:1].lower() or None,
        bandwidth_hz=min(12_000, bandwidth), span=None if whole else (start, start + seconds), corpus=custom.get("corpus"),
    ))


def write(folder, split: str, utterances: Iterable[Utterance], cuts: bool = False) -> None:
    """``recordings_SPLIT.jsonl.gz`` and ``supervisions_SPLIT.jsonl.gz``; or ``cuts_SPLIT.jsonl.gz``, which has both.

    What lhotse has no field for, bandwidth and corpus, is in ``custom``. Audio paths are absolute. ``read`` gives them back.

    Raises:
        NoInputError, DataError: A recording is missing or cannot be read.
    """
    recordings: dict[str, dict] = {}  # by path
    supervisions = []
    for item in sorted(utterances, key=lambda item: item.id):
        if str(item.wav) not in recordings:
            recordings[str(item.wav)] = recording_of(item)
        recording = recordings[str(item.wav)]
        start, end = item.span or (0.0, recording["duration"])
        custom = {"bandwidth_hz": item.bandwidth_hz, "corpus": item.corpus}
        supervisions.append({
            "id": item.id, "recording_id": recording["id"], "start": start, "duration": round(end - start, 8), "channel": 0,
            "text": item.text, "language": item.language, "speaker": item.speaker, "gender": item.gender,
            "custom": {name: value for name, value in custom.items() if value is not None},
        })  # fmt: skip
    if cuts:
        by_id = {recording["id"]: recording for recording in recordings.values()}
        write_lines(Path(folder) / f"cuts_{split}.jsonl.gz", (
            {"id": row["id"], "start": row["start"], "duration": row["duration"], "channel": 0,
             "supervisions": [{**row, "start": 0.0}], "recording": by_id[row["recording_id"]], "type": "MonoCut"}
            for row in supervisions
        ))  # fmt: skip
    else:
        write_lines(Path(folder) / f"recordings_{split}.jsonl.gz", recordings.values())
        write_lines(Path(folder) / f"supervisions_{split}.jsonl.gz", supervisions)


def recording_of(item: Utterance) -> dict:
    """What lhotse says of a recording."""
    from vocoder.audio.io import read_info

    info, wav = read_info(item.wav), item.wav.resolve()
    if info.frames is None:
        raise DataError("its header does not tell its length.", where=item.wav, code="corpus.length", fix="Make a FLAC of it.")
    channels = list(range(info.channels))
    return {"id": item.id if item.span is None else f"rec-{item.id}",
            "sources": [{"type": "file", "channels": channels, "source": str(wav)}], "sampling_rate": info.sample_rate,
            "num_samples": info.frames, "duration": info.seconds, "channel_ids": channels}  # fmt: skip


def write_lines(path: Path, rows: Iterable[dict]) -> None:
    """A gzip file of JSON lines; equal rows give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path, force=True) as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        for row in rows:
            packed.write(strict_json.dumps(row, indent=None).encode() + b"\n")


def split_of(path: Path) -> str:
    part = re.split(r"recordings|supervisions|cuts", path.name.removesuffix(".gz").removesuffix(".jsonl"))[-1].lower()
    if re.search(r"dev|valid", part):
        return "dev"
    if re.search(r"test|eval", part):
        return "test"
    return "all" if part.strip("_-") in ("", "all") else "train"


def json_lines(path: Path) -> Iterator[dict]:
    """The objects of a JSON lines file, plain or gzip."""
    opened = gzip.open if path.suffix == ".gz" else open
    number = 1
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("not an object")
                yield row
                number += 1
    except (ValueError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"not a line of JSON: {error}.", where=path, pos=number, code="corpus.json",
                        fix="Make the manifest again.") from error
