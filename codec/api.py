"""Codec.load / encode / decode / stream: sound to codes and back, in arrays, files and pieces."""

from __future__ import annotations

import hashlib
import io
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from codec.codes import Codes
from codec.model import CodecConfig, CodecModel
from codec.quantize.base import Quantizer
from codec.stream import CHUNK, STORED_CHUNK, StreamDecoder, StreamEncoder, whole_groups
from codec.tokenfile import Gap, TokenReader, TokenWriter
from codec.tokenheader import TokenHeader
from codec.units.extractor import unit_extractor
from tts.base.errors import DataError, UsageError
from tts.base.files import atomic_file
from vocoder.audio.frames import HOP_LENGTH, SAMPLE_RATE

HOUSE = Path(__file__).parent / "assets" / "house"


@dataclass(frozen=True)
class Encoded:
    """What ``Codec.encode_file`` wrote."""

    seconds: float  # of sound
    n_books: int
    frames: int
    n_bytes: int  # of the token file

    @property
    def kbps(self) -> float:
        """kbit/s of the file, its header and checksums included."""
        return 8 * self.n_bytes / 1000 / self.seconds if self.seconds else 0.0


class Codec:
    """A loaded speech codec.

    >>> import numpy as np
    >>> from codec import Codec
    >>> codec = Codec.load()
    >>> codes = codec.encode(np.zeros(24000, np.float32), sample_rate=24000, n_books=4)
    >>> codes.codes.shape, codes.kbps
    ((4, 75), 3.0)
    >>> codec.decode(codes).shape
    (24000,)

    Attributes:
        name: Of the codec, as token files have it.
        weights: Hash of the quantiser's weights, as token files have it.
        n_books: Books of 10 bits a frame; fewer, from ``min_books`` on, give a lower bit rate.
    """

    sample_rate = SAMPLE_RATE

    def __init__(self, model: CodecModel, config: dict, extractor=None):
        self.model, self.config, self.extractor = model.eval(), config, extractor
        self.name = config.get("name", "codec")
        self.weights = weights_hash(model.quantizer)
        self.n_books, self.min_books = model.config.n_q, model.config.n_q_min
        self.bits = max(1, math.ceil(math.log2(model.quantizer.codebook_size)))

    @classmethod
    def load(cls, folder: str | Path | None = None, threads: int | None = None) -> Codec:
        """Load a codec's folder; the house codec when None.

        Args:
            folder: As ``recipes export`` writes it.
            threads: torch's thread count for this process; left alone when None.

        Raises:
            ModelError: The folder is missing, damaged, or of another kind.
        """
        from vocoder.nn.checkpoint import build, load_into, load_model
        from vocoder.nn.config import from_dict

        folder = Path(folder) if folder else HOUSE
        if threads:
            torch.set_num_threads(threads)
        config, tensors = load_model(folder, "codec")
        sizes = from_dict(CodecConfig, config.get("model"), str(folder))
        model = build(CodecModel, sizes)
        load_into(model, tensors, str(folder))
        name = re.sub(r"[^a-z0-9._-]", "-", folder.resolve().name.lower()).strip("._-")[:24]
        return cls(model, {"name": name or "codec", **config})

    @property
    def frame_rate(self) -> float:
        """Frames a second; each has a code of every book."""
        return SAMPLE_RATE / HOP_LENGTH

    def latency(self, chunk: int = 1) -> tuple[float, float]:
        """Seconds of sound that must be there before the first of a stream's codes, and of codes before the first samples."""
        chunk, vocoder = whole_groups(self.model, chunk), self.model.config.vocoder
        read = -(-(chunk + vocoder.look_ahead) // chunk) * chunk  # frames of mel and F0, read in pieces too
        frames = chunk + self.model.encoder_reach[1], read + self.model.controls_reach[1]
        return frames[0] / self.frame_rate, frames[1] / self.frame_rate

    def encode(self, audio, sample_rate: int | None = None, n_books: int | None = None, metadata: dict | None = None):
        """Sound to codes.

        Args:
            audio: Path, a file's bytes, a binary file, an array or tensor [S] or [S, channels] with its ``sample_rate``, or a
                list of such things. Channels are averaged, other rates converted to 24 kHz.
            sample_rate: Hz, of arrays.
            n_books: Books to use, ``min_books`` to ``n_books``; all when None.
            metadata: JSON that a token file will carry.

        Returns:
            Codes, or a list of them for a list.

        Raises:
            NoInputError, DataError, ResourceError: As ``vocoder.audio.io.read_audio``.
            UsageError: A number of books that the codec does not have, or an array without its rate.
        """
        from vocoder.audio.io import read_blocks

        if isinstance(audio, list):
            return [self.encode(item, sample_rate, n_books, metadata) for item in audio]
        encoder = self.encoder(n_books)
        parts = [encoder.push(block) for block in read_blocks(_source(audio, sample_rate))]
        codes = np.concatenate([*parts, encoder.flush()], axis=1)
        return Codes(codes, self.name, self.weights, encoder.n_samples, SAMPLE_RATE, HOP_LENGTH, self.bits, metadata or {})

    def decode(self, codes, seed: int = 0, force: bool = False) -> np.ndarray | list[np.ndarray]:
        """Codes to sound.

        Args:
            codes: Codes, a token file's path or bytes, or a list of such things.
            seed: Of the noise part of speech: equal seeds, equal samples.
            force: Decode codes of other weights too: they will hardly be speech.

        Returns:
            [S] float32 at 24 kHz, as many samples as were encoded; a list for a list.

        Raises:
            NoInputError, DataError: As ``Codes.load``; codes of another codec.
        """
        if isinstance(codes, list):
            return [self.decode(item, seed, force) for item in codes]
        if not isinstance(codes, Codes):
            codes = Codes.load(codes)
        self.check(codes.header(), force)
        decoder = self.decoder(seed, STORED_CHUNK)
        return np.concatenate([decoder.push(codes.codes), decoder.flush()])[: codes.n_samples]

    def stream(self, sound: Iterable[np.ndarray], n_books: int | None = None, chunk: int = CHUNK) -> Iterator[np.ndarray]:
        """Codes of a sound that comes in pieces, as soon as they are known.

        Args:
            sound: Pieces [S] float32 at 24 kHz, of any lengths.
            n_books: As for :meth:`encode`.
            chunk: Frames that are computed at once, 13.3 ms each: small ones are early and cost more.

        Yields:
            int16 [n_books, t].
        """
        encoder = self.encoder(n_books, chunk)
        for piece in sound:
            yield encoder.push(piece)
        yield encoder.flush()

    def stream_decode(self, codes: Iterable[np.ndarray], seed: int = 0, chunk: int = CHUNK) -> Iterator[np.ndarray]:
        """Samples [S] float32 of codes [n_books, t] that come in pieces; whole frames, so up to 319 more than were encoded."""
        decoder = self.decoder(seed, chunk)
        for piece in codes:
            yield decoder.push(piece)
        yield decoder.flush()

    def encoder(self, n_books: int | None = None, chunk: int = CHUNK) -> StreamEncoder:
        """An encoder of one sound: ``push`` samples, then ``flush``."""
        n_books = self.n_books if n_books is None else n_books
        if not self.min_books <= n_books <= self.n_books:
            raise UsageError(
                f"{n_books} books; this codec has {self.min_books} to {self.n_books}.", where="n_books", code="codec.books"
            )
        if self.extractor is None and self.model.needs_teacher:
            self.extractor = unit_extractor(self.model.config.semantic)
        return StreamEncoder(self.model, n_books, chunk, self.extractor)

    def decoder(self, seed: int = 0, chunk: int = CHUNK) -> StreamDecoder:
        """A decoder of one sound: ``push`` codes, then ``flush``."""
        return StreamDecoder(self.model, seed, chunk)

    def encode_file(
        self, audio, target, n_books: int | None = None, metadata: dict | None = None, force: bool = False, heard=None
    ):
        """An audio file of any length into a token file, in little memory, whole or not at all.

        Args:
            audio, n_books, metadata: As for :meth:`encode`; or an iterator of pieces [S] float32 at 24 kHz.
            target: Path of the token file, or a writable binary file.
            force: Replace an existing file.
            heard: Called with the seconds encoded so far.

        Returns:
            Encoded.
        """
        from vocoder.audio.io import read_blocks

        blocks = audio if isinstance(audio, Iterator) else read_blocks(_source(audio, None))
        encoder = self.encoder(n_books)
        with nullcontext(target) if hasattr(target, "write") else atomic_file(target, force) as file:
            tokens = self._writer(file, encoder, metadata)
            for block in blocks:
                tokens.write(encoder.push(block))
                if heard:
                    heard(encoder.n_samples / SAMPLE_RATE)
            tokens.write(encoder.flush())
            tokens.close(encoder.n_samples)
        return Encoded(encoder.n_samples / SAMPLE_RATE, encoder.n_q, -(-encoder.n_samples // HOP_LENGTH), tokens.n_bytes)

    def encode_stream(self, blocks: Iterable[np.ndarray], n_books: int | None = None, metadata: dict | None = None):
        """The token file of :meth:`encode_file` for a sound that comes in pieces.

        Args:
            blocks: [S_i] float32 at 24 kHz.
            n_books, metadata: As for :meth:`encode`.

        Yields:
            Bytes for every piece, none where nothing is full yet, and the rest.
        """
        encoder, file = self.encoder(n_books), io.BytesIO()
        tokens = self._writer(file, encoder, metadata)

        def taken() -> bytes:
            data = file.getvalue()
            file.seek(0)
            file.truncate()
            return data

        for block in blocks:
            tokens.write(encoder.push(block))
            yield taken()
        tokens.write(encoder.flush())
        tokens.close(encoder.n_samples)
        yield taken()

    def _writer(self, file, encoder: StreamEncoder, metadata: dict | None) -> TokenWriter:
        header = TokenHeader(self.name, self.weights, SAMPLE_RATE, HOP_LENGTH, encoder.n_q, self.bits, metadata=metadata or {})
        return TokenWriter(file, header)

    def decode_stream(self, reader: TokenReader, seed: int = 0, force: bool = False, salvage: bool = False, lost=None):
        """Samples of a token file as it is read, in little memory: exactly as many as were encoded.

        Args:
            reader: Of the file.
            seed, force: As for :meth:`decode`.
            salvage: Go on over damage: lost stretches of up to 4 s and more are silent.
            lost: Called with (start, end) in seconds of each lost stretch; end is infinite when not known.

        Yields:
            [S] float32.
        """
        self.check(reader.header, force, reader.where)
        decoder, n_books, given = self.decoder(seed, STORED_CHUNK), reader.header.n_q, 0

        def pieces():
            for item in reader.salvage() if salvage else reader.blocks():
                if isinstance(item, Gap):
                    start = reader.header.seconds(item.first_frame)
                    lost and lost(start, math.inf if item.frames is None else start + reader.header.seconds(item.frames))
                    for first in range(0, item.frames or 0, CHUNK):
                        yield decoder.push(np.full((n_books, min(CHUNK, item.frames - first)), -1, np.int16))
                else:
                    yield decoder.push(item.codes)
            yield decoder.flush()

        waiting = np.zeros(0, np.float32)  # up to a frame: the length of a stream is known at its end
        for piece in pieces():
            piece = np.concatenate([waiting, piece])
            ready, waiting = piece[: max(0, len(piece) - HOP_LENGTH)], piece[max(0, len(piece) - HOP_LENGTH) :]
            given += len(ready)
            yield ready
        end = len(waiting) if reader.n_samples is None else reader.n_samples - given
        yield waiting[: max(0, end)]

    def check(self, header: TokenHeader, force: bool = False, where: str = "codes") -> None:
        """Refuse codes that other weights made.

        Raises:
            DataError: Another quantiser, rate, hop or size of codes.
        """
        mine = (SAMPLE_RATE, HOP_LENGTH, self.bits)
        fits = (header.sample_rate, header.hop_length, header.bits) == mine and header.n_q <= self.n_books
        if fits and (header.weights == self.weights or force):
            return
        raise DataError(
            f"codes of codec {header.codec!r} (weights {header.weights[:8]}, {header.n_q} books, {header.bits} bits); "
            f"this is {self.name!r} (weights {self.weights[:8]}, {self.n_books} books, {self.bits} bits).",
            where=where,
            code="codec.weights",
            fix="Decode with the codec that encoded." + (" Other weights of this form can be forced." if fits else ""),
        )


def weights_hash(quantizer: Quantizer) -> str:
    """Hex of the first 16 bytes of the SHA-256 of a quantiser's state: name, shape and float32 bytes of each tensor, by name."""
    digest = hashlib.sha256()
    for name, value in sorted(quantizer.export_state().items()):
        digest.update(f"{name} {list(value.shape)}\n".encode())
        digest.update(np.ascontiguousarray(value.detach().cpu().float().numpy(), "<f4").tobytes())
    return digest.hexdigest()[:32]


def _source(audio, sample_rate: int | None):
    if isinstance(audio, torch.Tensor):
        audio = audio.detach().cpu().numpy()
    if not isinstance(audio, np.ndarray):
        if sample_rate is not None:
            raise UsageError("files bring their own sample rate.", where="sample_rate", code="audio.rate")
        return audio
    if sample_rate is None:
        raise UsageError(
            "samples come with their rate.", where="sample_rate", code="audio.no_rate", fix="Give sample_rate in Hz."
        )
    return audio, sample_rate
