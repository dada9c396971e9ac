"""snake: both forms and their gradients against float64, and its user, the encoder."""

import pytest
import torch
from torch import library

from codec.encoder import SeanetEncoder
from tts.base.errors import DataError
from vocoder.kernels.snake import snake
from vocoder.kernels.snake.reference import activate as reference


@pytest.fixture
def kernel(interpreter):
    from vocoder.kernels.snake import triton_kernel

    return triton_kernel


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def problem(B, C, T):
    alpha = torch.cat([torch.tensor([1.0, 0.0, -0.5]), 3 * normal(C, seed=1)])[:C]
    x = normal(B, C, T) * 3
    x[..., :1] *= 1e4  # thousands of turns
    return x, alpha


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 1023), (3, 5, 1030)])
def test_kernel_equals_float64(shape, kernel, guarded):
    x, alpha = problem(*shape)
    a = alpha.double()[:, None]
    exact = x.double() + (alpha[:, None] * x).double().sin().square() / (a + 1e-9)  # the angle is rounded to float32
    for found in (reference(x, alpha), guarded(kernel.activate, x, alpha)):
        assert torch.allclose(found.double(), exact, rtol=1e-6, atol=2e-6)
    assert torch.equal(kernel.activate(x.mT.contiguous().mT, alpha), kernel.activate(x, alpha))


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 1023), (3, 5, 1030)])
def test_gradients_equal_those_of_float64(shape, kernel, guarded):
    x, alpha = normal(*shape), torch.linspace(0.3, 2, shape[1])
    grad = normal(*shape, seed=5)
    exact = [tensor.double().requires_grad_() for tensor in (x, alpha)]
    expected = torch.autograd.grad(reference(*exact), exact, grad.double())
    direct = guarded(kernel.gradients, x, alpha, grad)
    leaves = [x.requires_grad_(), alpha.requires_grad_()]
    found = torch.autograd.grad(kernel.activate(*leaves), leaves, grad)
    for a, b, c in zip(found, expected, direct, strict=True):
        assert torch.equal(a, c) and torch.allclose(a.double(), b, rtol=1e-5, atol=1e-5 * float(b.abs().max()))


def test_torch_knows_the_ops(kernel):
    x, alpha = normal(2, 3, 5), torch.ones(3)
    library.opcheck(kernel.activate, (x.requires_grad_(), alpha.requires_grad_()))
    tests = ("test_schema", "test_faketensor")
    library.opcheck(kernel.gradients, (x.detach(), alpha.detach(), normal(2, 3, 5)), test_utils=tests)


def test_an_encoder_learns_its_frequencies():
    encoder = SeanetEncoder(12, 4, activation="snake")
    encoder(0.1 * normal(2, 640)).square().mean().backward()
    frequencies = {name: p for name, p in encoder.named_parameters() if name.endswith("alpha")}
    assert len(frequencies) == 3 * 4 + 1 and all(p.grad.any() for p in frequencies.values())


def test_refusals():
    with pytest.raises(DataError, match=r"alpha torch.float32 of shape \[2\]"):
        snake(normal(1, 3, 4), torch.ones(2))
    with pytest.raises(DataError, match=r"x is torch.float64"):
        snake(normal(1, 3, 4).double(), torch.ones(3))


def test_kernels_compile_for_real_devices(compile_for_gpu):
    types = dict(x="*fp32", alpha="*fp32", y="*fp32", C="i32", T="i32")
    compile_for_gpu("vocoder.kernels.snake.triton_kernel", "forth", types, dict(BLOCK=1024))
    types = dict(x="*bf16", alpha="*bf16", grad="*bf16", dx="*bf16", parts="*fp32", C="i32", T="i32")
    compile_for_gpu("vocoder.kernels.snake.triton_kernel", "back", types, dict(BLOCK=1024))
