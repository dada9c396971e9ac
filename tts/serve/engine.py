"""The work of many requests on few threads, in turns.

A job is an iterator of pieces of bytes. Between two pieces its thread is free for another job: the one that waits for its first
sound, or whose listener would run out of sound soonest, is next (earliest deadline first). So a long text holds nobody up, a
client who has vanished costs the piece that is being made, and a job whose reader is slow rests until its buffer has room.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

from tts.base.errors import InternalError, TemporaryError, TtsError
from tts.base.limits import LIMITS

_log = logging.getLogger("parlance.serve")


class Job:
    """One answer in the making. Its work runs on the engine's threads; it is read on the event loop that submitted it.

    Attributes:
        facts: What the work tells of its answer before its first piece.
        seconds: Of sound so far, told by the work.
    """

    def __init__(self, engine: Engine, work: Callable[[Job], Iterator[bytes]]):
        self.facts: dict = {}
        self.seconds = 0.0
        self.arrived = time.monotonic()
        self.begun = self.ended = self.busy = False
        self.work = work(self)
        self.pieces: deque[bytes] = deque()
        self.held = 0  # bytes in ``pieces``
        self.error: TtsError | None = None
        self._engine, self._loop, self._news = engine, asyncio.get_running_loop(), asyncio.Event()

    @property
    def due(self) -> float:
        """When its listener, who heard the first sound as soon as it was asked for, has heard all that there is."""
        return self.arrived + self.seconds

    async def begin(self) -> None:
        """Wait until ``facts`` are known; raises what went wrong before."""
        while not (self.begun or self.ended):
            await self._change()
        if self.error is not None and not self.begun:
            raise self.error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces that are not empty, as they come; raises what goes wrong on the way."""
        while (data := self._engine.taken(self)) is not None:
            if data:
                yield data
            else:
                await self._change()
        if self.error is not None:
            raise self.error

    def cancel(self) -> None:
        """Nobody waits any more. After the end this does nothing."""
        self._engine.cancel(self)

    def tell(self) -> None:
        """Wake the reader, from any thread."""
        with suppress(RuntimeError):  # its loop is closed: nobody reads
            self._loop.call_soon_threadsafe(self._news.set)

    async def _change(self) -> None:
        await self._news.wait()
        self._news.clear()


class Engine:
    """Threads that work on jobs in turns.

    Args:
        workers: Threads.
        queue: Jobs that may wait for their first piece.
        streams: Jobs there may be in all.
    """

    def __init__(self, workers: int = 1, queue: int = LIMITS.serve_queue, streams: int = LIMITS.serve_streams):
        self.workers, self.queue, self.streams = workers, queue, streams
        self.busy_seconds = self.audio_seconds = 0.0  # of all threads; of all sound that was made
        self.cancelled = 0
        self.draining = False
        self._first_cost = 0.5  # seconds of work until a job's first piece: a running mean
        self._jobs: list[Job] = []
        self._closed: set[Job] = set()  # cancelled, their iterators still to be closed
        self._changed = threading.Condition()
        self._stop = False
        self._threads = [threading.Thread(target=self._run, name=f"serve-{i}", daemon=True) for i in range(workers)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Jobs without a first piece."""
        with self._changed:
            return sum(not job.begun for job in self._jobs)

    @property
    def open(self) -> int:
        """Jobs that are not done, or not read to the end."""
        with self._changed:
            return len(self._jobs)

    def wait_seconds(self) -> int:
        """Whole seconds until those who wait now will have been begun, by the mean of what that cost so far."""
        return max(1, math.ceil(self.waiting * self._first_cost / self.workers))

    def submit(self, work: Callable[[Job], Iterator[bytes]]) -> Job:
        """Take on a job.

        Raises:
            TemporaryError: Too many wait already (``serve.busy``), or the engine stops (``serve.draining``).
        """
        if self.draining:
            raise _stopping()
        if self.waiting >= self.queue or self.open >= self.streams:
            raise TemporaryError("too many requests are waiting.", where="tts serve", code="serve.busy",
                                 limit=self.queue, fix="Try again after the time in Retry-After.")  # fmt: skip
        job = Job(self, work)
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()
        return job

    def taken(self, job: Job) -> bytes | None:
        """The bytes that are there of a job; None when there will be no more, and the job is forgotten."""
        with self._changed:
            data = b"".join(job.pieces)
            job.pieces.clear()
            job.held = 0
            if job.ended and not data:
                self._forget(job)
                return None
            self._changed.notify()
        return data

    def cancel(self, job: Job) -> None:
        with self._changed:
            if not job.ended:
                job.ended = True
                self.cancelled += 1
                self._closed.add(job)
            job.pieces.clear()
            self._forget(job)
            self._changed.notify()

    def drain(self) -> None:
        """Take nothing on, send away those who wait; what is spoken goes on."""
        with self._changed:
            self.draining = True
            for job in [job for job in self._jobs if not (job.begun or job.busy)]:
                job.error, job.ended = _stopping(), True
                self._forget(job)
                job.tell()

    def close(self) -> None:
        """End the threads, after the pieces that they are making."""
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=10)

    def _forget(self, job: Job) -> None:
        with suppress(ValueError):
            self._jobs.remove(job)

    def _next(self) -> Job | None:
        """The job whose turn it is; it is then busy."""
        idle = [job for job in self._closed if not job.busy]
        ready = [job for job in self._jobs if not (job.busy or job.ended or job.held >= LIMITS.serve_buffer_bytes)]
        job = idle[0] if idle else min(ready, key=lambda job: job.due, default=None)
        if job is not None:
            job.busy = True
        return job

    def _run(self) -> None:
        while True:
            with self._changed:
                while (job := self._next()) is None and not self._stop:
                    self._changed.wait()
                if self._stop:
                    return
            self._step(job)

    def _step(self, job: Job) -> None:
        """One piece of a job, or its end."""
        began, seconds, piece, error = time.perf_counter(), job.seconds, None, None
        try:
            if job in self._closed:
                job.work.close()
            else:
                piece = next(job.work, None)
        except TtsError as fault:
            error = fault
        except Exception as fault:  # the last line of defence: the thread goes on
            _log.exception("a request failed")
            error = InternalError(f"unexpected {type(fault).__name__}.", code="internal", fix="Please report the server's log.")
        with self._changed:
            cost = time.perf_counter() - began
            self.busy_seconds += cost
            self.audio_seconds += job.seconds - seconds
            job.busy = False
            if job.ended:  # cancelled, before this piece or during it
                if piece is None:
                    self._closed.discard(job)
                else:
                    self._changed.notify()
                return
            if piece is None:
                job.error, job.ended = error, True
            else:
                if not job.begun:
                    self._first_cost += 0.1 * (cost - self._first_cost)
                job.begun = True
                job.pieces.append(piece)
                job.held += len(piece)
                self._changed.notify()
        job.tell()


def _stopping() -> TemporaryError:
    return TemporaryError("the server is stopping.", where="tts serve", code="serve.draining", fix="Ask again later.")
