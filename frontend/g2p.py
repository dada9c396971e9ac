"""Grapheme to phoneme: the client of the worker process that holds espeak-ng.

A worker that dies or answers late is replaced; the words that did it are found by halving and spelled by letters,
so that a request never fails because of a word. One worker, one lock: threads may share a `G2p`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tts.base.errors import InternalError, UnavailableError

START_SECONDS = 60.0  # importing phonemizer on a busy machine
REQUEST_SECONDS = 2.0
RECYCLE_AFTER = 2000  # clauses
_BATCH = 64  # clauses in one request
_BATCH_SECONDS = 10.0


@dataclass(frozen=True)
class Said:
    """A word as the engine says it.

    Attributes:
        phonemes: espeak's IPA tokens, stress and length included.
        crashed: The word killed the engine and was spelled by letters.
    """

    phonemes: tuple[str, ...]
    crashed: bool = False


@dataclass(frozen=True)
class SaidClause:
    """The words of a clause, and the voices espeak switched to for foreign words."""

    words: tuple[Said, ...]
    switches: tuple[str, ...] = ()


class _WorkerLost(Exception):
    """The worker died or was too slow."""


class _Worker:
    """One worker process and the thread that reads its answers (pipes cannot be waited for on every system)."""

    def __init__(self):
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "utf-8"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "frontend.g2p_worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, cwd=Path(__file__).resolve().parent.parent, env=environment,
        )
        self.clauses = 0
        self.ready = False
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="g2p-answers", daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def _answer(self, seconds: float) -> dict:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            line = b""
        if not line.endswith(b"\n"):
            raise _WorkerLost
        return json.loads(line)

    def ask(self, request: dict, seconds: float) -> dict:
        try:
            if not self.ready:
                self._answer(START_SECONDS)
                self.ready = True
            self.clauses += len(request["clauses"])
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            return self._answer(seconds)
        except OSError:
            raise _WorkerLost from None

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):  # what the dead worker did not read
            self.process.stdin.close()


class G2p:
    """espeak-ng behind a process border. Use the shared one: `engine()`."""

    def __init__(self):
        self._lock = threading.RLock()
        self._worker: _Worker | None = None

    def warm(self) -> None:
        """Start the worker without waiting for it."""
        with self._lock:
            if self._worker is None:
                self._worker = _Worker()

    def close(self) -> None:
        """End the worker; the next request starts another."""
        with self._lock:
            if self._worker is not None:
                self._worker.close()
                self._worker = None

    def forget(self) -> None:
        """Leave the worker to the process that started it (after a fork)."""
        self._lock = threading.RLock()
        self._worker = None

    def say(self, voice: str, clauses: Sequence[Sequence[str]]) -> list[SaidClause]:
        """Phonemes of the words of each clause.

        Args:
            voice: espeak-ng voice, e.g. ``fr-fr``.
            clauses: Words of each clause; every clause is said as a whole.

        Raises:
            UnavailableError: espeak-ng cannot be started, or has no such voice.
        """
        said: list[SaidClause] = []
        with self._lock:
            for start in range(0, len(clauses), _BATCH):
                batch = [list(words) for words in clauses[start:start + _BATCH]]
                try:
                    said += self._ask(voice, batch, REQUEST_SECONDS if len(batch) == 1 else _BATCH_SECONDS)
                except _WorkerLost:
                    said += [self._careful(voice, words) for words in batch]
        return said

    def _ask(self, voice: str, clauses: list[list[str]], seconds: float) -> list[SaidClause]:
        if self._worker is not None and self._worker.clauses >= RECYCLE_AFTER:
            self.close()
        self.warm()
        worker = self._worker
        try:
            answer = worker.ask({"voice": voice, "clauses": clauses}, seconds)
        except BaseException as error:  # an interruption too: the answer must not be taken for that of the next request
            self.close()
            if isinstance(error, _WorkerLost) and not worker.ready:
                raise UnavailableError(
                    "the espeak-ng worker did not start", where="g2p", code="g2p.start",
                    fix="Try: python -m frontend.g2p_worker   (it needs phonemizer and espeakng-loader)",
                ) from None
            raise
        if "error" in answer:
            if "voice" in answer["error"]:
                raise UnavailableError(answer["error"], where="g2p", code="g2p.voice", fix="List them with: tts languages")
            raise InternalError(answer["error"], where="g2p", code="g2p.engine")
        return [SaidClause(tuple(Said(tuple(word)) for word in clause["words"]), tuple(clause["switches"]))
                for clause in answer["clauses"]]

    def _careful(self, voice: str, words: list[str]) -> SaidClause:
        """A clause that may kill the worker: whole, else by halves, else the one word by letters."""
        try:
            return self._ask(voice, [words], REQUEST_SECONDS)[0]
        except _WorkerLost:
            pass
        if len(words) > 1:
            half = len(words) // 2
            left, right = self._careful(voice, words[:half]), self._careful(voice, words[half:])
            return SaidClause(left.words + right.words, left.switches + right.switches)
        return SaidClause((self._spelled(voice, words[0]),))

    def _spelled(self, voice: str, word: str) -> Said:
        letters = {}
        for letter in dict.fromkeys(word):
            try:
                letters[letter] = self._ask(voice, [[letter]], REQUEST_SECONDS)[0].words[0].phonemes
            except _WorkerLost:
                letters[letter] = ()
        return Said(tuple(phoneme for letter in word for phoneme in letters[letter]), crashed=True)


@cache
def engine() -> G2p:
    """The G2P of this process; its worker starts at the first use and ends with the process."""
    shared = G2p()
    atexit.register(shared.close)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=shared.forget)
    return shared


def warm() -> None:
    """Start the shared engine's worker without waiting for it."""
    engine().warm()
