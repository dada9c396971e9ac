"""Train the quantiser of the unit encoder, and the encoder with it: units from which speech can be rebuilt. No text is read.

    python -m recipes train-unit-books --dump dump --exp exp/books --warm-start exp/models/units --minutes 60

The encoder hears an utterance in another microphone's and another speaker's version. A decoder gets its codes, and who really
spoke and how high: it is to tell the mel as recorded. So the books keep what is said and how, and need not keep by whom. Axes and
books begin as ``fit_books`` has found them; the decoder is not kept.

Sources: VQ-VAE with a decoder that knows the speaker (van den Oord et al. 2017, arXiv 1711.00937 §4.3; Chorowski et al. 2019,
arXiv 1901.08810); the perturbed input of NANSY (arXiv 2110.14513 §3.1). Differs: the encoder has learned from hidden stretches
before; pitch is given to the decoder, without voicing, which belongs to the phones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor

from codec.quantize.base import straight_through
from codec.quantize.clusters import nearest
from codec.quantize.ema import EmaBook
from codec.units.encoder import FRAMES_A_UNIT, UnitEncoder, UnitEncoderConfig, paired
from recipes.batch import Corpus, FrameBatches, lengths, pad
from recipes.export import record_model
from recipes.train.acoustic import repeats
from recipes.train.loop import Player, Task, TrainConfig, device_of, move, start_from, train
from recipes.train.unit_corpus import SHORTEST, SpeakerVectors
from recipes.train.units import heard_of, part
from tts.models.speaker import SpeakerEncoder
from tts.models.units import direction
from tts.models.variance import PITCH_CENTRE, PITCH_SCALE
from vocoder.audio.f0 import interpolate_log_f0
from vocoder.audio.frames import N_MELS
from vocoder.nn.checkpoint import load_config
from vocoder.nn.config import from_dict
from vocoder.nn.convnext import ConvNeXtBlock
from vocoder.nn.masks import length_mask

STYLE_DIM = 64
DEV = 96  # dev utterances that are judged


@dataclass(frozen=True)
class UnitBooksTask:
    budget: int = 3600  # padded frames a batch
    longest: int = 900  # frames; of longer utterances a part
    warp: float = 0.7  # share of utterances heard from a larger or smaller speaker
    disturb: float = 0.5  # share heard through another microphone, in noise
    balance: float = 0.5  # as in acoustic training
    commitment_weight: float = 0.25
    encoder_rate: float = 0.5  # of the learning rate


class Rebuilder(nn.Module):
    """The encoder whose books learn, and the decoder that teaches them."""

    def __init__(self, config: UnitEncoderConfig, speaker_dim: int, dim: int = 192, hidden: int = 512, n_blocks: int = 3):
        super().__init__()
        self.units = UnitEncoder(config)
        self.axes = nn.Parameter(torch.zeros_like(self.units.axes))
        self.books = nn.ModuleList(EmaBook(config.codebook_size, config.width) for _ in range(config.n_books))
        self.enter = nn.Linear(config.n_books * config.width + FRAMES_A_UNIT, dim)  # with log F0 of the frames
        self.style = nn.Linear(speaker_dim, STYLE_DIM)
        self.blocks = nn.ModuleList(ConvNeXtBlock(dim, hidden, 0.3, kernel_size=5, cond_dim=STYLE_DIM) for _ in range(n_blocks))
        self.norm = nn.LayerNorm(dim)
        self.leave = nn.Linear(dim, FRAMES_A_UNIT * N_MELS)

    def start_learning(self) -> None:
        """Begin with the axes and books of the encoder."""
        self.axes.data.copy_(self.units.axes)
        for g, book in enumerate(self.books):
            book.vectors.copy_(self.units.codebooks[g])
            book.start_learning()

    def parts(self, heard: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """What the books quantise of mel [B, T, 100]: [B, U, n_books, width], and the mask of units [B, U]."""
        features, real = self.units.encode(heard, mask)
        return ((features.float() - self.units.centre) @ self.axes).unflatten(-1, (len(self.books), -1)), real

    def rebuilt(self, vectors: Tensor, pitch: Tensor, speaker: Tensor, mask: Tensor) -> Tensor:
        """Mel of the frames of units, as ``paired`` has it [B, U, 200]; pitch [B, U, 2], speaker [B, S]."""
        x, style, real = self.enter(torch.cat([vectors, pitch], -1)), self.style(direction(speaker)), mask[..., None].float()
        for block in self.blocks:
            x = block(x, real, style)
        return self.leave(self.norm(x)).float()

    def loss(self, batch: dict, task: UnitBooksTask, scratch: dict | None = None) -> dict[str, Tensor]:
        """Named losses; ``scratch`` gets the parts [N, n_books, width] and codes [N, n_books] of real units."""
        mask = length_mask(batch["lengths"], batch["mel"].shape[1])
        parts, real = self.parts(batch["heard"], mask)
        rows = parts[real]
        codes = torch.stack([nearest(rows[:, g].detach().contiguous(), book.vectors) for g, book in enumerate(self.books)], 1)
        vectors = torch.stack([book.vectors[codes[:, g]] for g, book in enumerate(self.books)], 1)
        filled = torch.zeros_like(parts).masked_scatter(real[..., None, None], straight_through(rows, vectors.to(rows.dtype)))
        target = paired(batch["mel"], mask)[0]
        error = (self.rebuilt(filled.flatten(2), batch["pitch"], batch["speaker"], real) - target)[real].abs().mean()
        spread = torch.stack([book.vectors.var(0).mean() for book in self.books])
        commitment = ((rows - vectors).square().mean((0, 2)) / spread).mean()
        if scratch is not None:
            scratch |= {"rows": rows.detach(), "codes": codes}
        return {"mel": error, "commitment": task.commitment_weight * commitment}


class UnitBooksTraining(Task):
    def __init__(self, dump, model: Rebuilder, encoder: SpeakerEncoder, task: UnitBooksTask, seed: int = 0):
        self.task, self.seed, self.model = task, seed, model
        self.corpora = {split: Corpus(Path(dump) / split) for split in ("train", "dev")}
        keys = {split: [key for key in corpus.keys if corpus.frames(key) >= SHORTEST] for split, corpus in self.corpora.items()}
        self.speakers = {split: SpeakerVectors(corpus, keys[split], encoder) for split, corpus in self.corpora.items()}
        corpus = self.corpora["train"]
        frames = {key: min(corpus.frames(key), task.longest) for key in keys["train"]}
        self.batches = FrameBatches(frames, task.budget, seed, repeats(corpus, frames, task.balance))
        self.dev_keys = keys["dev"][:: max(1, len(keys["dev"]) // DEV)][:DEV]
        self.players = [Player("model", model, self.learn, factors={"units.": task.encoder_rate, "axes": task.encoder_rate})]
        self.seen: list[Tensor] = []

    def batch(self, step: int) -> dict:
        rng = np.random.default_rng([self.seed, step, 17])
        return self.collated("train", self.batches(step), rng, self.task.warp, self.task.disturb)

    def collated(self, split: str, keys: list[str], rng, warp: float = 0.0, disturb: float = 0.0) -> dict:
        """Mels as recorded and as heard, [B, T, 100], pitch of the units [B, U, 2], speakers [B, S], lengths."""
        corpus, mels, pitches = self.corpora[split], [], []
        for key in keys:
            here = part(corpus.frames(key), self.task.longest, rng)
            mels.append(np.asarray(corpus.get("mel", key)[here], np.float32))
            pitch = (interpolate_log_f0(np.asarray(corpus.get("f0", key)))[here] - PITCH_CENTRE) / PITCH_SCALE
            pitches.append(np.pad(pitch, (0, len(pitch) % FRAMES_A_UNIT), mode="edge").reshape(-1, FRAMES_A_UNIT))
        heard, silence = [heard_of(mel, rng, warp, disturb) for mel in mels], np.log(1e-5)
        return {
            "keys": keys,
            "mel": pad(mels, np.float32, silence),
            "heard": pad(heard, np.float32, silence),
            "pitch": pad(pitches, np.float32),
            "speaker": torch.from_numpy(np.stack([self.speakers[split].draw(key, rng) for key in keys])),
            "lengths": lengths(mels),
        }

    def learn(self, batch: dict, step: int, scratch: dict) -> dict[str, Tensor]:
        losses = self.model.loss(batch, self.task, scratch)
        for g, book in enumerate(self.model.books):
            book.update(scratch["rows"][:, g].contiguous(), scratch["codes"][:, g].contiguous())
        self.seen.append(scratch["codes"])
        return losses

    def report(self) -> dict[str, float]:
        """Perplexity of the codes of each book since the last report."""
        codes, self.seen, figures = torch.cat(self.seen), [], {}
        for g in range(codes.shape[1]):
            share = torch.bincount(codes[:, g]).float() / len(codes)
            figures[f"perplexity/{g}"] = float(torch.special.entr(share).sum().exp())
        return figures

    def validate(self, model: Rebuilder, step: int) -> dict[str, float]:
        """The losses on dev, as recorded, and the share of units whose codes stay when another speaker says them."""
        totals: dict[str, list[float]] = {}
        for i in range(0, len(self.dev_keys), 16):
            rng, scratch, other = np.random.default_rng(i), {}, {}
            batch = move(self.collated("dev", self.dev_keys[i : i + 16], rng), device_of(model))
            losses = model.loss(batch, self.task, scratch)
            mels = zip(batch["mel"].cpu().numpy(), batch["lengths"].tolist(), strict=True)
            moved = [heard_of(mel[:size], rng, 1.0, 1.0) for mel, size in mels]
            model.loss(batch | {"heard": pad(moved, np.float32, np.log(1e-5)).to(device_of(model))}, self.task, other)
            losses["same"] = (scratch["codes"] == other["codes"]).float().mean()
            for name, value in losses.items():
                totals.setdefault(name, []).append(float(value))
        return {name: float(np.mean(values)) for name, values in totals.items()}


def learned_books(facts: dict, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's tensors of a trained :class:`Rebuilder`, with the axes and books that were learned."""
    units = {name.removeprefix("units."): tensor for name, tensor in tensors.items() if name.startswith("units.")}
    books = [tensors[f"books.{g}.vectors"] for g in range(facts["n_books"])]
    return units | {"axes": tensors["axes"], "codebooks": torch.stack(books)}


def main(
    dump,
    exp,
    minutes: float,
    warm_start,
    device: str = "cpu",
    task: UnitBooksTask = UnitBooksTask(),
    config: TrainConfig | None = None,
    max_steps: int | None = None,
) -> int:
    """Train or resume; returns the step reached. ``warm_start``: folder of the unit encoder whose books are to learn."""
    model = from_dict(UnitEncoderConfig, load_config(warm_start, "units")["model"], "model")
    encoder = SpeakerEncoder.load()
    net = Rebuilder(model, encoder.model.config.dim)
    start_from(net.units, warm_start, "units")
    net.start_learning()
    record_model(exp, "units", model, warm_start=warm_start, extra={"books": "learned"})
    config = config or TrainConfig(learning_rate=1e-3, warmup_steps=200)
    job = UnitBooksTraining(dump, net, encoder, task, config.seed)
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]
