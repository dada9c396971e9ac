"""projected_search: its forms against each other and against the stages one by one, on odd sizes, planted ties and near ties."""

import pytest
import torch
import torch.nn.functional as F
from torch import library

from codec.kernels.projected_search import Stage, pack_stages, projected_search
from codec.kernels.projected_search.books import project, unit
from codec.kernels.projected_search.reference import search as reference
from tts.base.errors import DataError

FORMS = ["numba", "triton"]


def form(name):
    if name == "triton":
        if not pytest.importorskip("triton").knobs.runtime.interpret:
            pytest.skip("needs TRITON_INTERPRET=1 before triton is imported")  # or a GPU and CUDA tensors
        from codec.kernels.projected_search.triton_kernel import search
    else:
        pytest.importorskip("numba")
        from codec.kernels.projected_search.numba_kernel import search
    return search


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def stage(K, width, dims, seed=0):
    shapes = ((dims, width), (dims,), (K, dims), (width, dims), (width,))
    return Stage(*(0.3 * normal(*shape, seed=10 * seed + i) for i, shape in enumerate(shapes)))


def chain(K, dims=8, block=7, n_q=5, seed=0):
    """Three disjoint blocks, then the full width; and the channels that they see."""
    widths = [block] * 3 + [3 * block] * (n_q - 3)
    return [stage(K, width, dims, seed + q) for q, width in enumerate(widths)], [0, block, 2 * block] + [0] * (n_q - 3)


@pytest.mark.parametrize("n_product", [0, 3])
def test_reference_is_the_stages_one_after_the_other(n_product):
    stages, starts = chain(33) if n_product else ([stage(33, 21, 8, q) for q in range(5)], [0] * 5)
    latent = normal(40, 21, seed=9)
    codes = reference(latent, pack_stages(stages, starts), 5)
    residual = latent.double()
    for q, (part, start) in enumerate(zip(stages, starts, strict=True)):
        down, down_bias, book, up, up_bias = (x.double() for x in part)
        seen = residual[:, start : start + len(up)]  # a view
        cosine = F.normalize(F.linear(seen, down, down_bias), dim=1) @ F.normalize(book, dim=1).T
        assert (cosine.gather(1, codes[:, q : q + 1])[:, 0] > cosine.amax(1) - 1e-6).all()  # the nearest but for rounding
        seen -= F.linear(book[codes[:, q]], up, up_bias)


def test_projections_are_rounded_once_whatever_the_machine():
    rows, weight, bias = normal(9, 50) * 1e3, normal(6, 50, seed=1), normal(6, seed=2)
    exact = F.linear(rows.double(), weight.double(), bias.double())
    assert torch.equal(project(rows, weight, bias), exact.float())
    assert torch.equal(unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]])), torch.tensor([[0.6, 0.8], [0.0, 0.0]]))


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("N,K,dims,block", [(1, 1, 1, 1), (65, 2, 8, 5), (31, 63, 5, 3), (63, 65, 17, 23), (33, 66, 8, 21)])
def test_forms_equal_the_reference(name, N, K, dims, block):
    books = pack_stages(*chain(K, dims, block, seed=N))
    latent = normal(N, 3 * block + 1, seed=N)  # a channel that no stage sees
    assert torch.equal(form(name)(latent, books, 5), reference(latent, books, 5))


def test_numba_equals_the_reference_at_full_size():
    books = pack_stages(*chain(1024, 8, 64, 8))
    latent = normal(300, 192, seed=9)
    codes = form("numba")(latent, books, 8)
    assert torch.equal(codes, reference(latent, books, 8))
    assert torch.equal(form("numba")(latent, books, 4), codes[:, :4])


def identity(book):
    """A stage without projections."""
    dims = book.shape[1]
    return Stage(torch.eye(dims), torch.zeros(dims), book, torch.eye(dims), torch.zeros(dims))


@pytest.mark.parametrize("name", ["reference", *FORMS])
def test_equal_directions_give_the_lower_code(name):
    search = reference if name == "reference" else form(name)
    book = normal(70, 7)
    book[66], book[3], book[69] = 2 * book[40], book[40], 0.5 * book[2]  # in one tile of codes and across tiles
    codes = search(book * torch.linspace(0.1, 3, 70)[:, None], pack_stages([identity(book)], [0]), 1)[:, 0]
    expected = torch.arange(70)
    expected[[66, 40]], expected[69] = 3, 2
    assert torch.equal(codes, expected)
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 6)  # all as near to the origin
    assert not search(torch.zeros(65, 6), pack_stages([identity(corners)], [0]), 1).any()


