"""Golden token files of format 1, and the codes that they hold, from integer arithmetic alone.

    python tests/golden/tokens/make.py

writes them again beside this file. They change only with the format, in a commit that says why.
"""

from pathlib import Path

import numpy as np

from codec.tokenfile import TokenWriter
from codec.tokenheader import TokenHeader
from tts.base.files import atomic_file

WEIGHTS = "000102030405060708090a0b0c0d0e0f"


def tiny():
    """The file that docs/token-format.md walks through: both coders, a last frame that is not full."""
    codes = np.array([[1, 12, 3, 14, 5], [9, 9, 9, 9, 9]])
    return TokenHeader("tiny", WEIGHTS, 24_000, 320, n_q=2, bits=4, n_samples=1_500, metadata={"by": "hand"}), codes


def speech():
    """Five blocks of four books of 1,024 codes, the lower ones more regular, as in speech."""
    codes = walk(4, 450)
    metadata = {"title": "Gruß, 你好", "synthetic": True}
    return TokenHeader("golden-24k", WEIGHTS, 24_000, 320, 4, 10, 450 * 320, block_frames=100, metadata=metadata), codes


def live():
    """A stream whose length the header does not know, in blocks of 0.2 s; silence at its end."""
    codes = walk(8, 100)
    codes[:, 60:] = 512
    return TokenHeader("golden-24k", WEIGHTS, 24_000, 320, n_q=8, bits=10, block_frames=15), codes


FILES = {"tiny": tiny, "speech": speech, "live": live}


def walk(n_q, n_frames):
    """int [n_q, n_frames]: x = 1103515245 x + 12345 modulo 2^31 for each book and frame; often the code before again."""
    codes, x = np.zeros((n_q, n_frames), np.int64), 1
    for q in range(n_q):
        for t in range(n_frames):
            x = (1_103_515_245 * x + 12_345) % 2**31
            again, new = (x >> 16) % 8, (x >> 20) % 1_024
            codes[q, t] = codes[q, t - 1] if t and again < 5 - 2 * q else new
    return codes


if __name__ == "__main__":
    for name, build in FILES.items():
        header, codes = build()
        with atomic_file(Path(__file__).with_name(f"{name}.ptok"), force=True) as file, TokenWriter(file, header) as tokens:
            tokens.write(codes)
