"""The signal floor: audio files, resampling, mel, pitch, spectra, the layers that all models share, and vocoders.

It lies below ``codec`` and ``tts``, because a mel only has meaning together with the vocoder that inverts it.

    from vocoder import Vocoder

    wav = Vocoder.load().decode(mel, f0)  # [T, 100], [T] -> [320 T]
"""

from __future__ import annotations

__all__ = ["Vocoder"]


def __getattr__(name: str):
    if name == "Vocoder":
        from vocoder.api import Vocoder

        return Vocoder
    raise AttributeError(f"module 'vocoder' has no attribute {name!r}")
