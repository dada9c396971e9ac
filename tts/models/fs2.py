"""``fs2``: regression of mel and F0, all frames at once.

Source: the FastSpeech-like form of LanStyleTTS (arXiv 2504.08274) after FastSpeech 2 (arXiv 2006.04558).
Differs: ConvNeXt decoder steered by the style vector (FiLM) and a short attended reference; F0 is an output, frame by
frame, because the vocoder is driven by it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tts.models.variance import (
    PITCH_CENTRE,
    PITCH_SCALE,
    PhonePlan,
    VarianceAdaptor,
    VarianceConfig,
    VoiceTensors,
    band_mask,
    masked_mean,
)
from vocoder.audio.frames import N_MELS
from vocoder.nn.attention import CrossAttention
from vocoder.nn.convnext import ConvNeXtBlock
from vocoder.nn.masks import length_mask

MEL_CENTRE, MEL_SCALE = -5.5, 2.5


@dataclass(frozen=True)
class Fs2Config:
    variance: VarianceConfig
    hidden: int = 576
    n_blocks: int = 6
    dropout: float = 0.0  # in the decoder; text encoder and predictors have their own


class Fs2(nn.Module):
    kind = "fs2"

    def __init__(self, config: Fs2Config):
        super().__init__()
        self.config = config
        dim, style_dim = config.variance.decoder_dim, config.variance.reference.style_dim
        self.variance = self.adaptor(config.variance)
        self.attend = CrossAttention(dim, config.variance.reference.dim)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(dim, config.hidden, 0.3, cond_dim=style_dim, dropout=config.dropout)
            for _ in range(config.n_blocks)
        )
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, N_MELS + 2)  # mel, F0 beside the phone's pitch, voicing logit

    def adaptor(self, variance: VarianceConfig) -> VarianceAdaptor:
        return VarianceAdaptor(variance)

    def decode(self, conditions: Tensor, mask: Tensor, cond: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """conditions [B, T, D] -> mel [B, T, 100], F0 residual [B, T] (normalised log), voicing logit [B, T]."""
        x, real = conditions, mask[..., None].float()
        for i, block in enumerate(self.blocks):
            if i == 2:
                x = self.attend(x, tokens)
            x = block(x, real, cond)
        mel, f0, voiced = self.out(self.norm(x)).float().split([N_MELS, 1, 1], dim=-1)
        return mel * MEL_SCALE + MEL_CENTRE, f0[..., 0], voiced[..., 0]

    def loss(self, batch: dict, scratch: dict | None = None) -> dict[str, Tensor]:
        """Named losses of a batch of ``recipes.train.acoustic.collate``; they are summed. ``scratch`` gets what was predicted."""
        conditions, pitch, cond, tokens, losses = self.variance.training_pass(batch)
        mask = length_mask(batch["frame_lengths"], batch["mel"].shape[1])
        mel, f0, voiced = self.decode(conditions, mask, cond, tokens)
        bands = band_mask(batch["bandwidth"]) * mask[..., None]
        losses["mel"] = ((mel - batch["mel"]).abs() * bands).sum() / bands.sum()
        if scratch is not None:
            scratch.update(mel=mel, conditions=conditions, cond=cond, tokens=tokens)
        target = (batch["log_f0"] - PITCH_CENTRE) / PITCH_SCALE
        losses["f0"] = masked_mean((pitch + f0 - target).abs(), mask & (batch["voiced"] > 0))
        losses["voicing"] = 0.5 * masked_mean(
            F.binary_cross_entropy_with_logits(voiced, batch["voiced"], reduction="none"), mask
        )
        return losses

    @torch.inference_mode()
    def infer(self, phones, voice: VoiceTensors, plan: PhonePlan, *, steps=None, guidance=None, solver=None, noise=None):
        """Mel [T, 100] and F0 [T] (Hz, 0 = unvoiced) of one clause; a solver and noise have no meaning here."""
        mel, f0, gain, _ = self.predict(phones, voice, plan)
        return coloured(mel[0] + gain, voice), f0

    def predict(self, phones, voice: VoiceTensors, plan: PhonePlan):
        """A clause as planned: mel [1, T, 100] before its gain, F0 [T] in Hz, the gain, and the arguments of :meth:`frames`.

        Loudness as a whole is a gain (natural log of amplitude), exact; what differs between phones is prosody. A pitch
        moved far from the voice's own is voiced where the voice would be at its own.
        """
        natural = self.variance.natural(phones, voice, plan)
        gain = float(np.mean(plan.energy - natural.energy))
        plan = replace(plan, energy=plan.energy - gain, forecast=natural.forecast)
        said = self.variance.said(phones, voice, plan)
        mel, f0, voiced = self.frames(*said)
        if abs(np.log2(plan.pitch / natural.pitch)).mean() * 12 > 3:  # semitones
            voiced = self.frames(*self.variance.said(phones, voice, replace(plan, pitch=natural.pitch)))[2]
        return mel, to_hz(f0, voiced > 0)[0], gain, said

    def frames(self, *said: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``VarianceAdaptor.said`` of a plan -> mel [1, T, 100], F0 [1, T] (normalised log), voicing logit [1, T]."""
        conditions, pitch, cond, tokens = self.variance.framed(*said)
        mask = torch.ones(conditions.shape[:2], dtype=torch.bool)
        mel, residual, voiced = self.decode(conditions, mask, cond, tokens)
        return mel, pitch + residual, voiced


def coloured(mel: Tensor, voice: VoiceTensors) -> Tensor:
    """Log-mel [T, 100] in the colour of a cloned voice."""
    return mel if voice.colour is None else mel + voice.colour


def to_hz(normalised: Tensor, voiced: Tensor) -> Tensor:
    return torch.where(voiced, (normalised * PITCH_SCALE + PITCH_CENTRE).exp().clamp(50, 700), 0.0)
