"""Doing the jobs of a plan: one after the other or in processes, with progress, failures that stop nothing else, and a list."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Protocol

import click

from tts.base import files, strict_json
from tts.base.errors import (
    CannotCreateError,
    FileError,
    InternalError,
    ModelError,
    PartialError,
    ResourceError,
    TtsError,
    UsageError,
)
from tts.cli import printable, quiet_warnings
from tts.cli.codec.plan import Job, Plan

_FATAL = (FileError, ModelError, UsageError)  # of no single input: the others would fail as well
_SHOWN_FAILURES = 20


class Task(Protocol):
    """What a command does to each input. It crosses process borders, so what it loads stays out of its fields."""

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


def run(plan: Plan, task: Task, nj: int, quiet: bool, as_json: bool) -> None:
    """Do all jobs, report each, and write the list.

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
    done, failed = [], []
    outcomes = _parallel(task, plan.jobs, min(nj, len(plan.jobs))) if nj > 1 else _serial(task, plan.jobs, progress)
    try:
        with closing(outcomes):
            for job, outcome in outcomes:
                progress.clear()
                if isinstance(outcome, TtsError):
                    failed.append((job, outcome))
                    as_json and _json({"input": job.source, "output": job.target, "error": outcome.to_dict()})
                else:
                    done.append((job, outcome))
                    _tell(task, outcome, quiet, as_json)
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
        _say(f"failed: {told if job.name in told else f'{job.name}: {told}'}")
    more = f" {len(failed) - _SHOWN_FAILURES} are not shown; --json has all." if len(failed) > _SHOWN_FAILURES else ""
    raise PartialError(
        f"{len(failed)} of {len(plan.jobs)} files failed.{more}",
        where=plan.folder,
        code="codec.partial",
        fix="Mend them and run the same command again: what is done is kept.",
    )


def _tell(task: Task, facts: dict, quiet: bool, as_json: bool) -> None:
    if as_json:
        _json(facts)
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


def _json(facts: dict) -> None:
    click.echo(strict_json.dumps(facts, indent=None))


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


def _serial(task: Task, jobs: tuple[Job, ...], progress: Progress) -> Iterator[tuple[Job, dict | TtsError]]:
    do = task.load()
    progress.start()
    for job in jobs:
        yield job, _attempt(do, job, progress)


def _parallel(task: Task, jobs: tuple[Job, ...], nj: int) -> Iterator[tuple[Job, dict | TtsError]]:
    """In so many processes, in the order of the jobs. They are started afresh: threads of torch do not survive a fork."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    context = multiprocessing.get_context("spawn")
    pool, finished = ProcessPoolExecutor(nj, context, initializer=_start_worker, initargs=(task,)), False
    try:
        yield from zip(jobs, pool.map(_work, jobs), strict=True)
        finished = True
    except BrokenProcessPool as error:
        raise ResourceError(
            "a process died, perhaps for want of memory.",
            code="codec.worker",
            fix="Run the same command again with a smaller --nj: what is done is kept.",
        ) from error
    finally:
        if not finished:
            for child in multiprocessing.active_children():
                child.terminate()
        pool.shutdown(cancel_futures=True)


_worker: dict = {}


def _start_worker(task: Task) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that temporary files go
    quiet_warnings()
    _worker["task"] = task


def _work(job: Job) -> dict | TtsError:
    if "do" not in _worker:
        _worker["do"] = _worker["task"].load()
    return _attempt(_worker["do"], job, _silent)


class _Silent:
    def of(self, total: float | None) -> None:
        pass

    def __call__(self, seconds: float) -> None:
        pass


_silent = _Silent()
