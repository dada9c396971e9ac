"""``megatts``: content, timbre and prosody each in the form that suits it; prosody as one code a phone.

    text ──encoder──▶ hidden ──attends to the reference──▶ + prosody code, pitch, energy ──expand──▶ decoder ──▶ mel, F0
    mel below 800 Hz ──convolutions──mean over phones──▶ nearest of 256 codes        (training, editing, copying)
    or quantised units ──┘
    prosody language model ──▶ codes                                                  (synthesis)

Source: Mega-TTS (arXiv 2306.03509) §3.1: prosody from the low band, quantised a phone; timbre from another utterance of
the speaker; decoder trained with discriminators of mel windows. Multi-reference timbre: Mega-TTS 2 (arXiv 2307.07218) §3.2.
Differs: text encoder and decoder are those of ``fs2``, whose training it goes on with. A code also tells a phone's pitch
and energy beside the voice's own register, so that prosody can be read and edited; both condition the decoder. A share of
phones is trained without codes: then the predictors of ``fs2`` decide, which is the regression that prosody models are
measured against. The speaker encoder judges the mel (speaker consistency, YourTTS, arXiv 2112.02418 §2.2).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor

from codec.quantize.base import LEARNING
from codec.quantize.rvq import Rvq, RvqConfig
from codec.units.extractor import at_frames, unit_extractor
from tts.aligner import token_of_frame
from tts.base.errors import DataError, ModelError
from tts.models.fs2 import Fs2
from tts.models.reference import MultiReferenceEncoder
from tts.models.variance import (
    Forecast,
    Measured,
    PhonePlan,
    VarianceAdaptor,
    VarianceConfig,
    VoiceTensors,
    masked_mean,
    measure,
    phone_tensors,
)
from vocoder.audio.mel import band_centres
from vocoder.nn.attention import CrossAttention
from vocoder.nn.config import from_dict
from vocoder.nn.convnext import ConvNeXtBlock
from vocoder.nn.masks import length_mask

PROSODY_BANDS = int((band_centres() < 800).sum())  # the paper's lowest 20 of 80 bands reach as far
TIMBRES = ("global", "multi")


@dataclass(frozen=True)
class ProsodyConfig:
    """The quantiser of prosody, and what it hears.

    ``source`` "mel" is the band below 800 Hz (the paper's); any other is the name of an extractor of units that works from a mel,
    such as "house": prosody is then heard in its quantised features, those with the books of ``source_id``.
    """

    source: str = "mel"
    source_id: str = ""  # empty: whatever books the extractor has
    dim: int = 128
    hidden: int = 256
    n_frame_blocks: int = 3
    n_phone_blocks: int = 2
    codebook_size: int = 256
    code_dim: int = 64


@dataclass(frozen=True)
class MegattsConfig:
    variance: VarianceConfig
    prosody: ProsodyConfig = field(default_factory=ProsodyConfig)
    timbre: str = "multi"  # phones attend to the reference (Mega-TTS 2); "global": one vector alone (Mega-TTS)
    hidden: int = 576
    n_blocks: int = 6
    dropout: float = 0.0
    drop_codes: float = 0.25  # share of utterances trained without codes

    def __post_init__(self):
        if self.timbre not in TIMBRES:
            raise ModelError(f"timbre {self.timbre!r} is unknown.", fix=f"Known: {', '.join(TIMBRES)}.")


class ProsodyEncoder(nn.Module):
    """The low band of a recording, or its units, aligned -> one code a phone."""

    def __init__(self, config: ProsodyConfig):
        super().__init__()
        self.units = None if config.source == "mel" else UnitSource(config.source, config.source_id)
        self.embed = nn.Linear(PROSODY_BANDS if self.units is None else self.units.width, config.dim)

        def blocks(n):
            return nn.ModuleList(ConvNeXtBlock(config.dim, config.hidden, 0.3, kernel_size=5) for _ in range(n))

        self.frame_blocks, self.phone_blocks = blocks(config.n_frame_blocks), blocks(config.n_phone_blocks)
        self.norm = nn.LayerNorm(config.dim)
        self.out = nn.Linear(config.dim, config.code_dim)
        self.quantizer = Rvq(RvqConfig(dim=config.code_dim, n_q=1, n_q_min=1, codebook_size=config.codebook_size))

    def forward(self, mel: Tensor, m: Measured) -> Tensor:
        """mel [B, T, 100] -> latent a phone [B, N, code_dim]. Level and colour, the utterance's band means, are taken off."""
        real = m.frame_mask[..., None].to(mel.dtype)
        x = self.embed((low_band(mel, real) if self.units is None else self.units(mel, m.frame_mask)) * real)
        for block in self.frame_blocks:
            x = block(x, real)
        x = phone_means(x * real, m)
        spoken = m.spoken[..., None].to(x.dtype)
        for block in self.phone_blocks:
            x = block(x, spoken)
        return self.out(self.norm(x)) * spoken


def prosody_config(fields: dict) -> ProsodyConfig:
    """The configuration of a new model, with the books that its source has now."""
    config = from_dict(ProsodyConfig, fields, "section prosody")
    return config if config.source == "mel" else replace(config, source_id=UnitSource(config.source, "").extractor.units_id)


def low_band(mel: Tensor, real: Tensor) -> Tensor:
    """[B, T, 100], 1 where real [B, T, 1] -> [B, T, PROSODY_BANDS], each band less its mean."""
    low = mel[..., :PROSODY_BANDS]
    return (low - (low * real).sum(1, keepdim=True) / real.sum(1, keepdim=True).clamp(min=1)) / 2


class UnitSource:
    """Quantised features of a frozen extractor of units; its weights are its own, not the model's.

    Raises:
        ModelError: it hears samples only, or has other books than the model was trained with.
    """

    def __init__(self, name: str, books: str):
        self.extractor = unit_extractor(name)
        if not hasattr(self.extractor, "units_of_mel"):
            raise ModelError("this extractor hears samples, prosody is taken from mels.", where=f"prosody.source={name}",
                             code="prosody.source",
                             fix="Use mel, or an extractor that works from mels, such as house.")  # fmt: skip
        if books and books != self.extractor.units_id:
            found = f"the model was trained on units {books}, the extractor makes {self.extractor.units_id}."
            raise ModelError(found, where=name, code="prosody.source_id",
                             fix="Use the extractor that it was trained with, or train anew.")  # fmt: skip
        self.width = self.extractor.codebooks.shape[0] * self.extractor.codebooks.shape[2]

    @torch.no_grad()
    def __call__(self, mel: Tensor, mask: Tensor) -> Tensor:
        """mel [B, T, 100], mask [B, T] -> the codes' vectors, on the frames [B, T, width]."""
        codes, books = self.extractor.units_of_mel(mel.float(), mask), self.extractor.codebooks.to(mel.device)
        vectors = torch.cat([books[g][codes[..., g]] for g in range(len(books))], dim=-1)
        return at_frames(vectors, self.extractor.unit_rate, mel.shape[1])


def phone_means(x: Tensor, m: Measured) -> Tensor:
    """[B, T, D], zero beyond the mask -> means over the frames of each phone [B, N, D]."""
    n_phones = m.spoken.shape[1]
    total = torch.zeros(len(x), n_phones, x.shape[2], dtype=x.dtype, device=x.device)
    total = total.scatter_add(1, m.token[..., None].expand_as(x), x)
    count = torch.zeros(len(x), n_phones, dtype=x.dtype, device=x.device).scatter_add(1, m.token, m.frame_mask.to(x.dtype))
    return total / count.clamp(min=1)[..., None]


class ProsodicAdaptor(VarianceAdaptor):
    """The variance adaptor with prosody codes and a reference that phones attend to."""

    def __init__(self, config: VarianceConfig, prosody: ProsodyConfig, timbre: str, drop_codes: float):
        super().__init__(config)
        text, reference = config.text, config.reference
        self.drop_codes, self.quantizing = drop_codes, True  # False: codes stand for themselves, before the books exist
        self.prosody = ProsodyEncoder(prosody)
        self.code = nn.Linear(prosody.code_dim, text.dim, bias=False)
        self.code_of_duration = nn.Linear(prosody.code_dim, text.dim, bias=False)
        self.deviation = nn.Sequential(
            nn.Linear(text.dim + prosody.code_dim, text.dim), nn.GELU(), nn.Linear(text.dim, 2)
        )  # pitch and energy of a phone beside the register
        self.register = nn.Linear(reference.style_dim, 2)  # mean pitch and energy of the voice
        self.timbre = None
        if timbre == "multi":
            self.reference, self.timbre = MultiReferenceEncoder(reference), CrossAttention(text.dim, reference.dim)
        for new in (self.code, self.code_of_duration):
            nn.init.zeros_(new.weight)

    def training_pass(self, batch: dict):
        """As :meth:`VarianceAdaptor.training_pass`; the losses are also those of the codes."""
        m = measure(batch)
        hidden = self.text(batch["ids"], batch["styles"], batch["langs"], m.text_mask)
        reference_mask = length_mask(batch["reference_lengths"], batch["reference"].shape[1])
        style, tokens, *memory = self.reference(batch["reference"], reference_mask)
        style, losses = self.told_apart(style, batch)
        quantized, latent_losses = self.quantized(batch["mel"], m)
        keep = torch.rand(len(hidden), 1, 1, device=hidden.device) >= (self.drop_codes if self.training else 0.0)
        codes = quantized * keep

        gentle = hidden * 0.1 + hidden.detach() * 0.9
        timed = gentle + self.code_of_duration(codes.detach())
        losses |= latent_losses | self.predictor_losses(gentle, timed, style, batch, m)
        losses |= self.register_losses(hidden.detach(), quantized, style, m)

        hidden = self.with_timbre(hidden, *memory) + self.code(codes)
        conditions, pitch_of_frame = self.conditions(hidden, batch["durations"], m.pitch * m.spoken, m.energy * m.spoken, m.token)
        return conditions, pitch_of_frame, self.cond(style, batch["bandwidth"]), tokens, losses

    def quantized(self, mel: Tensor, m: Measured) -> tuple[Tensor, dict[str, Tensor]]:
        """Codes of recordings as vectors [B, N, code_dim], zero where a phone has no frames; the commitment loss."""
        latent = self.prosody(mel, m)
        if not self.quantizing:
            return latent, {}
        result = self.prosody.quantizer(latent, mask=m.spoken)
        return result.quantized * m.spoken[..., None], {"commitment": result.losses["commitment"]}

    def register_losses(self, hidden, quantized, style, m: Measured) -> dict[str, Tensor]:
        """Pitch and energy as a register of the voice and deviations of the phones."""
        values = torch.stack([m.pitch, m.energy], dim=-1)
        counted = torch.stack([m.spoken & m.voiced, m.spoken], dim=-1).to(values.dtype)
        mean = (values * counted).sum(1) / counted.sum(1).clamp(min=1)
        deviation = self.deviation(torch.cat([hidden, quantized], dim=-1)).float()
        return {
            "register": 0.3 * (self.register(style).float() - mean).abs().mean(),
            "deviation": masked_mean((deviation - (values - mean[:, None])).abs(), counted > 0),
        }

    def with_timbre(self, hidden: Tensor, memory: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        return hidden if self.timbre is None else self.timbre(hidden, memory, mask)

    def voice(self, mel: Tensor) -> VoiceTensors:
        """Voice of a reference: mel [T, 100]."""
        style, tokens, *memory = self.reference(mel[None], torch.ones(1, len(mel), dtype=torch.bool))
        return VoiceTensors(style[0], tokens[0], memory[0][0] if memory else None)

    def plan(self, phones, voice: VoiceTensors, rate=1.0, pitch_st=0.0, energy_db=0.0, pitch_range=1.0, codes=None) -> PhonePlan:
        """As :meth:`VarianceAdaptor.plan`; with ``codes`` [N] durations, pitch and energy follow these."""
        return self.forecast(phones, voice, codes).plan(rate, pitch_st, energy_db, pitch_range)

    def forecast(self, phones, voice: VoiceTensors, codes=None) -> Forecast:
        """As :meth:`VarianceAdaptor.forecast`; what codes say of pitch and energy has the spread of recordings."""
        if codes is None:
            return super().forecast(phones, voice)
        ids, styles, langs = phone_tensors(phones)[:3]
        hidden, style, vectors = self.encoded(ids, styles, langs), voice.style[None], self.vectors(codes, len(ids[0]))
        timing = self.foretold(hidden + self.code_of_duration(vectors), style)[..., :2]
        tone = self.register(style)[:, None] + self.deviation(torch.cat([hidden, vectors], dim=-1))
        return Forecast(phones, voice.style, codes, hidden, torch.cat([timing, tone], dim=-1)[0], spread=1.0)

    def vectors(self, codes, n_phones: int) -> Tensor:
        """Codes [N] -> [1, N, code_dim]; below 0: none."""
        codes = torch.as_tensor(codes, dtype=torch.long)
        if codes.shape != (n_phones,):
            raise DataError(f"{len(codes)} prosody codes for {n_phones} phones.", where="prosody", code="plan.codes")
        return self.prosody.quantizer.decode(codes[None, None])

    def said(self, phones, voice: VoiceTensors, plan: PhonePlan) -> tuple[Tensor, ...]:
        """The arguments of :meth:`framed` for a plan."""
        said = super().said(phones, voice, plan)
        n_phones = said[0].shape[1]
        vectors = self.vectors(np.full(n_phones, -1) if plan.codes is None else plan.codes, n_phones)
        return *said, vectors * (said[1] > 0)[..., None], *([] if self.timbre is None else [voice.memory[None]])

    def framed(self, hidden, durations, token, pitch, energy, style, tokens, vectors, memory=None):
        """As :meth:`VarianceAdaptor.framed`, with vectors of the prosody codes [1, N, code_dim], zero for none, and, of a model
        whose phones attend to it, the memory of the reference [1, M, dim].
        """
        hidden = self.with_timbre(hidden, memory) + self.code(vectors)
        return super().framed(hidden, durations, token, pitch, energy, style, tokens)

    @torch.inference_mode()
    def codes_of(self, mel: Tensor, durations) -> Tensor:
        """Prosody codes [N] of a recording: mel [T, 100], durations [N] in frames; -1 where a phone has none."""
        durations = torch.as_tensor(durations, dtype=torch.long)[None]
        frames = torch.ones(1, len(mel), dtype=torch.bool)
        none = torch.zeros_like(durations)
        m = Measured(none >= 0, frames, token_of_frame(durations, len(mel)), none.float(), none.float(), durations > 0, none > 0)
        codes = self.prosody.quantizer.encode(self.prosody(mel[None], m))[0, 0]
        return torch.where(durations[0] > 0, codes, -1)


def codes_id(variance: ProsodicAdaptor) -> str:
    """16 hexadecimal digits of everything that a prosody model depends on: text encoder, books, and what the codes are made by.

    Computed from weights rounded as they are shipped (float16), so that a training folder and its export agree.
    """
    source = variance.prosody.units
    digest = hashlib.sha256(b"" if source is None else source.extractor.units_id.encode())
    for part in (variance.text, variance.prosody):
        for name, tensor in sorted(part.state_dict().items()):
            if not name.rpartition(".")[2].startswith(LEARNING):
                digest.update(name.encode() + tensor.half().numpy().tobytes())
    return digest.hexdigest()[:16]


class Megatts(Fs2):
    """``fs2`` with the adaptor above; ``config`` is a :class:`MegattsConfig`."""

    kind = "megatts"

    def adaptor(self, variance: VarianceConfig) -> ProsodicAdaptor:
        return ProsodicAdaptor(variance, self.config.prosody, self.config.timbre, self.config.drop_codes)
