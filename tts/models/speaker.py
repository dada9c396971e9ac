"""The speaker encoder: seconds of speech to a vector of who speaks. ECAPA-TDNN.

    mel [B, T, n] ──▶ TDNN ──▶ 3 × SE-Res2Net ──concatenate──▶ attentive mean and deviation over time ──▶ [B, 192]

Layers and names of tensors are those of SpeechBrain's ``ECAPA_TDNN``, whose checkpoints load as they are
(:meth:`Ecapa.load_speechbrain`) and give the same numbers; ``tests/interop`` holds the two together.

Source: ECAPA-TDNN (arXiv 2005.07143). Differs: :class:`SpeakerEncoder`, the house model, hears the package's mel below
7.5 kHz, each band less its mean over time, so that microphone and room count little.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tts.base.errors import DataError
from vocoder.audio.mel import band_centres
from vocoder.nn.masks import length_mask

BANDS = int((band_centres() < 7500).sum())  # 16 kHz recordings reach so far
WINDOW, STRIDE = 300, 150  # frames: long recordings are heard in pieces of 4 s, half overlapping
SHORTEST = 30  # frames (0.4 s)


@dataclass(frozen=True)
class EcapaConfig:
    n_bands: int = BANDS
    channels: tuple[int, ...] = (192, 192, 192, 192, 576)
    kernel_sizes: tuple[int, ...] = (5, 3, 3, 3, 1)
    dilations: tuple[int, ...] = (1, 2, 3, 4, 1)
    attention_channels: int = 64
    res2net_scale: int = 8
    se_channels: int = 64
    dim: int = 192  # of the embedding


class Conv1d(nn.Module):
    """Convolution that keeps the length by reflection at both ends."""

    def __init__(self, n_in: int, n_out: int, kernel_size: int = 1, dilation: int = 1):
        super().__init__()
        self.conv = nn.Conv1d(n_in, n_out, kernel_size, dilation=dilation)
        self.pad = dilation * (kernel_size - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (self.pad, self.pad), mode="reflect") if self.pad else x)


class BatchNorm1d(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.norm = nn.BatchNorm1d(dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)


class TdnnBlock(nn.Module):
    def __init__(self, n_in: int, n_out: int, kernel_size: int = 1, dilation: int = 1):
        super().__init__()
        self.conv, self.norm = Conv1d(n_in, n_out, kernel_size, dilation), BatchNorm1d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(F.relu(self.conv(x)))


class Res2NetBlock(nn.Module):
    """Channels in groups; each group but the first hears the one before it, so that later groups see further."""

    def __init__(self, dim: int, scale: int, kernel_size: int, dilation: int):
        super().__init__()
        self.scale = scale
        self.blocks = nn.ModuleList(
            TdnnBlock(dim // scale, dim // scale, kernel_size, dilation) for _ in range(scale - 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        groups = list(x.chunk(self.scale, dim=1))
        for i, block in enumerate(self.blocks, start=1):
            groups[i] = block(groups[i] if i == 1 else groups[i] + groups[i - 1])
        return torch.cat(groups, dim=1)


class SeBlock(nn.Module):
    """Squeeze and excitation: a gain for each channel from the means of all."""

    def __init__(self, dim: int, squeezed: int):
        super().__init__()
        self.conv1, self.conv2 = Conv1d(dim, squeezed), Conv1d(squeezed, dim)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        mean = (x * real).sum(2, keepdim=True) / real.sum(2, keepdim=True)
        return torch.sigmoid(self.conv2(F.relu(self.conv1(mean)))) * x


class SeRes2NetBlock(nn.Module):
    def __init__(self, n_in: int, n_out: int, scale: int, squeezed: int, kernel_size: int, dilation: int):
        super().__init__()
        self.tdnn1, self.tdnn2 = TdnnBlock(n_in, n_out), TdnnBlock(n_out, n_out)
        self.res2net_block = Res2NetBlock(n_out, scale, kernel_size, dilation)
        self.se_block = SeBlock(n_out, squeezed)
        self.shortcut = Conv1d(n_in, n_out) if n_in != n_out else None

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        residual = x if self.shortcut is None else self.shortcut(x)
        return self.se_block(self.tdnn2(self.res2net_block(self.tdnn1(x))), real) + residual


class AttentivePooling(nn.Module):
    """Mean and standard deviation over time, each channel weighing the frames in its own way."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.tdnn, self.conv = TdnnBlock(3 * dim, hidden), Conv1d(hidden, dim)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """x [B, C, T], real [B, 1, T] -> [B, 2 C, 1]."""
        mean, deviation = statistics(x, real / real.sum(2, keepdim=True))
        size = x.shape[2]
        context = torch.cat([x, mean[..., None].expand(-1, -1, size), deviation[..., None].expand(-1, -1, size)], dim=1)
        weight = self.conv(torch.tanh(self.tdnn(context)))
        weight = weight.masked_fill(real == 0, float("-inf")).softmax(2)
        return torch.cat(statistics(x, weight), dim=1)[..., None]


def statistics(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and deviation over time of x [B, C, T]; weights add up to one."""
    mean = (weight * x).sum(2)
    return mean, (weight * (x - mean[..., None]).square()).sum(2).clamp(1e-12).sqrt()


