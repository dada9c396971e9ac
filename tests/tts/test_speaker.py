"""The speaker encoder: one vector of length one for speech of any length, padding without effect, who speaks told apart."""

import numpy as np
import pytest
import torch

from recipes.evaluate.verification import equal_error_rate
from tts.base.errors import DataError, ModelError
from tts.models.speaker import STRIDE, WINDOW, Ecapa, EcapaConfig, SpeakerEncoder

SMALL = EcapaConfig(channels=(16, 16, 16, 16, 32), attention_channels=8, se_channels=8, dim=12)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return SpeakerEncoder(Ecapa(SMALL), {})


def mel(n, seed=0):
    return np.random.default_rng(seed).normal(-5, 2, (n, 100)).astype(np.float32)


@pytest.mark.parametrize("n", [30, 31, WINDOW, WINDOW + 1, 3 * WINDOW + STRIDE // 2])
def test_speech_of_any_length_gives_one_vector_of_length_one(encoder, n):
    vector = encoder.embed(mel(n))
    assert vector.shape == (12,) and vector.dtype == np.float32
    assert abs(np.linalg.norm(vector) - 1) < 1e-5


def test_too_short_is_refused_with_its_length(encoder):
    with pytest.raises(DataError, match="29 frames"):
        encoder.embed(mel(29))


def test_level_and_colour_of_the_recording_do_not_count(encoder):
    tilt = np.linspace(-1, 1, 100, dtype=np.float32)
    np.testing.assert_allclose(encoder.embed(mel(200) + tilt + 0.7), encoder.embed(mel(200)), atol=1e-4)


def test_bands_that_narrow_recordings_lack_do_not_count(encoder):
    other = mel(200)
    other[:, SMALL.n_bands :] = -11.5
    np.testing.assert_array_equal(encoder.embed(other), encoder.embed(mel(200)))


def test_padding_in_a_batch_changes_nothing(encoder):
    """But for the reflection at the end of speech, which hears the padding: a few frames of two hundred."""
    one, other = torch.from_numpy(mel(200)), torch.from_numpy(mel(120, 1))
    batch = torch.full((2, 200, 100), -11.5)
    batch[0], batch[1, :120] = one, other
    vectors = encoder(batch, torch.tensor([200, 120]))
    torch.testing.assert_close(vectors[0], encoder(one[None])[0], atol=1e-5, rtol=0)
    assert float(vectors[1] @ encoder(other[None])[0]) > 0.98


def test_its_judgement_has_a_gradient_in_the_mel(encoder):
    given = torch.from_numpy(mel(100))[None].requires_grad_()
    encoder(given).sum().backward()
    assert given.grad[..., : SMALL.n_bands].abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in encoder.model.parameters())


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "x.ckpt").write_bytes(b"no zip, no tensors")
    with pytest.raises(ModelError, match="no checkpoint"):
        Ecapa.load_speechbrain(tmp_path / "x.ckpt")


def test_equal_error_rate_of_known_cosines():
    vectors = np.array([[1, 0], [0.9, np.sqrt(1 - 0.81)], [0, 1], [np.sqrt(1 - 0.81), 0.9]])
    found = equal_error_rate(vectors, ["a", "a", "b", "b"])
    assert found.rate == 0 and found.same_pairs == 2 and found.different_pairs == 4
    assert found.different < found.threshold <= 0.9
    confused = equal_error_rate(vectors, ["a", "b", "a", "b"])
    assert confused.rate >= 0.5
    with pytest.raises(DataError):
        equal_error_rate(vectors, ["a"] * 4)
