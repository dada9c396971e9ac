"""The one training loop: budget in minutes, EMA, resume to the bit, no pickle.

A task brings modules, batches and losses; the loop brings everything else. What happens at a step depends only
on (weights, seed, step): batches are pure functions of (seed, step), and torch's generator is seeded anew from
(seed, step) before every step. So a checkpoint needs no generator state, and a resumed run ends with the same bits
as an uninterrupted one.

Started by torchrun, every process takes its own batches: of step s with n processes those numbered n s to n s + n - 1.
Gradients are averaged, so weights stay equal everywhere; the first process reports, validates and saves.

    exp/
      step-00012000/   model.safetensors  ema.safetensors  optimizer-*.safetensors  state.json
      LATEST           name of the newest complete checkpoint, replaced atomically
      metrics.jsonl    one line a report
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tts.base.errors import DataError, ModelError

BAD_WINDOW = 1000  # steps over which batches that were not finite are counted


@dataclass(frozen=True)
class TrainConfig:
    """How to train; what to train is the task's own config."""

    seed: int = 0
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    warmup_steps: int = 300
    cooldown_start: int = 0  # step at which the rate starts to fall linearly to zero; 0 = never
    cooldown_steps: int = 0
    clip: float = 1.0  # gradient norm
    ema_decay: float = 0.999
    precision: str = "auto"  # of Fabric, "32-true" or "bf16-mixed"; auto: the second where the device multiplies bfloat16 itself
    save_minutes: float = 4.0
    report_steps: int = 50
    validate_steps: int = 1000
    keep: int = 2  # checkpoints on disk

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, constant, linear cool-down when one is set."""
        rate = self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup_steps))
        if self.cooldown_steps and step >= self.cooldown_start:
            rate *= max(0.0, 1 - (step - self.cooldown_start) / self.cooldown_steps)
        return rate


@dataclass
class Player:
    """One module with one optimiser. A GAN has two, stepped in the order in which the task lists them."""

    name: str
    module: nn.Module
    losses: Callable[[dict, int, dict], dict[str, Tensor]]  # (batch, step, scratch) -> named losses; they are summed
    starts_at: int = 0  # idle before this step
    factors: dict[str, float] = field(default_factory=dict)  # beginning of a parameter's name -> factor of its learning rate

    def groups(self) -> list[dict]:
        """Its parameters for an optimiser, those of one factor together."""
        groups: dict[float, list] = {1.0: []}
        for name, parameter in self.module.named_parameters():
            factor = next((factor for start, factor in self.factors.items() if name.startswith(start)), 1.0)
            groups.setdefault(factor, []).append(parameter)
        return [{"params": parameters, "factor": factor} for factor, parameters in groups.items() if parameters]


class Task:
    """What a training script brings. ``players[-1]`` holds the model that is shipped (EMA is kept of it)."""

    players: list[Player]
    task = None  # the dataclass of its own numbers

    def batch(self, step: int) -> dict:
        """The batch of a step, a pure function of (seed, step): every task has its own."""
        raise NotImplementedError

    def report(self) -> dict[str, float]:
        """Further figures of the steps since the last report, beside the losses."""
        return {}

    def validate(self, model: nn.Module, step: int) -> dict[str, float]:
        return {}

    def media(self, model: nn.Module, writer, step: int) -> None:
        """Pictures and sound for TensorBoard."""


def train(task: Task, config: TrainConfig, exp, *, minutes: float, device: str = "cpu", max_steps: int | None = None):
    """Train until the budget is spent; returns the EMA model's state dict and the step reached.

    Resumes from the newest readable checkpoint in ``exp``; a damaged one is passed over for the one before.
    """
    from lightning_fabric import Fabric

    from recipes.progress import Progress

    exp = Path(exp)
    exp.mkdir(parents=True, exist_ok=True)
    config = replace(config, precision=precision_of(config.precision, device))
    fabric = Fabric(accelerator="cuda" if device.startswith("cuda") else device, precision=config.precision, **processes())
    fabric.launch()
    first, n = fabric.is_global_zero, fabric.world_size
    optimizers = {}
    for player in task.players:
        fabric.to_device(player.module)
        optimizer = torch.optim.AdamW(
            player.groups(),
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )
        optimizers[player.name] = fabric.setup_optimizers(optimizer)
    model = task.players[-1].module
    ema = {name: value.detach().clone().float() for name, value in model.state_dict().items()}
    with fabric.rank_zero_first():
        step = restore(exp, task, optimizers, ema)
    if first:
        tell_changes(exp, step, settings(task, config))
    log = open(exp / "metrics.jsonl" if first else os.devnull, "a", encoding="utf-8")  # noqa: SIM115
    writer = tensorboard_writer(exp) if first else None
    for player in task.players:
        same_as_first(fabric, player.module.state_dict().values())
    deadline = time.monotonic() + 60 * minutes
    saved_at, bad_steps, figures, started, since = time.monotonic(), [], {}, time.monotonic(), step
    shown = None if first else open(os.devnull, "w")  # noqa: SIM115
    with Progress(f"train {exp.name}", total=max_steps, minutes=None if max_steps else minutes, stream=shown) as progress:
        while (max_steps is None or step < max_steps) and first_says(fabric, time.monotonic() < deadline):
            number = step * n + fabric.global_rank
            torch.manual_seed(hash_of(config.seed, number))
            batch = move(task.batch(number), fabric.device)
            scratch: dict = {}
            fine = True
            for player in task.players:
                if step < player.starts_at:
                    continue
                optimizer = optimizers[player.name]
                rate = config.rate(step - player.starts_at) if player.starts_at else config.rate(step)
                for group in optimizer.param_groups:
                    group["lr"] = rate * group["factor"]
                with fabric.autocast():
                    losses = player.losses(batch, step, scratch)
                total = sum(losses.values())
                optimizer.zero_grad(set_to_none=True)
                fabric.backward(total)
                total = share(fabric, player.module, total.detach())
                norm = torch.nn.utils.clip_grad_norm_(player.module.parameters(), config.clip)
                if not torch.isfinite(norm) or not torch.isfinite(total):
                    fine = False
                    optimizer.zero_grad(set_to_none=True)
                    report_bad(exp, step, batch, losses, norm)
                    break
                optimizer.step()
                for name, value in {**losses, f"{player.name}/grad": norm}.items():
                    figures.setdefault(name, []).append(float(value.detach()))
            if fine:
                update_ema(ema, model, config.ema_decay, step)
            else:
                bad_steps = [bad for bad in bad_steps if bad > step - BAD_WINDOW] + [step]
                check_bad(exp, bad_steps)
            step += 1
            if step % config.report_steps == 0:
                seconds = time.monotonic() - started
                means = {name: sum(values) / len(values) for name, values in figures.items()}
                row = {"step": step, "steps_per_second": (step - since) / seconds, "rate": config.rate(step), **means}
                row |= task.report()
                write_row(log, writer, row)
                progress.update(step=step, **{k: v for k, v in list(means.items())[:4]})
                figures = {}
            if step % config.validate_steps == 0 and first:
                validate(task, model, ema, log, writer, step)
            if first and time.monotonic() - saved_at > 60 * config.save_minutes:
                save(exp, task, optimizers, ema, step, config)
                saved_at = time.monotonic()
    if first:
        validate(task, model, ema, log, writer, step)
        save(exp, task, optimizers, ema, step, config)
    fabric.barrier()
    log.close()
    return ema, step


def processes() -> dict:
    """Of Fabric: how many processes torchrun has started, here and on how many machines; one without it."""
    n, here = (int(os.environ.get(name, 1)) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    return {"devices": here, "num_nodes": n // here, "strategy": "ddp" if n > 1 else "auto"}


def share(fabric, module: nn.Module, loss: Tensor) -> Tensor:
    """Average the gradients of all processes, which then also have the first's buffers; returns the mean loss.

    A parameter that no process has a gradient of keeps none. DistributedDataParallel would ask for one forward call of one
    module a step; players have losses of several modules.
    """
    if fabric.world_size == 1:
        return loss
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    had = torch.tensor([parameter.grad is not None for parameter in learning], dtype=loss.dtype, device=loss.device)
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in learning]
    mean = fabric.all_reduce(torch.cat([loss.view(1), had, *(grad.flatten() for grad in grads)]), reduce_op="mean")
    loss, had, *means = mean.split([1, len(learning), *(grad.numel() for grad in grads)])
    for parameter, anywhere, value in zip(learning, had.tolist(), means, strict=True):
        parameter.grad = value.view_as(parameter).to(parameter.dtype) if anywhere else None
    same_as_first(fabric, module.buffers())
    return loss[0]


def same_as_first(fabric, tensors) -> None:
    """Give all processes the first one's tensors."""
    for tensor in tensors if fabric.world_size > 1 else ():
        torch.distributed.broadcast(tensor.detach(), 0)


