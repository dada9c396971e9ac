"""monotonic_align against brute force, and its three forms against each other, on awkward shapes with planted ties."""

import itertools
import os
import subprocess
import sys

import pytest
import torch
from torch import library

from tts.base.errors import DataError, UnavailableError
from vocoder.kernels.dispatch import choose
from vocoder.kernels.monotonic_align import WAYS, minimal_frames, monotonic_align
from vocoder.kernels.monotonic_align.reference import align as reference

FORMS = ["numba", "triton"]


def form(name):
    if name == "triton":
        knobs = pytest.importorskip("triton").knobs
        if not knobs.runtime.interpret:
            pytest.skip("needs TRITON_INTERPRET=1 before triton is imported")  # or a GPU and CUDA tensors
        from vocoder.kernels.monotonic_align.triton_kernel import align
    else:
        pytest.importorskip("numba")
        from vocoder.kernels.monotonic_align.numba_kernel import align
    return align


def batch(seed, B, T, N, ties=False, optional_share=0.4):
    """A batch of feasible items of odd lengths, NaN wherever nothing may be read."""
    generator = torch.Generator().manual_seed(seed)
    log_p = torch.randn(B, T, N, generator=generator)
    if ties:
        log_p = (log_p * 2).round() / 2
    optional = torch.rand(B, N, generator=generator) < optional_share
    text_lengths = torch.randint(1, N + 1, (B,), generator=generator)
    text_lengths[0] = N
    frame_lengths = torch.maximum(torch.randint(1, T + 1, (B,), generator=generator), minimal_frames(text_lengths, optional))
    frame_lengths[-1] = minimal_frames(text_lengths, optional)[-1]  # the tightest fit
    assert frame_lengths.max() <= T
    for b in range(B):
        log_p[b, frame_lengths[b] :] = float("nan")
        log_p[b, :, text_lengths[b] :] = float("nan")
    return log_p, text_lengths, frame_lengths, optional


def best_sum(log_p, optional):
    """The greatest sum over all allowed paths of one item, by trying them all."""
    T, N = log_p.shape
    best = float("-inf")
    for path in itertools.combinations_with_replacement(range(N), T):
        skipped = [n not in path for n in range(N)]
        allowed = all(not s or optional[n] for n, s in enumerate(skipped)) and not any(map(all, itertools.pairwise(skipped)))
        if allowed:
            best = max(best, sum(float(log_p[t, n]) for t, n in enumerate(path)))
    return best


@pytest.mark.parametrize("seed", range(25))
def test_reference_finds_the_best_of_all_paths(seed):
    log_p, text_lengths, frame_lengths, optional = batch(seed, 3, 6, 4)
    durations = reference(log_p, text_lengths, frame_lengths, optional)
    for b in range(3):
        T, N = int(frame_lengths[b]), int(text_lengths[b])
        d = durations[b, :N]
        assert d.sum() == T and not durations[b, N:].any()
        assert all(d[n] >= 1 or optional[b, n] for n in range(N))
        assert not any(d[n] == 0 and d[n + 1] == 0 for n in range(N - 1))
        path = torch.arange(N).repeat_interleave(d)
        assert log_p[b, torch.arange(T), path].sum().item() == pytest.approx(best_sum(log_p[b, :T, :N], optional[b]), abs=1e-4)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 7, 1), (3, 5, 2), (4, 9, 5), (2, 33, 33), (3, 40, 17), (2, 70, 65)])
def test_forms_equal_the_reference(name, shape, ties):
    align = form(name)
    for share in (0.0, 0.4, 1.0):
        data = batch(sum(shape), *shape, ties=ties, optional_share=share)
        assert torch.equal(align(*data), reference(*data))


@pytest.mark.parametrize("name", FORMS)
def test_outputs_are_written_whole_and_nothing_beside_them(name, monkeypatch):
    align, empty, buffers = form(name), torch.empty, []

    def guarded(*size, **kw):
        size = size[0] if isinstance(size[0], (tuple, list)) else size
        count = torch.Size(size).numel()
        buffers.append((empty(count + 32, **kw).fill_(77), count))
        return buffers[-1][0][16:-16].view(size)

    data = batch(3, 3, 12, 9)
    expected = reference(*data)
    monkeypatch.setattr(torch, "empty", guarded)
    assert torch.equal(align(*data), expected)
    assert buffers and all((b[:16] == 77).all() and (b[16 + count :] == 77).all() for b, count in buffers)


