"""Encoding and decoding in pieces, in memory that does not grow with the length of the sound.

A piece is computed with as many frames before and after it as can reach it (``CodecModel.encoder_reach``, ``decoder_reach``), so
that cuts leave no trace: codes and samples are those of the whole sound, but for the last bits of float32. What is longer
than any reach, pitch held over a pause, phase of the pulses, position in the noise, is carried along.

The algorithmic latency is the frames after, and the piece itself: ``Codec.latency``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from codec.model import CodecModel
from tts.base.errors import DataError
from tts.base.rng import normal
from vocoder.audio.frames import HOP_LENGTH
from vocoder.excitation import PulseStream
from vocoder.nn.graphs import Graphed

CHUNK = 300  # frames: 4 s
STORED_CHUNK = 2 * CHUNK  # of codes that are all there: less is computed twice, around the cuts
FADE = 5  # frames over which a lost stretch fades out


class StreamEncoder:
    """Samples in, codes out.

    Args:
        model: In evaluation mode.
        n_q: Books.
        chunk: Frames that are computed at once, rounded up to whole groups; fewer are only at the end.
    """

    def __init__(self, model: CodecModel, n_q: int, chunk: int = CHUNK, extractor=None):
        self.model, self.n_q, self.extractor = model, n_q, extractor
        self.chunk, self.before = (whole_groups(model, frames) for frames in (chunk, model.encoder_reach[0]))
        self.after = model.encoder_reach[1]
        self.n_samples = 0  # given so far
        self._waiting = np.zeros(0, np.float32)  # from frame _start on
        self._start = self._done = 0  # frames

    def push(self, samples: np.ndarray) -> np.ndarray:
        """[S] float32 at 24 kHz -> the codes that are known by now, int16 [n_q, t], t >= 0."""
        self._waiting = np.concatenate([self._waiting, np.asarray(samples, np.float32)])
        self.n_samples += len(samples)
        parts = []
        while self.n_samples // HOP_LENGTH >= self._done + self.chunk + self.after:
            parts.append(self._piece(self._done + self.chunk, self._done + self.chunk + self.after))
        return self._joined(parts)

    def flush(self) -> np.ndarray:
        """The codes of what is left; the last frame is filled up with zeros. Nothing may follow."""
        total = -(-self.n_samples // HOP_LENGTH)
        self._waiting = np.pad(self._waiting, (0, (total - self._start) * HOP_LENGTH - len(self._waiting)))
        parts = []
        while self._done < total:
            end = min(self._done + self.chunk, total)
            parts.append(self._piece(end, min(end + self.after, total)))
        return self._joined(parts)

    def _piece(self, end: int, known: int) -> np.ndarray:
        wav = torch.from_numpy(self._waiting[: (known - self._start) * HOP_LENGTH].copy())[None]
        with torch.inference_mode():
            semantic = None if self.extractor is None else self.extractor.features(wav)
            latent = self.model.latent(wav, semantic)[:, self._done - self._start : end - self._start]
            codes = self.model.quantizer.encode(latent, self.n_q)[0].numpy()
        start = max(0, end - self.before)
        self._waiting = self._waiting[(start - self._start) * HOP_LENGTH :]
        self._start, self._done = start, end
        return codes.astype(np.int16)

    def _joined(self, parts: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(parts, axis=1) if parts else np.empty((self.n_q, 0), np.int16)


class StreamDecoder:
    """Codes in, samples out. On a GPU a steady stream is two CUDA graphs a piece (``vocoder.nn.graphs``).

    Args:
        model: In evaluation mode.
        seed: Of the noise part.
        chunk: As of the encoder.
    """

    def __init__(self, model: CodecModel, seed: int = 0, chunk: int = CHUNK):
        self.model, self.seed, self.chunk = model, seed, whole_groups(model, chunk)
        self.device = next(model.parameters()).device
        before, after = model.controls_reach
        self._codes = Window(whole_groups(model, before), after)  # int64 [1, T, n_q], read to mel, F0 and hint
        config = model.config.vocoder
        self._controls = Window(config.receptive_field, config.look_ahead)  # what the vocoder is driven by, [1, T, C]
        self._pulses = PulseStream(self.device)
        self._read, self._speak = Graphed(self._controls_of), Graphed(model.vocoder)
        self._last = 0, 0.0  # codes [n_q] of the last frame, or of the one that it repeats, and its gain

    def push(self, codes: np.ndarray) -> np.ndarray:
        """Codes [n_q, t] (-1 in all books of a frame: lost) -> samples [S] float32 that are known by now.

        Lost frames repeat the frame before them, fading out within 67 ms.

        Raises:
            DataError: Another number of books than the model has, or a code out of range.
        """
        self._take(np.asarray(codes))
        return self._run(final=False)

    def flush(self) -> np.ndarray:
        """The samples of what is left. Nothing may follow."""
        return self._run(final=True)

    def _take(self, codes: np.ndarray) -> None:
        n_q, sizes = self.model.config.n_q, self.model.quantizer.codebook_size
        if codes.ndim != 2 or not 1 <= len(codes) <= n_q or codes.dtype.kind not in "iu":
            raise DataError(
                f"codes are {codes.dtype} of shape {list(codes.shape)}; this codec decodes integers [1 to {n_q}, T].",
                where="codes",
                code="codec.shape",
            )
        if codes.size and not (codes.min() >= -1 and codes.max() < sizes):
            raise DataError(f"codes reach {codes.max()}; a book has 0 to {sizes - 1}.", where="codes", code="codec.range")
        codes, gain = codes.T.astype(np.int64), np.ones(codes.shape[1], np.float32)
        for t in np.flatnonzero((codes < 0).any(axis=1)):
            last, its_gain = (codes[t - 1], gain[t - 1]) if t else self._last
            codes[t], gain[t] = last, max(0, round(its_gain * FADE) - 1) / FADE
        if len(codes):
            self._last = codes[-1], gain[-1]
            codes, gain = torch.from_numpy(codes)[None], torch.from_numpy(gain)[None, :, None]
            self._codes.push(codes.to(self.device), gain.to(self.device))

    def _run(self, final: bool) -> np.ndarray:
        parts = []
        with torch.inference_mode():
            for (codes, gain), a, b in self._codes.pieces(self.chunk, final):
                mel, f0, hint = self._read(codes)
                pulses, held = self._pulses.push(f0[:, a:b])
                frames = pulses.view(1, -1, HOP_LENGTH)
                again = frames.shape[1] - (b - a)
                self._controls.replace_last(again, 4, frames[:, :again])
                self._controls.push(mel[:, a:b], f0[:, a:b, None], held[..., None], hint[:, a:b], frames[:, again:], gain[:, a:b])
            done = final and not self._codes.left
            for (mel, f0, held, hint, pulses, gain), a, b in self._controls.pieces(self.chunk, done):
                parts.append(self._samples(mel, f0[..., 0], held[..., 0], hint, pulses, gain[..., 0], a, b))
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def _controls_of(self, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Checked codes [1, T, n_q] -> what ``CodecModel.controls`` returns, without looking at them."""
        with torch.autocast(codes.device.type, enabled=False):
            latent = self.model.quantizer.sum_vectors(codes.transpose(1, 2))
        return self.model.drive(latent, codes.shape[2])

    def _samples(self, mel, f0, held, hint, pulses, gain, a: int, b: int) -> np.ndarray:
        start = self._controls.done - b  # the window's first frame, counted from the beginning of the sound
        noise = normal(self.seed, "codec", (1, mel.shape[1] * HOP_LENGTH), start=start * HOP_LENGTH)
        wav = self._speak(mel, f0, torch.from_numpy(noise).to(self.device), pulses.flatten(1), held, hint)
        wav = wav[0, a * HOP_LENGTH : b * HOP_LENGTH].cpu().numpy()
        gain = gain[0, max(0, a - 1) : b].cpu().numpy()
        if (gain == 1).all():
            return wav
        gain = gain if a else np.pad(gain, (1, 0), mode="edge")
        ramp = (np.arange(HOP_LENGTH, dtype=np.float32) + 0.5) / HOP_LENGTH
        return wav * (gain[:-1, None] + np.diff(gain)[:, None] * ramp).reshape(-1)


