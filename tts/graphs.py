"""The networks of ``tts synth`` as ONNX graphs: what each takes and gives, and running them by onnxruntime in torch's place.

    ids, styles, langs ──text──▶ hidden ──variance──▶ log frames, presence, pitch, energy a phone
    hidden, durations, pitch, energy, voice ──decoder──▶ mel, F0, voicing a frame
    mel, F0, spectra of pulses and noise ──vocoder──▶ spectrum ──inverse FFT──▶ samples ──FFT──projection──inverse FFT──▶ samples

What lies between the graphs is a few lines a step and stays outside: rounding of durations, Fourier transforms, overlap-add,
pulses, noise. ``tts.export`` writes the folder, with ``speech.json`` and ``speech.safetensors`` for programs in other languages
(docs/onnx.md).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tts.base.errors import UnavailableError
from tts.registry import cache_folder

INPUTS = {  # of each graph, in order; shapes in docs/onnx.md. The last two of "decoder" only where a model has them
    "text": ("ids", "styles", "langs"),
    "variance": ("hidden", "style"),
    "decoder": ("hidden", "durations", "token", "pitch", "energy", "style", "tokens", "codes", "memory"),
    "vocoder": ("mel", "f0", "held", "pulses", "noise"),
    "projection": ("magnitude", "mel"),
}
SMALL = "vocoder-int8"  # the vocoder again, in half the size
OUTPUTS = {
    "text": ("hidden",),
    "variance": ("values",),
    "decoder": ("mel", "f0", "voiced"),
    "vocoder": ("spectrum",),
    SMALL: ("spectrum",),
    "projection": ("factors",),
}
FACTS, TENSORS = "speech.json", "speech.safetensors"


def place(acoustic_id: str, vocoder_id: str) -> Path:
    """Where the engine ``onnx`` looks for the graphs of two models."""
    return cache_folder() / "onnx" / f"{acoustic_id}-{vocoder_id}"


def ready(folder: Path) -> bool:
    """Whether all graphs are in a folder, and onnxruntime to run them."""
    return _runtime() and all((folder / f"{name}.onnx").is_file() for name in OUTPUTS)


def _runtime() -> bool:
    return importlib.util.find_spec("onnxruntime") is not None


class Graph:
    """A function of torch tensors by onnxruntime, on as many threads as torch has."""

    def __init__(self, path: Path):
        import onnxruntime
        import torch

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # torch's threads need the cores in between
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.names = [each.name for each in self.session.get_inputs()]

    def __call__(self, *given):
        """One tensor, or a tuple of them."""
        import torch

        found = self.session.run(None, {name: x.numpy() for name, x in zip(self.names, given, strict=True)})
        results = tuple(torch.from_numpy(x) for x in found)
        return results[0] if len(results) == 1 else results


def engage_acoustic(acoustic, folder: Path) -> None:
    """Let onnxruntime compute what an ``fs2`` or ``megatts`` says of clauses; voices, codes and training stay with torch.

    Raises:
        UnavailableError: there are no graphs, or no onnxruntime.
    """
    acoustic.variance.encoded = opened(folder, "text")
    acoustic.variance.foretold = opened(folder, "variance")
    acoustic.frames = opened(folder, "decoder")


def engage_vocoder(model, folder: Path, name: str = "vocoder") -> None:
    """Let onnxruntime compute the spectra of a ``FourierVocoder`` by its graph of this name; errors as above."""
    import torch

    from vocoder.excitation import bridged_log_f0

    vocoder, projection, plain = opened(folder, name), opened(folder, "projection"), model.spectrum

    def spectrum(mel, f0, held, extra, *excitation):
        if extra is not None:  # what a codec knows beside the mel: no graph takes it
            return plain(mel, f0, held, extra, *excitation)
        pairs = [torch.view_as_real(each) for each in excitation]
        given = (mel, f0, bridged_log_f0(f0) if held is None else held, *pairs) if pairs else (mel,)
        return torch.view_as_complex(vocoder(*given))

    model.spectrum, model.correction = spectrum, projection


def opened(folder: Path, name: str) -> Graph:
    if not _runtime():
        raise UnavailableError("onnxruntime is not installed.", where="PARLANCE_ENGINE", code="engine.unavailable",
                               fix="pip install 'parlance-tts[onnx]'")  # fmt: skip
    path = folder / f"{name}.onnx"
    if not path.is_file():
        raise UnavailableError("no graphs of this model are there.", where=path, code="engine.graphs",
                               fix="Write them: tts export-onnx --model NAME. Only fs2 and megatts have them.")  # fmt: skip
    return Graph(path)
