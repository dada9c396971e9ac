"""The Fourier vocoder, tiny: both forms, what projection brings, gradients, reach of a frame, chunks without a trace."""

import numpy as np
import pytest
import torch

from tts.base.errors import DataError, ModelError
from tts.base.rng import normal
from vocoder.api import CHUNK, FIRST_CHUNK, Vocoder
from vocoder.audio.frames import HOP_LENGTH
from vocoder.audio.mel import log_mel
from vocoder.excitation import pulse_train
from vocoder.fourier import FORMS, FourierVocoder, VocoderConfig


def tiny(form="excited", n_projections=1, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = FourierVocoder(VocoderConfig(form, dim=8, hidden=16, n_blocks=1, n_projections=n_projections))
        for parameter in model.parameters():  # zero-initialised layers would hide what lies before them
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.02)
    return model.eval()


def speech_like(n_frames, seed=0):
    """(mel [1, T, 100], f0 [1, T]) of a buzz with three formants and a pause."""
    f0 = torch.full((1, n_frames), 140.0)
    f0[:, n_frames // 2 : n_frames * 2 // 3] = 0
    wav = pulse_train(f0) * 0.05 + 0.003 * torch.from_numpy(normal(seed, "speech", (1, n_frames * HOP_LENGTH)))
    spectrum = torch.fft.rfft(wav)
    hz = torch.linspace(0, 12_000, spectrum.shape[1])
    shape = sum(1 / (1 + ((hz - f) / 150) ** 2) for f in (600, 1500, 2500)) + 0.02
    return log_mel(torch.fft.irfft(spectrum * shape, n=wav.shape[1])), f0


def noise(n_frames, seed=0):
    return torch.from_numpy(normal(seed, "noise", (1, n_frames * HOP_LENGTH)))


@pytest.mark.parametrize("form", FORMS)
def test_t_frames_become_320_t_samples_and_the_same_noise_the_same_samples(form):
    model, (mel, f0) = tiny(form), speech_like(9)
    with torch.inference_mode():
        a, b = model(mel, f0, noise(9)), model(mel, f0, noise(9))
        other = model(mel, f0, noise(9, seed=1))
    assert a.shape == (1, 9 * HOP_LENGTH) and torch.isfinite(a).all()
    assert torch.equal(a, b)
    assert torch.equal(a, other) == (form == "mel")


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_is_its_rows(form):
    model, (mel, f0) = tiny(form), speech_like(12)
    mels, f0s = torch.cat([mel, mel.flip(1)]), torch.cat([f0, f0 * 1.3])
    noises = torch.cat([noise(12), noise(12, 1)])
    with torch.inference_mode():
        batch = model(mels, f0s, noises)
        rows = [model(mels[i : i + 1], f0s[i : i + 1], noises[i : i + 1]) for i in range(2)]
    assert torch.allclose(batch, torch.cat(rows), atol=1e-5)


def test_each_projection_brings_the_mel_nearer():
    mel, f0 = speech_like(60)
    errors = []
    for n in range(3):
        with torch.inference_mode():
            errors.append(float((log_mel(tiny(n_projections=n)(mel, f0, noise(60))) - mel).abs().mean()))
    assert errors[1] < 0.85 * errors[0] and errors[2] < 0.95 * errors[1], errors
    assert errors[2] < 0.35  # untrained, and already close: measured 0.2


@pytest.mark.parametrize("form", FORMS)
def test_gradients_reach_every_parameter(form):
    model, (mel, f0) = tiny(form).train(), speech_like(10)
    model(mel, f0, noise(10)).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all() and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("form", FORMS)
def test_nothing_beyond_the_receptive_field_hears_a_frame(form):
    model, (mel, f0) = tiny(form), speech_like(70)
    changed = mel.clone()
    changed[:, 35] += 2.0
    with torch.inference_mode():
        difference = (model(mel, f0, noise(70)) - model(changed, f0, noise(70)))[0].view(70, HOP_LENGTH).abs().amax(1)
    far = torch.arange(70).sub(35).abs() > model.config.receptive_field
    assert far.sum() > 20
    assert float(difference[far].max()) < 1e-6 < float(difference[35])


def test_chunks_leave_no_trace_even_inside_a_long_pause():
    n_frames = FIRST_CHUNK + 2 * CHUNK + 10  # the rest goes with the last chunk
    mel, f0 = speech_like(n_frames)
    f0[:, 30 : n_frames - 60] = 0  # unvoiced over the first cut and the second
    f0[:, n_frames - 60 :] = 320.0
    vocoder = Vocoder(tiny(), {})
    chunks = list(vocoder.stream(mel[0].numpy(), f0[0].numpy(), seed=5))
    assert [len(c) // HOP_LENGTH for c in chunks][:2] == [FIRST_CHUNK, CHUNK] and len(chunks) == 3
    with torch.inference_mode():
        whole = vocoder.model(mel, f0, torch.from_numpy(normal(5, ("vocoder",), (1, n_frames * HOP_LENGTH))))[0].numpy()
    assert np.abs(np.concatenate(chunks) - whole).max() < 1e-5 * np.abs(whole).max()
    assert np.array_equal(np.concatenate(chunks), vocoder.decode(mel[0].numpy(), f0[0].numpy(), seed=5))


@pytest.mark.parametrize("n_frames", [0, 1, 2, FIRST_CHUNK, FIRST_CHUNK + 1, FIRST_CHUNK + CHUNK + 1])
def test_every_number_of_frames_is_decoded(n_frames):
    vocoder = Vocoder(tiny(), {})
    wav = vocoder.decode(np.full((n_frames, 100), -6, np.float32), np.full(n_frames, 120, np.float32))
    assert wav.shape == (n_frames * HOP_LENGTH,) and wav.dtype == np.float32 and np.isfinite(wav).all()


@pytest.mark.parametrize(
    ("mel", "f0", "code"),
    [
        (np.zeros((3, 80)), np.zeros(3), "vocoder.shape"),
        (np.zeros((3, 100)), np.zeros(4), "vocoder.shape"),
        (np.zeros((3, 100)), np.array([0, np.nan, 0]), "vocoder.finite"),
        (np.full((3, 100), np.inf), np.zeros(3), "vocoder.finite"),
        (np.zeros((3, 100)), np.array([0, 12_000, 0]), "vocoder.f0"),
    ],
)
def test_what_cannot_be_decoded_is_refused(mel, f0, code):
    with pytest.raises(DataError) as caught:
        Vocoder(tiny(), {}).decode(mel, f0)
    assert caught.value.code == code


def test_an_unknown_form_is_refused_by_name():
    with pytest.raises(ModelError, match=r"'wavenet' is unknown.*excited"):
        VocoderConfig(form="wavenet")
