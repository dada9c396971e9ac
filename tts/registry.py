"""Where models lie: names of house models and of models in the user's cache to folders. Loads nothing."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

from tts.base.errors import UnavailableError

HOUSE = Path(__file__).parent / "assets"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def cache_folder() -> Path:
    """The user's own models: ``$XDG_CACHE_HOME/parlance`` or ``~/.cache/parlance``."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "parlance"


def installed() -> dict[str, Path]:
    """Name -> folder of every model found; a house model wins over one of the same name in the cache."""
    found = {}
    for root in (HOUSE, cache_folder()):
        for config in sorted(root.glob("*/config.json")):
            found.setdefault(config.parent.name, config.parent)
    return found


def shipped() -> dict[str, Path]:
    """Name -> folder of every model in the packages, of all kinds; named like ``vocoder/house``."""
    root = HOUSE.parents[1]
    packages = ("tts", "vocoder", "codec")
    configs = (path for package in packages for path in sorted((root / package / "assets").glob("*/config.json")))
    return {f"{path.parents[2].name}/{path.parent.name}": path.parent for path in configs}


def model_folder(name: str | Path) -> Path:
    """The folder of a model given by name (``fs2``, ``vocoder``) or by path.

    Raises:
        UnavailableError: No such model; names the ones there are.
    """
    if isinstance(name, Path) or not _NAME.fullmatch(name):
        folder = Path(name)
        if (folder / "config.json").is_file():
            return folder
        raise UnavailableError(
            "no model here: config.json is missing.",
            where=folder,
            code="model.missing",
            fix="Give a model's name, or a folder with config.json and model.safetensors.",
        )
    found = installed()
    if name in found:
        return found[name]
    near = difflib.get_close_matches(name, found, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}?" if near else f"Installed: {', '.join(found) or 'none'}."
    raise UnavailableError(f"model {name!r} is not installed.", where="model", code="model.unknown", fix=hint)


def default_acoustic() -> Path:
    """The acoustic model that speaks when none is named."""
    found = installed()
    for name in ("megatts", "fs2", "flow"):
        if name in found:
            return found[name]
    raise UnavailableError(
        "no acoustic model is installed.",
        where=HOUSE,
        code="model.missing",
        fix="Reinstall parlance-tts, or pass --model FOLDER.",
    )


def trained_languages(model: str | Path | None = None) -> list[dict]:
    """Every language the frontend reads: ``language`` (tag), ``name``, ``minutes`` heard in training (0: never).

    Trained ones first, most minutes first. Reads the acoustic model's config only.
    """
    from frontend.languages import languages, resolve
    from vocoder.nn.checkpoint import load_config

    folder = default_acoustic() if model is None else model_folder(model)
    minutes = {resolve(tag).tag: float(value) for tag, value in load_config(folder).get("minutes", {}).items()}
    rows = [
        {"language": each.tag, "name": each.name, "minutes": minutes.get(each.tag, 0.0)} for each in languages() if each.voice
    ]
    return sorted(rows, key=lambda row: (-row["minutes"], row["language"]))
