"""What the models over units share (``txt2vec``, ``vec2mel``, ``vec2wav``): codes to vectors, speaker and language, the clock.

A unit is two frames of the mel (37.5 a second) and one code in each of G books. U = ceil(T / 2) units last T frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from codec.units.encoder import FRAMES_A_UNIT
from tts.base.errors import DataError

NO_CODE = -1  # stands where a batch has no unit
FORGET = 0.1  # share of the training utterances that lose their language: unseen ones get what these have learned


@dataclass(frozen=True)
class UnitsConfig:
    """The codes: those of XLSR-53, and of the house's own encoder (``codec/units/encoder.py``)."""

    n_books: int = 2
    codebook_size: int = 320
    code_dim: int = 384  # of one book's vectors

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


def to_units(x: Tensor, mask: Tensor) -> Tensor:
    """Frames [B, T, D], mask [B, T] -> means of the real frames of each unit [B, ceil(T / 2), D]; zeros where there are none."""
    real, odd = mask[..., None].to(x.dtype), x.shape[1] % FRAMES_A_UNIT
    x, real = F.pad(x * real, (0, 0, 0, odd)), F.pad(real, (0, 0, 0, odd))
    total, count = (values.unflatten(1, (-1, FRAMES_A_UNIT)).sum(2) for values in (x, real))
    return total / count.clamp(min=1)


def first_of_units(values: Tensor) -> Tensor:
    """Frames [B, T] -> the first of every unit [B, ceil(T / 2)]."""
    return values[:, ::FRAMES_A_UNIT]


def unit_lengths(frame_lengths: Tensor) -> Tensor:
    """Frames -> units that hold them."""
    return (frame_lengths + FRAMES_A_UNIT - 1) // FRAMES_A_UNIT
