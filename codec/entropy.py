"""Entropy coding of one book's codes over one block: plain bits, or an adaptive binary range coder in integers.

Nothing is floating point and nothing depends on a model, so every machine gives the same bytes and every byte string
decodes to codes below 2^bits. The format, step by step with test vectors: ``docs/token-format.md``.

The model is a flag, "the code of the frame before again", and a binary tree over the code's bits with one probability a
node. A node of height h starts as if it had seen 2^h fair draws. Then a code that the block has seen before is likely to
come again, however the codebook is numbered, and codes that never come again cost about as much as plain bits. A block is
only 300 codes: nodes that learn faster from the first draw on, or one tree for each group of codes before, cost more than
they save.

Source: Pólya tree whose leaves follow a Dirichlet process, Ferguson (Annals of Statistics 2, 1974); carry-less range coder of
the PAQ family. Differs from LZMA: counts instead of shifts, no carry.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

PLAIN, RANGE = 0, 1  # coder ids of the file format
_TOP = 0xFFFFFFFF  # bounds of the range coder are 32 bits
_ONE = 1 << 16  # a probability p means p / 65536 that the bit is 1


def encode(codes: np.ndarray, bits: int) -> tuple[int, bytes]:
    """The shorter of both forms.

    Args:
        codes: int [T], each in 0..2^bits - 1.
        bits: A code, 1..15.

    Returns:
        Coder id and bytes; never longer than ``plain_bytes(T, bits)``.
    """
    plain = pack(codes, bits)
    ranged = range_encode(codes, bits, len(plain))
    return (PLAIN, plain) if ranged is None else (RANGE, ranged)


def decode(coder: int, data: bytes, frames: int, bits: int) -> np.ndarray:
    """int16 [frames]: the inverse of ``encode``. Any bytes decode to some codes; whether they are right, the file's CRC tells."""
    return unpack(data, frames, bits) if coder == PLAIN else range_decode(data, frames, bits)


def plain_bytes(frames: int, bits: int) -> int:
    """Length of the plain form."""
    return -(-frames * bits // 8)


def pack(codes: np.ndarray, bits: int) -> bytes:
    """Codes one after the other, highest bit first, zero bits up to a whole byte."""
    return np.packbits((codes[:, None] >> np.arange(bits - 1, -1, -1)) & 1).tobytes()


def unpack(data: bytes, frames: int, bits: int) -> np.ndarray:
    """int16 [frames] from ``plain_bytes(frames, bits)`` bytes."""
    digits = np.unpackbits(np.frombuffer(data, np.uint8), count=frames * bits).reshape(frames, bits)
    return (digits @ (1 << np.arange(bits - 1, -1, -1))).astype(np.int16)


def range_encode(codes: np.ndarray, bits: int, below: int) -> bytes | None:
    """The adaptive form, or None when it would take ``below`` bytes or more."""
    ones, seen = _start(bits)
    low, high, out = 0, _TOP, bytearray()
    for slot, bit in zip(*_decisions(codes, bits), strict=True):
        p = ones[slot]
        seen[slot] = count = seen[slot] + 1
        middle = low + ((high - low) * p >> 16)
        if bit:
            high = middle
            ones[slot] = p + (_ONE - p) // count
        else:
            low = middle + 1
            ones[slot] = p - p // count
        while low ^ high < 0x1000000:  # the first byte is settled
            out.append(high >> 24)
            low, high = low << 8 & _TOP, high << 8 & _TOP | 255
        if len(out) >= below:
            return None
    out += _shortest(low, high)
    return bytes(out) if len(out) < below else None


def range_decode(data: bytes, frames: int, bits: int) -> np.ndarray:
    """int16 [frames]; behind the end of ``data`` come zero bytes."""
    ones, seen = _start(bits)
    size, following = 1 << bits, iter(data)
    low, high, value = 0, _TOP, 0
    for _ in range(4):
        value = value << 8 | next(following, 0)
    codes, previous, flag = [], 0, 0
    for _ in range(frames):
        node = 0  # 0: the flag comes first; 1: the root; size and above: a leaf
        while node < size:
            slot = node or flag
            p = ones[slot]
            seen[slot] = count = seen[slot] + 1
            middle = low + ((high - low) * p >> 16)
            if value <= middle:
                high = middle
                ones[slot] = p + (_ONE - p) // count
                node = 2 * node + 1 if node else size + previous
            else:
                low = middle + 1
                ones[slot] = p - p // count
                node = 2 * node or 1
            while low ^ high < 0x1000000:
                low, high, value = low << 8 & _TOP, high << 8 & _TOP | 255, value << 8 & _TOP | next(following, 0)
        flag = size if node - size == previous else 0
        previous = node - size
        codes.append(previous)
    return np.array(codes, np.int16)


def _decisions(codes: np.ndarray, bits: int) -> tuple[list[int], list[int]]:
    """Slots and bits in the order of coding. Slots 0 and 2^bits are the flag after a new code and after a repeated one."""
    size, shifts = 1 << bits, np.arange(bits, 0, -1)
    codes = codes.astype(np.int64)
    again = codes == np.append(0, codes)[:-1]
    flags = np.where(np.append(False, again)[:-1], size, 0)
    slots = np.column_stack((flags, (codes[:, None] | size) >> shifts))
    digits = np.column_stack((again, codes[:, None] >> (shifts - 1) & 1))
    coded = np.ones(slots.shape, bool)
    coded[again, 1:] = False
    return slots[coded].tolist(), digits[coded].tolist()


def _start(bits: int) -> tuple[list[int], list[int]]:
    """Probability of a 1 and draws seen, a slot."""
    return [_ONE // 2] * ((1 << bits) + 1), list(_start_counts(bits))


@lru_cache(maxsize=15)
def _start_counts(bits: int) -> tuple[int, ...]:
    return 1, *(1 << (bits - node.bit_length()) for node in range(1, 1 << bits)), 1


def _shortest(low: int, high: int) -> bytes:
    """The fewest bytes that, with zeros behind them, lie in low..high."""
    for count in range(4):
        rest = _TOP >> 8 * count
        value = (low + rest) & ~rest
        if value <= high:
            return value.to_bytes(4, "big")[:count]
    return low.to_bytes(4, "big")
