"""Frozen dataclasses from plain dicts and back: unknown, missing and mistyped keys are errors with the nearest name."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing

from tts.base.errors import ModelError


def from_dict(cls, data: dict, where: str = "config"):
    """Build dataclass ``cls`` from ``data``; nested dataclasses and tuples are built too.

    Args:
        cls: A dataclass.
        data: Field name -> JSON value; fields with defaults may be left out.
        where: File or key, for messages.

    Raises:
        ModelError: A key that ``cls`` does not have, one that it needs, or a value of the wrong type.
    """
    if not isinstance(data, dict):
        raise ModelError(
            f"{cls.__name__} is an object of named values, found {type(data).__name__}.", where=where, code="config.type"
        )
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    for key in data:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1, cutoff=0.5)
            raise ModelError(
                f"{cls.__name__} has no key {key!r}.",
                where=where,
                code="config.unknown_key",
                fix=f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(fields)}.",
            )
    missing = [
        name
        for name, field in fields.items()
        if name not in data and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ModelError(f"{cls.__name__} needs {', '.join(missing)}.", where=where, code="config.missing_key")
    hints = typing.get_type_hints(cls)
    return cls(**{key: _convert(hints[key], value, f"{where}: {key}") for key, value in data.items()})


def to_dict(config) -> dict:
    """The JSON form of a dataclass; ``from_dict`` of it gives an equal one."""
    return {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config) if field.init}


def _plain(value):
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _convert(hint, value, where: str):
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        options = [arg for arg in args if arg is not type(None)]
        if len(options) == 1:
            return _convert(options[0], value, where)
        return value
    if dataclasses.is_dataclass(hint):
        return from_dict(hint, value, where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise _mistyped("a list", value, where)
        variadic = len(args) == 2 and args[1] is Ellipsis
        if not variadic and len(value) != len(args):
            raise _mistyped(f"a list of {len(args)}", value, where)
        inner = [args[0]] * len(value) if variadic else args
        return tuple(_convert(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(inner, value, strict=True)))
    if origin is typing.Literal:
        if value not in args:
            raise _mistyped(f"one of {', '.join(map(repr, args))}", value, where)
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, bool):
        raise _mistyped("int", value, where)
    kind = origin or hint
    if isinstance(kind, type) and not isinstance(value, kind):
        raise _mistyped(kind.__name__, value, where)
    return value


def _mistyped(wanted: str, value, where: str) -> ModelError:
    return ModelError(f"must be {wanted}, found {value!r:.60}.", where=where, code="config.type")
