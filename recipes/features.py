"""Stage 3, features: audio, mel, pitch of every utterance into the feature store.

    wav    int16   [S]        24 kHz
    mel    float16 [T, 100]   log-mel of vocoder.audio.mel
    f0     float32 [T]        Hz, 0 = unvoiced (pyworld)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from recipes.progress import track
from recipes.store import Store, StoreWriter
from tts.base.errors import TtsError
from tts.workers import mapped
from vocoder.audio.frames import HOP_LENGTH, N_MELS


def analyse(path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One recording -> (wav int16 [S], mel float16 [T, 100], f0 float32 [T]); S is cut to whole hops."""
    import torch

    from vocoder.audio.f0 import extract_f0
    from vocoder.audio.io import read_audio
    from vocoder.audio.mel import log_mel

    torch.set_num_threads(1)
    wav = read_audio(path)
    wav = wav[: len(wav) // HOP_LENGTH * HOP_LENGTH]
    mel = log_mel(wav)
    f0 = extract_f0(wav)
    return np.round(np.clip(wav, -1, 1) * 32767).astype(np.int16), mel.astype(np.float16), f0


def analyser() -> Callable:
    """``analyse``, for a worker."""
    return analyse


def extract(utterances: Iterable[tuple[str, str]], dump, nj: int = 2, ray: str | None = None) -> int:
    """Features of all utterances into ``dump``; returns how many. Existing complete features are kept.

    Args:
        utterances: (id, audio path) pairs.
        dump: Folder of the store.
        nj: Processes.
        ray: Address of a Ray cluster, instead of processes: ``tts.workers.mapped``.
    """
    utterances = list(utterances)
    dump = Path(dump)
    if (dump / "f0.json").exists():
        have = Store(dump, "f0")
        if set(have.items) == {key for key, _ in utterances}:
            return len(have)
    keys, paths = zip(*utterances, strict=True)
    results = mapped(analyser, paths, nj if ray is None else 1, ray)
    with (
        StoreWriter(dump, "f0", "float32") as f0s,  # first in, last to appear: its index says that all three are there
        StoreWriter(dump, "wav", "int16") as wavs,
        StoreWriter(dump, "mel", "float16", N_MELS) as mels,
    ):
        for key, found in track(zip(keys, results, strict=True), f"features {dump.name}", len(keys)):
            if isinstance(found, TtsError):
                raise found
            wav, mel, f0 = found
            wavs.add(key, wav)
            mels.add(key, mel)
            f0s.add(key, f0)
    return len(keys)


def cpu_jobs() -> int:
    return os.cpu_count() or 1
