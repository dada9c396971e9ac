"""rvq_decode: to the bit the plain loop over stages, in both forms, on awkward shapes, with unused stages and bad codes."""

import pytest
import torch
from torch import library

from codec.kernels.rvq_decode import WAYS, rvq_decode
from codec.kernels.rvq_decode.reference import decode as reference
from codec.kernels.rvq_search import pack_books
from codec.quantize import quantizer_classes
from codec.quantize.base import Quantizer
from tts.base.errors import DataError
from vocoder.kernels.dispatch import choose


@pytest.fixture
def kernel(interpreter):
    from codec.kernels.rvq_decode.triton_kernel import decode

    return decode


def problem(B, n, T, K, block, seed=0):
    """Three disjoint blocks, then the full width; a fifth of the codes unused."""
    generator = torch.Generator().manual_seed(seed)
    books = [torch.randn(K, block * (1 if q < 3 else 3), generator=generator) for q in range(n)]
    packed = pack_books(books, [0, block, 2 * block][:n] + [0] * (n - 3))
    codes = torch.randint(0, K, (B, n, T), generator=generator)
    codes[torch.rand(B, n, T, generator=generator) < 0.2] = -1
    return codes, books, packed


def by_hand(codes, books, starts, dim):
    B, n, T = codes.shape
    out = torch.zeros(B, T, dim)
    for b in range(B):
        for t in range(T):
            for q in range(n):
                if codes[b, q, t] >= 0:
                    out[b, t, starts[q] : starts[q] + books[q].shape[1]] += books[q][codes[b, q, t]]
    return out


SHAPES = [(1, 1, 1, 1, 1), (2, 3, 17, 5, 7), (3, 8, 5, 9, 22), (1, 4, 33, 2, 64)]


@pytest.mark.parametrize("shape", SHAPES)
def test_forms_equal_the_plain_loop_to_the_bit(shape, kernel, guarded):
    codes, books, packed = problem(*shape)
    dim = 3 * shape[4] + 2  # two channels that no stage sees
    expected = by_hand(codes, books, packed.starts, dim)
    assert torch.equal(rvq_decode(codes, packed, dim), expected)
    args = (codes, packed.table, packed.codebook_size, packed.starts, packed.widths, dim)
    assert torch.equal(guarded(kernel, *args), expected)


def test_strided_codes_and_no_frames(kernel):
    codes, _, packed = problem(2, 4, 6, 5, 3)
    args = (packed.table, packed.codebook_size, packed.starts, packed.widths, 9)
    turned = codes.transpose(1, 2).contiguous().transpose(1, 2)
    for form in (reference, kernel):
        assert torch.equal(form(turned, *args), reference(codes, *args))
        assert form(codes[..., :0], *args).shape == (2, 0, 9)


def test_the_kernel_reads_nothing_beyond_the_books(kernel):
    codes, _, packed = problem(1, 3, 4, 5, 3)
    args = (packed.table, packed.codebook_size, packed.starts, packed.widths, 9)
    bad = codes.clone()
    bad[0, 1, 2], bad[0, 2, 3], codes[0, 1, 2], codes[0, 2, 3] = 5, 2**40, -1, -1
    assert torch.equal(kernel(bad, *args), reference(codes, *args))
    with pytest.raises(IndexError):
        reference(bad, *args)


@pytest.mark.parametrize("kind", ["mcrvq", "rvq"])
def test_quantisers_decode_by_it_as_by_their_stages(kind):
    cls, config = quantizer_classes(kind)
    quantizer = cls(config(dim=12, codebook_size=7))
    generator = torch.Generator().manual_seed(3)
    for book in quantizer.books:
        book.vectors.copy_(torch.randn(book.vectors.shape, generator=generator))
    codes = torch.randint(-1, 7, (2, 5, 9), generator=generator)
    assert torch.equal(quantizer.decode(codes), Quantizer.sum_vectors(quantizer, codes))


def test_torch_knows_the_op(kernel):
    codes, _, packed = problem(2, 4, 5, 6, 3)
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    args = (codes, packed.table, packed.codebook_size, packed.starts, packed.widths, 9)
    library.opcheck(kernel, args, test_utils=tests)


def test_refusals():
    codes, _, packed = problem(1, 3, 4, 5, 3)
    with pytest.raises(DataError, match=r"codes are torch.int32 of shape \[1, 3, 4\], the books have 3 stages"):
        rvq_decode(codes.int(), packed, 9)
    with pytest.raises(DataError, match="dim is 8, the books see channel 8"):
        rvq_decode(codes, packed, 8)


def test_an_op_without_the_wanted_form_runs_its_reference(monkeypatch):
    monkeypatch.setenv("PARLANCE_KERNELS", "numba")
    assert choose("op", "cpu", WAYS) == "reference"


def test_triton_form_compiles_for_real_devices(compile_for_gpu):
    types = dict(codes="*i64", table="*fp32", latent="*fp32", T="i32", K="i32")
    sizes = dict(N_Q=8, D=192, STARTS=(0, 64, 128) + (0,) * 5, WIDTHS=(64,) * 3 + (192,) * 5, BLOCK_T=16, BLOCK_D=64)
    compile_for_gpu("codec.kernels.rvq_decode.triton_kernel", "gather_sum", types, sizes)
