"""Training configurations: YAML in ``egs/*/conf``, read once into frozen dataclasses.

    base: train_fs2.yaml        # optional, one level: every value that is not given here is taken from there
    model: {...}                # each section is one dataclass; unknown keys and sections are refused by name
    task: {...}
    train: {...}

Command lines change single values: ``--set train.learning_rate=1e-4``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from tts.base.errors import DataError, NoInputError, UnavailableError, UsageError


def read(path: str | Path | None, overrides: Iterable[str], sections: Iterable[str]) -> dict[str, dict]:
    """The sections of a configuration as plain dicts, overrides applied; missing sections are empty."""
    sections = tuple(sections)
    content = _load(Path(path)) if path else {}
    if "base" in content:
        base = _load(Path(path).parent / content.pop("base"))
        if "base" in base:
            raise DataError("a base has a base; one level is allowed.", where=path, code="config.base")
        content = over(base, content)
    for override in overrides:
        name, equals, value = override.partition("=")
        section, dot, key = name.partition(".")
        if not (equals and dot and key):
            raise UsageError(f"{override!r} is not section.key=value.", where="--set", code="config.override",
                             fix="For example: --set train.learning_rate=1e-4")
        content.setdefault(section, {})[key] = _value(value)
    for name, section in content.items():
        if name not in sections:
            near = difflib.get_close_matches(name, sections, n=1)
            raise DataError(f"there is no section {name!r}.", where=path or "--set", code="config.section",
                            fix=f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sections)}.")
        if not isinstance(section, dict):
            raise DataError(f"section {name!r} must hold named values.", where=path, code="config.section")
    return {name: content.get(name, {}) for name in sections}


def over(base: dict, own: dict) -> dict:
    """``base`` with the values of ``own`` in it, at every depth."""
    both = [name for name in own if isinstance(own[name], dict) and isinstance(base.get(name), dict)]
    return {**base, **own, **{name: over(base[name], own[name]) for name in both}}


def _load(path: Path) -> dict:
    yaml = _yaml()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NoInputError("is missing.", where=path, code="config.missing") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise DataError(f"is not YAML: {getattr(error, 'problem', error)}.", where=path, code="config.yaml",
                        pos=mark and f"{mark.line + 1}:{mark.column + 1}") from error
    if not isinstance(content or {}, dict):
        raise DataError("must hold sections.", where=path, code="config.yaml")
    return content or {}


def _value(text: str):
    """A YAML scalar or list; 1e-4 is a number here, though YAML 1.1 reads it as text."""
    try:
        return float(text) if "e" in text.lower() else _yaml().safe_load(text)
    except ValueError:
        return _yaml().safe_load(text)


def _yaml():
    try:
        import yaml
    except ImportError as error:
        raise UnavailableError("PyYAML is not installed.", code="config.pyyaml",
                               fix="pip install 'parlance-tts[train]'") from error
    return yaml
