"""Progress on stderr: a rich bar with ETA where rich is installed and a person watches, plain lines otherwise.

    with Progress("features", total=len(items)) as progress:          # a number of items
        for item in items: ...; progress.advance()
    with Progress("train vocoder", minutes=60) as progress:           # a budget of time
        while ...: progress.update(step=step, mel=0.31)

A new line at most every ``PLAIN_SECONDS`` keeps a log file readable.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator

PLAIN_SECONDS = 15.0


class Progress:
    """Counts items (``total``) or spends time (``minutes``); extra figures are shown beside it."""

    def __init__(self, title: str, total: int | None = None, minutes: float | None = None, stream=None):
        self.title, self.total, self.budget = title, total, None if minutes is None else 60 * minutes
        self.stream = stream or sys.stderr
        self.done, self.figures = 0, {}
        self._bar = None

    def __enter__(self) -> Progress:
        self.started, self._printed = time.monotonic(), 0.0
        if self.stream.isatty():
            self._bar = rich_bar(self.title)
        return self

    def __exit__(self, *_) -> None:
        if self._bar:
            self._show()
            self._bar[0].stop()
        elif self.done or self.figures:
            print(self.line(), file=self.stream, flush=True)

    def advance(self, count: int = 1, **figures: float) -> None:
        """``count`` more items are done."""
        self.update(step=self.done + count, **figures)

    def update(self, step: int | None = None, **figures: float) -> None:
        """Set how much is done, and the figures to show."""
        if step is not None:
            self.done = step
        self.figures.update(figures)
        now = time.monotonic()
        if self._bar or now - self._printed >= PLAIN_SECONDS:
            self._printed = now
            self._show()

    def share(self) -> float | None:
        """Of the whole, 0 to 1; None when there is no whole."""
        if self.budget:
            return min(1.0, (time.monotonic() - self.started) / self.budget)
        return None if not self.total else min(1.0, self.done / self.total)

    def line(self) -> str:
        """The plain form: ``features: 120/400 30 % 0:12 eta 0:28 rate=9.8``."""
        elapsed, share = time.monotonic() - self.started, self.share()
        parts = [f"{self.title}: {self.done:,}" + (f"/{self.total:,}" if self.total else "")]
        if share is not None:
            parts.append(f"{100 * share:.0f} %")
        parts.append(clock(elapsed))
        if share:
            parts.append(f"eta {clock(elapsed * (1 - share) / share)}")
        return " ".join(parts + [f"{name}={value:.4g}" for name, value in self.figures.items()])

    def _show(self) -> None:
        if not self._bar:
            print(self.line(), file=self.stream, flush=True)
            return
        bar, task = self._bar
        figures = " ".join(f"{name}={value:.4g}" for name, value in self.figures.items())
        share = self.share()
        bar.update(task, completed=share or 0, total=None if share is None else 1, count=f"{self.done:,}", figures=figures)


def track(items: Iterable, title: str, total: int | None = None) -> Iterator:
    """The items, counted as they pass."""
    with Progress(title, total if total is not None or not hasattr(items, "__len__") else len(items)) as progress:
        for item in items:
            yield item
            progress.advance()


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def rich_bar(title: str):
    """(a started rich progress, its task), or None without rich."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
    except ImportError:
        return None
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"),
               TextColumn("{task.fields[count]}"), TimeElapsedColumn(), TextColumn("eta"), TimeRemainingColumn(),
               TextColumn("{task.fields[figures]}", markup=False))
    bar = RichProgress(*columns, console=Console(stderr=True))
    bar.start()
    return bar, bar.add_task(title, total=1, count="0", figures="")
