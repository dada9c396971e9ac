"""Train a bespoke solver: few steps for one trained ``flow`` or ``infill``.

    python -m recipes train-bespoke --model exp/models/infill --steps 4 --exp exp/bespoke --minutes 10

True paths of some training utterances, on their natural timing, are made once, by many midpoint steps with guidance inside; the
numbers of the solver then learn to stay on them. The model itself stands still. The result lies in the model's folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from recipes.batch import Corpus
from recipes.progress import track
from recipes.train.acoustic import AcousticTask, Speakers, collate, dropped
from recipes.train.loop import Player, Task, TrainConfig, device_of, move, train
from tts.base import strict_json
from tts.base.errors import DataError, ModelError, UsageError
from tts.base.files import atomic_write
from tts.models import load_acoustic
from tts.models.solver import Bespoke, Table, integrate, path, rms, save
from vocoder.nn.masks import length_mask

STEPS = 400  # of training


@dataclass(frozen=True)
class BespokeTask:
    paths: int = 32  # utterances; the last batch is for validation
    batch_size: int = 4
    longest: int = 350  # frames
    path_steps: int = 64  # midpoint steps of a true path
    guidance: float | None = None  # the model's own when None
    weighted: bool = False  # local errors by the paper's bound of their growth


class BespokeTraining(Task):
    def __init__(self, dump, acoustic, solver: Bespoke, task: BespokeTask, seed: int = 0):
        self.task, self.acoustic, self.solver = task, acoustic, solver
        folder = Path(dump) / "train"
        corpus = Corpus(folder, dropped(folder))
        usable = [k for k in corpus.keys if k in corpus.store("durations") and corpus.frames(k) <= task.longest]
        speakers, rng = Speakers(corpus, usable), np.random.default_rng([seed, 2])
        chosen = sorted(map(str, rng.permutation(usable)[: task.paths]), key=corpus.frames)
        groups = [chosen[i : i + task.batch_size] for i in range(0, len(chosen), task.batch_size)]
        if len(groups) < 2:
            raise DataError(f"{len(chosen)} utterances of up to {task.longest} frames; two batches are needed.", where=folder)
        torch.manual_seed(seed)
        self.made = [self.true_path(collate(corpus, keys, speakers, rng, AcousticTask.reference_frames)) for keys in
                     track([groups[i] for i in rng.permutation(len(groups))], "true paths")]  # fmt: skip
        self.players = [Player("model", solver, self.losses)]

    @torch.no_grad()
    def true_path(self, batch: dict) -> dict:
        batch = move(batch, device_of(self.acoustic))
        given, noise = self.acoustic.given(batch), torch.randn_like(batch["mel"]) * self.acoustic.config.temperature
        states = path(self.acoustic.field(given, self.solver.guidance), noise, self.task.path_steps)
        mask = length_mask(batch["frame_lengths"], batch["mel"].shape[1])
        return {"keys": batch["keys"], "states": states, "given": given, "mask": mask}

    def batch(self, step: int) -> dict:
        return self.made[step % (len(self.made) - 1)]

    def losses(self, batch: dict, step: int, scratch: dict) -> dict:
        field = self.acoustic.field(batch["given"], self.solver.guidance)
        return {"local_error": self.solver.loss(field, batch["states"], batch["mask"], self.task.weighted)}

    def validate(self, model: Bespoke, step: int) -> dict[str, float]:
        """RMS distance from the end of unseen paths, of the solver and of the plain one with as many steps."""
        batch, own = self.made[-1], model.table()
        field = self.acoustic.field(batch["given"], model.guidance)
        plain = Table.plain(own.order, own.steps)
        return {name: float(rms(integrate(field, batch["states"][0], table) - batch["states"][-1], batch["mask"]))
                for name, table in (("bespoke", own), ("plain", plain))}  # fmt: skip


def main(
    dump,
    exp,
    minutes: float,
    model,
    steps: int,
    order: int = 2,
    device: str = "cpu",
    task: BespokeTask = BespokeTask(),
    config: TrainConfig | None = None,
    max_steps: int | None = None,
) -> Path:
    """Train or resume; returns the file in the model's folder.

    Raises:
        ModelError: the model is no ``flow`` or ``infill``.
        UsageError: the training folder holds another solver.
    """
    acoustic, facts = load_acoustic(model)
    if not hasattr(acoustic, "solvers"):
        raise ModelError(f"a {acoustic.kind} has no solver.", where=model, code="solver.acoustic", fix="Take a flow or infill.")
    acoustic.to("cuda" if device.startswith("cuda") else device).requires_grad_(False)
    guidance = acoustic.config.guidance if task.guidance is None else task.guidance
    config = config or TrainConfig(
        learning_rate=5e-3, warmup_steps=10, weight_decay=0.0, ema_decay=0.95, cooldown_start=STEPS // 2,
        cooldown_steps=STEPS - STEPS // 2, report_steps=20, validate_steps=100, precision="32-true",
    )  # fmt: skip
    solver = Bespoke(order, steps, guidance)
    belong(exp, {"model_id": facts["model_id"], "order": order, "steps": steps, "guidance": guidance})
    job = BespokeTraining(dump, acoustic, solver, task, config.seed)
    averaged, _ = train(job, config, exp, minutes=minutes, device=device, max_steps=max_steps or STEPS)
    solver.load_state_dict(averaged)
    return save(model, solver.cpu().table(), facts["model_id"])


def belong(exp, facts: dict) -> None:
    """Leave in a training folder what is trained there; refuse one of something else."""
    place = Path(exp) / "solver.json"
    if place.exists() and strict_json.load(place) != facts:
        raise UsageError("another solver, or one of another model, is trained there.", where=exp, code="solver.folder",
                         fix="Give a new folder with --exp.")  # fmt: skip
    Path(exp).mkdir(parents=True, exist_ok=True)
    atomic_write(place, strict_json.dumps(facts) + "\n", force=True)
