"""Train the patches of a mel: first their books, then the masked-token model over their codes.

    python -m recipes train-patches --dump dump --exp exp/patch-books --minutes 15
    python -m recipes export --dump dump --exp exp/patch-books --out exp/models/patch-books
    python -m recipes train-patches --dump dump --exp exp/patches --warm-start exp/models/patch-books \
        --set task.part=masked --minutes 60

Only mels are needed. Books are made from recordings of the whole band; the masked model learns the rows that each recording
holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipes.augment import draw_warp, warp_bandwidth, warp_mel
from recipes.batch import Corpus, lengths, pad
from recipes.export import record_model
from recipes.train.loop import Player, Task, TrainConfig, device_of, move, start_from, train
from tts.base.errors import DataError, UsageError
from tts.models.masked import OPEN
from tts.models.patches import WHOLE_BAND, PatchConfig, Patches
from vocoder.audio.frames import MEL
from vocoder.nn.checkpoint import load_config
from vocoder.nn.masks import length_mask

PARTS = ("books", "masked")
FLOOR = float(np.log(MEL.floor))
DEV = 48  # dev utterances that are judged


@dataclass(frozen=True)
class PatchTask:
    part: str = "books"  # what learns: "books", with encoder and decoder; or "masked", the model over their codes
    batch_size: int = 24
    crop_frames: int = 256  # 3.4 s
    gain: float = 0.7  # natural log: a crop is made louder or softer by up to this
    warp: float = 0.4  # share of crops whose speaker is made larger or smaller (recipes/augment.py), for "masked"
    regions: float = 0.5  # share of items that miss the rows above one or a span of time, not tiles anywhere
    latents: int = 20_000  # columns that the books begin from
    encoder_rate: float = 0.1  # of the learning rate: books follow only an encoder that moves slowly
    commitment_weight: float = 0.5

    def __post_init__(self):
        if self.part not in PARTS:
            raise UsageError(f"part is {self.part!r:.40}.", where="task.part", fix=f"Give {' or '.join(PARTS)}.")


class PatchTraining(Task):
    def __init__(self, dump, model: Patches, task: PatchTask, seed: int = 0):
        self.task, self.seed, self.model = task, seed, model
        self.corpora = {split: Corpus(Path(dump) / split) for split in ("train", "dev")}
        self.keys = {split: self.usable(corpus) for split, corpus in self.corpora.items()}
        if not self.keys["train"]:
            raise DataError(f"no recording holds {WHOLE_BAND:g} Hz.", where=Path(dump) / "train", code="patches.bandwidth",
                            fix="Books need recordings of the whole band.")  # fmt: skip
        counts = np.array([self.corpora["train"].frames(key) for key in self.keys["train"]], float)
        self.shares = counts / counts.sum()
        learns, rests = (model.vq, model.masked) if task.part == "books" else (model.masked, model.vq)
        learns.requires_grad_(True)
        rests.requires_grad_(False)
        factors = dict.fromkeys(("vq.embed", "vq.row", "vq.enc", "vq.turn.", "vq.mean"), task.encoder_rate)
        self.players = [Player("model", model, self.losses, factors=factors)]

    def usable(self, corpus: Corpus) -> list[str]:
        """Keys to learn from; books hear recordings of the whole band alone."""
        lowest = WHOLE_BAND if self.task.part == "books" else 0
        return [key for key, row in sorted(corpus.utterances.items()) if row.bandwidth_hz >= lowest]

    @torch.no_grad()
    def begin_books(self) -> None:
        """Principal components of tiles of the corpus, and k-means over their latents."""
        columns = self.task.crop_frames // self.model.config.frames * self.task.batch_size
        mels = torch.cat([self.drawn([self.seed, 1, i])["mel"] for i in range(-(-self.task.latents // columns))])
        self.model.vq.orient(mels)
        latents = self.model.vq.latent(mels).flatten(0, 1)
        self.model.vq.quantizer.initialise(latents, torch.Generator().manual_seed(self.seed))

    def batch(self, step: int) -> dict:
        return self.drawn([self.seed, 0, step])

    def drawn(self, seed: list[int]) -> dict:
        rng = np.random.default_rng(seed)
        keys = rng.choice(len(self.keys["train"]), self.task.batch_size, p=self.shares)
        return self.collated("train", [self.keys["train"][i] for i in keys], rng)

    def collated(self, split: str, keys: list[str], rng, warp: float | None = None) -> dict:
        """Crops: mel [B, T, 100], lengths, bandwidth; tiles may be hidden in rows from ``lowest`` on and columns of ``span``."""
        task, config, corpus = self.task, self.model.config, self.corpora[split]
        share = task.warp if warp is None and task.part == "masked" else warp or 0.0
        mels, bandwidths, lowest, spans = [], [], [], []
        for key in keys:
            mel = np.asarray(corpus.get("mel", key), np.float32)
            start = int(rng.integers(0, max(0, len(mel) - task.crop_frames) + 1))
            percent = draw_warp(rng, share)
            mel = warp_mel(mel[start : start + task.crop_frames], percent) + np.float32(rng.uniform(-1, 1) * task.gain)
            if task.part == "books":  # all of one length: short recordings go on from their beginning
                mel = np.resize(mel, (task.crop_frames, mel.shape[1]))
            mels.append(np.maximum(mel, FLOOR))
            bandwidths.append(warp_bandwidth(float(corpus.utterances[key].bandwidth_hz), percent))
            columns, region = -(-len(mel) // config.frames), rng.random()
            first, last = sorted(rng.integers(0, columns + 1, 2).tolist())
            in_time = region < task.regions / 4  # a quarter of the regions
            in_rows = not in_time and region < task.regions
            lowest.append(int(rng.integers(1, config.n_rows)) if in_rows else 0)
            spans.append((first, last) if in_time else (0, columns))
        return {
            "keys": keys,
            "mel": pad(mels, np.float32, FLOOR),
            "lengths": lengths(mels),
            "bandwidth": torch.tensor(bandwidths),
            "lowest": torch.tensor(lowest),
            "span": torch.tensor(spans),
        }

    def losses(self, batch: dict, step: int, scratch: dict) -> dict[str, Tensor]:
        if self.task.part == "masked":
            return self.model.masked.loss(self.codes(batch))
        losses = self.model.vq.loss(batch["mel"])
        return losses | {"commitment": self.task.commitment_weight * losses["commitment"]}

    @torch.no_grad()
    def codes(self, batch: dict) -> dict:
        """The batch that ``MaskedModel.loss`` takes."""
        config = self.model.config
        grid = self.model.vq.encode(batch["mel"])
        mask = length_mask(-(-batch["lengths"] // config.frames), grid.shape[2])
        row = torch.arange(config.n_rows, device=grid.device)[None, :, None]
        column = torch.arange(grid.shape[2], device=grid.device)[None, None]
        held = config.rows_below(batch["bandwidth"])[:, None, None]
        span = batch["span"][:, :, None, None]
        asked = (row >= batch["lowest"][:, None, None]) & (column >= span[:, 0]) & (column < span[:, 1])
        return {"grid": torch.where(row < held, grid, OPEN), "mask": mask, "fixed": ~asked}

    def validate(self, model, step: int) -> dict[str, float]:
        """The training losses on dev; of the books also the perplexity of a batch's codes, a mean over rows."""
        totals: dict[str, list[float]] = {}
        keys = self.keys["dev"][:: max(1, len(self.keys["dev"]) // DEV)][:DEV]
        for i in range(0, len(keys), self.task.batch_size):
            torch.manual_seed(i)
            rng = np.random.default_rng([self.seed, i])
            batch = move(self.collated("dev", keys[i : i + self.task.batch_size], rng, warp=0.0), device_of(model))
            figures = self.losses(batch, step, {})
            if self.task.part == "books":
                figures["perplexity"] = model.vq.quantizer(model.vq.latent(batch["mel"])).usage["perplexity"].mean()
            for name, value in figures.items():
                totals.setdefault(name, []).append(float(value))
        return {name: float(np.mean(values)) for name, values in totals.items()}


def main(
    dump,
    exp,
    minutes: float,
    device: str = "cpu",
    model: PatchConfig | None = None,
    task: PatchTask = PatchTask(),
    config: TrainConfig | None = None,
    max_steps: int | None = None,
    warm_start=None,
) -> int:
    """Train or resume; returns the step reached. ``warm_start``: a folder with trained books, which "masked" needs.

    Raises:
        UsageError: "masked" without them.
    """
    if task.part == "masked" and not warm_start:
        raise UsageError("a masked model needs trained books.", where="--warm-start", code="patches.books",
                         fix="Train part books first, export it, and give its folder.")  # fmt: skip
    net = Patches(model or PatchConfig())
    if warm_start:
        start_from(net, warm_start, "patches")
    record_model(exp, "patches", net.config, warm_start=warm_start, extra={"part": task.part})
    config = config or TrainConfig(learning_rate=1e-3, warmup_steps=200, validate_steps=250)
    job = PatchTraining(dump, net, task, config.seed)
    if list(Path(exp).glob("step-*")) or warm_start:
        if task.part == "books":
            net.vq.quantizer.start_learning()
        elif load_config(warm_start)["part"] == "books":
            net.masked.start_from([book.vectors for book in net.vq.quantizer.books])
    else:
        job.begin_books()
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]
