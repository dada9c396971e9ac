"""An acoustic model and its vocoder as ONNX graphs, with all that a program in another language needs to speak with them."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn as nn
from safetensors.torch import save
from torch import Tensor

import frontend
from frontend.inventory import id_to_symbol
from frontend.languages import resolve
from tts.aligner import N_MARKS
from tts.api import Synthesizer
from tts.base import strict_json
from tts.base.errors import UnavailableError
from tts.base.files import atomic_write, check_writable
from tts.graphs import FACTS, INPUTS, OUTPUTS, SMALL, TENSORS, place
from tts.models import load_acoustic
from tts.models.reference import reference_crop
from tts.models.variance import (
    ENERGY_CENTRE,
    ENERGY_SCALE,
    LONGEST_PHONE,
    PITCH_CENTRE,
    PITCH_SCALE,
    PITCH_SPREAD,
    VoiceTensors,
)
from tts.payload import payload_of
from tts.watermark import Mark
from vocoder.api import CHUNK, FIRST_CHUNK
from vocoder.audio.frames import HOP_LENGTH, N_FFT, N_MELS, SAMPLE_RATE
from vocoder.excitation import DEFAULT_LOG_F0
from vocoder.fourier import N_BINS

OPSET = 20
N_PHONES, N_FRAMES, N_MEMORY = 23, 90, 19  # of the example inputs; a graph takes any numbers
EXPORTED = ("fs2", "megatts")
EXAMPLE = "Hello there."


class Text(nn.Module):
    """The graphs are methods of the models, with real numbers in place of complex ones."""

    def __init__(self, variance):
        super().__init__()
        self.variance = variance

    def forward(self, ids, styles, langs):
        return self.variance.encoded(ids, styles, langs)


class Variance(Text):
    def forward(self, hidden, style):
        return self.variance.foretold(hidden, style)


class Decoder(nn.Module):
    def __init__(self, acoustic):
        super().__init__()
        self.acoustic = acoustic

    def forward(self, *said):
        return self.acoustic.frames(*said)


class Vocoder(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, mel: Tensor, f0: Tensor, held: Tensor, pulses: Tensor, noise: Tensor) -> Tensor:
        """``excited_spectrum`` of pairs [1, T, bins, 2]."""
        gain, phase, noise_gain = self.model.head(self.model.trunk(mel, f0, held)).chunk(3, dim=-1)
        prior = self.model.prior(mel)
        gain = (prior + gain).clamp(-14, 5).exp()
        real, imag = gain * phase.cos(), gain * phase.sin()
        a, b = pulses.unbind(-1)
        filtered = torch.stack([a * real - b * imag, a * imag + b * real], dim=-1)
        return filtered + noise * (prior - 1.0 + noise_gain).clamp(-14, 5).exp()[..., None]


class MelVocoder(Vocoder):
    def forward(self, mel: Tensor) -> Tensor:
        magnitude, phase = self.model.head(self.model.trunk(mel, mel[..., 0])).chunk(2, dim=-1)
        magnitude = magnitude.exp().clamp(max=100.0)
        return torch.stack([magnitude * phase.cos(), magnitude * phase.sin()], dim=-1)


class Projection(Vocoder):
    def forward(self, magnitude: Tensor, mel: Tensor) -> Tensor:
        return self.model.correction(magnitude, mel)


def export(model: str | Path | None = None, out: str | Path | None = None, force: bool = False) -> Path:
    """Write the graphs of a model of ``tts synth`` into a folder; when it is None, to where the engine ``onnx`` looks for them.

    Raises:
        UnavailableError: the model is of a kind without graphs, or packages are missing.
        CannotCreateError: a file is there already, and ``force`` is false.
    """
    synthesizer = Synthesizer(model)
    (acoustic, config), vocoder = load_acoustic(synthesizer.folder), synthesizer.fresh_vocoder()
    if acoustic.kind not in EXPORTED:
        raise UnavailableError(f"a model of kind {acoustic.kind} has no ONNX graphs.", where=synthesizer.folder,
                               code="export.kind", fix="Take one that has: tts export-onnx --model fs2, or megatts.")  # fmt: skip
    if missing := [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]:
        raise UnavailableError(f"not installed: {', '.join(missing)}.", where="tts export-onnx", code="export.packages",
                               fix="pip install 'parlance-tts[onnx]'")  # fmt: skip
    out = place(config["model_id"], vocoder.config["model_id"]) if out is None else Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for name in (*(f"{name}.onnx" for name in OUTPUTS), FACTS, TENSORS):
        check_writable(out / name, force)
    with torch.no_grad():
        for name, (module, given, axes) in modules(acoustic, vocoder.model).items():
            made = graph(name, module, given, axes)
            atomic_write(out / f"{name}.onnx", made, force)
            if name == "vocoder":
                atomic_write(out / f"{SMALL}.onnx", in_int8(made), force)
        tensors = tensors_of(synthesizer, acoustic, config)
        facts = facts_of(synthesizer, acoustic, config, vocoder, tensors)
    atomic_write(out / TENSORS, save(tensors), force)
    atomic_write(out / FACTS, strict_json.dumps(facts) + "\n", force)
    return out


def modules(acoustic, model) -> dict[str, tuple[nn.Module, tuple[Tensor, ...], tuple[dict, ...]]]:
    """Graph -> (module, example inputs, what dimensions of each are free)."""
    variance = acoustic.variance
    text, reference = variance.config.text, variance.config.reference
    n, t, m = N_PHONES, N_FRAMES, N_MEMORY
    phones, frames, memory = {1: "phones"}, {1: "frames"}, {1: "memory"}
    ids = torch.arange(n)[None] % text.n_symbols
    durations = torch.full((1, n), t // n)
    durations[0, 0] += t - int(durations.sum())
    token, style = torch.repeat_interleave(torch.arange(n), durations[0])[None], torch.zeros(1, reference.style_dim)
    hidden, level = torch.randn(1, n, text.dim), torch.zeros(1, n)
    said = [hidden, durations, token, level, level + 0.5, style, torch.randn(1, reference.n_tokens, reference.dim)]
    free = [phones, phones, frames, phones, phones, {}, {}]
    if acoustic.kind == "megatts":
        said.append(torch.zeros(1, n, variance.code.in_features))
        free.append(phones)
        if variance.timbre is not None:
            said.append(torch.randn(1, m, reference.dim))
            free.append(memory)
    mel, f0, pair = torch.randn(1, t, N_MELS) - 5, torch.full((1, t), 120.0), torch.randn(1, t, N_BINS, 2)
    if model.config.form == "mel":
        vocoder = MelVocoder(model), (mel,), (frames,)
    else:
        vocoder = Vocoder(model), (mel, f0, f0.log(), pair, pair + 0), (frames,) * 5
    return {
        "text": (Text(variance), (ids, torch.zeros_like(ids), torch.ones_like(ids)), (phones,) * 3),
        "variance": (Variance(variance), (hidden, style), (phones, {})),
        "decoder": (Decoder(acoustic), tuple(said), tuple(free)),
        "vocoder": vocoder,
        "projection": (Projection(model), (pair[..., 0].abs(), mel), (frames, frames)),
    }


def graph(name: str, module: nn.Module, given: tuple[Tensor, ...], axes: tuple[dict, ...]) -> bytes:
    """One graph in float32, weights included."""
    names = INPUTS[name][: len(given)]
    sizes = {axis: torch.export.Dim(axis, min=1, max=1 << 20) for axes_of_one in axes for axis in axes_of_one.values()}
    shapes = tuple({dim: sizes[axis] for dim, axis in each.items()} for each in axes)
    if name == "decoder":  # takes them as *said
        shapes = (shapes,)
    with quiet():
        program = torch.onnx.export(module.eval(), given, dynamo=True, dynamic_shapes=shapes, opset_version=OPSET,
                                    input_names=names, output_names=OUTPUTS[name], verbose=False)  # fmt: skip
    return program.model_proto.SerializeToString()


def in_int8(model: bytes) -> bytes:
    """The vocoder's graph with its blocks' linear layers in int8: weights a channel, inputs a tensor, rounded at run time."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = onnx.load_from_string(model)
    widths = {weight.name: weight.dims[-1] for weight in whole.graph.initializer if weight.dims}
    spectra = [node.name for node in whole.graph.node if node.op_type == "MatMul" and widths[node.input[1]] % N_BINS == 0]
    with TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(whole, path, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8,
                         nodes_to_exclude=spectra)  # fmt: skip
        return path.read_bytes()


