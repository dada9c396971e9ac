"""The voice file: what its header says, format 2, and format 1 before it. Every key: ``docs/voices.md``.

The facts are JSON under ``parlance_voice`` in the header of a safetensors file. ``tensors`` is the hash of the arrays,
``digest`` that of all facts, so that a record changed afterwards is noticed. It is no signature: who changes a file
and counts anew is not found out.
"""

from __future__ import annotations

import hashlib
import json
import re
from numbers import Real
from pathlib import Path

import numpy as np

from tts.base import strict_json
from tts.base.errors import DataError, ModelError
from tts.base.limits import LIMITS
from tts.consent import check_consent
from tts.listen import Report
from vocoder.audio.frames import N_MELS

FORMAT = 2
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_KEY = "parlance_voice"
_COMMON = {
    "name": str, "model_id": str | None, "gender": str, "corpus": str, "licence": str, "minutes": int | float, "consent": dict,
    "source_sha256": str,
}  # fmt: skip
_FACTS = {
    1: _COMMON | {"language": str},
    2: _COMMON | {"languages": list, "speaker_model": str | None, "pitch": list | None, "report": dict | None, "borders": list,
                  "tensors": str, "digest": str},
}  # fmt: skip


def encode(facts: dict, arrays: dict[str, np.ndarray]) -> bytes:
    """The file of facts and arrays (``reference`` as float16, others float32); hashes are added here."""
    import torch

    from vocoder.nn.checkpoint import encode_tensors

    if not NAME.fullmatch(facts["name"]):
        raise DataError(f"{facts['name']!r} is no voice name.", where="name", fix="Use a-z, 0-9, - and _; at most 64.")
    tensors = {
        name: torch.from_numpy(np.asarray(a, np.float16 if name == "reference" else np.float32)) for name, a in arrays.items()
    }
    facts = {"format": FORMAT, **facts, "tensors": _hash({name: t.float().numpy() for name, t in tensors.items()})}
    return encode_tensors(tensors, {_KEY: json.dumps(facts | {"digest": _digest(facts)}, ensure_ascii=True)})


def read(path) -> tuple[dict, dict[str, np.ndarray]]:
    """(facts of format 2, arrays float32) of a voice file, checked.

    Raises:
        NoInputError, ModelError: Missing, damaged, changed after it was saved, or of a newer format.
        NotPermittedError: Its consent has expired.
    """
    from vocoder.nn.checkpoint import read_tensors

    metadata, tensors = read_tensors(path, LIMITS.voice_file_bytes)
    facts = read_facts(metadata, path)
    arrays = {name: t.float().numpy() for name, t in tensors.items() if name in ("reference", "style", "tokens", "speaker")}
    if "reference" not in arrays:
        raise ModelError("this is not a voice file.", where=path, code="voice.format")
    shape = arrays["reference"].shape
    if len(shape) != 2 or shape[1] != N_MELS or shape[0] == 0:
        raise ModelError(f"the reference has shape {shape}, not [T, 100].", where=path, code="voice.format")
    for name, dimensions in (("style", 1), ("tokens", 2), ("speaker", 1)):
        if name in arrays and arrays[name].ndim != dimensions:
            raise ModelError(f"the voice's {name} is malformed.", where=path, code="voice.format")
    if "tensors" in facts and facts["tensors"] != _hash(arrays):
        raise _changed(path)
    check_consent(facts["consent"], path)
    return facts, arrays


def read_facts(metadata: dict[str, str], path) -> dict:
    """What a voice file says of itself, checked, with the keys of format 2."""
    try:
        facts = strict_json.loads(metadata[_KEY])
        version = facts["format"]
        kinds = _FACTS.get(version) if type(version) is int else None
        known = {key: facts[key] for key in kinds or {}}
    except (KeyError, TypeError, DataError) as error:
        raise ModelError("this is not a voice file.", where=path, code="voice.format") from error
    if kinds is None:
        raise ModelError(f"voice format {version!r} is newer than this parlance.", where=path, code="voice.newer", fix="Upgrade.")
    if version == 2 and known["digest"] != _digest({key: value for key, value in facts.items() if key != "digest"}):
        raise _changed(path)
    wrong = [key for key, kind in kinds.items() if not isinstance(known[key], kind) or isinstance(known[key], bool)]
    wrong += [] if wrong or NAME.fullmatch(known["name"]) else ["name"]
    if version == 1 and not wrong:
        known = {key: value for key, value in known.items() if key != "language"}
        known |= {"languages": [facts["language"]] if facts["language"] else [], "speaker_model": None, "pitch": None,
                  "report": None, "borders": []}  # fmt: skip
    wrong = wrong or _malformed(known)
    if wrong:
        raise ModelError(f"the voice's {wrong[0]} is malformed.", where=path, code="voice.format")
    known["report"] = known["report"] and Report.from_dict(known["report"])
    return known


def _malformed(facts: dict) -> list[str]:
    """The keys whose content is not what their kind promises."""
    pitch, wrong = facts["pitch"], []
    if not all(isinstance(tag, str) for tag in facts["languages"]):
        wrong.append("languages")
    if pitch is not None and not (len(pitch) == 2 and all(isinstance(v, Real) for v in pitch) and pitch[0] > 0 <= pitch[1]):
        wrong.append("pitch")
    if not all(type(border) is int and border >= 0 for border in facts["borders"]):
        wrong.append("borders")
    try:
        _ = facts["report"] and Report.from_dict(facts["report"])
    except (KeyError, TypeError, ValueError):
        wrong.append("report")
    return wrong


def _digest(facts: dict) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


def _hash(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].shape}".encode() + np.ascontiguousarray(arrays[name], "<f4").tobytes())
    return digest.hexdigest()


def _changed(path: str | Path) -> ModelError:
    return ModelError(
        "was changed after it was saved: its digest does not fit.", where=path, code="voice.digest",
        fix="Make the voice again from its recording, with its consent.",
    )  # fmt: skip
