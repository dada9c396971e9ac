"""The house watermark: heard in marked speech and its pieces, not elsewhere; its statistic is the normal number that it says."""

import numpy as np
import pytest
import torch

from tts.api import Synthesizer
from tts.base.errors import ModelError, UsageError
from tts.payload import N_CARRIERS, SCHEME, decode, payload_of, signs
from tts.watermark import PUBLIC_KEY, THRESHOLD, Mark, Span
from vocoder.audio.frames import SAMPLE_RATE

SENTENCES = [
    ("The birch canoe slid on the smooth planks near the river.", "en"),
    ("Heute ist ein schöner Tag, und wir gehen am Fluss spazieren.", "de"),
    ("今天天气很好，我们一起去公园散步吧。", "zh"),
]


@pytest.fixture(scope="module")
def mark():
    return Mark.load()


@pytest.fixture(scope="module")
def house():
    return Synthesizer()


@pytest.fixture(scope="module")
def spoken(house):
    """(marked, unmarked) of each sentence."""

    def samples(text, language, **how):
        return house.synth(text, language=language, **how).samples

    return [(samples(*s), samples(*s, watermark=False, reason="test")) for s in SENTENCES]


def speech_like(seconds=4.0, seed=0):
    """A buzz with moving formants and syllables, and a little noise."""
    rng, n = np.random.default_rng(seed), int(seconds * SAMPLE_RATE)
    time = np.arange(n) / SAMPLE_RATE
    pitch = 120 * np.exp(0.2 * np.sin(2 * np.pi * 0.7 * time + rng.uniform(0, 6)))
    phase, wav = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE, np.zeros(n)
    for formant, speed in ((600, 1.3), (1500, 0.9), (2700, 0.5)):
        centre = formant * np.exp(0.3 * np.sin(2 * np.pi * speed * time + rng.uniform(0, 6)))
        for k in range(1, 40):
            wav += np.exp(-(((k * pitch - centre) / 200) ** 2)) * np.sin(k * phase)
    syllables = np.clip(np.sin(2 * np.pi * 2.2 * time + rng.uniform(0, 6)), 0, 1)
    wav = wav * syllables + 0.01 * rng.standard_normal(n)
    return (0.3 * wav / np.abs(wav).max()).astype(np.float32)


def test_marked_speech_is_found_and_names_its_model_and_unmarked_is_not(mark, house, spoken):
    for marked, unmarked in spoken:
        heard = mark.detect((marked, SAMPLE_RATE))
        assert heard.verdict == "marked" and heard.p_value < 1e-12
        assert heard.payload.bits == payload_of(house._config["model_id"]) and heard.payload.scheme == SCHEME
        (stretch,) = heard.stretches
        assert stretch.start < 0.5 and stretch.end > heard.seconds - 0.7
        silent = mark.detect((unmarked, SAMPLE_RATE))
        assert silent.verdict == "not found" and silent.p_value > 1e-3 and not silent.stretches


def test_pieces_levels_and_other_rates_are_found_too(mark, spoken):
    from vocoder.audio.io import encode_audio, resample

    marked = spoken[0][0]
    pieces = [(marked[7_777 : 7_777 + 2 * SAMPLE_RATE], SAMPLE_RATE), (-0.1 * marked, SAMPLE_RATE),
              (resample(marked, SAMPLE_RATE, 16_000), 16_000), encode_audio(marked, SAMPLE_RATE, "opus", 24),
              (resample(marked, 22_000, SAMPLE_RATE), SAMPLE_RATE)]  # fmt: skip
    for piece in pieces:
        assert mark.detect(piece).verdict == "marked"
    assert mark.detect(pieces[-1]).stretches[0].speed == pytest.approx(22 / 24, abs=0.015)


def test_the_mark_is_small(spoken):
    from vocoder.audio.mel import log_mel

    for marked, unmarked in spoken:
        change = log_mel(marked) - log_mel(unmarked)
        assert 0.03 < np.abs(change).mean() < 0.3  # natural log
        assert abs(20 * np.log10(marked.std() / unmarked.std())) < 0.5


def test_who_has_another_key_finds_nothing(mark, spoken):
    other = Mark.load(key=2)
    assert other.key_id != mark.key_id == "public"
    assert other.detect((spoken[0][0], SAMPLE_RATE)).verdict == "not found"
    assert Mark.load(key=PUBLIC_KEY) is mark


def test_a_marked_stretch_between_others_is_located(mark, spoken):
    marked, before = spoken[1][0], speech_like(6.0)
    heard = mark.detect((np.concatenate([before, marked, speech_like(5.0, 1)]), SAMPLE_RATE))
    assert heard.verdict == "marked" and len(heard.stretches) == 1
    ends = np.array([6.0, 6.0 + len(marked) / SAMPLE_RATE])
    assert np.abs(np.array([heard.stretches[0].start, heard.stretches[0].end]) - ends).max() < 0.6


