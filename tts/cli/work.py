"""Doing the jobs of a plan, here or by many workers, with progress, failures that stop nothing else, and a list."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import click

from tts.base import files, strict_json
from tts.base.errors import (
    CannotCreateError,
    FileError,
    InternalError,
    ModelError,
    PartialError,
    TtsError,
    UsageError,
)
from tts.cli import printable, quiet_warnings
from tts.cli.manifest import Manifest
from tts.cli.plan import Job, Plan
from tts.workers import mapped

_FATAL = (FileError, ModelError, UsageError)  # of no single input: the others would fail as well
_SHOWN_FAILURES = 20


class Task(Protocol):
    """What a command does to each input. It crosses process borders, so what it loads stays out of its fields."""

    threads: int | None  # of torch, in each worker

    def load(self) -> Callable[[Job, Callable[[float], None]], dict]:
        """The function that does a job: it tells the second that it is at, and returns facts for JSON, ``seconds`` among them."""

    def line(self, facts: dict) -> str:
        """What a person wants to know of these facts."""


class Progress:
    """One line on a terminal: how far, how fast, how long yet."""

    def __init__(self, n_files: int, quiet: bool):
        self.shown = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self.n_files, self.n_done, self.seconds, self.total = n_files, 0, 0.0, None
        self.began, self._last = time.perf_counter(), 0.0

    def start(self) -> None:
        """Work begins now; what was loaded before does not count."""
        self.began = time.perf_counter()

    def of(self, total: float | None) -> None:
        """A file of so many seconds begins."""
        self.total = total

    def __call__(self, seconds: float) -> None:
        """So much of the file is done."""
        now = time.perf_counter()
        if not self.shown or now - self._last < 0.2:
            return
        self._last, wall = now, now - self.began
        speed = (self.seconds + seconds) / wall
        if self.n_files > 1:
            left = wall / self.n_done * (self.n_files - self.n_done) if self.n_done else None
        else:
            left = max(0.0, self.total - seconds) / speed if self.total and speed else None
        count = f"{self.n_done}/{self.n_files} files, " if self.n_files > 1 else ""
        eta = "" if left is None else f", {clock(left)} left"
        click.echo(f"\r\033[K{count}{clock(self.seconds + seconds)} done, {speed:.0f}x{eta}", nl=False, err=True)

    def file_done(self, seconds: float) -> None:
        self.n_done, self.seconds, self.total = self.n_done + 1, self.seconds + seconds, None
        self(0.0)

    def clear(self) -> None:
        if self.shown:
            click.echo("\r\033[K", nl=False, err=True)
            self._last = 0.0


def clock(seconds: float) -> str:
    """1:02:03"""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def workers(command):
    """The options ``--nj`` and ``--ray`` of a command that does many jobs."""
    nj = click.option("--nj", type=click.IntRange(1, 256), default=1, metavar="N", help="Processes that share many items.")
    ray = click.option("--ray", is_flag=False, flag_value="", metavar="[=ADDRESS]",
                       help="Share many items over a Ray cluster; without an address, the one here.")  # fmt: skip
    return nj(ray(command))


def run(
    plan: Plan, task: Task, nj: int, quiet: bool, as_json: bool, ray: str | None = None, manifest: Manifest | None = None
) -> None:
    """Do all jobs, report each, and write the list.

    Args:
        nj, ray: Who does the jobs of a batch: ``tts.workers.mapped``.
        manifest: Tells which jobs are done, and is told of each.

    Raises:
        TtsError: Of the one job of a plan that is no batch; of a batch what hits all jobs, such as a full disk.
        PartialError: Inputs of a batch failed; what became of each is on stderr.
    """
    progress = Progress(len(plan.jobs), quiet)
    if not plan.batch:
        try:
            do = task.load()
            progress.start()
            facts = do(plan.jobs[0], progress)
        finally:
            progress.clear()
        _tell(task, facts, quiet, as_json)
        return
    settled = {} if manifest is None else manifest.settled(plan.jobs)
    left = [job for job in plan.jobs if job.name not in settled]
    if not left or (nj == 1 and ray is None):
        outcomes = _serial(task, left, progress)
    else:
        outcomes = mapped(_Attempts(task).load, left, min(nj, len(left)), ray, task.threads or 1)
    done, failed, out = [], [], sys.stdout
    try:
        with closing(outcomes), redirect_stdout(sys.stderr):  # Ray tells of dead workers on stdout, which has the product alone
            for job in plan.jobs:
                outcome = settled[job.name] if job.name in settled else next(outcomes)
                progress.clear()
                if isinstance(outcome, TtsError):
                    failed.append((job, outcome))
                    as_json and _json({"input": job.source, "output": job.target, "error": outcome.to_dict()}, out)
                else:
                    done.append((job, outcome))
                    if manifest is not None and not outcome["kept"]:
                        manifest.add(job, outcome)
                    _tell(task, outcome, quiet, as_json, out)
                progress.file_done(0.0 if isinstance(outcome, TtsError) or outcome["kept"] else outcome["seconds"])
    finally:
        progress.clear()
    if plan.list_file:
        lines = sorted(f"{job.name} {job.target}\n" for job, _ in done)
        os.makedirs(plan.folder, exist_ok=True)
        files.atomic_write(plan.list_file, "".join(lines), force=True)
    _total(plan, [facts for _, facts in done], failed, time.perf_counter() - progress.began, quiet)


def _total(plan: Plan, done: list[dict], failed: list[tuple[Job, TtsError]], wall: float, quiet: bool) -> None:
    new = [facts for facts in done if not facts["kept"]]
    if not quiet:
        seconds = sum(facts["seconds"] for facts in new)
        kept = f", {len(done) - len(new)} kept that were there and whole" if len(new) < len(done) else ""
        pace = f", {seconds / wall:.1f} x real time" if new else ""
        _say(f"{plan.folder}: {len(new)} files, {clock(seconds)} of sound{pace}{kept}")
    if not failed:
        return
    for job, error in failed[:_SHOWN_FAILURES]:
        told = str(error)
        _say(f"failed: {told if told.startswith(job.name) else f'{job.name}: {told}'}")
    more = f" {len(failed) - _SHOWN_FAILURES} are not shown; --json has all." if len(failed) > _SHOWN_FAILURES else ""
    raise PartialError(
        f"{len(failed)} of {len(plan.jobs)} files failed.{more}",
        where=plan.folder,
        code="batch.partial",
        fix="Mend them and run the same command again: what is done is kept.",
    )


def _tell(task: Task, facts: dict, quiet: bool, as_json: bool, out=None) -> None:
    if as_json:
        _json(facts, out)
    source = "<stdin>" if facts["input"] == "-" else facts["input"]
    target = "stdout" if facts["output"] == "-" else facts["output"]
    for start, end in facts.get("lost", ()):
        until = "the end, which is lost too" if end is None else f"{end:.2f} s"
        _say(f"warning: {source}: lost from {start:.2f} s to {until}")
    if not quiet and not facts["kept"]:
        for note in facts["notes"]:
            _say(f"note: {source}: {note}")
        _say(f"{target}: {task.line(facts)}")


def _say(text: str) -> None:
    click.echo(printable(text), err=True)


def _json(facts: dict, out) -> None:
    click.echo(strict_json.dumps(facts, indent=None), out)


def _attempt(task_do: Callable, job: Job, told: Callable[[float], None]) -> dict | TtsError:
    try:
        os.makedirs(os.path.dirname(job.target), exist_ok=True)
    except OSError as error:
        return CannotCreateError(f"its folder cannot be made: {error.strerror}.", where=job.target, code="file.no_folder")
    try:
        return task_do(job, told)
    except _FATAL:
        raise
    except TtsError as error:
        return error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FileError(f"{error.strerror}.", where=error.filename or job.name, code="file.io") from error
    except Exception as error:  # one input must not stop the others, also when it finds a bug of ours
        what = f"unexpected {type(error).__name__}: {error}".splitlines()[0]
        return InternalError(what, where=job.name, code="internal", fix="Run it alone with --debug and report what it prints.")


def _serial(task: Task, jobs: list[Job], progress: Progress) -> Iterator[dict | TtsError]:
    if not jobs:
        return
    do = task.load()
    progress.start()
    for job in jobs:
        yield _attempt(do, job, progress)


@dataclass(frozen=True)
class _Attempts:
    """A task as workers do it: a failure of one job is a result."""

    task: Task

    def load(self) -> Callable[[Job], dict | TtsError]:
        quiet_warnings()
        return partial(_attempt, self.task.load(), told=_Silent())


class _Silent:
    def of(self, total: float | None) -> None:
        pass

    def __call__(self, seconds: float) -> None:
        pass
