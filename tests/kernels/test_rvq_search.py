"""rvq_search against exact arithmetic, and its three forms against each other, on awkward shapes, planted ties and near ties."""

import os
import subprocess
import sys
from fractions import Fraction

import pytest
import torch
from torch import library

from codec.kernels.rvq_search import pack_books, rvq_search
from codec.kernels.rvq_search.reference import search as reference
from tts.base.errors import DataError

FORMS = ["numba", "triton"]


def form(name):
    if name == "triton":
        knobs = pytest.importorskip("triton").knobs
        if not knobs.runtime.interpret:
            pytest.skip("needs TRITON_INTERPRET=1 before triton is imported")  # or a GPU and CUDA tensors
        from codec.kernels.rvq_search.triton_kernel import search
    else:
        pytest.importorskip("numba")
        from codec.kernels.rvq_search.numba_kernel import search
    return search


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def chain(K, widths, starts, seed=0):
    return pack_books([normal(K, width, seed=seed + q) * 0.7**q for q, width in enumerate(widths)], starts)


def product_chain(K, n_q, block=5, seed=0):
    """Three disjoint blocks, then the full width, as MCRVQ has them."""
    widths = [block] * min(3, n_q) + [3 * block] * (n_q - 3)
    return chain(K, widths, [0, block, 2 * block][:n_q] + [0] * (n_q - 3), seed)


def exact_codes(latent, books, n_q):
    """By the definition, in rational numbers: a tie is a tie, and nothing else is."""
    codes = []
    for residual in latent.clone():
        line = []
        for q in range(n_q):
            part = residual[books.starts[q] :][: books.widths[q]]
            r = [Fraction(float(x)) for x in part]
            book = [[Fraction(float(c)) for c in vector] for vector in books.vectors(q)]
            scores = [sum(c * c - 2 * x * c for x, c in zip(r, vector, strict=True)) for vector in book]
            line.append(scores.index(min(scores)))
            part -= books.vectors(q)[line[-1]]
        codes.append(line)
    return torch.tensor(codes)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("grid", [None, 2.0])
def test_reference_is_the_exact_argmin_with_the_lowest_index(seed, grid):
    books = product_chain(K=17, n_q=5, block=2, seed=seed)
    latent = normal(12, 6, seed=seed + 50)
    if grid:  # coordinates of halves and quarters: many scores are equal, and exactly so
        latent = (latent * grid).round() / grid
        books = pack_books([(books.vectors(q) * grid).round() / grid for q in range(5)], books.starts)
    codes = reference(latent, books, 5)
    assert torch.equal(codes, exact_codes(latent, books, 5))


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("N", [1, 63, 65])
@pytest.mark.parametrize("K", [1, 2, 63, 65])
def test_forms_equal_the_reference(name, N, K):
    for n_q, block in ((3, 5), (4, 1), (8, 21)):
        books = product_chain(K, n_q, block, seed=N + K)
        latent = normal(N, 3 * block, seed=N)
        assert torch.equal(form(name)(latent, books, n_q), reference(latent, books, n_q))


def test_numba_equals_the_reference_at_full_size():
    books = product_chain(1024, 8, block=64)
    latent = normal(300, 192, seed=9)
    assert torch.equal(form("numba")(latent, books, 8), reference(latent, books, 8))


@pytest.mark.parametrize("name", ["reference", *FORMS])
def test_equal_vectors_give_the_lower_code(name):
    search = reference if name == "reference" else form(name)
    book = normal(70, 7)
    book[66], book[3], book[69] = book[40], book[40], book[2]  # in one tile of codes and across tiles
    latent = book + 0.001 * normal(70, 7, seed=1)
    codes = search(latent, pack_books([book], [0]), 1)[:, 0]
    expected = torch.arange(70)
    expected[[66, 40]], expected[69] = 3, 2
    assert torch.equal(codes, expected)


@pytest.mark.parametrize("name", ["reference", *FORMS])
def test_a_frame_midway_between_codes_takes_the_lowest(name):
    search = reference if name == "reference" else form(name)
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 6)  # 64 codes, all as far from the origin
    for order in (corners, corners.flip(0), corners[torch.randperm(64, generator=torch.Generator().manual_seed(0))]):
        books = pack_books([order, order / 2], [0, 0])
        expected = exact_codes(torch.zeros(1, 6), books, 2)
        assert torch.equal(search(torch.zeros(65, 6), books, 2), expected.expand(65, 2)) and expected[0, 0] == 0


@pytest.mark.parametrize("name", FORMS)
def test_near_ties_that_float32_gets_wrong_are_settled(name):
    base = normal(1, 64) * 3
    book = base + 1e-6 * normal(40, 64, seed=1)  # one cluster: scores differ in their eighth digit
    book = torch.cat([book, normal(30, 64, seed=2)])
    latent = base + 1e-3 * normal(65, 64, seed=3)
    books = pack_books([book], [0])
    expected = reference(latent, books, 1)
    hasty = (book.square().sum(1) - 2 * latent @ book.T).argmin(1, keepdim=True)
    assert (hasty != expected).sum() > 20  # or the test would show nothing
    assert torch.equal(form(name)(latent, books, 1), expected)
    pairs = torch.stack((book[:30], book[40:]), 1).flatten(0, 1)
    pairs[1::2] = pairs[::2] + 1e-7 * normal(30, 64, seed=4)  # only two are near: Triton settles those itself
    books, latent = pack_books([pairs], [0]), pairs[::2] + 1e-4 * normal(30, 64, seed=5)
    assert torch.equal(form(name)(latent, books, 1), reference(latent, books, 1))


