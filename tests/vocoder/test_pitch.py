"""Pitch without pyworld: right values at the right frames, silence and noise unvoiced, near the reference."""

import numpy as np
import pytest

from tests.vocoder.test_f0 import buzz
from tts.base.errors import UnavailableError
from vocoder.audio.f0 import extract_f0, import_pyworld
from vocoder.audio.frames import FRAME_RATE
from vocoder.audio.pitch import track_pitch


@pytest.mark.parametrize("hz", [70.0, 110.0, 187.0, 260.0, 450.0])
def test_a_steady_voice_has_its_pitch(hz):
    f0 = track_pitch(buzz(lambda t: 0 * t + hz, 0.6))
    assert f0.dtype == np.float32 and len(f0) == 45
    assert np.abs(1200 * np.log2(f0[5:-5] / hz)).max() < 12


def test_frame_t_holds_the_pitch_at_the_middle_of_hop_t():
    """A glide of 100 Hz a second: half a hop of shift would be 0.67 Hz."""
    f0 = track_pitch(buzz(lambda t: 120 + 100 * t, 1.5))
    truth = 120 + 100 * (np.arange(len(f0)) + 0.5) / FRAME_RATE
    inner = slice(8, -8)
    assert (f0[inner] > 0).all()
    assert abs(np.median(f0[inner] - truth[inner])) < 0.3


def test_silence_and_noise_are_unvoiced():
    assert not track_pitch(np.zeros(24_000)).any()
    noise = np.random.default_rng(0).standard_normal(48_000).astype(np.float32) * 0.1
    assert (track_pitch(noise) > 0).mean() < 0.02
    wav = np.concatenate([np.zeros(12_000), buzz(lambda t: 0 * t + 150.0, 0.5), np.zeros(12_000)])
    f0 = track_pitch(wav)
    assert not f0[:33].any() and not f0[-33:].any() and (f0[42:70] > 0).all()


@pytest.mark.parametrize("n", [0, 1, 159, 160, 319, 320, 321, 1000, 4801])
def test_every_length_gives_one_value_a_frame(n):
    assert track_pitch(buzz(lambda t: 0 * t + 200.0, 1.0)[:n]).shape == (-(-n // 320),)


def test_long_recordings_are_the_same_in_blocks(monkeypatch):
    wav = buzz(lambda t: 150 + 40 * np.sin(5 * t), 2.0)
    whole = track_pitch(wav)
    monkeypatch.setattr("vocoder.audio.pitch.BLOCK", 17)
    assert np.array_equal(track_pitch(wav), whole)


def test_it_agrees_with_pyworld_on_a_wandering_voice():
    try:
        import_pyworld()
    except UnavailableError:
        pytest.skip("needs pyworld")
    wav = buzz(lambda t: 160 * 2 ** (0.4 * np.sin(2 * np.pi * 1.5 * t)), 3.0)
    ours, reference = track_pitch(wav), extract_f0(wav)
    both = (ours > 0) & (reference > 0)
    assert both.mean() > 0.9
    assert np.median(np.abs(1200 * np.log2(ours[both] / reference[both]))) < 10
