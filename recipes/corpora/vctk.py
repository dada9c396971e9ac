"""VCTK-Corpus-0.92: 110 English speakers of many accents, 44 hours, 48 kHz; CC BY 4.0 (doi 10.7488/ds/2645).

    VCTK-Corpus-0.92/speaker-info.txt                          ID  AGE  GENDER  ACCENTS  REGION COMMENTS
    VCTK-Corpus-0.92/txt/p225/p225_001.txt
    VCTK-Corpus-0.92/wav48_silence_trimmed/p225/p225_001_mic1.flac

Some recordings lack a transcript (all of p315) and some the second microphone; they are left out and listed. Every
speaker gives 5 clips to dev and 5 to test (the last ones, as in ESPnet's recipe). The first 24 sentences are the same for
all speakers and stay in train.
"""

from __future__ import annotations

import re
from pathlib import Path

from recipes.corpora import Corpus, read_lines, tail
from recipes.datadir import Utterance
from tts.base.errors import NoInputError, UsageError

BANDWIDTH_HZ = 12_000  # all that 24 kHz can hold
HELD_OUT = 5  # clips a speaker in dev, and as many in test
LANGUAGE_OF_ACCENT = {"American": "en-us", "Canadian": "en-us", "Scottish": "en-gb-scotland"}  # others: en-gb


def read(root: Path, mic: int = 1, held_out: int = HELD_OUT) -> Corpus:
    """All clips of a microphone (1 or 2) that have a transcript."""
    root = Path(root).resolve()
    if mic not in (1, 2):
        raise UsageError(f"there is no microphone {mic}.", where="mic", fix="Use 1 or 2.")
    audio = root / "wav48_silence_trimmed"
    if not audio.is_dir():
        raise NoInputError("has no folder wav48_silence_trimmed.", where=root, code="corpus.missing",
                           fix="Give the folder VCTK-Corpus-0.92 of version 0.92.")
    speakers, corpus = speaker_info(root / "speaker-info.txt"), Corpus()
    for folder in sorted(path for path in audio.iterdir() if path.is_dir()):
        gender, accent = speakers.get(folder.name, (None, ""))
        found = []
        for wav in sorted(folder.glob(f"*_mic{mic}.flac")):
            key = wav.name.removesuffix(f"_mic{mic}.flac")
            transcript = root / "txt" / folder.name / f"{key}.txt"
            text = transcript.read_text(encoding="utf-8").strip() if transcript.exists() else ""
            if text:
                found.append(Utterance(id=key, wav=wav, text=text.strip('"'), speaker=folder.name, gender=gender,
                                       language=LANGUAGE_OF_ACCENT.get(accent, "en-gb"), bandwidth_hz=BANDWIDTH_HZ,
                                       corpus="VCTK-0.92"))
            else:
                corpus.reject(key, "no transcript")
        for split, items in tail(found, held_out, held_out).items():
            corpus.splits.setdefault(split, []).extend(items)
    return corpus


def speaker_info(path: Path) -> dict[str, tuple[str | None, str]]:
    """Gender and accent by speaker. Columns are separated by runs of spaces; the header is the first line."""
    speakers = {}
    for number, line in read_lines(path):
        fields = re.split(r"\s+", line.strip())
        if number > 1 and len(fields) >= 4:
            speakers[fields[0]] = ({"M": "m", "F": "f"}.get(fields[2]), fields[3])
    return speakers