def test_torch_knows_the_op():
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    library.opcheck(form("triton"), batch(0, 2, 9, 5), test_utils=tests)


def test_triton_form_compiles_for_real_devices(tmp_path):
    pytest.importorskip("triton")
    script = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from vocoder.kernels.monotonic_align.triton_kernel import back, forth
sizes = dict(T="i32", N="i32", BLOCK_N="constexpr")
forth_types = dict(log_p="*fp32", text_lengths="*i64", frame_lengths="*i64", optional="*i8", move="*i8", final="*i64", **sizes)
back_types = dict(move="*i8", frame_lengths="*i64", final="*i64", durations="*i64", **sizes)
for kernel, types in ((forth, forth_types), (back, back_types)):
    for block in (16, 512):
        made = compile(ASTSource(fn=kernel, signature=types, constexprs={"BLOCK_N": block}), target=GPUTarget("cuda", 90, 32))
        assert made.asm["cubin"] and made.metadata.shared <= 48 * 1024
"""
    env = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"} | {"TRITON_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=env)


@pytest.mark.parametrize("way", ["reference", "numba"])
def test_ties_have_one_answer(way, monkeypatch):
    if way == "numba":
        pytest.importorskip("numba")
    monkeypatch.setenv("PARLANCE_KERNELS", way)
    flat = torch.zeros(1, 7, 3)
    three, seven = torch.tensor([3]), torch.tensor([7])
    assert monotonic_align(flat, three, seven).tolist() == [[1, 1, 5]]
    middle = torch.tensor([[False, True, False]])
    assert monotonic_align(flat, three, seven, middle).tolist() == [[1, 0, 6]]  # staying first, at any price
    ends = torch.tensor([[True, False, True]])
    assert monotonic_align(flat, three, seven, ends).tolist() == [[0, 1, 6]]  # the last token before the one before it


def test_optional_tokens_vanish_only_where_it_pays():
    log_p = torch.zeros(1, 4, 3)
    log_p[0, :, 1] = -5.0
    args = (log_p, torch.tensor([3]), torch.tensor([4]))
    assert monotonic_align(*args)[0, 1] == 1
    assert monotonic_align(*args, torch.tensor([[False, True, False]]))[0, 1] == 0
    log_p = torch.full((1, 2, 3), -5.0)
    log_p[0, :, 1] = 0.0
    args = (log_p, torch.tensor([3]), torch.tensor([2]), torch.tensor([[True, False, True]]))
    assert monotonic_align(*args).tolist() == [[0, 2, 0]]


def test_one_frame_a_token_and_infinite_scores():
    log_p = torch.full((1, 5, 5), float("-inf"))
    five = torch.tensor([5])
    assert monotonic_align(log_p, five, five).tolist() == [[1] * 5]


def test_refusals_name_the_item():
    log_p, two = torch.zeros(2, 3, 5), torch.tensor([3, 3])
    with pytest.raises(DataError, match="item 1 has 3 frames for 5 tokens, which need at least 5"):
        monotonic_align(log_p, torch.tensor([3, 5]), two)
    with pytest.raises(DataError, match="runs from 0 to 3"):
        monotonic_align(log_p, torch.tensor([0, 3]), two)
    with pytest.raises(DataError, match="float64"):
        monotonic_align(log_p.double(), two, two)
    log_p[1, 2, 0] = float("nan")
    with pytest.raises(DataError, match="item 1, frame 2, token 0 is NaN"):
        monotonic_align(log_p, two, two)


def test_empty_batch():
    assert monotonic_align(torch.zeros(0, 4, 3), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)).shape == (
        0,
        3,
    )


def test_dispatch_obeys_the_switch(monkeypatch):
    monkeypatch.delenv("PARLANCE_KERNELS", raising=False)
    monkeypatch.setattr("vocoder.kernels.dispatch.available", lambda name: name == "numba")
    assert choose("op", "cpu", WAYS) == "numba"
    assert choose("op", "cuda", WAYS) == "reference"
    monkeypatch.setenv("PARLANCE_KERNELS", "reference")
    assert choose("op", "cpu", WAYS) == "reference"
    monkeypatch.setenv("PARLANCE_KERNELS", "triton")
    with pytest.raises(UnavailableError, match="PARLANCE_KERNELS=triton offers no implementation of op for device 'cpu'"):
        choose("op", "cpu", WAYS)
