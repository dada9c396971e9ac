"""Voice conversion: length, pitch, pieces, level, refusals; with a tiny acoustic model, its adapter and the house aligner."""

import itertools

import numpy as np
import pytest
import torch

from tts import convert
from tts.aligner import Aligner
from tts.api import Synthesizer
from tts.base.errors import DataError, ModelError, UsageError
from tts.convert import CONTEXT, PIECE, SHORTEST, Source, moved_pitch, pieces, quiet_cut, register
from tts.models.content import ContentAdapter, ContentConfig
from vocoder.audio.pitch import track_pitch
from vocoder.nn.checkpoint import load_config, save_model

RATE, HOP = 24_000, 320


def speech(seconds, f0=120.0, level=0.1, seed=0):
    """A buzz with pauses: voiced, at a known pitch, quiet for 0.2 s of each second."""
    t = np.arange(round(RATE * seconds)) / RATE
    tone = sum(np.sin(2 * np.pi * k * f0 * t) / k for k in range(1, 20))
    noise = 0.001 * np.random.default_rng(seed).standard_normal(len(t))
    return (level * tone * (t % 1 < 0.8) + noise * level).astype(np.float32)


@pytest.fixture(scope="module")
def adapter(model_folder):
    """Content adapters of the tiny models, where conversion looks for them."""
    for kind in ("fs2", "flow"):
        with torch.random.fork_rng():
            torch.manual_seed(2)
            config = ContentConfig(load_config(model_folder / kind)["model_id"], Aligner.load().config["model_id"], 192, 12,
                                   dim=16, hidden=24, n_blocks=3)  # fmt: skip
            model = ContentAdapter(config)
            torch.nn.init.normal_(model.out.weight, std=0.1)
        save_model(model_folder / kind / "content", model.state_dict(), {"kind": "content", "model": config.__dict__}, "# tiny")
    return model_folder


@pytest.fixture(scope="module", params=["fs2", "flow"])
def synthesizer(request, adapter):
    return Synthesizer(adapter / request.param)


def test_as_many_samples_as_were_given_and_the_same_every_time(synthesizer):
    for n in (1, 319, 321, RATE + 17):
        made = synthesizer.convert((speech(2)[:n] + 0.01, RATE), "ada")
        assert len(made.samples) == n and np.isfinite(made.samples).all() and made.voice == "ada"
    wav = speech(1.3)
    one, other = (synthesizer.convert((wav, RATE), "ada", seed=seed).samples for seed in (0, 0))
    assert np.array_equal(one, other) and not np.array_equal(one, synthesizer.convert((wav, RATE), "ada", seed=1).samples)
    assert not np.array_equal(one, synthesizer.convert((wav, RATE), "carl").samples)


def test_stereo_and_other_rates_are_brought_to_mono(synthesizer):
    wav = speech(1.0)
    both = np.stack([wav, wav], axis=1)
    made = synthesizer.convert((both, RATE), "ada").samples
    assert np.allclose(made, synthesizer.convert((wav, RATE), "ada").samples, atol=1e-5)
    assert len(synthesizer.convert((speech(1.0)[:16_000], 16_000), "ada").samples) == 24_000


def test_blocks_of_any_size_give_the_same_samples(adapter):
    synthesizer = Synthesizer(adapter / "fs2")
    wav = speech(40.0)
    def joined(blocks):
        return np.concatenate([chunk.samples for chunk in synthesizer.convert_stream(blocks, "ada")])

    whole = joined([wav])
    cut = [wav[a:b] for a, b in itertools.pairwise([0, 1, 5000, 100_000, 500_001, len(wav)])]
    assert len(whole) == len(wav) and np.array_equal(whole, joined(cut))


def test_louder_in_louder_out(adapter):
    synthesizer = Synthesizer(adapter / "fs2")
    soft, loud = (synthesizer.convert((speech(2, level=level), RATE), "ada").samples for level in (0.02, 0.08))
    assert np.std(loud) / np.std(soft) == pytest.approx(4, rel=0.02)


def test_pitch_goes_where_it_is_told():
    wav = speech(3, f0=120)
    source = Source.measure(wav)
    assert np.exp(source.log_f0) == pytest.approx(120, rel=0.01)
    for semitones in (-3, 0, 7):
        f0, log_f0 = moved_pitch(wav, semitones * np.log(2) / 12)
        assert np.median(f0[f0 > 0]) == pytest.approx(120 * 2 ** (semitones / 12), rel=0.01)
        assert np.allclose(log_f0[f0 > 0], np.log(f0[f0 > 0])) and np.array_equal(f0 > 0, track_pitch(wav) > 0)


