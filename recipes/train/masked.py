"""Train ``masked``: text to units, and units to codec tokens, on an aligned store with both.

    python -m recipes units --dump dump
    python -m recipes codes --dump dump
    python -m recipes train-masked --dump dump --exp exp/masked --minutes 60

Text side, codec and unit encoder are trained models that stay as they are. The style of an utterance is that of another one of
the same speaker.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import tts.units  # noqa: F401 - adds the aligner to the extractors
from codec import Codec
from codec.units.encoder import FRAMES_A_UNIT
from codec.units.extractor import unit_extractor
from recipes.batch import Corpus, FrameBatches, lengths, pad
from recipes.codes import weights_of
from recipes.export import record_model
from recipes.train.acoustic import Speakers, collate, dropped, repeats
from recipes.train.loop import Player, Task, TrainConfig, device_of, move, start_from, train
from recipes.units import read_facts
from tts import registry
from tts.base.errors import DataError, UsageError
from tts.models import load_acoustic
from tts.models.masked_tts import MaskedTts, config_for
from tts.models.variance import PITCH_CENTRE, PITCH_SCALE
from vocoder.nn.masks import length_mask

PARTS = ("both", "units", "tokens")
DEV = 48  # dev utterances that are judged


@dataclass(frozen=True)
class MaskedTask:
    part: str = "both"  # what learns: "units", "tokens" or "both"; the other stays as it began
    budget: int = 4000  # padded frames a batch
    longest: int = 900  # frames
    reference_frames: tuple[int, int] = (110, 300)  # 1.5 to 4 s
    balance: float = 0.5  # weight of a language: its share of frames to this power
    speaker_balance: float = 0.7  # weight of a speaker within it: the same; 1 = every utterance counts alike
    prompts: float = 0.7  # share of the items of which the first columns, any number of them, are given
    told: float = 0.0  # share of the items whose tokens hear the units that the model itself finds
    pitch_noise: float = 0.15  # deviation that an item's pitch is moved by, in the model's own scale

    def __post_init__(self):
        if self.part not in PARTS:
            raise UsageError(f"part is {self.part!r:.40}.", where="task.part", fix=f"Give {', '.join(PARTS)}.")


class MaskedTraining(Task):
    def __init__(self, dump, model: MaskedTts, text_side, task: MaskedTask, seed: int = 0):
        self.task, self.seed, self.model, self.side = task, seed, model, text_side.eval().requires_grad_(False)
        self.corpora = {split: Corpus(Path(dump) / split, dropped(Path(dump) / split)) for split in ("train", "dev")}
        for corpus in self.corpora.values():
            for name, found, needed in (("codes", weights_of(corpus.dump), model.config.codec_weights),
                                        ("units", read_facts(corpus.dump).units_id, model.config.units_id)):  # fmt: skip
                if found != needed:
                    raise DataError(f"{name} are those of {found}, not of {needed}.", where=corpus.dump, code=f"masked.{name}",
                                    fix=f"Run python -m recipes {name} with the model that is to be used.")  # fmt: skip
        needed = ("durations", "units", "codes")
        usable = {split: [key for key in corpus.keys if all(key in corpus.store(name) for name in needed)]
                  for split, corpus in self.corpora.items()}  # fmt: skip
        corpus = self.corpora["train"]
        frames = {key: n for key in usable["train"] if model.config.frames <= (n := corpus.frames(key)) <= task.longest}
        self.speakers = {"train": Speakers(corpus, frames), "dev": Speakers(self.corpora["dev"], usable["dev"])}
        self.dev_keys = usable["dev"][:: max(1, len(usable["dev"]) // DEV)][:DEV]
        self.batches = FrameBatches(frames, task.budget, seed, repeats(corpus, frames, task.balance, task.speaker_balance))
        self.parts = ("units", "tokens") if task.part == "both" else (task.part,)
        model.units.requires_grad_("units" in self.parts)
        for module in (model.tokens, model.unit_codes):
            module.requires_grad_("tokens" in self.parts)
        self.players = [Player("model", model, lambda batch, step, scratch: self.model.loss(self.told(batch), self.parts))]

    def batch(self, step: int) -> dict:
        return self.collated("train", self.batches(step), np.random.default_rng([self.seed, step, 5]))

    def collated(self, split: str, keys: list[str], rng) -> dict:
        """The batch of acoustic training with units [B, 2, U], codes [B, n_q, T], and where the prompts end."""
        corpus, task = self.corpora[split], self.task
        batch = collate(corpus, keys, self.speakers[split], rng, task.reference_frames)
        units, codes = ([np.asarray(corpus.get(name, key)) for key in keys] for name in ("units", "codes"))
        for key, unit, code in zip(keys, units, codes, strict=True):
            frames = corpus.frames(key)
            if (len(unit), len(code)) != (-(-frames // FRAMES_A_UNIT), frames):
                raise DataError(f"{len(unit)} units and {len(code)} tokens for {frames} frames.", where=key, code="masked.clock",
                                fix="Make both anew from this store.")  # fmt: skip
        columns = torch.tensor([len(code) // self.model.config.frames for code in codes])
        prompts = [int(rng.integers(0, n)) if rng.random() < task.prompts else 0 for n in columns.tolist()]
        return batch | {
            "units": pad(units, np.int64).transpose(1, 2),
            "unit_lengths": lengths(units),
            "codes": pad(codes, np.int64).transpose(1, 2),
            "columns": columns,
            "prompts": torch.tensor(prompts),
            "tell": torch.from_numpy(rng.random(len(keys)) < (task.told if split == "train" else 1.0)),
            "moved": torch.from_numpy(rng.standard_normal((len(keys), 1)).astype(np.float32)) * task.pitch_noise,
        }

    @torch.no_grad()
    def told(self, batch: dict) -> dict:
        """The batch that ``MaskedTts.loss`` takes."""
        size, frames = self.model.config.frames, batch["codes"].shape[2]
        text_mask = length_mask(batch["text_lengths"], batch["ids"].shape[1])
        heard = length_mask(batch["reference_lengths"], batch["reference"].shape[1])
        return {
            "hidden": self.side.text(batch["ids"], batch["styles"], batch["langs"], text_mask),
            "durations": batch["durations"],
            "style": self.side.reference(batch["reference"], heard)[0],
            "units": batch["units"],
            "unit_mask": length_mask(batch["unit_lengths"], batch["units"].shape[2]),
            "codes": batch["codes"],
            "column_mask": length_mask(batch["columns"], frames // size),
            "pitch": (batch["log_f0"] - PITCH_CENTRE) / PITCH_SCALE + batch["moved"],
            "prompt": length_mask(batch["prompts"], frames // size),
        } | ({"tell": batch["tell"]} if self.task.told else {})

    def validate(self, model, step: int) -> dict[str, float]:
        """The training losses on dev."""
        totals: dict[str, list[float]] = {}
        for i in range(0, len(self.dev_keys), 8):
            batch = move(self.collated("dev", self.dev_keys[i : i + 8], np.random.default_rng([self.seed, i])), device_of(model))
            torch.manual_seed(i)
            for name, value in model.loss(self.told(batch), self.parts).items():
                totals.setdefault(name, []).append(float(value))
        return {name: float(np.mean(values)) for name, values in totals.items()}


def begin(model: MaskedTts, codec: Codec, extractor) -> None:
    """Let embeddings begin as near to each other as the vectors of the books that their codes are of."""
    codes = torch.arange(codec.model.quantizer.codebook_size)
    model.tokens.start_from([codec.model.quantizer.stage_vectors(q, codes) for q in range(model.config.n_books)])
    model.units.start_from(list(extractor.codebooks))


def main(
    dump,
    exp,
    minutes: float,
    acoustic=None,
    codec=None,
    extractor: str = "house",
    device: str = "cpu",
    units: dict | None = None,
    tokens: dict | None = None,
    task: MaskedTask = MaskedTask(),
    config: TrainConfig | None = None,
    max_steps: int | None = None,
    warm_start=None,
) -> int:
    """Train or resume; returns the step reached.

    Args:
        acoustic, codec: Model folders; the house's ``fs2`` and codec when None.
        extractor: Of the units, by name.
        units, tokens: Changes of the two ``MaskedConfig``.
        warm_start: A masked model to go on from.
    """
    folder = acoustic or registry.model_folder("fs2")
    speaker, facts = load_acoustic(folder)
    sound, ears = Codec.load(codec), unit_extractor(extractor)
    net = MaskedTts(config_for(speaker, facts["model_id"], sound, ears, units, tokens))
    if warm_start:
        start_from(net, warm_start, "acoustic")
    else:
        begin(net, sound, ears)
    record_model(exp, "acoustic", net.config, net.kind, warm_start, extra={"inventory": facts["inventory"]})
    config = config or TrainConfig(learning_rate=1e-3, warmup_steps=300, validate_steps=500)
    job = MaskedTraining(dump, net, speaker.variance.to(device), task, config.seed)
    return train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps)[1]
