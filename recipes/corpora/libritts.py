"""LibriTTS and LibriTTS-R: 2,456 readers of audiobooks, 585 hours, English, 24 kHz; CC BY 4.0 (openslr.org/60, /141).

    LibriTTS/speakers.tsv                                              READER  GENDER  SUBSET  NAME      (or SPEAKERS.txt)
    LibriTTS/train-clean-100/103/1241/103_1241_000000_000001.wav
    LibriTTS/train-clean-100/103/1241/103_1241_000000_000001.normalized.txt

Splits are those of the folders: train-*, dev-*, test-*; a part of the corpus is fine.
"""

from __future__ import annotations

import re
from pathlib import Path

from recipes.corpora import Corpus, read_lines
from recipes.datadir import Utterance

BANDWIDTH_HZ = 12_000


def read(root: Path, subsets: str = "train-*,dev-*,test-*") -> Corpus:
    """All clips of the subsets (comma-separated patterns of folder names)."""
    root = Path(root).resolve()
    genders, corpus = speaker_genders(root), Corpus()
    for folder in sorted({path for pattern in subsets.split(",") for path in root.glob(pattern) if path.is_dir()}):
        split = folder.name.split("-")[0]
        for wav in sorted(folder.glob("*/*/*.wav")):
            transcript = wav.with_suffix(".normalized.txt")
            text = transcript.read_text(encoding="utf-8").strip() if transcript.exists() else ""
            if not text:
                corpus.reject(wav.stem, "no transcript")
                continue
            speaker = wav.parts[-3]
            corpus.add(split, Utterance(id=wav.stem, wav=wav, text=text, speaker=speaker, language="en-us",
                                        gender=genders.get(speaker), bandwidth_hz=BANDWIDTH_HZ,
                                        corpus="LibriTTS"))
    return corpus


def speaker_genders(root: Path) -> dict[str, str]:
    """From ``speakers.tsv`` (tabs) or LibriSpeech's ``SPEAKERS.txt`` (bars, comments after ;); empty without both."""
    for name in ("speakers.tsv", "SPEAKERS.txt"):
        if (root / name).exists():
            rows = [re.split(r"\s*[|\t]\s*", line.strip()) for _, line in read_lines(root / name) if line[0] != ";"]
            return {row[0]: row[1].lower() for row in rows if len(row) > 2 and row[1] in ("M", "F")}
    return {}
