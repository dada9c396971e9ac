"""What is to be done: which inputs there are and where each result goes, settled and checked before any work."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from tts.base import files, strict_json
from tts.base.errors import CannotCreateError, DataError, NoInputError, UsageError
from tts.base.limits import LIMITS


@dataclass(frozen=True)
class Text:
    """A line of a list of texts."""

    id: str
    text: str
    voice: str | None = None  # None: that of the command line
    language: str | None = None


@dataclass(frozen=True)
class Job:
    """One input and its output; ``-`` is stdin or stdout."""

    name: str  # in lists and messages: the path, or the id of the utterance
    source: str
    target: str
    text: Text | None = None  # to be spoken: of a list of texts


@dataclass(frozen=True)
class Plan:
    """All jobs of a command.

    In a batch, whole outputs of an earlier run are kept, and a bad input does not stop the others.
    """

    jobs: tuple[Job, ...]
    batch: bool
    folder: str = ""  # of a batch's outputs
    list_file: str = ""  # to be written at the end: a line "id path" for each output


@dataclass(frozen=True)
class Kind:
    """What a command reads and writes."""

    command: str  # "tts codec encode"
    noun: str  # of the inputs
    endings: tuple[str, ...]  # of inputs in folders
    ending: str  # of outputs
    list_name: str  # of the list that a list's outputs are named in
    example: str


def plan(
    kind: Kind, inputs: tuple[str, ...], scp: str | None, output: str | None, force: bool, as_json: bool, live: bool = False
) -> Plan:
    """The jobs of a command line.

    Args:
        inputs: Files and folders, or ``-`` alone.
        scp: List of files instead.
        output: A file, ``-``, or the folder of a batch.
        live: Raw samples are read from stdin, which need not be named.

    Raises:
        UsageError: Inputs and outputs do not go together, two of them are the same.
        NoInputError: An input or a list is missing, or a folder holds nothing to read.
        DataError: A list is malformed.
        CannotCreateError: An output exists (a single one, without ``force``), or cannot be made.
    """
    if scp and inputs:
        raise UsageError(
            "inputs are given both as names and by --scp.", where="--scp", code="usage.inputs", fix="Give one of them."
        )
    if not inputs and (live or (not scp and sys.stdin is not None and not sys.stdin.isatty())):
        inputs = ("-",)
    if not inputs and not scp:
        raise UsageError(f"no {kind.noun}. Try one of:\n{kind.example}", where=kind.command, code="usage.no_input")
    if "-" in inputs and sys.stdin is None:
        raise NoInputError("standard input is closed.", where="-", code="file.closed", fix="Give a file.")
    if "-" in inputs and len(inputs) > 1:
        raise UsageError("stdin goes alone.", where="-", code="usage.stdin", fix="Give one input, or files.")
    if scp or len(inputs) > 1 or os.path.isdir(inputs[0]):
        return _batch(kind, inputs, scp, output)
    target = _single_target(kind, inputs[0], output)
    if target == "-" and (as_json or sys.stdout is None):
        taken = "the JSON" if as_json else "no output: it is closed"
        raise UsageError(f"stdout has {taken}.", where="--output", code="usage.same_output", fix="Write into a file with -o.")
    if target != "-":
        job = Job(inputs[0], inputs[0], target)
        _refuse_own_inputs((job,))
        files.check_writable(target, force)
    return Plan((Job("<stdin>" if inputs[0] == "-" else inputs[0], inputs[0], target),), batch=False)


def _single_target(kind: Kind, source: str, output: str | None) -> str:
    terminal = sys.stdout is not None and sys.stdout.isatty()
    if source == "-" and output is None and not terminal:
        output = "-"
    if output == "-" and terminal:
        raise UsageError(
            "binary data do not go to a terminal.",
            where="--output",
            code="usage.terminal",
            fix="Give a file with -o, or pipe it on.",
        )
    if source == "-" and (output is None or _is_folder(output)):
        raise UsageError("what comes from stdin has no name.", where="--output", code="usage.output", fix="Give a file with -o.")
    if output is None:
        return str(Path(source).with_suffix(kind.ending)) if Path(source).name else source
    return os.path.join(output, Path(source).stem + kind.ending) if _is_folder(output) else output


def _is_folder(output: str) -> bool:
    return output.endswith(os.sep) or os.path.isdir(output)


def _batch(kind: Kind, inputs: tuple[str, ...], scp: str | None, output: str | None) -> Plan:
    if output is None or output == "-":
        raise UsageError("several results need a folder.", where="--output", code="usage.output", fix="Give one with -o DIR.")
    check_folder(output)
    if scp:
        named = [(name, path, name) for name, path in read_list(scp)]
    else:
        named = [(path, path, stem) for given in inputs for path, stem in _found(kind, given)]
    jobs = tuple(Job(name, path, os.path.join(output, stem + kind.ending)) for name, path, stem in named)
    seen: dict[str, str] = {}
    for job in jobs:
        place = os.path.normpath(job.target)
        if place in seen:
            raise UsageError(
                f"{seen[place]} and {job.source} would both be written to {job.target}.",
                where="--output",
                code="usage.same_output",
                fix="Convert them into different folders, or rename one.",
            )
        seen[place] = job.source
    _refuse_own_inputs(jobs)
    return Plan(jobs, batch=True, folder=output, list_file=os.path.join(output, kind.list_name) if scp else "")


def _found(kind: Kind, given: str) -> Iterator[tuple[str, str]]:
    """(path, its place in the output's tree without an ending) of a file, or of all files of a folder with a known ending."""
    if not os.path.isdir(given):
        yield given, Path(given).stem
        return
    found = False
    for folder, folders, names in os.walk(given):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(kind.endings) and not name.startswith("."):
                found, path = True, os.path.join(folder, name)
                yield path, os.path.splitext(os.path.relpath(path, given))[0]
    if not found:
        endings = ", ".join(kind.endings)
        raise NoInputError(f"the folder holds no {kind.noun} ({endings}).", where=given, code="folder.empty")


def _refuse_own_inputs(jobs: tuple[Job, ...]) -> None:
    sources = {os.path.realpath(job.source) for job in jobs if job.source != "-" and os.path.isfile(job.source)}
    for job in jobs:
        if os.path.realpath(job.target) in sources:
            raise UsageError(
                f"{job.target} is an input.", where="--output", code="usage.same_output", fix="Write to another file or folder."
            )


def check_folder(folder: str) -> None:
    """Refuse a folder of outputs that is not there and cannot be made.

    Raises:
        CannotCreateError: It is a file, or the nearest folder above it that exists is not writable.
    """
    if not folder or "\0" in folder:
        raise CannotCreateError("is not a folder's name.", where=repr(folder), code="file.name", fix="Give a folder with -o.")
    place = os.path.realpath(folder)
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise CannotCreateError(
            "is a file; several results need a folder.", where=place, code="file.not_a_folder", fix="Give a folder with -o."
        )
    if not os.access(place, os.W_OK):
        raise CannotCreateError("the folder is not writable.", where=place, code="file.read_only", fix="Choose another with -o.")


def read_list(scp: str) -> list[tuple[str, str]]:
    """(utterance, path) of a Kaldi list. Relative paths start at the current folder, as in Kaldi, else at the list's.

    Raises:
        NoInputError: The list cannot be read.
        DataError: A line is not "id path", an id is no file name or comes twice, or a path is a command; ``pos`` is the line.
    """
    rows: dict[str, str] = {}
    for number, line in _lines(scp):
        name, path = (*line.split(None, 1), "")[:2]
        path = path.strip()
        _refuse(scp, number, _list_fault(name, path) or _id_fault(name, rows))
        beside = os.path.join(os.path.dirname(scp), path)
        rows[name] = beside if not os.path.exists(path) and os.path.exists(beside) else path
    if not rows:
        raise DataError("the list is empty.", where=scp, code="scp.empty", fix="Each line is: utterance path")
    return list(rows.items())


def read_texts(path: str) -> list[Text]:
    """What a list of texts says: Kaldi's ``text`` ("id sentence"), or in a .jsonl objects with id, text, voice and language.

    Raises:
        NoInputError: The list cannot be read.
        DataError: A line is none of these, an id is no file name or comes twice; ``pos`` is the line.
    """
    read, rows = (_object if path.endswith(".jsonl") else _sentence), {}
    for number, line in _lines(path):
        try:
            row = read(line)
        except DataError as error:
            raise DataError(error.what, where=path, pos=f"line {number}", code="list.line", fix=_TEXT_LINE) from error
        _refuse(path, number, _id_fault(row.id, rows))
        rows[row.id] = row
    if not rows:
        raise DataError("the list is empty.", where=path, code="list.empty", fix=_TEXT_LINE)
    return list(rows.values())


_TEXT_LINE = 'A line is: utterance sentence, in a .jsonl: {"id": "a-1", "text": "Hallo.", "voice": "kerstin", "language": "de"}'


def _sentence(line: str) -> Text:
    name, text = (*line.split(None, 1), "")[:2]
    if not text.strip():
        raise DataError(f"{name!r} has no text.")
    return Text(name, text.strip())


def _object(line: str) -> Text:
    row = strict_json.loads(line)
    keys = [field.name for field in fields(Text)]
    if not isinstance(row, dict) or not {"id", "text"} <= row.keys() <= set(keys):
        raise DataError(f"it has not id and text, or more than {', '.join(keys)}.")
    if not all(isinstance(value, str) and value.strip() for value in row.values()):
        raise DataError("a value is no text.")
    return Text(**row)


def _lines(path: str) -> Iterator[tuple[int, str]]:
    """(number, line) of those that are not blank."""
    lines = files.read_text(path, LIMITS.list_bytes).split("\n")
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _refuse(path: str, number: int, fault: tuple[str, str, str] | None) -> None:
    if fault:
        what, code, fix = fault
        raise DataError(what, where=path, pos=f"line {number}", code=f"list.{code}", fix=fix)


def _list_fault(name: str, path: str) -> tuple[str, str, str] | None:
    if not path:
        return f"{name!r} has no path.", "fields", "Each line is: utterance path"
    if path.endswith("|"):
        return f"the audio of {name!r} is a command; only files are read.", "command", "Run it first, and list what it wrote."
    return None


def _id_fault(name: str, rows: dict) -> tuple[str, str, str] | None:
    if set(name) & {"/", " ", os.sep} or name.startswith(".") or not name.isprintable() or len(os.fsencode(name)) > 200:
        return f"{name!r} cannot name a file.", "id", "Use ids of at most 200 bytes, without '/', that begin with no dot."
    if name in rows:
        return f"{name!r} comes twice.", "twice", "Utterances are unique."
    return None
