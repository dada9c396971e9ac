"""The Fourier head's ops: kernels against float64, and the reference against the formulas."""

import math

import pytest
import torch
from torch import library

from vocoder.kernels.fourier_head import overlap_add, polar_spectrum, reference


@pytest.fixture
def kernels(interpreter):
    from vocoder.kernels.fourier_head import triton_kernel

    return triton_kernel


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def head(rows, bins, parts):
    """[1, rows, parts * bins] outputs: some gains beyond the limits, some phases of many turns."""
    outputs = normal(1, rows, parts * bins) * 2
    outputs[..., 0], outputs[..., bins - 1] = 9.0, -40.0
    outputs[..., bins : 2 * bins] *= 1000
    return outputs


def test_reference_is_the_formula():
    outputs = torch.tensor([[[0.0, math.log(3), 9.0, 0.0, math.pi / 2, math.pi]]])
    assert torch.allclose(polar_spectrum(outputs), torch.tensor([[[1, 3j, -100]]], dtype=torch.complex64), atol=2e-5)
    outputs = torch.tensor([[[0.5, math.pi / 2, 1.0]]])
    h, n, prior = torch.tensor([[[2 + 1j]]]), torch.tensor([[[3j]]]), torch.tensor([[[0.25]]])
    expected = (2 + 1j) * 1j * math.exp(0.75) + 3j * math.exp(0.25)
    assert reference.excited_spectrum(outputs, prior, h, n).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 1025)])
def test_spectra_of_the_kernels(shape, kernels, guarded):
    rows, bins = shape
    outputs = head(rows, bins, 2)
    expected = reference.polar_spectrum(outputs.double())
    assert torch.allclose(guarded(kernels.polar_spectrum, outputs).to(expected.dtype), expected, rtol=2e-6, atol=1e-30)
    outputs, prior = head(rows, bins, 3), normal(1, rows, bins, seed=1)
    harmonics, noise = (normal(1, rows, bins, seed=s, dtype=torch.complex64) for s in (2, 3))
    expected = reference.excited_spectrum(outputs.double(), prior.double(), harmonics.cdouble(), noise.cdouble())
    found = guarded(kernels.excited_spectrum, outputs, prior, harmonics, noise)
    assert ((found - expected).abs() <= 4e-6 * (harmonics.abs() + noise.abs()) * math.exp(5)).all()
    turned = guarded(kernels.excited_spectrum, outputs, prior, harmonics.conj(), noise)  # conj is a flag of torch, not memory
    assert torch.equal(turned, guarded(kernels.excited_spectrum, outputs, prior, harmonics.conj().resolve_conj(), noise))


@pytest.mark.parametrize("case", [(1, 1, 4, 1), (2, 3, 12, 3), (3, 7, 20, 5), (1, 30, 160, 40), (2, 2, 6, 6)])
def test_overlap_add_is_the_plain_loop(case, kernels, guarded):
    B, T, size, hop = case
    frames, window, envelope = normal(B, T, size), normal(size, seed=1), normal(1, T * hop, seed=2).abs() + 0.5
    whole = torch.zeros(B, (T - 1) * hop + size, dtype=torch.float64)
    for t in range(T):
        whole[:, t * hop : t * hop + size] += frames[:, t].double() * window
    pad = (size - hop) // 2
    expected = whole[:, pad : pad + T * hop] / envelope
    for form in (overlap_add, lambda *args: guarded(kernels.overlap_add, *args)):
        assert torch.allclose(form(frames, window, envelope, hop).double(), expected, rtol=1e-5, atol=1e-5)


def test_torch_knows_the_ops(kernels):
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    pair = normal(1, 2, 3, dtype=torch.complex64)
    for op, args in (
        (kernels.polar_spectrum, (normal(1, 2, 6),)),
        (kernels.excited_spectrum, (normal(1, 2, 9), normal(1, 2, 3), pair, pair)),
        (kernels.overlap_add, (normal(1, 2, 8), normal(8), torch.ones(1, 4), 2)),
    ):
        library.opcheck(op, args, test_utils=tests)


def test_training_keeps_to_the_reference(monkeypatch):
    """The kernels have no backward; the answer "triton" must not reach them where autograd watches."""
    monkeypatch.setattr("vocoder.kernels.fourier_head.choose", lambda *args: "triton")
    frames = normal(1, 3, 8).requires_grad_()
    overlap_add(frames, torch.ones(8), torch.ones(1, 6), 2).sum().backward()
    assert frames.grad.abs().sum() > 0


def test_kernels_compile_for_real_devices(compile_for_gpu):
    module, real = "vocoder.kernels.fourier_head.triton_kernel", "*fp32"
    types = dict(outputs=real, prior=real, harmonics=real, noise=real, spectrum=real, bins="i32")
    compile_for_gpu(module, "filter_pair", types, dict(BLOCK=1024))
    compile_for_gpu(module, "polar", dict(outputs=real, spectrum=real, bins="i32"), dict(BLOCK=1024))
    types = dict(frames=real, window=real, envelope=real, wav=real, T="i32", HOP="i32")
    compile_for_gpu(module, "gather", types, dict(PARTS=4, BLOCK=1024))
