"""Voices of recordings that clients sent: held in memory alone, by an id that only who made one knows."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from threading import Lock

from tts.base.limits import LIMITS
from tts.voice import Voice


class Clones:
    """At most ``serve_clones`` voices, each until ``serve_clone_seconds`` after its last use.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._voices: dict[str, tuple[Voice, float]] = {}  # id -> voice, time of its last use; the longest unused first
        self._clock, self._lock = clock, Lock()

    def add(self, voice: Voice) -> str:
        """Hold a voice; its id."""
        name = f"{voice.name}-{secrets.token_hex(16)}"
        with self._lock:
            self._forget_old()
            self._voices[name] = voice, self._clock()
            while len(self._voices) > LIMITS.serve_clones:
                del self._voices[next(iter(self._voices))]
        return name

    def get(self, name: str) -> Voice | None:
        """The voice of an id, which counts as a use."""
        with self._lock:
            self._forget_old()
            if name not in self._voices:
                return None
            voice, _ = self._voices.pop(name)
            self._voices[name] = voice, self._clock()
            return voice

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def forget(self, name: str) -> bool:
        """Whether there was such a voice; now there is none."""
        with self._lock:
            return self._voices.pop(name, None) is not None

    def _forget_old(self) -> None:
        oldest = self._clock() - LIMITS.serve_clone_seconds
        self._voices = {name: held for name, held in self._voices.items() if held[1] > oldest}
