"""Opening audio with distrust: what a file holds, and its samples block by block.

WAV is read by ``wavfile``; everything else goes through libsndfile, with the checks that it lacks around it.
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tts.base.errors import DataError, NoInputError, ResourceError, UnavailableError
from tts.base.limits import LIMITS
from vocoder.audio import wavfile

Source = str | Path | bytes | BinaryIO | tuple[np.ndarray, int]


@dataclass(frozen=True)
class AudioInfo:
    """What a file says about itself; ``seconds`` is a claim for every format but WAV, and None when unknown."""

    format: str  # "WAV", "FLAC", "OGG", "MP3", ...
    subtype: str  # "PCM_16", "FLOAT", "OPUS", ...
    sample_rate: int  # Hz
    channels: int
    frames: int | None

    @property
    def seconds(self) -> float | None:
        return None if self.frames is None else self.frames / self.sample_rate


@contextmanager
def opened(source: Source, held: bool = True) -> Iterator[tuple[BinaryIO, int, str]]:
    """A seekable file, the bytes it really has, and its name.

    Args:
        source: Of pipes and of objects that are no files, up to LIMITS.audio_file_bytes are taken in.
        held: The samples will all be in memory. Where they are not, a file may have any size, and pipes go to a temporary file.
    """
    limit = LIMITS.audio_file_bytes
    with ExitStack() as stack:
        if isinstance(source, (str, os.PathLike)):
            where = os.fspath(source)
            try:
                file = stack.enter_context(open(source, "rb"))
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                raise NoInputError(
                    f"cannot be read: {reason}.", where=where, code="audio.unreadable", fix="Check the path and its permissions."
                ) from error
        elif isinstance(source, (bytes, bytearray, memoryview)):
            where, file = "<bytes>", io.BytesIO(source)
        else:
            where, file = getattr(source, "name", "<file>"), source
        try:
            regular = _is_regular(file) and not (held and file is source)
            opened = file if regular else stack.enter_context(io.BytesIO() if held else tempfile.TemporaryFile())  # noqa: SIM115
            if not regular:
                _copy(file, opened, limit + 1)
            size = opened.seek(0, io.SEEK_END)
        except OSError as error:
            raise NoInputError(f"cannot be read: {error.strerror}.", where=where, code="audio.unreadable") from error
        if size > limit and (held or not regular):
            raise ResourceError(
                f"larger than {limit:,} bytes.",
                where=where,
                code="audio.file_size",
                limit=limit,
                fix="Cut it, or store it as FLAC.",
            )
        if size == 0:
            raise DataError("the file is empty.", where=where, code="audio.empty", fix="Record or export it again.")
        yield opened, size, str(where)


def _is_regular(file: BinaryIO) -> bool:
    try:
        return isinstance(file, io.BytesIO) or stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (AttributeError, io.UnsupportedOperation):  # an object without a descriptor
        return False


def _copy(file: BinaryIO, target: BinaryIO, most: int) -> None:
    while most > 0 and (data := file.read(min(most, 1 << 20))):
        target.write(data)
        most -= len(data)


@contextmanager
def decoded(source: Source, held: bool = True) -> Iterator[tuple[AudioInfo, Iterator[np.ndarray], str]]:
    """What a source holds, its samples in blocks [frames, channels] of at most a second, its name; ``held`` as for ``opened``."""
    if not isinstance(source, tuple):
        with opened(source, held) as (file, size, where), decoder(file, size, where) as (info, blocks):
            yield info, blocks, where
        return
    samples, sample_rate = np.asarray(source[0], np.float32), source[1]
    samples = samples[:, None] if samples.ndim == 1 else samples
    if samples.ndim != 2 or not 1 <= samples.shape[1] <= LIMITS.channels:
        raise DataError(
            f"samples of shape {samples.shape}; [S] or [S, channels] are read, 1 to {LIMITS.channels} channels.",
            where="<audio>",
            code="audio.header.channels",
        )
    if not LIMITS.min_sample_rate <= sample_rate <= LIMITS.max_sample_rate:
        raise DataError(f"sample rate {sample_rate!r:.40} Hz.", where="<audio>", code="audio.header.sample_rate")
    info = AudioInfo("ARRAY", "FLOAT", int(sample_rate), samples.shape[1], len(samples))
    yield info, (samples[i : i + info.sample_rate] for i in range(0, len(samples), info.sample_rate)), "<audio>"


@contextmanager
def decoder(file: BinaryIO, size: int, where: str) -> Iterator[tuple[AudioInfo, Iterator[np.ndarray]]]:
    """What the file holds, and its samples as blocks [frames, channels] of at most a second."""
    file.seek(0)
    magic = file.read(4)
    if magic in (b"RIFF", b"RF64"):
        header = wavfile.read_header(file, size, where)
        if header.decodable:
            subtype = "FLOAT" if header.format_tag == 3 else f"PCM_{header.bits}"
            info = AudioInfo("WAV", subtype, header.sample_rate, header.channels, header.frames)
            yield info, wavfile.blocks(file, header)
            return
    if magic == b"OggS":
        _check_ogg_end(file, size, where)
    soundfile = import_soundfile()
    mp3_tells_length = _mp3_tells_length(file)
    file.seek(0)
    try:
        sound = soundfile.SoundFile(file)
    except (soundfile.SoundFileError, TypeError, OSError) as error:
        raise DataError(
            f"not an audio file that can be read ({_looks_like(magic)}).",
            where=where,
            code="audio.format",
            fix="Give WAV, FLAC, Ogg (Opus, Vorbis), MP3 or AIFF.",
        ) from error
    with sound:
        if not 1 <= sound.channels <= LIMITS.channels:
            raise DataError(
                f"{sound.channels} channels; 1 to {LIMITS.channels} are read.", where=where, code="audio.header.channels"
            )
        if not LIMITS.min_sample_rate <= sound.samplerate <= LIMITS.max_sample_rate:
            raise DataError(
                f"sample rate {sound.samplerate:,} Hz; {LIMITS.min_sample_rate:,} to {LIMITS.max_sample_rate:,} are read.",
                where=where,
                code="audio.header.sample_rate",
            )
        known = 0 < sound.frames < 2**62 and (sound.format != "MP3" or mp3_tells_length)
        frames = sound.frames if known else None
        yield AudioInfo(sound.format, sound.subtype, sound.samplerate, sound.channels, frames), _sound_blocks(sound, where)


def _check_ogg_end(file: BinaryIO, size: int, where: str) -> None:
    """The last Ogg page is whole and marked as the end; libsndfile takes a cut stream for a shorter one."""
    file.seek(max(0, size - 2 * 65_307))  # the largest page has 65,307 bytes
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    segments = page[26] if len(page) > 26 else 255
    length = 27 + segments + sum(page[27 : 27 + segments])
    if len(page) < length or not page[5] & 4:
        raise DataError(
            "the Ogg stream has no end: the file was cut short.",
            where=where,
            pos=f"byte {size - len(page)}",
            code="audio.truncated",
            fix="Copy or export it again.",
        )


def _mp3_tells_length(file: BinaryIO) -> bool:
    """Whether the first frame of an MP3 file tells its length; a stream's does not, and libsndfile guesses it by the bytes."""
    file.seek(0)
    head = file.read(10)
    tag = sum(byte << 7 * (3 - i) for i, byte in enumerate(head[6:])) + 10 if head.startswith(b"ID3") else 0
    file.seek(tag)
    first = file.read(256)
    return any(name in first for name in (b"Xing", b"Info", b"VBRI"))


def _sound_blocks(sound, where: str) -> Iterator[np.ndarray]:
    soundfile, count = import_soundfile(), 0
    while True:
        try:
            block = sound.read(sound.samplerate, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            reason = str(error).removeprefix("Error : ").rstrip(".")
            raise DataError(
                f"damaged after {count:,} samples: {reason}.",
                where=where,
                pos=f"sample {count}",
                code="audio.damaged",
                fix="Copy or export it again.",
            ) from error
        if not len(block):
            return
        yield block
        count += len(block)


def _looks_like(magic: bytes) -> str:
    known = {b"\x00\x00\x00": "MP4 or M4A", b"PK\x03": "a zip archive", b"%PDF": "PDF", b"\x1aE\xdf": "WebM or Matroska"}
    for start, name in known.items():
        if magic.startswith(start):
            return f"it looks like {name}"
    return f"it begins with {magic!r}"


def import_soundfile():
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise UnavailableError(
            "soundfile is not installed, so only WAV can be read and written.",
            code="audio.soundfile",
            fix="pip install soundfile",
        ) from error
    return soundfile
