"""Voices: a short reference of a person's speech, and for house voices a style vector averaged over many clips.

A voice is one small safetensors file (``tts/voicefile.py``). A cloned voice holds only its reference, so that every
model can speak with it; a style vector belongs to the model that made it, and any other model refuses it by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from numbers import Real
from pathlib import Path

import numpy as np

from tts import voicefile
from tts.base.errors import DataError
from tts.base.files import atomic_write
from tts.consent import consent_record
from tts.listen import LONGEST_REFERENCE, Report, listen, name_of, to_level

__all__ = ["LONGEST_REFERENCE", "Voice", "VoiceInfo", "to_level"]


@dataclass(frozen=True, eq=False)
class Voice:
    """Who speaks."""

    name: str
    reference: np.ndarray  # float32 [T, 100] log-mel of the person's speech
    style: np.ndarray | None = None  # float32 [style_dim], made by the model ``model_id``
    model_id: str | None = None
    tokens: np.ndarray | None = None  # float32 [n_tokens, dim] beside the style, of a fitted voice (tts/fit.py)
    language: str = ""  # the first of ``languages``
    gender: str = "u"
    corpus: str = ""
    licence: str = ""
    minutes: float = 0.0  # of this voice in the training data
    consent: dict = field(default_factory=dict)  # tts.consent
    source_sha256: str = ""  # of the recordings' samples
    languages: tuple[str, ...] = ()  # heard in the recordings
    speaker: np.ndarray | None = None  # float32 [192] of length one, by the speaker encoder ``speaker_model``
    speaker_model: str | None = None
    pitch: tuple[float, float] | None = None  # median F0 in Hz; spread of its natural log, as a standard deviation
    report: Report | None = None  # what was heard in the recordings
    borders: tuple[int, ...] = ()  # frames of ``reference`` at which another stretch of speech begins

    def __post_init__(self):
        languages = tuple(self.languages) or ((self.language,) if self.language else ())
        object.__setattr__(self, "languages", languages)
        object.__setattr__(self, "language", self.language or next(iter(languages), ""))

    @classmethod
    def from_audio(cls, paths, *, consent=None, name: str | None = None, language: str = "", licence: str = "") -> Voice:
        """A voice from one or several recordings.

        Of all speech that is found, the best 30 s are kept: voiced, far above the noise, not clipped, without the pauses.

        Args:
            paths: Recording or recordings of one person: files, their bytes, or (samples, sample rate); 6 to 30 seconds serve
                best.
            consent: Who agreed, how and when; required, because a voice is personal data. A sentence, a dict, or a JSON
                file: :func:`tts.consent.consent_record`.
            name: Name of the voice; after the first file when None.
            language: Tag of the language spoken, if known.
            licence: Under which the recordings may be used.

        Raises:
            NotPermittedError: No consent is given, or it has expired.
            UsageError, NoInputError, DataError: see :func:`tts.listen.listen`.
        """
        paths = as_list(paths)
        record = consent_record(consent, name_of(paths[0]) if paths else None)
        if not paths:
            raise DataError("a voice needs at least one recording.", where="paths", code="voice.no_audio")
        heard = listen(paths)
        stem = re.sub(r"[^a-z0-9_-]+", "-", Path(name_of(paths[0])).stem.lower()).strip("-_") or "voice"
        mel = heard.mel.astype(np.float16).astype(np.float32)  # as a file keeps it
        voice = cls(
            name=name or stem[:64], reference=mel, language=language, licence=licence, consent=record,
            source_sha256=heard.sha256, pitch=pitch_of(heard.f0), report=heard.report, borders=heard.borders,
        )  # fmt: skip
        return _with_speaker(voice)

    @classmethod
    def blend(cls, weights: dict[Voice, float], name: str = "mix", model=None) -> Voice:
        """A mix of voices for one model: :func:`tts.blend.blend`."""
        from tts.blend import blend

        return blend(weights, name, model)

    def save(self, path, force: bool = False) -> None:
        """Write the voice as one safetensors file."""
        atomic_write(path, self.to_bytes(), force)

    def to_bytes(self) -> bytes:
        """The voice as the bytes of its file."""
        facts = {
            "name": self.name, "model_id": self.model_id, "languages": list(self.languages), "gender": self.gender,
            "corpus": self.corpus, "licence": self.licence, "minutes": self.minutes, "consent": self.consent,
            "source_sha256": self.source_sha256, "speaker_model": self.speaker_model,
            "pitch": None if self.pitch is None else [round(float(v), 4) for v in self.pitch],
            "report": self.report and self.report.to_dict(), "borders": [int(b) for b in self.borders],
        }  # fmt: skip
        arrays = {"reference": self.reference, "style": self.style, "tokens": self.tokens, "speaker": self.speaker}
        return voicefile.encode(facts, {key: a for key, a in arrays.items() if a is not None})

    @classmethod
    def load(cls, path) -> Voice:
        """Read a voice file.

        Raises:
            NoInputError, ModelError: The file is missing, damaged, changed, or of a newer format.
            NotPermittedError: Its consent has expired.
        """
        facts, arrays = voicefile.read(path)
        kept = {key: facts[key] for key in facts if key not in ("tensors", "digest", "languages", "pitch", "borders")}
        pitch = facts["pitch"] and tuple(facts["pitch"])
        return cls(**kept, **arrays, languages=tuple(facts["languages"]), pitch=pitch, borders=tuple(facts["borders"]))


def as_list(paths) -> list:
    """One recording or several, as a list; a tuple of samples and rate is one."""
    several = isinstance(paths, list | tuple) and not (len(paths) == 2 and isinstance(paths[1], Real))
    return list(paths) if several else [paths]


def pitch_of(f0: np.ndarray) -> tuple[float, float] | None:
    """(median in Hz, spread of the natural log) of F0 [T], 0 = unvoiced; None when fewer than 10 frames are voiced.

    The spread is half the distance of the 16th from the 84th percentile: a standard deviation that a few octave
    errors do not move.
    """
    voiced = f0[f0 > 0]
    if len(voiced) < 10:
        return None
    low, middle, high = np.percentile(np.log(voiced), [16, 50, 84])
    return float(np.exp(middle)), float((high - low) / 2)


def _with_speaker(voice: Voice) -> Voice:
    """The voice with what the speaker encoder says of it, when one is installed."""
    from tts.likeness import installed_encoder, split, split_warning

    encoder = installed_encoder()
    if encoder is None:
        return voice
    cosine = split(encoder, voice.reference)
    report = replace(voice.report, split=cosine, warnings=voice.report.warnings + split_warning(cosine))
    speaker = encoder.embed(voice.reference)
    return replace(voice, speaker=speaker, speaker_model=encoder.config["model_id"], report=report)


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

        facts = voicefile.read_facts(read_metadata(path), path)
        facts["language"] = next(iter(facts["languages"]), "")
        return cls(**{name: facts[name] for name in cls.__dataclass_fields__})
