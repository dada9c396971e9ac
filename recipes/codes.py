"""Tokens of a codec for every utterance of a feature store, from its mel.

    codes             int16 [T, n_q]
    codes.facts.json  {"codec", "weights"}: whose they are
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from codec import Codec
from recipes.batch import Corpus
from recipes.progress import track
from recipes.store import Store, StoreWriter
from tts.base import strict_json
from tts.base.errors import DataError, NoInputError
from tts.base.files import atomic_write

FACTS = "codes.facts.json"


def write_codes(dump, codec: Codec) -> int:
    """Tokens of one split; returns how many utterances. Those of the same weights that are there are kept.

    Raises:
        ModelError: the codec does not encode a mel.
    """
    dump, corpus = Path(dump), Corpus(dump)
    if (dump / FACTS).exists() and weights_of(dump) == codec.weights and set(Store(dump, "codes").items) == set(corpus.keys):
        return len(corpus.keys)
    (dump / FACTS).unlink(missing_ok=True)  # last to come, first to go: it says that the store is whole and of what
    with StoreWriter(dump, "codes", "int16", codec.n_books) as store, torch.inference_mode():
        for key in track(corpus.keys, f"codes {dump.name}"):
            mel = torch.from_numpy(np.asarray(corpus.get("mel", key), np.float32))[None]
            store.add(key, codec.model.encode_mel(mel)[0].T.numpy())
    atomic_write(dump / FACTS, strict_json.dumps({"codec": codec.name, "weights": codec.weights}) + "\n", force=True)
    return len(corpus.keys)


def weights_of(dump) -> str:
    """Hash of the quantiser that made the tokens of a split.

    Raises:
        NoInputError: there are none. DataError: their facts are damaged.
    """
    path = Path(dump) / FACTS
    if not path.is_file():
        raise NoInputError("there are no codec tokens.", where=dump, fix="Run python -m recipes codes first.")
    facts = strict_json.load(path)
    if not isinstance(facts, dict) or not isinstance(facts.get("weights"), str):
        raise DataError("does not tell whose tokens these are.", where=path, code="codes.facts", fix="Run the stage again.")
    return facts["weights"]
