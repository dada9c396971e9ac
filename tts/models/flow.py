"""``flow``: conditional flow matching over mel, on top of the regression that ``fs2`` is.

Regression gives the mean of what a phone can sound like, and the mean is smooth. The flow learns what is missing: it
carries noise (t = 0) to the residual between natural and mean mel (t = 1) along straight lines,
x_t = (1 - (1 - s) t) x_0 + t x_1 with target velocity x_1 - (1 - s) x_0. Synthesis integrates the learned velocity by
Euler or midpoint steps, with classifier-free guidance. F0 is the regression's.

Source: flow matching with the optimal-transport path as in Voicebox (arXiv 2306.15687) §3 and Matcha-TTS
(arXiv 2309.03199); one of the backbones that LanStyleTTS (arXiv 2504.08274) leaves open.
Differs: the target is the residual of a regression decoder, as in shallow diffusion (DiffSinger, arXiv 2105.02446),
so that few steps and little training suffice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch import Tensor

from tts.base.errors import ModelError
from tts.base.rng import normal
from tts.models.fs2 import Fs2, Fs2Config, coloured
from tts.models.solver import ORDERS, Sampler, Table, choose
from tts.models.variance import PhonePlan, VarianceAdaptor, VoiceTensors, band_mask
from vocoder.audio.frames import N_MELS
from vocoder.nn.attention import CrossAttention
from vocoder.nn.convnext import ConvNeXtBlock
from vocoder.nn.masks import length_mask

RESIDUAL_SCALE = 0.7  # natural logarithm units: about the spread of natural around mean mel


@dataclass(frozen=True)
class FlowConfig:
    prior: Fs2Config  # the regression whose residual is learned
    freeze_prior: bool = True  # it was trained before (warm start); False trains both at once
    dim: int = 192
    hidden: int = 576
    n_blocks: int = 6
    time_dim: int = 64  # sinusoidal features of t
    sigma_min: float = 1e-4
    dropout: float = 0.0
    drop_condition: float = 0.1  # share of utterances trained without text and voice, for guidance
    solver: str = "midpoint"  # where the model has no bespoke solver of as many steps
    steps: int = 4  # default of synthesis; midpoint evaluates twice a step
    guidance: float = 0.0  # of a residual it amplifies errors: DNSMOS on dev 2.71 without, 2.36 with 0.5
    temperature: float = 0.3  # scale of the initial noise; DNSMOS on dev 2.71, 2.65 with 0.5, 2.48 with 0.7

    def __post_init__(self):
        if self.solver not in ORDERS:
            raise ModelError(f"solver {self.solver!r} is unknown.", fix=f"Known: {', '.join(ORDERS)}.")


class Flow(nn.Module):
    kind = "flow"

    def __init__(self, config: FlowConfig):
        super().__init__()
        self.config = config
        self.solvers: dict[tuple[int, int], Table] = {}  # bespoke ones, of its folder
        self.sampler = Sampler(self.field)
        variance = config.prior.variance
        self.prior = Fs2(config.prior)
        style_dim = variance.reference.style_dim
        self.embed = nn.Linear(2 * N_MELS + variance.decoder_dim, config.dim)
        self.time = nn.Sequential(nn.Linear(config.time_dim, style_dim), nn.GELU(), nn.Linear(style_dim, style_dim))
        self.attend = CrossAttention(config.dim, variance.reference.dim)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.dim, config.hidden, 0.3, cond_dim=style_dim, dropout=config.dropout)
            for _ in range(config.n_blocks)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.out = nn.Linear(config.dim, N_MELS)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        if config.freeze_prior:
            self.prior.requires_grad_(False)

    @property
    def variance(self) -> VarianceAdaptor:
        return self.prior.variance

    def train(self, mode: bool = True) -> Flow:
        super().train(mode)
        if self.config.freeze_prior:
            self.prior.eval()
        return self

    def velocity(self, x, t, conditions, mean, mask, cond, tokens) -> Tensor:
        """x [B, T, 100] at time t [B] -> d x / d t [B, T, 100]; mean [B, T, 100] is the regression's mel."""
        real = mask[..., None].float()
        cond = cond + self.time(time_features(t, self.config.time_dim))
        y = self.embed(torch.cat([x, mean, conditions], dim=-1))
        for i, block in enumerate(self.blocks):
            if i == 2:
                y = self.attend(y, tokens)
            y = block(y, real, cond)
        return self.out(self.norm(y)).float()

    def loss(self, batch: dict, scratch: dict | None = None) -> dict[str, Tensor]:
        """Named losses of a batch of ``recipes.train.acoustic.collate``; they are summed."""
        kept: dict = {}
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_prior):
            losses = self.prior.loss(batch, kept)
        if self.config.freeze_prior:
            losses = {}
        mask = length_mask(batch["frame_lengths"], batch["mel"].shape[1])
        mel, conditions, cond, tokens = (kept[name].detach() for name in ("mel", "conditions", "cond", "tokens"))
        target = (batch["mel"] - mel) / RESIDUAL_SCALE
        weight = mask[..., None] * band_mask(batch["bandwidth"])
        size = len(target)
        keep = (torch.rand(size, device=target.device) >= self.config.drop_condition).float()
        conditions, mean = conditions * keep[:, None, None], normalised(mel) * keep[:, None, None]
        cond, tokens = cond * keep[:, None], tokens * keep[:, None, None]
        t = torch.rand(size, device=target.device)
        noise, s = torch.randn_like(target), self.config.sigma_min
        x = (1 - (1 - s) * t[:, None, None]) * noise + t[:, None, None] * target
        velocity = self.velocity(x, t, conditions, mean, mask, cond, tokens)
        error = (velocity - (target - (1 - s) * noise)).square()
        losses["flow"] = (error * weight).sum() / weight.sum()
        return losses

    @torch.inference_mode()
    def infer(self, phones, voice: VoiceTensors, plan: PhonePlan, *, steps=None, guidance=None, solver=None, noise=(0, 0)):
        """Mel [T, 100] and F0 [T] (Hz, 0 = unvoiced) of one clause; ``noise`` = (seed, clause) decides all chance."""
        mel, f0, gain, said = self.prior.predict(phones, voice, plan)
        conditions, _, cond, tokens = self.variance.framed(*said)
        mask = torch.ones(conditions.shape[:2], dtype=torch.bool)
        seed, clause = noise
        x = torch.from_numpy(normal(seed, ("flow", clause), (1, mask.shape[1], N_MELS))) * self.config.temperature
        x = self.solve(x, (conditions, normalised(mel), mask, cond, tokens), steps or self.config.steps, guidance, solver)
        return coloured((mel + x * RESIDUAL_SCALE)[0] + gain, voice), f0

    def solve(self, x: Tensor, given: tuple, steps: int, guidance: float | None = None, solver: str | None = None) -> Tensor:
        """Integrate from noise x [B, T, 100] at t = 0 to t = 1; the solver as of :func:`tts.models.solver.choose`."""
        guidance = self.config.guidance if guidance is None else guidance
        return self.sampler(x, given, choose(self.solvers, self.config.solver, steps, solver), guidance)

    def field(self, given: tuple, guidance: float):
        """Velocity of x [B, T, 100] at a time: (1 + a) v(conditions) - a v(nothing), guidance as in Voicebox §3.4."""
        conditions, mean, mask, cond, tokens = given
        nothing = [torch.zeros_like(a) for a in (conditions, mean)]

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            t = t.expand(len(x))
            v = self.velocity(x, t, conditions, mean, mask, cond, tokens)
            if guidance == 0:
                return v
            free = self.velocity(x, t, *nothing, mask, torch.zeros_like(cond), torch.zeros_like(tokens))
            return (1 + guidance) * v - guidance * free

        return velocity

    def given(self, batch: dict) -> tuple:
        """What :meth:`field` needs of a batch of recordings, on natural timing and pitch."""
        conditions, _, cond, tokens, _ = self.variance.training_pass(batch)
        mask = length_mask(batch["frame_lengths"], batch["mel"].shape[1])
        return conditions, normalised(self.prior.decode(conditions, mask, cond, tokens)[0]), mask, cond, tokens

    def decode(self, conditions: Tensor, mask: Tensor, cond: Tensor, tokens: Tensor):
        """As ``Fs2.decode``, by integration from torch's noise: mel [B, T, 100], F0 residual, voicing [B, T]."""
        mel, f0, voiced = self.prior.decode(conditions, mask, cond, tokens)
        x = torch.randn_like(mel) * self.config.temperature
        x = self.solve(x, (conditions, normalised(mel), mask, cond, tokens), self.config.steps)
        return mel + x * RESIDUAL_SCALE, f0, voiced


def normalised(mel: Tensor) -> Tensor:
    return (mel + 5.5) / 2.5


def time_features(t: Tensor, dim: int) -> Tensor:
    """Sinusoidal features of t in [0, 1]: [B] -> [B, dim]."""
    frequencies = torch.exp(-math.log(1000.0) * torch.arange(dim // 2, device=t.device) / (dim // 2))
    angles = 1000.0 * t[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
