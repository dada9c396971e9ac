"""A folder of your own recordings in Piper's form: ``metadata.csv`` and wav files.

    metadata.csv   file.wav|text     or   file.wav|speaker|text     or the old   id|text with wav/id.wav
    file.wav       in the folder itself, in wav/ or in wavs/; the ending may be missing in the table

Dev and test are cut off here: one clip in fifty each, at least one, chosen by the ids alone.
"""

from __future__ import annotations

from pathlib import Path

from recipes.corpora import Corpus, hold_out, read_lines, safe_id
from recipes.datadir import Utterance
from tts.base.errors import DataError, UsageError


def read(root: Path, language: str = "", speaker: str = "speaker") -> Corpus:
    """All clips; the table names no language, so ``language`` must be given."""
    root = Path(root).resolve()
    if not language:
        raise UsageError("Piper's metadata.csv names no language.", where="language", code="corpus.language",
                         fix="Give one: --language de")
    files = {str(path.relative_to(root)).casefold(): path for path in root.rglob("*") if path.is_file()}
    corpus, found = Corpus(), []
    for number, line in read_lines(root / "metadata.csv"):
        fields = [field.strip() for field in line.split("|")]
        if len(fields) not in (2, 3):
            raise DataError(f"{len(fields)} fields, 2 or 3 expected.", where=root / "metadata.csv", pos=number,
                            value=line, code="corpus.fields", fix="file|text or file|speaker|text")
        name, text = fields[0], fields[-1]
        owner = safe_id(fields[1] if len(fields) == 3 else speaker)
        key = f"{owner}-{safe_id(name.removesuffix('.wav'))}"
        wav = find(files, name)
        if not text or wav is None:
            corpus.reject(key, "no recording" if wav is None else "no transcript")
        else:
            found.append(Utterance(id=key, wav=wav, text=text, speaker=owner, language=language))
    each = max(1, len(found) // 50)
    corpus.splits = hold_out(found, each, each)
    return corpus


def find(files: dict[str, Path], name: str) -> Path | None:
    """The file of a name: case, ending and the folders wav/ and wavs/ may differ from the table."""
    name = name.removeprefix("./").casefold()
    for folder in ("", "wav/", "wavs/"):
        for ending in ("", ".wav", ".flac", ".ogg", ".opus", ".mp3"):
            if folder + name + ending in files:
                return files[folder + name + ending]
    return None
