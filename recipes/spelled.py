"""Spellings of all utterances, for a ``txt2vec`` that reads letters: which word each letter and each phone belongs to.

    letters   int32 [M, 3]   code point of a letter or minus the id of a mark, number of the word, its first phone
    words     int32 [N]      number of the word of each phone

Texts are read again, as the features were; an utterance whose phones would be others now is left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recipes.batch import Corpus
from recipes.store import StoreWriter
from tts.base.errors import DataError
from tts.models.spelling import Spelling, spell


def write_spellings(folder) -> dict[str, int]:
    """Spellings of a split of a feature store; returns counts of utterances kept and left out."""
    import frontend

    corpus = Corpus(folder)
    keys = corpus.keys
    rows = [corpus.utterances[key] for key in keys]
    counts = {"utterances": 0, "left_out": 0}
    with StoreWriter(folder, "letters", "int32", 3) as letters, StoreWriter(folder, "words", "int32") as words:
        analyses = frontend.analyze_many([row.text for row in rows], [row.language for row in rows], join=True)
        for key, analysis in zip(keys, analyses, strict=True):
            clause = analysis.clauses[0]
            found = spelled(clause) if np.array_equal(clause.ids, corpus.get("ids", key)) else None
            if found is None:
                counts["left_out"] += 1
                continue
            codes = [-token if isinstance(token, int) else ord(token) for token in found.tokens]
            letters.add(key, np.stack([codes, found.groups, found.first_phones], axis=1))
            words.add(key, found.phone_groups)
            counts["utterances"] += 1
    return counts


def spelled(clause) -> Spelling | None:
    """The spelling, None where some phones belong to no word."""
    try:
        return spell(clause)
    except DataError:
        return None


def spelling_of(corpus: Corpus, key: str) -> Spelling:
    """The stored spelling of an utterance."""
    codes, groups, firsts = np.asarray(corpus.get("letters", key), np.int64).T
    tokens = tuple(-int(code) if code < 0 else chr(code) for code in codes)
    return Spelling(tokens, groups, np.asarray(corpus.get("words", key), np.int64), firsts)


def characters_of(corpus: Corpus) -> str:
    """All letters of the stored spellings, in the order of their code points."""
    codes = np.unique(corpus.store("letters").array[:, 0])
    return "".join(chr(code) for code in codes if code > 0)


def write_all(dump) -> dict[str, dict[str, int]]:
    """:func:`write_spellings` of every split of a store."""
    return {split: write_spellings(Path(dump) / split) for split in ("train", "dev", "test")
            if (Path(dump) / split / "utterances.jsonl").exists()}  # fmt: skip
