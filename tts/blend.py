"""A mix of voices: styles in proportion for one model, references in proportion, the consent of everybody kept."""

from __future__ import annotations

from numbers import Real

import numpy as np

from tts.base.errors import UsageError
from tts.listen import LONGEST_REFERENCE
from tts.voice import Voice

PERIOD = 150  # frames (2 s) in which every voice has its share: however a model crops the reference, shares stay


def blend(weights: dict[Voice, float], name: str = "mix", model=None) -> Voice:
    """One voice of several.

    Args:
        weights: Voice -> its share; not negative, scaled to a sum of one.
        name: Of the mix.
        model: A ``Synthesizer``, or a model's name or folder; the house model when None. The mix belongs to it: its style
            vector is the weighted mean of theirs.

    Raises:
        UsageError: Fewer than one voice, or weights that are no shares.
        ModelError: A voice with a style belongs to another model.
    """
    from tts.api import Synthesizer

    synthesizer = model if isinstance(model, Synthesizer) else Synthesizer(model)
    shares = _shares(weights)
    used = [voice for voice, share in shares.items() if share > 0]
    styles = [shares[voice] * synthesizer.style(voice).astype(np.float64) for voice in used]
    main = max(used, key=lambda voice: shares[voice])

    def common(values, otherwise=""):
        return values[0] if len(set(values)) == 1 else otherwise

    return Voice(
        name=name,
        reference=_interleaved({voice: shares[voice] for voice in used}),
        style=sum(styles).astype(np.float32),
        model_id=synthesizer.model_id,
        language=main.language,
        languages=tuple(dict.fromkeys(tag for voice in [main, *used] for tag in voice.languages)),
        gender=common([voice.gender for voice in used], "u"),
        corpus=", ".join(dict.fromkeys(voice.corpus for voice in used if voice.corpus)),
        licence=", ".join(dict.fromkeys(voice.licence for voice in used if voice.licence)),
        consent={"kind": "mix", "parts": [_part(voice, shares[voice]) for voice in used]},
        **_speaker(used, shares),
        pitch=_pitch(used, shares),
    )


def _part(voice: Voice, share: float) -> dict:
    """What a mix keeps of one voice in it."""
    kept = {"name": voice.name, "weight": round(share, 6), "source_sha256": voice.source_sha256}
    return kept | {"licence": voice.licence, "consent": voice.consent}


def _shares(weights: dict[Voice, float]) -> dict[Voice, float]:
    given = dict(weights) if isinstance(weights, dict) else {}
    sound = all(isinstance(v, Voice) and isinstance(w, Real) and np.isfinite(w) and w >= 0 for v, w in given.items())
    if not given or not sound or not sum(given.values()) > 0:
        raise UsageError(
            "a mix needs voices with weights that are not negative.", where="weights", code="voice.weights",
            fix="Like this: Voice.blend({one: 0.7, other: 0.3}).",
        )  # fmt: skip
    total = float(sum(given.values()))
    return {voice: float(weight) / total for voice, weight in given.items()}


def _interleaved(shares: dict[Voice, float]) -> np.ndarray:
    """[T, 100]: of each 2 s every voice has its share, until one of them has no more, or 30 s are full."""
    if len(shares) == 1:
        return next(iter(shares)).reference
    sizes = {voice: max(1, round(PERIOD * share)) for voice, share in shares.items()}
    n = max(1, min(LONGEST_REFERENCE // PERIOD, *(len(voice.reference) // size for voice, size in sizes.items())))
    return np.concatenate([voice.reference[i * size : (i + 1) * size] for i in range(n) for voice, size in sizes.items()])


def _speaker(used: list[Voice], shares: dict[Voice, float]) -> dict:
    """The embedding in between, where all were made by one encoder."""
    models = {voice.speaker_model for voice in used if voice.speaker is not None}
    if len(models) != 1 or any(voice.speaker is None for voice in used):
        return {}
    mean = sum(shares[voice] * voice.speaker.astype(np.float64) for voice in used)
    return {"speaker": (mean / max(np.linalg.norm(mean), 1e-9)).astype(np.float32), "speaker_model": models.pop()}


def _pitch(used: list[Voice], shares: dict[Voice, float]) -> tuple[float, float] | None:
    """Weighted means of log median and spread, where all are known."""
    if any(voice.pitch is None for voice in used):
        return None
    log, spread = (sum(shares[v] * value(v.pitch) for v in used) for value in (lambda p: np.log(p[0]), lambda p: p[1]))
    return float(np.exp(log)), float(spread)
