"""Masked-channel residual vector quantisation: the first stages share the channels of the latent out among them.

Stage 0, 1, 2 quantise disjoint blocks of the latent, in parallel as it were; stage 3 and later the residual, as in ``rvq``. So
much of the signal does not hang on the first book alone, and three codes are already a whole, if coarse, latent.

Source: Language-Codec (arXiv 2402.12208) section 3, N_q = 3. Differs: the books of blocks are stored at the width of their block,
where the published ones are full-width and zero elsewhere; latents are 192 = 3 x 64 wide; the commitment loss of a block is the
mean over its own channels; and what ``rvq`` does otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from codec.quantize.rvq import Rvq, RvqConfig


@dataclass(frozen=True)
class McrvqConfig(RvqConfig):
    n_product: int = 3


class Mcrvq(Rvq):
    """``Rvq`` over the block plan of its config."""

    def __init__(self, config: McrvqConfig | None = None):
        super().__init__(config or McrvqConfig())


def from_dense(books: Tensor, n_product: int = 3) -> Mcrvq | Rvq:
    """A quantiser for published full-width books, [n_q, K, D].

    When book q < n_product is zero outside its block (channels D*q//n_product up to D*(q+1)//n_product), plain serial RVQ with
    these books gives the codes of the block plan: an ``Mcrvq`` with the blocks alone. When a book is not, as after a start
    without k-means, the two differ and the published encoder means the serial one: an ``Rvq`` with the books as they are.
    """
    n_q, codebook_size, dim = books.shape
    sizes = dict(dim=dim, n_q=n_q, n_q_min=max(n_product, 1), codebook_size=codebook_size)
    config = McrvqConfig(**sizes, n_product=n_product)
    split = all(_vanishes_outside(book, *block) for book, block in zip(books, config.blocks, strict=True))
    quantizer = Mcrvq(config) if split else Rvq(RvqConfig(**sizes))
    with torch.no_grad():
        for book, dense, (start, width) in zip(quantizer.books, books, quantizer.config.blocks, strict=True):
            book.vectors.copy_(dense[:, start : start + width])
    return quantizer


def _vanishes_outside(book: Tensor, start: int, width: int) -> bool:
    return not book[:, :start].any() and not book[:, start + width :].any()