def first_says(fabric, going: bool) -> bool:
    """What the first process says: clocks differ."""
    return going if fabric.world_size == 1 else bool(fabric.broadcast(going))


def precision_of(asked: str, device: str) -> str:
    """``asked``, or what is fastest: bfloat16 is four times slower than float32 on a CPU that has to emulate it."""
    if asked != "auto":
        return asked
    multiplies = device.startswith("cuda") or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16-mixed" if multiplies else "32-true"


def check_bad(exp: Path, bad_steps: list[int]) -> None:
    """Stop when the last five steps, or more than five of the last thousand, were not finite."""
    in_a_row = bad_steps[-5:] == list(range(bad_steps[-1] - 4, bad_steps[-1] + 1))
    if in_a_row or len(bad_steps) > 5:
        often = "five times in a row" if in_a_row else f"{len(bad_steps)} times in {BAD_WINDOW:,} steps"
        raise DataError(
            f"the loss was not finite {often}; training stopped.",
            where=exp / "bad_batches.jsonl",
            fix="Look at the utterances named there; the newest checkpoint is still good.",
            code="train.nan",
        )


def settings(task: Task, config: TrainConfig) -> dict:
    """Every number of a training but the model's, as JSON gives it back."""
    return json.loads(json.dumps({"train": asdict(config), "task": asdict(task.task) if task.task else {}}))


