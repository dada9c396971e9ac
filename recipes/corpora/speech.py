"""A folder of recordings with ``metadata.tsv``: the layout of the house corpus.

    metadata.tsv   id  path  split  speaker  gender  lang  bandwidth_hz  seconds  text     (header, no quoting)
    suspects.tsv   id  phone_error      optional: clips whose text and recording disagree; left out of train

The first folder of ``path`` names the corpus that a clip comes from. ``ml_smc`` (share-alike) is left out unless asked for.
Splits are those of the table; evaluation clips are never moved or dropped for being suspect.
"""

from __future__ import annotations

from pathlib import Path

from recipes.corpora import Corpus, read_lines
from recipes.datadir import Utterance
from tts.base.errors import DataError

LICENCES = {
    "en_kathleen": "CC0-1.0",
    "de_kerstin": "CC0-1.0",
    "nl_nathalie": "CC0-1.0",
    "nl_flemishguy": "CC0-1.0",
    "en_arctic": "CMU ARCTIC (free for any purpose, keep the notice)",
    "fr_fleurs": "public domain (LibriVox)",
    "zh_aishell": "Apache-2.0",
    "en_librispeech": "CC-BY-4.0",
    "ml_smc": "CC-BY-SA-3.0",
}
COLUMNS = ["id", "path", "split", "speaker", "gender", "lang", "bandwidth_hz", "seconds", "text"]
SHARE_ALIKE = ("ml_smc",)


def read(root: Path, exclude: str = ",".join(SHARE_ALIKE), languages: str = "") -> Corpus:
    """All clips but those of the sub-corpora in ``exclude``; of the ``languages`` named, or of all. Both comma-separated."""
    root = Path(root).resolve()
    excluded, wanted, suspects = set(exclude.split(",")), set(languages.split(",")) - {""}, _suspects(root / "suspects.tsv")
    corpus = Corpus()
    rows = list(_rows(root / "metadata.tsv", COLUMNS))
    held_out = {bare(row["text"]) for _, row in rows if row["split"] != "train"}
    for number, row in rows:
        source = row["path"].split("/")[0]
        if wanted and row["lang"] not in wanted:
            continue
        if source in excluded:
            corpus.reject(row["id"], f"sub-corpus {source} is excluded")
        elif row["split"] == "train" and row["id"] in suspects:
            corpus.reject(row["id"], f"suspect: phone error {suspects[row['id']]}")
        elif row["split"] == "train" and bare(row["text"]) in held_out:
            corpus.reject(row["id"], "another speaker reads this text in dev or test")
        elif not row["text"].strip():
            corpus.reject(row["id"], "no transcript")
        else:
            try:
                seconds, bandwidth = float(row["seconds"]), int(row["bandwidth_hz"])
            except ValueError as error:
                raise DataError(f"{error}.", where=root / "metadata.tsv", pos=number, code="corpus.number") from error
            corpus.add(row["split"], Utterance(
                id=row["id"], wav=root / row["path"], text=row["text"], speaker=row["speaker"], language=row["lang"],
                seconds=seconds, bandwidth_hz=bandwidth, corpus=source,
                gender=row["gender"] if row["gender"] in ("m", "f") else None,
            ))
    return corpus


def bare(text: str) -> str:
    """Letters and digits alone, in lower case: two readings of one text are equal."""
    return "".join(char for char in text.lower() if char.isalnum())


def _suspects(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    return {row["id"]: row["phone_error"] for _, row in _rows(path, ["id", "phone_error"])}


def _rows(path: Path, columns: list[str]):
    lines = read_lines(path)
    header = next(lines, (1, ""))[1]
    if header.split("\t") != columns:
        raise DataError("the header is not the one expected.", where=path, pos=1, value=header, code="corpus.header",
                        fix=f"Columns: {' '.join(columns)}.")
    for number, line in lines:
        fields = line.split("\t")
        if len(fields) != len(columns):
            raise DataError(f"{len(fields)} fields, {len(columns)} expected.", where=path, pos=number, value=line,
                            code="corpus.fields")
        yield number, dict(zip(columns, fields, strict=True))
