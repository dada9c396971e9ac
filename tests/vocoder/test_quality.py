"""Measures of a recording: each moves with what it names, and little with what it does not."""

import numpy as np
import pytest

from recipes.evaluate.references import clipped, in_room, narrow, with_noise
from vocoder.audio.activity import find_speech, spectrum_power
from vocoder.audio.pitch import track_pitch
from vocoder.audio.quality import bandwidth, clipped_share, decay_rate, running_mean, snr_db


def measures(wav):
    power = spectrum_power(wav)
    speech = find_speech(power, track_pitch(wav)).speech
    return {
        "snr": snr_db(power, speech), "clipped": clipped_share(wav), "bandwidth": bandwidth(power, speech),
        "decay": decay_rate(power, speech),
    }  # fmt: skip


@pytest.fixture(scope="module", params=["kathleen", "bdl"])
def speech(spoken, request):
    return spoken[request.param]


@pytest.mark.parametrize("db", [20, 15, 10, 5])
def test_noise_is_measured_to_two_decibels(speech, db):
    assert measures(with_noise(speech, db, np.random.default_rng(db)))["snr"] == pytest.approx(db, abs=2)


def test_muted_pauses_do_not_hide_the_noise(speech):
    noisy = with_noise(speech, 12, np.random.default_rng(0))
    padded = np.pad(noisy, 24_000)
    assert measures(padded)["snr"] == pytest.approx(12, abs=2)


def test_clean_speech_is_clean(speech):
    found = measures(speech)
    assert found["snr"] > 22 and found["clipped"] < 5e-4 and found["bandwidth"] > 10_000


def test_clipping_is_counted_also_after_the_level_was_turned_down(speech):
    shares = [measures(0.3 * clipped(speech, db))["clipped"] for db in (3, 6, 10)]
    assert 1e-3 < shares[1] < shares[2] and shares[0] < shares[1]
    true = np.mean(np.abs(speech) >= np.abs(speech).max() * 10**-0.3)
    assert shares[1] == pytest.approx(true, rel=0.4)


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000])
def test_bandwidth_is_half_the_rate_of_the_line(speech, rate):
    assert measures(narrow(speech, rate))["bandwidth"] == pytest.approx(rate / 2, rel=0.1)


def test_a_room_slows_the_decay(speech):
    rng = np.random.default_rng(0)
    dry, small, large = (measures(w)["decay"] for w in (speech, in_room(speech, 0.3, 5, rng), in_room(speech, 0.6, 5, rng)))
    assert dry > small > large and large < 190 < dry
    assert large == pytest.approx(60 / 0.6, rel=0.8)


def test_too_little_to_judge_is_none():
    noise = np.random.default_rng(0).standard_normal(24_000).astype(np.float32) * 0.1
    power = spectrum_power(noise)
    assert decay_rate(power, np.zeros(75, bool)) is None and decay_rate(power[:3], np.ones(3, bool)) is None
    assert clipped_share(np.zeros(0, np.float32)) == 0 == clipped_share(np.zeros(100, np.float32))


def test_running_mean():
    assert running_mean(np.arange(5.0)[:, None], 3)[:, 0].tolist() == [1, 2, 3]
