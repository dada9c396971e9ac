"""The house's own self-supervised units: speech as two streams of 320 symbols, 37.5 a second, learned without any text.

    mel ──two frames a unit──▶ convolutions and attention ──layers 3 to 5──▶ 768 numbers ──axes of speech──▶ 2 × nearest of 320

Trained first to tell hidden stretches from what is around them: which cluster a hidden unit falls to, clusters of cepstra, then
the units of an earlier encoder (``recipes/train/units.py``); then, with its quantiser, to give codes from which a decoder that
knows the speaker rebuilds the mel (``recipes/train/unit_books.py``). Always the input is another microphone's and another
speaker's version of what is told, so that units say what is spoken rather than who speaks. For the same end the books begin with
the axes along which speech varies most for how little another speaker's version of it moves, and features are taken to zero mean
and unit variance over the utterance (van Niekerk et al. 2021, arXiv 2108.00917).

Source: HuBERT (arXiv 2106.07447) §II; targets of an untouched version, ContentVec (arXiv 2204.09224) §3.1. The layout of
the quantiser, 2 books of 320 vectors, is that of XLSR-53 as ZMM-TTS uses it (arXiv 2312.14398 §III.A). Differs: it hears the
package's mel, at half its rate; the quantiser learns as that of a VQ-VAE, after the encoder; vectors have 64 numbers, not 384.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn as nn
from torch import Tensor

from codec.quantize.clusters import kmeans, nearest
from codec.units.extractor import UnitExtractor
from tts.base.errors import DataError, ModelError
from vocoder.audio.frames import FRAME_RATE, N_MELS, SAMPLE_RATE
from vocoder.audio.mel import log_mel
from vocoder.nn.attention import SelfAttention
from vocoder.nn.checkpoint import build, load_into, load_model
from vocoder.nn.config import from_dict
from vocoder.nn.convnext import ConvNeXtBlock

FRAMES_A_UNIT = 2
UNIT_RATE = FRAME_RATE / FRAMES_A_UNIT  # 37.5 a second
LEAST_MOVED = 0.05  # of its variance, that any axis is taken to move by between speakers at least
HOUSE = Path(__file__).parents[1] / "assets" / "units"


@dataclass(frozen=True)
class UnitEncoderConfig:
    dim: int = 256
    hidden: int = 640
    n_blocks: int = 6
    attention_after: tuple[int, ...] = (2, 4)  # blocks that self-attention follows
    layers: tuple[int, ...] = (3, 4, 5)  # blocks, from 1, whose outputs are the features
    dropout: float = 0.1
    n_books: int = 2
    codebook_size: int = 320
    width: int = 64  # numbers that a book quantises

    def __post_init__(self):
        if not all(1 <= layer <= self.n_blocks for layer in (*self.layers, *self.attention_after)):
            raise ModelError(f"layers {self.layers} and {self.attention_after} of {self.n_blocks}.", fix="Count blocks from 1.")
        if self.n_books * self.width > self.feature_dim:
            raise ModelError(f"{self.n_books} books of {self.width} numbers are more than the {self.feature_dim} features.",
                             fix="Make width smaller.")  # fmt: skip

    @property
    def feature_dim(self) -> int:
        return self.dim * len(self.layers)


class UnitEncoder(nn.Module):
    def __init__(self, config: UnitEncoderConfig):
        super().__init__()
        self.config = config
        self.embed = nn.Linear(FRAMES_A_UNIT * N_MELS, config.dim)
        self.norm_in = nn.LayerNorm(config.dim)
        self.hidden = nn.Parameter(torch.randn(config.dim) * 0.5)  # what stands where a unit is hidden
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.dim, config.hidden, 1 / config.n_blocks, dropout=config.dropout) for _ in range(config.n_blocks)
        )
        self.attentions = nn.ModuleDict(
            {str(i): SelfAttention(config.dim, dropout=config.dropout) for i in config.attention_after}
        )
        size = config.feature_dim
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("axes", torch.zeros(size, config.n_books * config.width))  # features -> what the books quantise
        self.register_buffer("codebooks", torch.zeros(config.n_books, config.codebook_size, config.width))

    def layers(self, mel: Tensor, mask: Tensor, hide: Tensor | None = None) -> tuple[list[Tensor], Tensor]:
        """Outputs of all blocks, [B, U, dim] each, and the mask of units [B, U], U = ceil(T / 2).

        Args:
            mel: [B, T, 100], natural log; mask [B, T] bool. The mean over time of each band is taken off.
            hide: [B, U] bool, units that are hidden.
        """
        x, mask = paired(mel, mask)
        x = self.norm_in(self.embed(x))
        if hide is not None:
            x = torch.where(hide[..., None], self.hidden.to(x.dtype), x)
        real, outputs = mask[..., None].to(x.dtype), []
        for i, block in enumerate(self.blocks, start=1):
            x = block(x, real)
            if str(i) in self.attentions:
                x = self.attentions[str(i)](x, mask)
            outputs.append(x)
        return outputs, mask

    def encode(self, mel: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, U, feature_dim], of zero mean and unit variance over the utterance, and the mask of units [B, U]."""
        outputs, mask = self.layers(mel, mask)
        chosen = [nn.functional.layer_norm(outputs[i - 1], (self.config.dim,)) for i in self.config.layers]
        return standard(torch.cat(chosen, dim=-1), mask), mask

    def along_axes(self, features: Tensor) -> Tensor:
        """[..., feature_dim] -> [..., n_books, width], what the books quantise."""
        return ((features.float() - self.centre) @ self.axes).unflatten(-1, (self.config.n_books, -1))

    @torch.no_grad()
    def quantise(self, features: Tensor) -> Tensor:
        """[..., feature_dim] of ``encode`` -> codes [..., n_books] int64."""
        parts = self.along_axes(features).flatten(0, -3)
        codes = [nearest(parts[:, g].contiguous(), self.codebooks[g]) for g in range(self.config.n_books)]
        return torch.stack(codes, -1).view(*features.shape[:-1], -1)

    def vectors(self, codes: Tensor) -> Tensor:
        """[..., n_books] int64 -> [..., n_books width], the books' vectors side by side.

        Raises:
            DataError: a code lies outside its book.
        """
        if codes.shape[-1] != self.config.n_books or codes.min() < 0 or codes.max() >= self.config.codebook_size:
            found = f"codes of shape {list(codes.shape)} run from {int(codes.min())} to {int(codes.max())}."
            raise DataError(found, code="units.codes",
                            fix=f"Give [..., {self.config.n_books}], 0 to {self.config.codebook_size - 1}.")  # fmt: skip
        return torch.cat([self.codebooks[g][codes[..., g]] for g in range(self.config.n_books)], dim=-1)

    @torch.no_grad()
    def fit_books(self, features: Tensor, others: Tensor, generator: torch.Generator | None = None) -> None:
        """Find the axes and the books from features of real units, some tens of thousands.

        The axes are those of the largest ratio of the variance of speech to that between versions of it, each scaled to unit
        variance between versions, dealt out to and fro so that the books get like shares (linear discriminant analysis in
        which a class is a unit and its other version; Fukunaga 1990, §10.2).

        Args:
            features: [N, feature_dim] of ``encode``.
            others: [N, feature_dim] of the same units, as another speaker, another microphone would have them.
        """
        features, others = features.float(), others.float()
        self.centre.copy_(features.mean(0))
        centred, moved = (features - self.centre).double(), (features - others).double()
        total, between = centred.T @ centred / len(centred), moved.T @ moved / (2 * len(moved))
        spread, turn = torch.linalg.eigh(between + LEAST_MOVED * total + 1e-6 * torch.eye(len(total), dtype=torch.double))
        whiten = turn / spread.sqrt()
        _, best = torch.linalg.eigh(whiten.T @ total @ whiten)
        groups, rank = self.config.n_books, torch.arange(self.axes.shape[1])
        place, back = rank % groups, rank // groups % 2 == 1
        group = torch.where(back, groups - 1 - place, place)
        order = torch.cat([rank[group == g] for g in range(groups)])
        self.axes.copy_((whiten @ best.flip(1))[:, order])
        parts = self.along_axes(features)
        for g in range(groups):
            self.codebooks[g].copy_(kmeans(parts[:, g].contiguous(), self.config.codebook_size, generator))


