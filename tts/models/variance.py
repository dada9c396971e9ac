"""Variance adaptor: text and voice -> durations, pitch and energy a phone -> conditions a frame.

The half that ``fs2`` and ``flow`` share: everything but the decoder. In training, true durations, pitch and energy
condition the decoder while the predictors learn them; in synthesis the predicted (or edited) ones do.

Source: FastSpeech 2 (arXiv 2006.04558) §2.3; phone-level pitch and energy as in FastPitch (arXiv 2006.06873).
Differs: a duration has two outputs, so that pauses can be absent; pitch is absolute log F0, placed by the voice.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tts.aligner import may_be_silent, token_of_frame
from tts.base.errors import DataError
from tts.models.reference import ReferenceConfig, ReferenceEncoder
from tts.models.text import Predictor, TextConfig, TextEncoder, expand, mean_over_phones, position_in_phone
from vocoder.audio.frames import MEL
from vocoder.audio.mel import band_centres
from vocoder.nn.masks import length_mask

PITCH_CENTRE, PITCH_SCALE = 5.1, 0.35  # natural log of Hz; centre is 164 Hz
PITCH_SPREAD = 1.2  # regression draws pitch to its mean: predicted spread is 0.7 of natural on dev; this gives a part back
ENERGY_CENTRE, ENERGY_SCALE = -5.0, 2.0  # mean log-mel
ENERGY_BANDS = int((band_centres() < 4000).sum())  # every recording reaches 4 kHz
FULL_BAND = MEL.sample_rate / 2
LONGEST_PHONE = 150  # frames; 2 s
LONGEST_EDITED = 4500  # frames; 60 s, what a plan edited by hand may ask of one phone


@dataclass(frozen=True)
class VarianceConfig:
    text: TextConfig
    reference: ReferenceConfig = field(default_factory=ReferenceConfig)
    n_speakers: int = 1  # of the training corpus, for the auxiliary speaker loss
    decoder_dim: int = 192
    dropout: float = 0.3


@dataclass(frozen=True)
class PhonePlan:
    """What is decided a phone, before any frame exists. Arrays [N]; editable."""

    durations: np.ndarray  # int64 frames
    pitch: np.ndarray  # float32 Hz: the phone's mean F0 (bridged over unvoiced stretches)
    energy: np.ndarray  # float32 mean log-mel below 4 kHz
    codes: np.ndarray | None = None  # int64 prosody codes, of models that have them (``megatts``)
    forecast: Forecast | None = field(default=None, repr=False, compare=False)  # that it was made of; saves making it again

    def check(self, n_phones: int) -> None:
        """Refuse a plan, edited by hand, that ``n_phones`` phones cannot be spoken by.

        Raises:
            DataError: lengths do not fit, a duration is negative or beyond a minute, nothing lasts, or a pitch or
                energy is not finite or no pitch.
        """
        durations, pitch, energy = (np.asarray(a) for a in (self.durations, self.pitch, self.energy))
        if not (durations.shape == pitch.shape == energy.shape == (n_phones,)):
            fault = f"has {durations.shape}, {pitch.shape}, {energy.shape} values for {n_phones} phones"
        elif durations.dtype.kind != "i" or durations.min() < 0 or durations.max() > LONGEST_EDITED or durations.sum() == 0:
            fault = f"needs whole frames of 0 to {LONGEST_EDITED}, and one frame at least"
        elif not ((pitch > 0) & np.isfinite(pitch) & np.isfinite(energy)).all():
            fault = "needs a pitch above 0 Hz and finite energy for every phone"
        else:
            return
        raise DataError(f"the plan {fault}.", where="prosody", code="plan.malformed")


@dataclass(frozen=True)
class VoiceTensors:
    """A voice as the models take it."""

    style: Tensor  # [style_dim]
    tokens: Tensor | None = None  # [n_tokens, dim]; ``zmm1`` and ``zmm2`` have none
    memory: Tensor | None = None  # [M, dim] the reference as heard, for models that attend to all of it (``megatts``)
    colour: Tensor | None = None  # [100] added to every mel (tts/colour.py)
    prompt: object | None = None  # what models that go on from the reference make of it: mel (``infill``), tokens (``masked``)


@dataclass(frozen=True, eq=False)
class Forecast:
    """What the networks say of a clause before any frame exists."""

    phones: object  # frontend.Phones
    style: Tensor  # [style_dim] of the voice
    codes: np.ndarray | None  # [N] prosody codes that it follows
    hidden: Tensor  # [1, N, D] of the text encoder
    values: Tensor  # [N, 4]: log frames, logit of "has frames", pitch, energy; normalised
    spread: float  # that pitch needs around its mean

    def fits(self, phones, voice: VoiceTensors, codes: np.ndarray | None) -> bool:
        """Whether it would be the same for these."""
        same = (self.codes is None) == (codes is None) and (codes is None or np.array_equal(self.codes, codes))
        return same and self.phones is phones and torch.equal(self.style, voice.style)

    def plan(self, rate=1.0, pitch_st=0.0, energy_db=0.0, pitch_range=1.0) -> PhonePlan:
        ids = torch.from_numpy(np.asarray(self.phones.ids, dtype=np.int64))
        made = planned(ids, *self.values.unbind(-1), rate, pitch_st, energy_db, pitch_range * self.spread)
        return replace(made, codes=self.codes, forecast=self)


@dataclass(frozen=True)
class Measured:
    """What a training batch says of its phones; normalised, [B, N] unless said."""

    text_mask: Tensor
    frame_mask: Tensor  # [B, T]
    token: Tensor  # [B, T], phone of each frame
    pitch: Tensor
    energy: Tensor
    spoken: Tensor  # bool: has frames
    voiced: Tensor  # bool: has voiced frames


class VarianceAdaptor(nn.Module):
    def __init__(self, config: VarianceConfig):
        super().__init__()
        self.config = config
        text, style_dim = config.text, config.reference.style_dim
        self.text = TextEncoder(text)
        self.reference = ReferenceEncoder(config.reference)
        self.speakers = nn.Linear(style_dim, config.n_speakers)
        self.bandwidth = nn.Linear(1, style_dim)
        nn.init.zeros_(self.bandwidth.weight)
        self.duration = Predictor(text.dim, style_dim, 2, config.dropout)  # log frames, logit of "has frames"
        self.pitch = Predictor(text.dim, style_dim, 1, config.dropout)
        self.energy = Predictor(text.dim, style_dim, 1, config.dropout)
        self.embed_pitch = nn.Conv1d(1, text.dim, 3, padding=1)
        self.embed_energy = nn.Conv1d(1, text.dim, 3, padding=1)
        self.to_frames = nn.Linear(text.dim + 2, config.decoder_dim)

    @property
    def style_dim(self) -> int:
        """Of a voice's vector."""
        return self.config.reference.style_dim

    def training_pass(self, batch: dict) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Tensor]]:
        """Conditions from true variances, and the predictors' losses.

        Returns:
            conditions [B, T, decoder_dim], normalised phone pitch a frame [B, T], cond vector [B, style_dim],
            reference tokens, losses.
        """
        m = measure(batch)
        hidden = self.text(batch["ids"], batch["styles"], batch["langs"], m.text_mask)
        reference_mask = length_mask(batch["reference_lengths"], batch["reference"].shape[1])
        style, tokens = self.reference(batch["reference"], reference_mask)
        style, losses = self.told_apart(style, batch)
        gentle = hidden * 0.1 + hidden.detach() * 0.9  # predictors over-fit first: they steer the encoder little
        losses |= self.predictor_losses(gentle, gentle, style, batch, m)
        conditions, pitch_of_frame = self.conditions(hidden, batch["durations"], m.pitch * m.spoken, m.energy * m.spoken, m.token)
        return conditions, pitch_of_frame, self.cond(style, batch["bandwidth"]), tokens, losses

    def told_apart(self, style: Tensor, batch: dict) -> tuple[Tensor, dict[str, Tensor]]:
        """Style vectors as the model gets them, and the loss that they tell the speakers of the corpus apart."""
        logits = self.speakers(style).float()
        speaker = F.cross_entropy(logits, batch["speaker"], ignore_index=-1, reduction="sum") / len(logits)
        if self.training:  # the voices are few: do not learn them by heart
            style = style + 0.1 * torch.randn_like(style)
        return style, {"speaker": 0.1 * speaker}

    def predictor_losses(self, hidden, hidden_of_durations, style, batch: dict, m: Measured) -> dict[str, Tensor]:
        """Losses of durations, pauses, pitch and energy predicted from hidden states [B, N, D]."""
        durations = batch["durations"]
        log_d, present = self.duration(hidden_of_durations, m.text_mask, style).unbind(-1)
        optional = may_be_silent(batch["ids"]) & m.text_mask
        is_there = F.binary_cross_entropy_with_logits(present, (durations > 0).float(), reduction="none")
        pitch_error = (self.pitch(hidden, m.text_mask, style)[..., 0] - m.pitch).abs()
        energy_error = (self.energy(hidden, m.text_mask, style)[..., 0] - m.energy).abs()
        return {
            "duration": masked_mean((log_d - durations.clamp(min=1).float().log()).abs(), m.spoken),
            "pause": masked_mean(is_there, optional),
            "pitch": masked_mean(pitch_error, m.spoken & m.voiced),
            "energy": masked_mean(energy_error, m.spoken),
        }

    def conditions(self, hidden, durations, pitch, energy, token) -> tuple[Tensor, Tensor]:
        """Hidden states with pitch and energy, a frame: [B, T, decoder_dim]; and the phone pitch a frame [B, T]."""
        x = hidden + self.embed_pitch(pitch[:, None]).transpose(1, 2) + self.embed_energy(energy[:, None]).transpose(1, 2)
        frames = torch.cat([expand(x, token), position_in_phone(durations, token).to(x.dtype)], dim=-1)
        return self.to_frames(frames), expand(pitch[..., None], token)[..., 0]

    def cond(self, style: Tensor, bandwidth: Tensor) -> Tensor:
        """Style vector with the bandwidth flag: [B, style_dim]."""
        return style + self.bandwidth(1 - bandwidth[:, None].to(style.dtype) / FULL_BAND)

    def plan(self, phones, voice: VoiceTensors, rate=1.0, pitch_st=0.0, energy_db=0.0, pitch_range=1.0) -> PhonePlan:
        """Durations, pitch and energy of a clause (``frontend.Phones``), predicted and then adjusted."""
        return self.forecast(phones, voice).plan(rate, pitch_st, energy_db, pitch_range)

    def forecast(self, phones, voice: VoiceTensors, codes=None) -> Forecast:
        """What plans of a clause are made of; ``codes`` mean something to models that have them."""
        hidden = self.encoded(*phone_tensors(phones)[:3])
        return Forecast(phones, voice.style, codes, hidden, self.foretold(hidden, voice.style[None])[0], PITCH_SPREAD)

    def encoded(self, ids: Tensor, styles: Tensor, langs: Tensor) -> Tensor:
        """A clause, each [1, N] -> hidden [1, N, D]."""
        return self.text(ids, styles, langs, torch.ones_like(ids, dtype=torch.bool))

    def foretold(self, hidden: Tensor, style: Tensor) -> Tensor:
        """Hidden states [1, N, D] and style [1, style_dim] -> log frames, logit of "has frames", pitch, energy [1, N, 4]."""
        mask = torch.ones(hidden.shape[:2], dtype=torch.bool)
        return torch.cat([predictor(hidden, mask, style) for predictor in (self.duration, self.pitch, self.energy)], dim=-1)

    def natural(self, phones, voice: VoiceTensors, plan: PhonePlan) -> PhonePlan:
        """``plan`` as it was before somebody moved its pitch or energy."""
        kept = plan.forecast
        if kept is None or not kept.fits(phones, voice, plan.codes):
            kept = self.forecast(phones, voice, plan.codes)
        return kept.plan()

    def planned_conditions(self, phones, voice: VoiceTensors, plan: PhonePlan):
        """(conditions [1, T, decoder_dim], pitch of frame [1, T], cond [1, style_dim], tokens [1, M, D]) of a plan."""
        return self.framed(*self.said(phones, voice, plan))

    def hidden(self, phones, voice: VoiceTensors, plan: PhonePlan) -> Tensor:
        """What the text encoder says of a planned clause, [1, N, D]; taken from its forecast if that is there."""
        kept = plan.forecast
        known = kept is not None and kept.fits(phones, voice, plan.codes)
        return kept.hidden if known else self.encoded(*phone_tensors(phones)[:3])

    def said(self, phones, voice: VoiceTensors, plan: PhonePlan) -> tuple[Tensor, ...]:
        """The arguments of :meth:`framed` for a plan."""
        hidden = self.hidden(phones, voice, plan)
        durations = torch.from_numpy(np.asarray(plan.durations, dtype=np.int64))[None]
        spoken = (durations > 0).float()
        pitch = (torch.from_numpy(np.log(plan.pitch))[None].float() - PITCH_CENTRE) / PITCH_SCALE * spoken
        energy = (torch.from_numpy(plan.energy)[None].float() - ENERGY_CENTRE) / ENERGY_SCALE * spoken
        token = token_of_frame(durations, int(durations.sum()))
        return hidden, durations, token, pitch, energy, voice.style[None], voice.tokens[None]

    def framed(self, hidden, durations, token, pitch, energy, style, tokens) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """From phones to frames.

        Args:
            hidden: [1, N, D].
            durations: [1, N] frames; ``token`` [1, T]: the phone of each frame.
            pitch, energy: [1, N], normalised, 0 where a phone has no frames.
            style, tokens: The voice, [1, style_dim] and [1, M, dim].

        Returns:
            As :meth:`planned_conditions`.
        """
        conditions, pitch_of_frame = self.conditions(hidden, durations, pitch, energy, token)
        return conditions, pitch_of_frame, self.cond(style, torch.tensor([FULL_BAND])), tokens

    def voice(self, mel: Tensor) -> VoiceTensors:
        """Voice of a reference: mel [T, 100]."""
        style, tokens = self.reference(mel[None], torch.ones(1, mel.shape[0], dtype=torch.bool))
        return VoiceTensors(style[0], tokens[0])