class Ecapa(nn.Module):
    def __init__(self, config: EcapaConfig):
        super().__init__()
        self.config = config
        sizes, kernels, dilations = config.channels, config.kernel_sizes, config.dilations
        self.blocks = nn.ModuleList([TdnnBlock(config.n_bands, sizes[0], kernels[0], dilations[0])])
        self.blocks.extend(
            SeRes2NetBlock(sizes[i - 1], sizes[i], config.res2net_scale, config.se_channels, kernels[i], dilations[i])
            for i in range(1, len(sizes) - 1)
        )
        self.mfa = TdnnBlock(sizes[-2] * (len(sizes) - 2), sizes[-1], kernels[-1], dilations[-1])
        self.asp, self.asp_bn = AttentivePooling(sizes[-1], config.attention_channels), BatchNorm1d(2 * sizes[-1])
        self.fc = Conv1d(2 * sizes[-1], config.dim)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """features [B, T, n_bands], mask [B, T] bool, True = real -> [B, dim], of any length."""
        x, real = features.transpose(1, 2), mask[:, None].to(features.dtype)
        heard = []
        for i, block in enumerate(self.blocks):
            x = block(x, real) if i else block(x)
            heard.append(x)
        x = self.mfa(torch.cat(heard[1:], dim=1))
        return self.fc(self.asp_bn(self.asp(x, real)))[..., 0]

    @classmethod
    def load_speechbrain(cls, path, config: EcapaConfig | None = None) -> Ecapa:
        """The network of a SpeechBrain checkpoint.

        Args:
            path: ``embedding_model.ckpt`` of a ``spkrec-ecapa-*`` model (tensors only are read, never code), or the same
                tensors as safetensors.
            config: Its sizes; those of ``spkrec-ecapa-voxceleb`` when None. Its input is SpeechBrain's ``Fbank`` of
                80 bands at 16 kHz, each band less its mean over the utterance.

        Raises:
            ModelError: the file is no such checkpoint, or its sizes are others.
        """
        from tts.base.errors import ModelError

        config = config or EcapaConfig(80, (1024, 1024, 1024, 1024, 3072), attention_channels=128, se_channels=128)
        if str(path).endswith(".safetensors"):
            from vocoder.nn.checkpoint import read_tensors

            tensors = read_tensors(path)[1]
        else:
            try:
                tensors = torch.load(path, map_location="cpu", weights_only=True)
            except Exception as error:
                raise ModelError(f"this is no checkpoint: {str(error)[:200]}", where=path, code="speaker.checkpoint") from error
        model = cls(config)
        try:
            model.load_state_dict(tensors)
        except (RuntimeError, TypeError) as error:
            raise ModelError(f"the checkpoint does not fit: {str(error)[:300]}", where=path, code="speaker.checkpoint",
                             fix="Pass the sizes that it was trained with as config.") from error  # fmt: skip
        return model.eval()


def features(mel: Tensor, mask: Tensor) -> Tensor:
    """What the house encoder hears of log-mel [B, T, 100]: [B, T, BANDS], each band less its mean, zero beyond the mask."""
    real = mask[..., None].to(mel.dtype)
    x = mel[..., :BANDS]
    mean = (x * real).sum(1, keepdim=True) / real.sum(1, keepdim=True).clamp(min=1)
    return (x - mean) / 2 * real


class SpeakerEncoder:
    """The shipped speaker encoder.

    >>> from tts.models.speaker import SpeakerEncoder
    >>> from vocoder.audio.io import read_audio
    >>> from vocoder.audio.mel import log_mel
    >>> encoder = SpeakerEncoder.load()
    >>> one, two, other = (encoder.embed(log_mel(read_audio(f"{name}.wav"))) for name in ("one", "two", "talk"))
    >>> bool(one @ two > one @ other)  # cosines
    True
    """

    def __init__(self, model: Ecapa, config: dict):
        self.model, self.config = model.eval().requires_grad_(False), config

    @classmethod
    def load(cls, folder=None) -> SpeakerEncoder:
        """Load a model folder; the house encoder when None."""
        from vocoder.nn.checkpoint import build, load_into, load_model
        from vocoder.nn.config import from_dict

        folder = Path(folder) if folder else Path(__file__).parents[1] / "assets" / "speaker"
        config, tensors = load_model(folder, "speaker")
        model = build(Ecapa, from_dict(EcapaConfig, config.get("model"), str(folder)))
        load_into(model, tensors, str(folder))
        return cls(model, config)

    @torch.inference_mode()
    def embed(self, mel: np.ndarray | Tensor) -> np.ndarray:
        """Log-mel [T, 100] -> float32 [dim] of length one: the mean over windows of 4 s.

        Raises:
            DataError: shorter than 0.4 s.
        """
        mel = torch.as_tensor(np.asarray(mel, dtype=np.float32))
        if len(mel) < SHORTEST:
            raise DataError(f"{len(mel)} frames of speech; telling a speaker takes {SHORTEST}.", code="speaker.short")
        size = min(len(mel), WINDOW)
        last = len(mel) - size
        starts = sorted({*range(0, last + 1, STRIDE), last})
        windows = torch.stack([mel[start : start + size] for start in starts])
        return F.normalize(self(windows).mean(0), dim=0).numpy()

    def __call__(self, mel: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Log-mel [B, T, 100] -> embeddings of length one [B, dim]; differentiable in the mel."""
        lengths = torch.full((len(mel),), mel.shape[1], device=mel.device) if lengths is None else lengths
        mask = length_mask(lengths, mel.shape[1])
        return F.normalize(self.model(features(mel, mask), mask), dim=-1)
