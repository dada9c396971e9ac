"""Codebooks of a chain of stages, laid out for the search: one flat table, squared norms, error margins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tts.base.errors import DataError

UNIT = 2.0**-24  # relative rounding error of one float32 operation
TINY = 2.0**-120  # more than any sum of a few hundred float32 underflows
NARROW = 16  # channels: up to here the vector lanes of a CPU go over codes instead of channels


@dataclass(frozen=True)
class Books:
    """What ``rvq_search`` and ``rvq_decode`` read. Make it with ``pack_books``; a copy, so make it anew when they change.

    Stage q sees channels ``starts[q] .. starts[q] + widths[q]`` of the running residual, and its vector k is
    ``table[offsets[q] + k * widths[q] :][: widths[q]]``.
    """

    table: Tensor  # [sum of K * widths] float32
    codebook_size: int  # K
    starts: tuple[int, ...]
    widths: tuple[int, ...]
    offsets: tuple[int, ...]

    @classmethod
    def known(cls, table: Tensor, size: int, starts: Sequence[int], widths: Sequence[int], norms: Tensor | None = None) -> Books:
        """Books from their table, as an op of torch is given them; with norms where those are known."""
        books = cls(table, size, tuple(starts), tuple(widths), tuple(size * sum(widths[:q]) for q in range(len(widths))))
        if norms is not None:
            vars(books)["norms"] = norms  # where a cached_property keeps its value
        return books

    @property
    def n_q(self) -> int:
        return len(self.starts)

    @cached_property
    def norms(self) -> Tensor:
        """[n_q, K] float64, squared length of every vector. The search alone needs it, so it is made at its first call."""
        return torch.stack([sum_in_order(self.vectors(q).double().square()) for q in range(self.n_q)])

    @cached_property
    def turned(self) -> Tensor:
        """The books as [widths[q], K], one after the other at the same offsets, when all are narrow; else nothing, [0]."""
        if max(self.widths) > NARROW:
            return self.table.new_empty(0)
        return torch.cat([self.vectors(q).T.reshape(-1) for q in range(self.n_q)])

    @cached_property
    def margins(self) -> Tensor:
        """[n_q, 2] float64, see ``margins``."""
        return margins(self.norms, self.widths)

    def vectors(self, q: int) -> Tensor:
        """[K, widths[q]], the book of stage q."""
        size, width = self.codebook_size, self.widths[q]
        return self.table[self.offsets[q] : self.offsets[q] + size * width].view(size, width)


def pack_books(books: list[Tensor], starts: list[int] | tuple[int, ...]) -> Books:
    """Lay out codebooks for ``rvq_search``.

    Args:
        books: One float32 [K, width] a stage, finite, all of one K and on one device.
        starts: First channel that each stage sees. MCRVQ: 0, 64, 128 for books of width 64, then 0 for books of full width.

    Raises:
        DataError: Shapes or dtypes do not fit together.
    """
    sizes = {book.shape[0] if book.dim() == 2 else None for book in books}
    if len(sizes) != 1 or None in sizes or 0 in sizes or len(books) != len(starts):
        shapes = [list(book.shape) for book in books]
        raise DataError(
            f"books of shapes {shapes} at channels {list(starts)}",
            code="rvq.books",
            fix="Give one [K, width] a stage, of one K >= 1.",
        )
    if any(book.dtype != torch.float32 for book in books) or any(start < 0 for start in starts):
        raise DataError(
            f"books of {sorted({str(book.dtype) for book in books})} at channels {list(starts)}",
            code="rvq.books",
            fix="Give float32 books and channels from 0.",
        )
    table = torch.cat([book.detach().reshape(-1) for book in books])
    return Books.known(table, books[0].shape[0], starts, [book.shape[1] for book in books])


def sum_in_order(x: Tensor) -> Tensor:
    """[N, width] -> [N], added from the first to the last column: the same bits on every machine."""
    columns = x.T.contiguous()
    total = torch.zeros_like(columns[0]) if len(columns) else x.new_zeros(len(x))
    for column in columns:
        total += column
    return total


def margins(norms: Tensor, widths: tuple[int, ...]) -> Tensor:
    """[n_q, 2] float64 (slope, offset): no code but those within slope * |r| + offset of the least float32 score can be right.

    A float32 dot product of n terms, in any order, fused or not, is wrong by at most n * u * |r| * |c| (u = 2^-24, first order);
    the norm, its rounding and the last subtraction add less than 4 u (|c|^2 + 2 |r| |c|). Both scores of a comparison may be
    wrong, hence twice that; one per cent pays for the terms of higher order. (Higham, Accuracy and Stability, section 3.1.)
    """
    width = torch.tensor(widths, dtype=torch.float64, device=norms.device)
    longest = norms.amax(1).sqrt()  # [n_q]
    share = 2 * 1.01 * (width + 4) * UNIT
    slope = share * 2 * longest + TINY
    offset = share * longest.square() + TINY * (1 + longest)
    return torch.stack((slope, offset), 1)
