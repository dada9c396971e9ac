"""Text to speech, offline, in several languages.

    >>> import tts
    >>> speech = tts.synth("Hello there.")
    >>> speech.save("hello.wav")

Importing this loads neither torch nor weights: names are found when they are used.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module

_HOMES = {
    "Controls": "tts.api",
    "Plan": "tts.api",
    "Speech": "tts.speech",
    "Synthesizer": "tts.api",
    "TtsError": "tts.base.errors",
    "Voice": "tts.voice",
}

__all__ = sorted([*_HOMES, "synth"])


def synth(text: str, **request):
    """Speak a text with the house model; see :meth:`tts.api.Synthesizer.synth`."""
    return _default().synth(text, **request)


@lru_cache(maxsize=1)
def _default():
    return import_module("tts.api").Synthesizer()


def __getattr__(name: str):
    if name == "__version__":
        return import_module("importlib.metadata").version("parlance-tts")
    if name not in _HOMES:
        raise AttributeError(f"module 'tts' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
