"""A corpus made in seconds: two voices, two languages (or a third), a hundred short sentences, by a small formant synthesiser.

    python -m recipes mini-corpus --out downloads     # downloads/metadata.tsv, downloads/wavs/*.flac, downloads/durations.json

It has what models must learn from real speech: phones that sound alike when their articulation is alike, stress, word
boundaries without sound, pauses, a falling or (in questions) rising melody, two speakers. And it has what real speech has
not: the true length of every phone, so that an aligner can be graded. Nothing about its sound is meant to be pretty.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from frontend import inventory
from frontend.articulatory import feature_matrix
from frontend.styles import PRIMARY, split_style
from tts.base.files import atomic_write

SAMPLE_RATE = 24_000
FRAME, HOP = 480, 120  # samples; 5 ms steps of the synthesiser
FEATURES = ("syl son cons cont delrel lat nas strid voi sg cg ant cor distr lab hi lo back round velaric tense long hitone "
            "hireg")  # fmt: skip
WORDS = {
    "en-us": "two four six nine black brown white green cats dogs birds sheep sleep sing run play garden house bridge road "
             "under near over behind my your good young fish boat think jump",
    "de": "zwei vier sechs neun schwarze braune weiße grüne Katzen Hunde Vögel Schafe schlafen singen laufen spielen Garten "
          "Haus Brücke Straße unter neben über hinter mein dein gute junge Fische Boot denken springen",
    "nl": "twee vier zes negen zwarte bruine witte groene katten honden vogels schapen slapen zingen lopen spelen tuin huis brug "
          "weg onder naast boven achter mijn jouw goede jonge vissen boot denken springen",
}  # fmt: skip


@dataclass(frozen=True)
class Speaker:
    """One voice of the synthesiser."""

    name: str
    gender: str
    f0: float  # Hz, middle of the range
    tract: float  # formants are multiplied by it
    rate: float  # durations are divided by it


SPEAKERS = (Speaker("ada", "f", 205.0, 1.16, 1.05), Speaker("bob", "m", 112.0, 1.0, 0.95))


def sentences(language: str, count: int, rng: np.random.Generator) -> list[str]:
    """``count`` strings of four to six words. Any word may stand anywhere, so that no model can guess it by its place."""
    found = []
    while len(found) < count:
        words, size = list(rng.permutation(WORDS[language].split())), int(rng.integers(4, 7))
        comma = "," if rng.random() < 0.4 else ""
        middle = size // 2
        text = " ".join(words[:middle]) + comma + " " + " ".join(words[middle:size]) + str(rng.choice([".", ".", "?"]))
        found.append(text[0].upper() + text[1:])
    return found


def synthesise(ids: np.ndarray, stressed: np.ndarray, speaker: Speaker, rng: np.random.Generator):
    """Samples of one clause.

    Args:
        ids: [N] base symbol ids of ``frontend``, with edges and marks.
        stressed: [N] bool.

    Returns:
        (wav float32 [S] at 24 kHz, steps int64 [N]: length of each phone in steps of 5 ms, 0 for word boundaries).
    """
    steps = np.array([phone_steps(i, s, speaker, rng) for i, s in zip(ids, stressed, strict=True)])
    phone = np.repeat(np.arange(len(ids)), steps)
    total = len(phone)
    envelope = np.stack([spectrum(int(i), speaker.tract) for i in ids])[phone]  # [T, 2, bins]: voiced, noise
    kernel = np.hanning(9) / np.hanning(9).sum()  # 40 ms of coarticulation
    padded = np.pad(envelope, ((4, 4), (0, 0), (0, 0)), mode="edge")
    envelope = sum(weight * padded[i : i + total] for i, weight in enumerate(kernel))
    envelope[closures(ids, steps)] = 0.0
    question = inventory.QUESTION in ids
    position = np.linspace(0, 1, total)
    octaves = 0.25 - 0.5 * position + question * 1.8 * np.clip(position - 0.7, 0, 1) + 0.18 * stressed[phone]
    melody = speaker.f0 * 2 ** (octaves + 0.02 * np.sin(2 * np.pi * (4.5 * position + rng.random())))
    f0 = np.interp(np.arange(total * HOP) / HOP, np.arange(total), melody)
    wav = shape(pulses(f0), envelope[:, 0]) + shape(rng.standard_normal(total * HOP), envelope[:, 1])
    wav = wav / np.abs(wav).max() * 0.6 + 1e-4 * rng.standard_normal(len(wav))
    return wav.astype(np.float32), steps


def phone_steps(index: int, stressed: bool, speaker: Speaker, rng: np.random.Generator) -> int:
    if index == inventory.WB:
        return 0
    if index == inventory.SIL:
        seconds = 0.1
    elif index <= inventory.EXCLAMATION:
        seconds = 0.16 if index == inventory.COMMA else 0.04
    elif inventory.is_nucleus(index):
        seconds = (0.15 if stressed else 0.10) / speaker.rate
    else:
        seconds = 0.085 / speaker.rate
    return max(4, round(seconds * rng.uniform(0.85, 1.15) * SAMPLE_RATE / HOP))


@cache
def spectrum(index: int, tract: float) -> np.ndarray:
    """Magnitudes [2, bins] of the voiced and the noise part of a phone, from its articulatory features."""
    bins = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)
    if index <= inventory.EXCLAMATION:
        return np.zeros((2, len(bins)))
    f = dict(zip(FEATURES.split(), feature_matrix()[index], strict=True))
    own = np.random.default_rng(index).uniform(0.95, 1.05, 3)  # phones with equal features still differ a little
    f1 = (500 + 230 * f["lo"] - 190 * f["hi"] + 30 * f["tense"]) * own[0]
    f2 = (1600 - 550 * f["back"] + 180 * f["hi"] - 220 * f["round"] - 150 * f["lab"]) * own[1]
    f3 = (2600 - 300 * f["lat"] - 150 * f["round"] + 100 * f["ant"]) * own[2]
    vowel = f["syl"] > 0
    tones = [(f1 if f["cons"] <= 0 else 280, 1.0), (f2, 0.5 if vowel else 0.25), (f3, 0.25), (3700, 0.12)]
    if f["nas"] > 0:
        tones = [(260, 1.2), (1100 + 250 * f["cor"] + 400 * f["hi"], 0.15), (2500, 0.06)]
    voiced = sum(level / (1 + ((bins - tract * center) / (60 + 0.05 * center)) ** 2) for center, level in tones)
    voiced = voiced * (1.0 if vowel else 0.6 if f["son"] > 0 else 0.12 if f["voi"] > 0 else 0.0)
    center = 3200 + 1500 * f["ant"] * (f["cor"] > 0) + 1700 * (f["strid"] > 0) - 900 * (f["back"] > 0) - 600 * (f["hi"] > 0)
    noise = 0.06 / (1 + ((bins - tract * center) / (900 + 500 * (f["lab"] > 0))) ** 2)
    noise = noise * (0.02 if f["son"] > 0 else 1.0 if f["strid"] > 0 else 0.5)
    return np.stack([voiced, noise])


def closures(ids: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """[T] bool: the silent first 60 % of stops and affricates."""
    names, mask, at = {name: i for i, name in enumerate(FEATURES.split())}, np.zeros(steps.sum(), bool), 0
    features = feature_matrix()[ids]
    for row, length in zip(features, steps, strict=True):
        if row[names["son"]] < 0 and row[names["cont"]] < 0:
            mask[at : at + int(0.6 * length)] = True
        at += length
    return mask


def pulses(f0: np.ndarray) -> np.ndarray:
    """[S] a train of band-limited pulses with the given pitch a sample."""
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE
    count = int(SAMPLE_RATE / 2 / f0.max())
    step, wav = np.exp(1j * phase), np.zeros(len(f0))
    tone = np.ones(len(f0), complex)
    for _ in range(count):
        tone = tone * step
        wav += tone.real
    return wav / np.sqrt(count)


def shape(source: np.ndarray, envelope: np.ndarray) -> np.ndarray:
    """Filter samples [S] by magnitudes a step [T, bins], windowed frames overlapped by four."""
    window = np.sqrt(np.hanning(FRAME + 1)[:-1])
    padded = np.pad(source, FRAME // 2)
    starts = np.arange(len(envelope)) * HOP + HOP // 2
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[starts] * window
    frames = np.fft.irfft(np.fft.rfft(frames) * envelope, FRAME) * window
    out = np.zeros(len(padded) + FRAME)
    for start, frame in zip(starts, frames, strict=True):
        out[start : start + FRAME] += frame
    return out[FRAME // 2 : FRAME // 2 + len(source)]


def make(out: str | Path, per_voice: int = 24, seed: int = 0, languages: Sequence[str] = ("en-us", "de")) -> Path:
    """Write the corpus in the layout of ``recipes.corpora.speech``; returns the folder.

    Args:
        out: Folder; files of the same name are replaced.
        per_voice: Sentences of each speaker in each language. One is dev and one is test, the rest is train.
        seed: The same seed makes the same samples.
        languages: Of ``WORDS``.
    """
    import frontend
    from vocoder.audio.io import write_audio

    out, rng = Path(out), np.random.default_rng(seed)
    (out / "wavs").mkdir(parents=True, exist_ok=True)
    jobs = []
    for language in languages:
        texts = sentences(language, per_voice * len(SPEAKERS), rng)
        for i, text in enumerate(texts):
            speaker = SPEAKERS[i % len(SPEAKERS)]
            split = {per_voice - 2: "dev", per_voice - 1: "test"}.get(i // len(SPEAKERS), "train")
            jobs.append((f"{speaker.name}_{language}_{i // len(SPEAKERS):03}", text, language, split, speaker))
    rows, truth = ["id\tpath\tsplit\tspeaker\tgender\tlang\tbandwidth_hz\tseconds\ttext"], {}
    for key, text, language, split, speaker in jobs:
        clauses = frontend.analyze(text, language).clauses
        parts = [
            synthesise(clause.ids, np.array([split_style(int(style))[1] == PRIMARY for style in clause.styles]), speaker, rng)
            for clause in clauses
        ]
        wav = np.concatenate([part[0] for part in parts])
        write_audio(out / "wavs" / f"{key}.flac", wav, SAMPLE_RATE, force=True)
        truth[key] = [round(float(n) * HOP / SAMPLE_RATE, 3) for _, steps in parts for n in steps]
        seconds = f"{len(wav) / SAMPLE_RATE:.3f}"
        rows.append("\t".join([key, f"wavs/{key}.flac", split, speaker.name, speaker.gender, language, "12000", seconds, text]))
    atomic_write(out / "durations.json", json.dumps(truth), force=True)
    atomic_write(out / "metadata.tsv", "\n".join(rows) + "\n", force=True)
    return out