def planned(ids, log_durations, present, pitch, energy, rate, pitch_st, energy_db, spread) -> PhonePlan:
    """What networks say of a clause's phones, each [N], normalised, as a plan; ``spread`` widens pitch around its mean."""
    frames = (log_durations.exp() / rate).round().clamp(min=1, max=LONGEST_PHONE)
    frames = torch.where(may_be_silent(ids) & (present < 0), 0, frames)
    frames[0] = frames[0].clamp(min=1)
    spoken = ~may_be_silent(ids)
    centre = pitch[spoken].mean() if spoken.any() else pitch.mean()
    pitch = (centre + (pitch - centre) * spread) * PITCH_SCALE + PITCH_CENTRE + pitch_st * np.log(2) / 12
    energy = energy * ENERGY_SCALE + ENERGY_CENTRE + energy_db * np.log(10) / 20
    return PhonePlan(frames.long().numpy(), pitch.exp().numpy(), energy.numpy())


def measure(batch: dict) -> Measured:
    """Masks, and phone means of pitch and energy, of a batch of ``recipes.train.acoustic.collate``."""
    text_mask = length_mask(batch["text_lengths"], batch["ids"].shape[1])
    frame_mask = length_mask(batch["frame_lengths"], batch["mel"].shape[1])
    durations, n_tokens = batch["durations"], batch["durations"].shape[1]
    token, real = token_of_frame(durations, frame_mask.shape[1]), frame_mask.float()
    pitch_frames = (batch["log_f0"] - PITCH_CENTRE) / PITCH_SCALE
    pitch, _ = mean_over_phones(pitch_frames, real, token, n_tokens)
    _, voiced = mean_over_phones(pitch_frames, real * batch["voiced"], token, n_tokens)
    energy, _ = mean_over_phones(frame_energy(batch["mel"]), real, token, n_tokens)
    return Measured(text_mask, frame_mask, token, pitch, energy, (durations > 0) & text_mask, voiced > 0)


def phone_tensors(phones) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """ids, styles, langs, mask of a clause, each [1, N]."""
    ids, styles, langs = (
        torch.from_numpy(np.asarray(a, dtype=np.int64))[None] for a in (phones.ids, phones.styles, phones.langs)
    )
    return ids, styles, langs, torch.ones_like(ids, dtype=torch.bool)


def frame_energy(mel: Tensor) -> Tensor:
    """[B, T, 100] -> [B, T], normalised mean log-mel below 4 kHz."""
    return (mel[..., :ENERGY_BANDS].mean(-1) - ENERGY_CENTRE) / ENERGY_SCALE


def band_mask(bandwidth: Tensor) -> Tensor:
    """[B] Hz -> [B, 1, 100] float: 1 for bands that a recording of this bandwidth holds."""
    centres = torch.from_numpy(band_centres()).to(bandwidth.device)
    return (centres[None] < bandwidth[:, None] * 0.97).float()[:, None]


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    mask = mask.to(values.dtype)
    return (values * mask).sum() / mask.sum().clamp(min=1)


