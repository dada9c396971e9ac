"""``Codes``: a sound as codec tokens, with all that is needed to know which codec decodes it to how many samples."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import BinaryIO

import numpy as np

from codec.tokenfile import Block, TokenReader, TokenWriter, check_codes
from codec.tokenheader import TokenHeader
from tts.base.errors import DataError, NoInputError, ResourceError
from tts.base.files import atomic_file
from tts.base.limits import LIMITS

SHOWN, COLOURS = 300, 32  # frames and colours of the picture in a notebook


@dataclass(frozen=True, eq=False)
class Codes:
    """The codes of one sound; no torch, no model. A notebook shows them as a picture.

    >>> import numpy as np
    >>> from codec import Codes
    >>> codes = Codes(np.zeros((4, 75), int), "mine", "0" * 32, n_samples=24_000, sample_rate=24_000, hop_length=320)
    >>> codes.seconds, codes.kbps
    (1.0, 3.0)

    Raises:
        DataError: The codes are not [n_q, ceil(n_samples / hop_length)], or one is outside 0..2^bits - 1.
    """

    codes: np.ndarray  # int16 [n_q, T]; -1 where a damaged file has lost the frame
    codec: str  # name of the codec
    weights: str  # hex of the first 16 bytes of the SHA-256 of its quantiser's weights
    n_samples: int  # of the sound
    sample_rate: int  # Hz
    hop_length: int  # samples a frame
    bits: int = 10  # a code
    metadata: dict = field(default_factory=dict)  # JSON
    lost: tuple[tuple[float, float], ...] = ()  # seconds; infinity: until an end that is not known

    def __post_init__(self):
        header = self.header()
        codes = check_codes(self.codes, self.bits, lowest=-1 if self.lost else 0)
        if codes.shape[1] != header.frames:
            raise DataError(
                f"{codes.shape[1]:,} frames of {self.hop_length} samples for a sound of {self.n_samples:,} samples.",
                where="codes",
                code="tokens.frames",
                fix="Give ceil(n_samples / hop_length) frames.",
            )
        object.__setattr__(self, "codes", codes.astype(np.int16, copy=False))

    @property
    def seconds(self) -> float:
        """Of sound."""
        return self.n_samples / self.sample_rate

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.sample_rate / self.hop_length

    @property
    def kbps(self) -> float:
        """Bit rate of the plain codes, kbit/s; a file adds about 1 % and saves what its entropy coder finds."""
        return len(self.codes) * self.bits * self.frame_rate / 1000

    def header(self, block_frames: int = 300) -> TokenHeader:
        """The header of a token file of these codes."""
        return TokenHeader(
            codec=self.codec,
            weights=self.weights,
            sample_rate=self.sample_rate,
            hop_length=self.hop_length,
            n_q=len(np.atleast_2d(self.codes)),
            bits=self.bits,
            n_samples=self.n_samples,
            block_frames=block_frames,
            metadata=self.metadata,
        )

    def save(self, path: str | Path, force: bool = False) -> None:
        """Write a token file, whole or not at all.

        Raises:
            DataError: Frames are lost.
            CannotCreateError, FileError: As ``tts.base.files.atomic_file``.
        """
        with atomic_file(path, force) as file, TokenWriter(file, self.header()) as tokens:
            tokens.write(self.codes)

    def _repr_html_(self) -> str:
        """For notebooks: a picture of the first 300 frames, a row a book; neighbouring codes share one of 32 colours."""
        n_q, n_frames = self.codes.shape
        shown = self.codes[:, :SHOWN].astype(int)
        shades = np.where(shown < 0, -1, shown * COLOURS >> self.bits)
        strokes = "".join(
            f'<path stroke="hsl({360 * shade // COLOURS},60%,50%)" d="'
            + "".join(f"M{t} {q}h1" for q, t in zip(*np.nonzero(shades == shade), strict=True))
            + '"/>'
            for shade in np.unique(shades[shades >= 0])
        )
        facts = [f"codec {self.codec}", f"{n_q} books × {n_frames:,} frames", f"{self.seconds:.2f} s", f"{self.kbps:g} kbit/s"]
        facts += [f"the first {SHOWN} frames are shown"] if n_frames > SHOWN else []
        facts += [f"lost stretches: {len(self.lost)}"] if self.lost else []
        return (
            f'<figure style="margin:0"><svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="codes" '
            f'width="{4 * shown.shape[1]}" height="{12 * n_q}" viewBox="0 -0.5 {shown.shape[1]} {n_q}" '
            f'preserveAspectRatio="none">{strokes}</svg><figcaption>{escape(" · ".join(facts))}</figcaption></figure>'
        )

    @classmethod
    def load(cls, source: str | Path | bytes | BinaryIO, salvage: bool = False) -> Codes:
        """Read a token file.

        Args:
            source: Path, the file's bytes, or a binary file object.
            salvage: Take what is whole of a damaged file; ``lost`` then lists what is missing. Without the header nothing is.

        Raises:
            NoInputError: Missing or unreadable path.
            DataError: Not a token file, damaged or cut short, with the byte.
            ResourceError: More than LIMITS.token_frames frames.
        """
        with open_tokens(source) as (file, where):
            reader = TokenReader(file, where)
            header, parts, frames, lost = reader.header, [], 0, []
            for item in reader.salvage() if salvage else reader.blocks():
                if item.frames is None:
                    lost.append((header.seconds(item.first_frame), math.inf))
                    break
                frames += item.frames
                if frames > LIMITS.token_frames:
                    raise ResourceError(
                        f"more than {LIMITS.token_frames:,} frames.",
                        where=where,
                        code="tokens.too_long",
                        limit=LIMITS.token_frames,
                        fix="Read it block by block with TokenReader.",
                    )
                if isinstance(item, Block):
                    parts.append(item.codes)
                else:
                    lost.append((header.seconds(item.first_frame), header.seconds(frames)))
                    parts.append(np.full((header.n_q, item.frames), -1, np.int16))
        return cls(
            codes=np.concatenate(parts, axis=1) if parts else np.empty((header.n_q, 0), np.int16),
            codec=header.codec,
            weights=header.weights,
            n_samples=frames * header.hop_length if reader.n_samples is None else reader.n_samples,
            sample_rate=header.sample_rate,
            hop_length=header.hop_length,
            bits=header.bits,
            metadata=header.metadata,
            lost=tuple(lost),
        )


@contextmanager
def open_tokens(source: str | Path | bytes | BinaryIO) -> Iterator[tuple[BinaryIO, str]]:
    """A binary file at its start, and its name in messages; ``source`` as for ``Codes.load``."""
    if isinstance(source, str | os.PathLike):
        where = os.fspath(source)
        try:
            file = open(source, "rb")  # noqa: SIM115 - closed below
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise NoInputError(
                f"cannot be read: {reason}.", where=where, code="tokens.unreadable", fix="Check the path and its permissions."
            ) from error
        with file:
            yield file, where
    elif isinstance(source, bytes | bytearray | memoryview):
        yield io.BytesIO(source), "<bytes>"
    else:
        yield source, str(getattr(source, "name", "<file>"))
