"""Train the unit encoder: to tell which cluster hidden units fall to, from what is around them. No text is read.

    python -m recipes train-units --dump dump --exp exp/units-first --minutes 60
    python -m recipes export --exp exp/units-first --dump dump --out exp/models/units-first
    python -m recipes train-units --dump dump --exp exp/units --minutes 120 --warm-start exp/models/units-first \
        --set task.clusters_of=layers

First, clusters of what a unit sounds like: cepstra and their slopes, found once by k-means. Then clusters of the encoder's own
layers: a teacher, the running mean of the encoder, hears the recording undisturbed, and books follow what its layers make of it.
In both, every number is taken to zero mean and unit variance over the utterance. Export finds the books of the quantiser.

Source: HuBERT (arXiv 2106.07447) §II for the first; DinoSR (arXiv 2305.10005) §3 for the second; what is heard is disturbed, its
clusters are not (ContentVec, arXiv 2204.09224 §3.1). Differs: plain cross entropy of linear layers on the last output, over
hidden units alone; speakers are changed by warping the frequency axis.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from codec.quantize.clusters import kmeans, nearest
from codec.quantize.ema import EmaBook
from codec.units.encoder import UnitEncoder, UnitEncoderConfig, paired
from recipes.augment import draw_warp, warp_mel
from recipes.batch import Corpus, FrameBatches, lengths, pad
from recipes.export import record_model
from recipes.train.acoustic import repeats
from recipes.train.loop import Player, Task, TrainConfig, device_of, move, start_from, train
from recipes.train.speaker import disturbed
from tts.base.errors import UsageError
from vocoder.audio.frames import N_MELS
from vocoder.nn.config import from_dict
from vocoder.nn.masks import length_mask

CEPSTRA = 16
WIDTH = 3 * CEPSTRA
SAMPLE = 40_000  # units that clusters and books are found from
KINDS = ("cepstra", "layers")


@dataclass(frozen=True)
class UnitTask:
    budget: int = 3600  # padded frames a batch
    longest: int = 900  # frames; of longer utterances a part
    clusters_of: str = "cepstra"  # or "layers", those that the features are of
    clusters: int = 256  # of each
    teacher_decay: float = 0.998  # of the running mean, a step
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
        self.clusters = Clusters(self.model, task.clusters_of, task.clusters)
        for i, book in enumerate(self.clusters.books):
            rows = sample(self.train, frames, seed, lambda mel, mask, i=i: self.clusters.sounds(mel, mask)[i])
            book.vectors.copy_(kmeans(rows, task.clusters, torch.Generator().manual_seed(seed)))
            book.start_learning()
        self.players = [Player("clusters", self.clusters, self.learn_clusters), Player("model", self.model, self.learn_units)]

    def batch(self, step: int) -> dict:
        rng = np.random.default_rng([self.seed, step, 5])
        return self.collated(self.train, self.batches(step), rng, self.task.warp, self.task.disturb)

    def collated(self, corpus: Corpus, keys: list[str], rng, warp: float = 0.0, disturb: float = 0.0) -> dict:
        """Mels as recorded and as heard, [B, T, 100], their lengths, and which units are hidden [B, U]."""
        mels = [cut(corpus.get("mel", key), self.task.longest, rng) for key in keys]
        heard = [warp_mel(mel, draw_warp(rng, warp)) for mel in mels]
        heard = [disturbed(mel, rng) if rng.random() < disturb else mel for mel in heard]
        silence = np.log(1e-5)
        batch = {"keys": keys, "mel": pad(mels, np.float32, silence), "heard": pad(heard, np.float32, silence)}
        starts = rng.random((len(keys), -(-batch["mel"].shape[1] // 2))) < self.task.hide
        hide = np.stack([np.convolve(row, np.ones(self.task.stretch))[: len(row)] > 0 for row in starts])
        return batch | {"lengths": lengths(mels), "hide": torch.from_numpy(hide)}

    def learn_clusters(self, batch: dict, step: int, scratch: dict) -> dict[str, Tensor]:
        self.clusters.follow(self.model, self.task.teacher_decay)
        scratch["hidden"], scratch["targets"] = self.seen(batch)
        return {"clusters": self.clusters.loss(scratch["hidden"].detach(), scratch["targets"])}

    def learn_units(self, batch: dict, step: int, scratch: dict) -> dict[str, Tensor]:
        return {"hidden": self.clusters.loss(scratch["hidden"], scratch["targets"])}

    def seen(self, batch: dict) -> tuple[Tensor, Tensor]:
        """Last layer's output and clusters of the hidden units, [M, dim] and [M, n_books]."""
        mask = length_mask(batch["lengths"], batch["mel"].shape[1])
        outputs, units = self.model.layers(batch["heard"], mask, batch["hide"])
        chosen = batch["hide"] & units
        return outputs[-1][chosen], self.clusters.of(batch["mel"], mask, chosen)

    def validate(self, model, step: int) -> dict[str, float]:
        """Cross entropy and share of right clusters of hidden dev units, as recorded."""
        total, right, count = 0.0, 0.0, 0
        for i in range(0, len(self.dev.keys), 16):
            batch = move(self.collated(self.dev, self.dev.keys[i : i + 16], np.random.default_rng(i)), device_of(model))
            hidden, targets = self.seen(batch)
            total += float(self.clusters.loss(hidden, targets)) * len(targets)
            right += float((self.clusters.logits(hidden).argmax(-1) == targets).float().mean(1).sum())
            count += len(targets)
        return {"hidden": total / count, "right": right / count}


