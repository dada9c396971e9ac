"""Discriminators and spectral losses: shapes, gradients, and the values that their formulas give."""

import math

import pytest
import torch

from recipes.adversarial import Discriminators, MelDiscriminators, discriminator_loss, feature_loss, generator_loss
from recipes.losses import MEL_SCALES, multi_scale_mel_loss

SAMPLES = 8 * 512


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def judges():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Discriminators(periods=(2, 3), resolutions=(512, 256), width=4)


def test_every_judge_speaks_about_every_item_and_keeps_its_features(judges):
    logits, features = judges(0.1 * noise(3, SAMPLES))
    assert len(logits) == len(features) == 4
    assert all(len(x) == 3 and torch.isfinite(x).all() for x in logits)
    assert all(len(maps) == 4 and all(len(m) == 3 for m in maps) for maps in features)


def test_a_batch_is_its_rows(judges):
    wav = 0.1 * noise(2, SAMPLES)
    batch, alone = judges(wav), judges(wav[1:])
    for a, b in zip(batch[0], alone[0], strict=True):
        assert torch.allclose(a[1:], b, atol=1e-5)


def test_gradients_reach_every_weight_and_the_sound_even_at_silence(judges):
    fake = torch.cat([0.1 * noise(1, SAMPLES), torch.zeros(1, SAMPLES)]).requires_grad_()
    logits, maps = judges(fake)
    with torch.no_grad():
        real_logits, real_maps = judges(0.1 * noise(2, SAMPLES, seed=1))
    (discriminator_loss(real_logits, logits) + feature_loss(real_maps, maps)).backward()
    assert torch.isfinite(fake.grad).all() and fake.grad[0].abs().sum() > 0
    for name, parameter in judges.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_hinge_losses_have_their_closed_forms():
    real, fake = [torch.tensor([2.0, 0.5]), torch.tensor([[-1.0]])], [torch.tensor([-3.0, 0.0]), torch.tensor([[0.5]])]
    # judge 1: relu(1 - r) = 0, .5 and relu(1 + f) = 0, 1; judge 2: 2 and 1.5
    assert float(discriminator_loss(real, fake)) == pytest.approx(((0.25 + 0.5) + (2.0 + 1.5)) / 2)
    assert float(generator_loss(fake)) == pytest.approx(((4 + 1) / 2 + 0.5) / 2)
    assert float(discriminator_loss([torch.ones(3)], [-torch.ones(3)])) == 0.0
    maps = [[torch.zeros(2), torch.ones(4)]], [[torch.ones(2), torch.ones(4) * 4]]
    assert float(feature_loss(*maps)) == pytest.approx((1 + 3) / 2)


def test_features_of_the_real_are_not_taught():
    real, fake = torch.ones(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    feature_loss([[real]], [[fake]]).backward()
    assert real.grad is None and fake.grad is not None


def test_mel_judges_look_at_the_window_that_places_name():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        judges = MelDiscriminators(windows=(8, 16), width=4)
    mel = noise(2, 40, 100) - 5
    logits, maps = judges(mel, torch.tensor([0.0, 0.999]))
    assert len(logits) == 2 and len(maps[0]) == 3
    changed = mel.clone()
    changed[0, 16:] += 1  # behind both windows of the first item
    changed[1, :24] += 1  # before both windows of the second
    again, _ = judges(changed, torch.tensor([0.0, 0.999]))
    assert all(torch.equal(a, b) for a, b in zip(logits, again, strict=True))
    moved, _ = judges(mel, torch.tensor([0.5, 0.5]))
    assert not any(torch.allclose(a, b) for a, b in zip(logits, moved, strict=True))


def test_mel_judges_whose_window_does_not_fit_stay_silent():
    judges = MelDiscriminators(windows=(8, 16), width=4)
    assert len(judges(noise(1, 10, 100), torch.zeros(1))[0]) == 1


def test_the_mel_loss_is_zero_for_equals_and_the_log_of_a_gain_otherwise():
    wav = 0.3 * noise(2, SAMPLES)
    assert float(multi_scale_mel_loss(wav, wav)) == 0.0
    assert float(multi_scale_mel_loss(wav, wav / 2)) == pytest.approx(math.log(2), rel=1e-3)
    fake = (wav / 2).requires_grad_()
    multi_scale_mel_loss(wav, fake).backward()
    assert torch.isfinite(fake.grad).all() and fake.grad.abs().sum() > 0


def test_the_scales_of_the_loss_divide_the_crops():
    assert all(SAMPLES % hop == 0 or 64 * 320 % hop == 0 for _, hop, _ in MEL_SCALES)
    assert all(n_fft % hop == 0 for n_fft, hop, _ in MEL_SCALES)
