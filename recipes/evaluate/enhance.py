"""Bandwidth extension of held-out recordings that were cut at 4 kHz, beside what can be guessed from the bands below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recipes.datadir import Utterance
from recipes.evaluate.clips import samples
from recipes.evaluate.experiments import Result, by
from recipes.progress import track
from vocoder.audio.frames import MEL, N_MELS
from vocoder.audio.mel import band_edges

DB = 20 / np.log(10)  # of a natural log of amplitude
FITTED = 20  # bands that the straight line goes through
QUIET = np.log(1e-3)  # frames whose loudest band is below are pauses


def cut(wav: np.ndarray, rate: int = 8000) -> np.ndarray:
    """[S] at 24 kHz as it comes back from a lower rate."""
    from vocoder.audio.io import resample

    made = resample(resample(wav, 24_000, rate), rate, 24_000)
    return np.pad(made, (0, max(0, len(wav) - len(made))))[: len(wav)]


def guesses(mel: np.ndarray, first: int) -> dict[str, np.ndarray]:
    """What needs no model: log-mel [T, 100] whose bands from ``first`` on are not known."""
    above = np.arange(first, N_MELS)
    low = np.arange(first - FITTED, first)
    slope = ((low - low.mean()) * mel[:, low]).sum(1) / np.square(low - low.mean()).sum()
    line = mel[:, low].mean(1, keepdims=True) + slope[:, None] * (above - low.mean())
    known = mel[:, :first]
    values = {
        "nothing": np.full_like(line, np.log(MEL.floor)),
        "last band repeated": np.repeat(mel[:, first - 1 : first], len(above), 1),
        "straight line": np.maximum(line, np.log(MEL.floor)),
    }
    return {name: np.concatenate([known, value], 1).astype(np.float32) for name, value in values.items()}


def extension(clips: Sequence[Utterance], enhancer, passes: Sequence[int], rate: int = 8000) -> Result:
    """Distance above the cut-off of each way, in dB; frames of pauses do not count.

    Args:
        clips: Of the whole band.
        enhancer: :class:`tts.enhance.Enhancer`.
        passes: Of the masked model.
        rate: Hz that the recordings are brought to.
    """
    import torch

    from tts.enhance import DEFAULT, measured_cutoff
    from vocoder.audio.mel import log_mel

    records = []
    for clip in track(clips, "enhance"):
        wav = samples(clip)
        narrow, mel = cut(wav, rate), log_mel(wav)
        cutoff, given = measured_cutoff(narrow), log_mel(narrow)
        spoken, above = mel.max(1) > QUIET, band_edges()[:-2] >= rate / 2
        first = int((band_edges()[2:] <= cutoff).sum())
        made = guesses(given, first)
        for steps in passes:
            made[f"{steps} passes"] = enhancer.extend(given, cutoff, (0, "evaluate"), replace(DEFAULT, steps=steps))
        greedy = replace(DEFAULT, temperature=0.0, choice_temperature=0.0)
        made["likeliest codes"] = enhancer.extend(given, cutoff, (0, "evaluate"), greedy)
        made["samples"] = log_mel(enhancer.enhance(narrow))
        with torch.inference_mode():
            full = torch.from_numpy(mel)[None]
            made["true codes"] = enhancer.model.vq.decode(enhancer.model.vq.encode(full))[0, : len(mel)].numpy()
        for name, found in made.items():
            wrong = (found - mel)[spoken][:, above] * DB
            records.append({"clip": clip.id, "band above by": name, "cutoff_hz": cutoff, "distance": float(np.abs(wrong).mean()),
                            "level": float(wrong.mean()), "frames": float(np.abs(wrong.mean(1)).mean())})  # fmt: skip
    rows = [{"band above by": name, "clips": len(clips), "mel dB": figure("distance"), "level of a frame dB": figure("frames"),
             "too loud by dB": figure("level")} for name, figure in by(records, "band above by")]  # fmt: skip
    return rows, records
