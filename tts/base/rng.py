"""Random numbers that are a function of (seed, stream, position) and of nothing else.

Philox is a block cipher run in counter mode: number i of a stream can be computed without the i - 1 before
it. So noise does not depend on batch, chunking, thread or what was drawn earlier, and no global state is read
or moved. The bits come from ``Philox.random_raw``, which numpy keeps stable between versions, and are turned
into normals here (Box-Muller), because numpy's own ``standard_normal`` may change its algorithm.
"""

from __future__ import annotations

import hashlib

import numpy as np

Stream = str | tuple  # a name, or a tuple of names and integers such as ("noise", clause)

_PER_BLOCK = 8  # normals from one Philox counter step: 4 x 64 bit, two 32-bit uniforms each


def _philox(seed: int, stream: Stream) -> np.random.Philox:
    parts = stream if isinstance(stream, tuple) else (stream,)
    key = repr((int(seed), *(int(p) if isinstance(p, (int, np.integer)) else str(p) for p in parts)))
    digest = hashlib.blake2b(key.encode(), digest_size=16, person=b"parlance-rng-1").digest()
    return np.random.Philox(key=int.from_bytes(digest, "little"))


def normal(seed: int, stream: Stream, shape: int | tuple[int, ...], start: int = 0) -> np.ndarray:
    """Standard normal numbers ``start .. start + prod(shape)`` of a stream.

    Args:
        seed: Any integer; the user's ``--seed``.
        stream: What the numbers are for; different streams are independent.
        shape: Of the result; filled in C order, so a longer first axis only adds rows.
        start: Index of the first number, to draw a stream in pieces.

    Returns:
        float32 array of ``shape``.
    """
    count = int(np.prod(shape, dtype=np.int64))
    bits = _philox(seed, stream)
    bits.advance(start // _PER_BLOCK)
    skip = start % _PER_BLOCK
    words = bits.random_raw(-(-(skip + count) // _PER_BLOCK) * (_PER_BLOCK // 2))
    u = ((words >> np.uint64(32)).astype(np.float64) + 0.5) * 2.0**-32  # (0, 1): log(u) is finite
    angle = (words & np.uint64(0xFFFFFFFF)).astype(np.float64) * (2.0 * np.pi * 2.0**-32)
    radius = np.sqrt(-2.0 * np.log(u))
    pairs = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1).reshape(-1)
    return pairs[skip : skip + count].astype(np.float32).reshape(shape)


def generator(seed: int, stream: Stream) -> np.random.Generator:
    """A private numpy Generator for order and choices (shuffles, crops) where position does not matter."""
    return np.random.Generator(_philox(seed, stream))
