"""The colour of a cloned voice: its long-term spectrum beside that of the model speaking in it.

The reference encoder gives the voice that the training knows nearest; what is left of the difference in mean spectrum, of
throat, microphone and room, is measured once on a fixed text and added to every mel.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tts.models.reference import REFERENCE_BANDS
from tts.models.variance import ENERGY_BANDS, VoiceTensors

TEXT = "The north wind and the sun were arguing about which of them was stronger, when a traveller came along in a warm coat."
SPEECH = 2.0  # natural log below the loud frames (their 95th percentile) down to which frames count: 17 dB
SMOOTH = 5  # bands
FEW = 75  # frames: of so short a reference half of the difference is believed


@torch.inference_mode()
def colour(acoustic, voice: VoiceTensors, reference: np.ndarray) -> Tensor:
    """Log-mel to add, [100], mean 0 over bands: reference [T, 100] less the model's speech in that voice.

    Above 7.5 kHz, where narrow recordings have nothing, the difference of the bands just below goes on.
    """
    import frontend

    clauses = frontend.analyze(TEXT, "en-us").clauses
    said = []
    for i, clause in enumerate(clauses):
        said.append(acoustic.infer(clause, voice, acoustic.variance.plan(clause, voice), noise=(0, i))[0])
    own, heard = spectrum(torch.cat(said).numpy()), spectrum(reference)
    difference = heard - own
    difference[REFERENCE_BANDS:] = difference[REFERENCE_BANDS - SMOOTH : REFERENCE_BANDS].mean()
    edge = SMOOTH // 2
    difference = np.convolve(np.pad(difference, edge, "edge"), np.ones(SMOOTH) / SMOOTH, "valid")
    believed = len(reference) / (len(reference) + FEW)
    return torch.from_numpy(((difference - difference.mean()) * believed).astype(np.float32))


def spectrum(mel: np.ndarray) -> np.ndarray:
    """Mean log-mel [100] over the frames of [T, 100] that hold speech."""
    level = mel[:, :ENERGY_BANDS].mean(1)
    return mel[level > np.quantile(level, 0.95) - SPEECH].mean(0)
