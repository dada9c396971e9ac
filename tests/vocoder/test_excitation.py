"""The pulse train: unit power, a flat harmonic spectrum below Nyquist, phase that does not drift, voicing that fades."""

import math

import numpy as np
import pytest
import torch

from vocoder.audio.frames import HOP_LENGTH, SAMPLE_RATE
from vocoder.excitation import bridged_log_f0, hold_over_gaps, pulse_train, upsample_linear


def steady(hz, n_frames=75):
    return pulse_train(torch.full((1, n_frames), float(hz)))[0]


@pytest.mark.parametrize("hz", [55.0, 100.0, 237.5, 499.0])
def test_power_is_one_whatever_the_pitch(hz):
    assert float(steady(hz).square().mean()) == pytest.approx(1.0, abs=0.03)


def test_harmonics_are_equally_strong_and_nothing_lies_between_them():
    wav = steady(200.0, 150).numpy() * np.hanning(48_000)  # 2 s: bins of half a hertz
    spectrum = np.abs(np.fft.rfft(wav))
    peaks = spectrum[400:23_600:400]  # 200, 400, ... 11 800 Hz
    assert peaks.max() / peaks.min() < 1.02
    between = np.delete(spectrum, [i + d for i in range(0, 24_001, 400) for d in range(-4, 5) if 0 <= i + d <= 24_000])
    assert between.max() < 1e-3 * peaks.max()


def test_a_glide_through_many_harmonic_counts_has_no_click():
    """The top harmonic fades: no sample steps by more than the steepest steady train does."""
    steepest = max(float(steady(hz, 300).diff().abs().max()) for hz in (150.37, 177.7))
    glide = pulse_train(torch.linspace(150, 300, 300)[None])[0]
    assert float(glide.diff().abs().max()) < 1.05 * steepest


def test_ten_minutes_do_not_drift():
    n_frames = 45_000
    wav = steady(125.0, n_frames)  # a pulse every 192 samples
    last = wav[-SAMPLE_RATE:]
    pulses = torch.topk(last, 125).indices.sort().values + n_frames * HOP_LENGTH - SAMPLE_RATE
    position = (pulses.double() + 1) / 192
    assert float((position - position.round()).abs().max()) < 0.02  # cycles; single precision would be off by whole ones
    assert set(pulses.diff().tolist()) <= {191, 192, 193}


def test_start_phase_shifts_the_pulses():
    f0 = torch.full((2, 20), 125.0)
    wav = pulse_train(f0, torch.tensor([0.0, 0.5]))
    a, b = wav[0, 1000:4000].argmax() % 192, wav[1, 1000:4000].argmax() % 192
    assert abs(int(a - b)) == 96


def test_voicing_fades_between_frame_centres_and_unvoiced_is_silent():
    f0 = torch.tensor([[100.0] * 10 + [0.0] * 10 + [140.0] * 10])
    wav = pulse_train(f0)[0]
    off, on = int(10.5 * HOP_LENGTH), int(19.5 * HOP_LENGTH)
    assert not wav[off:on].any()
    held = pulse_train(torch.where(f0 > 0, f0, 100.0))[0]  # the same phase up to the end of the gap
    centre = int(9.5 * HOP_LENGTH)
    ramp = 1 - (torch.arange(HOP_LENGTH) + 0.5) / HOP_LENGTH
    assert torch.allclose(wav[centre : centre + HOP_LENGTH], held[centre : centre + HOP_LENGTH] * ramp, atol=1e-3)
    assert torch.equal(wav[:centre], held[:centre])


def test_all_unvoiced_is_silence():
    assert not pulse_train(torch.zeros(2, 5)).any()


def test_gaps_hold_the_value_before_or_the_first_after():
    values = torch.tensor([[9.0, 1.0, 9.0, 2.0, 9.0], [9.0, 9.0, 9.0, 9.0, 9.0]])
    valid = torch.tensor([[False, True, False, True, False], [False] * 5])
    held = hold_over_gaps(values, valid)
    assert held[0].tolist() == [1, 1, 1, 2, 2]
    assert held[1].tolist() == pytest.approx([math.log(150)] * 5)
    assert bridged_log_f0(torch.tensor([[0.0, 100.0, 0.0]]))[0].exp().tolist() == pytest.approx([100] * 3)


def test_interpolation_puts_values_at_hop_centres():
    up = upsample_linear(torch.tensor([[0.0, 1.0, 3.0]]), 4)[0]
    assert up.tolist() == pytest.approx([0, 0, 0.125, 0.375, 0.625, 0.875, 1.25, 1.75, 2.25, 2.75, 3, 3])
