"""Train the content adapter of an acoustic model: a recording's conditions without its text.

    python -m recipes train-content --acoustic exp/models/fs2 --dump egs/house/tts1/dump --exp exp/content --minutes 20

Targets are the conditions that the frozen acoustic model makes of the aligned phones of the same recording, and, through its
frozen decoder with the voice of another utterance of the speaker, the mel. What the adapter hears is warped, its targets are not
(``recipes/augment.py``): content must not depend on the size of who speaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipes.augment import draw_warp, warp_mel
from recipes.batch import Corpus, FrameBatches, pad
from recipes.export import record_model
from recipes.train.acoustic import Speakers, collate, dropped, repeats
from recipes.train.loop import Player, Task, TrainConfig, device_of, move, train
from tts.base.errors import ModelError
from tts.models.content import ContentAdapter, ContentConfig, decoder_of, with_voice
from tts.models.text import expand
from tts.models.variance import band_mask, frame_energy, measure
from vocoder.nn.masks import length_mask

STATISTICS = 12  # batches that the scale of the conditions is measured on, and the linear layer solved
DEV = 48  # dev utterances that are judged
RIDGE = 1e-3  # penalty of that solution, of the mean square of an input


@dataclass(frozen=True)
class ContentTask:
    budget: int = 3000  # padded frames a batch
    longest: int = 1200  # frames
    reference_frames: tuple[int, int] = (110, 300)
    balance: float = 0.5  # as in acoustic training
    warp: float = 0.4  # share of utterances whose speaker, reference and all, is another one
    source_warp: float = 0.7  # share of sources that are warped against their targets
    mel_from: int = 300  # step at which the mel joins: the decoder costs most of a step
    mel_weight: float = 1.0


class ContentTraining(Task):
    def __init__(self, dump, model: ContentAdapter, acoustic, aligner, task: ContentTask, seed: int = 0):
        self.task, self.model, self.seed = task, model, seed
        self.acoustic, self.aligner = acoustic.eval().requires_grad_(False), aligner.eval().requires_grad_(False)
        dump = Path(dump)
        self.corpus, self.dev = Corpus(dump / "train", drop=dropped(dump / "train")), Corpus(dump / "dev")
        usable = [key for key in self.corpus.keys if key in self.corpus.store("durations")]
        frames = {key: n for key in usable if (n := self.corpus.frames(key)) <= task.longest}
        self.speakers = Speakers(self.corpus, frames)
        self.dev_keys = [key for key in self.dev.keys if key in self.dev.store("durations")
                         and self.dev.utterances[key].speaker in self.speakers.numbers][::3][:DEV]  # fmt: skip
        self.batches = FrameBatches(frames, task.budget, seed, repeats(self.corpus, frames, task.balance))
        self.players = [Player("model", model, lambda batch, step, scratch: self.losses(model, batch, step >= task.mel_from))]

    def batch(self, step: int) -> dict:
        rng = np.random.default_rng([self.seed, step, 3])
        return self.collated(self.corpus, self.batches(step), rng, self.task.warp, self.task.source_warp)

    def collated(self, corpus: Corpus, keys: list[str], rng, warp: float = 0.0, source_warp: float = 0.0) -> dict:
        """The batch of acoustic training with the sources, [B, T, 100], beside the targets."""
        batch = collate(corpus, keys, self.speakers, rng, self.task.reference_frames, warp)
        heard = [warp_mel(mel[:n].numpy(), draw_warp(rng, source_warp))
                 for mel, n in zip(batch["mel"], batch["frame_lengths"].tolist(), strict=True)]  # fmt: skip
        return batch | {"source": pad(heard, np.float32, np.log(1e-5))}

    def losses(self, model: ContentAdapter, batch: dict, with_mel: bool = True) -> dict[str, Tensor]:
        """Distance of conditions (in their own spread) and of mels."""
        wanted, voice, mask = self.targets(batch)
        made = model(*self.heard(batch, mask), mask)
        real = mask[..., None].float()
        losses = {"conditions": ((made - wanted).abs() / model.scale * real).sum() / real.sum() / made.shape[-1]}
        if with_mel:
            losses["mel"] = self.task.mel_weight * self.mel_distance(made, batch, voice, mask)
        return losses

    @torch.no_grad()
    def targets(self, batch: dict) -> tuple[Tensor, tuple, Tensor]:
        """What the text makes of the frames, in no voice; the voice (cond vector, tokens, memory, its mask); frame mask."""
        adaptor, m = self.acoustic.variance, measure(batch)
        hidden = asked = adaptor.text(batch["ids"], batch["styles"], batch["langs"], m.text_mask)
        if hasattr(adaptor, "code"):  # prosody codes tell more than pitch and energy
            hidden = hidden + adaptor.code(adaptor.quantized(batch["mel"], m)[0])
        wanted, _ = adaptor.conditions(hidden, batch["durations"], m.pitch * m.spoken, m.energy * m.spoken, m.token)
        if self.model.config.query_dim:
            wanted = torch.cat([wanted, expand(asked, m.token)], dim=-1)
        heard = length_mask(batch["reference_lengths"], batch["reference"].shape[1])
        style, tokens, *memory = adaptor.reference(batch["reference"], heard)
        return wanted, (adaptor.cond(style, batch["bandwidth"]), tokens, *memory), m.frame_mask

    @torch.no_grad()
    def heard(self, batch: dict, mask: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the adapter is given of the sources: content, log F0, voicing, energy."""
        content = self.aligner.encode(batch["source"], mask)
        return content, batch["log_f0"], batch["voiced"], frame_energy(batch["mel"])

    def mel_distance(self, made: Tensor, batch: dict, voice: tuple, mask: Tensor) -> Tensor:
        """Mean distance of the mel that is made in a voice, in natural log."""
        cond, tokens, *memory = voice
        conditions = with_voice(self.acoustic.variance, made, *memory)
        mel = decoder_of(self.acoustic).decode(conditions, mask, cond, tokens)[0]
        bands = band_mask(batch["bandwidth"]) * mask[..., None]
        return ((mel - batch["mel"]).abs() * bands).sum() / bands.sum()

    @torch.no_grad()
    def begin(self) -> None:
        """Set the adapter's scale to that of the text's conditions, and solve its linear layer by ridge regression."""
        wanted, heard = [], []
        for step in range(STATISTICS):
            batch = self.batch(step)
            made, _, mask = self.targets(batch)
            wanted.append(made[mask])
            heard.append(self.model.heard(*self.heard(batch, mask))[mask])
        y, x = torch.cat(wanted), torch.cat(heard)
        self.model.centre.copy_(y.mean(0))
        self.model.scale.copy_(y.std(0).clamp(min=1e-3))
        y, x = ((y - self.model.centre) / self.model.scale).double(), torch.cat([x, torch.ones_like(x[:, :1])], 1).double()
        square = x.T @ x
        square += RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=torch.float64, device=square.device)
        weight = torch.linalg.solve(square, x.T @ y)
        self.model.linear.weight.copy_(weight[:-1].T)
        self.model.linear.bias.copy_(weight[-1])

    def validate(self, model, step: int) -> dict[str, float]:
        """The training losses on dev, unwarped; ``text mel`` is what the text's own conditions reach."""
        totals: dict[str, list[float]] = {}
        for i in range(0, len(self.dev_keys), 8):
            batch = self.collated(self.dev, self.dev_keys[i : i + 8], np.random.default_rng([self.seed, i]))
            batch = move(batch, device_of(model))
            wanted, voice, mask = self.targets(batch)
            figures = self.losses(model, batch) | {"text mel": self.mel_distance(wanted, batch, voice, mask)}
            for name, value in figures.items():
                totals.setdefault(name, []).append(float(value))
        return {name: sum(values) / len(values) for name, values in totals.items()}


