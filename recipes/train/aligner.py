"""Train the aligner-recogniser on all languages at once.

    python -m recipes train-aligner --dump egs/house/tts1/dump --exp exp/aligner --minutes 30
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from recipes.augment import draw_warp, warp_mel
from recipes.batch import Corpus, FrameBatches, lengths, pad
from recipes.export import record_model
from recipes.train.loop import Player, Task, TrainConfig, device_of, move, start_from, train
from tts.aligner import (
    N_MARKS,
    AlignerConfig,
    AlignerModel,
    aligner_losses,
    beta_binomial_log_prior,
    collapse,
)
from tts.alignment import edit_distance
from vocoder.nn.masks import length_mask


@dataclass(frozen=True)
class AlignerTask:
    budget: int = 6000  # padded frames a batch
    hard_from: int = 1000  # step at which binarisation starts; it grows over as many steps
    longest: int = 1400  # frames; longer utterances are left out
    warp: float = 0.5  # share of utterances whose speaker is made larger or smaller (recipes/augment.py)


class AlignerTraining(Task):
    def __init__(self, dump, config: AlignerConfig, task: AlignerTask, seed: int = 0):
        self.task, self.seed = task, seed
        self.train, self.dev = Corpus(Path(dump) / "train"), Corpus(Path(dump) / "dev")
        frames = {k: self.train.frames(k) for k in self.train.keys}
        fits = {k: n for k, n in frames.items() if len(self.train.get("ids", k)) < n <= task.longest}
        self.batches = FrameBatches(fits, task.budget, seed, {k: self.train.utterances[k].weight for k in fits})
        self.model = AlignerModel(config)
        self.players = [Player("model", self.model, self.losses)]

    def batch(self, step: int) -> dict:
        rng = np.random.default_rng([self.seed, step, 1])
        keys = self.batches(step)
        return collate(self.train, keys, [draw_warp(rng, self.task.warp) for _ in keys])

    def losses(self, batch: dict, step: int, scratch: dict) -> dict:
        grown = (step - self.task.hard_from) / max(1, self.task.hard_from)
        return aligner_losses(self.model, batch, float(np.clip(grown, 0, 1)))

    def validate(self, model, step: int) -> dict[str, float]:
        """Phone error rate on the dev split, and how sure the alignment is."""
        edits, total = {}, {}
        for key in self.dev.keys:
            batch = move(collate(self.dev, [key]), device_of(model))
            heard = collapse(model(batch["mel"], length_mask(batch["frame_lengths"]))[0].argmax(-1).tolist())
            language = self.dev.utterances[key].language
            edits[language] = edits.get(language, 0) + edit_distance(heard, batch["phones"][0].tolist())
            total[language] = total.get(language, 0) + batch["phones"].shape[1]
        rates = {f"per_{language}": edits[language] / total[language] for language in sorted(total)}
        return {"per": sum(edits.values()) / sum(total.values()), **rates}


def collate(corpus: Corpus, keys: list[str], warps=None) -> dict:
    """Padded mel [B, T, 100], ids [B, N], their lengths, prior [B, T, N], and phones without marks for CTC."""
    mels = [warp_mel(corpus.get("mel", key), percent) for key, percent in zip(keys, warps or [0] * len(keys), strict=True)]
    ids = [np.asarray(corpus.get("ids", key)) for key in keys]
    phones = [x[x >= N_MARKS] for x in ids]
    n_tokens, n_frames = max(map(len, ids)), max(map(len, mels))
    prior = torch.full((len(keys), n_frames, n_tokens), -20.0)
    for i, (x, mel) in enumerate(zip(ids, mels, strict=True)):
        prior[i, : len(mel), : len(x)] = beta_binomial_log_prior(len(x), len(mel)).clamp(min=-20)
    return {
        "keys": keys,
        "mel": pad(mels, np.float32, np.log(1e-5)),
        "frame_lengths": lengths(mels),
        "ids": pad(ids, np.int64),
        "text_lengths": lengths(ids),
        "phones": pad(phones, np.int64),
        "phone_lengths": lengths(phones),
        "prior": prior,
    }


def main(
    dump,
    exp,
    minutes: float,
    device: str = "cpu",
    model: AlignerConfig | None = None,
    task: AlignerTask = AlignerTask(),
    config: TrainConfig | None = None,
    max_steps: int | None = None,
    warm_start=None,
) -> int:
    """Train or resume; returns the step reached. ``warm_start``: a model folder to begin from."""
    from frontend import inventory

    model = model or AlignerConfig(n_symbols=inventory.size())
    config = config or TrainConfig(learning_rate=1e-3, warmup_steps=200)
    record_model(exp, "aligner", model, warm_start=warm_start)
    job = AlignerTraining(dump, model, task, config.seed)
    if warm_start:
        start_from(job.model, warm_start, "aligner")
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]
