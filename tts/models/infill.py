"""``infill``: flow matching that fills in what is hidden of a mel, from what is around it, the text and the voice.

    mel, a span hidden ──┐
    noise in the span ───┼──▶ ConvNeXt and attention, steered by voice and time ──▶ velocity of the span
    text, a frame ───────┘
    whole mel, text ─────────▶ two ConvNeXt blocks ──▶ F0, voicing

What it does follows from what is hidden: all (speech from text), all but a few seconds of the voice (the same, after a prompt),
the end (continuation), a stretch in the middle (editing). Trained without text it goes on from any recording.

Source: Voicebox (arXiv 2306.15687): optimal-transport path, loss on hidden frames, one span of 70 to 100 % hidden, all of it in
three utterances of ten, guidance. Text-free training on scattered spans: Audiobox (arXiv 2312.15821) §4. Skip of the noisy input
to the output: preconditioning of Karras et al. (arXiv 2206.00364) §5, worked out for this path.
Differs: a style vector and reference tokens beside the context, because hours of speech, not thousands of them, do not teach
cloning from context alone; the noisy mel is hidden where the true one is known, so that training and synthesis see the same
there; a share of contexts has no text, so that a prompt needs no transcript; ConvNeXt blocks, attention before every second.
Durations, pitch and energy of phones are those of the text side of ``fs2``; F0 is heard in the finished mel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tts.base.errors import ModelError
from tts.base.rng import normal
from tts.models.flow import normalised, time_features
from tts.models.fs2 import MEL_CENTRE, MEL_SCALE, coloured, to_hz
from tts.models.reference import REFERENCE_BANDS
from tts.models.solver import ORDERS, Sampler, Table, choose
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
from vocoder.audio.frames import MEL, N_MELS
from vocoder.nn.attention import CrossAttention, SelfAttention
from vocoder.nn.convnext import ConvNeXtBlock
from vocoder.nn.masks import length_mask

LEAST_HIDDEN = 0.7  # share of an utterance
SPAN = 10  # frames: shortest span of text-free training
PROMPT_FRAMES = 225  # 3 s of a voice's reference, without the silence at its end, are gone on from
SILENCE = 4.0  # natural log below the loud frames (95th percentile) of a reference


@dataclass(frozen=True)
class InfillConfig:
    variance: VarianceConfig
    freeze_variance: bool = True  # it was trained before (warm start); False trains both at once
    dim: int = 192
    hidden: int = 576
    n_blocks: int = 5  # sizes are those of the decoder of ``fs2``, whose blocks a new model begins with
    pitch_dim: int = 96
    time_dim: int = 64  # sinusoidal features of t
    sigma_min: float = 1e-4
    dropout: float = 0.0
    all_hidden: float = 0.3  # share of utterances without context; of text-free ones a third of this
    drop_condition: float = 0.15  # share without text, voice and context, for guidance
    drop_context_text: float = 0.3  # share whose context has no text
    narrow_context: float = 0.25  # share whose context ends at 7.5 kHz, as that of a 16 kHz recording
    style_noise: float = 0.1  # on the style vector: voices are few
    solver: str = "midpoint"  # where the model has no bespoke solver of as many steps
    steps: int = 8  # default of synthesis; midpoint evaluates twice a step
    guidance: float = 0.7
    temperature: float = 0.7  # scale of the initial noise

    def __post_init__(self):
        if self.solver not in ORDERS:
            raise ModelError(f"solver {self.solver!r} is unknown.", fix=f"Known: {', '.join(ORDERS)}.")


class PromptAdaptor(VarianceAdaptor):
    """The variance adaptor, whose voices keep the end of their reference as a prompt."""

    def voice(self, mel: Tensor) -> VoiceTensors:
        """Voice of a reference: mel [T, 100]."""
        return replace(super().voice(mel), prompt=prompt_of(mel))


def prompt_of(mel: Tensor) -> Tensor:
    """The last seconds of a reference [T, 100] without the silence at its end, which would teach silence."""
    level = mel.mean(1)
    loud = (level > torch.quantile(level, 0.95) - SILENCE).nonzero()
    end = int(loud[-1]) + 1
    return mel[max(0, end - PROMPT_FRAMES) : end]


class PitchHead(nn.Module):
    """F0 and voicing of a mel whose text and planned pitch are known."""

    def __init__(self, decoder_dim: int, dim: int):
        super().__init__()
        self.embed = nn.Linear(N_MELS + decoder_dim, dim)
        self.blocks = nn.ModuleList(ConvNeXtBlock(dim, 2 * dim, 0.3) for _ in range(2))
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, 2)

    def forward(self, mel: Tensor, conditions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised mel [B, T, 100] -> F0 beside the planned pitch (normalised log) and voicing logit, [B, T] both."""
        real = mask[..., None].float()
        x = self.embed(torch.cat([mel, conditions], dim=-1))
        for block in self.blocks:
            x = block(x, real)
        f0, voiced = self.out(self.norm(x)).float().unbind(-1)
        return f0, voiced


