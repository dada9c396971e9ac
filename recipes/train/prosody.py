"""Train a prosody model on the codes that a ``megatts`` gives the recordings of the corpus.

    python -m recipes train-prosody --acoustic exp/models/megatts --dump dump --exp exp/prosody --minutes 60

A sequence is one to four utterances of one speaker, in any order: the first ones are context of the last. Content, codes and
styles are those of the acoustic model as it is; they are made once, at the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from recipes.batch import Corpus, pad
from recipes.export import record_model
from recipes.train.acoustic import dropped
from recipes.train.loop import Player, Task, TrainConfig, device_of, move, train
from tts.base.errors import ModelError
from tts.models import load_acoustic
from tts.models.megatts import codes_id
from tts.models.prosody import ProsodyModel, ProsodyModelConfig
from tts.models.reference import reference_crop
from vocoder.nn.masks import length_mask


@dataclass(frozen=True)
class ProsodyTask:
    batch_size: int = 12  # sequences
    most_utterances: int = 4
    longest: int = 320  # phones of a sequence


@dataclass(frozen=True)
class Said:
    """One utterance as a prosody model sees it."""

    content: np.ndarray  # float16 [N, C]
    codes: np.ndarray  # int64 [N], K where a phone takes no time
    log_durations: np.ndarray  # float32 [N], 0 for those
    style: np.ndarray  # float32 [S]


class ProsodyTraining(Task):
    def __init__(self, dump, acoustic, model: ProsodyModel, task: ProsodyTask, seed: int = 0):
        self.task, self.seed, self.model = task, seed, model
        folders = {split: Path(dump) / split for split in ("train", "dev")}
        self.said = {split: read(acoustic, Corpus(folder, dropped(folder))) for split, folder in folders.items()}
        self.speakers = {split: by_speaker(Corpus(Path(dump) / split), said) for split, said in self.said.items()}
        sizes = np.sqrt([len(keys) for keys in self.speakers["train"].values()])
        self.names, self.shares = list(self.speakers["train"]), sizes / sizes.sum()
        self.players = [Player("model", model, lambda batch, step, scratch: self.model.loss(batch))]

    def batch(self, step: int) -> dict:
        rng = np.random.default_rng([self.seed, step])
        rows = []
        for _ in range(self.task.batch_size):
            keys = self.speakers["train"][self.names[int(rng.choice(len(self.names), p=self.shares))]]
            rows.append(self.sequence("train", keys, rng))
        return collate(rows, self.model.config.codebook_size)

    def sequence(self, split: str, keys: list[str], rng) -> list[Said]:
        """Utterances of one speaker that fit, at least one."""
        wanted = int(rng.integers(1, self.task.most_utterances + 1))
        said = [self.said[split][str(key)] for key in rng.permutation(keys)[:wanted]]
        while len(said) > 1 and sum(len(each.codes) for each in said) > self.task.longest:
            said.pop()
        return said

    def validate(self, model, step: int) -> dict[str, float]:
        """The training losses on dev."""
        totals: dict[str, list[float]] = {}
        rng = np.random.default_rng(0)
        rows = [self.sequence("dev", keys, rng) for keys in self.speakers["dev"].values() for _ in range(4)]
        for i in range(0, len(rows), self.task.batch_size):
            torch.manual_seed(i)
            batch = move(collate(rows[i : i + self.task.batch_size], model.config.codebook_size), device_of(model))
            for name, value in model.loss(batch).items():
                totals.setdefault(name, []).append(float(value))
        return {name: float(np.mean(values)) for name, values in totals.items()}


@torch.inference_mode()
def read(acoustic, corpus: Corpus) -> dict[str, Said]:
    """All aligned utterances of a split through the acoustic model's text, prosody and reference encoders."""
    variance, said = acoustic.variance, {}
    for key in corpus.keys:
        if key not in corpus.store("durations"):
            continue
        ids, styles, langs = (
            torch.from_numpy(np.asarray(corpus.get(name, key), np.int64))[None] for name in ("ids", "styles", "langs")
        )
        durations = np.asarray(corpus.get("durations", key), np.int64)
        mel = torch.from_numpy(np.asarray(corpus.get("mel", key), np.float32))
        hidden = variance.text(ids, styles, langs, torch.ones_like(ids, dtype=torch.bool))[0]
        codes = variance.codes_of(mel, durations).numpy()
        codes[durations == 0] = variance.prosody.quantizer.codebook_size
        style = variance.voice(reference_crop(mel)).style
        said[key] = Said(hidden.half().numpy(), codes, np.log(np.maximum(durations, 1)).astype(np.float32), style.numpy())
    return said


def by_speaker(corpus: Corpus, said) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in sorted(said):
        found.setdefault(corpus.utterances[key].speaker, []).append(key)
    return found


def collate(rows: list[list[Said]], codebook_size: int) -> dict:
    """The batch that ``ProsodyModel.loss`` takes."""
    lengths = torch.tensor([sum(len(said.codes) for said in row) for row in rows])

    def joined(name, dtype):
        return pad([np.concatenate([getattr(said, name) for said in row]) for row in rows], dtype)

    first = [np.concatenate([np.arange(len(said.codes)) == 0 for said in row]) for row in rows]
    context = [np.concatenate([np.full(len(said.codes), said is not row[-1]) for said in row]) for row in rows]
    return {
        "keys": [],
        "content": joined("content", np.float32),
        "codes": joined("codes", np.int64),
        "log_durations": joined("log_durations", np.float32),
        "first": pad(first, bool),
        "context": pad(context, np.float32),
        "mask": length_mask(lengths, int(lengths.max())),
        "style": torch.from_numpy(np.stack([row[0].style for row in rows])),
    }


def main(
    dump,
    exp,
    minutes: float,
    acoustic,
    device: str = "cpu",
    form: dict | None = None,
    task: ProsodyTask = ProsodyTask(),
    config: TrainConfig | None = None,
    max_steps: int | None = None,
) -> int:
    """Train or resume; returns the step reached. ``acoustic``: folder of the megatts; ``form``: fields of the model's config.

    Raises:
        ModelError: the acoustic model has no prosody codes.
    """
    speaker, _ = load_acoustic(acoustic)
    if speaker.kind != "megatts":
        raise ModelError(f"a {speaker.kind} has no prosody codes.", where=acoustic, code="prosody.acoustic")
    variance = speaker.variance
    model = ProsodyModel(ProsodyModelConfig(
        codebook_size=variance.prosody.quantizer.codebook_size, content_dim=variance.config.text.dim,
        style_dim=variance.config.reference.style_dim, **(form or {}),
    ))  # fmt: skip
    config = config or TrainConfig(learning_rate=1e-3, warmup_steps=200)
    record_model(exp, "prosody", model.config, extra={"codes_id": codes_id(variance)})
    job = ProsodyTraining(dump, speaker, model, task, config.seed)
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]
