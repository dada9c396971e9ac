"""dwconv_norm and the whole block: kernels against float64, the block against its parts as torch modules, and folding."""

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import library

from vocoder.kernels.convnext import dwconv_norm, whole_block
from vocoder.kernels.convnext.reference import block as reference_block
from vocoder.kernels.convnext.reference import conv_norm as reference
from vocoder.nn.convnext import ConvNeXtBlock, FrameConv


@pytest.fixture
def kernel(interpreter):
    from vocoder.kernels.convnext.triton_kernel import conv_norm

    return conv_norm


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def problem(B, T, C, size, causal=False, affine=True, masked=False, film=0):
    """Arguments of conv_norm; film 0 = none, 2 = one for the item, 3 = one a frame."""
    norm = (normal(C, seed=3), normal(C, seed=4)) if affine else (None, None)
    mask = (torch.arange(T) < torch.tensor([T - b for b in range(B)])[:, None])[..., None].float() if masked else None
    film = {0: None, 2: normal(B, 2 * C, seed=5), 3: normal(B, T, 2 * C, seed=6)}[film]
    return [normal(B, T, C), normal(C, 1, 1, size, seed=1), normal(C, seed=2), *norm, 1e-6, causal, mask, film]


def plain(args):
    """By the modules of torch, frame by frame, in float64."""
    x, weight, bias, gain, offset, eps, causal, mask, film = [a.double() if isinstance(a, torch.Tensor) else a for a in args]
    x = x if mask is None else x * mask
    (T, C), size = x.shape[1:], weight.shape[-1]
    lead = size - 1 if causal else size // 2
    padded = F.pad(x, (0, 0, lead, size - 1 - lead))
    y = torch.stack([(padded[:, t : t + size] * weight[:, 0, 0].T).sum(1) + bias for t in range(T)], 1)
    y = (y - y.mean(-1, keepdim=True)) / (y.var(-1, unbiased=False, keepdim=True) + eps).sqrt()
    y = y if gain is None else y * gain + offset
    if film is not None:
        film = film[:, None] if film.dim() == 2 else film
        y = y * (1 + film[..., :C]) + film[..., C:]
    return y


CASES = [
    (1, 1, 2, 3),
    (2, 17, 5, 7, True),
    (3, 9, 16, 7, False, False, True, 2),
    (2, 33, 6, 5, False, True, True, 3),
    (2, 2, 24, 7, True, False, False, 3),  # fewer frames than the kernel has
]


@pytest.mark.parametrize("case", CASES)
def test_kernel_and_reference_equal_the_plain_sums(case, kernel, guarded):
    args = problem(*case)
    expected = plain(args)
    assert torch.allclose(reference(*args).double(), expected, rtol=0, atol=2e-5)
    assert torch.allclose(guarded(kernel, *args).double(), expected, rtol=0, atol=2e-5)


BLOCKS = [  # beside sizes of the head: width between the linear layers; shares of it; channels of a weight tile
    ((1, 1, 2, 3), 5, 1, 64),
    ((2, 17, 5, 7, True), 70, 2, 256),  # a share takes two turns or three
    ((3, 9, 16, 7, False, False, True, 2), 33, 64, 256),
    ((2, 33, 6, 5, False, True, True, 3), 100, 3, 16),
]


@pytest.mark.parametrize(("case", "hidden", "shares", "tile"), BLOCKS)
@pytest.mark.parametrize("scaled", [True, False])
def test_the_block_in_one_kernel_equals_the_plain_sums(case, hidden, shares, tile, scaled, whole, guarded, monkeypatch):
    monkeypatch.setattr(whole, "SHARES", shares)
    monkeypatch.setattr(whole, "TILE", tile)
    head, C = problem(*case), case[2]
    ends = [0.3 * normal(*size, seed=30 + i) for i, size in enumerate(((hidden, C), (hidden,), (C, hidden), (C,), (C,)))]
    ends[4] = ends[4] if scaled else None
    expand, expand_bias, contract, contract_bias, gamma = (None if end is None else end.double() for end in ends)
    wide = plain(head) @ expand.T + expand_bias
    added = wide * (1 + torch.erf(wide / 2**0.5)) / 2 @ contract.T + contract_bias
    expected = head[0].double() + (added if gamma is None else gamma * added)
    assert torch.allclose(reference_block(*head, *ends).double(), expected, rtol=0, atol=5e-5)
    assert torch.allclose(guarded(whole.block, *head, *ends).double(), expected, rtol=0, atol=5e-5)


@pytest.fixture
def whole(kernel):
    from vocoder.kernels.convnext import block_kernel

    return block_kernel


def test_few_frames_of_a_trained_block_run_as_one_kernel(kernel, monkeypatch):
    monkeypatch.setattr("vocoder.kernels.convnext.choose", lambda *args: "triton")
    block, called = random_block(cond_dim=3), []
    monkeypatch.setattr("vocoder.nn.convnext.whole_block", lambda *args: called.append(len(args)) or whole_block(*args))
    x, cond = normal(2, 9, 8), normal(2, 3, seed=7)
    one = block(x, cond=cond)
    monkeypatch.setattr("vocoder.kernels.convnext.choose", lambda *args: "reference")
    assert called == [14]
    assert torch.allclose(one, block(x, cond=cond), rtol=0, atol=1e-5)
    assert called == [14]


