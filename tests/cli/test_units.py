"""``tts units``: a recording to a unit file, its codes as text; what is wrong is one error and leaves nothing."""

import numpy as np
import pytest
import torch

from codec.units.extractor import MelFeatures
from codec.units.kmeans import save_centres
from codec.units.unitfile import read_units
from vocoder.audio.io import write_audio


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """talk.wav, 1.001 s at 16 kHz, and two sets of centres over the mel."""
    monkeypatch.chdir(tmp_path)
    write_audio("talk.wav", (0.1 * np.random.default_rng(0).standard_normal(16_016)).astype(np.float32), 16_000)
    for seed, name in enumerate(("km", "other")):
        centres = 3 * torch.randn(6, 100, generator=torch.Generator().manual_seed(seed)) - 5
        save_centres(f"{name}.safetensors", centres, MelFeatures())
    return tmp_path


def test_a_recording_becomes_a_unit_file_and_text(tts, folder):
    assert tts("units", "talk.wav", "-o", "talk.units", "--extractor", "kmeans:km.safetensors").out == b""
    codes, facts = read_units("talk.units")
    assert codes.shape == (76, 1) and (facts.extractor, facts.unit_rate) == ("kmeans:km.safetensors", 75.0)
    done = tts("units", "talk.units", "--text")
    assert done.code == 0 and [int(line) for line in done.out.split()] == codes[:, 0].tolist()
    assert tts("units", "talk.wav", "--text", "--extractor", "kmeans:km.safetensors").out == done.out
    told = tts("units", "talk.units", "--extractor", "kmeans:km.safetensors").out.decode()
    assert told == f"talk.units: 76 units, 1.01 s at 75 a second; 1 x 6 codes of kmeans:km.safetensors ({facts.units_id})\n"


def test_units_of_another_extractor_are_refused(tts, folder):
    tts("units", "talk.wav", "-o", "talk.units", "--extractor", "kmeans:km.safetensors")
    done = tts("units", "talk.units", "--text", "--extractor", "kmeans:other.safetensors")
    assert done.code == 65 and done.out == b"" and "those of kmeans:other.safetensors" in done.err


@pytest.mark.parametrize(("words", "code", "message"), [
    (["talk.wav"], 2, "nothing is asked for"),
    (["talk.units", "-o", "x.units"], 2, "a unit file is read"),
    (["talk.wav", "--text", "--extractor", "aligner"], 2, "aligner: this extractor has features but no quantiser"),
    (["talk.wav", "--text", "--extractor", "hubert"], 2, "there is no extractor 'hubert'"),
    (["talk.wav", "-o", "talk.wav", "--extractor", "kmeans:km.safetensors"], 73, "already exists"),
    (["absent.units"], 66, "absent.units"),
    (["absent.wav", "--text", "--extractor", "kmeans:km.safetensors"], 66, "absent.wav"),
    (["empty.units"], 65, "empty.units: is empty"),
])  # fmt: skip
def test_what_is_wrong_is_one_error(tts, folder, words, code, message):
    (folder / "empty.units").touch()
    before = sorted(folder.iterdir())
    done = tts("units", *words)
    assert done.code == code and message in done.err and done.out == b"" and sorted(folder.iterdir()) == before
