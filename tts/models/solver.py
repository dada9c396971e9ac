"""Solvers of flow-matching models: Euler and midpoint, and bespoke ones, which a model's own paths taught to take few steps.

A bespoke solver is a plain one on the path ``s_r x(t_r)``, r from 0 to 1: it chooses when to look (t) and at which scale (s).
Both are a handful of numbers, a :class:`Table`; with t = r and s = 1 it is the plain solver.

Source: Bespoke solvers for generative flow models (arXiv 2310.19075), RK1 and RK2; trained as in Audiobox (arXiv 2312.15821)
on the unweighted sum of local errors, or on the paper's bound of the global one.
Differs: t grows by the share of positive increments, so that it is increasing whatever the parameters are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn as nn
from torch import Tensor

from tts.base import strict_json
from tts.base.errors import DataError, ModelError, UnavailableError, UsageError
from tts.base.files import atomic_write
from vocoder.nn.graphs import Graphed

ORDERS = {"euler": 1, "midpoint": 2}  # evaluations a step
SOLVERS = (*ORDERS, "bespoke")
LIPSCHITZ = 1.0  # of the field, in the paper's bound; it only weighs the steps

Field = Callable[[Tensor, Tensor], Tensor]  # x [B, ...], time (a scalar or [B]) -> d x / d t


@dataclass(frozen=True)
class Table:
    """The numbers of a solver, on a grid of points r = 0 ... 1: the steps' ends, and their middles when the order is 2."""

    order: int  # 1: Euler, 2: midpoint
    t: Tensor  # [n order + 1] time, from 0 to 1
    s: Tensor  # [n order + 1] scale, the first is 1
    dt: Tensor  # [n order] derivatives by r, where a step looks
    ds: Tensor  # [n order]
    guidance: float = 0.0  # that it was trained with; others serve too

    @property
    def steps(self) -> int:
        return len(self.dt) // self.order

    @classmethod
    def plain(cls, order: int, steps: int) -> Table:
        """Euler's or the midpoint method in equal steps."""
        n = order * steps
        return cls(order, torch.arange(n + 1) / n, torch.ones(n + 1), torch.ones(n), torch.zeros(n))


def step(field: Field, x: Tensor, table: Table, i: int) -> Tensor:
    """x at the end of step i from x at its beginning; equations RK1 and RK2 of the paper."""
    k, h = i * table.order, 1 / table.steps
    t, s, dt, ds = table.t, table.s, table.dt, table.ds
    v = field(x, t[k])
    if table.order == 1:
        return ((s[k] + h * ds[k]) * x + h * dt[k] * s[k] * v) / s[k + 1]
    z = (s[k] + h / 2 * ds[k]) * x + h / 2 * s[k] * dt[k] * v
    m = k + 1  # the middle
    v = field(z / s[m], t[m])
    return (s[k] * x + h * (ds[m] / s[m] * z + dt[m] * s[m] * v)) / s[k + 2]


def integrate(field: Field, x: Tensor, table: Table) -> Tensor:
    """x at t = 1 from x at t = 0."""
    for i in range(table.steps):
        x = step(field, x, table, i)
    return x


class Sampler:
    """``integrate`` of a model's field; on a GPU all of its steps are one CUDA graph, for each order, number of steps, guidance
    and padded length.

    Args:
        field: Of a model: (what is given, guidance) -> field. Of what is given, [B, T, ...] each, the last two have no frames;
            frames beyond the mask do not reach the others.
    """

    def __init__(self, field: Callable[[tuple, float], Field]):
        self.field = field
        self._graphs: dict[tuple[int, float], Graphed] = {}

    def __call__(self, x: Tensor, given: tuple, table: Table, guidance: float) -> Tensor:
        key = table.order, guidance
        if key not in self._graphs:
            self._graphs[key] = Graphed(partial(self._integrate, *key), padded=(0, *range(5, 3 + len(given))))
        numbers = (numbers.to(x.device) for numbers in (table.t, table.s, table.dt, table.ds))  # before the steps, not in them
        return self._graphs[key](x, *numbers, *given)

    def _integrate(self, order: int, guidance: float, x, t, s, dt, ds, *given) -> Tensor:
        return integrate(self.field(given, guidance), x, Table(order, t, s, dt, ds))


def path(field: Field, x: Tensor, steps: int) -> Tensor:
    """States [steps + 1, B, ...] of the midpoint method at equal times: what bespoke solvers learn from."""
    table, states = Table.plain(2, steps), [x]
    for i in range(steps):
        states.append(step(field, states[-1], table, i))
    return torch.stack(states)


def choose(tables: dict[tuple[int, int], Table], default: str, steps: int, solver: str | Table | None = None) -> Table:
    """The table of a request.

    Args:
        tables: Bespoke solvers that a model has, by (order, steps).
        default: "euler" or "midpoint": what the model takes where no bespoke solver of this order has so many steps.
        solver: "euler", "midpoint" or "bespoke" of any order, the higher one first; a table; None chooses.

    Raises:
        UsageError: the name is unknown.
        UnavailableError: no bespoke solver has so many steps.
    """
    if solver is None:
        return tables.get((ORDERS[default], steps)) or Table.plain(ORDERS[default], steps)
    if isinstance(solver, Table):
        return solver
    if solver in ORDERS:
        return Table.plain(ORDERS[solver], steps)
    if solver != "bespoke":
        raise UsageError(f"solver is {solver!r:.40}.", where="solver", code="controls.solver", fix=f"Give {', '.join(SOLVERS)}.")
    for order in (2, 1):
        if (order, steps) in tables:
            return tables[order, steps]
    there = ", ".join(str(n) for _, n in sorted(tables)) or "none"
    raise UnavailableError(f"the model has no bespoke solver of {steps} steps; there are: {there}.", where="solver",
                           code="solver.missing", fix="Train one: python -m recipes train-bespoke --steps N.")  # fmt: skip


