"""A published Vocos as a vocoder to compare with: ``config.yaml`` and weights in the layout of the ``vocos`` package.

The mel models only (``MelSpectrogramFeatures``, ``VocosBackbone``, ``ISTFTHead``), without that package. Same weights,
same numbers: the ``interop`` test holds both side by side. Their clock and mel are their own (hop 256, HTK bands of
equal height, log(max(x, 1e-7))): features of one vocoder are no input of another.

Source: Vocos (arXiv 2306.00814), package vocos 0.1.0 (MIT); own code, names of tensors and of settings are theirs.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tts.base.errors import DataError, ModelError, NoInputError, ResourceError, UnavailableError
from tts.base.limits import LIMITS
from vocoder.audio.frames import SAMPLE_RATE
from vocoder.audio.spectrum import istft
from vocoder.kernels.fourier_head import polar_spectrum
from vocoder.nn.checkpoint import load_into, read_tensors
from vocoder.nn.config import from_dict
from vocoder.nn.convnext import ConvNeXtBlock

CONFIG, WEIGHTS = "config.yaml", ("model.safetensors", "pytorch_model.bin")
FLOOR = 1e-7  # magnitudes below are raised to it before the logarithm
LARGEST = 8192  # any size in a config; the published models stay below 2000
Padding = Literal["center", "same"]

CLASSES = {
    "feature_extractor": "vocos.feature_extractors.MelSpectrogramFeatures",
    "backbone": "vocos.models.VocosBackbone",
    "head": "vocos.heads.ISTFTHead",
}
# Our names -> theirs, by prefix; inside a block the second table.
PARTS = {
    "window": "feature_extractor.mel_spec.spectrogram.window",
    "bank": "feature_extractor.mel_spec.mel_scale.fb",
    "embed": "backbone.embed",
    "norm_in": "backbone.norm",
    "blocks": "backbone.convnext",
    "norm_out": "backbone.final_layer_norm",
    "head": "head.out",
    "head_window": "head.istft.window",
}
BLOCK = {"depthwise.conv": "dwconv", "norm": "norm", "expand": "pwconv1", "contract": "pwconv2", "gamma": "gamma"}


@dataclass(frozen=True)
class Features:
    """``init_args`` of the feature extractor."""

    sample_rate: int = SAMPLE_RATE  # Hz
    n_fft: int = 1024  # samples, also the window
    hop_length: int = 256  # samples
    n_mels: int = 100
    padding: Padding = "center"  # reflected on both sides: n_fft / 2, or (n_fft - hop) / 2 for "same"


@dataclass(frozen=True)
class Backbone:
    """``init_args`` of the backbone."""

    input_channels: int
    dim: int
    intermediate_dim: int
    num_layers: int
    layer_scale_init_value: float | None = None  # of training only
    adanorm_num_embeddings: int | None = None  # of the EnCodec models, refused


@dataclass(frozen=True)
class Head:
    """``init_args`` of the head."""

    dim: int
    n_fft: int
    hop_length: int
    padding: Padding = "same"


@dataclass(frozen=True)
class PackageConfig:
    """The three parts of ``config.yaml``, which must fit each other."""

    feature_extractor: Features
    backbone: Backbone
    head: Head

    def __post_init__(self):
        mel, backbone, head = self.feature_extractor, self.backbone, self.head
        sizes = (mel.n_fft, mel.hop_length, mel.n_mels, backbone.dim, backbone.intermediate_dim, backbone.num_layers)
        if min(sizes) < 1 or max(sizes) > LARGEST:
            raise ModelError(f"sizes are 1 to {LARGEST}, found {sizes}.", where=CONFIG, code="vocos.config")
        faults = {
            f"the sample rate is {SAMPLE_RATE} Hz here, not {mel.sample_rate}": mel.sample_rate != SAMPLE_RATE,
            "adanorm_num_embeddings belongs to the EnCodec models": backbone.adanorm_num_embeddings is not None,
            "input_channels is not n_mels": backbone.input_channels != mel.n_mels,
            "backbone and head differ in dim": backbone.dim != head.dim,
            "mel and head differ in n_fft or hop_length": (mel.n_fft, mel.hop_length) != (head.n_fft, head.hop_length),
            'padding "same" needs n_fft a multiple of hop_length': head.padding == "same" and head.n_fft % head.hop_length > 0,
        }
        wrong = [fault for fault, found in faults.items() if found]
        if wrong:
            raise ModelError(f"{'; '.join(wrong)}.", where=CONFIG, code="vocos.config")


class VocosPackage:
    """A loaded Vocos: ``model.decode(model.mel(wav))`` is its copy synthesis."""

    sample_rate = SAMPLE_RATE

    def __init__(self, model: VocosModel):
        self.model = model.eval()

    @classmethod
    def load(cls, folder, weights=None) -> VocosPackage:
        """Load ``config.yaml`` and ``model.safetensors`` or ``pytorch_model.bin``.

        Args:
            folder: A folder with these names, or the path of the config.
            weights: Path of the weights; beside the config when None.

        Raises:
            NoInputError, ModelError, ResourceError: A file is missing, damaged, too large, or of another kind of model.
            UnavailableError: PyYAML is not installed.
        """
        path = Path(folder)
        path = path / CONFIG if path.is_dir() else path
        if weights is None:
            found = [path.parent / name for name in WEIGHTS if (path.parent / name).is_file()]
            if not found:
                raise NoInputError(f"holds no {' or '.join(WEIGHTS)}.", where=path.parent, code="vocos.weights")
            weights = found[0]
        model = VocosModel(read_config(path))
        named = read_weights(Path(weights))
        own = {name: published_name(name) for name in model.state_dict()}
        missing = [name for name in own.values() if name not in named]
        unknown = sorted(set(named) - set(own.values()))
        if missing or unknown:
            raise ModelError(
                f"tensors do not fit {CONFIG}: {len(missing)} missing {missing[:1]}, {len(unknown)} unknown {unknown[:1]}.",
                where=weights,
                code="vocos.tensors",
                fix="Take both files from the same model.",
            )
        tensors = {name: named[theirs] for name, theirs in own.items()}
        tensors |= {name: t[:, :, None] for name, t in tensors.items() if "depthwise" in name and t.dim() == 3}  # conv1d -> 2d
        load_into(model, tensors, str(weights))
        return cls(model)

    def mel(self, wav: np.ndarray) -> np.ndarray:
        """[S] samples at 24 kHz -> [T, n_mels] float32; T = 1 + S // hop with "center" padding, S // hop with "same"."""
        wav = np.ascontiguousarray(wav, dtype=np.float32)
        if wav.ndim != 1 or len(wav) <= self.model.pad(self.model.config.feature_extractor):
            raise DataError(f"wav has shape {wav.shape}; at least half a window of samples is needed.", code="vocos.shape")
        with torch.inference_mode():
            return self.model.mel(torch.from_numpy(wav)[None])[0].numpy()

    def decode(self, mel: np.ndarray) -> np.ndarray:
        """[T, n_mels] of :meth:`mel` -> samples, hop (T - 1) of them with "center" padding, hop T with "same"."""
        mel = np.ascontiguousarray(mel, dtype=np.float32)
        n_mels = self.model.config.feature_extractor.n_mels
        if mel.ndim != 2 or mel.shape[1] != n_mels or len(mel) < 2:
            raise DataError(f"mel has shape {mel.shape}; [T, {n_mels}] with T > 1 is needed.", code="vocos.shape")
        with torch.inference_mode():
            return self.model(torch.from_numpy(mel)[None])[0].numpy()


