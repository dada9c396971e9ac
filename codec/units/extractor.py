"""Extractors: samples -> features on the codec's frames. A teacher of the semantic path is one of them, chosen by name.

``transformers:PLACE``   HuBERT, WavLM, wav2vec 2.0 or XLS-R from a folder or a hub's id, by the package transformers
others                   added with ``register``; ``tts.units`` adds ``aligner``, the package's own phone recogniser

An extractor is frozen: it runs without gradient and in float32, and keeps its model where the samples are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import import_module

import torch
import torch.nn.functional as F
from torch import Tensor

from tts.base.errors import DataError, UnavailableError, UsageError
from vocoder.audio.frames import FRAME_RATE, HOP_LENGTH, SAMPLE_RATE


class UnitExtractor:
    """Kinds set the four facts and define ``run``; those with a quantiser set ``codebooks`` and define ``quantise``.

    A kind that hears the mel may define ``units_of_mel(mel [B, T, 100], mask [B, T]) -> int64 [B, U, G]`` as well: units of a
    feature store then need no audio.
    """

    name: str  # as ``unit_extractor`` takes it
    dim: int  # width of a feature
    sample_rate: int  # Hz, of the samples that ``run`` hears
    frame_rate: float  # of what ``run`` returns, frames a second
    codebooks: Tensor | None = None  # [G, K, D] float32: the vectors that the K codes of each of G groups stand for

    @property
    def unit_rate(self) -> float:
        """Units a second: one a feature of ``run``, each of G codes."""
        return self.frame_rate

    @property
    def units_id(self) -> str:
        """Which codebooks the codes are of: 16 hexadecimal digits, a hash of their float32 values."""
        return hashlib.sha256(self._books().cpu().float().numpy().tobytes()).hexdigest()[:16]

    @torch.no_grad()
    def features(self, wav: Tensor) -> Tensor:
        """[B, S] float32 at 24 kHz, S a multiple of 320, -> [B, S / 320, dim] float32, one a frame of the codec.

        Raises:
            DataError: wav is of another shape.
        """
        return at_frames(self._run(wav), self.frame_rate, wav.shape[1] // HOP_LENGTH)

    @torch.no_grad()
    def units(self, wav: Tensor) -> Tensor:
        """[B, S] float32 at 24 kHz, S a multiple of 320, -> [B, U, G] int64 in 0..K-1, ``unit_rate`` of them a second.

        Unlike ``features`` they stay on the extractor's own clock: codes cannot be interpolated.

        Raises:
            UsageError: This kind has no quantiser.
            DataError: wav is of another shape.
        """
        self._books()
        return self.quantise(self._run(wav))

    def _run(self, wav: Tensor) -> Tensor:
        if wav.dim() != 2 or wav.shape[1] == 0 or wav.shape[1] % HOP_LENGTH:
            raise DataError(f"wav has shape {tuple(wav.shape)}.", code="units.shape",
                            fix=f"Give [B, S] with S a multiple of {HOP_LENGTH}.")  # fmt: skip
        with torch.autocast(wav.device.type, enabled=False):
            return self.run(resampled(wav.float(), self.sample_rate)).float()

    def _books(self) -> Tensor:
        if self.codebooks is None:
            raise UsageError("this extractor has features but no quantiser, so it makes no units.", where=self.name,
                             code="units.no_quantiser", fix="Use one that has codebooks.")  # fmt: skip
        return self.codebooks

    def run(self, wav: Tensor) -> Tensor:
        """[B, S] at ``sample_rate`` -> [B, N, dim]; feature i is centred on (i + 1/2) / ``frame_rate`` seconds."""
        raise NotImplementedError

    def quantise(self, features: Tensor) -> Tensor:
        """[B, U, dim] of ``run`` -> codes [B, U, G] int64."""
        raise NotImplementedError


def resampled(wav: Tensor, sample_rate: int) -> Tensor:
    """[B, S] from 24 kHz to ``sample_rate``."""
    from vocoder.audio.io import resample

    if sample_rate == SAMPLE_RATE:
        return wav
    return torch.stack([torch.from_numpy(resample(row, SAMPLE_RATE, sample_rate)) for row in wav.cpu().numpy()]).to(wav.device)


def at_frames(features: Tensor, frame_rate: float, n_frames: int) -> Tensor:
    """[B, N, D] at ``frame_rate`` -> [B, n_frames, D] at 75 Hz: linear between the centres, held before and after them."""
    if frame_rate == FRAME_RATE and features.shape[1] == n_frames:
        return features
    centres = (torch.arange(n_frames, device=features.device, dtype=torch.float64) + 0.5) * (frame_rate / FRAME_RATE) - 0.5
    centres = centres.clamp(0, features.shape[1] - 1)
    before = centres.floor().long()
    after = (before + 1).clamp(max=features.shape[1] - 1)
    return torch.lerp(features[:, before], features[:, after], (centres - before).float()[:, None])


class TransformersUnits(UnitExtractor):
    """Mean over all hidden layers of a self-supervised model.

    Source: X-Codec (arXiv 2408.17175 §3), the mean over all layers of HuBERT. The convolutions in front of these models hear
    400 samples and step by 320, at 16 kHz; with 40 zeros at both ends feature i is centred on sample (i + 1/2) 320.

    transformers is no dependency of the package: it is imported here, when the user has it.

    Args:
        place: Folder with config.json and weights, or a hub's id.
        download: Whether a hub may be asked; False reads folders and what was downloaded before.

    Raises:
        UnavailableError: transformers is not installed, or finds no such model.
        DataError: The model does not begin with such convolutions.
    """

    def __init__(self, place: str, download: bool = False):
        try:
            transformers = import_module("transformers")
        except ImportError as error:
            raise UnavailableError("transformers is not installed.", where=f"transformers:{place}", code="units.transformers",
                                   fix="pip install transformers") from error  # fmt: skip
        try:
            self.model = transformers.AutoModel.from_pretrained(place, local_files_only=not download).eval()
            before = transformers.AutoFeatureExtractor.from_pretrained(place, local_files_only=not download)
        except (OSError, ValueError) as error:
            raise UnavailableError(f"no model was found: {str(error).splitlines()[0][:200]}", where=f"transformers:{place}",
                                   code="units.missing",
                                   fix="Give a folder with a model, or allow downloads: download=True, "
                                       "in training --set task.download_teacher=true.") from error  # fmt: skip
        self.model.requires_grad_(False)
        self.name, self.dim = f"transformers:{place}", self.model.config.hidden_size
        self.sample_rate, self.normalised = before.sampling_rate, bool(getattr(before, "do_normalize", False))
        self.window = self.stride = 1  # samples that a feature hears, and from one to the next
        config = self.model.config
        for kernel, stride in zip(getattr(config, "conv_kernel", ()), getattr(config, "conv_stride", ()), strict=False):
            self.window += (kernel - 1) * self.stride
            self.stride *= stride
        if not 1 < self.stride <= self.window:
            raise DataError("it has no convolutions over samples in front.", where=self.name, code="units.frames",
                            fix="Use HuBERT, WavLM, wav2vec 2.0 or XLS-R.")  # fmt: skip
        self.frame_rate = self.sample_rate / self.stride

    def run(self, wav):
        if self.normalised:
            wav = (wav - wav.mean(1, keepdim=True)) / (wav.var(1, keepdim=True, unbiased=False) + 1e-7).sqrt()
        short = max(0, self.stride - wav.shape[1])
        around = self.window - self.stride
        wav = F.pad(wav, (around // 2, around - around // 2 + short))
        hidden = self.model.to(wav.device)(wav, output_hidden_states=True).hidden_states
        return torch.stack(hidden).mean(0)


def house_units(place: str, download: bool) -> UnitExtractor:
    from codec.units.encoder import HouseUnits

    return HouseUnits(place)


_KINDS: dict[str, Callable[..., UnitExtractor]] = {"house": house_units, "transformers": TransformersUnits}


def register(kind: str, make: Callable[..., UnitExtractor]) -> None:
    """Let ``unit_extractor`` know a kind: ``make(place, download)`` is called for "kind:place", with place "" for "kind"."""
    _KINDS[kind] = make


def unit_extractor(name: str, download: bool = False) -> UnitExtractor:
    """The extractor of a name, "kind" or "kind:place".

    Args:
        name: For example ``aligner`` or ``transformers:microsoft/wavlm-base-plus``.
        download: Whether a hub may be asked for a model that is not here.

    Raises:
        UsageError: The kind is not known.
        UnavailableError: What it needs is not here.
    """
    kind, _, place = name.partition(":")
    if kind not in _KINDS:
        raise UsageError(f"there is no extractor {name!r}.", where="semantic", code="units.kind",
                         fix=f"Known: {', '.join(sorted(_KINDS))}. aligner is there after `import tts.units`.")  # fmt: skip
    return _KINDS[kind](place, download)
