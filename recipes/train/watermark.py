"""Train the watermark: the shape of its pattern and the detector's evidence, through what the mark must survive.

    python -m recipes train-watermark --dump dump --mels exp/mels --exp exp/watermark --minutes 30

A batch is of recordings and of mels that an acoustic model predicted (``predict-mels``). New carriers are drawn at every
step, so that no key is learned. A marked mel goes through one thing each: the package's codec at three to eight books (its
gradient passes the quantiser unchanged), the vocoder, noise, or a stand-in for lossy coding; and all through gain, equaliser,
missing bands, a shift of a fraction of a frame. The loss wants the inner product of evidence and pattern to be so many
standard deviations over what another key gives; below that it pulls, above it rests. The size of the mark is given
(``MarkConfig.amplitude``): shaping can only move it to where it lasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recipes.export import record_model
from recipes.store import Store
from recipes.train.loop import Player, Task, TrainConfig, train
from tts.models.watermark import MarkConfig, MarkModel, fold
from tts.payload import N_CARRIERS
from tts.watermark import composite
from vocoder.audio.frames import HOP_LENGTH, MEL, N_MELS
from vocoder.audio.mel import band_centres, log_mel

FLOOR = float(np.log(MEL.floor))


@dataclass(frozen=True)
class MarkTask:
    crop_frames: int = 224  # of an item: 3 s
    batch_size: int = 12
    coded: int = 4  # items that go through the codec, in three of ten batches
    spoken: int = 3  # items that go through the vocoder, in two of ten
    presence_goal: float = 8.0  # standard deviations of the presence carrier, over the whole crop
    short_goal: float = 7.0  # the same over about a second
    payload_goal: float = 9.0  # of all payload carriers with the signs that were sent, over the whole crop


class MarkTraining(Task):
    def __init__(self, dump, model: MarkModel, task: MarkTask, mels, seed: int = 0):
        from codec import Codec
        from vocoder.api import Vocoder

        self.task, self.seed, self.model = task, seed, model
        self.codec, self.vocoder = (
            Codec.load().model.requires_grad_(False),
            Vocoder.load(projections=2).model.requires_grad_(False),
        )
        self.natural, self.predicted = Mels(Path(dump) / "train"), Mels(mels)
        self.dev = Mels(Path(dump) / "dev")
        self.noises = noise_mels(seed)
        self.players = [Player("model", model, self.losses, factors=dict.fromkeys(("rate_gain", "scale_gain", "band_gain"), 5.0))]

    def batch(self, step: int) -> dict:
        rng, task = np.random.default_rng([self.seed, step]), self.task
        items = [(self.natural if i % 2 else self.predicted).crop(rng, task.crop_frames) for i in range(task.batch_size)]
        return self.with_carriers(items, rng)

    def with_carriers(self, items: list[tuple[np.ndarray, np.ndarray]], rng) -> dict:
        """Mels and pitch of crops; carriers of a new key; for each item the frame where they begin and the signs they have."""
        task, period = self.task, self.model.config.period
        mel, f0 = (torch.from_numpy(np.stack(part)) for part in zip(*items, strict=True))
        mel = (mel + torch.from_numpy(rng.uniform(-2.0, 0.7, (len(mel), 1, 1)).astype(np.float32))).clamp(min=FLOOR)
        signs = rng.choice([-1.0, 1.0], (len(mel), N_CARRIERS)).astype(np.float32)
        return {
            "mel": mel,
            "f0": f0,
            "white": torch.from_numpy(rng.standard_normal((1 + N_CARRIERS, period, N_MELS)).astype(np.float32)),
            "signs": torch.from_numpy(signs),
            "starts": torch.from_numpy(rng.integers(0, period, len(mel))),
            "short": torch.from_numpy(rng.integers(0, task.crop_frames - 75, len(mel))),
        }

    def losses(self, batch: dict, step: int, scratch: dict) -> dict[str, Tensor]:
        long, payload, short = self.deviations(self.model, batch)
        task = self.task
        return {
            "presence": F.softplus(task.presence_goal - long).mean(),
            "payload": F.softplus(task.payload_goal - payload).mean(),
            "short": F.softplus(task.short_goal - short).mean(),
        }

    def deviations(self, model: MarkModel, batch: dict, channel=None) -> tuple[Tensor, Tensor, Tensor]:
        """Standard deviations [B] of presence and payload over the whole crops, and of presence over a second of each."""
        size = self.task.crop_frames
        marked = self.marked(model, batch)
        heard = self.through(marked, batch["f0"]) if channel is None else channel(marked, batch["f0"])
        evidence = model.evidence(heard)
        starts, rows = batch["starts"], torch.arange(len(heard))
        signs = torch.cat([torch.ones_like(batch["signs"][:, :1]), batch["signs"]], dim=1)
        whole = model.deviations(fold(evidence, model.config.period), batch["white"])[rows, :, starts] * signs
        inside = torch.arange(size)
        second = ((inside >= batch["short"][:, None]) & (inside < batch["short"][:, None] + 75)).float()
        folded = fold(evidence * second[..., None], model.config.period)
        short = model.deviations(folded, batch["white"][:1])[rows, 0, starts]
        return whole[:, 0], whole[:, 1:].sum(1) / N_CARRIERS**0.5, short

    def marked(self, model: MarkModel, batch: dict) -> Tensor:
        size, patterns = self.task.crop_frames, model.shape(composite(batch["white"], batch["signs"]))
        frames = (torch.arange(size) - batch["starts"][:, None]) % model.config.period
        pattern = patterns[torch.arange(len(frames))[:, None], frames]
        return (batch["mel"] + pattern).clamp(min=FLOOR)

    def through(self, mel: Tensor, f0: Tensor) -> Tensor:
        """Marked mels [B, T, 100] as a detector may hear them."""
        task = self.task
        drawn, a, first = float(torch.rand(())), 0, mel[:0]
        if drawn < 0.3:
            a, n_q = task.coded, int(torch.randint(self.codec.config.n_q_min, self.codec.config.n_q + 1, ()))
            first = through_codec(self.codec, mel[:a], n_q)
        elif drawn < 0.5:
            a = task.spoken
            first = through_vocoder(self.vocoder, mel[:a], f0[:a])
        b = (a + len(mel)) // 2
        return filtered(moved(torch.cat([first, rough(mel[a:b]), noisy(mel[b:], self.noises)])))

    def validate(self, model, step: int) -> dict[str, float]:
        """Mean standard deviations on dev recordings, with a fixed key, through each thing alone."""
        rng = np.random.default_rng([self.seed, 1])
        batch = self.with_carriers([self.dev.crop(rng, self.task.crop_frames) for _ in range(8)], rng)
        channels = {
            "mel": lambda mel, f0: mel,
            "vocoder": lambda mel, f0: through_vocoder(self.vocoder, mel, f0),
            "noise": lambda mel, f0: noisy(mel, self.noises, (20, 20)),
            **{f"codec{n}": lambda mel, f0, n=n: through_codec(self.codec, mel, n) for n in (3, 4, 8)},
        }
        figures = {}
        for name, channel in channels.items():
            long, payload, short = self.deviations(model, batch, channel)
            figures |= {f"{name}/presence": float(long.mean()), f"{name}/payload": float(payload.mean()),
                        f"{name}/short": float(short.mean())}  # fmt: skip
        return figures


class Mels:
    """Mels and pitch of a split; a folder of predicted mels has no pitch, and draws one."""

    def __init__(self, folder):
        self.mel = Store(folder, "mel")
        self.f0 = Store(folder, "f0") if (Path(folder) / "f0.json").exists() else None
        self.keys = sorted(self.mel.items)

    def crop(self, rng, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """([frames, 100], [frames]) of a random place; too short ones are passed over."""
        while True:
            key = self.keys[int(rng.integers(len(self.keys)))]
            if self.mel.rows(key) >= frames:
                break
        start = int(rng.integers(0, self.mel.rows(key) - frames + 1))
        mel = self.mel[key][start : start + frames].astype(np.float32)
        if self.f0 is not None:
            return mel, self.f0[key][start : start + frames].astype(np.float32)
        slow = np.sin(np.arange(frames) * rng.uniform(0.02, 0.1) + rng.uniform(0, 6))
        return mel, (rng.uniform(90, 220) * np.exp(0.15 * slow)).astype(np.float32)


def through_codec(model, mel: Tensor, n_q: int) -> Tensor:
    """What the codec's decoder drives its vocoder with, [B, T, 100]; the gradient passes the quantiser unchanged."""
    latent = model.encoder.of_mel(mel)
    quantized = latent + (model.quantizer.decode(model.quantizer.encode(latent.detach(), n_q)) - latent).detach()
    return model.drive(quantized, n_q)[0].clamp(min=FLOOR)


