"""Masked-token model: a bidirectional transformer tells hidden codes of a grid from the others, many at once.

    grid [B, R, T] of codes, some hidden ──embed, sum over rows──▶ [B, T, D] ──layers──▶ logits of every cell

A column is a stretch of time; its R rows are codebooks, levels of a residual quantiser, or bands. Rows form levels, coarse to
fine. Training hides cells of one level, and all of the finer ones. Synthesis fills level after level: the first in several
passes, of which each keeps the surest codes, every other in one. Given codes are never changed: a beginning is a prompt, a hole
is inpainted, low bands are extended.

Sources: MaskGIT (arXiv 2202.04200) for cosine schedule and confidence sampling; SoundStorm (arXiv 2305.09636) §3 for
sums of embeddings, levels and their masks; MaskGCT (arXiv 2409.00750) and its code for annealing, guidance with rescaling and
the choice of levels in training. Differs: attention and ConvNeXt blocks of this package; embeddings of few dimensions, shared by
input and output; both temperatures fall to zero by one rule, so that the last pass is greedy; the score is the log of the
probability, as in MaskGIT.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tts.base import rng
from tts.base.errors import DataError, ModelError, UsageError
from vocoder.nn.attention import SelfAttention
from vocoder.nn.convnext import ConvNeXtBlock

OPEN = -2  # a cell that is to be found


@dataclass(frozen=True)
class MaskedConfig:
    codebook_size: int  # K
    levels: tuple[int, ...] = (1,)  # rows of each level, coarse to fine
    rows_a_book: int = 1  # neighbouring rows that share a book
    column_dim: int = 0  # width of what is known of every column; 0: nothing
    voice_dim: int = 0  # width of what is known of the whole; 0: nothing
    dim: int = 192
    hidden: int = 512
    n_layers: int = 4
    n_heads: int = 4
    code_dim: int = 32  # of an embedding, before it is projected
    dropout: float = 0.1
    drop_conditions: float = 0.1  # share of training items without conditions: what guidance leads away from

    def __post_init__(self):
        if not self.levels or min(self.levels) < 1 or any(rows % self.rows_a_book for rows in self.levels):
            raise ModelError(f"levels of {self.levels} rows, {self.rows_a_book} a book.", code="masked.levels",
                             fix="Every level has whole books.")  # fmt: skip

    @property
    def n_rows(self) -> int:
        """R."""
        return sum(self.levels)

    def rows(self, level: int) -> slice:
        """Rows of a level."""
        ends = [0, *accumulate(self.levels)]
        return slice(ends[level], ends[level + 1])


@dataclass(frozen=True)
class Sampling:
    """How hidden codes are found."""

    steps: int = 16  # passes over the first level; every other level takes one
    temperature: float = 1.5  # of the codes; falls to 0 over the passes
    choice_temperature: float = 1.0  # of the choice which codes are kept; falls as well
    top_share: float = 0.02  # share of a book that is drawn from, its likeliest codes
    guidance: float = 0.0  # away from what would be said without conditions; 0 costs one evaluation a pass, more two
    rescale: float = 0.75  # how far guided states get back their own deviation

    def __post_init__(self):
        limits = (("steps", 1, 1024), ("temperature", 0, 10), ("choice_temperature", 0, 100), ("top_share", 0, 1),
                  ("guidance", 0, 10), ("rescale", 0, 1))  # fmt: skip
        for name, low, high in limits:
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"{name} is {getattr(self, name)!r:.40}; it goes from {low} to {high}.", where=name,
                                 code=f"masked.{name}")  # fmt: skip


class MaskedModel(nn.Module):
    def __init__(self, config: MaskedConfig):
        super().__init__()
        self.config = config
        books, size, width = config.n_rows // config.rows_a_book, config.codebook_size, config.code_dim
        self.codes = nn.Embedding(books * (size + 1), width)  # the last of a book stands for "hidden"
        self.enter = nn.Linear(config.n_rows * width, config.dim)
        self.columns = nn.Linear(config.column_dim, config.dim) if config.column_dim else None
        layers, sizes = range(config.n_layers), (config.dim, config.hidden, 0.3, 5, config.voice_dim or None, config.dropout)
        self.attention = nn.ModuleList(SelfAttention(config.dim, config.n_heads, config.dropout) for _ in layers)
        self.blocks = nn.ModuleList(ConvNeXtBlock(*sizes) for _ in layers)
        self.norm = nn.LayerNorm(config.dim)
        self.leave = nn.Linear(config.dim, config.n_rows * width)
        self.bias = nn.Parameter(torch.zeros(config.n_rows, size))
        book_of_row = torch.arange(config.n_rows) // config.rows_a_book
        self.register_buffer("first", book_of_row[:, None] * (size + 1), persistent=False)  # [R, 1] row of ``codes``
        nn.init.normal_(self.codes.weight, std=0.5)
        nn.init.trunc_normal_(self.leave.weight, std=0.02)

    @torch.no_grad()
    def start_from(self, books: list[Tensor]) -> None:
        """Begin with embeddings that are as near to each other as the vectors [K, width] of the books."""
        size, width = self.config.codebook_size, self.config.code_dim
        for i, vectors in enumerate(books):
            centred = vectors.float() - vectors.float().mean(0)
            u, s, _ = torch.linalg.svd(centred, full_matrices=False)
            axes = (u * s)[:, :width]
            own = self.codes.weight[i * (size + 1) : i * (size + 1) + size]
            own[:, : axes.shape[1]] = axes / axes.std() * 0.5

    def forward(self, grid: Tensor, mask: Tensor, columns=None, voice=None, told=None) -> Tensor:
        """States of all columns.

        Args:
            grid: int64 [B, R, T]; :data:`OPEN` where hidden.
            mask: [B, T] bool, True = real.
            columns: [B, T, column_dim].
            voice: [B, voice_dim].
            told: [B] float: 0 leaves the conditions of an item out. None: all have theirs.

        Returns:
            [B, T, dim].
        """
        index = torch.where(grid == OPEN, self.config.codebook_size, grid) + self.first
        x = self.enter(self.codes(index).permute(0, 2, 1, 3).flatten(2))
        told = x.new_ones(len(x)) if told is None else told
        if self.columns is not None:
            x = x + self.columns(columns) * told[:, None, None]
        voice = None if voice is None else voice * told[:, None]
        for attention, block in zip(self.attention, self.blocks, strict=True):
            x = block(attention(x, mask), mask[..., None].to(x.dtype), voice)
        return self.norm(x)

    def logits(self, states: Tensor, level: int) -> Tensor:
        """[B, T, dim] -> [B, rows of the level, T, K] float32."""
        rows, width, size = self.config.rows(level), self.config.code_dim, self.config.codebook_size
        cells = slice(rows.start * width, rows.stop * width)
        asked = F.linear(states, self.leave.weight[cells], self.leave.bias[cells]).unflatten(2, (-1, width))  # [B, T, r, e]
        vectors = self.codes(self.first[rows] + torch.arange(size, device=states.device))  # [r, K, e]
        found = torch.einsum("btre,rke->brtk", asked, vectors)
        return found.float() + self.bias[rows, None].float()

    def loss(self, batch: dict) -> dict[str, Tensor]:
        """Cross entropy of hidden codes, a mean over cells.

        Args:
            batch: grid int64 [B, R, T], :data:`OPEN` where nobody knows; mask [B, T]; columns, voice as of ``forward``; ``fixed``
                [B, R, T] bool: cells that are always given, such as those of a prompt (optional).
        """
        grid, mask, config = batch["grid"], batch["mask"], self.config
        size = len(grid)
        free = mask[:, None] & ~batch.get("fixed", torch.zeros_like(grid, dtype=torch.bool))
        level = draw_levels(size, len(config.levels), grid.device)
        inputs, hidden = hide(grid, free, level, config)
        told = None
        if self.training and config.drop_conditions:
            told = (torch.rand(size, device=grid.device) >= config.drop_conditions).float()
        states = self(inputs, mask, batch.get("columns"), batch.get("voice"), told)
        total, count = states.new_zeros((), dtype=torch.float32), 0
        for each in level.unique().tolist():
            mine, rows = level == each, config.rows(each)
            cells = hidden[mine, rows]
            logits = self.logits(states[mine], each)[cells]
            total = total + F.cross_entropy(logits, grid[mine, rows][cells], reduction="sum")
            count += int(cells.sum())
        return {"codes": total / max(count, 1)}

    @torch.inference_mode()
    def sample(self, known: Tensor, columns=None, voice=None, sampling: Sampling = Sampling(), generator=None) -> Tensor:
        """Find the open cells of a grid.

        Args:
            known: int64 [B, R, T]: codes that are given, :data:`OPEN` where they are sought.
            columns, voice: As of ``forward``.
            sampling: How.
            generator: Of all chance; torch's own when None.

        Returns:
            int64 [B, R, T]; given codes as they were.

        Raises:
            DataError: the grid has other rows, or a code is not of its book.
        """
        config = self.config
        strange = ((known < 0) & (known != OPEN)) | (known >= config.codebook_size)
        if known.dim() != 3 or known.shape[1] != config.n_rows or strange.any():
            raise DataError(f"a grid of shape {list(known.shape)}, {int(strange.sum())} codes out of range; this model fills "
                            f"[B, {config.n_rows}, T] with 0 to {config.codebook_size - 1}.", where="known", code="masked.grid")
        grid = known.clone()
        mask = torch.ones(len(grid), grid.shape[2], dtype=torch.bool, device=grid.device)
        for level in range(len(config.levels)):
            rows, steps = config.rows(level), sampling.steps if level == 0 else 1
            sought = (grid[:, rows] == OPEN).flatten(1).sum(1)
            for step in range(1, steps + 1):
                hidden = grid[:, rows] == OPEN
                if not hidden.any():
                    break
                left = 1 - step / steps
                logits = self.logits(self.guided(grid, mask, columns, voice, sampling), level)
                codes = draw(logits, left * sampling.temperature, sampling.top_share, generator)
                sure = logits.log_softmax(-1).gather(-1, codes[..., None])[..., 0]
                if left and sampling.choice_temperature:
                    sure = sure + left * sampling.choice_temperature * gumbel(sure.shape, generator)
                now = surest(hidden.flatten(1), sure.flatten(1), still_hidden(sought, step, steps)).view_as(hidden)
                grid[:, rows] = torch.where(now, codes, grid[:, rows])
        return grid

    def guided(self, grid: Tensor, mask: Tensor, columns, voice, sampling: Sampling) -> Tensor:
        """States with guidance: away from those without conditions, with the deviation of those with them given back in part.

        Source: Lin et al., Common Diffusion Noise Schedules (arXiv 2305.08891) §3.4 for the rescaling, on states as in MaskGCT.
        """
        if not sampling.guidance or (columns is None and voice is None):
            return self(grid, mask, columns, voice)
        twice = [None if each is None else torch.cat([each, each]) for each in (grid, mask, columns, voice)]
        told = torch.cat([torch.ones(len(grid)), torch.zeros(len(grid))]).to(grid.device)
        with_them, without = self(*twice, told).chunk(2)
        states = with_them + sampling.guidance * (with_them - without)
        own, changed = (each.flatten(1).std(1)[:, None, None] for each in (with_them, states))
        return torch.lerp(states, states * own / changed, sampling.rescale)


def draw_levels(size: int, n_levels: int, device) -> Tensor:
    """[size] int64: level of each item; of L levels, level l weighs L - l, as in MaskGCT."""
    weights = torch.arange(n_levels, 0, -1, dtype=torch.float, device=device)
    return torch.multinomial(weights, size, replacement=True)


def hide(grid: Tensor, free: Tensor, level: Tensor, config: MaskedConfig) -> tuple[Tensor, Tensor]:
    """What a training step sees of a grid, and which cells it is asked for.

    Args:
        grid: [B, R, T]; free: [B, R, T] bool, cells that may be hidden; level: [B].

    Returns:
        The grid [B, R, T] with :data:`OPEN`, and bool [B, R, T]. Of the item's level the cosine of a uniform angle is hidden and
        asked for; finer levels are hidden; coarser ones are given.
    """
    own = torch.tensor([i for i, rows in enumerate(config.levels) for _ in range(rows)], device=grid.device)[None, :, None]
    level = level[:, None, None]
    share = torch.cos(torch.rand(len(grid), 1, 1, device=grid.device) * math.pi / 2)
    asked = (torch.rand(grid.shape, device=grid.device) < share) & (own == level) & free & (grid != OPEN)
    return torch.where(asked | ((own > level) & free), OPEN, grid), asked


def still_hidden(sought, step: int, steps: int):
    """How many of the sought cells are hidden after a pass, 1 to ``steps``: the cosine schedule. Of a number or a tensor."""
    share = math.cos(math.pi / 2 * step / steps) if step < steps else 0.0
    return (sought.double() * share).long() if isinstance(sought, Tensor) else int(sought * share)


def surest(hidden: Tensor, score: Tensor, keep) -> Tensor:
    """[B, N] bool: the hidden cells with the greatest scores, all but ``keep`` (a number, or [B]) of them."""
    rank = score.masked_fill(~hidden, torch.inf).argsort(1).argsort(1)
    return hidden & (rank >= (keep[:, None] if isinstance(keep, Tensor) else keep))


def draw(logits: Tensor, temperature: float, top_share: float, generator) -> Tensor:
    """Codes [...] of logits [..., K], from the ceil(top_share K) likeliest; the likeliest at temperature 0."""
    if not temperature:
        return logits.argmax(-1)
    best, index = logits.topk(max(1, math.ceil(top_share * logits.shape[-1])), dim=-1)
    noisy = best / temperature + gumbel(best.shape, generator).to(best.device)
    return index.gather(-1, noisy.argmax(-1, keepdim=True))[..., 0]


def gumbel(shape, generator) -> Tensor:
    """Standard Gumbel numbers on the CPU."""
    u = torch.rand(shape, generator=generator).clamp(1e-9, 1 - 1e-9)
    return -(-u.log()).log()


def generator(seed: int, stream: rng.Stream) -> torch.Generator:
    """A generator of its own for a seed and what it is for."""
    return torch.Generator().manual_seed(int(rng.generator(seed, stream).integers(2**62)))
