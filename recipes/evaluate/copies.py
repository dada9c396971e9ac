"""Systems under judgement in the codec's tables: each takes a recording and gives what is left of it, and what that cost.

Opus is real libopus, through libsndfile and the package's own reader and writer. Its bit rate is that of the packets, without
headers and pages of the Ogg container, whose rate stands beside it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recipes.evaluate.intrusive import in_line
from tts.base.errors import DataError
from vocoder.audio.frames import SAMPLE_RATE, frames_to_samples, samples_to_frames

Wav = np.ndarray  # [S] float32 at 24 kHz


@dataclass(frozen=True)
class Copied:
    wav: Wav  # as long as the recording
    bits: float | None = None  # that the copy was made of; None: no bits in between
    file_bytes: int | None = None  # of the file that holds them
    tokens: int | None = None  # codes; None: not a codec of tokens


System = Callable[[Wav], Copied]


def opus(kbps: float) -> System:
    """Opus with its encoder asked for ``kbps`` kbit/s (6 or more); it decides by itself on band, mode and the bits of a frame."""
    from vocoder.audio.io import encode_audio, read_audio

    def copy(wav: Wav) -> Copied:
        data = encode_audio(wav, SAMPLE_RATE, "opus", kbps)
        made, _ = in_line(wav, read_audio(data, SAMPLE_RATE))  # libsndfile drops the pre-skip; a sample or none remains
        return Copied(made, 8 * sum(ogg_packets(data)[2:]), len(data))  # the first two packets are the headers

    return copy


def ogg_packets(data: bytes) -> list[int]:
    """Sizes in bytes of the packets of an Ogg file with one stream.

    Raises:
        DataError: Not Ogg, or cut short.

    Source: RFC 3533 section 6: a page lists its segments; one of less than 255 bytes ends a packet.
    """
    sizes, size, at = [], 0, 0
    while at < len(data):
        table = data[at + 27 : at + 27 + data[at + 26]] if data[at : at + 4] == b"OggS" and at + 27 <= len(data) else None
        if table is None:
            raise DataError("no Ogg page begins here.", where="<bytes>", pos=f"byte {at}", code="evaluate.ogg")
        for segment in table:
            size += segment
            if segment < 255:
                sizes.append(size)
                size = 0
        at += 27 + len(table) + sum(table)
    return sizes


def coded(codec, n_books: int) -> System:
    """A ``codec.Codec`` at so many books."""

    def copy(wav: Wav) -> Copied:
        codes = codec.encode(wav, SAMPLE_RATE, n_books)
        return Copied(codec.decode(codes), codes.codes.size * codes.bits, token_file_bytes(codes), codes.codes.size)

    return copy


def token_file_bytes(codes) -> int:
    """Size of the token file of ``codec.Codes``."""
    from codec import TokenWriter

    file = io.BytesIO()
    with TokenWriter(file, codes.header()) as writer:
        writer.write(codes.codes)
    return len(file.getvalue())


def unquantised(model, seed: int = 0) -> System:
    """A ``codec.model.CodecModel`` whose latent goes to the decoder as it is; the pitch is the one that it reads there."""
    import torch

    model = model.eval()

    @torch.inference_mode()
    def copy(wav: Wav) -> Copied:
        controls = model.drive(model.latent(whole_frames(wav)), 0)
        return Copied(model.speak(*controls, white_noise(len(wav), seed))[0, : len(wav)].float().numpy())

    return copy


def resynthesised(vocoder) -> System:
    """A ``vocoder.api.Vocoder`` from the recording's own mel and F0: what is lost before any bit is saved."""
    from vocoder.audio.f0 import extract_f0
    from vocoder.audio.mel import log_mel

    return lambda wav: Copied(vocoder.decode(log_mel(wav), extract_f0(wav))[: len(wav)])


def whole_frames(wav: Wav):
    """[S] -> tensor [1, 320 T], silence behind."""
    import torch

    size = frames_to_samples(samples_to_frames(len(wav)))
    return torch.from_numpy(np.pad(np.asarray(wav, np.float32), (0, size - len(wav))))[None]


def white_noise(n_samples: int, seed: int):
    """[1, 320 T] for the frames that hold so many samples."""
    import torch

    size = frames_to_samples(samples_to_frames(n_samples))
    return torch.randn(1, size, generator=torch.Generator().manual_seed(seed))
