"""Voices: a short reference of a person's speech, and for house voices a style vector averaged over many clips.

A voice is one small safetensors file. A cloned voice holds only its reference, so that every model can speak with
it; a style vector belongs to the model that made it, and any other model refuses it by name.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path

import numpy as np

from tts.base import strict_json
from tts.base.errors import DataError, ModelError, NotPermittedError
from tts.base.limits import LIMITS
from vocoder.audio.frames import N_MELS, SAMPLE_RATE

LONGEST_REFERENCE = 900  # frames (12 s) kept of a reference
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, eq=False)
class Voice:
    """Who speaks."""

    name: str
    reference: np.ndarray  # float32 [T, 100] log-mel of the person's speech
    style: np.ndarray | None = None  # float32 [style_dim], made by the model ``model_id``
    model_id: str | None = None
    language: str = ""
    gender: str = "u"
    corpus: str = ""
    licence: str = ""
    minutes: float = 0.0  # of this voice in the training data
    consent: dict = field(default_factory=dict)
    source_sha256: str = ""

    @classmethod
    def from_audio(cls, paths, *, consent=None, name: str | None = None, language: str = "") -> Voice:
        """A voice from one or several recordings.

        Args:
            paths: Recording or recordings of one person: files, their bytes, or (samples, sample rate); 3 to 15 seconds serve
                best.
            consent: Who agreed, how and when; a sentence or a dict. Required: a voice is personal data.
            name: Name of the voice; after the first file when None.
            language: Tag of the language spoken, if known.

        Raises:
            NotPermittedError: No consent is given.
            DataError: A file is not audio, silent, or shorter than a second.
        """
        from vocoder.audio.io import check_speech, read_audio
        from vocoder.audio.mel import log_mel

        several = isinstance(paths, list | tuple) and not (len(paths) == 2 and isinstance(paths[1], Real))
        paths = list(paths) if several else [paths]
        if not consent or (isinstance(consent, str) and not consent.strip()):
            raise NotPermittedError(
                "cloning a voice needs the consent of the person who speaks.",
                where=_name_of(paths[0]) if paths else None,
                fix='Say who agreed, how and when: consent="Jane Doe; in writing; 2026-11-01".',
                code="consent.missing",
            )
        if not paths:
            raise DataError("a voice needs at least one recording.", where="paths", code="voice.no_audio")
        digest, mels = hashlib.sha256(), []
        for path in paths:
            wav = read_audio(path, max_seconds=LIMITS.voice_seconds)
            check_speech(wav, SAMPLE_RATE, LIMITS.voice_min_seconds, _name_of(path))
            wav = to_level(trim_silence(wav))
            digest.update(wav.tobytes())
            mels.append(log_mel(wav))
        mel = np.concatenate(mels)
        start = max(0, (len(mel) - LONGEST_REFERENCE) // 2)
        record = {"kind": "asserted", "statement": consent} if isinstance(consent, str) else dict(consent)
        stem = re.sub(r"[^a-z0-9_-]+", "-", Path(_name_of(paths[0])).stem.lower()).strip("-_") or "voice"
        return cls(
            name=name or stem[:64],
            reference=mel[start : start + LONGEST_REFERENCE].astype(np.float16).astype(np.float32),  # as a file keeps it
            language=language,
            consent=record,
            source_sha256=digest.hexdigest(),
        )

    def save(self, path, force: bool = False) -> None:
        """Write the voice as one safetensors file."""
        import torch

        from vocoder.nn.checkpoint import write_tensors

        if not _NAME.fullmatch(self.name):
            raise DataError(f"{self.name!r} is no voice name.", where="name", fix="Use a-z, 0-9, - and _; at most 64.")
        tensors = {"reference": torch.from_numpy(self.reference.astype(np.float16))}
        if self.style is not None:
            tensors["style"] = torch.from_numpy(self.style.astype(np.float32))
        facts = {k: getattr(self, k) for k in _FACTS}
        write_tensors(path, tensors, {"parlance_voice": json.dumps({"format": 1, **facts})}, force)

    @classmethod
    def load(cls, path) -> Voice:
        """Read a voice file.

        Raises:
            NoInputError, ModelError: the file is missing, damaged, or of a newer format.
        """
        from vocoder.nn.checkpoint import read_tensors

        metadata, tensors = read_tensors(path, LIMITS.voice_file_bytes)
        known = _facts(metadata, path)
        if "reference" not in tensors:
            raise ModelError("this is not a voice file.", where=path, code="voice.format")
        reference = tensors["reference"].float().numpy()
        if reference.ndim != 2 or reference.shape[1] != N_MELS or len(reference) == 0:
            raise ModelError(f"the reference has shape {reference.shape}, not [T, 100].", where=path, code="voice.format")
        style = tensors["style"].float().numpy() if "style" in tensors else None
        if style is not None and style.ndim != 1:
            raise ModelError("the voice's style is malformed.", where=path, code="voice.format")
        return cls(reference=reference, style=style, **known)


_FACTS = {
    "name": str,
    "model_id": str | None,
    "language": str,
    "gender": str,
    "corpus": str,
    "licence": str,
    "minutes": int | float,
    "consent": dict,
    "source_sha256": str,
}


def _facts(metadata: dict[str, str], path) -> dict:
    """What a voice file says of itself, checked."""
    try:
        facts = strict_json.loads(metadata["parlance_voice"])
        known = {k: facts[k] for k in _FACTS}
    except (KeyError, TypeError, DataError) as error:
        raise ModelError("this is not a voice file.", where=path, code="voice.format") from error
    if facts.get("format") != 1:
        raise ModelError(f"voice format {facts.get('format')!r} is newer than this parlance.", where=path, fix="Upgrade.")
    wrong = [k for k, kinds in _FACTS.items() if not isinstance(known[k], kinds)]
    if wrong or not _NAME.fullmatch(known["name"]):
        raise ModelError(f"the voice's {wrong[0] if wrong else 'name'} is malformed.", where=path, code="voice.format")
    return known


@dataclass(frozen=True)
class VoiceInfo:
    """A row of ``tts voices``."""

    name: str
    language: str
    gender: str
    corpus: str
    licence: str
    minutes: float

    @classmethod
    def read(cls, path) -> VoiceInfo:
        """Of a voice file, from its header alone; errors as :meth:`Voice.load`."""
        from vocoder.nn.checkpoint import read_metadata

        facts = _facts(read_metadata(path), path)
        return cls(**{name: facts[name] for name in cls.__dataclass_fields__})


def _name_of(source) -> str:
    return str(source) if isinstance(source, str | Path) else getattr(source, "name", "<audio>")


def trim_silence(wav: np.ndarray, keep_seconds: float = 0.1, below_db: float = 40.0) -> np.ndarray:
    """Cut silence at both ends: 20 ms blocks more than ``below_db`` under the loudest; keep a little."""
    block = 480
    n = len(wav) // block
    if n < 2:
        return wav
    level = np.sqrt(np.mean(wav[: n * block].reshape(n, block) ** 2, axis=1) + 1e-12)
    loud = np.flatnonzero(level > level.max() * 10 ** (-below_db / 20))
    margin = int(keep_seconds * SAMPLE_RATE)
    return wav[max(0, loud[0] * block - margin) : (loud[-1] + 1) * block + margin]


def to_level(wav: np.ndarray, dbfs: float = -23.0) -> np.ndarray:
    """Bring active speech (blocks within 30 dB of the loudest) to the level that the models were trained at."""
    block = 480
    n = max(1, len(wav) // block)
    power = np.mean(np.resize(wav, n * block).reshape(n, block) ** 2, axis=1)
    active = power[power >= power.max() * 1e-3].mean()
    gain = 10 ** (dbfs / 20) / np.sqrt(max(active, 1e-10))
    return (wav * min(gain, 0.99 / max(np.abs(wav).max(), 1e-6))).astype(np.float32)
