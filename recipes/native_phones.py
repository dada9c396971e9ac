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


def table(dump) -> str:
    """Text of the table, from the training split of a feature store: language, phones, numbers of styles within the language."""
    from frontend.inventory import EXCLAMATION, id_to_symbol
    from frontend.languages import languages
    from frontend.styles import BLOCK

    corpus = Corpus(Path(dump) / "train")
    phones: dict[int, Counter] = {}
    styles: dict[int, Counter] = {}
    for key in corpus.keys:
        ids, langs, style = (np.asarray(corpus.get(name, key)) for name in ("ids", "langs", "styles"))
        for language in np.unique(langs):
            mine = (langs == language) & (ids > EXCLAMATION)
            phones.setdefault(int(language), Counter()).update(ids[mine].tolist())
            styles.setdefault(int(language), Counter()).update((style[mine] % BLOCK).tolist())
    lines = [
        f"# Phones and styles that speakers of a language use: {RARE} times or more in the training of the house models.",
        "# Made by: python -m recipes.native_phones DUMP",
        "language\tphones\tstyles",
    ]
    for language in sorted(phones):
        used = [[item for item, n in sorted(counts[language].items()) if n >= RARE] for counts in (phones, styles)]
        lines.append(f"{languages()[language].tag}\t{' '.join(map(id_to_symbol, used[0]))}\t{' '.join(map(str, used[1]))}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table(sys.argv[1]))
