"""Train ``vec2mel``: units of recordings to their mel and F0.

    python -m recipes train-vec2mel --dump dump --exp exp/vec2mel --minutes 120

Text is not read: recordings without one serve too. A share of the utterances is warped, sound and embedding but not units, so
that the voice comes from the embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from recipes.adversarial import MelDiscriminators, discriminator_loss, feature_loss, generator_loss
from recipes.augment import draw_warp
from recipes.batch import FrameBatches
from recipes.export import record_model
from recipes.store import StoreWriter
from recipes.train.acoustic import repeats
from recipes.train.loop import Player, Task, TrainConfig, device_of, move, start_from, train
from recipes.train.unit_corpus import Books, UnitCorpus, books_of, facts, sized
from tts.models.variance import band_mask
from tts.models.vec2mel import Vec2mel, Vec2melConfig
from vocoder.audio.frames import MEL, N_MELS

DEV = 48  # dev utterances that are judged
FULL_ENOUGH = 11_000  # Hz that a recording reaches for its predicted mel to train a vocoder


@dataclass(frozen=True)
class Vec2melTask:
    budget: int = 6000  # padded frames a batch
    longest: int = 1200  # frames
    balance: float = 0.5  # as in acoustic training
    speaker_balance: float = 1.0
    warp: float = 0.3  # share of utterances whose speaker is made larger or smaller
    extractor: str = "house"  # whose units they are
    told: float = 0.0  # share of the utterances whose units are those of a txt2vec, of python -m recipes told-units
    adversarial_from: int | None = None  # step at which discriminators of mel windows join; None = never
    adversarial_weight: float = 0.1
    feature_weight: float = 0.5


class Vec2melTraining(Task):
    def __init__(self, corpus: UnitCorpus, model: Vec2mel, task: Vec2melTask, seed: int = 0):
        self.task, self.seed, self.corpus, self.model = task, seed, corpus, model
        weights = repeats(corpus.train, corpus.frames, task.balance, task.speaker_balance)
        self.batches = FrameBatches(corpus.frames, task.budget, seed, weights)
        self.discriminators = None if task.adversarial_from is None else MelDiscriminators()
        self.players = [Player("model", model, self.generate)]
        if self.discriminators:
            self.players.insert(0, Player("discriminator", self.discriminators, self.discriminate, task.adversarial_from))

    def batch(self, step: int) -> dict:
        rng, keys = np.random.default_rng([self.seed, step, 11]), self.batches(step)
        return self.corpus.sound("train", keys, rng, [draw_warp(rng, self.task.warp) for _ in keys], self.task.told)

    def predict(self, batch: dict, scratch: dict) -> dict:
        """The model's losses, once a step; mels cut to the band of the recording for the discriminators."""
        if "losses" not in scratch:
            scratch["losses"] = self.model.loss(batch, scratch)
            if self.discriminators:
                bands, floor = band_mask(batch["bandwidth"]), float(np.log(MEL.floor))
                shortest = int(batch["frame_lengths"].min())
                for name, mel in (("fake", scratch["mel"]), ("real", batch["mel"])):
                    scratch[name] = (mel * bands + floor * (1 - bands))[:, :shortest]
                scratch["places"] = torch.rand(len(bands), device=bands.device)
        return scratch["losses"]

    def discriminate(self, batch: dict, step: int, scratch: dict) -> dict:
        self.predict(batch, scratch)
        both = torch.cat([scratch["real"], scratch["fake"].detach()])
        logits, maps = self.discriminators(both, scratch["places"].repeat(2))
        scratch["real_maps"] = [[m.detach().chunk(2)[0] for m in layers] for layers in maps]
        return {"d": discriminator_loss([x.chunk(2)[0] for x in logits], [x.chunk(2)[1] for x in logits])}

    def generate(self, batch: dict, step: int, scratch: dict) -> dict:
        losses = dict(self.predict(batch, scratch))
        if "real_maps" in scratch:
            logits, maps = self.discriminators(scratch["fake"], scratch["places"])
            losses["adversarial"] = self.task.adversarial_weight * generator_loss(logits)
            losses["features"] = self.task.feature_weight * feature_loss(scratch["real_maps"], maps)
        return losses

    def validate(self, model, step: int) -> dict[str, float]:
        """The training losses on dev; ``told/``: of told units."""
        keys, totals = self.corpus.dev_keys[:: max(1, len(self.corpus.dev_keys) // DEV)][:DEV], {}
        for told, start in ((0.0, ""), (1.0, "told/"))[: 1 + (self.task.told > 0)]:
            for i in range(0, len(keys), 8):
                batch = self.corpus.sound("dev", keys[i : i + 8], np.random.default_rng(i), told=told)
                for name, value in model.loss(move(batch, device_of(model))).items():
                    totals.setdefault(start + name, []).append(float(value))
        return {name: float(np.mean(values)) for name, values in totals.items()}


def predict_mels(folder, dump, out, utterances: int, seed: int = 0) -> int:
    """Mels of the units of training recordings into a store, as ``recipes.train.acoustic.predict_mels``; returns how many."""
    from tts.models import load_acoustic

    model, config = load_acoustic(folder)
    corpus = UnitCorpus(dump, books_of(dump, config, folder), False, 10**9)
    usable = [key for key in sorted(corpus.frames) if corpus.train.utterances[key].bandwidth_hz >= FULL_ENOUGH]
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.permutation(usable)[:utterances], key=corpus.train.frames)
    with StoreWriter(out, "mel", "float16", N_MELS) as store, torch.inference_mode():
        for i in range(0, len(chosen), 8):
            keys, scratch = [str(key) for key in chosen[i : i + 8]], {}
            model.decoder.loss(corpus.sound("train", keys, rng), scratch)
            for key, mel in zip(keys, scratch["mel"], strict=True):
                store.add(key, mel[: corpus.train.frames(key)].numpy())
    return len(chosen)


def main(
    dump,
    exp,
    minutes: float,
    device: str = "cpu",
    model: dict | None = None,
    task: Vec2melTask = Vec2melTask(),
    config: TrainConfig | None = None,
    max_steps: int | None = None,
    warm_start=None,
) -> int:
    """Train or resume; returns the step reached.

    Args:
        model: Changes of ``Vec2melConfig``; ``{"layers": {"languages": []}}`` leaves the language layer out.
        warm_start: A ``zmm1`` to begin from, with its sizes: few-shot adaptation.
    """
    corpus = UnitCorpus(dump, Books.of(task.extractor), False, task.longest)
    net = Vec2mel(sized(Vec2melConfig, corpus, model, warm_start))
    net.table.codebooks.copy_(corpus.books.vectors)
    record_model(exp, "acoustic", net.config, net.kind, warm_start, facts(corpus))
    if warm_start:
        start_from(net, warm_start, "acoustic")
    config = config or TrainConfig(learning_rate=8e-4, warmup_steps=300)
    job = Vec2melTraining(corpus, net, task, config.seed)
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]
