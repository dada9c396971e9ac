"""The one error family of parlance.

    TtsError
    ├── UsageError        2   the call itself is wrong
    ├── DataError        65   text, audio, token file or data directory is malformed
    ├── NoInputError     66   a path is missing or unreadable
    ├── UnavailableError 69   a language, voice, model or optional package is not installed
    ├── InternalError    70   a bug of ours
    ├── CannotCreateError 73  the output exists, or its folder does not
    ├── FileError        74   disk full, short write, device error
    ├── TemporaryError   75   timeout or cancelled: a retry is sensible
    ├── ResourceError    76   a documented limit is exceeded
    ├── NotPermittedError 77  consent or policy
    ├── ModelError       78   model, voice or config: hash, version, family
    └── PartialError     79   some items of a batch failed

Each error says what happened, where, and what to do about it. Exit codes follow sysexits where one exists.
"""

from __future__ import annotations

import json


class TtsError(Exception):
    """Base of every error that parlance raises on purpose.

    Args:
        what: One sentence: what was asked, what was found.
        where: A path, ``<text>``, ``<stdin>`` or a parameter name.
        fix: An action the user can take.
        code: Stable slug such as ``audio.header.channels``, for programs.
        pos: Byte offset, ``line:column``, sample index or character span.
        value: The offending value; shown shortened to 80 characters.
        limit: The limit that was passed, when there is one.
    """

    kind = "error"
    exit_code = 70

    def __init__(self, what, *, where=None, fix=None, code=None, pos=None, value=None, limit=None):
        self.what = what
        self.where = None if where is None else str(where)
        self.fix = fix
        self.code = code or self.kind
        self.pos = pos
        self.value = None if value is None else _shorten(value)
        self.limit = limit
        super().__init__(self.message())

    def message(self) -> str:
        """What, where, how to mend it, in one line."""
        place = self.where or ""
        if self.pos is not None:
            place = f"{place}:{self.pos}" if place else f"at {self.pos}"
        text = f"{place}: {self.what}" if place else self.what
        if not self.fix:
            return text
        return f"{text} {self.fix}" if text[-1:] in ".!?:" else f"{text}. {self.fix}"

    def to_dict(self) -> dict:
        """The fields that are known, for programs."""
        fields = ("kind", "exit_code", "code", "what", "where", "pos", "value", "limit", "fix")
        return {name: getattr(self, name) for name in fields if getattr(self, name) is not None}

    def to_json(self) -> str:
        """:meth:`to_dict` in one line, as ``--json-errors`` prints it."""
        return json.dumps(self.to_dict(), ensure_ascii=False, default=str)

    def __reduce__(self):  # errors cross process borders
        return _rebuild, (type(self), self.__dict__.copy())


def _rebuild(cls, state):
    error = cls(state["what"])
    error.__dict__.update(state)
    Exception.__init__(error, error.message())
    return error


def _shorten(value, limit: int = 80) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


class UsageError(TtsError, ValueError):
    kind, exit_code = "usage", 2


class DataError(TtsError, ValueError):
    kind, exit_code = "data", 65


class NoInputError(TtsError):
    kind, exit_code = "no_input", 66


class UnavailableError(TtsError):
    kind, exit_code = "unavailable", 69


class InternalError(TtsError):
    kind, exit_code = "internal", 70


class CannotCreateError(TtsError):
    kind, exit_code = "cannot_create", 73


class FileError(TtsError):
    kind, exit_code = "io", 74


class TemporaryError(TtsError):
    kind, exit_code = "temporary", 75


class ResourceError(TtsError):
    kind, exit_code = "resource", 76


class NotPermittedError(TtsError):
    kind, exit_code = "not_permitted", 77


class ModelError(TtsError):
    kind, exit_code = "model", 78


class PartialError(TtsError):
    kind, exit_code = "partial", 79
