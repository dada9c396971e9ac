"""The signal floor: audio files, resampling, mel, pitch, spectra, the layers that all models share, and vocoders.

It lies below ``codec`` and ``tts``, because a mel only has meaning together with the vocoder that inverts it.

    >>> from vocoder import Vocoder
    >>> from vocoder.audio.io import read_audio
    >>> from vocoder.audio.mel import log_mel
    >>> from vocoder.audio.pitch import track_pitch
    >>> wav = read_audio("talk.wav")
    >>> mel, f0 = log_mel(wav), track_pitch(wav)
    >>> mel.shape, f0.shape, Vocoder.load().decode(mel, f0).shape
    ((150, 100), (150,), (48000,))
"""

from __future__ import annotations

__all__ = ["Vocoder"]


def __getattr__(name: str):
    if name == "Vocoder":
        from vocoder.api import Vocoder

        return Vocoder
    raise AttributeError(f"module 'vocoder' has no attribute {name!r}")
