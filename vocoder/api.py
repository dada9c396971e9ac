"""Vocoder.load / decode: mel and F0 in, samples out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tts.base.errors import DataError
from tts.base.rng import normal
from vocoder.audio.frames import HOP_LENGTH, N_MELS
from vocoder.excitation import bridged_log_f0, pulse_train
from vocoder.fourier import FourierVocoder, VocoderConfig
from vocoder.nn.graphs import Graphed

FIRST_CHUNK, CHUNK = 64, 256  # frames: 0.85 s for an early start, then 3.4 s
HIGHEST_F0 = 2000.0  # Hz; a pulse train needs harmonics below 12 kHz
HOUSE = Path(__file__).parent / "assets" / "house"


class Vocoder:
    """A loaded vocoder.

    >>> import numpy as np
    >>> from vocoder.api import Vocoder
    >>> wav = Vocoder.load().decode(np.full((10, 100), -11.5, np.float32), np.zeros(10, np.float32))
    >>> wav.shape
    (3200,)
    """

    def __init__(self, model: FourierVocoder, config: dict):
        self.model, self.config = model.eval(), config
        self._speak = Graphed(model)  # on a GPU the pieces of a long sound are one CUDA graph

    @classmethod
    def load(cls, folder=None, projections: int | None = None) -> Vocoder:
        """Load a model folder; the house vocoder when None. ``projections``: how often the waveform is pulled to the mel."""
        from vocoder.nn.checkpoint import build, load_into, load_model
        from vocoder.nn.config import from_dict

        folder = Path(folder) if folder else HOUSE
        config, tensors = load_model(folder, "vocoder")
        sizes = from_dict(VocoderConfig, config.get("model"), str(folder))
        model = build(FourierVocoder, sizes if projections is None else replace(sizes, n_projections=projections))
        load_into(model, tensors, str(folder))
        return cls(model, config)

    def decode(self, mel: np.ndarray, f0: np.ndarray, seed: int = 0, stream=("vocoder",)) -> np.ndarray:
        """Samples of a mel spectrogram: the chunks of :meth:`stream`, one after the other.

        Args:
            mel: [T, 100] float32 log-mel.
            f0: [T] float32 Hz, 0 = unvoiced.
            seed: Of the noise part; with ``stream`` (any names and numbers) it decides every noise sample.

        Returns:
            [320 T] float32.

        Raises:
            DataError: shapes do not fit, or a value is not finite or no pitch.
        """
        chunks = list(self.stream(mel, f0, seed, stream))
        return np.concatenate(chunks) if chunks else np.zeros(0, dtype=np.float32)

    def stream(self, mel: np.ndarray, f0: np.ndarray, seed: int = 0, stream=("vocoder",), extra=None) -> Iterator[np.ndarray]:
        """The same samples in chunks as they are ready, a short one first.

        ``extra``: [T, dim] float32 as of ``FourierVocoder.forward``: what a codec knows beside the mel.

        Each chunk is computed with as many frames on both sides as can reach it, so that cuts leave no trace.
        """
        mel, f0 = np.asarray(mel, dtype=np.float32), np.asarray(f0, dtype=np.float32)
        if mel.ndim != 2 or mel.shape[1] != N_MELS or f0.shape != mel.shape[:1]:
            raise DataError(
                f"mel {mel.shape} and f0 {f0.shape} do not fit; a vocoder takes [T, {N_MELS}] and [T].", code="vocoder.shape"
            )
        if not (np.isfinite(mel).all() and np.isfinite(f0).all()):
            raise DataError("mel or f0 holds a value that is not finite.", code="vocoder.finite")
        if len(f0) and f0.max() > HIGHEST_F0:
            raise DataError(f"f0 reaches {f0.max():g} Hz; at most {HIGHEST_F0:g} can be voiced.", code="vocoder.f0")
        if len(mel) == 0:
            return
        n_frames, context = len(mel), self.model.config.receptive_field
        device = self.model.spread.device
        with torch.inference_mode():
            track = torch.from_numpy(f0)[None].to(device)
            pulses, held = pulse_train(track), bridged_log_f0(track)
        start, size = 0, FIRST_CHUNK
        while start < n_frames:
            end = start + size if n_frames - start - size > context else n_frames  # no tiny last chunk
            a, b = max(0, start - context), min(n_frames, end + context)
            n_samples = (b - a) * HOP_LENGTH
            noise = normal(seed, stream, (1, n_samples), start=a * HOP_LENGTH)
            with torch.inference_mode():
                wav = self._speak(
                    torch.from_numpy(mel[a:b])[None].to(device),
                    track[:, a:b],
                    torch.from_numpy(noise).to(device),
                    pulses[:, a * HOP_LENGTH : b * HOP_LENGTH],
                    held[:, a:b],
                    None if extra is None else torch.from_numpy(extra[a:b])[None].to(device),
                )[0]
            yield wav[(start - a) * HOP_LENGTH : (end - a) * HOP_LENGTH].cpu().numpy()
            start, size = end, CHUNK