class Clusters(nn.Module):
    """What hidden units are told apart by: books, linear layers that guess the codes, and the teacher."""

    def __init__(self, model: UnitEncoder, kind: str, size: int):
        super().__init__()
        config = model.config
        self.teacher = copy.deepcopy(model).requires_grad_(False) if kind == "layers" else None
        widths = [config.dim] * len(config.layers) if self.teacher else [WIDTH]
        self.books = nn.ModuleList(EmaBook(size, width) for width in widths)
        self.guess = nn.ModuleList(nn.Linear(config.dim, size) for _ in self.books)

    def follow(self, model: UnitEncoder, decay: float) -> None:
        if self.teacher is not None:
            for mine, its in zip(self.teacher.parameters(), model.parameters(), strict=True):
                mine.lerp_(its.detach(), 1 - decay)

    def sounds(self, mel: Tensor, mask: Tensor) -> list[Tensor]:
        """mel [B, T, 100], mask [B, T] -> what each book's clusters are of, [B, U, width]."""
        if self.teacher is None:
            return [cepstra(mel, mask)]
        self.teacher.eval()  # a training loop puts its players into training
        outputs, units = self.teacher.layers(mel, mask)
        return [standard(outputs[i - 1], units) for i in self.teacher.config.layers]

    @torch.no_grad()
    def of(self, mel: Tensor, mask: Tensor, chosen: Tensor) -> Tensor:
        """Codes [M, n_books] of the chosen [B, U] units; in training the teacher's books learn from them."""
        codes = []
        for book, sound in zip(self.books, self.sounds(mel, mask), strict=True):
            rows = sound[chosen].float()
            codes.append(nearest(rows, book.vectors))
            if self.training and self.teacher is not None:
                book.update(rows, codes[-1])
        return torch.stack(codes, -1)

    def logits(self, hidden: Tensor) -> Tensor:
        """[M, dim] -> [M, n_books, size]."""
        return torch.stack([guess(hidden).float() for guess in self.guess], 1)

    def loss(self, hidden: Tensor, codes: Tensor) -> Tensor:
        return F.cross_entropy(self.logits(hidden).flatten(0, 1), codes.flatten())


def cut(mel, longest: int, rng) -> np.ndarray:
    """A mel [T, 100], or a random part of ``longest`` frames."""
    start = int(rng.integers(0, max(1, len(mel) - longest + 1)))
    return np.asarray(mel[start : start + longest], np.float32)


def cepstra(mel: Tensor, mask: Tensor) -> Tensor:
    """mel [B, T, 100], mask [B, T] -> [B, U, 3 · 16]: of each unit its cepstra 1 to 16 and how these change over two and over
    four units around it, each of zero mean and unit variance over the utterance."""
    x, units = paired(mel, mask)
    x = x.unflatten(-1, (2, N_MELS)).mean(2)
    bands = (torch.arange(N_MELS, device=mel.device) + 0.5) / N_MELS
    x = x @ torch.cos(math.pi * bands[:, None] * torch.arange(1, CEPSTRA + 1, device=mel.device))  # DCT of type 2
    slopes = [F.pad(x, (0, 0, 0, n))[:, n:] - F.pad(x, (0, 0, n, 0))[:, :-n] for n in (1, 2)]
    return standard(torch.cat([x, *slopes], dim=-1), units)


def standard(x: Tensor, mask: Tensor) -> Tensor:
    """[B, U, D] of zero mean and unit variance over each utterance, 0 where the mask [B, U] is False."""
    real = mask[..., None].float()
    count = real.sum(1, keepdim=True).clamp(min=1)
    x = (x - (x * real).sum(1, keepdim=True) / count) * real
    return x / ((x.square().sum(1, keepdim=True) / count).sqrt() + 1e-3)


@torch.no_grad()
def sample(corpus: Corpus, frames: dict[str, int], seed: int, features) -> Tensor:
    """About SAMPLE rows of ``features(mel, mask)`` from utterances all over the corpus."""
    rng, rows, count = np.random.default_rng([seed, 7]), [], 0
    for key in rng.permutation(sorted(frames)):
        mel = torch.from_numpy(cut(corpus.get("mel", str(key)), 900, rng))[None]
        found = features(mel, torch.ones(mel.shape[:2], dtype=torch.bool))[0].float()
        rows.append(found[torch.from_numpy(rng.permutation(len(found))[:64])])
        count += len(rows[-1])
        if count >= SAMPLE:
            break
    return torch.cat(rows)


def with_books(facts: dict, tensors: dict[str, Tensor], dump) -> dict[str, Tensor]:
    """The encoder's tensors with the quantiser found from the corpus."""
    model = UnitEncoder(from_dict(UnitEncoderConfig, facts, "model.json")).eval()
    model.load_state_dict(tensors)
    corpus = Corpus(Path(dump) / "train")
    frames = {key: corpus.frames(key) for key in corpus.keys}
    model.fit_books(sample(corpus, frames, 0, lambda mel, mask: model.encode(mel, mask)[0]), torch.Generator().manual_seed(0))
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
