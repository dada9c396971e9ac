"""STFT and inverse with one frame a hop: exact reconstruction, centred frames, cached windows that training may use."""

import pytest
import torch

from vocoder.audio.frames import HOP_LENGTH, N_FFT, frames_to_samples, samples_to_frames
from vocoder.audio.spectrum import _envelope, hann_window, istft, stft
from vocoder.kernels.fourier_head.reference import add_frames


@pytest.mark.parametrize("n_frames", [1, 2, 3, 4, 5, 40])
@pytest.mark.parametrize(("n_fft", "hop"), [(N_FFT, HOP_LENGTH), (256, 64)])
def test_istft_undoes_stft_for_any_number_of_frames(n_frames, n_fft, hop):
    wav = torch.randn(2, n_frames * hop, generator=torch.Generator().manual_seed(n_frames))
    spectrum = stft(wav, n_fft, hop)
    assert spectrum.shape == (2, n_frames, n_fft // 2 + 1)
    again = istft(spectrum, n_fft, hop)
    assert again.shape == wav.shape
    assert torch.allclose(again, wav, atol=1e-5)


def test_frame_t_is_centred_on_the_middle_of_hop_t():
    for t in (0, 3, 7):
        wav = torch.zeros(1, 8 * HOP_LENGTH)
        wav[0, t * HOP_LENGTH + HOP_LENGTH // 2] = 1.0
        magnitude = stft(wav).abs()[0].mean(-1)  # an impulse has a flat spectrum of the window's height
        assert int(magnitude.argmax()) == t
        assert magnitude[t] == pytest.approx(1.0, abs=1e-5)


def test_adding_frames_is_the_plain_loop():
    frames = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0))
    expected = torch.zeros(2, 4 * 3 + 12)
    for t in range(5):
        expected[:, 3 * t : 3 * t + 12] += frames[:, t]
    assert torch.allclose(add_frames(frames, 3), expected, atol=1e-6)


def test_windows_cached_by_inference_serve_training():
    hann_window.cache_clear()
    _envelope.cache_clear()
    with torch.inference_mode():
        istft(stft(torch.ones(1, 640)))
    wav = torch.ones(1, 640, requires_grad=True)
    istft(stft(wav) * 2).square().sum().backward()
    assert torch.isfinite(wav.grad).all() and wav.grad.abs().sum() > 0


@pytest.mark.parametrize("n", [0, 1, 319, 320, 321, 24_000, 24_001])
def test_frames_cover_the_samples_and_no_frame_is_idle(n):
    frames = samples_to_frames(n)
    assert frames_to_samples(frames) >= n > frames_to_samples(frames - 1)