class VocosModel(nn.Module):
    """Mel -> magnitude and phase -> waveform, with the windows and the filter bank that the weights bring."""

    def __init__(self, config: PackageConfig):
        super().__init__()
        self.config = config
        mel, trunk = config.feature_extractor, config.backbone
        self.register_buffer("window", torch.hann_window(mel.n_fft))
        self.register_buffer("bank", htk_filterbank(mel))
        self.embed = nn.Conv1d(trunk.input_channels, trunk.dim, 7, padding=3)
        self.norm_in = nn.LayerNorm(trunk.dim, eps=1e-6)
        self.blocks = nn.ModuleList(ConvNeXtBlock(trunk.dim, trunk.intermediate_dim) for _ in range(trunk.num_layers))
        self.norm_out = nn.LayerNorm(trunk.dim, eps=1e-6)
        self.head = nn.Linear(trunk.dim, config.head.n_fft + 2)
        self.register_buffer("head_window", torch.hann_window(config.head.n_fft))

    @staticmethod
    def pad(part: Features | Head) -> int:
        return part.n_fft // 2 if part.padding == "center" else (part.n_fft - part.hop_length) // 2

    def mel(self, wav: Tensor) -> Tensor:
        """[B, S] -> [B, T, n_mels] log-mel."""
        config = self.config.feature_extractor
        wav = F.pad(wav, (self.pad(config),) * 2, mode="reflect")
        spectrum = torch.stft(wav, config.n_fft, config.hop_length, window=self.window, center=False, return_complex=True)
        return (spectrum.abs().transpose(1, 2) @ self.bank).clamp(min=FLOOR).log()

    def forward(self, mel: Tensor) -> Tensor:
        """[B, T, n_mels] -> [B, samples]."""
        x = self.norm_in(self.embed(mel.transpose(1, 2)).transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        return self.inverse(polar_spectrum(self.head(self.norm_out(x))))

    def inverse(self, spectrum: Tensor) -> Tensor:
        """[B, T, n_fft // 2 + 1] -> [B, samples]."""
        config = self.config.head
        if config.padding == "same":
            return istft(spectrum, config.n_fft, config.hop_length)
        return torch.istft(spectrum.transpose(1, 2), config.n_fft, config.hop_length, window=self.head_window)


def published_name(name: str) -> str:
    """The package's name of one of our tensors: ``blocks.0.expand.bias`` -> ``backbone.convnext.0.pwconv1.bias``."""
    part, _, rest = name.partition(".")
    if part == "blocks":
        index, _, inner = rest.partition(".")
        ours = next(prefix for prefix in BLOCK if inner == prefix or inner.startswith(f"{prefix}."))
        rest = f"{index}.{BLOCK[ours]}{inner[len(ours) :]}"
    return f"{PARTS[part]}.{rest}" if rest else PARTS[part]


def read_config(path: Path) -> PackageConfig:
    """The settings of ``config.yaml``; classes other than the mel model's are refused by name."""
    try:
        import yaml
    except ImportError as error:
        raise UnavailableError("config.yaml needs PyYAML.", code="vocos.yaml", fix="Run: pip install pyyaml") from error
    try:
        content = yaml.safe_load(_read(path, LIMITS.json_bytes).decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError("is not YAML.", where=path, code="vocos.config") from error
    parts = {}
    for name, wanted in CLASSES.items():
        part = content.get(name) if isinstance(content, dict) else None
        found = part.get("class_path") if isinstance(part, dict) else None
        if found != wanted:
            raise ModelError(f"{name} is {found!r}; {wanted} is read here.", where=path, code="vocos.class")
        parts[name] = part.get("init_args") or {}
    return from_dict(PackageConfig, parts, str(path))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Name -> float32 tensor. A ``.bin`` goes through torch's reader of plain tensors, which runs no code of the file."""
    if path.suffix == ".safetensors":
        return read_tensors(path)[1]
    data = _read(path, LIMITS.model_bytes)
    try:
        named = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # damage shows as any of a dozen kinds
        raise ModelError("is no file of plain tensors.", where=path, code="vocos.weights", fix="Copy the file again.") from error
    if not isinstance(named, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in named.items()):
        raise ModelError("does not map names to tensors.", where=path, code="vocos.weights")
    for name, tensor in named.items():
        if not tensor.isfinite().all():
            raise ModelError(f"tensor {name} is not finite.", where=path, code="vocos.values")
    return {name: tensor.float() for name, tensor in named.items()}


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        if path.stat().st_size > max_bytes:
            raise ResourceError(f"larger than {max_bytes:,} bytes.", where=path, code="vocos.size", limit=max_bytes)
        return path.read_bytes()
    except OSError as error:
        raise NoInputError(f"cannot be read: {error.strerror}.", where=path, code="vocos.unreadable") from error


def htk_filterbank(config: Features) -> Tensor:
    """[n_fft // 2 + 1, n_mels] triangles of height one on the HTK mel scale, 2595 log10(1 + f / 700)."""
    top = 2595 * math.log10(1 + config.sample_rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, config.n_mels + 2) / 2595) - 1)
    bins = np.linspace(0, config.sample_rate / 2, config.n_fft // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return torch.from_numpy(np.maximum(0, np.minimum(rising, falling)).astype(np.float32))
