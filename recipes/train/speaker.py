"""Train the speaker encoder: to tell all speakers of the corpus, and speakers who do not exist, from each other.

    python -m recipes train-speaker --dump egs/house/tts1/dump --exp exp/speaker --minutes 60

Every speaker counts three times: as recorded, and with frequencies moved down and up by ``shift`` percent, which makes
another person of the same manner (recipes/augment.py). What is no trait of a speaker is varied: microphone (a smooth
gain over frequency), level, noise, bandwidth.

Source: additive angular margin (ArcFace, arXiv 1801.07698) as in ECAPA-TDNN (arXiv 2005.07143) §3; speed perturbation
that makes new speakers is common practice there, here the frequency axis alone is stretched.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from recipes.augment import warp_mel
from recipes.batch import Corpus
from recipes.evaluate.verification import equal_error_rate
from recipes.export import record_model
from recipes.train.loop import Player, Task, TrainConfig, device_of, train
from tts.models.speaker import Ecapa, EcapaConfig, SpeakerEncoder, features
from vocoder.audio.frames import MEL, N_MELS


@dataclass(frozen=True)
class SpeakerTask:
    batch_size: int = 40
    crop_frames: tuple[int, int] = (90, 190)  # 1.2 to 2.5 s
    shift: int = 9  # percent; 0 trains on real speakers alone
    jitter: int = 1  # percent that any recording is moved besides
    scale: float = 30.0  # of the cosines
    margin: float = 0.2  # radians
    margin_from: int = 300  # step at which the margin is whole; it grows from the first


class SpeakerTraining(Task):
    def __init__(self, dump, config: EcapaConfig, task: SpeakerTask, seed: int = 0):
        self.task, self.seed = task, seed
        self.train, self.dev = Corpus(Path(dump) / "train"), Corpus(Path(dump) / "dev")
        self.utterances: dict[str, list[str]] = {}
        for key in self.train.keys:
            if self.train.frames(key) >= task.crop_frames[0]:
                self.utterances.setdefault(self.train.utterances[key].speaker, []).append(key)
        self.speakers = sorted(self.utterances)
        self.shifts = (0, -task.shift, task.shift) if task.shift else (0,)
        self.model = Ecapa(config)
        self.classes = Classes(config.dim, len(self.speakers) * len(self.shifts))
        self.players = [Player("classes", self.classes, self.learn_classes), Player("model", self.model, self.learn_embedding)]

    def batch(self, step: int) -> dict:
        rng = np.random.default_rng([self.seed, step])
        task, size = self.task, int(np.random.default_rng([self.seed, step, 1]).integers(*self.task.crop_frames))
        mels, classes = [], []
        for _ in range(task.batch_size):
            number, shift = int(rng.integers(len(self.speakers))), int(rng.integers(len(self.shifts)))
            choices = self.utterances[self.speakers[number]]
            mel = self.train.get("mel", choices[int(rng.integers(len(choices)))])
            start = int(rng.integers(0, max(1, len(mel) - size)))
            mel = np.resize(mel[start : start + size], (size, N_MELS)).astype(np.float32)
            mel = warp_mel(mel, int(np.clip(self.shifts[shift] + rng.integers(-task.jitter, task.jitter + 1), -12, 12)))
            mels.append(disturbed(mel, rng))
            classes.append(number * len(self.shifts) + shift)
        return {"keys": [], "mel": torch.from_numpy(np.stack(mels)), "classes": torch.tensor(classes)}

    def learn_classes(self, batch: dict, step: int, scratch: dict) -> dict[str, Tensor]:
        mask = torch.ones(batch["mel"].shape[:2], dtype=torch.bool, device=batch["mel"].device)
        scratch["embedding"] = self.model(features(batch["mel"], mask), mask)
        return {"classes": self.loss(scratch["embedding"].detach(), batch, step)}

    def learn_embedding(self, batch: dict, step: int, scratch: dict) -> dict[str, Tensor]:
        return {"speaker": self.loss(scratch["embedding"], batch, step)}

    def loss(self, embedding: Tensor, batch: dict, step: int) -> Tensor:
        margin = self.task.margin * min(1.0, step / max(1, self.task.margin_from))
        return F.cross_entropy(self.classes(embedding, batch["classes"], margin, self.task.scale), batch["classes"])

    def validate(self, model, step: int) -> dict[str, float]:
        """Equal error rate of pairs of dev clips: speakers of the training, recordings that are not."""
        encoder, device = SpeakerEncoder(model, {}), device_of(model)
        vectors, names = [], []
        for key in self.dev.keys:
            mel = torch.from_numpy(np.asarray(self.dev.get("mel", key), np.float32)).to(device)
            vectors.append(encoder(mel[None])[0].cpu().numpy())
            names.append(self.dev.utterances[key].speaker)
        model.requires_grad_(True)
        return {"eer": equal_error_rate(np.stack(vectors), names).rate} if len(set(names)) > 1 else {}


class Classes(nn.Module):
    """A direction for each class; logits by angle, the true class' angle enlarged by a margin."""

    def __init__(self, dim: int, n_classes: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_classes, dim))

    def forward(self, embedding: Tensor, classes: Tensor, margin: float, scale: float) -> Tensor:
        cosine = F.normalize(embedding.float(), dim=-1) @ F.normalize(self.weight, dim=-1).T
        true = cosine.gather(1, classes[:, None]).clamp(-1 + 1e-6, 1 - 1e-6)
        moved = torch.where(true > np.cos(np.pi - margin), torch.cos(torch.acos(true) + margin), true - np.sin(margin) * margin)
        return scale * cosine.scatter(1, classes[:, None], moved)


def disturbed(mel: np.ndarray, rng) -> np.ndarray:
    """Log-mel [T, 100] through another microphone, louder or softer, in noise, cut to a narrower band."""
    bands = np.arange(N_MELS) / N_MELS
    tilt = sum(rng.normal(0, 0.5 / k) * np.cos(np.pi * k * bands + rng.uniform(0, np.pi)) for k in range(1, 5))
    mel = mel + (tilt + rng.uniform(-0.5, 0.5)).astype(np.float32)
    if rng.random() < 0.5:
        noise = mel.mean() + rng.uniform(-4.0, 0.0) + rng.normal(0, 0.3, mel.shape) + np.cos(np.pi * bands) * rng.normal(0, 1)
        mel = np.logaddexp(mel, noise).astype(np.float32)
    if rng.random() < 0.3:
        mel = mel.copy()
        mel[:, int(rng.integers(50, N_MELS)) :] = np.log(MEL.floor)
    return mel


def main(
    dump,
    exp,
    minutes: float,
    device: str = "cpu",
    model: EcapaConfig | None = None,
    task: SpeakerTask = SpeakerTask(),
    config: TrainConfig | None = None,
    max_steps: int | None = None,
) -> int:
    """Train or resume; returns the step reached."""
    model = model or EcapaConfig()
    config = config or TrainConfig(learning_rate=1e-3, warmup_steps=200, weight_decay=0.02)
    record_model(exp, "speaker", model)
    job = SpeakerTraining(dump, model, task, config.seed)
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]
