"""Train the unit encoder: to tell which cluster hidden units fall to, from what is around them. No text is read.

    python -m recipes train-units --dump dump --exp exp/units-first --minutes 60
    python -m recipes export --exp exp/units-first --dump dump --out exp/models/units-first
    python -m recipes units --dump dump --extractor house:exp/models/units-first
    python -m recipes train-units --dump dump --exp exp/units --minutes 120 --warm-start exp/models/units-first \
        --set task.clusters_of=units

First, clusters of what a unit sounds like: cepstra and their slopes, of zero mean and unit variance over the utterance, found
once by k-means. Then the units of the store, made by the encoder so far or by any other extractor of the same rate; again and
again. Export finds the books of the quantiser.

Source: HuBERT (arXiv 2106.07447) §II; what is heard is disturbed, its clusters are not (ContentVec, arXiv 2204.09224 §3.1).
Differs: plain cross entropy of linear layers on the last output, over hidden units alone; speakers are changed by warping the
frequency axis. Clusters of a running mean of the encoder (DinoSR, arXiv 2305.10005) were tried: it learned slower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from codec.quantize.clusters import kmeans, nearest
from codec.units.encoder import FRAMES_A_UNIT, UNIT_RATE, UnitEncoder, UnitEncoderConfig, paired, standard
from recipes.augment import WIDEST, draw_warp, warp_mel
from recipes.batch import Corpus, FrameBatches, lengths, pad
from recipes.export import record_model
from recipes.train.acoustic import repeats
from recipes.train.loop import Player, Task, TrainConfig, device_of, move, start_from, train
from recipes.train.speaker import disturbed
from recipes.units import FACTS, read_facts
from tts.base.errors import DataError, UsageError
from vocoder.audio.frames import N_MELS
from vocoder.nn.config import from_dict
from vocoder.nn.masks import length_mask

CEPSTRA = 16
WIDTH = 3 * CEPSTRA
SAMPLE = 40_000  # units that clusters and books are found from
KINDS = ("cepstra", "units")


@dataclass(frozen=True)
class UnitTask:
    budget: int = 3600  # padded frames a batch
    longest: int = 900  # frames; of longer utterances a part
    clusters_of: str = "cepstra"  # or "units", those of the store
    clusters: int = 256  # of cepstra
    hide: float = 0.08  # share of units that begin a hidden stretch
    stretch: int = 8  # units (213 ms) of it
    warp: float = 0.6  # share of utterances heard from a larger or smaller speaker
    disturb: float = 0.5  # share heard through another microphone, in noise
    balance: float = 0.5  # as in acoustic training

    def __post_init__(self):
        if self.clusters_of not in KINDS:
            raise UsageError(f"{self.clusters_of!r:.40} is unknown.", where="task.clusters_of", fix=f"Give {' or '.join(KINDS)}.")


class UnitTraining(Task):
    def __init__(self, dump, config: UnitEncoderConfig, task: UnitTask, seed: int = 0, warm_start=None):
        self.task, self.seed = task, seed
        self.train, self.dev = Corpus(Path(dump) / "train"), Corpus(Path(dump) / "dev")
        frames = {key: min(self.train.frames(key), task.longest) for key in self.train.keys}
        self.batches = FrameBatches(frames, task.budget, seed, repeats(self.train, frames, task.balance))
        self.model = UnitEncoder(config)
        if warm_start:
            start_from(self.model, warm_start, "units")
        self.clusters, size, n_books = None, task.clusters, 1
        if task.clusters_of == "units":
            facts = read_facts(self.train.dump)
            if facts.unit_rate != UNIT_RATE:
                raise DataError(f"{facts.unit_rate:g} units a second of {facts.extractor}, not {UNIT_RATE:g}.",
                                where=self.train.dump / FACTS, fix="Make others: python -m recipes units.")  # fmt: skip
            size, n_books = facts.n_entries, facts.n_groups
        else:
            self.clusters = kmeans(sample(self.train, seed, cepstra), size, torch.Generator().manual_seed(seed))
        self.guess = Guess(config.dim, n_books, size)
        self.players = [Player("guess", self.guess, self.learn_to_guess), Player("model", self.model, self.learn_units)]

    def batch(self, step: int) -> dict:
        rng = np.random.default_rng([self.seed, step, 5])
        return self.collated(self.train, self.batches(step), rng, self.task.warp, self.task.disturb)

    def collated(self, corpus: Corpus, keys: list[str], rng, warp: float = 0.0, disturb: float = 0.0) -> dict:
        """Mels as recorded and as heard, [B, T, 100], their lengths, and which units are hidden [B, U]."""
        parts = [part(corpus.frames(key), self.task.longest, rng) for key in keys]
        mels = [np.asarray(corpus.get("mel", key)[here], np.float32) for key, here in zip(keys, parts, strict=True)]
        heard = [heard_of(mel, rng, warp, disturb) for mel in mels]
        silence = np.log(1e-5)
        batch = {"keys": keys, "mel": pad(mels, np.float32, silence), "heard": pad(heard, np.float32, silence)}
        starts = rng.random((len(keys), -(-batch["mel"].shape[1] // 2))) < self.task.hide
        hide = np.stack([np.convolve(row, np.ones(self.task.stretch))[: len(row)] > 0 for row in starts])
        if self.clusters is None:
            units = [here.start // FRAMES_A_UNIT for here in parts]
            codes = [corpus.get("units", key)[at : at - (-len(mel) // 2)] for key, at, mel in zip(keys, units, mels, strict=True)]
            batch["units"] = pad(codes, np.int64)
        return batch | {"lengths": lengths(mels), "hide": torch.from_numpy(hide)}

    def learn_to_guess(self, batch: dict, step: int, scratch: dict) -> dict[str, Tensor]:
        scratch["hidden"], scratch["targets"] = self.seen(batch)
        return {"guess": self.guess.loss(scratch["hidden"].detach(), scratch["targets"])}

    def learn_units(self, batch: dict, step: int, scratch: dict) -> dict[str, Tensor]:
        return {"hidden": self.guess.loss(scratch["hidden"], scratch["targets"])}

    def seen(self, batch: dict) -> tuple[Tensor, Tensor]:
        """Last layer's output and clusters of the hidden units, [M, dim] and [M, n_books]."""
        mask = length_mask(batch["lengths"], batch["mel"].shape[1])
        outputs, units = self.model.layers(batch["heard"], mask, batch["hide"])
        chosen = batch["hide"] & units
        if self.clusters is None:
            return outputs[-1][chosen], batch["units"][chosen]
        sounds = cepstra(batch["mel"], mask)[chosen]
        return outputs[-1][chosen], nearest(sounds, self.clusters.to(sounds.device))[:, None]

    def validate(self, model, step: int) -> dict[str, float]:
        """Cross entropy and share of right clusters of hidden dev units, as recorded."""
        total, right, count = 0.0, 0.0, 0
        for i in range(0, len(self.dev.keys), 16):
            batch = move(self.collated(self.dev, self.dev.keys[i : i + 16], np.random.default_rng(i)), device_of(model))
            hidden, targets = self.seen(batch)
            total += float(self.guess.loss(hidden, targets)) * len(targets)
            right += float((self.guess.logits(hidden).argmax(-1) == targets).float().mean(1).sum())
            count += len(targets)
        return {"hidden": total / count, "right": right / count}


