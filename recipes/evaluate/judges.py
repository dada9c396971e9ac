"""The two judges of who speaks: Resemblyzer, which has nothing to do with this package, and the package's own encoder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Embed = Callable[[np.ndarray], np.ndarray]  # [S] at 24 kHz -> of length one


def speaker_judges(folder=None) -> tuple[dict[str, Embed], str]:
    """Name -> embedding, and a sentence about them for the table's notes.

    Args:
        folder: Speaker encoder; the shipped one when None, and no row of it where none is shipped.
    """
    from recipes.evaluate.experiments import to_16k
    from recipes.evaluate.similarity import SpeakerJudge
    from tts.registry import shipped
    from vocoder.audio.mel import log_mel

    resemblyzer = SpeakerJudge()
    judges: dict[str, Embed] = {"Resemblyzer": lambda wav: resemblyzer.embed(to_16k(wav))}
    about = "Resemblyzer took no part in training."
    if folder is None and "tts/speaker" not in shipped():
        return judges, about
    from tts.models.speaker import SpeakerEncoder

    encoder = SpeakerEncoder.load(folder)
    judges["ECAPA"] = lambda wav: encoder.embed(log_mel(wav))
    steps = f" after {encoder.config['steps']:,} steps" if "steps" in encoder.config else ""
    return judges, f"{about} ECAPA is the package's speaker encoder{steps}, which heard the same training speakers."
