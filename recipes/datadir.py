"""A Kaldi data directory: one folder a split, plain tables sorted in the C locale.

    wav.scp       <utterance> <path>          with segments: <recording> <path>
    text          <utterance> <transcript>
    utt2spk       <utterance> <speaker>
    spk2utt       <speaker> <utterance> ...
    utt2lang      <utterance> <language tag>
    utt2dur       <utterance> <seconds>                    optional
    utt2bandwidth <utterance> <Hz>                         optional: above it the recording holds nothing
    utt2corpus    <utterance> <corpus>                     optional: where it comes from, for credits
    spk2gender    <speaker> m|f                            optional
    segments      <utterance> <recording> <start> <end>    optional, seconds

Relative audio paths start at the current folder, as in Kaldi, else at the data directory. Commands in wav.scp are refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tts.base.errors import DataError, NoInputError
from tts.base.files import atomic_write

NAMES = ("wav.scp", "text", "utt2spk", "spk2utt", "utt2lang", "utt2dur", "utt2bandwidth", "utt2corpus", "spk2gender",
         "segments")  # fmt: skip
REQUIRED = ("wav.scp", "text", "utt2spk", "spk2utt", "utt2lang")


@dataclass(frozen=True)
class Utterance:
    """One line of every table.

    Attributes:
        id: Unique; letters, digits and ``_ - . + @ = %``.
        wav: Audio file.
        text: Transcript as written.
        speaker: Speaker id.
        language: Tag such as ``en-us``.
        seconds: Length, when known.
        bandwidth_hz: Highest frequency that the recording holds, when known.
        gender: ``m``, ``f``, or None.
        span: Start and end in ``wav``, seconds; None = the whole file.
        corpus: Name of the published corpus that it comes from, when known.
    """

    id: str
    wav: Path
    text: str
    speaker: str
    language: str
    seconds: float | None = None
    bandwidth_hz: int | None = None
    gender: str | None = None
    span: tuple[float, float] | None = None
    corpus: str | None = None


def read(folder: str | Path) -> list[Utterance]:
    """All utterances of a data directory, sorted by id.

    Raises:
        NoInputError: The folder or a required table is missing.
        DataError: A line is malformed or two tables disagree; `recipes.validation.validate` lists every fault.
    """
    folder = Path(folder)
    tables = {name: _table(folder, name) for name in NAMES}
    spans = tables["segments"]
    utterances = []
    for key, speaker in tables["utt2spk"].items():
        recording, span = key, None
        if spans:
            recording, start, end = _value(folder, "segments", spans, key).split()
            span = (float(start), float(end))
        path = _value(folder, "wav.scp", tables["wav.scp"], recording)
        if path.endswith("|"):
            raise DataError(f"the audio of {recording!r} is a command; only files are read.", where=folder / "wav.scp",
                            code="wav.pipe", fix="Run the command once and list the file that it makes.")
        seconds, bandwidth = tables["utt2dur"].get(key), tables["utt2bandwidth"].get(key)
        utterances.append(Utterance(
            id=key, wav=audio_path(folder, path), text=_value(folder, "text", tables["text"], key), speaker=speaker,
            language=_value(folder, "utt2lang", tables["utt2lang"], key), seconds=float(seconds) if seconds else None,
            bandwidth_hz=int(bandwidth) if bandwidth else None, gender=tables["spk2gender"].get(speaker), span=span,
            corpus=tables["utt2corpus"].get(key),
        ))
    return sorted(utterances, key=lambda utterance: utterance.id)


def write(folder: str | Path, utterances: Iterable[Utterance]) -> None:
    """Write all tables, sorted; optional ones only when every utterance has the value. Old tables are replaced."""
    utterances = sorted(utterances, key=lambda utterance: utterance.id)
    recordings: dict[str, str] = {}
    speakers: dict[str, list[str]] = {}
    genders: dict[str, str | None] = {}
    names: dict[str, str] = {}  # audio path -> recording id
    for item in utterances:
        recording = item.id if item.span is None else names.setdefault(str(item.wav), f"rec-{item.id}")
        if recordings.setdefault(recording, str(item.wav)) != str(item.wav) or item.id in speakers.get(item.speaker, ()):
            raise DataError(f"two utterances have the id {item.id!r}.", where=folder, code="id.duplicate",
                            fix="Put the speaker in front of the id.")
        speakers.setdefault(item.speaker, []).append(item.id)
        genders[item.speaker] = item.gender
    if len({item.span is None for item in utterances}) > 1:
        raise DataError("some utterances have a span and others do not.", where=folder, code="segments.mixed",
                        fix="Give every utterance a span, or none.")
    tables: dict[str, dict[str, str]] = {
        "wav.scp": recordings,
        "text": {item.id: " ".join(item.text.split()) for item in utterances},
        "utt2spk": {item.id: item.speaker for item in utterances},
        "spk2utt": {speaker: " ".join(keys) for speaker, keys in speakers.items()},
        "utt2lang": {item.id: item.language for item in utterances},
        "utt2dur": _complete((item.id, item.seconds and f"{item.seconds:.3f}") for item in utterances),
        "utt2bandwidth": _complete((item.id, item.bandwidth_hz) for item in utterances),
        "utt2corpus": _complete((item.id, item.corpus) for item in utterances),
        "spk2gender": _complete(genders.items()),
        "segments": _complete(
            (item.id, item.span and f"{names[str(item.wav)]} {item.span[0]:.3f} {item.span[1]:.3f}")
            for item in utterances
        ),
    }
    os.makedirs(folder, exist_ok=True)
    for name, rows in tables.items():
        path = Path(folder) / name
        if rows or name in REQUIRED:
            atomic_write(path, "".join(f"{key} {rows[key]}\n" for key in sorted(rows)), force=True)
        else:
            path.unlink(missing_ok=True)


def audio_path(folder: Path, path: str) -> Path:
    """Where a path of wav.scp leads: from the current folder as in Kaldi, else from the data directory."""
    found = Path(path)
    return found if found.is_absolute() or found.exists() else folder / found


def _complete(rows) -> dict[str, str]:
    rows = {key: value for key, value in rows}
    return {} if None in rows.values() else {key: str(value) for key, value in rows.items()}


def _table(folder: Path, name: str) -> dict[str, str]:
    path = folder / name
    try:
        lines = path.read_bytes().decode("utf-8").split("\n")
    except FileNotFoundError as error:
        if name not in REQUIRED:
            return {}
        raise NoInputError(f"the data directory has no {name}.", where=folder, code="file.missing",
                           fix="Run the data stage of the recipe.") from error
    except UnicodeDecodeError as error:
        raise DataError("is not UTF-8 text.", where=path, pos=f"byte {error.start}", code="encoding.utf8",
                        fix="Run: python -m recipes validate") from error
    if lines.pop():
        raise DataError("the last line has no end: the file was cut short.", where=path, code="file.no_final_newline",
                        fix="Write it again.")
    rows: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        key, _, value = line.partition(" ")
        if not value.strip() or key in rows:
            what = f"the id {key!r} is listed twice." if key in rows else "a line needs an id and a value."
            raise DataError(what, where=path, pos=number, code="line", value=line, fix="Run: python -m recipes validate")
        rows[key] = value
    return rows


def _value(folder: Path, name: str, rows: dict[str, str], key: str) -> str:
    if key not in rows:
        raise DataError(f"{key!r} has no line here.", where=folder / name, code="set.missing",
                        fix="Run: python -m recipes validate")
    return rows[key]
