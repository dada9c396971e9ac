"""What all quantisers promise: shapes, dropout of stages an item, masks, float32, determinism, files, and errors that fall."""

import itertools

import pytest
import torch

from codec.quantize import KINDS, quantizer_classes
from codec.quantize.base import UNUSED, ChainConfig, exported
from tts.base.errors import DataError, ModelError, UsageError
from vocoder.nn.checkpoint import load_into
from vocoder.nn.config import from_dict, to_dict

every = pytest.mark.parametrize("kind", KINDS)

DIM = 24


@every
def test_error_falls_with_every_stage(kind, latents, fitted):
    quantizer = fitted(kind)
    errors = [(quantizer.decode(quantizer.encode(latents, n_q)) - latents).square().mean().item() for n_q in range(3, 9)]
    assert all(more < 0.93 * less for less, more in itertools.pairwise(errors))
    assert errors[-1] < 0.35 * latents.square().mean()  # 48 bits a frame


@every
def test_no_stage_starves(kind, latents, fitted):
    usage = fitted(kind).eval()(latents).usage
    assert (usage["perplexity"] > 20).all() and (usage["used"] > 0.4).all()  # of 64 codes, in 320 frames
    assert (usage["residual"] < 1).all() and (usage["residual"][4:] < usage["residual"][3:-1]).all()


@every
def test_forward_encode_and_decode_agree(kind, latents, fitted):
    quantizer = fitted(kind).eval()
    out = quantizer(latents)
    assert torch.equal(out.codes, quantizer.encode(latents)) and out.codes.shape == (8, 8, 40)
    assert torch.equal(out.quantized, quantizer.decode(out.codes)) and out.quantized.dtype == torch.float32
    for n_q in range(3, 9):
        assert torch.equal(quantizer.encode(latents, n_q), out.codes[:, :n_q])
        assert torch.equal(quantizer(latents, n_q).quantized, quantizer.decode(out.codes[:, :n_q]))


@every
def test_every_item_may_have_its_own_number_of_stages(kind, latents, fitted):
    quantizer = fitted(kind).eval()
    n_q = torch.tensor([3, 4, 5, 6, 7, 8, 3, 8])
    out = quantizer(latents, n_q)
    assert torch.equal(out.n_q, n_q)
    for b, n in enumerate(n_q.tolist()):
        assert (out.codes[b, n:] == UNUSED).all() and (out.codes[b, :n] >= 0).all()
        assert torch.equal(out.quantized[b], quantizer.decode(out.codes[b : b + 1, :n])[0])
    assert torch.equal(quantizer.decode(out.codes), out.quantized)


@every
def test_training_draws_fewer_stages_for_half_of_the_items(kind, make, generator):
    quantizer = make(kind)
    drawn = quantizer.draw_n_q(6000, generator(0))
    counts = torch.bincount(drawn, minlength=9)
    assert not counts[:3].any() and (counts[3:8] - 500).abs().max() < 80 and abs(counts[8] - 3500) < 130
    assert torch.equal(drawn, quantizer.draw_n_q(6000, generator(0)))
    quantizer.train()
    assert torch.equal(quantizer(torch.zeros(4, 1, DIM), generator=generator(5)).n_q, quantizer.draw_n_q(4, generator(5)))
    assert quantizer.eval()(torch.zeros(4, 1, DIM)).n_q.tolist() == [8] * 4


@every
def test_padding_counts_for_nothing(kind, latents, fitted, generator):
    mask = torch.arange(40) < torch.randint(1, 41, (8,), generator=generator(1))[:, None]
    outs, grads, states = [], [], []
    for padding in (0.0, 1e4):
        quantizer = fitted(kind).train()
        x = torch.where(mask[..., None], latents, padding).requires_grad_()
        for step in range(6):  # the fifth replaces dead codes
            out = quantizer(x, mask=mask, generator=generator(step))
        outs.append(out)
        if out.losses:
            grads.append(torch.autograd.grad(sum(out.losses.values()), x)[0])
        states.append(quantizer.state_dict())
    assert all(torch.equal(outs[0].losses[name], outs[1].losses[name]) for name in outs[0].losses)
    assert all(torch.equal(outs[0].usage[name], outs[1].usage[name]) for name in outs[0].usage)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert torch.equal(outs[0].codes.transpose(1, 2)[mask], outs[1].codes.transpose(1, 2)[mask])
    if grads:
        assert grads[0][mask].any() and not grads[1][~mask].any() and torch.equal(grads[0][mask], grads[1][mask])