def test_auto_moves_the_median_to_the_voices_register(adapter):
    synthesizer = Synthesizer(adapter / "fs2")
    converter, _, voice, _ = synthesizer.converter("ada")
    source = Source(1.0, np.log(97.0))
    assert converter.shift(source, voice) == pytest.approx(register(synthesizer._acoustic, voice) - np.log(97.0))
    assert converter.shift(source, voice, "keep") == 0 and converter.shift(source, voice, 12) == pytest.approx(np.log(2))
    assert converter.shift(Source(1.0, None), voice) == 0  # whispered
    for wrong in ("high", 99, float("nan"), True):
        with pytest.raises(UsageError):
            converter.shift(source, voice, wrong)


@pytest.mark.parametrize("seconds", [0.02, 5.0, 16.0, 16.01, 47.3])
def test_pieces_hold_all_samples_once_with_context_and_end_in_pauses(seconds):
    wav, blocks = speech(seconds), []
    blocks = [wav[i : i + 7919] for i in range(0, len(wav), 7919)]
    found = list(pieces(blocks[0], iter(blocks[1:])))
    assert np.array_equal(np.concatenate([piece.wav[piece.start : piece.start + piece.n_samples] for piece in found]), wav)
    at = 0
    for i, piece in enumerate(found):
        assert piece.start == min(at, CONTEXT * HOP) and piece.first * HOP == at - piece.start
        assert piece.start % HOP == 0 and piece.followed == (i < len(found) - 1)
        assert np.array_equal(piece.wav, wav[at - piece.start : at - piece.start + len(piece.wav)])
        at += piece.n_samples
        if piece.followed:
            assert SHORTEST * HOP <= piece.n_samples <= PIECE * HOP
            assert len(piece.wav) - piece.start - piece.n_samples == min(CONTEXT * HOP, len(wav) - at)
            assert (at / RATE) % 1 >= 0.8  # the pause of the second


def test_memory_does_not_grow_with_the_recording(monkeypatch):
    """Of an hour, only a piece and its context are held; the head is measured once."""
    monkeypatch.setattr(convert, "HEAD", 5)
    held = 0
    second = speech(1.0)
    head, rest = convert.beginning(iter([second] * 3600))
    assert len(head) == 5 * RATE
    for piece in pieces(head, rest):
        held = max(held, len(piece.wav))
    assert held <= (PIECE + 3 * CONTEXT) * HOP + 2 * RATE


def test_the_quietest_place_is_cut():
    wav = np.ones(PIECE * HOP, np.float32)
    wav[600 * HOP : 612 * HOP] = 0.001
    assert 600 * HOP < quiet_cut(wav) < 612 * HOP


def test_silence_and_nothing_are_refused(synthesizer):
    with pytest.raises(DataError, match="no sound"):
        synthesizer.convert((np.zeros(RATE, np.float32), RATE), "ada")
    with pytest.raises(DataError, match="no samples"):
        list(synthesizer.convert_stream([], "ada"))
    with pytest.raises(DataError):
        synthesizer.convert((np.full(RATE, np.nan, np.float32), RATE), "ada")


def test_marked_and_recorded_unless_a_reason_is_given(adapter):
    synthesizer = Synthesizer(adapter / "fs2")
    wav = speech(1.5)
    made = synthesizer.convert((wav, RATE), "ada")
    assert made.provenance["watermark"]["applied"] and made.provenance["voice"] == "ada"
    bare = synthesizer.convert((wav, RATE), "ada", watermark=False, reason="a test")
    assert bare.provenance["watermark"] == {"applied": False, "reason": "a test"}
    assert not np.array_equal(made.samples, bare.samples)
    with pytest.raises(UsageError, match="needs a reason"):
        synthesizer.convert((wav, RATE), "ada", watermark=False)


def test_the_adapter_of_another_model_is_refused(adapter):
    with pytest.raises(ModelError, match="content adapter is for acoustic model") as caught:
        Synthesizer(adapter / "fs2").convert((speech(1), RATE), "ada", content=adapter / "flow" / "content")
    assert str(adapter / "fs2") in caught.value.fix


def test_with_its_text_a_recording_keeps_its_times(adapter):
    synthesizer = Synthesizer(adapter / "fs2")
    wav = speech(2.0)
    made = synthesizer.convert((wav, RATE), "ada", text="Hello there.", language="en")
    assert len(made.samples) == len(wav) and made.voice == "ada" and [word.label for word in made.words] == ["Hello", "there"]
    assert made.words[-1].end <= 2.0 and np.isfinite(made.samples).all()
    other = synthesizer.convert((wav, RATE), "ada", text="Good night.", language="en")
    assert not np.array_equal(made.samples, other.samples)
