"""Train the unit encoder: to tell which cluster hidden units fall to, from what is around them. No text is read.

    python -m recipes train-units --dump dump --exp exp/units1 --minutes 60
    python -m recipes export --exp exp/units1 --dump dump --out exp/models/units1
    python -m recipes train-units --dump dump --exp exp/units2 --minutes 60 --teacher exp/models/units1

Clusters are found once, at the start, by k-means over what a unit sounds like: cepstra and their slope, each of zero mean and
unit variance over an utterance; with ``--teacher`` the features of an earlier encoder. Export finds the books of the quantiser.

Source: HuBERT (arXiv 2106.07447) §II; what is heard is disturbed, its clusters are not (ContentVec, arXiv 2204.09224 §3.1).
Differs: plain cross entropy of a linear layer, over hidden units alone; speakers are changed by warping the frequency axis.
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
from codec.units.encoder import HouseUnits, UnitEncoder, UnitEncoderConfig, paired
from recipes.augment import draw_warp, warp_mel
from recipes.batch import Corpus, FrameBatches, lengths, pad
from recipes.export import record_model
from recipes.train.acoustic import repeats
from recipes.train.loop import Player, Task, TrainConfig, device_of, move, start_from, train
from recipes.train.speaker import disturbed
from vocoder.audio.frames import N_MELS
from vocoder.nn.config import from_dict
from vocoder.nn.masks import length_mask

CEPSTRA = 16
SAMPLE = 40_000  # units that clusters and books are found from


@dataclass(frozen=True)
class UnitTask:
    budget: int = 8000  # padded frames a batch
    longest: int = 900  # frames; of longer utterances a part
    clusters: int = 256
    hide: float = 0.08  # share of units that begin a hidden stretch
    stretch: int = 8  # units (213 ms) of it
    warp: float = 0.6  # share of utterances heard from a larger or smaller speaker
    disturb: float = 0.5  # share heard through another microphone, in noise
    balance: float = 0.5  # as in acoustic training


class UnitTraining(Task):
    def __init__(self, dump, config: UnitEncoderConfig, task: UnitTask, teacher: HouseUnits | None = None, seed: int = 0):
        self.task, self.seed, self.teacher = task, seed, teacher
        self.train, self.dev = Corpus(Path(dump) / "train"), Corpus(Path(dump) / "dev")
        frames = {key: min(self.train.frames(key), task.longest) for key in self.train.keys}
        self.batches = FrameBatches(frames, task.budget, seed, repeats(self.train, frames, task.balance))
        self.model = UnitEncoder(config)
        self.classes = nn.Linear(config.dim, task.clusters)
        rows = sample(self.train, frames, seed, lambda mel, mask: self.sound(mel, mask))
        self.centres = kmeans(rows, task.clusters, torch.Generator().manual_seed(seed))
        self.players = [Player("classes", self.classes, self.learn_classes), Player("model", self.model, self.learn_units)]

    def sound(self, mel: Tensor, mask: Tensor) -> Tensor:
        """mel [B, T, 100], mask [B, T] -> what clusters are of, [B, U, D]."""
        return cepstra(mel, mask) if self.teacher is None else self.teacher.model.to(mel.device).encode(mel, mask)[0]

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

    def learn_classes(self, batch: dict, step: int, scratch: dict) -> dict[str, Tensor]:
        scratch["hidden"], scratch["targets"] = self.seen(batch)
        return {"classes": F.cross_entropy(self.classes(scratch["hidden"].detach()).float(), scratch["targets"])}

    def learn_units(self, batch: dict, step: int, scratch: dict) -> dict[str, Tensor]:
        return {"hidden": F.cross_entropy(self.classes(scratch["hidden"]).float(), scratch["targets"])}

    def seen(self, batch: dict) -> tuple[Tensor, Tensor]:
        """Last layer's output and clusters of the hidden units, [M, dim] and [M]."""
        mask = length_mask(batch["lengths"], batch["mel"].shape[1])
        outputs, units = self.model.layers(batch["heard"], mask, batch["hide"])
        chosen = batch["hide"] & units
        with torch.no_grad():
            targets = nearest(self.sound(batch["mel"], mask)[chosen].float(), self.centres.to(mask.device))
        return outputs[-1][chosen], targets

    def validate(self, model, step: int) -> dict[str, float]:
        """Cross entropy and share of right clusters of hidden dev units, as recorded."""
        total, right, count = 0.0, 0.0, 0
        for i in range(0, len(self.dev.keys), 16):
            batch = move(self.collated(self.dev, self.dev.keys[i : i + 16], np.random.default_rng(i)), device_of(model))
            hidden, targets = self.seen(batch)
            logits = self.classes(hidden).float()
            total += float(F.cross_entropy(logits, targets, reduction="sum"))
            right, count = right + int((logits.argmax(-1) == targets).sum()), count + len(targets)
        return {"hidden": total / count, "right": right / count}


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
    x, real = torch.cat([x, *slopes], dim=-1), units[..., None].float()
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
    teacher=None,
    warm_start=None,
) -> int:
    """Train or resume; returns the step reached. ``teacher``: folder of an earlier unit encoder, whose features are clustered."""
    model = model or UnitEncoderConfig()
    config = config or TrainConfig(learning_rate=1e-3, warmup_steps=300)
    record_model(exp, "units", model, warm_start=warm_start)
    job = UnitTraining(dump, model, task, HouseUnits(str(teacher)) if teacher else None, config.seed)
    if warm_start:
        start_from(job.model, warm_start, "units")
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]