def through_vocoder(model, mel: Tensor, f0: Tensor) -> Tensor:
    """The mel of the vocoder's sound, which begins up to a hop later; the gradient passes it as if it were not there."""
    shift = int(torch.randint(0, HOP_LENGTH, ()))
    with torch.no_grad():
        heard = log_mel(F.pad(model(mel, f0)[:, shift:], (0, shift)))
    return mel + (heard - mel).detach()


def noise_mels(seed: int, seconds: int = 20) -> Tensor:
    """[2, T, 100] mels of white and pink noise of root mean square 1."""
    generator = torch.Generator().manual_seed(seed)
    white = torch.randn(seconds * 24_000, generator=generator)
    spectrum = torch.fft.rfft(white)
    pink = torch.fft.irfft(spectrum / torch.arange(1, len(spectrum) + 1).sqrt(), n=len(white))
    return log_mel(torch.stack([white, pink / pink.std()]))


def noisy(mel: Tensor, noises: Tensor, decibels: tuple[float, float] = (10, 40)) -> Tensor:
    """Noise added at so many dB under the speech; powers add, as they do on average."""
    size = mel.shape[1]
    starts = torch.randint(0, noises.shape[1] - size, (len(mel),)).tolist()
    kinds = torch.randint(0, len(noises), (len(mel),)).tolist()
    noise = torch.stack([noises[kind, start : start + size] for kind, start in zip(kinds, starts, strict=True)])
    down = torch.empty(len(mel), 1, 1).uniform_(*decibels) / 20 * np.log(10)
    noise = noise - level(noise) + level(mel.detach()) - down
    return torch.logaddexp(2 * mel, 2 * noise) / 2


