"""Units of every utterance of a feature store, by any extractor with a quantiser.

    units              int16 [U, G]     codes, on the extractor's own clock
    units.facts.json                    which extractor, id of its codebooks, units a second, G groups of K entries
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

import tts.units  # noqa: F401 - adds the aligner to the extractors
from codec.units.extractor import UnitExtractor, unit_extractor
from codec.units.kmeans import fit, save_centres
from codec.units.unitfile import UnitFacts
from recipes.batch import Corpus
from recipes.progress import track
from recipes.store import Store, StoreWriter
from tts.base import strict_json
from tts.base.errors import NoInputError
from tts.base.files import atomic_write

FACTS = "units.facts.json"


def read_facts(dump) -> UnitFacts:
    """What the store ``units`` of a split is of; ``UnitFacts.expect`` compares it with an extractor.

    Raises:
        NoInputError: There are no units.
        DataError: The facts are damaged.
    """
    path = Path(dump) / FACTS
    if not path.is_file():
        raise NoInputError("there are no units.", where=dump, fix="Run python -m recipes units first.")
    return UnitFacts.read(strict_json.load(path), path)


def utterance_units(extractor: UnitExtractor, corpus: Corpus, key: str) -> np.ndarray:
    """[U, G] of one utterance, from its mel where the extractor hears no more than that, else from its samples."""
    if hasattr(extractor, "units_of_mel"):
        mel = torch.from_numpy(np.asarray(corpus.get("mel", key), dtype=np.float32))[None]
        return extractor.units_of_mel(mel, torch.ones(mel.shape[:2], dtype=torch.bool))[0].numpy()
    return extractor.units(utterance_wav(corpus, key)[None])[0].numpy()


def utterance_wav(corpus: Corpus, key: str) -> torch.Tensor:
    """[S] float32 of one utterance."""
    return torch.from_numpy(np.asarray(corpus.get("wav", key), dtype=np.float32) / 32768)


def write_units(dump, name: str, nj: int = 1, download: bool = False) -> int:
    """Units of one split of the store; returns how many utterances. Those of the same codebooks that are there are kept."""
    dump = Path(dump)
    corpus, extractor = Corpus(dump), unit_extractor(name, download)
    facts = UnitFacts.of(extractor)
    there = (dump / FACTS).exists() and read_facts(dump).units_id == facts.units_id
    if there and set(Store(dump, "units").items) == set(corpus.keys):
        return len(corpus.keys)
    (dump / FACTS).unlink(missing_ok=True)  # last to come, first to go: it says that the store is whole and of what
    with StoreWriter(dump, "units", "int16", facts.n_groups) as store:
        for key, codes in zip(corpus.keys, _in_turn(extractor, corpus, nj, download), strict=True):
            store.add(key, facts.check(codes, key))
    atomic_write(dump / FACTS, strict_json.dumps(asdict(facts)) + "\n", force=True)
    return len(corpus.keys)


def fit_centres(dump, features: str, out, size: int, rows: int, seed: int = 0, download: bool = False) -> int:
    """k-means over the features of training utterances in random order, as a file for ``kmeans:FILE``; returns K."""
    corpus, extractor = Corpus(Path(dump) / "train"), unit_extractor(features, download)
    keys = np.random.default_rng(seed).permutation(corpus.keys)
    centres = fit(extractor, (utterance_wav(corpus, key) for key in track(keys, "units-kmeans")), size, rows, seed)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    save_centres(out, centres, extractor, force=True)
    return len(centres)


def _in_turn(extractor: UnitExtractor, corpus: Corpus, nj: int, download: bool) -> Iterator[np.ndarray]:
    if nj == 1:
        yield from (utterance_units(extractor, corpus, key) for key in track(corpus.keys, f"units {corpus.dump.name}"))
        return
    # spawned, not forked: a fork of a process whose torch has computed may hang
    with ProcessPoolExecutor(nj, multiprocessing.get_context("spawn"), _start, (extractor.name, corpus.dump, download)) as pool:
        yield from track(pool.map(_work, corpus.keys, chunksize=16), f"units {corpus.dump.name}", len(corpus.keys))


def _start(name: str, dump: Path, download: bool) -> None:
    global _own
    torch.set_num_threads(1)
    _own = unit_extractor(name, download), Corpus(dump)


def _work(key: str) -> np.ndarray:
    return utterance_units(*_own, key)
