"""The package's own teacher for the semantic path of the codec: ``unit_extractor("aligner")`` after ``import tts.units``.

The codec does not import this package, so the aligner adds itself. It stands in for a self-supervised model: the encoder of a
small phone recogniser in five languages. ``aligner:FOLDER`` takes another one than the shipped one.
"""

from __future__ import annotations

import torch

from codec.units.extractor import UnitExtractor, register
from tts.aligner import Aligner
from vocoder.audio.frames import FRAME_RATE, SAMPLE_RATE
from vocoder.audio.mel import log_mel


class AlignerUnits(UnitExtractor):
    """What the aligner's two heads read: the hidden state behind its last block, on the codec's own frames."""

    sample_rate, frame_rate = SAMPLE_RATE, FRAME_RATE

    def __init__(self, place: str = "", download: bool = False):
        self.model = Aligner.load(place or None).model.requires_grad_(False)
        self.name, self.dim = f"aligner:{place}" if place else "aligner", self.model.config.dim

    def run(self, wav):
        mel = log_mel(wav)
        return self.model.to(wav.device).encode(mel, torch.ones(mel.shape[:2], dtype=torch.bool, device=wav.device))


register("aligner", AlignerUnits)