@every
def test_autocast_changes_nothing(kind, latents, fitted):
    quantizer = fitted(kind).eval()
    plain = quantizer(latents)
    with torch.autocast("cpu", torch.bfloat16):
        cast = quantizer(latents)
        assert torch.equal(quantizer.encode(latents), plain.codes) and torch.equal(quantizer.decode(plain.codes), plain.quantized)
    assert torch.equal(cast.quantized, plain.quantized) and torch.equal(cast.codes, plain.codes)
    assert all(torch.equal(cast.losses[name], plain.losses[name]) for name in plain.losses)


@every
def test_the_generator_decides_and_no_global_state_moves(kind, latents, fitted, generator):
    before = torch.random.get_rng_state()
    states = []
    for _ in range(2):
        quantizer = fitted(kind).train()
        for step in range(5):
            quantizer(latents, generator=generator(step))
        states.append(quantizer.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert torch.equal(before, torch.random.get_rng_state())


@every
def test_what_is_exported_is_all_that_a_new_quantiser_needs(kind, latents, fitted, make):
    quantizer = fitted(kind).train()
    quantizer(latents)
    state, fresh = quantizer.export_state(), make(kind)
    load_into(fresh, state)
    assert torch.equal(fresh.encode(latents), quantizer.encode(latents))
    assert not any("ema" in name for name in state) and set(state) == set(fresh.state_dict())
    around = {f"quantizer.{name}": value for name, value in quantizer.state_dict().items()}
    assert set(exported(around)) == {f"quantizer.{name}" for name in state}


@every
def test_empty_input(kind, fitted):
    quantizer = fitted(kind).train()
    for shape in ((0, 5, DIM), (2, 0, DIM)):
        out = quantizer(torch.zeros(shape))
        assert out.quantized.shape == shape and all(loss == 0 for loss in out.losses.values())
        assert quantizer.decode(quantizer.encode(torch.zeros(shape))).shape == shape


@every
def test_configs_survive_json(kind):
    _, config = quantizer_classes(kind)
    assert from_dict(config, to_dict(config(dim=30, n_q=5))) == config(dim=30, n_q=5)


def test_block_plan():
    plan = ChainConfig(dim=128, n_q=5, n_product=3).blocks  # Language-Codec's cuts: 128 // 3 and 2 * 128 // 3
    assert plan == ((0, 42), (42, 43), (85, 43), (0, 128), (0, 128))
    assert ChainConfig(n_product=3).blocks[:4] == ((0, 64), (64, 64), (128, 64), (0, 192))
    with pytest.raises(ModelError, match="3 product stages of at least 2 of 8 over 192 channels"):
        ChainConfig(n_product=3, n_q_min=2)
    with pytest.raises(ModelError, match="levels are"):
        quantizer_classes("fsq")[1](levels=(8, 1))
    with pytest.raises(ModelError, match="quantiser 'vq' is unknown"):
        quantizer_classes("vq")


def test_refusals(latents, fitted, sample):
    quantizer = fitted("mcrvq")
    with pytest.raises(UsageError, match=r"n_q is \[2\]. Give 3 to 8 stages"):
        quantizer.encode(latents, 2)
    with pytest.raises(UsageError, match="n_q"):
        quantizer(latents, 9)
    with pytest.raises(DataError, match=r"latent is torch.float32 of shape \[8, 40\]"):
        quantizer(latents[..., 0])
    with pytest.raises(DataError, match=r"mask is torch.float32"):
        quantizer(latents, mask=torch.ones(8, 40))
    with pytest.raises(DataError, match=r"codes run from 0 to 64, the books hold 0..63"):
        quantizer.decode(torch.tensor([[[0, 64]]]))
    with pytest.raises(DataError, match=r"codes are torch.int32"):
        quantizer.decode(torch.zeros(1, 3, 4, dtype=torch.int32))
    with pytest.raises(DataError, match=r"511 latents for 64 codes. Collect at least 512"):
        quantizer.initialise(sample(511, seed=0))
    with pytest.raises(DataError, match="not finite"):
        quantizer.initialise(torch.full((600, DIM), float("nan")))
