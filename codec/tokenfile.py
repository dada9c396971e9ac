"""The token file (``.ptok``): codec codes in checked blocks, written and read as a stream in constant memory.

    with atomic_file("a.ptok") as file, TokenWriter(file, header) as tokens:
        tokens.write(codes)  # int16 [n_q, any number of frames], again and again

    with open("a.ptok", "rb") as file:
        for block in TokenReader(file).blocks():
            block.codes  # int16 [n_q, up to 300 frames]

Header, blocks, end mark; byte for byte in ``docs/token-format.md``. Every byte is under a CRC that includes the header, so a
flipped bit, a missing end, a block lost, doubled, moved or from another file are all errors with the byte where they lie.
``TokenReader.salvage`` reads on past damage. All integers are little-endian; no length is believed before it is bounded.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import BinaryIO, NamedTuple

import numpy as np

from codec import entropy
from codec.tokenheader import START_BYTES, TokenHeader, header_length, parse_header
from tts.base.errors import DataError, FileError, ResourceError, UsageError
from tts.base.limits import LIMITS

_BLOCK = struct.Struct("<4sIH")
_END = struct.Struct("<4sIQI")
_CRC = struct.Struct("<I")
_SYNC_BLOCK, _SYNC_END = b"\x97PTB", b"\x97PTE"
_CODER_SHIFT = 14  # a book's u16: coder id above, length in bytes below


@dataclass(frozen=True, eq=False)
class Block:
    """One block: a span of frames that is decoded alone."""

    first_frame: int
    frames: int
    bits: int
    books: tuple[tuple[int, bytes], ...]  # coder id and bytes, a book

    @cached_property
    def codes(self) -> np.ndarray:
        """int16 [n_q, frames], decoded when asked for."""
        return np.stack([entropy.decode(coder, data, self.frames, self.bits) for coder, data in self.books])


class Gap(NamedTuple):
    """Frames that a damaged file has lost; ``frames`` is None when not even its end is known."""

    first_frame: int
    frames: int | None


class _End(NamedTuple):
    blocks: int
    n_samples: int
    file_crc: int


class TokenWriter:
    """Writes a token file, a block as soon as it is full.

    How the codes are cut into calls of ``write`` changes no byte. As a context manager it closes at the end; after an exception
    the end mark is left out, so that the file is not taken for a whole one.
    """

    def __init__(self, file: BinaryIO, header: TokenHeader):
        """``file``: writable, at the place where the token file begins."""
        self.header = header
        self.n_bytes = 0  # written so far
        self._file = file
        self._waiting = np.empty((header.n_q, header.block_frames), np.int16)
        self._n_waiting = self._blocks = self._frames = 0
        self._file_crc = 0
        packed = header.to_bytes()
        self._seed = zlib.crc32(packed[: -_CRC.size])
        self._put(packed)

    def write(self, codes: np.ndarray) -> None:
        """Append codes, integers [n_q, T], T >= 0.

        Raises:
            DataError: Wrong shape or type, or a code outside 0..2^bits - 1; nothing of the call is written then.
        """
        codes = check_codes(codes, self.header.bits, first_frame=self._frames + self._n_waiting)
        if len(codes) != self.header.n_q:
            raise DataError(f"{len(codes)} books for a file of {self.header.n_q}.", where="codes", code="tokens.shape")
        while codes.shape[1]:
            piece = codes[:, : self.header.block_frames - self._n_waiting]
            self._waiting[:, self._n_waiting : self._n_waiting + piece.shape[1]] = piece
            self._n_waiting += piece.shape[1]
            codes = codes[:, piece.shape[1] :]
            if self._n_waiting == self.header.block_frames:
                self._write_waiting()

    def close(self, n_samples: int | None = None) -> None:
        """Write what waits and the end mark; the file itself stays open.

        Args:
            n_samples: Length of the sound, the last frame may be part filled; None: as the header says, else whole frames.

        Raises:
            DataError: The frames written are not those of so many samples.
        """
        if self._n_waiting:
            self._write_waiting()
        promised = self.header.n_samples
        if n_samples is None:
            n_samples = self._frames * self.header.hop_length if promised is None else promised
        if n_samples < 0 or self.header.frames_of(n_samples) != self._frames or promised not in (None, n_samples):
            told = "" if promised is None else f"; the header promised {promised:,}"
            raise DataError(
                f"{self._frames:,} frames of {self.header.hop_length} samples were written for {n_samples:,} samples{told}.",
                where="n_samples",
                code="tokens.frames",
                fix="Write ceil(n_samples / hop_length) frames.",
            )
        self._put_checked(_END.pack(_SYNC_END, self._blocks, n_samples, self._file_crc))

    def __enter__(self) -> TokenWriter:
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            self.close()

    def _write_waiting(self) -> None:
        codes = self._waiting[:, : self._n_waiting]
        self._put_block([entropy.encode(book, self.header.bits) for book in codes], self._n_waiting)
        self._n_waiting = 0

    def _put_block(self, books, frames: int) -> None:
        sizes = [coder << _CODER_SHIFT | len(data) for coder, data in books]
        head = _BLOCK.pack(_SYNC_BLOCK, self._blocks, frames) + struct.pack(f"<{len(sizes)}H", *sizes)
        self._put_checked(head + b"".join(data for _, data in books))
        self._blocks += 1
        self._frames += frames

    def _put_checked(self, data: bytes) -> None:
        self._put(data + _CRC.pack(zlib.crc32(data, self._seed)))

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self.n_bytes += len(data)
        self._file_crc = zlib.crc32(data, self._file_crc)


class TokenReader:
    """Reads a token file; the header at once, then once ``blocks`` or ``salvage``.

    Attributes:
        header: What the codes are.
        where: Name of the file in messages.
        n_samples: Length of the sound; of a stream None until its end was read.

    Raises:
        DataError: Not a token file, a newer format, or a damaged header.
    """

    def __init__(self, file: BinaryIO, where: str | None = None):
        """``file``: readable, at its start; a pipe will do for ``blocks``. ``where``: its name in messages."""
        self._file = file
        self.where = where or str(getattr(file, "name", "<tokens>"))
        self._offset = self._file_crc = 0
        self.header, self._seed = self._read_header()
        self.n_samples = self.header.n_samples

    @property
    def n_bytes(self) -> int:
        """Bytes up to the place that was read last."""
        return self._offset

    def blocks(self) -> Iterator[Block]:
        """The blocks in order, each checked before it is given out.

        Raises:
            DataError: Damage or a missing part, with its byte; blocks before it have been given out and are right.
        """
        header, frames, n_blocks = self.header, 0, 0
        while True:
            at, file_crc = self._offset, self._file_crc
            item = self._read_item(f"block {n_blocks} ({header.seconds(frames):.2f} s)")
            if isinstance(item, _End):
                break
            if item.first_frame != n_blocks * header.block_frames:
                raise self._bad(f"block {item.first_frame // header.block_frames} follows {n_blocks} blocks.", at + 4, "sequence")
            if frames != item.first_frame or (header.frames is not None and frames + item.frames > header.frames):
                raise self._bad("a block after the last one.", at, "sequence")
            yield item
            frames += item.frames
            n_blocks += 1
        if item.blocks != n_blocks:
            raise self._bad(f"the end mark counts {item.blocks:,} blocks, {n_blocks:,} were read.", at + 4, "sequence")
        if header.frames_of(item.n_samples) != frames or self.n_samples not in (None, item.n_samples):
            raise self._bad(f"{frames:,} frames were read for {item.n_samples:,} samples.", at + 8, "frames")
        if item.file_crc != file_crc:
            raise self._bad("the checksum of the whole file does not fit.", at + 16, "crc")
        if self._read(1):
            raise self._bad("bytes follow the end mark.", self._offset, "trailing")
        self.n_samples = item.n_samples

    def salvage(self) -> Iterator[Block | Gap]:
        """All whole blocks of a damaged file in order, wherever they stand in it, and what is missing between them.

        Blocks and gaps follow each other without holes from frame 0 to the end, as far as that is known. ``file`` must be
        seekable. Time is linear in its length; memory is a few bytes a block.
        """
        if not self._file.seekable():
            raise UsageError(
                "salvage needs a file, not a pipe.", where=self.where, code="tokens.pipe", fix="Save it to a file first."
            )
        offsets, self.n_samples = self._find_blocks()
        frames, total = 0, None if self.n_samples is None else self.header.frames_of(self.n_samples)
        for _, offset in sorted(offsets.items()):
            self._seek(offset)
            block = self._read_item("a block")
            if total is not None and block.first_frame + block.frames > total:
                break
            if block.first_frame > frames:
                yield Gap(frames, block.first_frame - frames)
            yield block
            frames = block.first_frame + block.frames
        if total is None:
            yield Gap(frames, None)
        elif frames < total:
            yield Gap(frames, total - frames)

    def _find_blocks(self) -> tuple[dict[int, int], int | None]:
        """First frame -> offset of every whole block; number of samples as the header or a whole end mark tells it."""
        offsets, n_samples, at = {}, self.header.n_samples, self._offset
        while (at := self._find_sync(at)) is not None:
            self._seek(at)
            try:
                item = self._read_item("a block")
            except DataError:
                at += 1
                continue
            if isinstance(item, _End):
                n_samples = item.n_samples if n_samples is None else n_samples
            elif len(offsets) == LIMITS.token_frames:
                raise ResourceError(
                    f"more than {LIMITS.token_frames:,} blocks.",
                    where=self.where,
                    code="tokens.too_long",
                    limit=LIMITS.token_frames,
                )
            else:
                offsets.setdefault(item.first_frame, at)
            at = self._offset
        return offsets, n_samples

    def _read_header(self) -> tuple[TokenHeader, int]:
        """The header, and the CRC that those of all blocks go on from."""
        start = self._read(START_BYTES)
        data = start + self._take(header_length(start, self.where) - len(start), "the header")
        return parse_header(data, self.where), zlib.crc32(data[: -_CRC.size])

    def _read_item(self, name: str) -> Block | _End:
        """What stands here; ``name`` says in messages what should."""
        at, header = self._offset, self.header
        head = self._take(_BLOCK.size, name)
        sync, sequence, frames = _BLOCK.unpack(head)
        if sync == _SYNC_END:
            head += self._take(_END.size - _BLOCK.size, "the end mark")
            self._check_crc(head, at, "the end mark")
            return _End(*_END.unpack(head)[1:])
        if sync != _SYNC_BLOCK:
            raise self._bad(f"neither {name} nor the end mark begins here.", at, "sync")
        if not 1 <= frames <= header.block_frames:
            raise self._bad(f"{name} claims {frames:,} frames; a block has 1 to {header.block_frames:,}.", at + 8, "block_frames")
        head += self._take(2 * header.n_q, name)
        plain, books = entropy.plain_bytes(frames, header.bits), []
        for q, entry in enumerate(struct.unpack_from(f"<{header.n_q}H", head, _BLOCK.size)):
            coder, size = entry >> _CODER_SHIFT, entry & (1 << _CODER_SHIFT) - 1
            if coder > entropy.RANGE or size > plain or (coder == entropy.PLAIN and size < plain):
                raise self._bad(
                    f"{name} claims {size:,} bytes by coder {coder} for book {q}; plain they are {plain:,}.",
                    at + _BLOCK.size + 2 * q,
                    "book",
                )
            books.append((coder, size))
        payload = self._take(sum(size for _, size in books), name)
        self._check_crc(head + payload, at, name)
        ends = np.cumsum([0, *(size for _, size in books)])
        parts = tuple((coder, payload[ends[q] : ends[q + 1]]) for q, (coder, _) in enumerate(books))
        return Block(sequence * header.block_frames, frames, header.bits, parts)

    def _check_crc(self, data: bytes, at: int, name: str) -> None:
        if zlib.crc32(data, self._seed) != _CRC.unpack(self._take(_CRC.size, name))[0]:
            raise self._bad(f"{name} is damaged: its checksum does not fit.", at, "crc")

    def _take(self, count: int, name: str) -> bytes:
        data = self._read(count)
        if len(data) < count:
            raise self._truncated(name)
        return data

    def _truncated(self, name: str) -> DataError:
        return self._bad(f"the file ends before the end of {name}: it was cut short.", self._offset, "truncated")

    def _read(self, count: int) -> bytes:
        """``count`` bytes, fewer only at the end of the file."""
        parts = []
        while count:
            try:
                piece = self._file.read(count)
            except (OSError, ValueError) as error:
                raise FileError(f"reading failed: {error}.", where=self.where, code="tokens.io") from error
            if not piece:
                break
            parts.append(piece)
            count -= len(piece)
        data = b"".join(parts)
        self._offset += len(data)
        self._file_crc = zlib.crc32(data, self._file_crc)
        return data

    def _seek(self, offset: int) -> None:
        self._file.seek(offset)
        self._offset = offset

    def _find_sync(self, at: int) -> int | None:
        """Offset of the next place that may be a block or the end mark."""
        self._seek(at)
        window = b""
        while piece := self._read(1 << 16):
            window = window[-2:] + piece
            found = window.find(_SYNC_BLOCK[:3])
            if found >= 0:
                return self._offset - len(window) + found
        return None

    def _bad(self, what: str, offset: int, code: str) -> DataError:
        fix = "Copy it again, or read what is whole with salvage."
        return DataError(what, where=self.where, pos=f"byte {offset}", code=f"tokens.{code}", fix=fix)


def drop_books(source: BinaryIO | TokenReader, target: BinaryIO, keep: int) -> int:
    """Copy a token file, or what a reader has just opened, with only its first ``keep`` books; nothing is decoded.

    >>> import io
    >>> from codec import Codec, Codes, drop_books
    >>> Codec.load().encode("talk.wav").save("talk.ptok")
    >>> small = io.BytesIO()
    >>> with open("talk.ptok", "rb") as file:
    ...     _ = drop_books(file, small, keep=3)
    >>> Codes.load(small.getvalue()).kbps
    2.25

    Returns:
        Bytes written.

    Raises:
        UsageError: ``keep`` is not 1 to the books there are.
        DataError: The source is damaged; the target then has no end mark.
    """
    reader = source if isinstance(source, TokenReader) else TokenReader(source)
    if not 1 <= keep <= reader.header.n_q:
        raise UsageError(
            f"{keep} books of {reader.header.n_q}.", where="keep", code="tokens.keep", fix="Keep at least one, at most all."
        )
    writer = TokenWriter(target, replace(reader.header, n_q=keep))
    for block in reader.blocks():
        writer._put_block(block.books[:keep], block.frames)
    writer.close(reader.n_samples)
    return writer.n_bytes


def check_codes(codes: np.ndarray, bits: int, lowest: int = 0, first_frame: int = 0) -> np.ndarray:
    """The codes as an array of integers [n_q, T] in lowest..2^bits - 1, or a DataError that names book and frame."""
    codes = np.asarray(codes)
    if codes.ndim != 2 or codes.dtype.kind not in "iu":
        raise DataError(
            f"codes are {codes.dtype} of shape {list(codes.shape)}.",
            where="codes",
            code="tokens.shape",
            fix="Give integers [n_q, T].",
        )
    wrong = (codes < lowest) | (codes >= 1 << bits)
    if wrong.any():
        q, t = np.argwhere(wrong)[0].tolist()
        raise DataError(
            f"code {codes[q, t]} in book {q}, frame {first_frame + t}; {bits} bits hold 0 to {(1 << bits) - 1}.",
            where="codes",
            code="tokens.code_range",
            fix="A frame that was lost (-1) cannot be stored." if codes[q, t] == -1 else None,
        )
    return codes
