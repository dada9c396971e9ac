"""Warped speakers: formants and pitch move together by the stated factor, timing and unwarped utterances stay."""

import numpy as np
import pytest

from recipes.augment import WIDEST, draw_warp, warp_bandwidth, warp_f0, warp_mel
from vocoder.audio.f0 import extract_f0
from vocoder.audio.frames import SAMPLE_RATE
from vocoder.audio.mel import band_centres, log_mel


def tone(hz: float) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)


@pytest.mark.parametrize("percent", [-WIDEST, -5, 0, 7, WIDEST])
@pytest.mark.parametrize("hz", [400.0, 1500.0, 5000.0])
def test_a_tone_moves_to_where_the_factor_says(hz, percent):
    moved, real = warp_mel(log_mel(tone(hz)), percent), log_mel(tone(hz * (1 + percent / 100)))
    centres = band_centres()
    assert centres[moved[40].argmax()] == pytest.approx(centres[real[40].argmax()], rel=0.04, abs=35)
    assert moved.shape == real.shape and np.isfinite(moved).all()


def test_pitch_moves_with_the_mel_and_voicing_stays():
    f0 = np.array([0, 100, 200], np.float32)
    assert warp_f0(f0, 10) == pytest.approx([0, 110, 220])
    assert extract_f0(tone(200.0)).max() * 1.1 == pytest.approx(warp_f0(extract_f0(tone(200.0)), 10).max())


def test_a_recording_holds_no_more_than_it_did():
    assert warp_bandwidth(8000.0, -10) == pytest.approx(7200) and warp_bandwidth(12000.0, 10) == 12000


def test_the_share_of_warped_draws_is_as_asked():
    rng = np.random.default_rng(0)
    draws = [draw_warp(rng, 0.4) for _ in range(2000)]
    assert np.mean(np.array(draws) != 0) == pytest.approx(0.4 * 24 / 25, abs=0.03)
    assert {min(draws), max(draws)} == {-WIDEST, WIDEST}
    assert not any(draw_warp(rng, 0.0) for _ in range(100))
