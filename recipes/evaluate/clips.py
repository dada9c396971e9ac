"""Which recordings are judged: clips of a corpus folder with metadata.tsv, chosen the same way on every machine."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from recipes.datadir import Utterance
from tts.base.errors import DataError


def read_clips(speech, split: str) -> dict[str, list[Utterance]]:
    """Corpus (the first folder of a clip's path) -> clips of one split; layout of the folder: ``recipes.corpora.speech``."""
    from recipes.corpora import speech as layout

    root = Path(speech).resolve()
    clips = defaultdict(list)
    for utterance in layout.read(root).splits.get(split, []):
        clips[utterance.wav.relative_to(root).parts[0]].append(utterance)
    return clips


def select(
    clips: dict[str, list[Utterance]], per_corpus: int, corpora: Iterable[str] | None = None, max_seconds: float = 15.0
) -> list[Utterance]:
    """``per_corpus`` clips of each corpus (all, or those named), its speakers in turn; which ones depends on the ids alone.

    Raises:
        DataError: nothing is left.
    """
    chosen = []
    for corpus in sorted(clips if corpora is None else set(corpora) & set(clips)):
        shuffled = sorted(clips[corpus], key=lambda clip: hashlib.sha256(clip.id.encode()).digest())
        speakers = by_speaker(clip for clip in shuffled if (clip.seconds or 0) <= max_seconds)
        chosen += in_turns(speakers.values())[:per_corpus]
    if not chosen:
        raise DataError(
            f"no clips of {'any corpus' if corpora is None else ', '.join(sorted(corpora))} are left to judge.",
            where="metadata.tsv",
            code="evaluate.no_clips",
            fix="Check --speech, or leave this table out.",
        )
    return chosen


def unseen_speakers(speech, split: str) -> dict[str, list[Utterance]]:
    """As ``read_clips``, without the speakers who have a clip in the training split."""
    seen = {clip.speaker for clips in read_clips(speech, "train").values() for clip in clips}
    return {corpus: [clip for clip in clips if clip.speaker not in seen] for corpus, clips in read_clips(speech, split).items()}


def by_speaker(clips: Iterable[Utterance]) -> dict[str, list[Utterance]]:
    found = defaultdict(list)
    for clip in clips:
        found[clip.speaker].append(clip)
    return found


def in_turns(lists: Iterable[list]) -> list:
    """The first of each list, then the second of each that has one, and so on."""
    lists = list(lists)
    return [items[turn] for turn in range(max(map(len, lists), default=0)) for items in lists if turn < len(items)]


def samples(clip: Utterance, sample_rate: int = 24_000) -> np.ndarray:
    """[S] float32 of a clip."""
    from vocoder.audio.io import read_audio

    return read_audio(clip.wav, sample_rate)


def trim_silence(wav: np.ndarray, keep_seconds: float = 0.1, below_db: float = 40.0) -> np.ndarray:
    """Cut silence at both ends of [S] at 24 kHz: 20 ms blocks more than ``below_db`` under the loudest; keep a little."""
    block = 480
    n = len(wav) // block
    if n < 2:
        return wav
    level = np.sqrt(np.mean(wav[: n * block].reshape(n, block) ** 2, axis=1) + 1e-12)
    loud = np.flatnonzero(level > level.max() * 10 ** (-below_db / 20))
    margin = int(keep_seconds * 24_000)
    return wav[max(0, loud[0] * block - margin) : (loud[-1] + 1) * block + margin]
