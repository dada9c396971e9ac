"""Stages of a factorised quantiser, laid out for the search: projections, unit vectors, and what each code takes off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from codec.kernels.rvq_search.books import Books, pack_books, sum_in_order
from tts.base.errors import DataError


class Stage(NamedTuple):
    """The float32 parameters of a stage."""

    down: Tensor  # [dims, width]
    down_bias: Tensor  # [dims]
    book: Tensor  # [K, dims]
    up: Tensor  # [width, dims]
    up_bias: Tensor  # [width]


@dataclass(frozen=True)
class ProjectedBooks:
    """What ``projected_search`` reads. Make it with ``pack_stages``; a copy, so make it anew when the parameters change."""

    down: Tensor  # flat: the stages' projections, each [width, dims], one after the other
    bias: Tensor  # [n_q, dims]
    directions: Books  # [K, dims] a stage, of length one
    vectors: Books  # [K, width] a stage: what a code projects back up to; its plan is that of the stages

    @property
    def n_q(self) -> int:
        return len(self.bias)

    @property
    def dims(self) -> int:
        return self.bias.shape[1]

    def projection(self, q: int) -> Tensor:
        """[widths[q], dims]."""
        first = self.dims * sum(self.vectors.widths[:q])
        return self.down[first : first + self.dims * self.vectors.widths[q]].view(-1, self.dims)


def pack_stages(stages: list[Stage], starts: list[int] | tuple[int, ...]) -> ProjectedBooks:
    """Lay out stages for ``projected_search``.

    Args:
        stages: All of one K and as many dims, finite, float32, on one device.
        starts: First channel that each stage sees.

    Raises:
        DataError: Shapes or dtypes do not fit together.
    """
    for stage in stages:
        shapes = [list(tensor.shape) for tensor in stage]
        dims, width = stage.down.shape if stage.down.dim() == 2 else (0, 0)
        size = stage.book.shape[0]
        if shapes != [[dims, width], [dims], [size, dims], [width, dims], [width]] or dims != stages[0].down.shape[0]:
            raise DataError(f"a stage of shapes {shapes}", code="rvq.books",
                            fix="Give [dims, width], [dims], [K, dims], [width, dims], [width], of one dims.")  # fmt: skip
    stages = [Stage(*(tensor.detach() for tensor in stage)) for stage in stages]
    directions = pack_books([unit(stage.book) for stage in stages], [0] * len(stages))
    vectors = pack_books([project(stage.book, stage.up, stage.up_bias) for stage in stages], starts)
    down = torch.cat([stage.down.T.reshape(-1) for stage in stages])
    return ProjectedBooks(down, torch.stack([stage.down_bias for stage in stages]), directions, vectors)


def project(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """[N, in], [out, in], [out] -> [N, out] float32: float64 sums in the order of the channels, rounded once.

    Products of float32 numbers are exact in float64, so the result has the same bits on every machine.
    """
    total = bias.double().repeat(len(rows), 1)
    for row, column in zip(rows.T, weight.T.double(), strict=True):
        total.addcmul_(row.double()[:, None], column)
    return total.float()


def unit(points: Tensor) -> Tensor:
    """[N, dims] -> the same of length one, each number rounded once from float64; the origin stays."""
    length = sum_in_order(points.double().square()).sqrt()[:, None]
    return (points / torch.where(length > 0, length, 1.0)).float()
