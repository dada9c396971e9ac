"""ONNX graphs: what they compute is what torch computes, in the synthesiser and in a program that has no torch.

Of equal F0 the samples agree to 90 dB. The phase of a pulse train adds up F0, and with it the last bit of each frame: samples of
a clause of five seconds agree to 54 dB here, those of a word to 100.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import frontend
from tts import engine, graphs
from tts.api import Synthesizer
from tts.base.errors import UnavailableError
from tts.engine import Measured, snr
from tts.export import export, graph, modules
from vocoder.api import Vocoder
from vocoder.fourier import FourierVocoder, VocoderConfig

TEXT = "The first clause is somewhat longer, and so it says; the second one is not."
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def exported(model_folder, tmp_path_factory):
    return export(model_folder / "fs2", tmp_path_factory.mktemp("graphs"))


def tensors_equal(a, b, bound):
    for x, y in zip(a, b, strict=True):
        assert x.shape == y.shape and float((x - y).abs().max()) < bound


def spoken(model, name, folder=None):
    """By an engine, whatever the environment says."""
    synthesizer = Synthesizer(model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARLANCE_ENGINE", name)
        if folder:
            patch.setattr(graphs, "place", lambda *_: folder)
        return [list(synthesizer.stream(text, language="en-us", seed=3)) for text in (TEXT, "Yes.")]


def compare(plain, by_onnx, least):
    for a, b in zip(plain, by_onnx, strict=True):
        assert [len(chunk.samples) for chunk in a] == [len(chunk.samples) for chunk in b]
        assert [phone.end for chunk in a for phone in chunk.phones] == [phone.end for chunk in b for phone in chunk.phones]
        whole = [np.concatenate([chunk.samples for chunk in each]) for each in (a, b)]
        assert snr(*whole) > least


def test_the_engine_speaks_as_torch_does(model_folder, exported):
    plain = spoken(model_folder / "fs2", "fp32")
    compare(plain, spoken(model_folder / "fs2", "onnx", exported), 45)
    compare(plain, spoken(model_folder / "fs2", "onnx-int8", exported), engine.LEAST_SNR)


@pytest.mark.slow
def test_the_shipped_model_speaks_as_torch_does(tmp_path):
    folder = export("fs2", tmp_path)
    plain = spoken("fs2", "fp32")
    compare(plain, spoken("fs2", "onnx", folder), 45)
    vocoder, by_onnx = (Synthesizer("fs2").fresh_vocoder() for _ in range(2))
    graphs.engage_vocoder(by_onnx.model, folder)
    mel, f0 = Synthesizer("fs2").features(TEXT, language="en-us")
    assert snr(vocoder.decode(mel, f0), by_onnx.decode(mel, f0)) > 90


def test_a_program_without_torch_makes_the_same_samples(model_folder, exported):
    speech = Synthesizer(model_folder / "fs2").synth(TEXT, voice="ada", language="en-us", seed=3)
    clauses = [[each.ids.tolist(), each.styles.tolist(), each.langs.tolist()] for each in frontend.analyze(TEXT, "en-us").clauses]
    script = """if True:
        import json, sys
        from pathlib import Path
        from tests.tts.plain_player import Player
        player = Player(Path(sys.argv[1]))
        print(json.dumps(player.speak(*json.loads(sys.argv[2]), "ada", seed=3).tolist()))
        assert "torch" not in sys.modules
    """
    done = subprocess.run([sys.executable, "-c", script, str(exported), json.dumps(clauses[0])], cwd=ROOT, text=True,
                          capture_output=True, check=True)  # fmt: skip
    wav = np.array(json.loads(done.stdout), np.float32)
    inner = slice(120, len(wav) - 120)  # without the fades
    assert snr(speech.samples[: len(wav)][inner], wav[inner]) > 45


def test_the_facts_are_those_of_the_model(exported, model_folder):
    facts = json.loads((exported / graphs.FACTS).read_text())
    assert facts["clock"]["sample_rate"] == 24000 and facts["phones"]["SIL"] == 1 and facts["languages"] == {"en-us": 1, "de": 2}
    assert facts["voices"] == {"ada": "en-us", "bea": "en-us", "carl": "de"}
    said = facts["example"]
    plan = Synthesizer(model_folder / "fs2").plan(said["text"], voice=said["voice"], language="en-us")
    assert plan.clauses[0].ids.tolist() == said["ids"] and plan.prosody[0].durations.tolist() == said["durations"]


def test_megatts_speaks_with_codes_too(tiny, tmp_path):
    plain, by_onnx = tiny("megatts"), tiny("megatts")
    vocoder = FourierVocoder(VocoderConfig(dim=8, hidden=16, n_blocks=1))
    (tmp_path / "decoder.onnx").write_bytes(graph("decoder", *modules(plain, vocoder)["decoder"]))
    by_onnx.frames = graphs.opened(tmp_path, "decoder")
    clause = frontend.analyze("Two words.", "en-us").clauses[0]
    clause = type(clause)(**{**vars(clause), "ids": clause.ids % 40})  # the tiny model knows 40 symbols
    with torch.inference_mode():
        voice = plain.variance.voice(torch.randn(41, 100, generator=torch.Generator().manual_seed(0)) - 5)
        for codes in (None, np.arange(len(clause)) % 8):
            plan = plain.variance.plan(clause, voice, codes=codes, pitch_st=5.0)
            tensors_equal(plain.infer(clause, voice, plan), by_onnx.infer(clause, voice, plan), 1e-3)


def test_vocoders_of_both_forms_and_any_length(tmp_path):
    rng = np.random.default_rng(0)
    for form in ("mel", "excited"):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            models = [FourierVocoder(VocoderConfig(form, dim=8, hidden=16, n_blocks=1, n_projections=1)) for _ in range(2)]
        models[1].load_state_dict(models[0].state_dict())
        for name, parts in modules_of_vocoder(models[0]):
            (tmp_path / f"{name}.onnx").write_bytes(graph(name, *parts))
        graphs.engage_vocoder(models[1], tmp_path)
        for n in (1, 7, 130):
            mel, f0 = (rng.standard_normal((n, 100)) - 5).astype(np.float32), np.full(n, 120, np.float32) * (np.arange(n) % 5 > 0)
            a, b = (Vocoder(model, {}).decode(mel, f0.astype(np.float32)) for model in models)
            assert snr(a, b) > 80


def modules_of_vocoder(model):
    from tests.tts.conftest import build

    return [(name, parts) for name, parts in modules(build("fs2"), model).items() if name in ("vocoder", "projection")]


def test_other_models_and_missing_graphs_are_refused(model_folder, tmp_path, monkeypatch):
    with pytest.raises(UnavailableError, match=r"kind flow has no ONNX graphs\. Take one that has: tts export-onnx --model fs2"):
        export(model_folder / "flow", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PARLANCE_ENGINE", "onnx")
    with pytest.raises(UnavailableError, match=r"no graphs of this model are there\. Write them: tts export-onnx"):
        Synthesizer(model_folder / "fs2").synth("Hello.", language="en-us")


def test_graphs_that_are_gone_are_not_chosen(exported, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("PARLANCE_ENGINE", raising=False)
    rows = [Measured("fp32", 0.02, None, 0.0), Measured("int8", 0.015, 40.0, 0.1), Measured("onnx-int8", 0.01, 40.0, 0.1)]
    engine.store(rows, "weights")
    assert engine.chosen("weights", exported) == "onnx-int8"
    assert engine.chosen("weights", tmp_path) == "int8" and engine.chosen("weights") == "int8"
