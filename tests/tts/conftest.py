"""Tiny acoustic models and the batches they take; a whole model folder with random weights that can be spoken with."""

import numpy as np
import pytest
import torch

from tts.models.flow import Flow, FlowConfig
from tts.models.fs2 import Fs2, Fs2Config
from tts.models.infill import Infill, InfillConfig
from tts.models.megatts import Megatts, MegattsConfig, ProsodyConfig
from tts.models.reference import ReferenceConfig
from tts.models.text import TextConfig
from tts.models.variance import VarianceConfig

LANGUAGES = (1, 2)  # frontend ids: en-us, de


def variance_config(**text):
    return VarianceConfig(
        text=TextConfig(
            n_symbols=text.pop("n_symbols", 40), languages=LANGUAGES, dim=16, hidden=24, n_phone_blocks=1, n_style_blocks=1,
            n_blocks=2, dropout=0.0, **text,
        ),
        reference=ReferenceConfig(dim=8, hidden=16, n_blocks=1, style_dim=8, n_tokens=2),
        n_speakers=3,
        decoder_dim=12,
        dropout=0.0,
    )  # fmt: skip


def build(kind, freeze=False, **text):
    """A tiny model whose zero-initialised layers are not zero, so that everything before them matters."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        prior = Fs2Config(variance_config(**text), hidden=24, n_blocks=3, dropout=0.0)
        if kind == "fs2":
            model = Fs2(prior)
        elif kind == "megatts":
            prosody = ProsodyConfig(dim=12, hidden=16, n_frame_blocks=1, n_phone_blocks=1, codebook_size=8, code_dim=4)
            model = Megatts(MegattsConfig(prior.variance, prosody, hidden=24, n_blocks=3, drop_codes=0.0))
            model.variance.prosody.quantizer.initialise(torch.randn(500, 4), torch.Generator().manual_seed(0))
        elif kind == "infill":
            sizes = {"dim": 16, "hidden": 24, "n_blocks": 3, "pitch_dim": 8, "time_dim": 8, "steps": 2}
            model = Infill(InfillConfig(prior.variance, freeze, **sizes, drop_condition=0.0, drop_context_text=0.0))
        else:
            model = Flow(FlowConfig(prior, freeze, dim=16, hidden=24, n_blocks=3, time_dim=8, drop_condition=0.0, steps=2))
        for parameter in model.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
        duration = model.variance.duration.out
        duration.bias.data = torch.tensor([np.log(7.0), 2.0], dtype=torch.float32)  # about seven frames a phone, pauses kept
    return model.eval()


def make_batch(lengths=((9, 50), (6, 34)), seed=0):
    """A batch as ``recipes.train.acoustic.collate`` makes it: utterances of (phones, frames)."""
    rng = np.random.default_rng(seed)
    size, n_phones, n_frames = len(lengths), max(n for n, _ in lengths), max(t for _, t in lengths)
    batch = {name: torch.zeros(size, n_phones, dtype=torch.long) for name in ("ids", "styles", "langs", "durations")}
    batch["mel"] = torch.full((size, n_frames, 100), float(np.log(1e-5)))
    batch["log_f0"], batch["voiced"] = torch.zeros(size, n_frames), torch.zeros(size, n_frames)
    for i, (n, t) in enumerate(lengths):
        language = LANGUAGES[i % 2]
        batch["ids"][i, :n] = torch.from_numpy(rng.integers(7, 40, n))
        batch["ids"][i, 0], batch["ids"][i, n // 2], batch["ids"][i, n - 1] = 1, 2, 1  # edges and a word boundary
        batch["styles"][i, :n] = torch.from_numpy(16 * language + rng.integers(0, 6, n))
        batch["langs"][i, :n] = language
        cuts = np.sort(rng.choice(np.arange(1, t), n - 1, replace=False))
        durations = np.diff(np.concatenate([[0], cuts, [t]]))
        durations[n // 2 - 1] += durations[n // 2]
        durations[n // 2] = 0
        batch["durations"][i, :n] = torch.from_numpy(durations)
        phone = np.repeat(np.arange(n), durations)
        tone = rng.standard_normal((n, 100)).cumsum(1) / 5
        batch["mel"][i, :t] = torch.from_numpy(-5 + tone[phone] + 0.1 * rng.standard_normal((t, 100))).float()
        batch["log_f0"][i, :t] = torch.from_numpy(5 + 0.1 * np.sin(np.arange(t) / 5)).float()
        batch["voiced"][i, :t] = torch.from_numpy((phone % 3 > 0).astype(np.float32))
    return {
        "keys": [f"u{i}" for i in range(size)],
        **batch,
        "text_lengths": torch.tensor([n for n, _ in lengths]),
        "frame_lengths": torch.tensor([t for _, t in lengths]),
        "reference": torch.from_numpy(rng.standard_normal((size, 30, 100)).astype(np.float32)) - 5,
        "reference_lengths": torch.full((size,), 30),
        "speaker": torch.arange(size) % 3,
        "bandwidth": torch.tensor([12_000.0, 8_000.0] * size)[:size],
    }


@pytest.fixture
def tiny():
    return build


@pytest.fixture
def batch_of():
    return make_batch


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A folder that ``Synthesizer`` loads: fs2 with random weights, its own tiny vocoder, two voices."""
    from frontend import inventory
    from tts.voice import Voice
    from vocoder.fourier import FourierVocoder, VocoderConfig
    from vocoder.nn.checkpoint import save_model
    from vocoder.nn.config import to_dict

    folder = tmp_path_factory.mktemp("models") / "tiny"
    for kind in ("fs2", "flow", "infill"):
        model = build(kind, n_symbols=inventory.size())
        config = {
            "kind": "acoustic",
            "architecture": kind,
            "model": to_dict(model.config),
            "inventory": inventory.digest(inventory.size()),
            "minutes": {"en-us": 2.0, "de": 1.0},
        }
        home = folder / kind
        written = save_model(home, model.state_dict(), config, "# tiny")
        with torch.random.fork_rng():
            torch.manual_seed(1)
            vocoder = FourierVocoder(VocoderConfig(dim=8, hidden=16, n_blocks=1))
        save_model(home / "vocoder", vocoder.state_dict(), {"kind": "vocoder", "model": to_dict(vocoder.config)}, "# tiny")
        (home / "voices").mkdir()
        rng = np.random.default_rng(0)
        for name, language, minutes in (("ada", "en-us", 5.0), ("bea", "en-us", 9.0), ("carl", "de", 3.0)):
            voice = Voice(
                name, (rng.standard_normal((120, 100)) - 5).astype(np.float16).astype(np.float32),
                style=rng.standard_normal(8).astype(np.float32), model_id=written["model_id"], language=language, minutes=minutes,
                consent={"kind": "dataset_licence"},
            )  # fmt: skip
            voice.save(home / "voices" / f"{name}.safetensors")
    return folder
