"""The comments of an Ogg Opus file: read them, or copy a file with more of them; its packets of sound stay as they are.

    page      "OggS", version, flags, granule position, serial, number, CRC, segment count, sizes of segments, segments
    packet 1  "OpusTags", vendor, number of comments, comments "NAME=value", each behind its length

Sources: RFC 3533 §6 (pages), RFC 7845 §5.2 (comments). Chapters are comments too, ``CHAPTERxxx=HH:MM:SS.mmm`` and
``CHAPTERxxxNAME=title`` (Xiph's Chapter Extension); players read them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import BinaryIO

from tts.base.errors import DataError

MOST_COMMENTS = 4 << 20  # bytes of the comments that are read
_HEAD = struct.Struct("<4sBBqIIIB")
_CONTINUED, _NOWHERE = 1, -1  # flag of a page; granule position of a page on which no packet ends
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class _Page:
    flags: int
    position: int
    serial: int
    number: int
    sizes: bytes  # of the segments; a packet ends behind the first that is below 255
    body: bytes

    def packed(self) -> bytes:
        facts = (b"OggS", 0, self.flags, self.position, self.serial, self.number)
        bare = _HEAD.pack(*facts, 0, len(self.sizes)) + self.sizes + self.body
        return _HEAD.pack(*facts, _crc(bare), len(self.sizes)) + bare[_HEAD.size :]


def read_comments(file: BinaryIO, where: str = "<ogg>") -> list[tuple[str, str]]:
    """(name, value) of every comment, in order.

    Raises:
        DataError: It is no Ogg Opus file, or damaged.
    """
    return _comments(_tags(_pages(file, where), where), where)[1]


def add_comments(source: BinaryIO, target: BinaryIO, comments: Iterable[tuple[str, str]], where: str = "<ogg>") -> None:
    """Copy an Ogg Opus file page by page, with further comments; errors as of :func:`read_comments`."""
    pages = _pages(source, where)
    first = next(pages, None)
    vendor, own = _comments(_tags(pages, where, first), where)
    rows = [f"{name}={value}".encode() for name, value in [*own, *comments]]
    packet = b"OpusTags" + _row(vendor) + struct.pack("<I", len(rows)) + b"".join(map(_row, rows))
    for number, page in enumerate(chain([first], _cut(packet, first.serial), pages)):
        target.write(replace(page, number=number).packed())


def chapter_comments(chapters: Iterable[tuple[float, str]]) -> list[tuple[str, str]]:
    """The comments of chapters (start in seconds, title)."""
    rows = []
    for number, (start, title) in enumerate(chapters, 1):
        minutes, milliseconds = divmod(round(start * 1000), 60_000)
        clock = f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"
        rows += [(f"CHAPTER{number:03}", clock), (f"CHAPTER{number:03}NAME", title)]
    return rows


def _pages(file: BinaryIO, where: str) -> Iterator[_Page]:
    number = 0
    while head := file.read(_HEAD.size):
        if len(head) < _HEAD.size or head[:5] != b"OggS\0":
            raise DataError(f"page {number} does not begin as one.", where=where, code="ogg.page", fix="Make the file again.")
        *_, flags, position, serial, own, crc, count = _HEAD.unpack(head)
        sizes = file.read(count)
        page = _Page(flags, position, serial, own, sizes, file.read(sum(sizes)))
        if page.packed() != _HEAD.pack(b"OggS", 0, flags, position, serial, own, crc, count) + sizes + page.body:
            raise DataError(f"page {number} is damaged.", where=where, code="ogg.checksum", fix="Make the file again.")
        yield page
        number += 1


def _tags(pages: Iterator[_Page], where: str, first: _Page | None = None) -> bytes:
    """The packet of comments; ``pages`` go on behind it."""
    first = first or next(pages, None)
    if first is None or not first.body.startswith(b"OpusHead"):
        raise DataError("is no Ogg Opus file.", where=where, code="ogg.kind", fix="Give an .opus file.")
    packet = b""
    for page in pages:
        packet += page.body
        if len(packet) > MOST_COMMENTS or page.sizes[-1:] != b"\xff":
            break
    if not packet.startswith(b"OpusTags") or len(packet) > MOST_COMMENTS:
        raise DataError("has no comments, or too many.", where=where, code="ogg.comments", fix="Make the file again.")
    return packet


def _comments(packet: bytes, where: str) -> tuple[bytes, list[tuple[str, str]]]:
    """Vendor and comments of the packet."""
    at = 8

    def taken(size: int) -> bytes:
        nonlocal at
        if at + size > len(packet):
            raise DataError("the comments are cut short.", where=where, code="ogg.comments", fix="Make the file again.")
        at += size
        return packet[at - size : at]

    def row() -> bytes:
        return taken(struct.unpack("<I", taken(4))[0])

    vendor, (count,) = row(), struct.unpack("<I", taken(4))
    pairs = (row().decode("utf-8", "replace").partition("=") for _ in range(count))
    return vendor, [(name, value) for name, _, value in pairs]


def _cut(packet: bytes, serial: int) -> Iterator[_Page]:
    """The pages of one packet, not numbered yet."""
    sizes = b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255])
    for start in range(0, len(sizes), 255):
        last = start + 255 >= len(sizes)
        body = packet[255 * start : 255 * (start + 255)]
        yield _Page(_CONTINUED if start else 0, 0 if last else _NOWHERE, serial, 0, sizes[start : start + 255], body)


def _row(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def _crc(data: bytes) -> int:
    """Ogg's checksum: zlib's polynomial, but bits from the other end, and neither start value nor last inversion."""
    mirrored = zlib.crc32(data.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