def tell_changes(exp: Path, step: int, now: dict) -> None:
    """A run that goes on with other numbers says so, on stderr and in ``metrics.jsonl``: its curve has a bend there."""
    path = exp / f"step-{step:08d}" / "state.json"
    before = json.loads(path.read_text()) if path.exists() else now
    changes = {
        f"{section}.{name}": [before[section].get(name), value]
        for section in now
        for name, value in now[section].items()
        if section in before and before[section].get(name) != value
    }
    if changes:
        append(exp / "metrics.jsonl", {"step": step, "changed": changes})
        said = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in changes.items())
        print(f"{exp}: goes on from step {step:,} with {said}", file=sys.stderr)


def validate(task: Task, model: nn.Module, ema: dict, log, writer, step: int) -> None:
    """Figures and media of the EMA weights; training weights and torch's generator are put back."""
    live = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    model.load_state_dict({name: ema[name].to(live[name].dtype) for name in live})
    model.eval()
    with torch.no_grad():
        figures = task.validate(model, step)
        if writer is not None:
            task.media(model, writer, step)
    model.train()
    model.load_state_dict(live)
    torch.set_rng_state(state)
    write_row(log, writer, {"step": step, **{f"dev/{name}": value for name, value in figures.items()}})


def update_ema(ema: dict[str, Tensor], model: nn.Module, decay: float, step: int) -> None:
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.dtype.is_floating_point:
                ema[name].lerp_(value.float(), 1 - decay)
            else:
                ema[name].copy_(value)


def save(exp: Path, task: Task, optimizers: dict, ema: dict, step: int, config: TrainConfig) -> None:
    """Write ``step-N/`` under a temporary name, sync, rename, then point LATEST at it."""
    final = exp / f"step-{step:08d}"
    if final.exists():
        return
    folder = exp / f".{final.name}.part"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    save_file({k: v.contiguous() for k, v in ema.items()}, folder / "ema.safetensors")
    for player in task.players:
        save_file({k: v.contiguous() for k, v in player.module.state_dict().items()}, folder / f"{player.name}.safetensors")
        save_file(optimizer_tensors(optimizers[player.name]), folder / f"optimizer-{player.name}.safetensors")
    files = {path.name: sha256(path) for path in sorted(folder.iterdir())}
    (folder / "state.json").write_text(json.dumps({"step": step, **settings(task, config), "files": files}, indent=1))
    for path in folder.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    os.rename(folder, final)
    pointer = exp / ".LATEST.part"
    pointer.write_text(final.name)
    os.replace(pointer, exp / "LATEST")
    for old in sorted(exp.glob("step-*"))[: -config.keep]:
        shutil.rmtree(old)


