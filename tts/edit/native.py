"""A recording in its own sample rate and sample format, so that what is not edited stays as it is, bit for bit."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tts.base.errors import DataError, UsageError
from tts.base.files import atomic_write, check_writable
from tts.base.limits import LIMITS
from vocoder.audio.decode import import_soundfile, opened
from vocoder.audio.io import read_audio, read_info

_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_FLOATS = {"FLOAT": "float32", "DOUBLE": "float64"}
_HOLDS = {"wav": {"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"}, "flac": {"PCM_S8", "PCM_16", "PCM_24"}}


@dataclass(frozen=True, eq=False)
class Native:
    """Mono samples as a file holds them: integers with the sign at bit 31 (int32), or floats."""

    samples: np.ndarray  # int32, float32 or float64 [S]
    sample_rate: int
    subtype: str  # libsndfile's name: PCM_16, PCM_24, FLOAT ...
    lossy: str = ""  # the format whose decoding these samples are, when the file holds no samples

    @classmethod
    def read(cls, source) -> Native:
        """The samples of a path, of bytes, or of (samples, rate).

        Formats without samples of their own (MP3, Ogg) are decoded to 16 bits, as their copies usually are.

        Raises:
            NoInputError, DataError, ResourceError: as ``vocoder.audio.io.read_audio``, with LIMITS.align_seconds.
            DataError: Several channels.
        """
        info = read_info(source)
        if info.channels != 1:
            where = os.fspath(source) if isinstance(source, str | os.PathLike) else "<audio>"
            raise DataError(
                f"has {info.channels} channels; a recording of one is edited.", where=where, code="edit.channels",
                fix="Mix it to one channel first, or edit the channel of the voice.",
            )  # fmt: skip
        wav = read_audio(source, info.sample_rate, LIMITS.align_seconds)  # every check of a file that is not trusted
        if isinstance(source, tuple):
            samples = np.asarray(source[0]).reshape(-1)
            wide = samples.dtype == np.float64
            return cls(samples if wide else samples.astype(np.float32), info.sample_rate, "DOUBLE" if wide else "FLOAT")
        with opened(source) as (file, _, where):
            file.seek(0)
            with import_soundfile().SoundFile(file) as sound:
                subtype, lossy = sound.subtype, "" if sound.subtype in (*_BITS, *_FLOATS) else sound.format
                samples = sound.read(dtype="int16" if lossy else _FLOATS.get(subtype, "int32"))
        if len(samples) != len(wav):
            raise DataError(f"{len(samples)} or {len(wav)} samples, by two readers.", where=where, code="audio.damaged")
        if lossy:
            samples, subtype = samples.astype(np.int32) << 16, "PCM_16"
        return cls(samples, info.sample_rate, subtype, lossy)

    @property
    def wav(self) -> np.ndarray:
        """[S] float64, full scale 1."""
        return self.samples / (2.0**31 if self.samples.dtype == np.int32 else 1.0)

    def like(self, wav: np.ndarray) -> np.ndarray:
        """Samples of this format for [S] float64: rounded to its steps and clipped."""
        if self.samples.dtype != np.int32:
            return wav.astype(self.samples.dtype)
        bits = _BITS[self.subtype]
        top = 2 ** (bits - 1)
        return (np.clip(np.rint(wav * top), -top, top - 1).astype(np.int64) << (32 - bits)).astype(np.int32)

    def with_samples(self, samples: np.ndarray) -> Native:
        return replace(self, samples=samples)

    def check_output(self, path, force: bool = False) -> None:
        """Refuse an output that cannot hold these samples bit for bit, before any work."""
        self._subtype_in(_ending(path), str(path))
        check_writable(path, force)

    def _subtype_in(self, ending: str, where: str) -> str:
        subtype = self.subtype
        if subtype in ("PCM_U8", "PCM_S8"):
            subtype = "PCM_U8" if ending == "wav" else "PCM_S8"
        if subtype not in _HOLDS.get(ending, ()):
            raise UsageError(
                f"{f'.{ending}' if ending else 'a file without an ending'} cannot hold {self.subtype} samples as they are.",
                where=where, code="edit.format", fix="Write .wav, or .flac for up to 24 bits.",
            )  # fmt: skip
        return subtype

    def write(self, path, force: bool = False, note=None) -> None:
        """A WAV or FLAC file, by the ending, whole or not at all; ``note`` as of ``vocoder.audio.io.write_audio``."""
        self.check_output(path, force)
        atomic_write(path, self.encode(_ending(path), note), force)

    def encode(self, format: str, note=None) -> bytes:
        """The bytes of a file, "wav" or "flac"; ``note`` as of :meth:`write`."""
        data, subtype = io.BytesIO(), self._subtype_in(format, "response_format")
        with import_soundfile().SoundFile(data, "w", self.sample_rate, 1, subtype, format=format.upper()) as out:
            if note:
                out.comment = note({"sample_rate": self.sample_rate, "samples": len(self.samples)})
            out.write(self.samples)
        return data.getvalue()


def _ending(path) -> str:
    return Path(path).suffix.lower().lstrip(".")
