"""Who speaks: are two voices one person, and is one recording of two? By the house speaker encoder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tts.base.errors import ModelError

THRESHOLD = 0.26  # cosine, where the encoder's config has none
WINDOW, STRIDE = 150, 75  # frames: 2 s, half overlapping
SPLIT = 0.17  # cosine; two speakers lie below. Error rates: docs/voices.md


@dataclass(frozen=True)
class Likeness:
    """What the encoder says of two voices."""

    cosine: float
    threshold: float
    same: bool
    error_rates: dict  # of that threshold, as the encoder's config states them; empty when it does not


def compare(one, other) -> Likeness:
    """Whether two voices are one person.

    Args:
        one, other: A Voice, or a recording as for ``Voice.from_audio``; nothing of it is kept.

    Raises:
        ModelError: No speaker encoder is installed.
        UsageError, NoInputError, DataError: see ``tts.listen.listen``.
    """
    encoder = _encoder()
    config = encoder.config
    threshold = float(config.get("threshold", THRESHOLD))
    rates = {key: config[key] for key in ("false_accept", "false_reject", "eer") if key in config}
    cosine = float(np.clip(embedding(encoder, one) @ embedding(encoder, other), -1, 1))
    return Likeness(cosine, threshold, cosine >= threshold, rates)


def embedding(encoder, source) -> np.ndarray:
    """[dim] float32 of length one, of a Voice or a recording."""
    from tts.listen import listen
    from tts.voice import Voice

    if not isinstance(source, Voice):
        return encoder.embed(listen([source]).mel)
    if source.speaker is not None and source.speaker_model == encoder.config["model_id"]:
        return source.speaker
    return encoder.embed(source.reference)


def split(encoder, mel: np.ndarray) -> float | None:
    """Cosine between the two groups of windows of mel [T, 100] that differ most in who speaks; None below 5 s.

    Windows are parted along the main direction in which their embeddings spread, then each joins the nearer mean. The
    mean cosine of pairs across the border is told; 1 where one side would have fewer than a fifth of the windows.
    """
    import torch

    n = (len(mel) - WINDOW) // STRIDE + 1
    if n < 4:
        return None
    windows = torch.from_numpy(np.stack([mel[i * STRIDE : i * STRIDE + WINDOW] for i in range(n)]))
    with torch.inference_mode():
        vectors = encoder(windows).numpy()
    spread = vectors - vectors.mean(0)
    side = spread @ np.linalg.svd(spread, full_matrices=False)[2][0] > 0
    for _ in range(10):
        if side.all() or not side.any():
            return 1.0
        one, other = (v / np.linalg.norm(v) for v in (vectors[side].mean(0), vectors[~side].mean(0)))
        moved = vectors @ one > vectors @ other
        if (moved == side).all():
            break
        side = moved
    if min(side.sum(), (~side).sum()) < max(2, 0.2 * n):
        return 1.0
    return round(float((vectors[side] @ vectors[~side].T).mean()), 5)


def split_warning(cosine: float | None) -> tuple[tuple[str, str], ...]:
    """Of what :func:`split` gave, for ``Report.warnings``."""
    if cosine is None or cosine >= SPLIT:
        return ()
    return (("speakers", f"two people seem to speak (cosine {cosine:.2f} between the parts): cut out the other one"),)


def installed_encoder():
    """The house speaker encoder, None when its weights are not there."""
    try:
        return _encoder()
    except ModelError as error:
        if error.code == "model.missing":
            return None
        raise


@lru_cache(maxsize=1)
def _encoder():
    from tts.models.speaker import SpeakerEncoder

    return SpeakerEncoder.load()
