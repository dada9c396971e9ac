"""LJSpeech-1.1: one woman, 13,100 clips, 24 hours, English, 22.05 kHz; public domain (keithito.com/LJ-Speech-Dataset).

    LJSpeech-1.1/metadata.csv       id|transcript|normalised transcript      (no header, | is never quoted)
    LJSpeech-1.1/wavs/LJ001-0001.wav

The normalised transcript is taken. Of the last 500 clips in the order of their ids, 250 are dev and 250 are test, as in
ESPnet's recipe; the corpus is published without splits.
"""

from __future__ import annotations

from pathlib import Path

from recipes.corpora import Corpus, read_lines, tail
from recipes.datadir import Utterance
from tts.base.errors import DataError

BANDWIDTH_HZ = 11_025
HELD_OUT = 250  # clips in dev, and as many in test


def read(root: Path, held_out: int = HELD_OUT) -> Corpus:
    """All clips under ``root`` (the folder with metadata.csv); at most a third of a smaller copy is held out."""
    root = Path(root).resolve()
    corpus, found = Corpus(), []
    for number, line in read_lines(root / "metadata.csv"):
        fields = line.split("|")
        if len(fields) != 3:
            raise DataError(f"{len(fields)} fields, 3 expected.", where=root / "metadata.csv", pos=number, value=line,
                            code="corpus.fields")
        key, _, text = (field.strip() for field in fields)
        wav = root / "wavs" / f"{key}.wav"
        if not text:
            corpus.reject(key, "no transcript")
        elif not wav.exists():
            corpus.reject(key, "no recording")
        else:
            found.append(Utterance(id=key, wav=wav, text=text, speaker="LJ", language="en-us", gender="f",
                                   bandwidth_hz=BANDWIDTH_HZ, corpus="LJSpeech-1.1"))
    corpus.splits = tail(found, dev=held_out, test=held_out)
    return corpus
