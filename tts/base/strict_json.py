"""JSON that means one thing: size and depth bounded, no duplicate keys, no NaN, valid UTF-8."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tts.base.errors import DataError, NoInputError, ResourceError
from tts.base.limits import LIMITS

_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character: written as an escape


def loads(data: bytes | str, where: str = "<json>"):
    """The value of a JSON text.

    Raises:
        ResourceError: longer than LIMITS.json_bytes.
        DataError: not UTF-8, not JSON, nested too deep, a key twice, NaN or Infinity.
    """
    if len(data) > LIMITS.json_bytes:
        raise ResourceError(
            f"JSON of {len(data):,} bytes; at most {LIMITS.json_bytes:,} are read.",
            where=where,
            code="json.size",
            limit=LIMITS.json_bytes,
        )
    if isinstance(data, bytes):
        try:
            data = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError("not valid UTF-8.", where=where, pos=f"byte {error.start}", code="json.utf8") from error
    _check_depth(data, where)

    def unique(pairs):
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise DataError(f"key {twice!r} stands twice in one object.", where=where, code="json.duplicate_key")
        return found

    def refuse(name):
        raise DataError(f"{name} is not a JSON number.", where=where, code="json.not_finite")

    try:
        return json.loads(data, object_pairs_hook=unique, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise DataError(
            f"not valid JSON: {error.msg}.", where=where, pos=f"{error.lineno}:{error.colno}", code="json.syntax"
        ) from error
    except DataError:
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise DataError(f"not valid JSON: {error}.", where=where, code="json.syntax") from error


def load(path: str | Path):
    """The value of a JSON file; errors as ``loads``, and NoInputError when it cannot be read."""
    try:
        with open(path, "rb") as file:
            data = file.read(LIMITS.json_bytes + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NoInputError(f"cannot be read: {reason}.", where=path, code="json.unreadable") from error
    return loads(data, str(path))


def dumps(value, indent: int | None = 1) -> str:
    """JSON text that ``loads`` accepts and UTF-8 can hold; NaN and Infinity are refused."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
        return json.dumps(value, indent=indent) if _SURROGATE.search(text) else text
    except ValueError as error:
        raise DataError(f"cannot be written as JSON: {error}.", code="json.not_finite") from error


def _check_depth(text: str, where: str) -> None:
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        mark = match.group()
        if mark in "[{":
            depth += 1
            if depth > LIMITS.json_depth:
                raise DataError(
                    f"nested deeper than {LIMITS.json_depth} levels.",
                    where=where,
                    pos=match.start(),
                    code="json.depth",
                    limit=LIMITS.json_depth,
                )
        elif mark in "]}":
            depth -= 1
