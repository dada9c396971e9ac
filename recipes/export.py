"""Stage 6, export: EMA weights of a training folder -> a model folder with config and card."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import load_file

from tts.base.errors import NoInputError
from vocoder.nn.checkpoint import save_model


def newest(exp) -> Path:
    """The newest checkpoint of a training folder."""
    folders = sorted(Path(exp).glob("step-*"))
    if not folders:
        raise NoInputError("there is no checkpoint.", where=exp, fix="Train first.")
    return folders[-1]


def export(exp, out, kind: str, model_config, extra: dict, card: str, drop=()) -> dict:
    """Write a model folder from the newest checkpoint; returns the config as written.

    Args:
        exp: Training folder.
        out: Model folder to write.
        kind: "aligner", "acoustic" or "vocoder".
        model_config: The model's config dataclass.
        extra: More entries of config.json (languages, minutes, phone inventory).
        card: Text of the card; ``{step}`` is filled in.
        drop: Prefixes of tensors that synthesis does not need.
    """
    folder = newest(exp)
    step = json.loads((folder / "state.json").read_text())["step"]
    tensors = {k: v for k, v in load_file(folder / "ema.safetensors").items() if not k.startswith(tuple(drop) or ("\0",))}
    config = {"kind": kind, "model": asdict(model_config), "steps": step, **extra}
    return save_model(out, tensors, config, card.replace("{step}", str(step)))


def corpus_facts(dump) -> dict:
    """What a model was trained on: minutes by language and by corpus, and the phone inventory's digest."""
    from frontend import inventory
    from recipes.batch import Corpus
    from vocoder.audio.frames import FRAME_RATE

    corpus = Corpus(Path(dump) / "train")
    minutes: dict[str, dict[str, float]] = {"language": {}, "corpus": {}}
    for row in corpus.utterances.values():
        for group, name in (("language", row.language), ("corpus", row.corpus)):
            minutes[group][name] = minutes[group].get(name, 0.0) + corpus.frames(row.key) / FRAME_RATE / 60
    return {
        "minutes": {k: round(v, 1) for k, v in sorted(minutes["language"].items())},
        "corpora": {k: round(v, 1) for k, v in sorted(minutes["corpus"].items())},
        "inventory": inventory.digest(),
    }
