"""Audio files in and out: mono float32, any common format in; wav, flac, ogg, opus, mp3 and raw pcm out.

A file is never trusted: sizes are checked against the bytes that exist, decoding goes block by block against a
sample cap, and what comes out is finite. A result is written whole or not at all (``tts.base.files``).
"""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import logging
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tts.base.errors import DataError, FileError, ResourceError, UsageError
from tts.base.files import atomic_file
from tts.base.limits import LIMITS
from vocoder.audio import wavfile
from vocoder.audio.decode import AudioInfo, Source, decoded, import_soundfile, opened
from vocoder.audio.ogg import add_comments

#: Names that ``--format`` and file endings may use -> (libsndfile container, subtype); None: written here.
FORMATS = {
    "wav": None,
    "pcm": None,
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "OPUS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
_RATES = {
    "OPUS": (8_000, 12_000, 16_000, 24_000, 48_000),
    "MPEG_LAYER_III": (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
}
MP3_STREAM_KBPS = 64.0
_PIECE = 1 << 16  # bytes
TAGS = {"TITLE", "ARTIST", "ALBUM", "TRACKNUMBER"}  # that libsndfile writes
Note = Callable[[dict], str]  # what is known of the samples -> ASCII for the file's comment; "" for none
_log = logging.getLogger("parlance.audio")


def read_info(source: Source) -> AudioInfo:
    """Format, rate, channels and claimed length of an audio file; errors as ``read_audio``."""
    with decoded(source, held=False) as (info, _, _):
        return info


def read_comment(source: Source) -> str:
    """The comment that an audio file carries (ICMT of WAV, COMMENT of FLAC and Ogg, ID3 of MP3); "" when there is none."""
    with opened(source, held=False) as (file, _, _):
        soundfile = import_soundfile()
        file.seek(0)
        try:
            with soundfile.SoundFile(file) as sound:
                return sound.comment
        except (soundfile.SoundFileError, TypeError, OSError, UnicodeDecodeError):
            return ""


def pcm_sha256(source: Source) -> str:
    """SHA-256 in hex of the samples as 16-bit little-endian PCM, channels interleaved."""
    digest = hashlib.sha256()
    with decoded(source, held=False) as (_, blocks, _):
        for block in blocks:
            digest.update(wavfile.to_pcm16(block).tobytes())
    return digest.hexdigest()


def read_audio(source: Source, sample_rate: int = 24_000, max_seconds: float = LIMITS.audio_seconds) -> np.ndarray:
    """Read an audio file as mono samples at ``sample_rate``.

    Channels are averaged; other rates are resampled (soxr HQ); float samples above full scale scale the clip down.

    Args:
        source: Path, the file's bytes, a binary file object, or (samples [S] or [S, channels], their sample rate in Hz).
        sample_rate: Of the result, Hz.
        max_seconds: More audio than this is refused, whatever the header says, before it is held in memory.

    Returns:
        [S] float32 in [-1, 1], at least one sample.

    Raises:
        NoInputError: Missing or unreadable path.
        DataError: Not audio, damaged, cut short, NaN or Inf (with the sample's index), no samples.
        ResourceError: Longer than ``max_seconds`` or larger than LIMITS.audio_file_bytes.
    """
    if isinstance(source, np.ndarray):
        raise UsageError(
            "samples come with their rate.", where="<audio>", code="audio.no_rate", fix="Give (samples, sample_rate)."
        )
    with open_audio(source, sample_rate, max_seconds, held=True) as (_, blocks):
        parts = list(blocks)
    wav = np.concatenate(parts)
    peak = float(np.abs(wav).max(initial=0.0))
    if peak > 1.0:
        name = source if isinstance(source, str | os.PathLike) else "<audio>"
        _log.info("%s: peak %.3f above full scale, the clip is scaled down", name, peak)
        wav /= np.float32(peak)
    return wav


def read_blocks(source: Source, sample_rate: int = 24_000, max_seconds: float = LIMITS.audio_seconds) -> Iterator[np.ndarray]:
    """The samples of :func:`read_audio` in blocks of about a second, [S] float32, for hours in little memory; levels as they are.

    Errors as there, when the place in the file is reached; a file may have any size.
    """
    with open_audio(source, sample_rate, max_seconds) as (_, blocks):
        yield from blocks


@contextmanager
def open_audio(source: Source, sample_rate: int = 24_000, max_seconds: float = LIMITS.audio_seconds, held: bool = False):
    """What an audio file says about itself (AudioInfo), and its samples as of :func:`read_blocks`; open while the block runs.

    ``held``: all samples will be kept in memory, so the file is refused when it is larger than LIMITS.audio_file_bytes.
    """
    with decoded(source, held) as (info, blocks, where):
        yield info, _mono_blocks(info, blocks, where, sample_rate, max_seconds)


def _mono_blocks(info: AudioInfo, blocks: Iterator[np.ndarray], where: str, sample_rate: int, max_seconds: float):
    cap = int(max_seconds * info.sample_rate)
    count, resampler = 0, _resampler(info.sample_rate, sample_rate)
    for block in blocks:
        _check_block(block, count, where)
        count += len(block)
        if count > cap:
            raise ResourceError(
                f"more than {max_seconds:g} s of audio.",
                where=where,
                code="audio.too_long",
                limit=max_seconds,
                fix=f"Cut it to {max_seconds:g} s or less.",
            )
        mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        mono = np.ascontiguousarray(mono, np.float32)
        yield resampler.resample_chunk(mono) if resampler else mono
    if count == 0:
        raise DataError("holds no samples.", where=where, code="audio.empty", fix="Record or export it again.")
    if info.frames is not None and count < info.frames:
        raise DataError(
            f"ends after {count:,} of {info.frames:,} samples: the file was cut short.",
            where=where,
            pos=f"sample {count}",
            code="audio.truncated",
            fix="Copy or export it again.",
        )
    if resampler:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def resample(wav: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """[S] float32 from one sample rate to another (soxr HQ)."""
    if from_rate == to_rate:
        return wav
    import soxr

    return soxr.resample(np.asarray(wav, np.float32), from_rate, to_rate, "HQ")


def check_speech(wav: np.ndarray, sample_rate: int, min_seconds: float, where: str = "<audio>") -> None:
    """Refuse audio that cannot serve as a reference: not finite, too short, or silent.

    Silence is judged over 20 ms windows: at least ``min_seconds`` of them must be above -50 dB of full scale.
    """
    bad = np.flatnonzero(~np.isfinite(wav))
    if bad.size:
        raise DataError(
            f"sample is {wav[bad[0]]}.",
            where=where,
            pos=f"sample {bad[0]}",
            code="audio.not_finite",
            fix="Export the recording again.",
        )
    seconds = len(wav) / sample_rate
    if seconds < min_seconds:
        raise DataError(
            f"is {seconds:.2f} s long; at least {min_seconds:g} s of speech are needed.",
            where=where,
            code="audio.too_short",
            limit=min_seconds,
            fix="3 to 10 s of clear speech work best.",
        )
    window = sample_rate // 50
    usable = len(wav) // window * window
    level = np.sqrt(np.mean(np.square(wav[:usable].reshape(-1, window), dtype=np.float64), axis=1))
    loud = float(np.count_nonzero(level > 10 ** (-50 / 20))) * window / sample_rate
    if loud < min_seconds:
        raise DataError(
            f"holds {loud:.2f} s of sound above -50 dBFS; at least {min_seconds:g} s of speech are needed.",
            where=where,
            code="audio.silent",
            limit=min_seconds,
            fix="Check the recording's level.",
        )


def format_of(path: str | Path, format: str | None = None) -> str:
    """The output format: as asked, else by the file's ending, else wav for ``-``; refused by name when unknown."""
    name = (format or Path(path).suffix.lstrip(".")).lower()
    if not name and str(path) == "-":
        return "wav"
    if name not in FORMATS:
        ending = Path(path).suffix
        what = f"ending {ending!r} names no audio format." if ending else "no ending names the audio format."
        what = f"format {format!r} is not known." if format else what
        raise UsageError(what, where=path, code="audio.format", fix=f"Use one of: {', '.join(FORMATS)}.")
    return name


def encode_audio(
    wav: np.ndarray, sample_rate: int, format: str = "wav", bitrate: float | None = None, note: Note | None = None
) -> bytes:
    """The bytes of an audio file; arguments and errors as ``write_audio``."""
    name = format_of("-", format)
    options = _coding(name, sample_rate, bitrate)
    buffer = io.BytesIO()
    _write(buffer, _finite([wav]), sample_rate, name, options, note=note)
    return buffer.getvalue()


def encode_chunks(
    chunks: Iterable[np.ndarray], sample_rate: int, format: str = "wav", bitrate: float | None = None, note: Note | None = None
) -> Iterator[bytes]:
    """The bytes of an audio file while its samples come, for a reader who waits: a piece a chunk, empty where the encoder
    still gathers, and the rest. Arguments and errors as ``write_audio``.

    The size in a WAV header is 0xFFFFFFFF, as to a pipe. MP3 has a constant bit rate, 64 kbit/s when None, because the length
    of another could not be told, and lasts up to 0.1 s longer. FLAC needs its length in front: it comes when all is known.
    """
    name = format_of("-", format)
    options = _coding(name, sample_rate, MP3_STREAM_KBPS if name == "mp3" and bitrate is None else bitrate)
    return _encoded(_finite(chunks), sample_rate, name, options, note)


def _encoded(chunks: Iterator[np.ndarray], sample_rate: int, name: str, options: dict, note: Note | None) -> Iterator[bytes]:
    chunks = itertools.chain([next(chunks, np.zeros(0, np.float32))], chunks)  # with the first, the note is known
    if not FORMATS[name]:
        comment = note({"sample_rate": sample_rate}) if note else ""
        head = wavfile.wav_header(sample_rate, None, comment=comment) if name == "wav" else b""
        for chunk in chunks:
            yield head + wavfile.to_pcm16(chunk).tobytes()
            head = b""
    elif name == "flac":
        with tempfile.TemporaryFile() as whole:
            for _ in _coded(whole, chunks, sample_rate, options, note):
                yield b""
            whole.seek(0)
            while piece := whole.read(_PIECE):
                yield piece
    else:
        passing = _Passing()
        for _ in _coded(passing, chunks, sample_rate, options, note):
            yield passing.take()
        yield passing.take()


def write_audio(
    path: str | Path,
    wav: np.ndarray | Iterable[np.ndarray],
    sample_rate: int,
    format: str | None = None,
    bitrate: float | None = None,
    force: bool = False,
    rf64: bool = False,
    note: Note | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write an audio file: whole or not at all, in the memory of one chunk.

    To a pipe, for ``-`` too, wav and pcm go chunk by chunk (WAV sizes are then 0xFFFFFFFF); other formats are encoded
    into a temporary file first.

    Args:
        path: Output; its ending gives the format unless ``format`` does. ``-`` is standard output.
        wav: [S] float32, clipped to [-1, 1]; or such chunks in order. Nothing is opened before the first is there.
        sample_rate: Hz.
        format: A key of FORMATS. ``pcm`` is raw 16-bit little-endian mono.
        bitrate: kbit/s for ogg, opus (6-256) and mp3 (8-160); None takes the encoder's default.
        force: Replace an existing file.
        rf64: Keep room in the header of a WAV file, so that it may pass 4 GiB.
        note: Gives the text of the file's comment (raw pcm has none), when the first samples are there and, for wav and flac
            files, once more when ``samples`` and ``pcm_sha256`` are known beside ``sample_rate``.
        tags: Comments such as TITLE and ARTIST, of a file: any in ogg and opus, those of ``TAGS`` in flac and mp3.

    Raises:
        UsageError: Format, rate and bit rate do not go together.
        DataError: A sample is not finite.
        ResourceError: More than 4 GiB of WAV without ``rf64``.
        CannotCreateError: The file exists and ``force`` is false, or its folder is missing or not writable.
        FileError: Disk full or another device error; the old file is intact.
    """
    name = format_of(path, format)
    options = _coding(name, sample_rate, bitrate)
    chunks = _finite([wav] if isinstance(wav, np.ndarray) else wav)
    chunks = itertools.chain([next(chunks, np.zeros(0, np.float32))], chunks)
    if str(path) == "-":
        _write_piped(sys.stdout.buffer, chunks, sample_rate, name, options, note)
        return
    with atomic_file(path, force) as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            _write(file, chunks, sample_rate, name, options, rf64, note, tags)
        else:  # a device or FIFO
            _write_piped(file, chunks, sample_rate, name, options, note)


def resample_chunks(chunks: Iterable[np.ndarray], from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    """``resample`` of the joined chunks [S_i], chunk by chunk: the same samples."""
    resampler = _resampler(from_rate, to_rate)
    for chunk in chunks:
        yield resampler.resample_chunk(chunk) if resampler else chunk
    if resampler:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _finite(chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    count = 0
    for chunk in chunks:
        chunk = np.asarray(chunk, np.float32)
        bad = np.flatnonzero(~np.isfinite(chunk))
        if bad.size:
            raise DataError(
                f"sample is {chunk[bad[0]]}; only finite samples are written.",
                pos=f"sample {count + bad[0]}",
                code="audio.not_finite",
            )
        count += len(chunk)
        yield chunk


def check_coding(format: str, sample_rate: int, bitrate: float | None = None) -> None:
    """Refuse what ``write_audio`` would refuse, before any work; errors as there."""
    _coding(format, sample_rate, bitrate)


def _coding(name: str, sample_rate: int, bitrate: float | None) -> dict:
    """libsndfile's options for a format of FORMATS; what cannot be encoded is refused before any work."""
    container, subtype = FORMATS[name] or (None, None)
    if sample_rate not in _RATES.get(subtype, (sample_rate,)):
        raise UsageError(
            f"{name} cannot hold {sample_rate:,} Hz.",
            where="sample_rate",
            code="audio.rate",
            fix=f"Use one of {', '.join(map(str, _RATES[subtype]))}.",
        )
    if container:
        import_soundfile()
    options = {"format": container, "subtype": subtype}
    return options if bitrate is None else options | _bitrate_options(name, subtype, bitrate)


def _write(file: BinaryIO, chunks, sample_rate: int, name: str, options: dict, rf64: bool = False, note: Note | None = None,
           tags: Mapping[str, str] | None = None) -> None:  # fmt: skip
    """Into a file that can seek: sizes and comment are written into the header when they are known."""
    if FORMATS[name]:
        _write_coded(file, chunks, sample_rate, options, note, tags or {})
        return
    known = _Known(sample_rate, note)
    header = functools.partial(wavfile.wav_header, sample_rate, rf64=rf64) if name == "wav" else lambda count, comment: b""
    file.write(header(0, comment=known.room))
    for chunk in chunks:
        pcm = known.add(wavfile.to_pcm16(chunk))
        header(known.count, comment=known.room)  # what does not fit is refused at once
        file.write(pcm.tobytes())
    file.seek(0)
    file.write(header(known.count, comment=known.comment()))


def _write_piped(file: BinaryIO, chunks: Iterable[np.ndarray], sample_rate: int, name: str, options: dict, note: Note | None):
    if FORMATS[name]:
        with tempfile.TemporaryFile() as whole:
            _write_coded(whole, chunks, sample_rate, options, note, {})
            whole.seek(0)
            shutil.copyfileobj(whole, file)
        file.flush()
        return
    comment = note({"sample_rate": sample_rate}) if note else ""
    file.write(wavfile.wav_header(sample_rate, None, comment=comment) if name == "wav" else b"")
    for chunk in chunks:
        file.write(wavfile.to_pcm16(chunk).tobytes())
        file.flush()


def _write_coded(file: BinaryIO, chunks: Iterable[np.ndarray], sample_rate: int, options: dict, note: Note | None,
                 tags: Mapping[str, str]) -> None:  # fmt: skip
    for _ in _coded(file, chunks, sample_rate, options, note, tags):
        pass


def _coded(file, chunks: Iterable[np.ndarray], sample_rate: int, options: dict, note: Note | None,
           tags: Mapping[str, str] | None = None) -> Iterator[None]:  # fmt: skip
    """Through libsndfile, a step a chunk. It writes to a descriptor itself: an interruption inside a callback would be lost."""
    tags = tags or {}
    soundfile = import_soundfile()
    target = file if isinstance(file, io.BytesIO | _Passing) else file.fileno()
    lossless = options["subtype"] == "PCM_16"
    known = _Known(sample_rate, note, lossless)
    try:
        with soundfile.SoundFile(target, "w", sample_rate, 1, closefd=False, **options) as out:
            if known.room:
                out.comment = known.room
            for tag in (tag for tag in tags if tag in TAGS):
                setattr(out, tag.lower(), tags[tag])
            for chunk in chunks:
                for start in range(0, len(chunk), sample_rate):  # its Vorbis and Opus need short writes
                    part = np.clip(chunk[start : start + sample_rate], -1.0, 1.0)
                    out.write(known.add(wavfile.to_pcm16(part)) if lossless else part)
                yield
    except (soundfile.LibsndfileError, AssertionError) as error:  # AssertionError: it wrote less than it was given
        reason = str(error) or "the disk is full"
        raise FileError(f"encoding {options['format']} failed: {reason}.", code="audio.encode", fix="Free some space.") from error
    if known.room and lossless:
        _replace_comment(file, known)
    further = [(tag, tags[tag]) for tag in tags if tag not in TAGS]
    if further and options["format"] == "OGG":
        with tempfile.TemporaryFile() as plain:
            file.seek(0)
            shutil.copyfileobj(file, plain)
            plain.seek(0)
            file.seek(0)
            file.truncate()
            add_comments(plain, file, further)


class _Passing:
    """A file for libsndfile whose bytes are taken away as they come; what it would change in those stays as it was."""

    def __init__(self):
        self._first, self._place, self._held = 0, 0, bytearray()  # of the bytes that are held; of the next one

    def write(self, data) -> int:
        size, at = len(data), self._place - self._first
        self._place += size
        if at >= 0:
            self._held[at : at + size] = data
        return size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = offset + (0, self._place, self._first + len(self._held))[whence]
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, size: int = -1) -> bytes:
        return b""

    def take(self) -> bytes:
        data = bytes(self._held)
        self._first += len(data)
        self._held.clear()
        return data


class _Known:
    """Count and hash of the samples of a file, and the comment made of them; ``room`` is as long and stands there first."""

    def __init__(self, sample_rate: int, note: Note | None, lossless: bool = True):
        self.note, self.facts, self.count, self.digest = note, {"sample_rate": sample_rate}, 0, hashlib.sha256()
        most = {"samples": 10**12, "pcm_sha256": "0" * 64} if lossless else {}
        self.room = note({**self.facts, **most}) if note else ""

    def add(self, pcm: np.ndarray) -> np.ndarray:
        self.count += len(pcm)
        if self.room:
            self.digest.update(pcm.tobytes())
        return pcm

    def comment(self) -> str:
        if not self.room:
            return ""
        return self.note({**self.facts, "samples": self.count, "pcm_sha256": self.digest.hexdigest()}).ljust(len(self.room))


def _replace_comment(file: BinaryIO, known: _Known) -> None:
    """In a FLAC file's metadata, which no checksum covers."""
    if not isinstance(file, io.BytesIO):
        file.flush()
    file.seek(0)
    place = file.read(len(known.room) + 65_536).find(known.room.encode())
    if place >= 0:
        file.seek(place)
        file.write(known.comment().encode())
        file.flush()


def _check_block(block: np.ndarray, first: int, where: str) -> None:
    peak = float(np.abs(block).max(initial=0.0))
    if peak <= LIMITS.sample_peak:  # false for NaN too
        return
    index = first + int(np.flatnonzero(~(np.abs(block) <= LIMITS.sample_peak).all(axis=1))[0])
    value = block[index - first][~(np.abs(block[index - first]) <= LIMITS.sample_peak)][0]
    code = "audio.peak" if np.isfinite(value) else "audio.not_finite"
    raise DataError(
        f"sample is {value:g}; finite samples up to {LIMITS.sample_peak:g} are read.",
        where=where,
        pos=f"sample {index}",
        code=code,
        fix="Export the recording again.",
    )


def _resampler(from_rate: int, to_rate: int):
    if from_rate == to_rate:
        return None
    import soxr

    return soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")


def _bitrate_options(format: str, subtype: str, kbps: float) -> dict:
    """libsndfile takes a compression level 0..1 that is linear in the bit rate (measured with libsndfile 1.2.2)."""
    ranges = {"OPUS": (6.0, 256.0), "MPEG_LAYER_III": (8.0, 160.0)}
    low, high = ranges.get(subtype, (0.0, 0.0))
    if not low <= kbps <= high or subtype not in ranges:
        raise UsageError(
            f"bit rate {kbps:g} kbit/s is not possible for {format}.",
            where="bitrate",
            code="audio.bitrate",
            fix="ogg and opus take 6 to 256, mp3 8 to 160; flac, wav and pcm have none.",
        )
    level = (high - kbps) / (high - low)
    return {"compression_level": level} | ({} if subtype == "OPUS" else {"bitrate_mode": "CONSTANT"})
