"""Batches whose content depends only on (seed, step): the corpus in memory maps, one padded batch type.

``Corpus`` joins the stores of one split; ``FrameBatches`` draws utterances of similar length up to a frame budget.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipes.store import Store
from tts.base.errors import DataError, NoInputError


@dataclass(frozen=True)
class Utterance:
    """One row of ``utterances.jsonl``."""

    key: str
    speaker: str
    language: str
    gender: str = "u"
    bandwidth_hz: int = 12000
    corpus: str = ""
    text: str = ""
    weight: float = 1.0  # how often training shows it, beside others


class Corpus:
    """Features of one split. Stores open on first use, so that a task needs only what it reads."""

    def __init__(self, dump, drop=()):
        self.dump = Path(dump)
        try:
            with open(self.dump / "utterances.jsonl", encoding="utf-8") as file:
                rows = [Utterance(**json.loads(line)) for line in file]
        except FileNotFoundError as error:
            raise NoInputError(
                "there is no feature store: utterances.jsonl is missing.",
                where=self.dump,
                fix="Run the feature stage of the recipe first.",
            ) from error
        dropped = set(drop)
        self.utterances = {row.key: row for row in rows if row.key not in dropped}
        self._stores: dict[str, Store] = {}

    def store(self, name: str) -> Store:
        if name not in self._stores:
            self._stores[name] = Store(self.dump, name)
        return self._stores[name]

    def get(self, name: str, key: str) -> np.ndarray:
        return self.store(name)[key]

    def frames(self, key: str) -> int:
        return self.store("f0").rows(key)

    @property
    def keys(self) -> list[str]:
        return sorted(self.utterances)


class FrameBatches:
    """Utterances of similar length in batches of at most ``budget`` padded frames, reshuffled every epoch.

    Args:
        frames: Frames of each utterance by key.
        repeats: How often a key appears in an epoch, to balance corpora (fractions are drawn at random).
    """

    def __init__(self, frames: dict[str, int], budget: int, seed: int = 0, repeats: dict[str, float] | None = None):
        if not frames:
            raise DataError("no utterance is left to train on.", fix="Look at the lengths and at dropped.tsv of the corpus.")
        self.frames, self.budget, self.seed, self.repeats = frames, budget, seed, repeats or {}
        self._epoch, self._batches, self._starts = -1, [], [0]

    def __call__(self, step: int) -> list[str]:
        """Keys of the batch of a step."""
        epoch = int(np.searchsorted(self._starts, step, side="right")) - 1
        while epoch >= len(self._starts) - 1:  # lengths of earlier epochs must be known
            self._starts.append(self._starts[-1] + len(self.epoch(len(self._starts) - 1)))
            epoch = int(np.searchsorted(self._starts, step, side="right")) - 1
        return self.epoch(epoch)[step - self._starts[epoch]]

    def epoch(self, epoch: int) -> list[list[str]]:
        if epoch == self._epoch:
            return self._batches
        rng = np.random.default_rng([self.seed, epoch])
        drawn = []
        for key in sorted(self.frames):
            times = self.repeats.get(key, 1.0)
            drawn += [key] * (int(times) + (rng.random() < times % 1))
        noisy = np.array([self.frames[key] for key in drawn]) * rng.uniform(0.9, 1.1, len(drawn))
        batches, current, longest = [], [], 0
        for i in np.argsort(noisy, kind="stable"):
            longest_now = max(longest, self.frames[drawn[i]])
            if current and longest_now * (len(current) + 1) > self.budget:
                batches.append(current)
                current, longest_now = [], self.frames[drawn[i]]
            current.append(drawn[i])
            longest = longest_now
        batches.append(current)
        order = rng.permutation(len(batches))
        self._epoch, self._batches = epoch, [batches[i] for i in order]
        return self._batches


def pad(arrays: list[np.ndarray], dtype, value=0) -> Tensor:
    """Arrays of different length, one batch: [B, longest, ...]."""
    longest = max(len(a) for a in arrays)
    out = np.full((len(arrays), longest, *arrays[0].shape[1:]), value, dtype=dtype)
    for i, a in enumerate(arrays):
        out[i, : len(a)] = a
    return torch.from_numpy(out)


def lengths(arrays: list[np.ndarray]) -> Tensor:
    return torch.tensor([len(a) for a in arrays])
