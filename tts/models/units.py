"""What the models over units share (``txt2vec``, ``vec2mel``, ``vec2wav``): codes to vectors, speaker and language, the clock.

A unit is one code in each of G books. The house's units come 37.5 times a second (two frames each), those of XLSR-53 50 times
(three frames for two): T frames of mel last U = ceil(T · rate / 75) units, and both begin at time 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tts.base.errors import DataError
from vocoder.audio.frames import FRAME_RATE

NO_CODE = -1  # stands where a batch has no unit
FORGET = 0.1  # share of the training utterances that lose their language: unseen ones get what these have learned


@dataclass(frozen=True)
class UnitsConfig:
    """The codes: those of XLSR-53, and of the house's own encoder (``codec/units/encoder.py``)."""

    n_books: int = 2
    codebook_size: int = 320
    code_dim: int = 384  # of one book's vectors
    rate: float = 37.5  # units a second

    def n_units(self, n_frames: int) -> int:
        """Units that last ``n_frames`` frames."""
        return math.ceil(n_frames * self.clock.denominator / self.clock.numerator)

    @property
    def clock(self) -> Fraction:
        """Frames a unit."""
        return (Fraction(FRAME_RATE) / Fraction(self.rate)).limit_denominator(100)

    @property
    def dim(self) -> int:
        return self.n_books * self.code_dim


@dataclass(frozen=True)
class LayersConfig:
    """Who speaks and in which language, as layers that can be left out."""

    languages: tuple[int, ...] = ()  # frontend ids of the languages trained on; empty: no language layer
    language_dim: int = 64
    speaker: bool = True
    speaker_dim: int = 192  # of the speaker encoder


class UnitTable(nn.Module):
    """Codes [B, U, G] -> their vectors side by side [B, U, G * D]."""

    def __init__(self, config: UnitsConfig):
        super().__init__()
        self.config = config
        self.register_buffer("codebooks", torch.zeros(config.n_books, config.codebook_size, config.code_dim))

    def forward(self, codes: Tensor) -> Tensor:
        """``NO_CODE`` gives zeros; codes are not checked here (:func:`check_codes`)."""
        held = codes.clamp(min=0)
        vectors = torch.cat([self.codebooks[g][held[..., g]] for g in range(self.config.n_books)], dim=-1)
        return vectors * (codes[..., :1] >= 0)


def check_codes(codes: Tensor, config: UnitsConfig, where=None) -> None:
    """Refuse codes [..., G] that no book holds.

    Raises:
        DataError: The last axis is not one code a book, or a code is below 0 or beyond the book.
    """
    if codes.is_floating_point() or codes.dim() < 1 or codes.shape[-1] != config.n_books:
        raise DataError(f"units are {codes.dtype} of shape {list(codes.shape)}.", where=where, code="units.shape",
                        fix=f"Give integers [..., {config.n_books}].")  # fmt: skip
    if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < config.codebook_size:
        raise DataError(f"units run from {int(codes.min())} to {int(codes.max())}, a book holds 0 to {config.codebook_size - 1}.",
                        where=where, code="units.codes", fix="Use the extractor that the model was trained with.")  # fmt: skip


class UnitLayers(nn.Module):
    """LN(W speaker) + LN(W language), added to the states of a model.

    Source: ZMM-TTS (arXiv 2312.14398) §III. Differs: the language is told phone by phone, so that sentences may change it;
    row 0 of its table is for languages never seen, trained by forgetting.
    """

    def __init__(self, config: LayersConfig, dim: int):
        super().__init__()
        slots = torch.zeros(1024, dtype=torch.long)
        slots[list(config.languages)] = torch.arange(1, len(config.languages) + 1)
        self.register_buffer("slots", slots, persistent=False)
        self.speaker = nn.Sequential(nn.Linear(config.speaker_dim, dim), nn.LayerNorm(dim)) if config.speaker else None
        self.table = nn.Embedding(len(config.languages) + 1, config.language_dim) if config.languages else None
        self.language = nn.Sequential(nn.Linear(config.language_dim, dim), nn.LayerNorm(dim)) if config.languages else None

    def forward(self, speaker: Tensor, languages: Tensor) -> Tensor | float:
        """speaker [B, speaker_dim] of any length; languages [B, N] frontend ids -> [B, N, dim]; 0.0 without any layer."""
        total: Tensor | float = 0.0
        if self.speaker is not None:
            total = self.speaker(direction(speaker))[:, None]
        if self.language is not None:
            slot = self.slots[languages]
            if self.training:
                slot = torch.where(torch.rand(len(slot), 1, device=slot.device) < FORGET, 0, slot)
            total = total + self.language(self.table(slot))
        return total


def direction(speaker: Tensor) -> Tensor:
    """A speaker embedding [B, D] with a mean square of one."""
    return F.normalize(speaker, dim=-1) * speaker.shape[-1] ** 0.5


def to_units(x: Tensor, mask: Tensor, clock: Fraction) -> Tensor:
    """Frames [B, T, D], mask [B, T] -> means of the real frames that each unit touches [B, U, D]; zeros where there are none."""
    n_frames = x.shape[1]
    unit = torch.arange(-(-n_frames * clock.denominator // clock.numerator), device=x.device)
    first = unit * clock.numerator // clock.denominator
    last = (((unit + 1) * clock.numerator + clock.denominator - 1) // clock.denominator).clamp(max=n_frames)
    total = x.new_zeros(len(x), len(unit), x.shape[2])
    count = x.new_zeros(len(x), len(unit), 1)
    for i in range(int((last - first).max())):
        frame = (first + i).clamp(max=n_frames - 1)
        counts = (mask[:, frame] & (first + i < last))[..., None].to(x.dtype)
        total, count = total + x[:, frame] * counts, count + counts
    return total / count.clamp(min=1)


def to_frames(x: Tensor, mask: Tensor, n_frames: int, clock: Fraction) -> Tensor:
    """Units [B, U, D], mask [B, U] -> frames [B, n_frames, D + 1]: linear between centres, held at the end of the real ones; the
    last channel is the place between the two units, 0 to 1."""
    place = (torch.arange(n_frames, device=x.device) + 0.5) / float(clock) - 0.5
    place = place.clamp(min=0).expand(len(x), -1)
    between = place - place.floor()
    most = (mask * torch.arange(mask.shape[1], device=x.device)).amax(1, keepdim=True)  # the last real unit
    before = torch.minimum(place.floor().long(), most)
    after = torch.minimum(before + 1, most)
    values = [x.gather(1, index[..., None].expand(-1, -1, x.shape[2])) for index in (before, after)]
    return torch.cat([torch.lerp(*values, between[..., None].to(x.dtype)), between[..., None].to(x.dtype)], dim=-1)


def first_of_units(values: Tensor, clock: Fraction) -> Tensor:
    """Frames [B, T] -> the first of every unit [B, U]."""
    unit = torch.arange(-(-values.shape[1] * clock.denominator // clock.numerator), device=values.device)
    return values[:, unit * clock.numerator // clock.denominator]
