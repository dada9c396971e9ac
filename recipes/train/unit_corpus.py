"""What the trainings over units share: utterances with their units, speaker embeddings, codebooks.

Units are those of ``python -m recipes units`` (feature ``units`` of the store); the codebooks come from the same extractor. The
speaker of an utterance is the embedding of any utterance of that speaker: recordings of one person differ, voices must not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from codec.units.extractor import unit_extractor
from codec.units.unitfile import UnitFacts
from recipes.augment import warp_bandwidth, warp_f0, warp_mel
from recipes.batch import Corpus, lengths, pad
from recipes.config import over
from recipes.store import Store
from recipes.train.acoustic import dropped
from recipes.units import read_facts
from tts.base.errors import DataError, ModelError, NoInputError
from tts.models.reference import reference_crop
from tts.models.speaker import SpeakerEncoder
from tts.models.units import NO_CODE, LayersConfig, UnitsConfig, first_of_units
from vocoder.audio.f0 import interpolate_log_f0
from vocoder.nn.checkpoint import load_config
from vocoder.nn.config import from_dict, to_dict

SHORTEST = 32  # frames: a speaker can be told, and discriminators of mel windows have one to look at


@dataclass(frozen=True)
class Books:
    """Codebooks of an extractor, and what they are."""

    vectors: Tensor  # [G, K, D] float32
    facts: UnitFacts

    @classmethod
    def of(cls, extractor: str) -> Books:
        """Of a name as ``unit_extractor`` takes it.

        Raises:
            UsageError, UnavailableError: it has no codebooks, or is not here.
        """
        found = unit_extractor(extractor)
        facts = UnitFacts.of(found)  # refuses those without
        return cls(found.codebooks.float().cpu(), facts)

    @property
    def config(self) -> UnitsConfig:
        return UnitsConfig(*self.vectors.shape, self.facts.unit_rate)


class UnitCorpus:
    """Train and dev utterances that have units, with a language number and an embedding for each.

    Args:
        dump: Feature store with ``units``.
        books: What the units have to be of.
        aligned: Leave out utterances without durations.
        longest: Frames; longer ones are left out.

    Raises:
        NoInputError: The store has no units.
        DataError: Units of another extractor or clock.
    """

    def __init__(self, dump, books: Books, aligned: bool, longest: int):
        self.books, self.config = books, books.config
        self.train, self.dev = (Corpus(Path(dump) / split, dropped(Path(dump) / split)) for split in ("train", "dev"))
        known = usable(self.train, books, aligned)
        self.frames = {key: n for key in known if SHORTEST <= (n := self.train.frames(key)) <= longest}
        self.dev_keys = [key for key in usable(self.dev, books, aligned) if self.dev.frames(key) >= SHORTEST]
        self.encoder = SpeakerEncoder.load()
        self.speakers = {"train": SpeakerVectors(self.train, self.frames, self.encoder),
                         "dev": SpeakerVectors(self.dev, self.dev_keys, self.encoder)}  # fmt: skip

    @property
    def layers(self) -> LayersConfig:
        """Layers of a model that is to know every language of the corpus."""
        return LayersConfig(languages_of(self.train), speaker_dim=self.encoder.model.config.dim)

    def sound(self, split: str, keys: list[str], rng, warps=None, told: float = 0.0) -> dict:
        """What ``vec2mel`` takes of some utterances; ``warps`` are percents by which speakers are made larger or smaller.

        The units are those of the recording: of a warped one only sound and embedding change. ``told`` is the share of the
        utterances that have them as a txt2vec tells them.
        """
        corpus, warps = getattr(self, split), warps or [0] * len(keys)
        rows = [corpus.utterances[key] for key in keys]

        def warped(how, name):
            return [how(np.asarray(corpus.get(name, key)), percent) for key, percent in zip(keys, warps, strict=True)]

        mels, f0s = warped(warp_mel, "mel"), warped(warp_f0, "f0")
        units = [self.units(split, key, told > 0 and rng.random() < told) for key in keys]
        bands = [warp_bandwidth(float(row.bandwidth_hz), percent) for row, percent in zip(rows, warps, strict=True)]
        return {
            "keys": keys,
            "units": pad(units, np.int64, NO_CODE),
            "unit_lengths": lengths(units),
            "languages": pad([self.languages(split, key) for key in keys], np.int64),
            "speaker": self.embeddings(split, keys, rng, warps),
            "mel": pad(mels, np.float32, np.log(1e-5)),
            "frame_lengths": lengths(mels),
            "log_f0": pad([interpolate_log_f0(f0) for f0 in f0s], np.float32),
            "voiced": pad([f0 > 0 for f0 in f0s], np.float32),
            "bandwidth": torch.tensor(bands),
        }

    def embeddings(self, split: str, keys: list[str], rng, warps=None) -> Tensor:
        """Of any utterance of each key's speaker, [B, S]."""
        warps = warps or [0] * len(keys)
        drawn = [self.speakers[split].draw(key, rng, percent) for key, percent in zip(keys, warps, strict=True)]
        return torch.from_numpy(np.stack(drawn))

    def units(self, split: str, key: str, told: bool = False) -> np.ndarray:
        """Codes of an utterance, int64 [U, G], as many as its frames last: the store may have one more or less.

        ``told``: as a txt2vec tells them, where one did; utterances without text keep their own.

        Raises:
            NoInputError: none told any.
        """
        corpus = getattr(self, split)
        name = self.told_name if told and key in self.told(split) else "units"
        codes, size = np.asarray(corpus.get(name, key), np.int64), self.config.n_units(corpus.frames(key))
        return np.pad(codes[:size], ((0, size - min(size, len(codes))), (0, 0)), mode="edge")

    @property
    def told_name(self) -> str:
        """Feature of the store: units as a txt2vec tells them. Those of other codebooks have another name."""
        return f"told.{self.books.facts.units_id}"

    def told(self, split: str) -> Store:
        """What a txt2vec told of a split, by ``recipes.train.txt2vec.tell_units``.

        Raises:
            NoInputError: none did.
        """
        try:
            return getattr(self, split).store(self.told_name)
        except NoInputError as error:
            raise NoInputError("no txt2vec has told units here.", where=getattr(self, split).dump,
                               fix="Run python -m recipes told-units first, or set task.told to 0.") from error  # fmt: skip

    def languages(self, split: str, key: str) -> np.ndarray:
        """Language id of each unit [U]: that of the phone that sounds, or of the utterance where nothing is aligned."""
        from frontend.languages import resolve

        corpus = getattr(self, split)
        if not (corpus.dump / "durations.json").exists() or key not in corpus.store("durations"):
            return np.full(self.config.n_units(corpus.frames(key)), resolve(corpus.utterances[key].language).id)
        of_frames = np.repeat(np.asarray(corpus.get("langs", key), np.int64), corpus.get("durations", key))
        return first_of_units(torch.from_numpy(of_frames)[None], self.config.clock)[0].numpy()


