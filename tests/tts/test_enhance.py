"""Bandwidth extension: what a recording holds stays, the cut-off is found, pieces and seeds do what they say; and the command."""

import numpy as np
import pytest
import torch

from recipes.evaluate.enhance import cut, guesses
from tts.base.errors import DataError, UsageError
from tts.base.rng import normal
from tts.enhance import Enhancer, crossover, measured_cutoff
from tts.models.masked import OPEN, MaskedConfig, Sampling
from tts.models.patches import PatchConfig, Patches
from vocoder.api import Vocoder
from vocoder.audio.io import read_audio, resample, write_audio
from vocoder.audio.mel import band_edges, log_mel
from vocoder.fourier import FourierVocoder, VocoderConfig
from vocoder.nn.checkpoint import save_model
from vocoder.nn.config import to_dict

SIZES = PatchConfig(codebook_size=8, code_dim=4, row_dim=8, row_hidden=12, dim=16, hidden=24, n_blocks=1,
                    masked=MaskedConfig(8, (10,), dim=16, hidden=24, n_layers=1, n_heads=2, code_dim=4))  # fmt: skip


def patches():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Patches(SIZES)
        mel = torch.from_numpy(log_mel(speech(6.0)))[None]
        model.vq.orient(mel)
        model.vq.quantizer.initialise(model.vq.latent(mel)[0])
        model.vq.quantizer.stop_learning()
    return model.eval()


@pytest.fixture(scope="module")
def enhancer():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        vocoder = Vocoder(FourierVocoder(VocoderConfig(dim=8, hidden=16, n_blocks=1, n_projections=1)), {})
    return Enhancer(patches(), vocoder)


def speech(seconds, tilt=9.0):
    """Noise whose spectrum falls by ``tilt`` dB an octave and whose level comes and goes."""
    wav = normal(0, "speech", (int(24_000 * seconds),))
    hz = np.fft.rfftfreq(len(wav), 1 / 24_000)
    shaped = np.fft.irfft(np.fft.rfft(wav) * (np.maximum(hz, 200) / 200) ** (-tilt / 6.02), len(wav))
    shaped *= 0.6 + 0.4 * np.sin(np.arange(len(wav)) / 3000)
    return (0.3 * shaped / np.abs(shaped).max()).astype(np.float32)


@pytest.mark.parametrize(("rate", "low", "high"), [(8000, 3600, 4000), (16000, 7100, 8000), (24000, 12000, 12000)])
def test_the_cutoff_is_where_the_spectrum_ends(rate, low, high):
    assert low <= measured_cutoff(cut(speech(3.0), rate)) <= high
    with pytest.raises(DataError, match="no sound"):
        measured_cutoff(np.zeros(24_000, np.float32))


def test_the_crossover_takes_each_from_its_side():
    time = np.arange(24_000) / 24_000
    low, high = (np.sin(2 * np.pi * hz * time).astype(np.float32) for hz in (1000, 8000))
    inner = slice(500, -500)
    assert np.abs(crossover(low + high, low * 0, 4000) - low)[inner].max() < 1e-3
    assert np.abs(crossover(low, low + high, 4000) - low - high)[inner].max() < 1e-3
    assert np.array_equal(crossover(low, low, 4000), low)


def test_what_the_recording_holds_stays_and_the_band_above_comes(enhancer):
    wide = speech(2.0)
    narrow = cut(wide)
    made = enhancer.enhance(narrow, 3900)
    assert len(made) == len(narrow) and made.dtype == np.float32
    spectra = [np.abs(np.fft.rfft(x[1000:-1000] * np.hanning(len(x) - 2000))) for x in (narrow, made)]
    hz = np.fft.rfftfreq(len(narrow) - 2000, 1 / 24_000)
    below, above = hz < 3300, hz > 4500
    assert np.abs(spectra[1] - spectra[0])[below].max() < 0.01 * spectra[0].max()
    assert np.square(spectra[1][above]).sum() > 100 * np.square(spectra[0][above]).sum()
    assert np.array_equal(made, enhancer.enhance(narrow, 3900))
    assert not np.array_equal(made, enhancer.enhance(narrow, 3900, seed=1))
    assert np.array_equal(enhancer.enhance(wide), wide)  # lacks nothing


def test_known_bands_are_not_touched_and_stretches_hear_what_was_found(enhancer, monkeypatch):
    asked, sample = [], enhancer.model.masked.sample

    def watched(known, **how):
        asked.append(known.clone())
        return sample(known, **how)

    monkeypatch.setattr(enhancer.model.masked, "sample", watched)
    mel = log_mel(cut(speech(12.0)))  # 225 columns
    made = enhancer.extend(mel, 3900.0, (0, "test"))
    whole = int((band_edges()[2:] <= 3900).sum())
    assert np.array_equal(made[:, : whole - 3], mel[:, : whole - 3]) and (made[:, whole:].mean() > mel[:, whole:].mean() + 1)
    assert [known.shape[2] for known in asked] == [112, 128, 33]
    assert all((known[:, :, :16] != OPEN).all() and (known[:, -1, 16:] == OPEN).all() for known in asked[1:])


def test_pieces_of_any_size_give_the_same_samples(enhancer):
    narrow = cut(speech(20.0))
    whole = enhancer.enhance(narrow)
    parts = np.concatenate(list(enhancer.stream(np.array_split(narrow, 7))))
    assert np.array_equal(whole, parts) and len(whole) == len(narrow)


def test_what_cannot_be_extended_is_refused(enhancer):
    with pytest.raises(UsageError, match="cutoff"):
        enhancer.enhance(speech(1.0), cutoff=200)
    with pytest.raises(DataError, match="1500"):
        enhancer.enhance(np.sin(np.arange(24_000) / 30).astype(np.float32))
    with pytest.raises(UsageError, match="temperature"):
        enhancer.enhance(speech(1.0), 3900, sampling=Sampling(4, temperature=-1))


def test_guesses_keep_the_known_bands():
    mel = np.random.default_rng(0).standard_normal((5, 100)).cumsum(1).astype(np.float32) / 10 - 4
    for name, guess in guesses(mel, 60).items():
        assert guess.shape == mel.shape and np.array_equal(guess[:, :60], mel[:, :60]), name
    slope = np.tile(-4 - 0.01 * np.arange(100, dtype=np.float32), (3, 1))
    np.testing.assert_allclose(guesses(slope, 60)["straight line"], slope, atol=1e-4)


def test_the_command_writes_a_file_and_tells_what_it_did(tmp_path, monkeypatch, capfd):
    from tts.cli import run

    monkeypatch.chdir(tmp_path)
    save_model("patches", patches().state_dict(), {"kind": "patches", "model": to_dict(SIZES)}, "# patches")
    write_audio("in.wav", resample(speech(1.5), 24_000, 8000), 8000)
    assert run(["enhance", "in.wav", "-o", "out.flac", "--model", "patches", "--steps", "2"]) == 0
    told = capfd.readouterr().err
    assert "1.50 s" in told and "extended above 3" in told
    assert len(read_audio("out.flac")) == 36_000
    assert run(["enhance", "in.wav", "-o", "out.flac", "--model", "patches"]) == 73
    assert run(["enhance", "in.wav", "-o", "o.wav", "--model", "patches", "--cutoff", "9"]) == 2
    assert run(["enhance", "in.wav", "-o", "o.wav", "--model", "nowhere"]) == 78
