"""The log-mel against closed forms: Slaney's scale, the spectrum of a sine under a Hann window, levels, lengths."""

import numpy as np
import pytest
import torch

from tts.base.errors import DataError
from vocoder.audio.frames import MEL, N_FFT, N_MELS, SAMPLE_RATE
from vocoder.audio.mel import band_centres, hz_to_mel, log_mel, mel_filterbank, mel_to_hz


def sine(hz, seconds=0.5, amplitude=0.5):
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(np.float32)


def test_the_scale_is_slaneys():
    assert hz_to_mel(np.array([0, 200, 1000, 6400])) == pytest.approx([0, 3, 15, 42])
    hz = np.linspace(1, 12_000, 50)
    assert mel_to_hz(hz_to_mel(hz)) == pytest.approx(hz)


def test_bands_have_unit_area_where_bins_are_dense():
    area = mel_filterbank().sum(0).numpy() * SAMPLE_RATE / N_FFT
    assert area[40:] == pytest.approx(1.0, abs=0.02)
    assert area == pytest.approx(1.0, abs=0.25)  # the lowest bands hold three or four bins each


@pytest.mark.parametrize("bin_number", [20, 60, 200, 500])
def test_a_sine_on_a_bin_has_the_level_of_its_closed_form(bin_number):
    """Hann: half the window's sum (640) times the amplitude on the bin, a quarter on each neighbour."""
    hz, amplitude = bin_number * SAMPLE_RATE / N_FFT, 0.5
    magnitude = np.zeros(N_FFT // 2 + 1)
    magnitude[bin_number - 1 : bin_number + 2] = amplitude * 640 * np.array([0.25, 0.5, 0.25])
    expected = magnitude @ mel_filterbank().numpy()
    mel = np.exp(log_mel(sine(hz, amplitude=amplitude)))[4:-4]
    strong = expected > 1e-2
    assert strong.any()
    assert mel[:, strong] == pytest.approx(np.broadcast_to(expected[strong], mel[:, strong].shape), rel=2e-3)
    assert mel[:, ~strong].max() < 2e-2


@pytest.mark.parametrize("hz", [440.0, 1500.0, 3333.0, 9000.0])
def test_a_sine_peaks_in_the_band_whose_centre_is_nearest(hz):
    peak = log_mel(sine(hz)).mean(0).argmax()
    assert abs(int(peak) - int(np.abs(band_centres() - hz).argmin())) <= 1


def test_twice_the_amplitude_is_log_two_more():
    quiet, loud = log_mel(sine(700, amplitude=0.2))[5:-5], log_mel(sine(700, amplitude=0.4))[5:-5]
    heard = quiet > -3
    assert heard.any()
    assert loud[heard] - quiet[heard] == pytest.approx(np.log(2), abs=1e-3)


@pytest.mark.parametrize("n", [1, 319, 320, 321, 640, 1279, 24_000, 24_001])
def test_n_samples_have_ceil_n_over_320_frames(n):
    assert log_mel(np.zeros(n, np.float32)).shape == (-(-n // 320), N_MELS)


def test_numpy_gives_numpy_torch_gives_torch_and_a_batch_its_rows():
    wav = torch.randn(2, 3200, generator=torch.Generator().manual_seed(1)) * 0.1
    batch = log_mel(wav)
    assert isinstance(batch, torch.Tensor) and batch.dtype == torch.float32
    assert torch.allclose(batch[1], log_mel(wav[1]), atol=1e-4)
    alone = log_mel(wav[1].numpy())
    assert isinstance(alone, np.ndarray) and np.allclose(alone, batch[1].numpy(), atol=1e-4)


def test_silence_is_the_floor_exactly():
    assert np.all(log_mel(np.zeros(3200, np.float32)) == np.float32(np.log(np.float32(MEL.floor))))


@pytest.mark.parametrize("shape", [(0,), (2, 0), (1, 2, 320), ()])
def test_what_is_no_audio_is_refused(shape):
    with pytest.raises(DataError, match=r"S > 0"):
        log_mel(torch.zeros(shape))
