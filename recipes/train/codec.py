"""Train the speech codec: first an autoencoder, then its quantiser, with discriminators on top.

    python -m recipes train-codec --exp exp/codec-ae --set task.quantize=false --vocoder vocoder/assets/house --minutes 60
    python -m recipes train-codec --exp exp/codec --warm-start exp/models/codec-ae --minutes 600

A run that quantises begins, when its folder is new, with k-means over latents of the corpus. Batches, discriminators and the
waveform's losses are the vocoder's (``recipes.train.vocoder``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from codec.encoder import MelEncoder
from codec.model import CodecConfig, CodecModel
from recipes.export import record_model
from recipes.losses import multi_scale_mel_loss
from recipes.train.loop import TrainConfig, start_from, train
from recipes.train.vocoder import CONTEXT, VocoderTask, VocoderTraining
from vocoder.audio.frames import HOP_LENGTH


@dataclass(frozen=True)
class CodecTask(VocoderTask):
    quantize: bool = True  # False trains an autoencoder
    latents: int = 40_000  # frames that k-means begins from
    commitment_weight: float = 2.0
    codebook_weight: float = 1.0
    head_weight: float = 3.0  # of the L1 of the predicted mel; the pitch's losses have a third of it


class CodecTraining(VocoderTraining):
    def run(self, batch: dict, step: int, scratch: dict) -> tuple[Tensor, Tensor]:
        """(real, fake) without the context frames; the model runs once a step, its whole output goes to ``scratch``."""
        if "fake" not in scratch:
            scratch["out"] = self.model(batch["wav"], batch["f0"], quantize=self.task.quantize)
            inner = slice(CONTEXT * HOP_LENGTH, -CONTEXT * HOP_LENGTH)
            scratch["real"], scratch["fake"] = batch["wav"][:, inner], scratch["out"].wav[:, inner]
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
        weights = {"commitment": task.commitment_weight, "codebook": task.codebook_weight}
        losses |= {name: weights[name] * loss for name, loss in out.quantized.losses.items()}
        return losses | self.judged(fake, step, scratch)

    def copy(self, model, wav: Tensor, mel: Tensor, f0: Tensor) -> Tensor:
        if self.task.quantize:
            return model.decode(model.encode(wav)).float()
        return model(wav, f0, quantize=False).wav.float()

    @torch.no_grad()
    def initialise(self) -> None:
        """k-means over latents of the corpus."""
        latents = self.frames(lambda batch: self.model.latent(batch["wav"]))
        self.model.quantizer.initialise(latents, torch.Generator().manual_seed(self.seed))

    @torch.no_grad()
    def orient(self) -> None:
        """Turn a mel encoder's latent by the statistics of the corpus, and the decoder's back."""
        if isinstance(self.model.encoder, MelEncoder):
            blocks = dict.fromkeys(self.model.quantizer.config.blocks)  # residual stages see one block, the same
            product = self.model.quantizer.config.n_product
            self.model.encoder.orient(self.frames(lambda batch: batch["mel"]), list(blocks)[: product or 1])
            self.model.turn_back()

    def frames(self, of) -> Tensor:
        """``of(batch)`` [B, T, D] of batches that training does not see, as at least ``task.latents`` rows [N, D]."""
        rows, step = [], 1
        while sum(map(len, rows)) < self.task.latents:
            rows.append(of(self.batch_of([self.seed, 1, step])).flatten(0, 1))
            step += 1
        return torch.cat(rows)


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

    ``warm_start``: a codec's folder to begin from; ``vocoder``: a vocoder's folder that the decoder begins from.
    """
    config = config or TrainConfig(learning_rate=5e-4, betas=(0.8, 0.99), warmup_steps=200, clip=1.0)
    record_model(exp, "codec", model, warm_start=warm_start)
    net = CodecModel(model)
    if vocoder:
        start_from(net.vocoder, vocoder, "vocoder")
    if warm_start:
        start_from(net, warm_start, "codec")
    job = CodecTraining(dump, net, task, config.seed)
    begins = not list(Path(exp).glob("step-*"))
    if begins and not warm_start:
        job.orient()
    if task.quantize:
        if begins:
            job.initialise()
        elif hasattr(net.quantizer, "start_learning"):
            net.quantizer.start_learning()
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]