class Guess(nn.Module):
    """Linear layers that tell the cluster in each book."""

    def __init__(self, dim: int, n_books: int, size: int):
        super().__init__()
        self.books = nn.ModuleList(nn.Linear(dim, size) for _ in range(n_books))

    def logits(self, hidden: Tensor) -> Tensor:
        """[M, dim] -> [M, n_books, size]."""
        return torch.stack([book(hidden).float() for book in self.books], 1)

    def loss(self, hidden: Tensor, codes: Tensor) -> Tensor:
        return F.cross_entropy(self.logits(hidden).flatten(0, 1), codes.flatten())


def part(frames: int, longest: int, rng) -> slice:
    """All frames, or a random stretch of ``longest`` that begins with a unit."""
    start = int(rng.integers(0, max(1, frames - longest + 1))) // FRAMES_A_UNIT * FRAMES_A_UNIT
    return slice(start, min(frames, start + longest))


def heard_of(mel: np.ndarray, rng, warp: float, disturb: float) -> np.ndarray:
    """A version of a mel [T, 100]: with these shares from another speaker, through another microphone."""
    mel = warp_mel(mel, draw_warp(rng, warp))
    return disturbed(mel, rng) if rng.random() < disturb else mel


def cepstra(mel: Tensor, mask: Tensor) -> Tensor:
    """mel [B, T, 100], mask [B, T] -> [B, U, 3 · 16]: of each unit its cepstra 1 to 16 and how these change over two and over
    four units around it, each of zero mean and unit variance over the utterance."""
    x, units = paired(mel, mask)
    x = x.unflatten(-1, (2, N_MELS)).mean(2)
    bands = (torch.arange(N_MELS, device=mel.device) + 0.5) / N_MELS
    x = x @ torch.cos(math.pi * bands[:, None] * torch.arange(1, CEPSTRA + 1, device=mel.device))  # DCT of type 2
    slopes = [F.pad(x, (0, 0, 0, n))[:, n:] - F.pad(x, (0, 0, n, 0))[:, :-n] for n in (1, 2)]
    return standard(torch.cat([x, *slopes], dim=-1), units)


