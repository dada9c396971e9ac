"""Voice activity: speech under noise is found, pauses are not, and steady or periodic noise is no speech."""

import numpy as np
import pytest

from vocoder.audio.activity import (
    connected,
    dilate,
    edges,
    find_speech,
    noise_floor,
    runs_of,
    spectrum_power,
)
from vocoder.audio.pitch import track_pitch

RATE = 24_000


def find(wav):
    return find_speech(spectrum_power(wav), track_pitch(wav))


@pytest.fixture(scope="module")
def broken_speech(spoken):
    """Speech from 1 s to 4 s and from 6 s to 9 s, silence elsewhere; truth a frame."""
    wav = np.zeros(10 * RATE, np.float32)
    truth = np.zeros(750, bool)
    for start, name in ((1, "kathleen"), (6, "bdl")):
        wav[start * RATE : (start + 3) * RATE] = spoken[name][RATE // 4 : RATE // 4 + 3 * RATE]
        truth[75 * start : 75 * (start + 3)] = True
    return wav, truth


@pytest.mark.parametrize("colour", ["white", "pink"])
@pytest.mark.parametrize("db", [20, 15, 10])
def test_speech_is_found_under_noise_and_pauses_are_left_out(broken_speech, db, colour):
    from recipes.evaluate.references import noise

    wav, truth = broken_speech
    loud = wav[np.repeat(truth, 320)].std()
    noisy = wav + (noise(np.random.default_rng(db), len(wav), colour) * loud * 10 ** (-db / 20)).astype(np.float32)
    found = find(noisy).speech
    assert found[truth].mean() > {20: 0.9, 15: 0.85, 10: 0.8}[db]
    assert found[~dilate(truth, 6)].mean() < 0.03


def test_the_level_of_the_recording_changes_nothing(broken_speech):
    wav, _ = broken_speech
    noisy = wav + 1e-3 * np.random.default_rng(0).standard_normal(len(wav)).astype(np.float32)
    assert np.mean(find(noisy).speech == find(noisy * 0.05).speech) > 0.995


def test_noise_and_lasting_tones_are_no_speech():
    t, rng = np.arange(6 * RATE) / RATE, np.random.default_rng(1)
    sounds = {
        "white": 0.1 * rng.standard_normal(len(t)),
        "hum": 0.1 * sum(np.sin(2 * np.pi * 50 * k * t) for k in (1, 2, 3)) + 1e-3 * rng.standard_normal(len(t)),
        "tone": 0.3 * np.sin(2 * np.pi * 300 * t),
        "pulsing noise": 0.1 * rng.standard_normal(len(t)) * (1 + np.sin(2 * np.pi * 4 * t)),
    }
    for name, wav in sounds.items():
        assert find(wav.astype(np.float32)).speech.mean() < 0.02, name


def test_the_floor_follows_a_noise_that_grows(broken_speech):
    wav, truth = broken_speech
    rising = np.geomspace(1e-4, 3e-3, len(wav)) * np.random.default_rng(2).standard_normal(len(wav))
    activity = find((wav + rising).astype(np.float32))
    assert activity.floor[700] > activity.floor[30] + 8
    assert activity.speech[truth].mean() > 0.9 and activity.speech[~dilate(truth, 20)].mean() < 0.05


def test_the_floor_of_speech_without_a_gap_is_not_the_speech():
    level = np.full(600, 60.0)
    level[:40] = 20.0
    assert noise_floor(level).max() <= 31.0


def test_runs():
    mask = np.array([1, 0, 1, 1, 0, 0, 1, 1, 1], bool)
    assert edges(mask).tolist() == [[0, 1], [2, 4], [6, 9]] and edges(mask[:0]).shape == (0, 2)
    assert runs_of(mask, 2).tolist() == [0, 0, 1, 1, 0, 0, 1, 1, 1]
    assert runs_of(mask, 2, ends=True)[0]
    assert dilate(mask & (np.arange(9) == 3), 1).tolist() == [0, 0, 1, 1, 1, 0, 0, 0, 0]
    assert connected(np.arange(9) == 2, mask).tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 0]


def test_silence_and_one_frame_are_handled():
    for n in (320, 700, 24_000):
        assert not find(np.zeros(n, np.float32)).speech.any()