@contextmanager
def quiet():
    """The exporters tell of every step, and torch formats what nobody reads."""
    before = logging.root.manager.disable
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)


def tensors_of(synthesizer: Synthesizer, acoustic, config: dict) -> dict[str, Tensor]:
    """The watermark's pattern; ``NAME.style``, ``NAME.tokens`` and, where phones attend to it, ``NAME.memory`` of the voices."""
    tensors = {"watermark": torch.from_numpy(Mark.load().pattern(payload_of(config["model_id"])))}
    for info in synthesizer.voices():
        voice = synthesizer.voice(info.name)
        heard = acoustic.variance.voice(reference_crop(torch.from_numpy(voice.reference)))
        tensors[f"{info.name}.style"] = torch.from_numpy(voice.style)[None]
        tensors[f"{info.name}.tokens"] = heard.tokens[None]
        if heard.memory is not None:
            tensors[f"{info.name}.memory"] = heard.memory[None]
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def facts_of(synthesizer: Synthesizer, acoustic, config: dict, vocoder, tensors: dict[str, Tensor]) -> dict:
    """What a program has to know beside the graphs; docs/onnx.md says what each is for."""
    ids, sizes = range(acoustic.variance.config.text.n_symbols), vocoder.model.config
    return {
        "format_version": 1,
        "model_id": config["model_id"],
        "vocoder_id": vocoder.config["model_id"],
        "architecture": acoustic.kind,
        "clock": {"sample_rate": SAMPLE_RATE, "hop_length": HOP_LENGTH, "n_fft": N_FFT, "window": "hann, periodic",
                  "padding": (N_FFT - HOP_LENGTH) // 2, "n_mels": N_MELS},
        "phones": {id_to_symbol(i): i for i in ids},
        "languages": {tag: resolve(tag).id for tag in config["minutes"]},
        "may_be_silent_below": N_MARKS,
        "longest_phone": LONGEST_PHONE,
        "pitch": {"centre": PITCH_CENTRE, "scale": PITCH_SCALE, "spread": PITCH_SPREAD, "lowest_hz": 50, "highest_hz": 700},
        "energy": {"centre": ENERGY_CENTRE, "scale": ENERGY_SCALE},
        "unvoiced_log_f0": DEFAULT_LOG_F0,
        "vocoder": {"form": sizes.form, "n_projections": sizes.n_projections, "context_frames": sizes.receptive_field,
                    "first_chunk_frames": FIRST_CHUNK, "chunk_frames": CHUNK},
        "watermark": {"period_frames": len(tensors["watermark"])},
        "voices": {info.name: info.language for info in synthesizer.voices()},
        "example": example(synthesizer, acoustic, tensors),
    }  # fmt: skip


def example(synthesizer: Synthesizer, acoustic, tensors: dict[str, Tensor]) -> dict:
    """A clause with what its voice makes of it, for a program to check itself by."""
    clause, name = frontend.analyze(EXAMPLE, "en-us").clauses[0], synthesizer.voices()[0].name
    plan = acoustic.variance.plan(clause, VoiceTensors(tensors[f"{name}.style"][0]))
    return {"text": EXAMPLE, "voice": name, "ids": clause.ids.tolist(), "styles": clause.styles.tolist(),
            "langs": clause.langs.tolist(), "durations": plan.durations.tolist(), "pitch_hz": plan.pitch.round(3).tolist(),
            "energy": plan.energy.round(4).tolist()}  # fmt: skip
