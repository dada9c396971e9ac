"""Train the speech codec: first an autoencoder, then its quantiser, with discriminators on top.

    python -m recipes train-codec --exp exp/codec-ae --set task.quantize=false --vocoder vocoder/assets/house --minutes 60
    python -m recipes train-codec --exp exp/codec --warm-start exp/models/codec-ae --minutes 600

A run that quantises begins, when its folder is new, with k-means over latents of the corpus. Batches, discriminators and the
waveform's losses are the vocoder's (``recipes.train.vocoder``). With a semantic path a frozen teacher hears every crop.

``metrics.jsonl`` has, of all steps since the last report: ``latent/rms``; ``book/N/perplexity`` (1 to K), ``used`` (share of the
codes) and ``residual`` (share of the latent's energy that is left after it) of every stage N.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import tts.units  # noqa: F401 - adds the aligner to the extractors
from codec.encoder import MelEncoder
from codec.model import CodecConfig, CodecModel
from codec.quantize.base import UNUSED, Quantized
from codec.units.extractor import unit_extractor
from recipes.export import record_model
from recipes.losses import multi_scale_mel_loss
from recipes.train.loop import TrainConfig, start_from, train
from recipes.train.vocoder import CONTEXT, VocoderTask, VocoderTraining
from tts.base.errors import ModelError
from vocoder.audio.frames import HOP_LENGTH


@dataclass(frozen=True)
class CodecTask(VocoderTask):
    quantize: bool = True  # False trains an autoencoder
    latents: int = 40_000  # frames that k-means begins from
    encoder_rate: float = 0.05  # of the learning rate, while codes are learned: books follow only an encoder that moves slowly
    commitment_weight: float = 30.0
    codebook_weight: float = 1.0
    head_weight: float = 3.0  # of the L1 of the predicted mel; the pitch's losses have a third of it
    semantic_weight: float = 5.0  # of the squared error of the teacher's features, normalised; for a semantic path
    download_teacher: bool = False  # whether a hub may be asked for the teacher


class CodecTraining(VocoderTraining):
    def __init__(self, dump, model: CodecModel, task: CodecTask, seed: int = 0):
        super().__init__(dump, model, task, seed)
        name = model.config.semantic
        self.teacher = unit_extractor(name, task.download_teacher) if name else None
        if self.teacher and self.teacher.dim != model.config.semantic_dim:
            raise ModelError(f"features of {name} have {self.teacher.dim} dimensions.", where="semantic_dim", code="units.dim",
                             fix=f"Set model.semantic_dim to {self.teacher.dim}.")  # fmt: skip
        if task.quantize:
            self.players[-1].factors = dict.fromkeys(("encoder.", "semantic_in.", "join."), task.encoder_rate)
        self.heard = Heard(model.config.n_q, model.quantizer.codebook_size)

    def features(self, wav: Tensor) -> Tensor | None:
        """What the teacher makes of [B, S]; None without one."""
        return self.teacher and self.teacher.features(wav)

    def run(self, batch: dict, step: int, scratch: dict) -> tuple[Tensor, Tensor]:
        """(real, fake) without the context frames; the model runs once a step, its whole output goes to ``scratch``."""
        if "fake" not in scratch:
            scratch["semantic"] = self.features(batch["wav"])
            out = self.model(batch["wav"], batch["f0"], quantize=self.task.quantize, semantic=scratch["semantic"])
            scratch["out"] = out
            self.heard.add(out.latent, out.quantized)
            inner = slice(CONTEXT * HOP_LENGTH, -CONTEXT * HOP_LENGTH)
            scratch["real"], scratch["fake"] = batch["wav"][:, inner], out.wav[:, inner]
        return scratch["real"], scratch["fake"]

    def generate(self, batch: dict, step: int, scratch: dict) -> dict[str, Tensor]:
        (real, fake), task = self.run(batch, step, scratch), self.task
        out, voiced = scratch["out"], (batch["f0"] > 0).float()
        pitch = (out.log_f0 - batch["f0"].clamp(min=50).log()).abs() * voiced
        losses = {
            "mel": task.mel_weight * multi_scale_mel_loss(real, fake),
            "mel_head": task.head_weight * (out.mel - batch["mel"]).abs().mean(),
            "f0": task.head_weight / 3 * pitch.sum() / voiced.sum().clamp(min=1),
            "voicing": task.head_weight / 3 * F.binary_cross_entropy_with_logits(out.voiced, voiced),
        }
        if self.teacher:
            target = self.model.normalised(scratch["semantic"])
            losses["semantic"] = task.semantic_weight * (out.semantic.float() - target).square().mean()
        weights = {"commitment": task.commitment_weight, "codebook": task.codebook_weight}
        losses |= {name: weights[name] * loss for name, loss in out.quantized.losses.items()}
        return losses | self.judged(fake, step, scratch)

    def copy(self, model, wav: Tensor, mel: Tensor, f0: Tensor) -> Tensor:
        semantic = self.features(wav)
        if self.task.quantize:
            return model.decode(model.encode(wav, semantic=semantic)).float()
        return model(wav, f0, quantize=False, semantic=semantic).wav.float()

    def report(self) -> dict[str, float]:
        return self.heard.take()

    @torch.no_grad()
    def initialise(self) -> None:
        """k-means over latents of the corpus."""
        latents = self.frames(lambda batch: self.model.latent(batch["wav"], self.features(batch["wav"]))).flatten(0, 1)
        self.model.quantizer.initialise(latents, torch.Generator().manual_seed(self.seed))

    @torch.no_grad()
    def orient(self) -> None:
        """Turn a mel encoder's latent by the statistics of the corpus, and the decoder's back."""
        if isinstance(self.model.encoder, MelEncoder):
            blocks = dict.fromkeys(self.model.quantizer.config.blocks)  # residual stages see one block, the same
            product = self.model.quantizer.config.n_product
            mels = self.frames(lambda batch: batch["mel"])
            self.model.encoder.orient(mels, list(blocks)[: product or 1])
            self.model.turn_back()

    def frames(self, of) -> Tensor:
        """``of(batch)`` [B, T, D] of batches that training does not see, joined, of at least ``task.latents`` frames."""
        crops, step = [], 1
        while sum(len(crop) * crop.shape[1] for crop in crops) < self.task.latents:
            crops.append(of(self.batch_of([self.seed, 1, step])))
            step += 1
        return torch.cat(crops)

    def measure_teacher(self) -> None:
        """Mean and deviation of the teacher's features over the corpus, into the model."""
        features = self.frames(lambda batch: self.features(batch["wav"])).flatten(0, 1)
        self.model.semantic_mean.copy_(features.mean(0))
        self.model.semantic_std.copy_(features.std(0).clamp(min=1e-3))


