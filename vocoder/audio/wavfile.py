"""RIFF WAV: headers read with distrust, samples by numpy; headers written for files and for pipes.

Most audio that people hand in is WAV, and C libraries believe its headers: a data size of 0xFFFFFFFF or a
block size that does not fit passes without a word. Here every claim is checked against the bytes that exist.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from tts.base.errors import DataError, ResourceError
from tts.base.limits import LIMITS

_OPEN_END = 0xFFFFFFFF  # size fields of a stream whose end was not known
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_DECODABLE = {(_PCM, 8), (_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_FLOAT, 64)}


@dataclass(frozen=True)
class WavHeader:
    """What a WAV file holds, after all claims were checked."""

    format_tag: int  # 1 PCM, 3 float, others as in the registry (6 A-law, 7 mu-law)
    channels: int
    sample_rate: int  # Hz
    bits: int  # a sample
    data_offset: int  # byte of the first sample
    data_bytes: int
    open_end: bool  # the sizes were those of a stream; the data end where the file ends

    @property
    def frames(self) -> int:
        return self.data_bytes // (self.channels * self.bits // 8)

    @property
    def decodable(self) -> bool:
        """Whether ``blocks`` reads it; A-law, mu-law and ADPCM are left to the C library."""
        return (self.format_tag, self.bits) in _DECODABLE


def read_header(file: BinaryIO, size: int, where: str) -> WavHeader:
    """Walk the chunks of a RIFF or RF64 file up to its samples.

    Args:
        file: Seekable, at any position.
        size: Bytes that really exist in it.
        where: Name for messages.

    Raises:
        DataError: With the byte offset of the claim that does not hold.
    """

    def bad(what, pos, code):
        return DataError(
            what,
            where=where,
            pos=f"byte {pos}",
            code=f"audio.header.{code}",
            fix="The file is damaged or cut short: export it again.",
        )

    file.seek(0)
    head = file.read(12)
    if len(head) < 12 or head[8:12] != b"WAVE":
        raise bad("a RIFF file, but not WAVE.", 8, "not_wave")
    wide = head[:4] == b"RF64"
    riff_bytes = struct.unpack("<I", head[4:8])[0]
    offset, form, data_bytes_64 = 12, None, None
    for _ in range(LIMITS.wav_chunks):
        file.seek(offset)
        head = file.read(8)
        if len(head) < 8:
            raise bad("no data chunk: the file ends before any sample.", offset, "no_data")
        name, length = head[:4], struct.unpack("<I", head[4:])[0]
        body = offset + 8
        if name == b"data":
            if form is None:
                raise bad("samples come before the format.", offset, "no_format")
            claimed = data_bytes_64 if wide and length == _OPEN_END and data_bytes_64 is not None else length
            return _data_chunk(form, body, claimed, riff_bytes, size, wide, bad)
        if body + length > size:
            raise bad(f"chunk {name!r} claims {length:,} bytes, {size - body:,} are left.", offset + 4, "chunk_exceeds_file")
        if name == b"fmt ":
            if form is not None:
                raise bad("a second format chunk.", offset, "second_format")
            form = _format_chunk(file.read(min(length, 40)), offset, bad)
        elif name == b"ds64" and wide and length >= 16:
            data_bytes_64 = struct.unpack("<8xQ", file.read(16))[0]
        offset = body + length + (length & 1)
    raise bad(f"more than {LIMITS.wav_chunks} chunks before the samples.", offset, "chunks")


def _format_chunk(body: bytes, offset: int, bad) -> tuple[int, int, int, int]:
    if len(body) < 16:
        raise bad("format chunk shorter than 16 bytes.", offset + 4, "format_size")
    tag, channels, sample_rate, _, block_align, bits = struct.unpack("<HHIIHH", body[:16])
    if tag == _EXTENSIBLE:
        if len(body) < 40 or body[26:40] != _SUBFORMAT_TAIL:
            raise bad("extensible format without a known subformat.", offset + 8, "subformat")
        tag = struct.unpack("<H", body[24:26])[0]
    if not 1 <= channels <= LIMITS.channels:
        raise bad(f"{channels} channels; 1 to {LIMITS.channels} are read.", offset + 10, "channels")
    if not LIMITS.min_sample_rate <= sample_rate <= LIMITS.max_sample_rate:
        raise bad(
            f"sample rate {sample_rate:,} Hz; {LIMITS.min_sample_rate:,} to {LIMITS.max_sample_rate:,} are read.",
            offset + 12,
            "sample_rate",
        )
    if tag in (_PCM, _FLOAT):
        if (tag, bits) not in _DECODABLE:
            raise bad(f"{bits} bits a sample; 8, 16, 24, 32 or float 32, 64 are read.", offset + 22, "bits")
        if block_align != channels * bits // 8:
            raise bad(f"block size {block_align} does not fit {channels} x {bits} bits.", offset + 20, "block_align")
    return tag, channels, sample_rate, bits


def _data_chunk(form, body, claimed, riff_bytes, size, wide, bad) -> WavHeader:
    tag, channels, sample_rate, bits = form
    left = size - body
    frame = max(channels * bits // 8, 1)
    open_end = not wide and (claimed, riff_bytes) in ((_OPEN_END, _OPEN_END), (0, 0)) and left > 0
    if open_end:
        claimed = left
    if claimed > left:
        raise bad(f"the header promises {claimed:,} bytes of samples, the file holds {left:,}.", body - 4, "data_exceeds_file")
    if tag in (_PCM, _FLOAT) and claimed % frame:
        raise bad(f"{claimed:,} bytes are not a whole number of {frame}-byte frames.", body - 4, "partial_frame")
    return WavHeader(tag, channels, sample_rate, bits, body, claimed, open_end)


def blocks(file: BinaryIO, header: WavHeader) -> Iterator[np.ndarray]:
    """The samples as float [frames, channels], one second at a time; 1.0 is full scale."""
    frame = header.channels * header.bits // 8
    file.seek(header.data_offset)
    left = header.frames
    while left:
        count = min(left, header.sample_rate)
        data = file.read(count * frame)
        if len(data) < count * frame:
            raise DataError("the file shrank while it was read.", code="audio.truncated")
        yield _decode(data, header).reshape(count, header.channels)
        left -= count


def _decode(data: bytes, header: WavHeader) -> np.ndarray:
    if header.format_tag == _FLOAT:
        return np.frombuffer(data, "<f4" if header.bits == 32 else "<f8")
    if header.bits == 8:
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128.0) / 128.0
    if header.bits == 16:
        return np.frombuffer(data, "<i2").astype(np.float32) / 32768.0
    if header.bits == 32:
        return (np.frombuffer(data, "<i4") / 2147483648.0).astype(np.float32)
    triples = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(np.int32)
    value = triples[:, 0] << 8 | triples[:, 1] << 16 | triples[:, 2] << 24  # the sign lands in bit 31
    return (value / 2147483648.0).astype(np.float32)


def to_pcm16(wav: np.ndarray) -> np.ndarray:
    """float [S] to little-endian int16 [S]: scaled by 32768, rounded, clipped. ``read`` of it is exact to half a step."""
    return np.clip(np.rint(np.asarray(wav, np.float32) * np.float32(32768.0)), -32768, 32767).astype("<i2")


def wav_header(sample_rate: int, frames: int | None, rf64: bool = False, comment: str = "") -> bytes:
    """The bytes before mono 16-bit samples.

    Args:
        sample_rate: Hz.
        frames: Number of samples; None for a pipe, whose sizes are then 0xFFFFFFFF.
        rf64: Use 80 bytes instead of 44, with a chunk that holds 64-bit sizes when they are needed (EBU Tech 3306).
        comment: ASCII, for a LIST/INFO chunk; empty: none.

    Raises:
        ResourceError: More than 4 GiB without ``rf64``.
    """
    data_bytes = _OPEN_END if frames is None else frames * 2
    info = _info_chunk(comment) if comment else b""
    riff_bytes = _OPEN_END if frames is None else data_bytes + (72 if rf64 else 36) + len(info)
    name, room = b"RIFF", struct.pack("<4sI28x", b"JUNK", 28) if rf64 else b""
    if riff_bytes > _OPEN_END:
        if not rf64:
            raise ResourceError(
                f"{frames:,} samples do not fit a WAV file (4 GiB).",
                code="audio.wav_size",
                fix="Write FLAC or Opus, or several files.",
            )
        name, room = b"RF64", struct.pack("<4sI3QI", b"ds64", 28, riff_bytes, data_bytes, frames, 0)
        riff_bytes = data_bytes = _OPEN_END
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, _PCM, 1, sample_rate, sample_rate * 2, 2, 16)
    return struct.pack("<4sI4s", name, riff_bytes, b"WAVE") + room + form + info + struct.pack("<4sI", b"data", data_bytes)


def _info_chunk(comment: str) -> bytes:
    text = comment.encode("ascii") + b"\0"
    text += b"\0" * (len(text) & 1)
    return struct.pack("<4sI4s4sI", b"LIST", 12 + len(text), b"INFO", b"ICMT", len(text)) + text
