"""Random edits of token files: no crash, only errors of the one family, each with its byte.

    python tests/fuzz/token_file.py 100000 7

makes 100,000 edits from seed 7. Half of them get their CRCs mended, so that what lies behind the CRCs is tried too.
"""

import contextlib
import io
import re
import struct
import sys
import zlib
from pathlib import Path

import numpy as np

from codec.codes import Codes
from codec.tokenfile import Block, TokenReader, TokenWriter
from tts.base.errors import DataError, ResourceError

SEEDS = sorted((Path(__file__).parents[1] / "golden/tokens").glob("*.ptok"))
EXTREMES = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x3FFF, 0x4000, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 2**31, 2**32 - 1, 2**63, 2**64 - 1]


def mutate(rng, data, other):
    """``data`` with one to three edits; ``other`` lends spans."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        at, length = int(rng.integers(0, len(data) + 1)), int(rng.geometric(0.05))
        kind = rng.integers(0, 9)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.integers(0, 8)
        elif kind == 1:
            data[at : at + length] = rng.bytes(length)
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = rng.bytes(length)
        elif kind == 4:
            data[at:at] = data[at : at + 10 * length]
        elif kind == 5:
            data[at:at] = other[at : at + 10 * length]
        elif kind == 6:
            del data[at:]
        elif kind == 7:
            size = (1, 2, 4, 8)[rng.integers(0, 4)]
            data[at : at + size] = struct.pack("<Q", EXTREMES[rng.integers(0, len(EXTREMES))])[:size]
        else:  # a header field or the head of a block
            starts = [8, *(m.start() for m in re.finditer(b"\x97PT", data))]
            at = starts[rng.integers(0, len(starts))] + int(rng.integers(0, 30))
            data[at : at + 1] = bytes([rng.choice([0, 1, 2, 8, 15, 16, 32, 128, 254, 255])])
    return bytes(data)


def mend(data):
    """The CRCs of a token file made right, as far as its structure can be followed."""
    data = bytearray(data)
    length = int.from_bytes(data[10:12], "little")
    if not 76 <= length <= len(data):
        return bytes(data)
    seed = zlib.crc32(data[: length - 4])
    data[length - 4 : length] = struct.pack("<I", seed)
    at, books = length, data[30]
    while data[at : at + 4] == b"\x97PTB" and len(data) >= at + 10 + 2 * books:
        sizes = struct.unpack_from(f"<{books}H", data, at + 10)
        end = at + 10 + 2 * books + sum(size & 0x3FFF for size in sizes)
        data[end : end + 4] = struct.pack("<I", zlib.crc32(data[at:end], seed))
        at = end + 4
    if data[at : at + 4] == b"\x97PTE":
        data[at + 16 : at + 20] = struct.pack("<I", zlib.crc32(data[:at]))
        data[at + 20 : at + 24] = struct.pack("<I", zlib.crc32(data[at : at + 20], seed))
    return bytes(data)


def fuzz_one(data):
    """Read ``data`` in every way; True when it is accepted as whole."""
    try:
        codes = Codes.load(data)
    except DataError as error:
        codes = None
        byte = re.fullmatch(r"byte (\d+)", error.pos)
        assert byte and int(byte[1]) <= len(data), error
        assert error.code.startswith("tokens."), error.code
    except ResourceError as error:
        assert error.code == "tokens.too_long"
        return False
    if codes is not None:  # what was read can be written, and is read the same again
        file = io.BytesIO()
        with TokenWriter(file, codes.header()) as tokens:
            tokens.write(codes.codes)
        assert np.array_equal(Codes.load(file.getvalue()).codes, codes.codes)
    try:
        reader, frames = TokenReader(io.BytesIO(data)), 0
    except DataError:
        assert codes is None
        return False
    with contextlib.suppress(ResourceError):
        saved = Codes.load(data, salvage=True)
        assert bool(saved.lost) or (saved.codes >= 0).all()
    for item in reader.salvage():
        assert item.first_frame == frames and (item.frames is None or item.frames > 0)
        frames += item.frames or 0
        if isinstance(item, Block) and codes is not None:
            assert np.array_equal(item.codes, codes.codes[:, item.first_frame : item.first_frame + item.frames])
    assert codes is None or frames == codes.codes.shape[1]
    return codes is not None


def run(count, seed):
    """Number of edits that were accepted although a CRC was not mended; must be 0. And of those accepted with mended CRCs."""
    rng = np.random.default_rng(seed)
    files = [path.read_bytes() for path in SEEDS]
    unmended = mended = 0
    for _ in range(count):
        data, other = (files[i] for i in rng.integers(0, len(files), 2))
        edited = mutate(rng, data, other)
        if edited in files:
            continue
        if rng.integers(0, 2):
            mended += fuzz_one(mend(edited))
        else:
            unmended += fuzz_one(edited)
    return unmended, mended


if __name__ == "__main__":
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    unmended, mended = run(count, seed)
    print(f"{count:,} edits, seed {seed}: {unmended} accepted as whole, {mended} with mended CRCs")
    sys.exit(1 if unmended else 0)
