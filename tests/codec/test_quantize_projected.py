"""Factorised and scalar quantisers: their gradient is that of their projections, they learn, and later stages have work."""

import pytest
import torch

from codec.quantize.fsq import FsqStage

DIM = 24


@pytest.mark.parametrize("n_product", [0, 3])
@pytest.mark.parametrize("n_q", range(3, 9))
def test_factorized_gradient_is_that_of_the_chain_without_rounding(n_q, n_product, latents, fitted, generator):
    """d out / d z = 1 - product over stages of (1 - up down); an estimator around each stage's residual would add up instead."""
    quantizer = fitted("factorized", n_product=n_product).train()
    rest = torch.eye(DIM)
    for stage, (start, width) in list(zip(quantizer.stages, quantizer.config.blocks, strict=True))[:n_q]:
        projection = torch.zeros(DIM, DIM)
        projection[start : start + width, start : start + width] = stage.up.weight @ stage.down.weight
        rest = (torch.eye(DIM) - projection) @ rest
    upstream = torch.randn(latents.shape, generator=generator(0))
    latents.requires_grad_()
    quantizer(latents, n_q).quantized.backward(upstream)
    assert torch.allclose(latents.grad, upstream @ (torch.eye(DIM) - rest).detach(), atol=1e-4)
    assert latents.grad.norm() < 1.5 * upstream.norm()  # whatever n_q


@pytest.mark.parametrize("kind", ["factorized", "fsq"])
def test_gradients_reach_all_parameters_and_reduce_the_error(kind, latents, make, sample, generator):
    quantizer = make(kind).train()  # from random projections, without looking at data
    optimizer = torch.optim.Adam(quantizer.parameters(), 3e-3)
    errors = []
    for step in range(120):
        batch = sample(320, seed=50 + step).view(8, 40, DIM)
        out = quantizer(batch, generator=generator(step))
        error = (out.quantized - batch).square().mean()
        optimizer.zero_grad()
        (error + out.losses.get("codebook", 0) + 0.25 * out.losses.get("commitment", 0)).backward()
        assert step or all(p.grad is not None and p.grad.any() for p in quantizer.parameters())
        optimizer.step()
        errors.append(error.item())
    assert sum(errors[-10:]) < 0.6 * sum(errors[:10])


def test_factorized_losses_draw_codes_and_latents_together(latents, fitted):
    quantizer = fitted("factorized").train()
    latents.requires_grad_()
    out = quantizer(latents)
    assert torch.equal(out.losses["commitment"], out.losses["codebook"])
    (book,) = torch.autograd.grad(out.losses["codebook"], quantizer.stages[0].book, retain_graph=True)
    assert book.any() and torch.autograd.grad(out.losses["codebook"], latents, retain_graph=True, allow_unused=True)[0] is None
    assert torch.autograd.grad(out.losses["commitment"], latents)[0].any()


def test_factorized_codes_do_not_depend_on_the_length_of_points(fitted, generator):
    stage = fitted("factorized").stages[0]
    with torch.no_grad():
        stage.down.bias.zero_()
    parts = torch.randn(50, DIM, generator=generator(0))
    assert torch.equal(stage.encode(parts), stage.encode(parts * 8))


def test_fsq_codes_are_the_mixed_radix_numbers_of_their_digits():
    stage = FsqStage(4, (8, 5, 5, 5))
    with torch.no_grad():
        for layer in (stage.down, stage.up):
            layer.weight.copy_(torch.eye(4))
            layer.bias.zero_()
    codes = torch.arange(1000)
    values = stage.decode(codes)  # in units of half the levels
    assert len(values.unique(dim=0)) == 1000
    assert values.amin(0).tolist() == [-1, -1, -1, -1] and values.amax(0).tolist() == [0.75, 1, 1, 1]
    half, offset = torch.tensor([7, 4, 4, 4]) * 0.999 / 2, torch.tensor([0.5, 0, 0, 0])
    digits = values * torch.tensor([4, 2, 2, 2])
    inverse = torch.atanh(((digits + offset) / half).clamp(-0.9999, 0.9999)) - torch.atanh(offset / half)
    assert torch.equal(stage.encode(inverse), codes)
    assert values[stage.encode(torch.zeros(1, 4))].tolist() == [[0, 0, 0, 0]]


def test_fsq_stages_with_one_scale_for_all_would_starve(latents, fitted):
    quantizer = fitted("fsq").eval()
    scales = torch.stack([stage.log_scale.exp().mean() for stage in quantizer.stages])
    assert (scales[1:] < scales[:-1]).all()
    own = quantizer(latents).usage["perplexity"]
    with torch.no_grad():
        for stage in quantizer.stages[1:]:
            stage.log_scale.copy_(quantizer.stages[0].log_scale)
    shared = quantizer(latents).usage["perplexity"]
    assert own[-1] > 30 and shared[-1] < 12