class Infill(nn.Module):
    kind = "infill"

    def __init__(self, config: InfillConfig):
        super().__init__()
        self.config = config
        self.solvers: dict[tuple[int, int], Table] = {}  # bespoke ones, of its folder
        self.sampler = Sampler(self.field)
        decoder_dim, reference = config.variance.decoder_dim, config.variance.reference
        self.variance = PromptAdaptor(config.variance)
        self.embed = nn.Linear(2 * N_MELS + 1 + decoder_dim, config.dim)  # noisy mel, known mel, what is hidden, text
        self.time = nn.Sequential(
            nn.Linear(config.time_dim, reference.style_dim), nn.GELU(), nn.Linear(reference.style_dim, reference.style_dim)
        )
        self.attend = CrossAttention(config.dim, reference.dim)
        self.attention = nn.ModuleList(SelfAttention(config.dim, 4, config.dropout) for _ in range(config.n_blocks // 2))
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.dim, config.hidden, 0.3, cond_dim=reference.style_dim, dropout=config.dropout)
            for _ in range(config.n_blocks)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.out = nn.Linear(config.dim, N_MELS)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.pitch = PitchHead(decoder_dim, config.pitch_dim)
        if config.freeze_variance:
            self.variance.requires_grad_(False)

    def train(self, mode: bool = True) -> Infill:
        super().train(mode)
        if self.config.freeze_variance:
            self.variance.eval()
        return self

    def velocity(self, x, t, known, hidden, conditions, mask, cond, tokens) -> Tensor:
        """d x / d t [B, T, 100] at time t [B], 0 where nothing is hidden.

        Args:
            x: [B, T, 100], on its way from noise to normalised mel; not looked at where the mel is known.
            known: [B, T, 100], normalised mel, 0 where it is hidden.
            hidden: [B, T, 1], 1 or 0.
            conditions, mask, cond, tokens: Text a frame [B, T, decoder_dim], real frames [B, T], voice [B, style_dim] and
                [B, M, dim].

        The network tells what the best guess for white data of unit variance, a multiple of x, leaves of the velocity.
        """
        real, s = mask[..., None].float(), self.config.sigma_min
        cond = cond + self.time(time_features(t, self.config.time_dim))
        y = self.embed(torch.cat([x * hidden, known, hidden, conditions], dim=-1))
        for i, block in enumerate(self.blocks):
            if i % 2:
                y = self.attention[i // 2](y, mask)
            if i == 2:
                y = self.attend(y, tokens)
            y = block(y, real, cond)
        t = t[:, None, None]
        noise = 1 - (1 - s) * t
        variance = noise.square() + t.square()
        guess = (t - (1 - s) * noise) / variance * x
        return (guess + self.out(self.norm(y)).float() / variance.sqrt()) * hidden

    def loss(self, batch: dict, scratch: dict | None = None) -> dict[str, Tensor]:
        """Named losses of a batch of ``recipes.train.acoustic.collate``, with or without text; they are summed."""
        pitch, (known, hidden, conditions, mask, cond, tokens), losses = self.given_of(batch)
        target, text = normalised(batch["mel"]), conditions
        keep = (self.draw(len(target), target.device) >= self.config.drop_condition).float()[:, None, None]
        known, hidden = known * keep, 1 - (1 - hidden) * keep
        conditions, cond, tokens = conditions * keep, cond * keep[:, 0], tokens * keep
        t, s = torch.rand(len(target), device=target.device), self.config.sigma_min
        noise = torch.randn_like(target)
        x = (1 - (1 - s) * t[:, None, None]) * noise + t[:, None, None] * target
        velocity = self.velocity(x, t, known, hidden, conditions, mask, cond, tokens)
        weight = hidden * mask[..., None] * band_mask(batch["bandwidth"])
        losses["flow"] = ((velocity - (target - (1 - s) * noise)).square() * weight).sum() / weight.sum()

        rough = target + 0.2 * torch.rand(len(target), 1, 1, device=target.device) * torch.randn_like(target)  # as made ones are
        f0, voiced = self.pitch(rough, text, mask)
        error = (pitch + f0 - (batch["log_f0"] - PITCH_CENTRE) / PITCH_SCALE).abs()
        losses["f0"] = masked_mean(error, mask & (batch["voiced"] > 0))
        losses["voicing"] = 0.5 * masked_mean(F.binary_cross_entropy_with_logits(voiced, batch["voiced"], reduction="none"), mask)
        return losses

    def draw(self, size: int, device) -> Tensor:
        """[size] uniform numbers; all 1, above every share, where nothing is trained."""
        return torch.rand(size, device=device) if self.training else torch.ones(size, device=device)

    def given_of(self, batch: dict) -> tuple[Tensor, tuple, dict[str, Tensor]]:
        """Planned pitch [B, T] of a batch of recordings, the arguments of :meth:`velocity` behind t with a part of each mel
        hidden, and the losses of the text side."""
        frozen, has_text = self.config.freeze_variance, "ids" in batch
        mask = length_mask(batch["frame_lengths"], batch["mel"].shape[1])
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            if has_text:
                conditions, pitch, cond, tokens, losses = self.variance.training_pass(batch)
            else:
                reference_mask = length_mask(batch["reference_lengths"], batch["reference"].shape[1])
                style, tokens = self.variance.reference(batch["reference"], reference_mask)
                style, losses = self.variance.told_apart(style, batch)
                cond = self.variance.cond(style, batch["bandwidth"])
                conditions = cond.new_zeros(*mask.shape, self.config.variance.decoder_dim)
                pitch = conditions[..., 0]
        if frozen:
            losses = {}
        if self.training:
            cond = cond + self.config.style_noise * torch.randn_like(cond)
        share = self.config.all_hidden if has_text else self.config.all_hidden / 3
        hidden = (one_span if has_text else many_spans)(batch["frame_lengths"], mask.shape[1])
        hidden = torch.where(torch.rand(len(hidden), 1, device=hidden.device) < share, mask, hidden)[..., None].float()
        bare = (self.draw(len(mask), mask.device) < self.config.drop_context_text).float()[:, None, None]
        narrow = (self.draw(len(mask), mask.device) < self.config.narrow_context)[:, None, None]
        known = torch.where(narrow, narrowed(batch["mel"]), batch["mel"])
        known = normalised(known) * (1 - hidden) * mask[..., None]
        return pitch, (known, hidden, conditions * (1 - bare * (1 - hidden)), mask, cond, tokens), losses

    def given(self, batch: dict) -> tuple:
        """What :meth:`field` needs of a batch of recordings, on natural timing and pitch, a part of each hidden."""
        return self.given_of(batch)[1]

    def field(self, given: tuple, guidance: float):
        """Velocity of x [B, T, 100] at a time: (1 + a) v(all that is given) - a v(nothing), guidance as in Voicebox §3.4."""
        known, hidden, conditions, mask, cond, tokens = given
        unknown = mask & (hidden[..., 0] > 0)  # without context, its frames are not there
        nothing = [torch.zeros_like(a) for a in (known, conditions, cond, tokens)]

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            t = t.expand(len(x))
            v = self.velocity(x, t, *given)
            if guidance == 0:
                return v
            free = self.velocity(x, t, nothing[0], hidden, nothing[1], unknown, *nothing[2:])
            return (1 + guidance) * v - guidance * free

        return velocity

    def solve(self, x: Tensor, given: tuple, steps=None, guidance=None, solver=None) -> Tensor:
        """From noise x [B, T, 100] to the whole normalised mel, what was known included; solver as of ``solver.choose``."""
        guidance = self.config.guidance if guidance is None else guidance
        table = choose(self.solvers, self.config.solver, steps or self.config.steps, solver)
        known, hidden = given[:2]
        return self.sampler(x, given, table, guidance) * hidden + known

    @torch.inference_mode()
    def infer(self, phones, voice: VoiceTensors, plan: PhonePlan, *, steps=None, guidance=None, solver=None, noise=(0, 0),
              context=None):  # fmt: skip
        """Mel [T, 100] and F0 [T] (Hz, 0 = unvoiced) of one clause; ``noise`` = (seed, clause) decides all chance.

        Args:
            context: (mel [T, 100], bool [T]) of a recording that the clause stands in, and which frames of it are known; None
                goes on from the voice's prompt.
        """
        gain, lead = 0.0, 0
        if context is None:
            gain = float(np.mean(plan.energy - self.variance.natural(phones, voice, plan).energy))
        level = replace(plan, energy=plan.energy - gain)
        conditions, pitch, cond, tokens = self.variance.planned_conditions(phones, voice, level)
        size = conditions.shape[1]
        seed, clause = noise
        x = torch.from_numpy(normal(seed, ("infill", clause), (1, size, N_MELS))) * self.config.temperature
        known, hidden = torch.zeros_like(x), torch.ones(1, size, 1)
        if context is not None:
            mel, kept = (torch.as_tensor(a)[None] for a in context)
            hidden = (~kept)[..., None].float()
            known = normalised(mel) * (1 - hidden)
        elif voice.prompt is not None:
            lead = len(voice.prompt)
            known = torch.cat([normalised(voice.prompt)[None], known], dim=1)
            conditions, x, hidden = (F.pad(a, (0, 0, lead, 0)) for a in (conditions, x, hidden))
        mask = torch.ones(hidden.shape[:2], dtype=torch.bool)
        mel = self.solve(x, (known, hidden, conditions, mask, cond, tokens), steps, guidance, solver)
        f0, voiced = self.pitch(mel, conditions, mask)
        mel = mel[0, lead:] * MEL_SCALE + MEL_CENTRE
        return coloured(mel + gain, voice), to_hz(pitch + f0[:, lead:], voiced[:, lead:] > 0)[0]

    def decode(self, conditions: Tensor, mask: Tensor, cond: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As ``Fs2.decode``, all of it from torch's noise: mel [B, T, 100], F0 residual, voicing logit [B, T]."""
        known = conditions.new_zeros(*mask.shape, N_MELS)
        x = torch.randn_like(known) * self.config.temperature
        mel = self.solve(x, (known, torch.ones_like(known[..., :1]), conditions, mask, cond, tokens))
        return mel * MEL_SCALE + MEL_CENTRE, *self.pitch(mel, conditions, mask)


def one_span(lengths: Tensor, size: int) -> Tensor:
    """[B, size] bool: one span of 70 to 100 % of each utterance, anywhere in it."""
    share = LEAST_HIDDEN + (1 - LEAST_HIDDEN) * torch.rand(len(lengths), device=lengths.device)
    wanted = (share * lengths).ceil()
    start = (torch.rand(len(lengths), device=lengths.device) * (lengths - wanted + 1)).floor()
    frame = torch.arange(size, device=lengths.device)
    return (frame >= start[:, None]) & (frame < (start + wanted)[:, None])


def many_spans(lengths: Tensor, size: int) -> Tensor:
    """[B, size] bool: spans of ten frames or a multiple, 70 to 100 % of each utterance on average."""
    share = LEAST_HIDDEN + (1 - LEAST_HIDDEN) * torch.rand(len(lengths), 1, device=lengths.device)
    offset = torch.randint(SPAN, (len(lengths), 1), device=lengths.device)
    block = (torch.arange(size, device=lengths.device) + offset) // SPAN
    chosen = torch.rand(len(lengths), size // SPAN + 2, device=lengths.device) < share
    return chosen.gather(1, block) & length_mask(lengths, size)


def narrowed(mel: Tensor) -> Tensor:
    """A mel as that of a recording at 16 kHz."""
    return torch.cat([mel[..., :REFERENCE_BANDS], torch.full_like(mel[..., REFERENCE_BANDS:], float(np.log(MEL.floor)))], dim=-1)
