"""Vocoder.load / decode: mel and F0 in, samples out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tts.base.errors import DataError
from tts.base.rng import normal
from vocoder.audio.frames import HOP_LENGTH, N_MELS
from vocoder.fourier import FourierVocoder, VocoderConfig

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

    @classmethod
    def load(cls, folder=None) -> Vocoder:
        """Load a model folder; the house vocoder when None."""
        from vocoder.nn.checkpoint import load_into, load_model
        from vocoder.nn.config import from_dict

        folder = Path(folder) if folder else HOUSE
        config, tensors = load_model(folder, "vocoder")
        model = FourierVocoder(from_dict(VocoderConfig, config["model"], str(folder)))
        load_into(model, tensors, str(folder))
        return cls(model, config)

    @torch.inference_mode()
    def decode(self, mel: np.ndarray, f0: np.ndarray, seed: int = 0, stream=("vocoder",)) -> np.ndarray:
        """Samples of a mel spectrogram.

        Args:
            mel: [T, 100] float32 log-mel.
            f0: [T] float32 Hz, 0 = unvoiced.
            seed: Of the noise part; with ``stream`` (any names and numbers) it decides every noise sample.

        Returns:
            [320 T] float32.

        Raises:
            DataError: shapes do not fit, or a value is not finite.
        """
        mel, f0 = np.asarray(mel, dtype=np.float32), np.asarray(f0, dtype=np.float32)
        if mel.ndim != 2 or mel.shape[1] != N_MELS or f0.shape != mel.shape[:1]:
            raise DataError(
                f"mel {mel.shape} and f0 {f0.shape} do not fit; a vocoder takes [T, {N_MELS}] and [T].", code="vocoder.shape"
            )
        if not (np.isfinite(mel).all() and np.isfinite(f0).all()):
            raise DataError("mel or f0 holds a value that is not finite.", code="vocoder.finite")
        if len(mel) == 0:
            return np.zeros(0, dtype=np.float32)
        noise = torch.from_numpy(normal(seed, stream, (1, len(mel) * HOP_LENGTH)))
        return self.model(torch.from_numpy(mel)[None], torch.from_numpy(f0)[None], noise)[0].numpy()
