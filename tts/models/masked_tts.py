"""``masked``: text to units to codec tokens to sound, each step by masked parallel decoding.

    phones ──text side of an fs2 or megatts──▶ states, durations, pitch ──units──▶ codes [2, U], 37.5 a second
    codes, states, pitch, voice, prompt ──tokens──▶ codes of the codec, level by level ──its decoder──▶ mel, F0, hint ──▶ samples

Only the two masked-token models are its own. Phones, durations, pitch and the style of the voice come from a trained acoustic
model, units of a prompt from the unit encoder, sound from the codec; the config names all three by their hashes.

A column of tokens is as long as the frames that the codec codes together (four: 53 ms), with a row a book and frame. Books of
disjoint channels are one level, as none of them is coarser than the others; each residual book is a level. ``tokens.levels`` may
end early: the sound is then that of the codec's first books.

Sources: SoundStorm (arXiv 2305.09636) for units to tokens with a fixed prompt; MaskGCT (arXiv 2409.00750) for text to units.
Differs: durations are predicted a phone; the voice is a style vector too, and pitch is given, because little data teaches
neither from a prompt; tokens are told the phones beside the units, because units of a small encoder leave much of them unsaid
(those of a prompt are not known); with 8 passes each over units and the first level, a sentence takes at most 8 + 8 + 7.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from codec.units.encoder import FRAMES_A_UNIT
from tts.aligner import token_of_frame
from tts.base.errors import ModelError, UnavailableError
from tts.models.fs2 import coloured
from tts.models.masked import OPEN, MaskedConfig, MaskedModel, Sampling, generator
from tts.models.reference import reference_crop
from tts.models.text import expand, position_in_phone
from tts.models.variance import PITCH_CENTRE, PITCH_SCALE, PhonePlan, VoiceTensors

PROMPT_FRAMES = 150  # 2 s of the reference stand before a clause
PITCH_COLUMNS = 3  # columns that the pitch is a mean over: phones in synthesis, frames in training
UNITS = Sampling(8, temperature=1.0)
TOKENS = Sampling(8, temperature=1.0)


@dataclass(frozen=True)
class MaskedTtsConfig:
    text_id: str  # of the acoustic model whose text side it takes
    units_id: str  # of the unit extractor's codebooks
    codec_weights: str  # of the codec's quantiser
    units: MaskedConfig
    tokens: MaskedConfig
    frames: int = 4  # of a column of tokens
    unit_dim: int = 32  # of a unit code where it tells tokens
    unit_noise: float = 0.1  # share of unit codes that are others in training: predicted ones err

    @property
    def n_books(self) -> int:
        """Books of the codec that it finds codes of."""
        return self.tokens.n_rows // self.tokens.rows_a_book

    def __post_init__(self):
        width = self.frames // FRAMES_A_UNIT * self.units.n_rows * self.unit_dim + self.units.column_dim + 1
        if self.frames % FRAMES_A_UNIT or self.tokens.rows_a_book != self.frames or self.tokens.column_dim != width:
            raise ModelError(f"columns of {self.frames} frames and {self.tokens.column_dim} numbers do not fit.", where="tokens",
                             fix=f"Needed: {width} numbers, {self.frames} rows a book, whole units.")  # fmt: skip


@dataclass(frozen=True)
class TokenPrompt:
    """What a voice has said: columns of a reference."""

    columns: Tensor  # [P, column_dim] as ``MaskedTts.token_columns`` gives them
    grid: Tensor  # int64 [R, P]


@dataclass(eq=False)
class Companions:
    """The trained models that it speaks with."""

    acoustic: object  # its ``variance`` is the text side
    codec: object  # codec.Codec
    extractor: object  # codec.units.extractor.UnitExtractor; hears prompts


class MaskedTts(nn.Module):
    kind = "masked"

    def __init__(self, config: MaskedTtsConfig):
        super().__init__()
        self.config = config
        self.units, self.tokens = MaskedModel(config.units), MaskedModel(config.tokens)
        self.unit_codes = nn.Embedding(config.units.n_rows * config.units.codebook_size, config.unit_dim)
        nn.init.normal_(self.unit_codes.weight, std=0.5)
        self.companions: Companions | None = None

    @property
    def variance(self) -> Planner:
        """Plans of clauses, and voices."""
        return Planner(self)

    @property
    def vocoder(self):
        """The decoder of its own: the codec's, with ``stream`` as ``vocoder.api.Vocoder``."""
        from vocoder.api import Vocoder

        return Vocoder(self.companions.codec.model.vocoder, {})

    def unit_columns(self, hidden: Tensor, durations: Tensor, n_frames: int) -> Tensor:
        """What the units are told by: states [B, N, C] and durations [B, N] of phones -> [B, ceil(T / 2), C + 2]."""
        token = token_of_frame(durations, n_frames)
        return torch.cat([expand(hidden, token), position_in_phone(durations, token)], dim=-1)[:, ::FRAMES_A_UNIT]

    def token_columns(self, units: Tensor, pitch: Tensor, phones: Tensor | None = None, untold: Tensor | None = None) -> Tensor:
        """What the tokens are told by.

        Args:
            units: int64 [B, 2, U].
            pitch: [B, T], normalised log F0 of every frame.
            phones: [B, U, C + 2], what the units are told by; None: nobody knows.
            untold: [B, columns] bool: where nobody knows the phones all the same, as of a prompt.

        Returns:
            [B, whole columns, column_dim].
        """
        size, each = self.config.frames, self.config.frames // FRAMES_A_UNIT
        columns = pitch.shape[1] // size
        books = torch.arange(units.shape[1], device=units.device)[:, None] * self.config.units.codebook_size
        codes = (units + books)[:, :, : columns * each].unflatten(2, (-1, each)).permute(0, 2, 1, 3).flatten(2)  # [B, C, 4]
        level = pitch[:, : columns * size].unflatten(1, (-1, size)).mean(2)
        level = F.avg_pool1d(level[:, None], PITCH_COLUMNS, 1, PITCH_COLUMNS // 2, count_include_pad=False)[:, 0]
        if phones is None:
            said = pitch.new_zeros(len(pitch), columns, self.config.units.column_dim)
        else:
            said = phones[:, : columns * each].unflatten(1, (-1, each)).mean(2)
            said = said if untold is None else said.masked_fill(untold[..., None], 0.0)
        return torch.cat([self.unit_codes(codes).flatten(2), said, level[..., None]], dim=-1)

    def grid_of(self, codes: Tensor) -> Tensor:
        """Tokens [B, n_q, T] -> [B, R, whole columns], of the books that it knows."""
        size = self.config.frames
        whole = codes[:, : self.config.n_books, : codes.shape[2] // size * size]
        return whole.unflatten(2, (-1, size)).transpose(2, 3).flatten(1, 2)

    def codes_of(self, grid: Tensor) -> Tensor:
        """[B, R, C] -> tokens [B, n_books, frames C]."""
        return grid.unflatten(1, (-1, self.config.frames)).transpose(2, 3).flatten(2)

    def loss(self, batch: dict, parts=("units", "tokens")) -> dict[str, Tensor]:
        """Cross entropy of hidden units and of hidden tokens.

        Args:
            batch: hidden [B, N, C], durations [B, N], style [B, S] of the text side; units int64 [B, 2, U] and unit_mask [B, U];
                codes int64 [B, n_q, T], column_mask [B, C]; pitch [B, T] normalised log F0, bridged; prompt [B, C] bool: columns
                that are given; tell [B] bool (optional): items whose tokens hear the units that this model finds, as in
                synthesis, not those of the recording.
        """
        losses, prompt = {}, batch["prompt"]
        phones = self.unit_columns(batch["hidden"], batch["durations"], FRAMES_A_UNIT * batch["units"].shape[2])
        if "units" in parts:
            given = {"grid": batch["units"], "mask": batch["unit_mask"], "columns": phones, "voice": batch["style"]}
            losses["units"] = self.units.loss(given)["codes"]
        if "tokens" in parts:
            grid, units = self.grid_of(batch["codes"]), batch["units"]
            if "tell" in batch:
                known = prompt.repeat_interleave(self.config.frames // FRAMES_A_UNIT, dim=1)
                known = F.pad(known, (0, units.shape[2] - known.shape[1]))
                found = self.likeliest(phones, batch["unit_mask"], batch["style"])
                units = torch.where(batch["tell"][:, None, None] & ~known[:, None], found, units)
            if self.training and self.config.unit_noise:
                wrong = torch.rand(units.shape, device=units.device) < self.config.unit_noise
                units = torch.where(wrong, torch.randint_like(units, self.config.units.codebook_size), units)
            losses["tokens"] = self.tokens.loss({
                "grid": grid, "mask": batch["column_mask"], "columns": self.token_columns(units, batch["pitch"], phones, prompt),
                "voice": batch["style"], "fixed": prompt[:, None].expand_as(grid),
            })["codes"]  # fmt: skip
        return losses

    @torch.no_grad()
    def likeliest(self, phones: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Units [B, 2, U] found in one pass, of what they are told by [B, U, C + 2], mask [B, U] and style [B, S]."""
        grid = torch.full((len(mask), self.config.units.n_rows, mask.shape[1]), OPEN, device=mask.device)
        return self.units.logits(self.units(grid, mask, phones, style), 0).argmax(-1)

    @torch.inference_mode()
    def infer(self, phones, voice: VoiceTensors, plan: PhonePlan, *, steps=None, guidance=None, solver=None, noise=(0, 0)):
        """Mel [T, 100], F0 [T] (Hz, 0 = unvoiced) and the hint [T, dim] that the codec's decoder takes, of one clause.

        ``steps``: passes over the units and over the first level of tokens; ``guidance`` of both; ``noise``: the seed, and the
        number of the clause. There is no solver.
        """
        changes = {name: value for name, value in (("steps", steps), ("guidance", guidance)) if value is not None}
        told = self.told(phones, voice, plan)
        units = self.said(told, voice, replace(UNITS, **changes), generator(noise[0], ("units", *noise[1:])))
        grid = self.sounded(units, told, voice, plan, replace(TOKENS, **changes), generator(noise[0], ("tokens", *noise[1:])))
        mel, f0, hint = self.companions.codec.model.controls(self.codes_of(grid))
        gain = float(np.mean(plan.energy - self.variance.natural(phones, voice, plan).energy))
        total = int(np.sum(plan.durations))
        return coloured(mel[0, :total] + gain, voice), f0[0, :total], hint[0, :total]

    def told(self, phones, voice: VoiceTensors, plan: PhonePlan) -> Tensor:
        """Phones of a planned clause, stretched over its units: [1, U, C + 2], U = ceil(T / 2)."""
        hidden = self.companions.acoustic.variance.hidden(phones, voice, plan)
        durations = torch.from_numpy(np.asarray(plan.durations, np.int64))[None]
        return self.unit_columns(hidden, durations, int(durations.sum()))

    def said(self, phones: Tensor, voice: VoiceTensors, sampling: Sampling, chance) -> Tensor:
        """Units int64 [1, 2, U] of phones as ``told`` gives them."""
        known = torch.full((1, self.config.units.n_rows, phones.shape[1]), OPEN)
        return self.units.sample(known, phones, voice.style[None], sampling, chance)

    def sounded(self, units: Tensor, phones: Tensor, voice: VoiceTensors, plan: PhonePlan, sampling: Sampling, chance) -> Tensor:
        """Tokens int64 [1, R, ceil(T / frames)] of units [1, 2, U] and phones; the voice's prompt stands before them."""
        size = self.config.frames
        pitch = torch.from_numpy((np.log(np.repeat(plan.pitch, plan.durations)) - PITCH_CENTRE) / PITCH_SCALE).float()[None]
        pitch = F.pad(pitch[:, None], (0, -pitch.shape[1] % size), "replicate")[:, 0]
        missing = pitch.shape[1] // FRAMES_A_UNIT - units.shape[2]
        units = F.pad(units.double(), (0, missing), "replicate").long()
        phones = F.pad(phones.transpose(1, 2), (0, missing), "replicate").transpose(1, 2)
        columns = self.token_columns(units, pitch, phones)
        known = torch.full((1, self.config.tokens.n_rows, columns.shape[1]), OPEN)
        before = 0
        if voice.prompt is not None:
            before = voice.prompt.grid.shape[1]
            columns = torch.cat([voice.prompt.columns[None], columns], dim=1)
            known = torch.cat([voice.prompt.grid[None], known], dim=2)
        return self.tokens.sample(known, columns, voice.style[None], sampling, chance)[:, :, before:]

    @torch.inference_mode()
    def prompt(self, mel: Tensor) -> TokenPrompt | None:
        """Of a reference, log-mel [T, 100]: its units, tokens, and the pitch that the codec reads in them. None if too short."""
        from vocoder.excitation import bridged_log_f0

        mel = reference_crop(mel, PROMPT_FRAMES)
        mel = mel[None, : len(mel) // self.config.frames * self.config.frames]
        if mel.shape[1] == 0:
            return None
        codec = self.companions.codec.model
        codes = codec.encode_mel(mel)
        _, f0, _ = codec.controls(codes)
        pitch = (bridged_log_f0(f0, torch.full_like(f0[:, 0], PITCH_CENTRE)) - PITCH_CENTRE) / PITCH_SCALE
        units = self.companions.extractor.units_of_mel(mel, torch.ones(mel.shape[:2], dtype=torch.bool))
        return TokenPrompt(self.token_columns(units.transpose(1, 2), pitch)[0], self.grid_of(codes)[0])

    def gather(self, folder) -> None:
        """Find the models that it speaks with: in its folder (``text``, ``codec``, ``units``), else the installed ones.

        Raises:
            UnavailableError: one is missing. ModelError: it is another than it was trained with.
        """
        from codec import Codec
        from codec.units.encoder import HouseUnits
        from tts.models import load_acoustic

        own = {name: Path(folder) / name for name in ("text", "codec", "units")}
        own = {name: place for name, place in own.items() if (place / "config.json").is_file()}
        acoustic, _ = load_acoustic(own.get("text") or installed_acoustic(self.config.text_id))
        codec = Codec.load(own.get("codec"))
        extractor = HouseUnits(str(own.get("units", "")))
        for name, found, needed in (("codec", codec.weights, self.config.codec_weights),
                                    ("units", extractor.units_id, self.config.units_id)):  # fmt: skip
            if found != needed:
                raise ModelError(f"it speaks by {name} {needed}; {found} is there.", where=folder, code=f"masked.{name}",
                                 fix=f"Put the right ones into its folder as {name}, or train it on these.")  # fmt: skip
        self.companions = Companions(acoustic, codec, extractor)


class Planner:
    """What ``VarianceAdaptor`` is to other models: the text side of the acoustic model, and a prompt in every voice."""

    def __init__(self, model: MaskedTts):
        self.model, self.side = model, model.companions.acoustic.variance
        self.config, self.style_dim = self.side.config, self.side.style_dim
        self.plan, self.natural = self.side.plan, self.side.natural

    def voice(self, mel: Tensor) -> VoiceTensors:
        """Voice of a reference: mel [T, 100]."""
        return replace(self.side.voice(mel), prompt=self.model.prompt(mel))


def installed_acoustic(model_id: str) -> Path:
    """The folder of the installed acoustic model with this id.

    Raises:
        UnavailableError: there is none.
    """
    from tts.registry import installed
    from vocoder.nn.checkpoint import load_config

    for place in installed().values():
        if load_config(place)["model_id"] == model_id:
            return place
    raise UnavailableError(f"acoustic model {model_id} is not installed.", where="text", code="masked.text",
                           fix="Put it into the folder of the masked model, as text.")  # fmt: skip


def config_for(acoustic, text_id: str, codec, extractor, units=None, tokens=None) -> MaskedTtsConfig:
    """The config of a model for these companions; dicts ``units`` and ``tokens`` change fields of the two ``MaskedConfig``."""
    side, quantizer, group = acoustic.variance.config, codec.model.quantizer, codec.model.config.group
    n_books, size = extractor.codebooks.shape[:2]
    frames = group if group % FRAMES_A_UNIT == 0 else group * FRAMES_A_UNIT
    product = max(1, quantizer.config.n_product)
    voice_dim, unit_dim = side.reference.style_dim, MaskedTtsConfig.unit_dim
    told_dim = side.text.dim + 2
    of_units = {"codebook_size": size, "levels": (n_books,), "column_dim": told_dim, "voice_dim": voice_dim}
    of_tokens = {
        "codebook_size": quantizer.codebook_size,
        "levels": (product * frames, *[frames] * (codec.n_books - product)),
        "rows_a_book": frames,
        "column_dim": frames // FRAMES_A_UNIT * n_books * unit_dim + told_dim + 1,
        "voice_dim": voice_dim,
    }
    of_tokens |= tokens or {}
    of_tokens["levels"] = tuple(of_tokens["levels"])
    if sum(of_tokens["levels"]) > frames * codec.n_books:
        raise ModelError(f"levels of {of_tokens['levels']} rows; the codec has {codec.n_books} books, {frames} rows each.",
                         where="tokens.levels", code="masked.levels", fix="Leave them out, or give fewer.")  # fmt: skip
    return MaskedTtsConfig(text_id, extractor.units_id, codec.weights, MaskedConfig(**of_units | (units or {})),
                           MaskedConfig(**of_tokens), frames)  # fmt: skip
