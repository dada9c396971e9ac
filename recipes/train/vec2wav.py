"""Train ``vec2wav``: units of recordings to their samples, through its bottleneck, together with its generator.

    python -m recipes train-vec2wav --dump dump --exp exp/vec2wav --vocoder vocoder/assets/house --minutes 240

Until ``task.wave_from`` there is no waveform: the bottleneck and the frame decoder learn vectors, mel and F0, which is cheap;
then the generator joins with the mel loss at five resolutions, from ``task.adversarial_from`` on with discriminators. Crops are
those of the vocoder's training, and units are heard a while before and after them. Text is not read.

Weights of the source (``vec2wav.yaml`` of its code): bottleneck 1, prior 0.1, features 2, mel 45, frame 450 (of raw vectors).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor

from recipes.export import record_model
from recipes.losses import multi_scale_mel_loss
from recipes.train.loop import TrainConfig, device_of, move, start_from, train
from recipes.train.unit_corpus import Books, UnitCorpus, facts, sized
from recipes.train.vocoder import CONTEXT, VocoderTask, VocoderTraining
from tts.base.errors import DataError, UsageError
from tts.models.fs2 import to_hz
from tts.models.units import NO_CODE
from tts.models.vec2mel import Decoded, decoder_losses
from tts.models.vec2wav import Vec2wav, Vec2wavConfig, mean_square
from vocoder.audio.f0 import interpolate_log_f0
from vocoder.audio.frames import HOP_LENGTH
from vocoder.audio.mel import log_mel
from vocoder.excitation import pulse_train
from vocoder.fourier import FourierVocoder, VocoderConfig
from vocoder.nn.checkpoint import load_config
from vocoder.nn.config import from_dict, to_dict

AROUND = 16  # units on both sides of a crop that only the network sees
SAMPLE = 12_000  # units that the books begin from
DEV_CLIPS = 32  # crops that are judged


@dataclass(frozen=True)
class Vec2wavTask(VocoderTask):
    extractor: str = "house"  # whose units they are
    told: float = 0.0  # share of the crops whose units are those of a txt2vec, of python -m recipes told-units
    wave_from: int = 1500  # step at which the generator joins
    commitment_weight: float = 1.0
    prior_weight: float = 0.1
    frame_weight: float = 1.0  # of rebuilt vectors, in variances of the codebook
    head_weight: float = 3.0  # of mel, F0 and voicing that drive the generator


class Whole(nn.Module):
    """What is trained together: ``units`` is shipped with ``vocoder`` in its folder, ``rebuild`` only teaches."""

    def __init__(self, units: Vec2wavConfig, vocoder: VocoderConfig):
        super().__init__()
        self.units, self.vocoder = Vec2wav(units), FourierVocoder(vocoder)
        self.rebuild = nn.Linear(units.dim, units.units.dim)  # the units' vectors, from behind the bottleneck


class Vec2wavTraining(VocoderTraining):
    def __init__(self, dump, corpus: UnitCorpus, model: Whole, task: Vec2wavTask, seed: int = 0):
        super().__init__(dump, model, task, seed)
        self.corpus, self.used = corpus, {"coarse": [], "fine": []}
        self.clock, self.size = corpus.config.clock, task.crop_frames + 2 * CONTEXT  # frames
        self.size += -self.size % self.clock.numerator  # both clocks tick at its ends
        self.inner = slice(int(AROUND * self.clock), int(AROUND * self.clock) + self.size)
        if task.adversarial_from < task.wave_from:
            raise UsageError("discriminators cannot join before the waveform.", where="task.adversarial_from",
                             fix="Set it to wave_from or more.")  # fmt: skip
        self.keys = np.array(sorted(key for key, n in corpus.frames.items() if n >= self.size))
        if not len(self.keys):
            raise DataError(f"no utterance has {self.size} frames.", where=dump, fix="Set task.crop_frames lower.")
        weights = np.sqrt([corpus.frames[key] for key in self.keys])
        self.shares = weights / weights.sum()

    def batch_of(self, seeds: list[int]) -> dict:
        rng = np.random.default_rng(seeds)
        keys = [str(key) for key in rng.choice(self.keys, self.task.batch_size, p=self.shares)]
        ticks = [(self.corpus.frames[key] - self.size) // self.clock.numerator + 1 for key in keys]
        starts = [int(rng.integers(0, n)) for n in ticks]
        told = self.task.told and rng.random(len(keys)) < self.task.told
        batch = self.crops("train", keys, starts, told) | {"speaker": self.corpus.embeddings("train", keys, rng)}
        jitter = 1 + self.task.f0_jitter * torch.from_numpy(rng.standard_normal((len(keys), 1)).astype(np.float32))
        flipped = torch.from_numpy(rng.random(tuple(batch["f0"].shape)) < self.task.voicing_flips)
        return batch | {"f0": torch.where(flipped, 0.0, batch["f0"] * jitter)}

    def crops(self, split: str, keys: list[str], starts: list[int], told=False) -> dict:
        """Parts of some utterances, with the units AROUND them; starts count the times at which both clocks tick.

        ``told`` [B]: whether an utterance has its units as a txt2vec tells them.
        """
        corpus, sounds = getattr(self.corpus, split), getattr(self, split)  # utterances; samples and pitch
        rows: dict[str, list] = {name: [] for name in ("wav", "mel", "f0", "log_f0", "units", "languages")}
        for key, start, tells in zip(keys, starts, np.broadcast_to(told, len(keys)), strict=True):
            frames = slice(start * self.clock.numerator, start * self.clock.numerator + self.size)
            unit, n_units, f0 = start * self.clock.denominator, int(self.size / self.clock), sounds.f0[key]
            rows["wav"].append(sounds.wav[key][frames.start * HOP_LENGTH : frames.stop * HOP_LENGTH].astype(np.float32) / 32767)
            rows["mel"].append(np.asarray(corpus.get("mel", key)[frames], np.float32))
            rows["f0"].append(f0[frames])
            rows["log_f0"].append(interpolate_log_f0(f0)[frames])
            rows["units"].append(around(self.corpus.units(split, key, tells), unit, n_units, NO_CODE))
            rows["languages"].append(around(self.corpus.languages(split, key), unit, n_units, 0))
        batch = {name: torch.from_numpy(np.stack(arrays)) for name, arrays in rows.items()}
        bands = [float(corpus.utterances[key].bandwidth_hz) for key in keys]
        return batch | {"keys": keys, "bandwidth": torch.tensor(bands), "voiced": (batch["f0"] > 0).float(),
                        "frame_lengths": torch.full((len(keys),), self.size)}  # fmt: skip

    def heads(self, batch: dict, scratch: dict) -> tuple[Tensor, Tensor, Tensor]:
        """Predicted mel, F0 and voicing of the crop; the losses of the bottleneck go to ``scratch``. Once a step."""
        if "heads" not in scratch:
            scratch["heads"] = self.decode(self.model, batch, scratch)
            for name, usage in scratch["usage"].items():
                self.used[name].append(usage["perplexity"].mean())
        return scratch["heads"]

    def decode(self, model: Whole, batch: dict, scratch: dict | None = None) -> Decoded:
        """Predicted mel, F0 and voicing of crops."""
        codes, real = batch["units"], batch["units"][..., 0] != NO_CODE
        frame = torch.arange(int(codes.shape[1] * self.clock), device=codes.device)
        unit = frame * self.clock.denominator // self.clock.numerator
        decoded = model.units(codes, batch["speaker"], batch["languages"], real, real[:, unit], scratch)
        return tuple(values[:, self.inner] for values in decoded)

    def run(self, batch: dict, step: int, scratch: dict) -> tuple[Tensor, Tensor]:
        if "fake" not in scratch:
            mel = self.heads(batch, scratch)[0]
            start = torch.rand(len(mel), device=mel.device)
            wav = self.model.vocoder(mel, batch["f0"], pulses=pulse_train(batch["f0"], start))
            inner = slice(CONTEXT * HOP_LENGTH, -CONTEXT * HOP_LENGTH)
            scratch["real"], scratch["fake"] = batch["wav"][:, inner], wav[:, inner]
        return scratch["real"], scratch["fake"]

    def generate(self, batch: dict, step: int, scratch: dict) -> dict[str, Tensor]:
        task, heads = self.task, decoder_losses(self.heads(batch, scratch), batch)
        losses = {f"head/{name}": task.head_weight * loss for name, loss in heads.items()}
        losses |= {name: getattr(task, f"{name}_weight") * scratch[name] for name in ("commitment", "prior")}
        table, real = self.model.units.table, (batch["units"][..., :1] != NO_CODE).float()
        error = mean_square(self.model.rebuild(scratch["states"]) - table(batch["units"]), real)
        losses["frame"] = task.frame_weight * error / table.codebooks.var()
        if step < task.wave_from:
            return losses
        real, fake = self.run(batch, step, scratch)
        losses["mel"] = task.mel_weight * multi_scale_mel_loss(real, fake)
        return losses | self.judged(fake, step, scratch)

    def report(self) -> dict[str, float]:
        """Perplexity of the heads' codes, mean over heads, 1 to 64."""
        figures = {f"{name}/perplexity": float(torch.stack(seen).mean()) for name, seen in self.used.items() if seen}
        self.used = {name: [] for name in self.used}
        return figures

    def validate(self, model: Whole, step: int) -> dict[str, float]:
        """L1 of log-mel between dev clips and what the predicted mel and pitch sound like; and of the predicted mel itself."""
        keys = [key for key in self.corpus.dev_keys if self.corpus.dev.frames(key) >= self.size]
        keys = keys[:: max(1, len(keys) // DEV_CLIPS)][:DEV_CLIPS]
        if not keys:
            return {}
        mel, made, wav = self.copies(model, keys)
        heard, natural = log_mel(made), log_mel(wav)
        return {"mel_l1": float((heard - natural).abs().mean()), "head_l1": float((mel - natural).abs().mean())}

    def copies(self, model: Whole, keys: list[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Predicted mel, samples made of it, and natural samples of the middles of dev utterances."""
        batch = self.crops("dev", keys, [self.middle(key) for key in keys])
        batch = move(batch | {"speaker": self.corpus.embeddings("dev", keys, np.random.default_rng(0))}, device_of(model))
        mel, f0, voiced = self.decode(model, batch)
        return mel, model.vocoder(mel, to_hz(f0, voiced > 0)).float(), batch["wav"]

    def middle(self, key: str) -> int:
        return (self.corpus.dev.frames(key) - self.size) // self.clock.numerator // 2

    def media(self, model: Whole, writer, step: int) -> None:
        keys = [key for key in self.corpus.dev_keys if self.corpus.dev.frames(key) >= self.size][:1]
        if keys:
            _, made, wav = self.copies(model, keys)
            pictures = torch.cat([log_mel(wav), log_mel(made)], dim=2)[0].T.flip(0)
            writer.add_image("mel/copy_above_natural", (pictures + 11.5) / 14, step, dataformats="HW")
            writer.add_audio("copy", made[0].clamp(-1, 1), step, 24000)

    def initialise(self) -> None:
        """Books of the bottleneck by k-means over units of the corpus."""
        batches, step = [], 0
        while sum(codes.shape[0] * codes.shape[1] for codes, _ in batches) < SAMPLE:
            codes = self.batch_of([self.seed, 1, step])["units"]
            batches.append((codes, codes[..., 0] != NO_CODE))
            step += 1
        self.model.units.initialise(batches, torch.Generator().manual_seed(self.seed))


def around(values: np.ndarray, start: int, size: int, nothing: int) -> np.ndarray:
    """values[start - AROUND : start + size + AROUND], with ``nothing`` where there are none."""
    padded = np.pad(values, ((AROUND, AROUND + size), *((0, 0),) * (values.ndim - 1)), constant_values=nothing)
    return padded[start : start + size + 2 * AROUND]


def main(
    dump,
    exp,
    minutes: float,
    device: str = "cpu",
    model: dict | None = None,
    generator: dict | None = None,
    task: Vec2wavTask = Vec2wavTask(),
    config: TrainConfig | None = None,
    max_steps: int | None = None,
    warm_start=None,
    vocoder=None,
) -> int:
    """Train or resume; returns the step reached.

    Args:
        model, generator: Changes of ``Vec2wavConfig`` and of ``VocoderConfig``, which has no projections here.
        warm_start: A ``zmm2`` to begin from, with its sizes: few-shot adaptation, with or without text.
        vocoder: A vocoder of the generator's sizes to begin from.
    """
    base = load_config(Path(warm_start) / "vocoder", "vocoder")["model"] if warm_start else {"n_projections": 0}
    sizes = from_dict(VocoderConfig, {**base, **(generator or {})}, "generator")
    corpus = UnitCorpus(dump, Books.of(task.extractor), False, 10**9)
    net = Whole(sized(Vec2wavConfig, corpus, model, warm_start), sizes)
    net.units.table.codebooks.copy_(corpus.books.vectors)
    extra = facts(corpus) | {"vocoder": to_dict(sizes)}
    record_model(exp, "acoustic", net.units.config, net.units.kind, warm_start, extra)
    config = config or TrainConfig(learning_rate=5e-4, betas=(0.8, 0.99), warmup_steps=200, clip=1.0)
    job = Vec2wavTraining(dump, corpus, net, task, config.seed)
    if vocoder:
        start_from(net.vocoder, vocoder, "vocoder")
    if warm_start:
        start_from(net.units, warm_start, "acoustic")
        start_from(net.vocoder, Path(warm_start) / "vocoder", "vocoder")
    if warm_start or list(Path(exp).glob("step-*")):
        net.units.start_learning()
    else:
        job.initialise()
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]