@pytest.mark.parametrize("name", ["reference", *FORMS])
def test_a_permuted_codebook_gives_the_same_vectors(name):
    search = reference if name == "reference" else form(name)
    books, latent = product_chain(65, 6, block=8), normal(63, 24)
    order = torch.randperm(65, generator=torch.Generator().manual_seed(1))
    permuted = pack_books([books.vectors(q)[order] for q in range(6)], books.starts)
    assert torch.equal(order[search(latent, permuted, 6)], search(latent, books, 6))


@pytest.mark.parametrize("name", ["reference", *FORMS])
def test_fewer_stages_are_a_prefix(name):
    search = reference if name == "reference" else form(name)
    books, latent = product_chain(33, 8), normal(20, 15)
    full = search(latent, books, 8)
    for n_q in range(3, 9):
        assert torch.equal(search(latent, books, n_q), full[:, :n_q])


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # the interpreter's numpy on infinities
@pytest.mark.parametrize("name", FORMS)
def test_extreme_values(name):
    search = form(name)
    latent = normal(12, 15)
    latent[0, 0], latent[1, 7], latent[2, 14], latent[3] = float("nan"), float("inf"), -float("inf"), float("nan")
    latent[4] *= 1e25  # float32 scores overflow
    latent[5] *= 1e-25  # float32 products underflow
    latent[6] = 0.0
    for scale in (1.0, 1e-22, 1e22):
        books = pack_books([b * scale for b in map(product_chain(65, 5).vectors, range(5))], product_chain(65, 5).starts)
        expected = reference(latent, books, 5)
        assert torch.equal(search(latent, books, 5), expected)
        assert expected[0, [0, 3, 4]].tolist() == [0, 0, 0]  # stages that see the NaN; the other blocks do not
        assert not expected[3].any() and expected.max() < 65


@pytest.mark.parametrize("name", FORMS)
def test_outputs_are_written_whole_and_nothing_beside_them(name, monkeypatch):
    search, empty, buffers = form(name), torch.empty, []

    def guarded(*size, **kw):
        size = size[0] if isinstance(size[0], (tuple, list)) else size
        count = torch.Size(size).numel()
        buffers.append((empty(count + 32, **kw).fill_(77), count))
        return buffers[-1][0][16:-16].view(size)

    books, latent = product_chain(65, 6), normal(65, 15)
    expected, before = reference(latent, books, 6), latent.clone()
    monkeypatch.setattr(torch, "empty", guarded)
    assert torch.equal(search(latent, books, 6), expected) and torch.equal(latent, before)
    assert buffers and all((b[:16] == 77).all() and (b[16 + count :] == 77).all() for b, count in buffers)


@pytest.mark.parametrize("way", ["reference", "numba"])
def test_public_function(way, monkeypatch):
    if way == "numba":
        pytest.importorskip("numba")
    monkeypatch.setenv("PARLANCE_KERNELS", way)
    books = product_chain(9, 4)
    latent = normal(15, 7).T  # not contiguous
    assert torch.equal(rvq_search(latent, books), reference(latent.contiguous(), books, 4))
    assert rvq_search(normal(0, 15), books, 3).shape == (0, 3)


def test_torch_knows_the_op():
    form("triton")
    from codec.kernels.rvq_search.triton_kernel import find

    books = product_chain(9, 4)
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    plan = (books.table, books.norms, books.margins, 9, books.starts, books.widths)
    library.opcheck(find, (normal(5, 15), *plan, 3), test_utils=tests)


def test_narrow_books_of_any_width_equal_the_reference():
    for width in (1, 2, 3, 4, 7, 8, 13, 16, 17):  # up to 16 channels are scored in lanes of codes
        books = chain(66, [width] * 3, [0] * 3, seed=width)
        latent = normal(41, width, seed=1)
        assert torch.equal(form("numba")(latent, books, 3), reference(latent, books, 3))


def test_refusals():
    books = product_chain(9, 4)
    with pytest.raises(DataError, match=r"latent is torch.float64 of shape \[2, 15\]"):
        rvq_search(normal(2, 15).double(), books)
    with pytest.raises(DataError, match="latent has 14 channels, the books see channel 14"):
        rvq_search(normal(2, 14), books)
    with pytest.raises(DataError, match="n_q is 5, the books have 4 stages"):
        rvq_search(normal(2, 15), books, 5)
    with pytest.raises(DataError, match=r"books of shapes \[\[3, 2\], \[4, 2\]\] at channels \[0, 0\]"):
        pack_books([normal(3, 2), normal(4, 2)], [0, 0])
    with pytest.raises(DataError, match=r"books of \['torch.float64'\]"):
        pack_books([normal(3, 2).double()], [0])


def test_triton_form_compiles_for_real_devices(tmp_path):
    pytest.importorskip("triton")
    script = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from codec.kernels.rvq_search.triton_kernel import BLOCK_D, BLOCK_M, BLOCK_N, stages
types = dict(residual="*fp32", table="*fp32", norms="*fp64", norms32="*fp32", margins="*fp64", layout="*i64", codes="*i64",
             doubtful="*i32", N="i32", D="i32", K="i32", n_stages="i32", n_q="i32",
             BLOCK_M="constexpr", BLOCK_N="constexpr", BLOCK_D="constexpr")
sizes = dict(BLOCK_M=BLOCK_M, BLOCK_N=BLOCK_N, BLOCK_D=BLOCK_D)
made = compile(ASTSource(fn=stages, signature=types, constexprs=sizes), target=GPUTarget("cuda", 90, 32))
assert made.asm["cubin"] and made.metadata.shared <= 48 * 1024, made.metadata.shared
"""
    env = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"} | {"TRITON_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=env)