@pytest.mark.parametrize("name", FORMS)
def test_near_ties_that_float32_gets_wrong_are_settled(name):
    base = normal(1, 8)
    book = torch.cat([base + 3e-7 * normal(40, 8, seed=1), normal(30, 8, seed=2)])  # one cluster of directions
    latent = base + 1e-3 * normal(65, 8, seed=3)
    expected = reference(latent, pack_stages([identity(book)], [0]), 1)
    hasty = (F.normalize(latent, dim=1) @ F.normalize(book, dim=1).T).argmax(1, keepdim=True)
    assert (hasty != expected).sum() > 10  # or the test would show nothing
    assert torch.equal(form(name)(latent, pack_stages([identity(book)], [0]), 1), expected)


@pytest.mark.parametrize("name", ["reference", *FORMS])
def test_a_permuted_codebook_gives_the_same_directions(name):
    search = reference if name == "reference" else form(name)
    stages, starts = chain(65)
    latent = normal(63, 21)
    order = torch.randperm(65, generator=torch.Generator().manual_seed(1))
    permuted = pack_stages([part._replace(book=part.book[order]) for part in stages], starts)
    assert torch.equal(order[search(latent, permuted, 5)], search(latent, pack_stages(stages, starts), 5))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")  # the interpreter's numpy
@pytest.mark.parametrize("name", FORMS)
def test_extreme_values(name):
    latent = normal(9, 21)
    latent[0, 0], latent[1, 8], latent[2, 20], latent[3] = float("nan"), float("inf"), -float("inf"), float("nan")
    latent[4] *= 1e38  # points overflow
    latent[5] *= 1e-38
    latent[6] = 0.0
    books = pack_stages(*chain(65))
    expected = reference(latent, books, 5)
    assert torch.equal(form(name)(latent, books, 5), expected)
    assert expected[0, [0, 3, 4]].tolist() == [0, 0, 0] and not expected[3].any() and expected.max() < 65


@pytest.mark.parametrize("name", FORMS)
def test_outputs_are_written_whole_and_nothing_beside_them(name, guarded):
    books, latent = pack_stages(*chain(65)), normal(65, 21)
    before = latent.clone()
    books.directions.turned, books.directions.margins  # noqa: B018  made once, and not by the search
    assert torch.equal(guarded(form(name), latent, books, 5), reference(latent, books, 5)) and torch.equal(latent, before)


@pytest.mark.parametrize("way", ["reference", "numba"])
def test_public_function(way, monkeypatch):
    if way == "numba":
        pytest.importorskip("numba")
    monkeypatch.setenv("PARLANCE_KERNELS", way)
    books, latent = pack_stages(*chain(9)), normal(21, 7).T  # not contiguous
    assert torch.equal(projected_search(latent, books), reference(latent.contiguous(), books, 5))
    assert projected_search(normal(0, 21), books, 3).shape == (0, 3)


def test_torch_knows_the_op():
    form("triton")
    from codec.kernels.projected_search.triton_kernel import find

    books = pack_stages(*chain(9))
    directions, vectors = books.directions, books.vectors
    tables = (books.down, books.bias, directions.table, directions.norms, directions.margins, vectors.table)
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    library.opcheck(find, (normal(5, 21), *tables, 9, vectors.starts, vectors.widths, 4), test_utils=tests)


def test_refusals():
    books = pack_stages(*chain(9))
    with pytest.raises(DataError, match=r"latent is torch.float64 of shape \[2, 21\]"):
        projected_search(normal(2, 21).double(), books)
    with pytest.raises(DataError, match="latent has 20 channels, the books see channel 20"):
        projected_search(normal(2, 20), books)
    with pytest.raises(DataError, match="n_q is 6, the books have 5 stages"):
        projected_search(normal(2, 21), books, 6)
    with pytest.raises(DataError, match=r"a stage of shapes \[\[8, 7\], \[8\], \[9, 4\]"):
        pack_stages([stage(9, 7, 8)._replace(book=normal(9, 4))], [0])


def test_kernel_compiles_for_real_devices(compile_for_gpu):
    types = dict(residual="*fp32", points="*fp32", down="*fp32", bias="*fp32", table="*fp32", norms="*fp64", norms32="*fp32",
                 margins="*fp64", vectors="*fp32", layout="*i64", codes="*i64", doubtful="*i32", N="i32", D="i32", K="i32",
                 n_stages="i32", n_q="i32", dims="i32")  # fmt: skip
    sizes = dict(BLOCK_M=64, BLOCK_N=64, BLOCK_D=64, BLOCK_J=16)
    compile_for_gpu("codec.kernels.projected_search.triton_kernel", "stages", types, sizes)