def restore(exp: Path, task: Task, optimizers: dict, ema: dict) -> int:
    """Load the newest sound checkpoint into everything; returns its step, 0 when there is none.

    A damaged one is set aside as ``damaged-step-N``: it must not stand in the way when its step is reached again.
    """
    for folder in sorted(exp.glob("step-*"), reverse=True):
        try:
            step, tensors = read_checkpoint(folder)
        except Exception as error:  # any damage at all: fall back one checkpoint, and say so
            aside = exp / f"damaged-{folder.name}"
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
            append(exp / "metrics.jsonl", {"damaged_checkpoint": folder.name, "error": str(error)[:200]})
            continue
        for player in task.players:
            if player.name not in tensors and player is not task.players[-1]:
                continue  # it joined after this checkpoint, and starts afresh
            load_exact(player.module, tensors.get(player.name, {}), folder)
            restore_optimizer(optimizers[player.name], tensors[f"optimizer-{player.name}"])
        for name in ema:
            ema[name].copy_(tensors["ema"][name])
        return step
    return 0


def read_checkpoint(folder: Path) -> tuple[int, dict[str, dict[str, Tensor]]]:
    """(step, tensors by file) of a checkpoint whose hashes hold. Any exception means that it is damaged."""
    state = json.loads((folder / "state.json").read_text())
    if folder.name != f"step-{state['step']:08d}":
        raise ValueError(f"the folder holds step {state['step']}")
    files = state.get("files") or dict.fromkeys(path.name for path in folder.glob("*.safetensors"))  # written before hashes were
    for name, digest in files.items():
        if digest and sha256(folder / name) != digest:
            raise ValueError(f"{name} does not match its sha256")
    return state["step"], {name.removesuffix(".safetensors"): load_file(folder / name) for name in files}


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def start_from(module: nn.Module, folder, kind: str, keep: str | None = None) -> None:
    """Begin with the weights of a model folder of the same kind and sizes, instead of random ones.

    Tensors of ``module`` whose names begin with ``keep`` stay as they are, and those of the folder are passed over.
    """
    from vocoder.nn.checkpoint import load_into, load_model

    _, tensors = load_model(folder, kind)
    if keep:
        own = {name: value for name, value in module.state_dict().items() if name.startswith(keep)}
        tensors = {name: value for name, value in tensors.items() if not name.startswith(keep)} | own
    load_into(module, tensors, str(folder))


def load_exact(module: nn.Module, tensors: dict[str, Tensor], where) -> None:
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelError(
            f"the checkpoint does not fit the model: {str(error).splitlines()[1].strip()[:200]}",
            where=where,
            fix="Train in a new folder, or with the configuration of this one.",
        ) from error


def optimizer_tensors(optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{i}.{k}": torch.as_tensor(v).contiguous().clone() for i, entry in state.items() for k, v in entry.items()}


def restore_optimizer(optimizer, tensors: dict[str, Tensor]) -> None:
    inner = getattr(optimizer, "optimizer", optimizer)
    state: dict = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    inner.load_state_dict({"state": state, "param_groups": inner.state_dict()["param_groups"]})


def report_bad(exp: Path, step: int, batch: dict, losses: dict, norm) -> None:
    row = {
        "step": step,
        "utterances": batch.get("keys", []),
        "losses": {name: float(value.detach()) for name, value in losses.items()},
        "grad": float(norm),
    }
    append(exp / "bad_batches.jsonl", row)


def append(path: Path, row: dict) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def write_row(log, writer, row: dict) -> None:
    log.write(json.dumps({k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()}) + "\n")
    log.flush()
    if writer is not None:
        for name, value in row.items():
            if name != "step" and math.isfinite(value):
                writer.add_scalar(name, value, row["step"])


def tensorboard_writer(exp: Path):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(exp / "tensorboard"))


def hash_of(seed: int, step: int) -> int:
    """A generator seed that differs for every (seed, step)."""
    return (seed * 1_000_003 + step * 7_919 + 12_345) % (2**63)


def device_of(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def move(batch: dict, device) -> dict:
    return {k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for k, v in batch.items()}