def main(
    dump,
    exp,
    minutes: float,
    acoustic=None,
    aligner=None,
    device: str = "cpu",
    model: dict | None = None,
    task: ContentTask = ContentTask(),
    config: TrainConfig | None = None,
    max_steps: int | None = None,
) -> int:
    """Train or resume; returns the step reached.

    Args:
        acoustic, aligner: Model folders; the house models when None.
        model: Changes of ``ContentConfig``.
    """
    from tts import registry
    from tts.aligner import Aligner
    from tts.models import load_acoustic

    speaker, facts = load_acoustic(acoustic or registry.default_acoustic())
    if not hasattr(decoder_of(speaker), "decode"):
        raise ModelError(f"a {speaker.kind} speaks by units, not by conditions.", where=acoustic, code="content.acoustic",
                         fix="Take an fs2, flow or megatts.")  # fmt: skip
    listener = Aligner.load(aligner)
    adaptor = speaker.variance
    query = adaptor.config.text.dim if getattr(adaptor, "timbre", None) is not None else 0
    sizes = {"content_dim": listener.model.config.dim, "decoder_dim": adaptor.config.decoder_dim, "query_dim": query}
    chosen = ContentConfig(facts["model_id"], listener.config["model_id"], **{**sizes, **(model or {})})
    net = ContentAdapter(chosen)
    config = config or TrainConfig(learning_rate=1.5e-3, warmup_steps=100, validate_steps=300)
    record_model(exp, "content", chosen)
    job = ContentTraining(dump, net, speaker.to(device), listener.model.to(device), task, config.seed)
    if not list(Path(exp).glob("step-*")):
        job.begin()
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]
