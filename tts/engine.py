"""How the vocoder is computed on this machine's CPU, and what each way costs and spoils.

    tts check --bench ──measure──▶ engine.json in the user's cache ──chosen──▶ every later synthesis here

``fp32`` is the meaning. ``bf16`` and ``int8`` replace the two linear layers of each ConvNeXt block; embedding, norms, head,
phases and spectra stay in float32. ``onnx`` runs the graphs that ``tts export-onnx`` wrote, those of the acoustic model too;
``onnx-int8`` has the same layers of the vocoder in int8 (``tts.graphs``). Nothing but fp32 runs unless it was measured here, by
the same torch, on the same weights, was faster, and kept the waveform within ``LEAST_SNR`` of fp32's. ``PARLANCE_ENGINE``
overrides all of that.

int8 uses ``torch.ao.quantization.quantize_dynamic`` (weights a channel, activations a tensor), which torch has deprecated without
a successor of its own; where a later torch has removed it, int8 is not offered.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import statistics
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tts import graphs
from tts.base import strict_json
from tts.base.errors import TtsError, UnavailableError, UsageError
from tts.base.files import atomic_write
from tts.registry import cache_folder

ENGINES = ("fp32", "bf16", "int8", "onnx", "onnx-int8")
LEAST_SNR = 30.0  # dB to the waveform of fp32
LEAST_GAIN = 1.05  # times as fast as fp32; less is noise
RUNS = 5
FORMAT = 1


@dataclass(frozen=True)
class Measured:
    """One engine on this machine."""

    engine: str
    rtf: float  # of the vocoder alone
    snr: float | None  # dB, to the waveform of fp32; None for fp32 itself
    spectral_db: float  # mean absolute difference of the log-mel to that of fp32's waveform

    @property
    def allowed(self) -> bool:
        return self.snr is None or self.snr >= LEAST_SNR


def offered(folder: Path | None = None) -> tuple[str, ...]:
    """The engines that this torch has, and those by onnxruntime where ``folder`` holds graphs."""
    there = {
        "int8": importlib.util.find_spec("torch.ao.quantization") is not None,
        "onnx": folder is not None and graphs.ready(folder),
    }
    return tuple(name for name in ENGINES if there.get(name.removesuffix("-int8"), True))


def engage(vocoder, engine: str, folder: Path | None = None, acoustic=None) -> None:
    """Compute a ``FourierVocoder`` by an engine from now on; by the ones of onnxruntime also the acoustic model.

    Raises:
        UsageError: no engine has this name.
        UnavailableError: this torch has it not; or ``folder`` has no graphs, or there is no onnxruntime.
    """
    from vocoder.nn.convnext import ConvNeXtBlock

    if engine not in ENGINES:
        raise UsageError(f"engine is {engine!r:.40}.", where="PARLANCE_ENGINE", code="engine.unknown",
                         fix=f"Give {', '.join(ENGINES)}.")  # fmt: skip
    if engine.startswith("onnx"):
        graphs.engage_vocoder(vocoder, folder, "vocoder" if engine == "onnx" else graphs.SMALL)
        if acoustic is not None:
            graphs.engage_acoustic(acoustic, folder)
        return
    if engine not in offered():
        raise UnavailableError(f"this torch has no {engine}.", where="PARLANCE_ENGINE", code="engine.unavailable",
                               fix=f"Give {', '.join(offered())}.")  # fmt: skip
    if engine == "fp32":
        return
    made = _bf16 if engine == "bf16" else _int8
    for block in (each for each in vocoder.modules() if isinstance(each, ConvNeXtBlock)):
        block.expand, block.contract = made(block.expand), made(block.contract)


def chosen(weights: str, folder: Path | None = None) -> str:
    """The engine for a vocoder of these weights (its ``model_id``): by the environment, else as measured here, else fp32;
    ``folder`` is that of its graphs.
    """
    if wanted := os.environ.get("PARLANCE_ENGINE"):
        return wanted
    try:
        stored = strict_json.load(stored_at())
        rows = [Measured(**row) for row in stored["rows"]]
        return best(rows, folder) if stored["made_by"] == made_by(weights) else "fp32"
    except (TtsError, KeyError, TypeError):  # nothing measured, or not by this version: fp32 is always right
        return "fp32"


def best(rows: list[Measured], folder: Path | None = None) -> str:
    """The fastest engine within the bound and offered here, if it is worth it."""
    exact = next((row for row in rows if row.engine == "fp32"), None)
    if exact is None:
        return "fp32"
    fastest = min((row for row in rows if row.allowed and row.engine in offered(folder)), key=lambda row: row.rtf)
    return fastest.engine if fastest.rtf * LEAST_GAIN <= exact.rtf else "fp32"


def measure(mel: np.ndarray, f0: np.ndarray, load, folder: Path | None = None) -> list[Measured]:
    """Every engine on the same speech: mel [T, 100] and F0 [T]; ``load()`` gives a fresh ``vocoder.api.Vocoder``, and ``folder``
    holds its graphs.

    Runs of the engines alternate, so that what else the machine does falls on all; the median is kept.
    """
    from vocoder.audio.frames import FRAME_RATE
    from vocoder.audio.mel import log_mel

    vocoders = {engine: load() for engine in offered(folder)}
    for engine, vocoder in vocoders.items():
        engage(vocoder.model, engine, folder)
    made = {engine: vocoder.decode(mel, f0) for engine, vocoder in vocoders.items()}
    seconds = {engine: [] for engine in vocoders}
    for _ in range(RUNS):
        for engine, vocoder in vocoders.items():
            started = time.perf_counter()
            vocoder.decode(mel, f0)
            seconds[engine].append(time.perf_counter() - started)
    exact = made["fp32"]
    return [
        Measured(engine, statistics.median(seconds[engine]) * FRAME_RATE / len(f0),
                 None if engine == "fp32" else snr(exact, wav),
                 float(np.abs(log_mel(wav) - log_mel(exact)).mean() * 20 / np.log(10)))
        for engine, wav in made.items()
    ]  # fmt: skip


def snr(exact: np.ndarray, wav: np.ndarray) -> float:
    """Decibels of a waveform over its difference to another."""
    return float(10 * np.log10(np.square(exact).sum() / max(float(np.square(exact - wav).sum()), 1e-20)))


def store(rows: list[Measured], weights: str) -> Path:
    """Keep what was measured for :func:`chosen`."""
    document = {"made_by": made_by(weights), "rows": [asdict(row) for row in rows]}
    stored_at().parent.mkdir(parents=True, exist_ok=True)
    atomic_write(stored_at(), strict_json.dumps(document) + "\n", force=True)
    return stored_at()


def stored_at() -> Path:
    return cache_folder() / "engine.json"


def made_by(weights: str) -> dict:
    """What a measurement holds for: this CPU, this torch, these weights."""
    import torch

    return {"format": FORMAT, "cpu": f"{platform.machine()} {platform.node()} {torch.backends.cpu.get_cpu_capability()}",
            "torch": torch.__version__, "weights": weights}  # fmt: skip


def _bf16(linear):
    """A linear layer whose weights are bfloat16; float32 in and out."""
    import torch
    import torch.nn.functional as F

    class Bf16Linear(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.bias = linear.weight.detach().bfloat16(), linear.bias.detach().bfloat16()

        def forward(self, x):
            return F.linear(x.bfloat16(), self.weight, self.bias).float()

    return Bf16Linear()


def _int8(linear):
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its deprecation, which offered() heeds
        return torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(linear), {torch.nn.Linear}, dtype=torch.qint8)[0]
