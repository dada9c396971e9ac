"""cluster_sums: both forms against a plain loop, with empty codes, one code for everything, and sums that are exact."""

import pytest
import torch
from torch import library

from codec.kernels.cluster_sums import cluster_sums
from codec.kernels.cluster_sums.reference import sums_of as reference
from tts.base.errors import DataError


@pytest.fixture
def kernel(interpreter):
    from codec.kernels.cluster_sums.triton_kernel import sums_of

    return sums_of


def problem(N, width, size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(N, width, generator=generator)
    return rows, (torch.rand(N, generator=generator) ** 3 * size).long()  # low codes are common, many high ones empty


@pytest.mark.parametrize("N,width,size", [(0, 3, 4), (1, 1, 1), (65, 5, 7), (33, 70, 40), (100, 64, 3)])
def test_kernel_equals_the_plain_loop(N, width, size, kernel, guarded):
    rows, codes = problem(N, width, size)
    expected = torch.stack([rows[codes == k].double().sum(0) for k in range(size)])
    for whole in (False, True):
        if whole:  # halves and quarters: every order of addition gives the same bits
            rows = (rows * 4).round() / 4
            expected = reference(rows, codes, size)[1]
        counts, sums = guarded(kernel, rows, codes, size)
        assert torch.equal(counts, torch.bincount(codes, minlength=size).float())
        assert torch.equal(sums, expected) if whole else torch.allclose(sums.double(), expected, rtol=0, atol=1e-5)


def test_one_code_for_everything_and_codes_out_of_range(kernel):
    rows, _ = problem(70, 5, 1)
    counts, sums = kernel(rows.round(), torch.full((70,), 2), 4)
    assert counts.tolist() == [0, 0, 70, 0] and torch.equal(sums[2], rows.round().sum(0)) and not sums[[0, 1, 3]].any()
    codes = torch.arange(70) % 6 - 1
    counts, sums = kernel(rows.round(), codes, 4)
    inside = (codes >= 0) & (codes < 4)
    expected = reference(rows.round()[inside], codes[inside], 4)
    assert torch.equal(counts, expected[0]) and torch.equal(sums, expected[1])


def test_strided_rows_are_read_as_they_are(kernel):
    rows, codes = problem(20, 6, 5)
    wide = torch.stack((rows, torch.full_like(rows, float("nan"))), 2).flatten(1)[:, ::2]
    assert torch.equal(kernel(wide, codes, 5)[1], kernel(rows, codes, 5)[1])


def test_torch_knows_the_op(kernel):
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    library.opcheck(kernel, (*problem(9, 4, 5), 5), test_utils=tests)


def test_refusals():
    rows, codes = problem(9, 4, 5)
    with pytest.raises(DataError, match=r"rows are torch.float64 of shape \[9, 4\], codes torch.int64 of shape \[9\]"):
        cluster_sums(rows.double(), codes, 5)
    with pytest.raises(DataError, match=r"codes torch.int64 of shape \[8\]"):
        cluster_sums(rows, codes[1:], 5)


def test_kernel_compiles_for_real_devices(compile_for_gpu):
    types = dict(rows="*fp32", order="*i64", bounds="*i64", sums="*fp32", width="i32")
    compile_for_gpu("codec.kernels.cluster_sums.triton_kernel", "add_rows", types, dict(BLOCK_N=32, BLOCK_D=64))