class SpeakerVectors:
    """Embeddings of the utterances of a split, each heard once, from 4 s in its middle."""

    def __init__(self, corpus: Corpus, keys, encoder: SpeakerEncoder):
        self.corpus, self.encoder = corpus, encoder
        self.utterances: dict[str, list[str]] = {}
        for key in sorted(keys):
            self.utterances.setdefault(corpus.utterances[key].speaker, []).append(key)
        self._kept: dict[tuple[str, int], np.ndarray] = {}

    def draw(self, key: str, rng, percent: int = 0) -> np.ndarray:
        """float32 [S] of any utterance of its speaker, made larger or smaller by ``percent``."""
        choices = self.utterances[self.corpus.utterances[key].speaker]
        return self.of(choices[int(rng.integers(len(choices)))], percent)

    def of(self, key: str, percent: int = 0) -> np.ndarray:
        if (key, percent) not in self._kept:
            mel = np.asarray(self.corpus.get("mel", key), np.float32)
            self._kept[key, percent] = self.encoder.embed(warp_mel(reference_crop(mel), percent))
        return self._kept[key, percent]


def books_of(dump, config: dict, folder) -> Books:
    """Codebooks of a store's units, for the model of a folder with this config.

    Raises:
        ModelError: it knows other units.
    """
    found = read_facts(Path(dump) / "train")
    if found.units_id != config["units_id"]:
        raise ModelError(f"the model knows units {config['units_id']}, the store has {found.units_id}.", where=folder,
                         code="units.extractor", fix="Make units with the extractor of the model.")  # fmt: skip
    return Books.of(found.extractor)


def usable(corpus: Corpus, books: Books, aligned: bool) -> list[str]:
    """Keys that have units (and durations); the units are checked."""
    store, units = corpus.store("units"), books.config
    books.facts.expect(read_facts(corpus.dump), corpus.dump / "units")
    books.facts.check(store.array, corpus.dump / "units")
    keys = [key for key in corpus.keys if key in store and (not aligned or key in corpus.store("durations"))]
    for key in keys:
        if abs(store.rows(key) - units.n_units(corpus.frames(key))) > 1:
            raise DataError(f"{store.rows(key)} units for {corpus.frames(key)} frames; {units.n_units(corpus.frames(key))} "
                            "are expected.", where=key, code="units.clock",
                            fix="Make them again with the extractor that is named in the task.")  # fmt: skip
    return keys


def languages_of(corpus: Corpus) -> tuple[int, ...]:
    """Frontend ids of a corpus' languages, in order."""
    from frontend.languages import resolve

    return tuple(sorted({resolve(row.language).id for row in corpus.utterances.values()}))


def sized(config_class, corpus: UnitCorpus, changes: dict | None, warm_start=None):
    """The configuration of a decoder of these units, with ``changes`` at any depth.

    It is that of ``warm_start``, languages included: a new one is row 0 of their table. Else it is for this corpus.

    Raises:
        ModelError: The class has no such field, or the model to begin from knows other units.
    """
    if warm_start:
        base = before(warm_start, "acoustic", corpus)
    else:
        base = to_dict(config_class(units=corpus.config, layers=corpus.layers))
    return from_dict(config_class, over(base, changes or {}), "model")


def before(folder, kind: str, corpus: UnitCorpus) -> dict:
    """The ``model`` section of a model folder that training goes on from.

    Raises:
        ModelError: It is of another kind, or of other units.
    """
    config = load_config(folder, kind)
    own, found = corpus.books.facts.units_id, config.get("units_id")
    if found != own:
        raise ModelError(f"it was trained on units {found}, these are {own}.", where=folder, code="units.extractor",
                         fix="Make units with its extractor, and name that in the task.")  # fmt: skip
    return config["model"]


def facts(corpus: UnitCorpus) -> dict:
    """What a model folder says of the units and embeddings that it was trained with."""
    return {"units_id": corpus.books.facts.units_id, "speaker_model": corpus.encoder.config["model_id"]}
