"""MM6: six languages, 40 speakers each, as the released code of ZMM-TTS lays it out (github.com/nii-yamagishilab/ZMM-TTS).

    MM6/wavs/NAME.wav
    preprocessed_data/MM6/train.txt      name|database|language|speaker|text      (val.txt, test.txt where there are such)

Root is the folder that holds both; the wavs folder alone may be elsewhere (``--option wavs=DIR``). Recordings are of 16 kHz, from
MLS (CC BY 4.0) and NST (CC0). Without a validation list, the last 2 clips of every speaker are dev and 2 more are test.
"""

from __future__ import annotations

from pathlib import Path

from recipes.corpora import Corpus, read_lines, safe_id, tail
from recipes.datadir import Utterance
from tts.base.errors import DataError, NoInputError

BANDWIDTH_HZ = 8_000
HELD_OUT = 2  # clips a speaker in dev, and as many in test
LISTS = {"train": ("train.txt",), "dev": ("val.txt", "dev.txt"), "test": ("test.txt",)}
LANGUAGES = {"English": "en-us", "French": "fr", "German": "de", "Portuguese": "pt-br", "Spanish": "es", "Swedish": "sv",
             "eng": "en-us", "fra": "fr", "fre": "fr", "deu": "de", "ger": "de", "por": "pt-br", "spa": "es",
             "swe": "sv"}  # fmt: skip


def read(root: Path, wavs: str = "", held_out: int = HELD_OUT) -> Corpus:
    """All clips that are listed and there; ``language`` is a name, an ISO 639-2 code or a tag."""
    root = Path(root).resolve()
    lists = root / "preprocessed_data" / "MM6"
    audio = Path(wavs).resolve() if wavs else root / "MM6" / "wavs"
    if not (lists / "train.txt").is_file() or not audio.is_dir():
        missing = lists / "train.txt" if audio.is_dir() else audio
        raise NoInputError("is missing.", where=missing, code="corpus.missing",
                           fix="Give the folder that holds MM6/wavs and preprocessed_data/MM6/train.txt.")  # fmt: skip
    corpus, seen = Corpus(), set()
    for split, names in LISTS.items():
        for path in (lists / name for name in names if (lists / name).is_file()):
            for number, line in read_lines(path):
                row = utterance(path, number, line, audio)
                if row.id in seen:
                    corpus.reject(row.id, f"listed twice, again in {path.name}")
                elif not row.wav.is_file():
                    corpus.reject(row.id, "no recording")
                elif not row.text:
                    corpus.reject(row.id, "no transcript")
                else:
                    corpus.add(split, row)
                seen.add(row.id)
    if "dev" not in corpus.splits:
        hold_out_of_speakers(corpus, held_out)
    return corpus


def utterance(path: Path, number: int, line: str, audio: Path) -> Utterance:
    fields = line.split("|", 4)
    if len(fields) != 5:
        raise DataError(f"{len(fields)} fields, 5 expected.", where=path, pos=number, value=line, code="corpus.fields",
                        fix="A row is name|database|language|speaker|text.")  # fmt: skip
    name, database, language, speaker, text = (value.strip() for value in fields)
    return Utterance(id=safe_id(name), wav=audio / f"{name}.wav", text=text, speaker=safe_id(speaker), bandwidth_hz=BANDWIDTH_HZ,
                     language=LANGUAGES.get(language, language), corpus=f"MM6-{safe_id(database)}")  # fmt: skip


def hold_out_of_speakers(corpus: Corpus, held_out: int) -> None:
    """Move the last clips of every speaker out of train."""
    speakers: dict[str, list[Utterance]] = {}
    for row in corpus.splits.pop("train", []):
        speakers.setdefault(row.speaker, []).append(row)
    for rows in speakers.values():
        for split, items in tail(rows, held_out, held_out).items():
            corpus.splits.setdefault(split, []).extend(items)