@torch.no_grad()
def sample(corpus: Corpus, seed: int, features) -> Tensor:
    """About SAMPLE rows of ``features(mel, mask)``, 64 an utterance, from all over the corpus."""
    return _rows(corpus, seed, lambda mel, rng: features(mel, _whole(mel))[0])


@torch.no_grad()
def sample_pairs(model: UnitEncoder, corpus: Corpus, seed: int = 0) -> tuple[Tensor, Tensor]:
    """About SAMPLE rows of features, [N, feature_dim], and those of the same units as another speaker would have them, half of
    these through another microphone too."""

    def pair(mel: Tensor, rng) -> Tensor:
        other = warp_mel(mel[0].numpy(), int(rng.choice([-1, 1]) * rng.integers(WIDEST // 2, WIDEST + 1)))
        other = disturbed(other, rng) if rng.random() < 0.5 else other
        both = torch.stack([mel[0], torch.from_numpy(np.asarray(other, np.float32))])
        return torch.cat(list(model.encode(both, _whole(both))[0]), dim=-1)

    return _rows(corpus, seed, pair).chunk(2, dim=1)


def _rows(corpus: Corpus, seed: int, features) -> Tensor:
    rng, rows, count = np.random.default_rng([seed, 7]), [], 0
    for key in map(str, rng.permutation(corpus.keys)):
        mel = np.asarray(corpus.get("mel", key)[part(corpus.frames(key), UnitTask.longest, rng)], np.float32)
        found = features(torch.from_numpy(mel)[None], rng).float()
        rows.append(found[torch.from_numpy(rng.permutation(len(found))[:64])])
        count += len(rows[-1])
        if count >= SAMPLE:
            break
    return torch.cat(rows)


def _whole(mel: Tensor) -> Tensor:
    return torch.ones(mel.shape[:2], dtype=torch.bool)


def with_books(facts: dict, tensors: dict[str, Tensor], dump) -> dict[str, Tensor]:
    """The encoder's tensors with the quantiser found from the corpus."""
    model = UnitEncoder(from_dict(UnitEncoderConfig, facts, "model.json")).eval()
    model.load_state_dict(tensors)
    model.fit_books(*sample_pairs(model, Corpus(Path(dump) / "train")), torch.Generator().manual_seed(0))
    return model.state_dict()


def main(
    dump,
    exp,
    minutes: float,
    device: str = "cpu",
    model: UnitEncoderConfig | None = None,
    task: UnitTask = UnitTask(),
    config: TrainConfig | None = None,
    max_steps: int | None = None,
    warm_start=None,
) -> int:
    """Train or resume; returns the step reached. ``warm_start``: folder of a unit encoder to begin from."""
    model = model or UnitEncoderConfig()
    config = config or TrainConfig(learning_rate=1e-3, warmup_steps=300)
    record_model(exp, "units", model, warm_start=warm_start)
    job = UnitTraining(dump, model, task, config.seed, warm_start)
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]
