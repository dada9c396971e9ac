"""Residual vector quantisation: every stage quantises what the stages before left over, with a codebook of running means.

Source: SoundStream (arXiv 2107.03312) section III-C. Differs: one straight-through estimator around the whole chain, so that the
gradient is not multiplied by the number of stages; dropout of stages an item; the rest as in ``ema`` and ``clusters``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn as nn

from codec.kernels.rvq_decode import rvq_decode
from codec.kernels.rvq_search import Books, pack_books, rvq_search
from codec.quantize.base import UNUSED, ChainConfig, Laid, Quantized, Quantizer, masked_mean, straight_through, usage_statistics
from codec.quantize.clusters import kmeans
from codec.quantize.ema import EmaBook


@dataclass(frozen=True)
class RvqConfig(ChainConfig):
    codebook_size: int = 1024  # K


class Rvq(Quantizer):
    """Books of running means. Its losses: "commitment", by which the latent stays near its codes.

    Books are zeros until ``initialise`` or loading. They learn in ``forward``, in training mode, from ``initialise`` or
    ``start_learning`` to ``stop_learning``; otherwise they stand still, as for training a decoder alone. To go on with a training
    state: ``start_learning()``, then load it. To load an exported model: nothing, that is the state of a new quantiser.
    """

    def __init__(self, config: RvqConfig | None = None):
        super().__init__(config or RvqConfig())
        self.books = nn.ModuleList(EmaBook(self.config.codebook_size, width) for _, width in self.config.blocks)
        self.codebook_size = self.config.codebook_size
        self._laid = Laid()

    def start_learning(self) -> None:
        for book in self.books:
            book.start_learning()

    def stop_learning(self) -> None:
        for book in self.books:
            book.stop_learning()

    def run(self, latent, n_q, used, mask, generator):
        B, T, D = latent.shape
        stages = used.shape[1]
        rows = latent.detach().reshape(-1, D)
        codes = rvq_search(rows, self.packed(), stages).view(B, T, stages).transpose(1, 2)
        codes = torch.where(used[..., None], codes, UNUSED)
        counted = used[..., None] & mask[:, None]  # [B, stages, T]

        residual, total = latent.detach().clone(), torch.zeros_like(latent)
        errors, energies, seen = [], [], []
        for q, (start, width) in enumerate(self.config.blocks[:stages]):
            block = slice(start, start + width)
            sane = counted[:, q] & residual[..., block].isfinite().all(-1)  # one NaN would stay in the means for ever
            seen.append((residual[..., block][sane], codes[:, q][sane]))
            vectors = torch.where(used[:, q, None, None], self.stage_vectors(q, codes[:, q].clamp(min=0)), 0.0)
            total[..., block] += vectors
            residual[..., block] -= vectors
            errors.append((latent[..., block] - total[..., block]).square().mean(-1))
            energies.append(latent.detach()[..., block].square().mean(-1))
        errors, energies = torch.stack(errors, 1), torch.stack(energies, 1)  # [B, stages, T]

        if self.training:
            for book, (rows, row_codes) in zip(self.books, seen, strict=False):
                if book.learning:
                    book.update(rows, row_codes, generator)
        usage = usage_statistics(codes, counted, errors, energies, self.codebook_size)
        losses = {"commitment": masked_mean(errors, counted)}
        return Quantized(straight_through(latent, total), codes, n_q, losses, usage)

    def encode_rows(self, rows, n_q):
        return rvq_search(rows, self.packed(), n_q)

    def sum_vectors(self, codes):
        return rvq_decode(codes, self.packed(), self.config.dim)

    def stage_vectors(self, q, codes):
        return self.books[q].vectors[codes]

    def fit(self, latents, generator):
        residual = latents.clone()
        for book, (start, width) in zip(self.books, self.config.blocks, strict=True):
            part = residual[:, start : start + width]  # a view
            book.vectors.copy_(kmeans(part.contiguous(), self.codebook_size, generator))
            codes = rvq_search(part, pack_books([book.vectors], [0]))[:, 0]
            part -= book.vectors[codes]
            book.start_learning(torch.bincount(codes, minlength=self.codebook_size).float())

    def packed(self) -> Books:
        """The books as search and decoding read them, laid out anew when one has changed."""
        books = [book.vectors for book in self.books]
        return self._laid.of(books, lambda: pack_books(books, [start for start, _ in self.config.blocks]))
