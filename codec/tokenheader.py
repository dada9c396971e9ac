"""Header of a token file: what the codes are, as a dataclass and as bytes. The byte table is in ``docs/token-format.md``."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

from tts.base import strict_json
from tts.base.errors import DataError
from tts.base.limits import LIMITS

MAGIC = b"\x97PTK\r\n\x1a\n"
MAJOR, MINOR = 1, 0
START_BYTES = 12  # magic, version and the length of the whole header

_FIXED = struct.Struct("<8sBBHIQHHHBB16s24s")
_CRC = struct.Struct("<I")
_UNKNOWN = (1 << 64) - 1
_LONGEST_BLOCK = 8192  # frames: at 15 bits a book still fits the 14 bits of its length
_CODEC = re.compile(r"[a-z0-9][a-z0-9._-]{0,23}")
_WEIGHTS = re.compile(r"[0-9a-f]{32}")
_OFFSETS = {
    "sample_rate": 12,
    "n_samples": 16,
    "hop_length": 24,
    "block_frames": 26,
    "metadata": 28,
    "n_q": 30,
    "bits": 31,
    "weights": 32,
    "codec": 48,
}


@dataclass(frozen=True)
class TokenHeader:
    """What the codes of a file are.

    Raises:
        DataError: A field is out of its range; ``where`` names it.
    """

    codec: str  # name of the codec: a-z 0-9 . _ -, at most 24
    weights: str  # hex of the first 16 bytes of the SHA-256 of its quantiser's weights
    sample_rate: int  # Hz of the sound
    hop_length: int  # samples a frame
    n_q: int  # books
    bits: int  # a code: 2^bits is at least the codebook size
    n_samples: int | None = None  # of the sound; None: a stream, only its end knows
    block_frames: int = 300  # frames of every block but the last, the unit of loss and of waiting
    metadata: dict = field(default_factory=dict)  # JSON

    def __post_init__(self):
        self._check_range("sample_rate", LIMITS.min_sample_rate, LIMITS.max_sample_rate)
        self._check_range("hop_length", 1, 0xFFFF)
        self._check_range("n_q", 1, LIMITS.token_books)
        self._check_range("bits", 1, 15)
        self._check_range("block_frames", 1, _LONGEST_BLOCK)
        if self.n_samples is not None:
            self._check_range("n_samples", 0, int(self.hop_length) << 32)
        if not _CODEC.fullmatch(self.codec):
            raise _bad("codec", f"{self.codec!r} is no codec name: a-z, 0-9, '.', '_' and '-', at most 24 characters.")
        if not _WEIGHTS.fullmatch(self.weights):
            raise _bad("weights", f"{self.weights!r} is not a hash of 32 hexadecimal digits.")
        if not isinstance(self.metadata, dict):
            raise _bad("metadata", f"metadata is a {type(self.metadata).__name__}, not an object of names and values.")

    def _check_range(self, name: str, lowest: int, highest: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, int | np.integer) or not lowest <= value <= highest:
            raise _bad(name, f"{name} is {value!r}; a token file holds {lowest:,} to {highest:,}.")

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.sample_rate / self.hop_length

    @property
    def frames(self) -> int | None:
        """Frames of the whole file, None when unknown."""
        return None if self.n_samples is None else self.frames_of(self.n_samples)

    def frames_of(self, n_samples: int) -> int:
        """Frames that cover so many samples; the last one may be part filled."""
        return -(-n_samples // self.hop_length)

    def seconds(self, frames: int) -> float:
        """Of so many frames."""
        return frames * self.hop_length / self.sample_rate

    def to_bytes(self) -> bytes:
        """As it stands in the file, CRC included.

        Raises:
            DataError: Metadata that JSON cannot hold, or too much of it.
        """
        try:
            metadata = strict_json.dumps(self.metadata, indent=None).encode() if self.metadata else b""
        except (TypeError, RecursionError, DataError) as error:
            raise _bad("metadata", f"metadata cannot be written as JSON: {getattr(error, 'what', error)}") from error
        if len(metadata) > LIMITS.token_metadata_bytes:
            raise _bad("metadata", f"{len(metadata):,} bytes of metadata; at most {LIMITS.token_metadata_bytes:,} are kept.")
        packed = _FIXED.pack(
            MAGIC,
            MAJOR,
            MINOR,
            _FIXED.size + len(metadata) + _CRC.size,
            self.sample_rate,
            _UNKNOWN if self.n_samples is None else self.n_samples,
            self.hop_length,
            self.block_frames,
            len(metadata),
            self.n_q,
            self.bits,
            bytes.fromhex(self.weights),
            self.codec.encode(),
        )
        packed += metadata
        return packed + _CRC.pack(zlib.crc32(packed))


def header_length(start: bytes, where: str) -> int:
    """Bytes of the whole header, from its first ``START_BYTES``; at most 65,535.

    Raises:
        DataError: Not a token file, cut short, or of another major version; ``pos`` is the byte.
    """
    if not start or start[:8] != MAGIC[: len(start)]:
        fix = f"It begins with {start[:8]!r}." if start else "It is empty."
        if start[:4] == MAGIC[:4]:
            fix = "Its line ends were converted: copy it again, in binary mode."
        raise _bad("magic", "not a token file.", where, 0, fix)
    if len(start) < START_BYTES:
        raise _bad("length", "the file ends inside the header.", where, len(start))
    if start[8] != MAJOR:
        what = f"token files of format {start[8]} are not known here; format {MAJOR} is."
        raise _bad("version", what, where, 8, "Upgrade parlance-tts.")
    length = int.from_bytes(start[10:12], "little")
    if length < _FIXED.size + _CRC.size:
        raise _bad("length", f"a header of {length} bytes; it has at least {_FIXED.size + _CRC.size}.", where, 10)
    return length


def parse_header(data: bytes, where: str) -> TokenHeader:
    """The header in its ``header_length`` bytes.

    Fields that a newer minor version has put behind the metadata are passed over.

    Raises:
        DataError: The CRC does not fit, or a field is out of range; ``pos`` is the byte.
    """
    if zlib.crc32(data[: -_CRC.size]) != _CRC.unpack(data[-_CRC.size :])[0]:
        raise _bad("crc", "the header is damaged: its checksum does not fit.", where, len(data) - _CRC.size)
    _, _, _, _, rate, n_samples, hop, block_frames, n_metadata, n_q, bits, weights, codec = _FIXED.unpack_from(data)
    if n_metadata > LIMITS.token_metadata_bytes or _FIXED.size + n_metadata + _CRC.size > len(data):
        raise _bad("metadata", f"{n_metadata:,} bytes of metadata do not fit.", where, _OFFSETS["metadata"])
    metadata = data[_FIXED.size : _FIXED.size + n_metadata]
    try:
        return TokenHeader(
            codec=codec.rstrip(b"\0").decode("latin-1"),
            weights=weights.hex(),
            sample_rate=rate,
            hop_length=hop,
            n_q=n_q,
            bits=bits,
            n_samples=None if n_samples == _UNKNOWN else n_samples,
            block_frames=block_frames,
            metadata=strict_json.loads(metadata, "metadata") if metadata else {},
        )
    except DataError as error:
        raise _bad(str(error.where), error.what, where, _OFFSETS[error.where]) from error


def _bad(name: str, what: str, where: str | None = None, offset: int | None = None, fix: str | None = None) -> DataError:
    """A field out of range: of a call, or with ``where`` and ``offset`` of a file."""
    if where is None:
        return DataError(what, where=name, code=f"tokens.header.{name}")
    return DataError(
        what,
        where=where,
        pos=f"byte {offset}",
        code=f"tokens.header.{name}",
        fix=fix or "Copy it again: nothing is read without it.",
    )