def level(mel: Tensor) -> Tensor:
    """[B, 1, 1] half the logarithm of the power of mels [B, T, 100], bands weighted by their width."""
    width = torch.from_numpy(np.gradient(band_centres()).astype(np.float32))
    return ((2 * mel).exp() * width).sum(2).mean(1)[:, None, None].log() / 2


def rough(mel: Tensor) -> Tensor:
    """A stand-in for lossy coding: cells scatter, the more the quieter they are."""
    depth = torch.rand(len(mel), 1, 1) * 0.3
    quiet = ((mel.detach().amax(2, keepdim=True) - mel.detach()) / 6).clamp(0, 2)
    return mel + depth * (0.3 + quiet) * torch.randn_like(mel)


def moved(mel: Tensor) -> Tensor:
    """Up to half a frame later."""
    part = torch.rand(len(mel), 1, 1) / 2
    later = torch.cat([mel[:, :1], mel[:, :-1]], dim=1)
    return torch.logaddexp(mel + (1 - part).log(), later + part.clamp(min=1e-6).log())


def filtered(mel: Tensor) -> Tensor:
    """Gain, a smooth equaliser, and for a third of the items no bands above 3.6 to 11 kHz, or none below 0.1 to 1.5 kHz."""
    n, bands = len(mel), torch.from_numpy(band_centres().astype(np.float32))
    knots = torch.randn(n, 1, 8) * 0.4
    mel = mel + F.interpolate(knots, N_MELS, mode="linear", align_corners=True) + torch.empty(n, 1, 1).uniform_(-1.5, 1.0)
    highest = torch.where(torch.rand(n) < 0.3, torch.empty(n).uniform_(3_600, 11_000), 12_000.0)[:, None, None]
    lowest = torch.where(torch.rand(n) < 0.1, torch.empty(n).uniform_(100, 1_500), 0.0)[:, None, None]
    mel = mel - 30 * ((bands > highest) | (bands < lowest)).float()
    return torch.logaddexp(mel, torch.full((), FLOOR)) if torch.rand(()) < 0.5 else mel.clamp(min=FLOOR)


def main(dump, exp, minutes: float, device: str = "cpu", model: MarkConfig = MarkConfig(), task: MarkTask = MarkTask(),
         config: TrainConfig | None = None, mels=None, max_steps: int | None = None) -> int:  # fmt: skip
    """Train or resume; returns the step reached. ``mels``: a store of predicted mels, recordings alone when None."""
    config = config or TrainConfig(learning_rate=2e-3, warmup_steps=40, ema_decay=0.98, validate_steps=150)
    record_model(exp, "watermark", model)
    job = MarkTraining(dump, MarkModel(model), task, mels or Path(dump) / "train", config.seed)
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]