class Heard:
    """Statistics of latents and codes between two reports: the codes of one batch are too few to tell how many are in use."""

    def __init__(self, n_q: int, codebook_size: int):
        self.n_q, self.codebook_size = n_q, codebook_size
        self.clear()

    def clear(self) -> None:
        self.powers, self.residuals = [], []
        self.counts = torch.zeros(self.n_q, self.codebook_size, dtype=torch.long)

    @torch.no_grad()
    def add(self, latent: Tensor, quantized: Quantized) -> None:
        """Of one step."""
        self.powers.append(latent.detach().square().mean())
        if not quantized.usage:  # an autoencoder has no codes
            return
        codes = quantized.codes  # [B, n_q, T]
        places = codes + self.codebook_size * torch.arange(codes.shape[1], device=codes.device)[:, None]
        counts = torch.bincount(places[codes != UNUSED], minlength=self.counts.numel())
        self.counts = self.counts.to(counts.device) + counts.view_as(self.counts)
        self.residuals.append(quantized.usage["residual"])

    def take(self) -> dict[str, float]:
        """The figures since the last call."""
        if not self.powers:
            return {}
        figures = {"latent/rms": float(torch.stack(self.powers).mean().sqrt())}
        if self.residuals:
            share = self.counts.double() / self.counts.sum(1, keepdim=True).clamp(min=1)
            perplexity, residual = torch.special.entr(share).sum(1).exp(), torch.stack(self.residuals).mean(0)
            for q in range(self.n_q):
                figures[f"book/{q}/perplexity"] = float(perplexity[q])
                figures[f"book/{q}/used"] = float((self.counts[q] > 0).double().mean())
                figures[f"book/{q}/residual"] = float(residual[q])
        self.clear()
        return figures


def main(
    dump,
    exp,
    minutes: float,
    device: str = "cpu",
    model: CodecConfig = CodecConfig(),
    task: CodecTask = CodecTask(),
    config: TrainConfig | None = None,
    max_steps: int | None = None,
    warm_start=None,
    vocoder=None,
) -> int:
    """Train or resume; returns the step reached.

    ``warm_start``: a codec's folder to begin from, all but its quantiser, which may be of another kind: k-means makes it anew;
    ``vocoder``: a vocoder's folder that the decoder begins from.
    """
    config = config or TrainConfig(learning_rate=5e-4, betas=(0.8, 0.99), warmup_steps=200, clip=1.0)
    record_model(exp, "codec", model, warm_start=warm_start)
    net = CodecModel(model)
    if vocoder:
        start_from(net.vocoder, vocoder, "vocoder")
    if warm_start:
        start_from(net, warm_start, "codec", keep="quantizer.")
    job = CodecTraining(dump, net, task, config.seed)
    begins = not list(Path(exp).glob("step-*"))
    if begins and not warm_start:
        job.orient()
        if job.teacher:
            job.measure_teacher()
    if task.quantize:
        if begins:
            job.initialise()
        elif hasattr(net.quantizer, "start_learning"):
            net.quantizer.start_learning()
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]
