"""The block plan of Language-Codec, and its published full-width books."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from codec.quantize.mcrvq import Mcrvq, from_dense
from codec.quantize.rvq import Rvq

DIM = 24


def dense_books(quantizer):
    """The books as the published code stores them: all of full width."""
    places = zip(quantizer.books, quantizer.config.blocks, strict=True)
    return torch.stack([F.pad(book.vectors, (start, DIM - start - width)) for book, (start, width) in places])


def masked_codes(latents, books, cuts):
    """The published training forward: three masked copies of the latent side by side, then the residual; float64 distances."""
    codes, total = [], torch.zeros_like(latents)
    for q, book in enumerate(books):
        seen = latents - total
        if q < 3:
            seen = torch.zeros_like(latents)
            seen[..., cuts[q] : cuts[q + 1]] = latents[..., cuts[q] : cuts[q + 1]]
        distance = torch.cdist(seen.double(), book.double(), compute_mode="donot_use_mm_for_euclid_dist")
        codes.append(distance.argmin(-1))
        total = total + book[codes[-1]]
    return torch.stack(codes, 1)


@pytest.mark.parametrize("dim", [24, 128])
def test_serial_dense_encoding_masked_encoding_and_the_block_plan_agree(dim, latents, generator):
    cuts = [0, dim // 3, 2 * dim // 3, dim]
    books = torch.randn(6, 64, dim, generator=generator(0))
    for q in range(3):
        books[q, :, : cuts[q]] = books[q, :, cuts[q + 1] :] = 0
    latents = torch.randn(4, 50, dim, generator=generator(1))
    blocks = from_dense(books)
    assert isinstance(blocks, Mcrvq)
    assert [book.vectors.shape[1] for book in blocks.books[:3]] == [b - a for a, b in itertools.pairwise(cuts)]
    serial = from_dense(books, n_product=0)
    assert all(book.vectors.shape[1] == dim for book in serial.books)
    expected = masked_codes(latents, books, cuts)
    assert torch.equal(blocks.encode(latents), expected) and torch.equal(serial.encode(latents), expected)
    assert torch.equal(blocks.decode(expected), serial.decode(expected))


def test_books_that_do_not_vanish_outside_their_block_take_the_dense_path(latents, fitted):
    books = dense_books(fitted("mcrvq"))
    assert isinstance(from_dense(books), Mcrvq)
    books[1, 7, 0] = 1e-3
    dense = from_dense(books)
    assert isinstance(dense, Rvq) and not isinstance(dense, Mcrvq)
    assert torch.equal(dense.stage_vectors(1, torch.tensor(7)), books[1, 7])
    assert dense.encode(latents, 3).shape == (8, 3, 40)


def test_coding_decoded_product_books_again_changes_nothing(latents, fitted):
    quantizer = fitted("mcrvq")
    codes = quantizer.encode(latents, 3)
    assert torch.equal(quantizer.encode(quantizer.decode(codes), 3), codes)


def test_each_product_code_depends_on_its_own_channels_only(latents, fitted):
    quantizer = fitted("mcrvq")
    codes = quantizer.encode(latents, 3)
    for q, (start, width) in enumerate(quantizer.config.blocks[:3]):
        other = latents.roll(1, 0)
        other[..., start : start + width] = latents[..., start : start + width]
        changed = quantizer.encode(other, 3)
        assert torch.equal(changed[:, q], codes[:, q])
        assert all((changed[:, p] != codes[:, p]).float().mean() > 0.5 for p in range(3) if p != q)


def test_sizes_of_the_house_codec():
    quantizer = Mcrvq()
    assert [tuple(book.vectors.shape) for book in quantizer.books] == [(1024, 64)] * 3 + [(1024, 192)] * 5
    assert sum(value.numel() for value in quantizer.export_state().values()) == 1024 * (192 + 5 * 192)
