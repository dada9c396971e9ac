"""Train the Fourier vocoder: multi-scale mel loss first, then compact discriminators on top.

    python -m recipes train-vocoder --dump egs/house/tts1/dump --exp exp/vocoder --minutes 60

Crops carry a few frames of context on both sides that no loss sees. F0 is perturbed a little, so that errors of the
tracker (and of the acoustic model later) do not break the sound. With ``mels`` the input is a store of predicted
mels on natural timing: the fine-tuning that fits the vocoder to the acoustic model's output.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipes.adversarial import Discriminators, discriminator_loss, feature_loss, generator_loss
from recipes.export import record_model
from recipes.losses import multi_scale_mel_loss
from recipes.store import Store
from recipes.train.loop import Player, Task, TrainConfig, device_of, start_from, train
from vocoder.audio.frames import HOP_LENGTH
from vocoder.audio.mel import log_mel
from vocoder.excitation import pulse_train
from vocoder.fourier import FourierVocoder, VocoderConfig

CONTEXT = 4  # frames on each side that only the network sees


@dataclass(frozen=True)
class VocoderTask:
    """Numbers of the task; weights of the losses as in Vocos (mel 45 there, on one scale)."""

    crop_frames: int = 64
    batch_size: int = 16
    adversarial_from: int = 6000  # step at which the discriminators join
    mel_weight: float = 15.0
    feature_weight: float = 2.0
    f0_jitter: float = 0.01  # relative
    voicing_flips: float = 0.01  # share of frames


class VocoderTraining(Task):
    def __init__(self, dump, model, task: VocoderTask, seed: int = 0, mels=None):
        self.task, self.seed = task, seed
        self.train, self.dev = Features(Path(dump) / "train", mels), Features(Path(dump) / "dev", None)
        self.model = model
        self.discriminators = Discriminators()
        self.players = [
            Player("discriminator", self.discriminators, self.discriminate, starts_at=task.adversarial_from),
            Player("model", self.model, self.generate),
        ]

    def batch(self, step: int) -> dict:
        return self.batch_of([self.seed, step])

    def batch_of(self, seeds: list[int]) -> dict:
        """A batch by any seeds: those of :meth:`batch` are (seed, step)."""
        rng = np.random.default_rng(seeds)
        task, features = self.task, self.train
        frames = task.crop_frames + 2 * CONTEXT
        keys = features.draw(rng, task.batch_size, frames)
        items = [features.crop(key, rng, frames) for key in keys]
        gain = 10 ** (rng.uniform(-8, 4, task.batch_size).astype(np.float32) / 20)
        wav = np.stack([wav for wav, _, _ in items])
        gain = np.minimum(gain, 0.99 / np.maximum(np.abs(wav).max(axis=1), 1e-3))
        f0 = np.stack([f0 for _, f0, _ in items])
        f0 = f0 * (1 + task.f0_jitter * rng.standard_normal((len(f0), 1)).astype(np.float32))
        f0[rng.random(f0.shape) < task.voicing_flips] = 0.0
        wav = torch.from_numpy(wav * gain[:, None])
        if items[0][2] is None:
            mel = log_mel(wav)
        else:
            mel = torch.from_numpy(np.stack([mel for _, _, mel in items]) + np.log(gain)[:, None, None]).clamp(min=np.log(1e-5))
        return {"keys": keys, "wav": wav, "mel": mel, "f0": torch.from_numpy(f0)}

    def run(self, batch: dict, step: int, scratch: dict) -> tuple[Tensor, Tensor]:
        """(real, fake) without the context frames; the generator runs once a step."""
        if "fake" not in scratch:
            start = torch.rand(len(batch["f0"]), device=batch["f0"].device)
            wav = self.model(batch["mel"], batch["f0"], pulses=pulse_train(batch["f0"], start))
            inner = slice(CONTEXT * HOP_LENGTH, -CONTEXT * HOP_LENGTH)
            scratch["real"], scratch["fake"] = batch["wav"][:, inner], wav[:, inner]
        return scratch["real"], scratch["fake"]

    def discriminate(self, batch: dict, step: int, scratch: dict) -> dict[str, Tensor]:
        real, fake = self.run(batch, step, scratch)
        logits, features = self.discriminators(torch.cat([real, fake.detach()]))
        scratch["real_features"] = [[f.detach().chunk(2)[0] for f in maps] for maps in features]
        return {"d": discriminator_loss([x.chunk(2)[0] for x in logits], [x.chunk(2)[1] for x in logits])}

    def generate(self, batch: dict, step: int, scratch: dict) -> dict[str, Tensor]:
        real, fake = self.run(batch, step, scratch)
        return {"mel": self.task.mel_weight * multi_scale_mel_loss(real, fake), **self.judged(fake, step, scratch)}

    def judged(self, fake: Tensor, step: int, scratch: dict) -> dict[str, Tensor]:
        """What the discriminators make of it, once they have joined."""
        if step < self.task.adversarial_from:
            return {}
        logits, fake_features = self.discriminators(fake)
        features = self.task.feature_weight * feature_loss(scratch["real_features"], fake_features)
        return {"adversarial": generator_loss(logits), "features": features}

    def copy(self, model, wav: Tensor, mel: Tensor, f0: Tensor) -> Tensor:
        """Natural [B, S], its mel and pitch -> the model's copy of it."""
        return model(mel, f0).float()

    def validate(self, model, step: int) -> dict[str, float]:
        """L1 of log-mel between natural clips and their copies, on three seconds of each of 16 dev clips."""
        total = 0.0
        keys = sorted(self.dev.wav.items)[:: max(1, len(self.dev.wav) // 16)][:16]
        for key in keys:
            wav, f0, _ = self.dev.crop(key, None, min(225, self.dev.f0.rows(key)))
            wav, f0 = (torch.from_numpy(a)[None].to(device_of(model)) for a in (wav, f0))
            mel = log_mel(wav)
            total += float((log_mel(self.copy(model, wav, mel, f0)) - mel).abs().mean())
        return {"mel_l1": total / len(keys)}

    def media(self, model, writer, step: int) -> None:
        key = sorted(self.dev.wav.items)[0]
        wav, f0, _ = self.dev.crop(key, None, min(375, self.dev.f0.rows(key)))
        wav, f0 = (torch.from_numpy(a)[None].to(device_of(model)) for a in (wav, f0))
        mel = log_mel(wav)
        copy = self.copy(model, wav, mel, f0)
        pictures = torch.cat([mel, log_mel(copy)], dim=2)[0].T.flip(0)
        writer.add_image("mel/copy_above_natural", (pictures + 11.5) / 14, step, dataformats="HW")
        writer.add_audio("copy", copy[0].clamp(-1, 1), step, 24000)


class Features:
    """Audio and pitch of one split, cropped at frame borders; predicted mels when a folder of them is given."""

    def __init__(self, dump, mels):
        self.wav, self.f0 = Store(dump, "wav"), Store(dump, "f0")
        self.mel = Store(mels, "mel") if mels else None
        keys = sorted(self.mel.items if mels else self.wav.items)
        self.keys = np.array(keys)
        frames = np.array([self.f0.rows(key) for key in keys], dtype=np.float64)
        weights = np.sqrt(frames)  # between one clip one vote and one frame one vote
        self.cumulative = np.cumsum(weights / weights.sum())

    def draw(self, rng, n: int, frames: int) -> list[str]:
        keys = []
        while len(keys) < n:
            key = str(self.keys[min(np.searchsorted(self.cumulative, rng.random()), len(self.keys) - 1)])
            if self.f0.rows(key) >= frames:
                keys.append(key)
        return keys

    def crop(self, key: str, rng, frames: int):
        """(wav [320 frames] float32, f0 [frames], mel [frames, 100] or None); from the start when rng is None."""
        start = 0 if rng is None else int(rng.integers(0, self.f0.rows(key) - frames + 1))
        wav = self.wav[key][start * HOP_LENGTH : (start + frames) * HOP_LENGTH].astype(np.float32) / 32767
        mel = None if self.mel is None else self.mel[key][start : start + frames].astype(np.float32)
        return wav, self.f0[key][start : start + frames].copy(), mel


def main(
    dump,
    exp,
    minutes: float,
    device: str = "cpu",
    model: VocoderConfig = VocoderConfig(),
    task: VocoderTask = VocoderTask(),
    config: TrainConfig | None = None,
    mels=None,
    max_steps: int | None = None,
    warm_start=None,
) -> int:
    """Train, resume or fine-tune; returns the step reached. ``warm_start``: a model folder to begin from."""
    config = config or TrainConfig(learning_rate=5e-4, betas=(0.8, 0.99), warmup_steps=200, clip=1.0)
    record_model(exp, "vocoder", model, warm_start=warm_start)
    job = VocoderTraining(dump, FourierVocoder(model), task, config.seed, mels)
    if warm_start:
        start_from(job.model, warm_start, "vocoder")
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]