def whole_groups(model: CodecModel, frames: int) -> int:
    """Frames rounded up to groups that are coded together: a piece begins with one."""
    return -(-frames // model.config.group) * model.config.group


class Window:
    """Frames that wait, with the ones before them that are still needed."""

    def __init__(self, before: int, after: int):
        self.before, self.after = before, after
        self.done = 0  # frames given out
        self._start = 0  # of the first frame kept
        self._kept: tuple[Tensor, ...] | None = None

    @property
    def left(self) -> int:
        """Frames not given out."""
        return 0 if self._kept is None else self._start + self._kept[0].shape[1] - self.done

    def push(self, *frames: Tensor) -> None:
        """Append frames, each [1, T, C]; always so many tensors of the same widths."""
        old = self._kept
        self._kept = frames if old is None else tuple(torch.cat(pair, 1) for pair in zip(old, frames, strict=True))

    def replace_last(self, count: int, which: int, values: Tensor) -> None:
        """Put other values [1, count, C] into the last frames of one tensor."""
        if count:
            self._kept[which][:, -count:] = values

    def pieces(self, chunk: int, final: bool):
        """(window's tensors, a, b): frames a:b of the window are due; ``done`` counts them already."""
        while self.left >= chunk + self.after or (final and self.left):
            end = min(self.done + chunk, self.done + self.left)
            known = min(end + self.after, self.done + self.left)
            window = tuple(values[:, : known - self._start] for values in self._kept)
            a, b = self.done - self._start, end - self._start
            start = max(0, end - self.before)
            self._kept = tuple(values[:, start - self._start :] for values in self._kept)
            self.done, self._start = end, start
            yield window, a, b
