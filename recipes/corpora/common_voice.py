"""Mozilla Common Voice: volunteers at their own microphones, many languages, MP3; CC0 (commonvoice.mozilla.org).

    cv-corpus-17.0-2024-03-15/de/train.tsv  dev.tsv  test.tsv     client_id  path  sentence  up_votes  down_votes  ...
    cv-corpus-17.0-2024-03-15/de/clips/common_voice_de_17298952.mp3

Columns differ between versions and are read by name. Clips with more votes against them than for them are left out.
"""

from __future__ import annotations

from pathlib import Path

from recipes.corpora import Corpus, read_lines
from recipes.datadir import Utterance
from tts.base.errors import DataError, NoInputError

GENDERS = {"male": "m", "male_masculine": "m", "female": "f", "female_feminine": "f"}
NEEDED = {"client_id", "path", "sentence"}


def read(root: Path, language: str = "") -> Corpus:
    """All clips of train.tsv, dev.tsv and test.tsv; the language is the folder's name unless given."""
    root = Path(root).resolve()
    tables = [path for path in (root / f"{split}.tsv" for split in ("train", "dev", "test")) if path.exists()]
    if not tables:
        raise NoInputError("has no train.tsv, dev.tsv or test.tsv.", where=root, code="corpus.missing",
                           fix="Give the folder of one language, such as cv-corpus-17.0-2024-03-15/de.")
    corpus = Corpus()
    for table in tables:
        lines = read_lines(table)
        header = next(lines)[1].split("\t")
        if not set(header) >= NEEDED:
            raise DataError("the header lacks a column.", where=table, pos=1, code="corpus.header",
                            fix=f"Needed: {', '.join(sorted(NEEDED))}.")
        for number, line in lines:
            fields = line.split("\t")
            if len(fields) != len(header):
                raise DataError(f"{len(fields)} fields, {len(header)} expected.", where=table, pos=number,
                                code="corpus.fields", value=line)
            row = dict(zip(header, fields, strict=True))
            speaker = row["client_id"][:16]
            name = row["path"] if row["path"].endswith(".mp3") else f"{row['path']}.mp3"
            key = f"{speaker}-{name.removesuffix('.mp3')}"
            text = row["sentence"].strip().strip('"').replace('""', '"')
            wav = root / "clips" / name
            if int(row.get("down_votes") or 0) > int(row.get("up_votes") or 0):
                corpus.reject(key, "voted down")
            elif not text or not wav.exists():
                corpus.reject(key, "no transcript" if wav.exists() else "no recording")
            else:
                corpus.add(table.stem, Utterance(id=key, wav=wav, text=text, speaker=speaker,
                                                 language=language or row.get("locale") or root.name,
                                                 gender=GENDERS.get(row.get("gender", "")),
                                                 corpus="CommonVoice"))
    return corpus
