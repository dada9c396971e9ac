"""Which phones and styles each language of a corpus uses: the table behind ``--accent speaker``.

    python -m recipes.native_phones egs/house/tts1/dump > frontend/data/native_phones.tsv
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np

from recipes.batch import Corpus

RARE = 15  # a phone or style with fewer tokens in training is a loan, or a slip


def counts(corpus: Corpus) -> dict[str, tuple[Counter, Counter]]:
    """By language tag: tokens of each phone id, and of each number of a style within the language."""
    from frontend.inventory import EXCLAMATION
    from frontend.languages import languages
    from frontend.styles import BLOCK

    found: dict[int, tuple[Counter, Counter]] = {}
    for key in corpus.keys:
        ids, langs, style = (np.asarray(corpus.get(name, key)) for name in ("ids", "langs", "styles"))
        for language in np.unique(langs):
            mine = (langs == language) & (ids > EXCLAMATION)
            phones, styles = found.setdefault(int(language), (Counter(), Counter()))
            phones.update(ids[mine].tolist())
            styles.update((style[mine] % BLOCK).tolist())
    return {languages()[language].tag: found[language] for language in sorted(found)}


def table(dump) -> str:
    """Text of the table, from the training split of a feature store: language, phones, numbers of styles within the language."""
    from frontend.inventory import id_to_symbol

    lines = [
        f"# Phones and styles that speakers of a language use: {RARE} times or more in the training of the house models.",
        "# Made by: python -m recipes.native_phones DUMP",
        "language\tphones\tstyles",
    ]
    for tag, counted in counts(Corpus(Path(dump) / "train")).items():
        phones, styles = ([item for item, n in sorted(each.items()) if n >= RARE] for each in counted)
        lines.append(f"{tag}\t{' '.join(map(id_to_symbol, phones))}\t{' '.join(map(str, styles))}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table(sys.argv[1]))