def test_torch_knows_the_block(whole):
    block = random_block()
    conv = block.depthwise.conv
    args = (normal(1, 5, 8), conv.weight, conv.bias, block.norm.weight, block.norm.bias, 1e-6, False, None, None,
            block.expand.weight, block.expand.bias, block.contract.weight, block.contract.bias, block.gamma)  # fmt: skip
    library.opcheck(whole.block, args, test_utils=("test_schema", "test_autograd_registration", "test_faketensor"))


def test_padding_beyond_an_items_end_changes_nothing(kernel):
    args = problem(2, 12, 6, 7, masked=True)
    alone = [a[1:, :11] if i in (0, 7) else a for i, a in enumerate(args)]
    assert torch.equal(kernel(*args)[1, :11], kernel(*alone)[0])


def test_strided_input(kernel):
    args = problem(2, 8, 6, 3)
    turned = [args[0].transpose(1, 2).contiguous().transpose(1, 2), *args[1:]]
    assert torch.equal(kernel(*turned), kernel(*args))


def test_torch_knows_the_op(kernel):
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    library.opcheck(kernel, tuple(problem(2, 5, 4, 3, masked=True, film=2)), test_utils=tests)


def test_training_keeps_to_the_reference(monkeypatch):
    """The kernel has no backward; a stub that cannot answer shows that it is not asked."""
    monkeypatch.setattr("vocoder.kernels.convnext.choose", lambda *args: "triton")
    args = problem(1, 6, 4, 3)
    weight = args[1].requires_grad_()
    dwconv_norm(args[0], weight, *args[2:]).sum().backward()
    assert weight.grad.abs().sum() > 0


@pytest.mark.parametrize("causal", [False, True])
def test_block_is_its_parts_to_the_bit(causal):
    block = random_block(cond_dim=3, causal=causal)
    x, cond, mask = normal(2, 11, 8), normal(2, 3, seed=7), torch.ones(2, 11, 1)
    mask[1, 7:] = 0
    conv = nn.Conv2d(8, 8, (1, 7), padding=(0, 0 if causal else 3), groups=8)
    conv.load_state_dict(block.depthwise.conv.state_dict())
    masked = F.pad(x * mask, (0, 0, 6 if causal else 0, 0))
    y = block.norm(conv(masked.transpose(1, 2).unsqueeze(2)).squeeze(2).transpose(1, 2))
    scale, shift = block.film.linear(cond)[:, None].chunk(2, dim=-1)
    y = y * (1 + scale) + shift
    expected = x + block.gamma * block.contract(F.gelu(block.expand(y)))
    assert torch.equal(block(x, mask, cond), expected)


def random_block(cond_dim=None, causal=False):
    """Every parameter different from where training starts, so that none can be forgotten."""
    block = ConvNeXtBlock(8, 12, cond_dim=cond_dim, causal=causal).eval().requires_grad_(False)
    for i, parameter in enumerate(block.parameters()):
        parameter.copy_(0.5 * normal(*parameter.shape, seed=20 + i))
    return block


def test_kernel_compiles_for_real_devices(compile_for_gpu):
    names = ("x", "weight", "bias", "mask", "norm_weight", "norm_bias", "film", "y")
    types = dict.fromkeys(names, "*fp32") | dict(T="i32", eps="fp32")
    sizes = dict(C=256, SIZE=7, LEAD=3, FILM_T=True, BLOCK_T=16, BLOCK_C=256)
    compile_for_gpu("vocoder.kernels.convnext.triton_kernel", "convolve", types, sizes)
    bare = dict.fromkeys(("mask", "norm_weight", "norm_bias", "film"))
    types = {name: kind for name, kind in types.items() if name not in bare}
    compile_for_gpu("vocoder.kernels.convnext.triton_kernel", "convolve", types, sizes | bare | dict(C=192))


def test_block_compiles_for_real_devices(compile_for_gpu):
    names = ("x", "weight", "bias", "mask", "norm_weight", "norm_bias", "film", "expand", "expand_bias", "contract",
             "contract_bias", "gamma", "parts", "y")  # fmt: skip
    types = dict.fromkeys(names, "*fp32") | dict(done="*i32", T="i32", N="i32", eps="fp32")
    sizes = dict(C=256, H=768, SIZE=7, LEAD=3, FILM_T=False, SHARES=48, BLOCK_T=16, BLOCK_C=256, BLOCK_H=16)
    compile_for_gpu("vocoder.kernels.convnext.block_kernel", "compute", types, sizes, shared=100 * 1024)


@pytest.mark.parametrize("causal", [False, True])
def test_without_gradients_convolutions_meet_few_lengths_and_say_the_same(causal, monkeypatch):
    conv, met, conv2d, conv1d = FrameConv(3, 4, 7, causal), {1: set(), 2: set()}, F.conv2d, F.conv1d
    problems = [(problem(1, T, 4, 7, causal), normal(1, T, 3)) for T in range(1, 200)]
    wanted = [(reference(*args), conv(x)) for args, x in problems]
    monkeypatch.setattr(F, "conv2d", lambda x, *args, **how: met[2].add(x.shape[-1]) or conv2d(x, *args, **how))
    monkeypatch.setattr(F, "conv1d", lambda x, *args, **how: met[1].add(x.shape[-1]) or conv1d(x, *args, **how))
    with torch.inference_mode():
        found = [(reference(*args), conv(x)) for args, x in problems]
    assert len(met[1]) == len(met[2]) == 8 + 4 * 4 + 3  # 1 to 8, four an octave up to 128, then 160, 192 and 224
    for a, b in zip(found, wanted, strict=True):
        assert all(x.shape == y.shape and torch.allclose(x, y, atol=2e-6) for x, y in zip(a, b, strict=True))