@pytest.mark.parametrize("what", ["speech-like", "noise", "hum", "silence", "click"])
def test_other_sounds_are_not_marked(mark, what):
    time, rng = np.arange(6 * SAMPLE_RATE) / SAMPLE_RATE, np.random.default_rng(5)
    sound = {"speech-like": speech_like(6.0, 3), "noise": 0.1 * rng.standard_normal(len(time)), "hum": 0.1 * np.sin(300 * time),
             "silence": 0 * time, "click": np.eye(1, len(time), 5_000)[0]}[what]  # fmt: skip
    heard = mark.detect((sound.astype(np.float32), SAMPLE_RATE))
    assert heard.verdict == ("too short" if what in ("silence", "click") else "not found") and heard.p_value > THRESHOLD


def test_a_moment_of_sound_is_too_short(mark):
    assert mark.detect((speech_like(0.4), SAMPLE_RATE)).verdict == "too short"
    assert mark.detect((np.zeros(10, np.float32), SAMPLE_RATE)).verdict == "too short"


def test_over_keys_the_deviation_of_any_sound_is_a_normal_number(mark):
    """What the p-value rests on: mean 0, variance 1, and no more beyond 3 than a normal number has."""
    evidence, n_samples, sounding = mark.evidence([speech_like(5.0, 7)])
    assert evidence.shape == (375, 100) and n_samples == 5 * SAMPLE_RATE and sounding > 2
    drawn = np.stack([Mark(mark.model, key)._white[0].numpy() for key in range(10, 410)])
    mark_of_many = Mark(mark.model, 3)
    mark_of_many._white = torch.from_numpy(drawn)
    scores = mark_of_many.correlate(evidence, [Span(0, 375)])[0]
    assert scores.shape == (400, 128)
    assert abs(scores.mean()) < 0.02 and abs(scores.std() - 1) < 0.03
    assert 0.5 < (scores > 3).mean() / 0.00135 < 1.7


def test_evidence_of_blocks_is_that_of_the_whole(mark, monkeypatch):
    wav = speech_like(5.0)
    whole = mark.evidence([wav])[0]
    monkeypatch.setattr("tts.watermark.PIECE", 64)
    pieces, n_samples, _ = mark.evidence(np.array_split(wav, 17))
    assert n_samples == len(wav) and pieces.shape == whole.shape
    assert np.abs(pieces.astype(np.float32) - whole.astype(np.float32)).max() < 2e-2 * np.abs(whole).max()


def test_a_frame_is_marked_by_its_number(mark):
    mel = np.full((300, 100), -5.0, np.float32)
    whole = mark.apply(mel, 40, 0x1ABC)
    assert np.array_equal(whole[100:], mark.apply(mel[100:], 140, 0x1ABC))
    assert np.array_equal(whole[:100], whole[128:228]) and not np.array_equal(whole[:100], whole[100:200])
    assert mark.apply(np.full((5, 100), np.log(1e-5), np.float32)).min() >= np.float32(np.log(1e-5))
    change = whole - mel
    assert change.std() == pytest.approx(mark.model.config.amplitude, rel=0.1) and abs(change.mean()) < 0.02


def test_deviations_are_inner_products_with_the_pattern_at_every_offset(mark):
    with torch.inference_mode():
        white, folded = torch.randn(2, 128, 100, generator=torch.Generator().manual_seed(0)).split(1)
        many = torch.randn(600, 128, 100, generator=torch.Generator().manual_seed(1))
        found = mark.model.deviations(folded, white)[0, 0]
        plain = torch.stack([(mark.model.shape(white)[0].roll(s, 0) * folded[0]).sum() for s in range(128)])
        spread = (mark.model.shape(many) * folded).sum((1, 2)).std()
    assert torch.allclose(found * (plain.std() / found.std()), plain, rtol=1e-3, atol=1e-3 * float(plain.abs().max()))
    assert float(plain.std() / found.std()) == pytest.approx(float(spread), rel=0.1)


def test_payloads_differ_in_eight_carriers_and_survive_noise():
    rng = np.random.default_rng(0)
    words = np.stack([signs(int(bits)) for bits in rng.integers(0, 1 << 16, 300)])
    distances = ((words[:, None] != words).sum(2))[np.triu_indices(300, 1)]
    assert set(distances[distances > 0]) <= set(range(8, 33))
    for bits in rng.integers(0, 1 << 16, 50).tolist():
        read = decode(1.7 * signs(bits) + rng.standard_normal(N_CARRIERS))
        assert read.bits == bits and read.certainty > 0.9
    assert decode(rng.standard_normal(N_CARRIERS)).certainty < 0.9


def test_the_model_in_a_payload():
    assert payload_of("7f7cf464011879ab") == 0x17F7 and payload_of("") == 0x1000


def test_leaving_it_out_needs_a_reason(house):
    for reason in ("", "  "):
        with pytest.raises(UsageError, match="needs a reason"):
            house.synth("Hello.", language="en", watermark=False, reason=reason)


def test_a_folder_of_another_kind_is_refused():
    with pytest.raises(ModelError, match="kind"):
        Mark.load("tts/assets/aligner")
