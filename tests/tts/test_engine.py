"""Engines of the vocoder: what they replace, which one is chosen, and that nothing but a fitting measurement is believed."""

import json

import numpy as np
import pytest
import torch

from tts import engine
from tts.base.errors import UsageError
from tts.engine import Measured
from vocoder.api import Vocoder
from vocoder.fourier import FourierVocoder, VocoderConfig

WEIGHTS = "0123456789abcdef"
EXACT, FAST, ROUGH = Measured("fp32", 0.02, None, 0.0), Measured("int8", 0.01, 44.0, 0.02), Measured("bf16", 0.005, 29.9, 0.5)


def tiny():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vocoder = FourierVocoder(VocoderConfig(dim=16, hidden=32, n_blocks=2))
        for parameter in vocoder.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
    return Vocoder(vocoder, {"model_id": WEIGHTS})


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("PARLANCE_ENGINE")


def test_engines_are_measured_beside_float32():
    rng = np.random.default_rng(0)
    mel, f0 = (rng.standard_normal((70, 100)) - 5).astype(np.float32), np.full(70, 120, np.float32)
    exact, *others = engine.measure(mel, f0, tiny)
    assert exact.engine == "fp32" and exact.snr is None and exact.spectral_db == 0 and exact.rtf > 0
    assert [row.engine for row in others] == list(engine.offered()[1:])
    assert all(15 < row.snr < 120 and 0 < row.spectral_db < 1 for row in others)


def test_only_the_linear_layers_of_blocks_are_replaced():
    for name in engine.offered()[1:]:
        model, plain = tiny().model, tiny().model
        engine.engage(model, name)
        changed = {path for path, module in plain.named_modules() if type(module) is not type(model.get_submodule(path))}
        assert changed == {f"blocks.{i}.{part}" for i in range(2) for part in ("expand", "contract")}
    with pytest.raises(UsageError, match="fp16"):
        engine.engage(tiny().model, "fp16")


def test_the_fastest_within_the_bound_is_best_if_it_is_worth_it():
    assert engine.best([EXACT, FAST, ROUGH]) == "int8"
    assert engine.best([EXACT, ROUGH]) == "fp32"
    assert engine.best([EXACT, Measured("int8", 0.0195, 44.0, 0.02)]) == "fp32"
    assert engine.best([FAST]) == "fp32"


def test_a_measurement_is_believed_for_the_same_weights_torch_and_cpu(here, monkeypatch):
    assert engine.chosen(WEIGHTS) == "fp32"
    path = engine.store([EXACT, FAST, ROUGH], WEIGHTS)
    assert engine.chosen(WEIGHTS) == "int8" and engine.chosen("other") == "fp32"
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "1.0")
        assert engine.chosen(WEIGHTS) == "fp32"
    monkeypatch.setenv("PARLANCE_ENGINE", "bf16")
    assert engine.chosen(WEIGHTS) == "bf16"
    monkeypatch.delenv("PARLANCE_ENGINE")
    stored = json.loads(path.read_text())
    for damaged in ("{", "[]", "{}", json.dumps({**stored, "rows": 3}), json.dumps({**stored, "rows": [{"engine": "int8"}]})):
        path.write_text(damaged)
        assert engine.chosen(WEIGHTS) == "fp32"


def test_speech_uses_the_chosen_engine(here, model_folder, monkeypatch):
    from tts.api import Synthesizer

    for name in ("fp32", "bf16"):
        monkeypatch.setenv("PARLANCE_ENGINE", name)
        synthesizer = Synthesizer(model_folder / "fs2")
        synthesizer.synth("Hello there.", language="en")
        engaged = type(synthesizer._vocoder.model.blocks[0].expand) is not torch.nn.Linear
        assert engaged == (name == "bf16") and type(synthesizer.fresh_vocoder().model.blocks[0].expand) is torch.nn.Linear
