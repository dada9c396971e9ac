"""A measured figure with its spread over clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from recipes.evaluate.edits import Edits, total

DRAWS = 2000  # of the bootstrap


@dataclass(frozen=True)
class Figure:
    """A mean or rate, and its 95 % interval from drawing clips with replacement (seeded)."""

    value: float | None  # None: nothing could be measured
    low: float | None
    high: float | None
    n: int  # clips
    digits: int = 2
    percent: bool = False

    def __str__(self) -> str:
        if self.value is None:
            return "–"
        scale, unit = (100, " %") if self.percent else (1, "")
        text = f"{scale * self.value:.{self.digits}f}{unit}"
        return text if self.n < 2 else f"{text} ({scale * self.low:.{self.digits}f}–{scale * self.high:.{self.digits}f})"

    def to_dict(self) -> dict:
        return {name: value for name, value in asdict(self).items() if name in ("value", "low", "high", "n")}


def mean_figure(values: Sequence[float | None], digits: int = 2, percent: bool = False) -> Figure:
    """Mean over clips; clips without a value are left out and not counted in ``n``."""
    known = np.array([value for value in values if value is not None], dtype=float)
    return _figure(known, lambda picks: known[picks].mean(-1), digits, percent)


def rate_figure(edits: Sequence[Edits]) -> Figure:
    """Corpus rate in percent: all errors over all reference symbols."""
    errors, lengths = np.array([[item.errors, item.length] for item in edits], dtype=float).reshape(-1, 2).T
    figure = _figure(errors, lambda picks: errors[picks].sum(-1) / np.maximum(lengths[picks].sum(-1), 1), 1, True)
    return figure if figure.value is None else Figure(total(edits).rate, figure.low, figure.high, figure.n, 1, True)


def _figure(items: np.ndarray, of: Callable[[np.ndarray], np.ndarray], digits: int, percent: bool) -> Figure:
    if not len(items):
        return Figure(None, None, None, 0, digits, percent)
    picks = np.random.default_rng(0).integers(0, len(items), (DRAWS, len(items)))
    low, high = np.quantile(of(picks), [0.025, 0.975])
    return Figure(float(of(np.arange(len(items)))), float(low), float(high), len(items), digits, percent)
