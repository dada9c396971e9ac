"""Pitch on the clock: right values, at the middle of their hops, silence unvoiced, one value a frame for any length."""

import numpy as np
import pytest

from tts.base.errors import UnavailableError
from vocoder.audio.f0 import extract_f0, import_pyworld, interpolate_log_f0, remove_short_runs
from vocoder.audio.frames import FRAME_RATE, SAMPLE_RATE


@pytest.fixture(scope="module")
def pyworld():
    try:
        return import_pyworld()
    except UnavailableError:
        pytest.skip("needs pyworld")


def buzz(f0_of_time, seconds):
    """Ten harmonics of a pitch that is a function of time in seconds."""
    f0 = f0_of_time(np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE
    return (0.1 * sum(np.sin(k * phase) / k for k in range(1, 11))).astype(np.float32)


@pytest.mark.parametrize("method", ["dio", "harvest"])
def test_a_steady_voice_has_its_pitch(pyworld, method):
    f0 = extract_f0(buzz(lambda t: 0 * t + 187.0, 0.6), method)
    assert f0.dtype == np.float32 and len(f0) == 45
    assert np.abs(f0[5:-5] - 187.0).max() < 1.0


def test_frame_t_holds_the_pitch_at_the_middle_of_hop_t(pyworld):
    """A glide of 100 Hz a second: half a hop of shift would be 0.67 Hz."""
    f0 = extract_f0(buzz(lambda t: 120 + 100 * t, 1.5))
    truth = 120 + 100 * (np.arange(len(f0)) + 0.5) / FRAME_RATE
    inner = slice(8, -8)
    assert (f0[inner] > 0).all()
    assert abs(np.median(f0[inner] - truth[inner])) < 0.25


def test_silence_and_noise_floor_are_unvoiced(pyworld):
    assert not extract_f0(np.zeros(24_000)).any()
    wav = np.concatenate([np.zeros(12_000), buzz(lambda t: 0 * t + 150.0, 0.5), np.zeros(12_000)])
    f0 = extract_f0(wav)
    assert not f0[:34].any() and not f0[-34:].any() and (f0[42:70] > 0).all()


@pytest.mark.parametrize("n", [1, 159, 160, 319, 320, 321, 1000, 4801])
def test_every_length_gives_one_value_a_frame(pyworld, n):
    assert extract_f0(buzz(lambda t: 0 * t + 200.0, 1.0)[:n]).shape == (-(-n // 320),)


def test_short_voiced_runs_are_removed_and_long_ones_kept():
    f0 = np.array([0, 100, 0, 100, 100, 0, 100, 100, 100, 0, 90, 90], dtype=float)
    assert remove_short_runs(f0).tolist() == [0, 0, 0, 0, 0, 0, 100, 100, 100, 0, 0, 0]
    assert remove_short_runs(np.full(3, 80.0)).tolist() == [80, 80, 80]


def test_gaps_are_bridged_in_the_logarithm():
    bridged = interpolate_log_f0(np.array([0, 100, 0, 400, 0], dtype=np.float32))
    assert np.exp(bridged) == pytest.approx([100, 100, 200, 400, 400], rel=1e-5)
    assert np.exp(interpolate_log_f0(np.zeros(3))) == pytest.approx([150, 150, 150], rel=1e-5)
