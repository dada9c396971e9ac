"""The one clock: samples, frames and seconds, and what a mel frame means.

Every array that crosses a package border lies on this clock. Frame t is centred on the middle of hop t,
sample (t + 1/2) * 320, so that n samples have ceil(n / 320) frames and T frames decode to exactly 320 T samples.
"""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_RATE = 24_000  # Hz
HOP_LENGTH = 320  # samples a frame
N_FFT = 1280  # samples; the window is as long
N_MELS = 100
FRAME_RATE = SAMPLE_RATE / HOP_LENGTH  # 75 Hz


@dataclass(frozen=True)
class MelConfig:
    """What one mel frame means. Aligner, acoustic model and vocoder must agree on all of it."""

    sample_rate: int = SAMPLE_RATE  # Hz
    n_fft: int = N_FFT  # samples, also the Hann window's length
    hop_length: int = HOP_LENGTH  # samples between frames
    n_mels: int = N_MELS
    f_min: float = 0.0  # Hz
    f_max: float = 12_000.0  # Hz
    floor: float = 1e-5  # magnitudes below are raised to it before the logarithm
    scale: str = "slaney"  # mel scale: linear below 1 kHz, area-normalised triangles


MEL = MelConfig()


def samples_to_frames(n_samples: int) -> int:
    """Frames that cover n samples: ceil(n / hop)."""
    return -(-n_samples // HOP_LENGTH)


def frames_to_samples(n_frames: int) -> int:
    return n_frames * HOP_LENGTH


def frames_to_seconds(n_frames: float) -> float:
    return n_frames / FRAME_RATE