class Bespoke(nn.Module):
    """A table to be trained: 4 n - 1 free numbers of order 1, 8 n - 1 of order 2. It begins as the plain solver."""

    def __init__(self, order: int, steps: int, guidance: float = 0.0):
        super().__init__()
        self.order, self.guidance = order, guidance
        n = order * steps
        self.increments = nn.Parameter(torch.ones(n))  # of t; only their shares count
        self.dt = nn.Parameter(torch.ones(n))
        self.log_s = nn.Parameter(torch.zeros(n))
        self.ds = nn.Parameter(torch.zeros(n))

    def table(self) -> Table:
        zero, shares = self.dt.new_zeros(1), self.increments.abs().cumsum(0)
        t, s = torch.cat([zero, shares / shares[-1]]), torch.cat([zero, self.log_s]).exp()
        return Table(self.order, t, s, self.dt.abs(), self.ds, self.guidance)

    def loss(self, field: Field, states: Tensor, mask: Tensor, weighted: bool = False) -> Tensor:
        """Sum over steps of the local error: RMS distance of a step that begins on a true path from that path.

        Args:
            field: The model's, guidance included.
            states: [K + 1, B, T, C], true paths at equal times.
            mask: [B, T], 1 where errors count.
            weighted: By the paper's bound of how errors grow, instead of alike.
        """
        table = self.table()
        at = [nearby(field, states, t) for t in table.t[:: self.order]]
        made = [step(field, x, table, i) for i, x in enumerate(at[:-1])]
        errors = torch.stack([rms(one - other, mask) for one, other in zip(made, at[1:], strict=True)])
        return (errors * growth(table)).sum() if weighted else errors.sum()


def nearby(field: Field, states: Tensor, t: Tensor) -> Tensor:
    """A point of a path as a function of time: exact, and with the path's own slope for the gradient of t."""
    with torch.no_grad():
        place = t * (len(states) - 1)
        low = place.long().clamp(max=len(states) - 2)
        x = torch.lerp(states[low], states[low + 1], place - low)
        v = field(x, t)
    return x + (t - t.detach()) * v


def rms(error: Tensor, mask: Tensor) -> Tensor:
    """Root mean square of [B, T, C] where mask [B, T] is 1, its mean over the batch."""
    weight = mask.to(error.dtype)
    square = (error.square().mean(-1) * weight).sum(1) / weight.sum(1).clamp(min=1)
    return (square + 1e-12).sqrt().mean()


def growth(table: Table) -> Tensor:
    """[n]: bound of how the later steps enlarge the error of each, without gradient (the paper's M)."""
    with torch.no_grad():
        h, order, slope = 1 / table.steps, table.order, table.ds.abs() / table.s[:-1] + table.dt * LIPSCHITZ
        first = slope[::order]
        grown = h * first if order == 1 else h * slope[1::2] * (1 + h / 2 * first)
        factors = table.s[::order][:-1] / table.s[::order][1:] * (1 + grown)
        return torch.cat([factors[1:], torch.ones_like(factors[:1])]).flip(0).cumprod(0).flip(0)


def save(folder, table: Table, model_id: str) -> Path:
    """Put a trained solver beside the model that it belongs to: ``bespoke-ORDER-STEPS.json``."""
    numbers = {name: [round(v, 7) for v in getattr(table, name).tolist()] for name in ("t", "s", "dt", "ds")}
    document = {"model_id": model_id, "order": table.order, "guidance": table.guidance, **numbers}
    place = Path(folder) / f"bespoke-{table.order}-{table.steps}.json"
    atomic_write(place, strict_json.dumps(document) + "\n", force=True)
    return place


def load(folder, model_id: str) -> dict[tuple[int, int], Table]:
    """The bespoke solvers in a model folder, by (order, steps).

    Raises:
        ModelError: one is damaged, or was trained for other weights.
    """
    tables = {}
    for place in sorted(Path(folder).glob("bespoke-*.json")):
        table, owner = _read(place)
        if owner != model_id:
            raise ModelError(f"this solver is for model {owner}; loaded is {model_id}.", where=place, code="solver.model",
                             fix="Train it again: python -m recipes train-bespoke, or delete it.")  # fmt: skip
        tables[table.order, table.steps] = table
    return tables


def _read(place: Path) -> tuple[Table, str]:
    try:
        document = strict_json.load(place)
        owner, order, guidance = document["model_id"], document["order"], float(document["guidance"])
        numbers = {name: torch.tensor(document[name], dtype=torch.float32) for name in ("t", "s", "dt", "ds")}
        table = Table(order, **numbers, guidance=guidance)
        n = len(table.dt)
        sound = order in (1, 2) and n > 0 and n % order == 0 and len(table.ds) == n and len(table.t) == len(table.s) == n + 1
        sound = sound and all(a.isfinite().all() for a in numbers.values()) and bool((table.s > 0).all())
        sound = sound and float(table.t[0]) == 0 and float(table.t[-1]) == 1 and bool((table.t.diff() >= 0).all())
    except (DataError, KeyError, TypeError, ValueError) as error:
        raise ModelError("damaged: no table of a solver.", where=place, code="solver.damaged", fix="Train it again.") from error
    if not sound:
        raise ModelError("holds no solver: numbers are missing or out of range.", where=place, code="solver.damaged",
                         fix="Train it again.")  # fmt: skip
    return table, owner
