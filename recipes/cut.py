"""Utterances that are a stretch of a longer recording, cut out into files of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from recipes.datadir import Utterance


def cut(utterances: Iterable[Utterance], folder: str | Path) -> list[Utterance]:
    """The same utterances without spans: each stretch is written once to ``folder/<id>.flac`` at its own sample rate."""
    from vocoder.audio.io import read_audio, read_info, write_audio

    folder, result, opened = Path(folder), [], (None, None, 0)
    for item in sorted(utterances, key=lambda item: (str(item.wav), item.id)):
        if item.span is None:
            result.append(item)
            continue
        target = folder / f"{item.id}.flac"
        if not target.exists():
            if opened[0] != item.wav:
                rate = read_info(item.wav).sample_rate
                opened = (item.wav, read_audio(item.wav, rate), rate)
            _, wav, rate = opened
            folder.mkdir(parents=True, exist_ok=True)
            write_audio(target, wav[round(item.span[0] * rate) : round(item.span[1] * rate)], rate)
        result.append(replace(item, wav=target, span=None, seconds=item.span[1] - item.span[0]))
    return sorted(result, key=lambda item: item.id)
