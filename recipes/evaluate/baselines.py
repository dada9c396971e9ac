"""What the house models are measured against: WORLD and Griffin-Lim copy synthesis, and espeak-ng speech."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from tts.base.errors import UnavailableError
from vocoder.audio.frames import HOP_LENGTH, N_FFT, SAMPLE_RATE

ESPEAK_SECONDS = 60  # limit for one sentence


def world_copy(wav: np.ndarray) -> np.ndarray:
    """[S] float at 24 kHz through WORLD at its full resolution (5 ms, uncoded envelopes): a much richer input than our mel."""
    from vocoder.audio.f0 import import_pyworld

    pyworld = import_pyworld()
    wav = np.ascontiguousarray(wav, np.float64)
    f0, times = pyworld.harvest(wav, SAMPLE_RATE)
    f0 = pyworld.stonemask(wav, f0, times, SAMPLE_RATE)
    envelope = pyworld.cheaptrick(wav, f0, times, SAMPLE_RATE)
    aperiodicity = pyworld.d4c(wav, f0, times, SAMPLE_RATE)
    spoken = pyworld.synthesize(f0, envelope, aperiodicity, SAMPLE_RATE)[: len(wav)]
    return np.pad(spoken, (0, len(wav) - len(spoken))).astype(np.float32)


def griffin_lim(mel: np.ndarray, n_iter: int = 60, momentum: float = 0.99, seed: int = 0) -> np.ndarray:
    """Samples [320 T] from a log-mel [T, 100] without a model.

    The magnitude is the non-negative spectrum whose mel fits best; the phase is found by fast Griffin-Lim from a seeded start.

    Source: Perraudin, Balazs, Soendergaard 2013 (momentum 0.99).
    """
    import torch

    from vocoder.audio.spectrum import istft, stft

    magnitude = torch.from_numpy(magnitude_of(mel))[None]  # [1, T, 641]
    angle = torch.rand(magnitude.shape, generator=torch.Generator().manual_seed(seed)) * (2 * torch.pi)
    previous = torch.zeros(magnitude.shape, dtype=torch.complex64)
    spectrum = torch.polar(magnitude, angle)
    for _ in range(n_iter):
        consistent = stft(istft(spectrum, N_FFT, HOP_LENGTH), N_FFT, HOP_LENGTH)
        ahead = consistent + momentum * (consistent - previous)
        spectrum = torch.polar(magnitude, torch.angle(ahead))
        previous = consistent
    return istft(spectrum, N_FFT, HOP_LENGTH)[0].numpy()


def magnitude_of(mel: np.ndarray, n_iter: int = 100) -> np.ndarray:
    """[T, 100] log-mel -> [T, 641] magnitudes >= 0 by multiplicative updates (Lee and Seung 1999)."""
    from vocoder.audio.mel import mel_filterbank

    bank = mel_filterbank().numpy().astype(np.float64)  # [641, 100]
    target = np.exp(np.asarray(mel, np.float64))
    share = bank / np.maximum(bank.sum(0), 1e-12)
    magnitude = target @ share.T / np.maximum(share.sum(1), 1e-12)
    for _ in range(n_iter):
        magnitude *= (target @ bank.T) / np.maximum(magnitude @ bank @ bank.T, 1e-12)
    return magnitude.astype(np.float32)


def espeak_speech(text: str, language: str, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """[S] float32: the text spoken by the bundled espeak-ng, in a process of its own, because plain text can abort it.

    Raises:
        UnavailableError: espeak-ng is not installed, does not know the language, or died.
    """
    from vocoder.audio.io import resample

    done = subprocess.run(
        [sys.executable, "-m", "recipes.evaluate.espeak_process", language],
        input=text.encode(),
        capture_output=True,
        timeout=ESPEAK_SECONDS,
    )
    if done.returncode or len(done.stdout) <= 4:
        raise UnavailableError(
            f"espeak-ng did not speak {text[:60]!r} ({language}): "
            f"{done.stderr.decode(errors='replace').strip()[-200:] or f'exit code {done.returncode}'}.",
            code="evaluate.espeak",
            fix="Run: pip install espeakng-loader; check the language tag.",
        )
    rate = int(np.frombuffer(done.stdout[:4], "<i4")[0])
    samples = np.frombuffer(done.stdout[4:], "<i2").astype(np.float32) / 32768
    return resample(samples, rate, sample_rate)
