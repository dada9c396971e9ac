"""The container of a packed corpus: named blocks of bytes behind a JSON header, every part with a checksum.

    magic      8 bytes   b"PRLPACK1"
    length     u64       of the header, little endian
    checksum   u32       CRC-32 of the header
    header     JSON      {"meta": ..., "blocks": {name: [first byte, bytes, CRC-32]}}, positions count from its end
    blocks     bytes     one after the other; the file ends with the last
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

from tts.base.errors import DataError, NoInputError
from tts.base.files import atomic_file

MAGIC = b"PRLPACK1"
_PREFIX = struct.Struct("<8sQI")
_MAX_HEADER = 64 << 20


def write_blocks(path: str | Path, meta: dict, blocks: Iterable[tuple[str, bytes]]) -> int:
    """Write a container, whole or not at all; returns its size in bytes."""
    blocks, index, position = list(blocks), {}, 0
    for name, data in blocks:
        if name in index:
            raise DataError(f"two blocks are named {name!r}.", where=path, code="pack.duplicate")
        index[name] = [position, len(data), zlib.crc32(data)]
        position += len(data)
    header = json.dumps({"meta": meta, "blocks": index}, ensure_ascii=False).encode()
    with atomic_file(path, force=True) as file:
        file.write(_PREFIX.pack(MAGIC, len(header), zlib.crc32(header)) + header)
        for _, data in blocks:
            file.write(data)
    return _PREFIX.size + len(header) + position


class BlockReader:
    """``reader.meta`` and ``reader[name]``: a block's bytes, checked. Any damage is a DataError that names the place."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            size = self.path.stat().st_size
            self._file = open(self.path, "rb")  # noqa: SIM115 - closed by __exit__
        except OSError as error:
            raise NoInputError(f"cannot be read: {error.strerror}.", where=path, code="pack.unreadable") from error
        prefix = self._file.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size or not prefix.startswith(MAGIC):
            raise self._damaged("not a packed corpus", "pack.magic", "Make one with: python -m recipes pack")
        _, length, checksum = _PREFIX.unpack(prefix)
        if length > min(size, _MAX_HEADER):
            raise self._damaged(f"the header claims {length:,} bytes", "pack.header")
        header = self._file.read(length)
        if zlib.crc32(header) != checksum:
            raise self._damaged("the header's checksum is wrong", "pack.header")
        content = json.loads(header)
        self.meta, self._blocks, self._start = content["meta"], content["blocks"], _PREFIX.size + length
        end = max((first + count for first, count, _ in self._blocks.values()), default=0)
        if size != self._start + end:
            raise self._damaged(f"{size:,} bytes, the header promises {self._start + end:,}", "pack.size")

    def __contains__(self, name: str) -> bool:
        return name in self._blocks

    def __getitem__(self, name: str) -> bytes:
        if name not in self._blocks:
            raise self._damaged(f"has no block {name!r}", "pack.block")
        first, count, checksum = self._blocks[name]
        self._file.seek(self._start + first)
        data = self._file.read(count)
        if zlib.crc32(data) != checksum:
            raise self._damaged(f"the checksum of block {name!r} is wrong", "pack.checksum")
        return data

    def _damaged(self, what: str, code: str, fix: str = "Copy or make the file again.") -> DataError:
        return DataError(f"{what}.", where=self.path, code=code, fix=fix)

    def __enter__(self) -> BlockReader:
        return self

    def __exit__(self, *_) -> None:
        self._file.close()
