"""Extractors: samples -> features on the codec's frames, or discrete units on a clock of their own. One is chosen by name.

``house``                 the package's own self-supervised encoder (``codec/units/encoder.py``)
``transformers:PLACE``    HuBERT, WavLM, wav2vec 2.0 or XLS-R from a folder or a hub's id, by the package transformers: the mean
                          over all layers; ``transformers:PLACE#9``: one of them
``xlsr:PLACE``            the pre-training codes of XLSR-53, likewise
``kmeans:FILE``           k-means over the features of another extractor (``python -m recipes units-kmeans``)
``mel``                   the log-mel, to compare with
others                    added with ``register``; ``tts.units`` adds ``aligner``, the package's own phone recogniser

All have features: a teacher of the codec's semantic path is one of them. Those with ``codebooks`` have units too.
An extractor is frozen: it runs without gradient and in float32, and keeps its model where the samples are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import import_module

import torch
from torch import Tensor

from tts.base.errors import DataError, UsageError
from vocoder.audio.frames import FRAME_RATE, HOP_LENGTH, N_MELS, SAMPLE_RATE
from vocoder.audio.mel import log_mel


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
        return at_frames(self.unit_features(wav), self.frame_rate, wav.shape[1] // HOP_LENGTH)

    @torch.no_grad()
    def units(self, wav: Tensor) -> Tensor:
        """[B, S] float32 at 24 kHz, S a multiple of 320, -> [B, U, G] int64 in 0..K-1, ``unit_rate`` of them a second.

        Unlike ``features`` they stay on the extractor's own clock: codes cannot be interpolated.

        Raises:
            UsageError: This kind has no quantiser.
            DataError: wav is of another shape.
        """
        self._books()
        return self.quantise(self.unit_features(wav))

    @torch.no_grad()
    def unit_features(self, wav: Tensor) -> Tensor:
        """What units are made of: [B, S] as in ``features`` -> [B, U, dim] float32 on the extractor's own clock."""
        if wav.dim() != 2 or wav.shape[1] == 0 or wav.shape[1] % HOP_LENGTH:
            raise DataError(f"wav has shape {tuple(wav.shape)}.", code="units.shape",
                            fix=f"Give [B, S] with S a multiple of {HOP_LENGTH}.")  # fmt: skip
        with torch.autocast(wav.device.type, enabled=False):
            return self.run(resampled(wav.float(), self.sample_rate)).float()

    def _books(self) -> Tensor:
        if self.codebooks is None:
            raise UsageError("this extractor has features but no quantiser, so it makes no units.", where=self.name,
                             code="units.no_quantiser",
                             fix="Use one with codebooks, or python -m recipes units-kmeans.")  # fmt: skip
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


class MelFeatures(UnitExtractor):
    """``mel``: the log-mel itself. What any better feature is compared with."""

    name, dim, sample_rate, frame_rate = "mel", N_MELS, SAMPLE_RATE, FRAME_RATE

    def __init__(self, place: str = "", download: bool = False):
        pass

    def run(self, wav):
        return log_mel(wav)


def _of(module: str, make: str) -> Callable[..., UnitExtractor]:
    """A kind that is imported when it is asked for."""
    return lambda place, download: getattr(import_module(f"codec.units.{module}"), make)(place, download)


_KINDS: dict[str, Callable[..., UnitExtractor]] = {
    "house": _of("encoder", "HouseUnits"),
    "kmeans": _of("kmeans", "load_kmeans"),
    "mel": MelFeatures,
    "transformers": _of("selfsupervised", "TransformersUnits"),
    "xlsr": _of("selfsupervised", "XlsrUnits"),
}


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
        raise UsageError(f"there is no extractor {name!r}.", where="extractor", code="units.kind",
                         fix=f"Known: {', '.join(sorted(_KINDS))}. aligner is there after `import tts.units`.")  # fmt: skip
    return _KINDS[kind](place, download)