class HouseUnits(UnitExtractor):
    """``house``: the encoder that is shipped; ``house:FOLDER`` another one of its kind."""

    sample_rate, frame_rate = SAMPLE_RATE, UNIT_RATE

    def __init__(self, place: str = "", download: bool = False):
        config, tensors = load_model(place or HOUSE, "units")
        self.model = build(UnitEncoder, from_dict(UnitEncoderConfig, config.get("model"), place or "house"))
        load_into(self.model, tensors, place or str(HOUSE))
        self.model.eval().requires_grad_(False)
        self.name, self.dim = f"house:{place}" if place else "house", self.model.config.feature_dim
        self.codebooks = self.model.codebooks

    def run(self, wav):
        mel = log_mel(wav)
        return self.model.to(wav.device).encode(mel, torch.ones(mel.shape[:2], dtype=torch.bool, device=wav.device))[0]

    def quantise(self, features):
        return self.model.quantise(features)

    def units_of_mel(self, mel: Tensor, mask: Tensor) -> Tensor:
        """[B, T, 100], [B, T] -> int64 [B, ceil(T / 2), 2]."""
        return self.model.quantise(self.model.to(mel.device).encode(mel, mask)[0])


def paired(mel: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """mel [B, T, 100], mask [B, T] -> two frames side by side [B, U, 200] and the mask [B, U]: a half unit at the end is one."""
    real = mask[..., None].to(mel.dtype)
    mean = (mel * real).sum(1, keepdim=True) / real.sum(1, keepdim=True).clamp(min=1)
    x, odd = (mel - mean) / 2 * real, mel.shape[1] % FRAMES_A_UNIT
    x, mask = nn.functional.pad(x, (0, 0, 0, odd)), nn.functional.pad(mask, (0, odd))
    return x.unflatten(1, (-1, FRAMES_A_UNIT)).flatten(2), mask[:, ::FRAMES_A_UNIT]


def standard(x: Tensor, mask: Tensor) -> Tensor:
    """[B, U, D] of zero mean and unit variance over each utterance, 0 where the mask [B, U] is False."""
    real = mask[..., None].float()
    count = real.sum(1, keepdim=True).clamp(min=1)
    x = (x - (x * real).sum(1, keepdim=True) / count) * real
    return x / ((x.square().sum(1, keepdim=True) / count).sqrt() + 1e-3)
