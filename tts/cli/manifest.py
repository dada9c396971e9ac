"""``manifest.jsonl`` beside the outputs of a batch: a line for each that is whole, written when it is. So a batch goes on."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from tts.base import files, strict_json
from tts.base.errors import CannotCreateError, DataError, TtsError
from tts.cli.plan import Job

NAME = "manifest.jsonl"


class Manifest:
    """The outputs of a folder, by the id of their job.

    Args:
        file: Open for reading and appending, in binary.
        request: Of a job: a hash of all that decides its output.
        force: Outputs of other requests are made again.
    """

    def __init__(self, file, where: str, request: Callable[[Job], str], force: bool):
        self._file, self._request, self._force = file, request, force
        file.seek(0)
        self._rows, whole = {}, 0
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):  # cut off by a kill
                break
            row = strict_json.loads(line, where)
            if not isinstance(row, dict) or not {"id", "request", "bytes"} <= row.keys():
                raise DataError("is no line of a manifest.", where=where, pos=number, code="manifest.line",
                                fix="Choose another folder.")  # fmt: skip
            self._rows[row["id"]], whole = row, file.tell()
        file.truncate(whole)

    def settled(self, jobs: Iterable[Job]) -> dict[str, dict | TtsError]:
        """By name, the jobs that need no work: the facts of a whole output, or why it must not be made.

        What a killed run has written without coming to list it is made again, and replaced by the same.
        """
        found = {}
        for job in jobs:
            row, size = self._rows.get(job.name), _size(job.target)
            if row is None or size is None:
                continue
            if row["request"] == self._request(job):
                if row["bytes"] == size:
                    found[job.name] = {**row, "kept": True, "notes": []}
            elif not self._force:
                found[job.name] = CannotCreateError(
                    "already exists, and was not made by this request.", where=job.target, code="file.exists",
                    fix="Choose another folder, or pass --force to replace it.",
                )  # fmt: skip
        return found

    def add(self, job: Job, facts: dict) -> None:
        """List the output of a job, which is there."""
        kept = {name: value for name, value in facts.items() if name not in ("kept", "notes")}
        row = {"id": job.name, **kept, "bytes": _size(job.target), "request": self._request(job)}
        self._file.write(strict_json.dumps(row, indent=None).encode() + b"\n")
        self._file.flush()


@contextmanager
def open_manifest(folder: str, jobs: Iterable[Job], request: Callable[[Job], str], force: bool) -> Iterator[Manifest]:
    """The manifest of a folder, which is made; nobody else may write to it meanwhile.

    Raises:
        CannotCreateError: The folder cannot be made, another run works in it, or it has no manifest but an output of these jobs.
        DataError: The manifest is damaged.
    """
    path = os.path.join(folder, NAME)
    for job in jobs if not force and not os.path.exists(path) else ():
        files.check_writable(job.target) if os.path.lexists(job.target) else None
    try:
        os.makedirs(folder, exist_ok=True)
        file = open(path, "a+b")  # noqa: SIM115 - the next statement closes it
    except OSError as error:
        raise CannotCreateError(f"cannot be written: {error.strerror}.", where=path, code="file.cannot_create") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotCreateError("another run writes to this folder.", where=folder, code="file.locked",
                                    fix="Wait for it, or choose another folder.") from error  # fmt: skip
        yield Manifest(file, path, request, force)


def _size(path: str) -> int | None:
    try:
        return os.path.getsize(path)
    except OSError:
        return None
