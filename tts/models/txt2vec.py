"""``txt2vec``: text to discrete units of speech, the first half of ZMM-TTS; no sound and no speaker is in what it predicts.

    tokens ──encoder──▶ hidden [B, N, D] ──durations──▶ units [B, U, D] + speaker + language ──decoder──▶ logits [B, U, 2, 320]

Loss: cross entropy of the codes, and the distance of the expected vector (softmax times codebook) from the true one, so that a
neighbour in the codebook is half right.

What reads the text is chosen (``front``): ``phones`` (the package's IPA, with the LanStyle encoder, or without styles:
``text.use_styles``), ``characters`` (``spelling.py``), ``xphonebert`` (a pre-trained encoder of phones in place of ours).

Source: ZMM-TTS (arXiv 2312.14398) §III.B and its released code, ``nii-yamagishilab/ZMM-TTS``. Where these two differ:

- distance of vectors: squared in the paper, absolute in the code: ``regression``, absolute by default;
- cross entropy in decimal logarithms in the code, which is a weight of 0.434: ``class_weight``, 1 by default, natural ones;
- padding is class 0 and counts in the code: here it never counts.

Differs from both: durations come from the package's aligner and predictor, at 75 frames a second, because plans, edits and
prosody files are in frames and an encoder with its predictor can be taken over from another model; the states of the frames of
a unit are averaged. ConvNeXt blocks instead of FFT blocks, and distances are measured in deviations of the codebook.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import import_module

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tts.aligner import may_be_silent, token_of_frame
from tts.base.errors import ModelError, UnavailableError
from tts.models.spelling import Spelling, spell
from tts.models.text import Predictor, TextConfig, TextEncoder, expand, position_in_phone
from tts.models.units import NO_CODE, LayersConfig, UnitLayers, UnitsConfig, direction, first_of_units, to_units
from tts.models.variance import LONGEST_PHONE, masked_mean, phone_tensors
from vocoder.nn.convnext import ConvNeXtBlock
from vocoder.nn.masks import length_mask

SPEED_DIM = 64  # of the speaker, as the duration predictor hears it
FRONTS = ("phones", "characters", "xphonebert")
REGRESSIONS = ("l1", "mse")


@dataclass(frozen=True)
class Txt2vecConfig:
    text: TextConfig  # of the encoder; its languages are also those of the language layer, () leaves that out
    front: str = "phones"
    characters: str = ""  # letters that were trained on, for ``characters``
    bert: str = ""  # configuration of the pre-trained encoder as JSON, for ``xphonebert``
    speaker: bool = True  # False leaves the speaker layer out
    units: UnitsConfig = field(default_factory=UnitsConfig)
    hidden: int = 384  # of the decoder's blocks
    n_blocks: int = 3
    dropout: float = 0.1
    regression: str = "l1"
    class_weight: float = 1.0  # of the cross entropy; 0 leaves it out
    regression_weight: float = 1.0  # of the distance of vectors; 0 leaves it out

    def __post_init__(self):
        if self.front not in FRONTS:
            raise ModelError(f"front end {self.front!r} is unknown.", fix=f"Known: {', '.join(FRONTS)}.")
        if self.regression not in REGRESSIONS:
            raise ModelError(f"regression {self.regression!r} is unknown.", fix=f"Known: {', '.join(REGRESSIONS)}.")
        if self.class_weight <= 0 and self.regression_weight <= 0:
            raise ModelError("without both losses nothing teaches the codes.", where="class_weight")
        if (self.front == "characters") != bool(self.characters) or (self.front == "xphonebert") != bool(self.bert):
            raise ModelError(f"front end {self.front} and its inventory do not fit.", where="front",
                             fix="characters needs letters, xphonebert a configuration, phones neither.")  # fmt: skip

    @property
    def layers(self) -> LayersConfig:
        return LayersConfig(self.text.languages, speaker=self.speaker)


class Txt2vec(nn.Module):
    def __init__(self, config: Txt2vecConfig):
        super().__init__()
        self.config = config
        dim = config.text.dim
        self.text = PhoneBert(config.bert, config.text) if config.front == "xphonebert" else TextEncoder(config.text)
        self.timing = nn.Linear(config.layers.speaker_dim, SPEED_DIM) if config.speaker else None
        self.duration = Predictor(dim, SPEED_DIM, 2, dropout=0.3)  # log frames, logit of "has frames"
        self.enter = nn.Linear(dim + 2, dim)
        self.norm_in = nn.LayerNorm(dim)
        self.layers = UnitLayers(config.layers, dim)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(dim, config.hidden, 0.3, dropout=config.dropout) for _ in range(config.n_blocks)
        )
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, config.units.n_books * config.units.codebook_size)
        books = torch.zeros(config.units.n_books, config.units.codebook_size, config.units.code_dim)
        self.register_buffer("codebooks", books, persistent=False)  # only training needs them, and brings them

    def logits(self, hidden: Tensor, durations: Tensor, n_frames: int, mask: Tensor, speaker: Tensor, langs: Tensor) -> Tensor:
        """Hidden tokens [B, N, D] with durations [B, N], spoken by speaker [B, S] -> [B, U, G, K]; mask [B, T] of frames."""
        token = token_of_frame(durations, n_frames)
        frames = torch.cat([expand(hidden, token), position_in_phone(durations, token).to(hidden.dtype)], dim=-1)
        clock = self.config.units.clock
        x = self.norm_in(to_units(self.enter(frames), mask, clock))
        x = x + self.layers(speaker, first_of_units(langs.gather(1, token), clock))
        real = first_of_units(mask, clock)[..., None].to(x.dtype)
        for block in self.blocks:
            x = block(x, real)
        units = self.config.units
        return self.out(self.norm(x)).float().unflatten(-1, (units.n_books, units.codebook_size))

    def loss(self, batch: dict, scratch: dict | None = None) -> dict[str, Tensor]:
        """Named losses of a batch of ``recipes.train.txt2vec``; they are summed. ``scratch`` gets the logits [B, U, G, K].

        ``ids styles langs durations`` [B, N], ``text_lengths``, ``frame_lengths`` [B], ``units`` [B, U, G] with NO_CODE behind
        the end, ``speaker`` [B, S].
        """
        text_mask = length_mask(batch["text_lengths"], batch["ids"].shape[1])
        n_frames = int(batch["frame_lengths"].max())
        mask = length_mask(batch["frame_lengths"], n_frames)
        hidden = self.text(batch["ids"], batch["styles"], batch["langs"], text_mask)
        losses = self.duration_losses(hidden * 0.1 + hidden.detach() * 0.9, batch, text_mask)
        logits = self.logits(hidden, batch["durations"], n_frames, mask, batch["speaker"], batch["langs"])
        if scratch is not None:
            scratch["logits"] = logits
        return losses | self.unit_losses(logits, batch["units"])

    def duration_losses(self, hidden: Tensor, batch: dict, text_mask: Tensor) -> dict[str, Tensor]:
        durations = batch["durations"]
        log_d, present = self.timed(hidden, text_mask, batch["speaker"]).unbind(-1)
        is_there = F.binary_cross_entropy_with_logits(present, (durations > 0).float(), reduction="none")
        error = (log_d - durations.clamp(min=1).float().log()).abs()
        optional = may_be_silent(batch["ids"]) & text_mask
        return {"duration": masked_mean(error, (durations > 0) & text_mask), "pause": masked_mean(is_there, optional)}

    def timed(self, hidden: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """Log frames and the logit of having any [B, N, 2]; without a speaker layer in nobody's manner."""
        heard = hidden.new_zeros(len(hidden), SPEED_DIM) if self.timing is None else self.timing(direction(speaker))
        return self.duration(hidden, mask, heard)

    def unit_losses(self, logits: Tensor, codes: Tensor) -> dict[str, Tensor]:
        """Both losses of logits [B, U, G, K] against codes [B, U, G], over real units."""
        config, real = self.config, codes[..., 0] != NO_CODE
        logits, codes = logits[real], codes[real]  # [M, G, K], [M, G]
        losses = {}
        if config.class_weight > 0:
            losses["codes"] = config.class_weight * F.cross_entropy(logits.flatten(0, 1), codes.flatten())
        if config.regression_weight > 0:
            expected = torch.einsum("mgk,gkd->mgd", logits.softmax(-1), self.codebooks)
            true = torch.stack([self.codebooks[g][codes[:, g]] for g in range(codes.shape[1])], dim=1)
            error = (expected - true) / self.codebooks.std()
            error = error.abs() if config.regression == "l1" else error.square()
            losses["vectors"] = config.regression_weight * error.mean()
        return losses

    @torch.inference_mode()
    def plan(self, phones, speaker: Tensor, rate: float = 1.0) -> np.ndarray:
        """Durations of a clause: ``frontend.Phones``, speaker [S] -> int64 [N] frames, one a phone."""
        ids, styles, langs, spelling = self.tokens(phones)
        mask = torch.ones_like(ids, dtype=torch.bool)
        log_d, present = self.timed(self.text(ids, styles, langs, mask), mask, speaker[None])[0].unbind(-1)
        frames = (log_d.exp() / rate).round().clamp(min=1, max=LONGEST_PHONE)
        frames = torch.where(may_be_silent(ids[0]) & (present < 0), 0, frames).long()
        frames[0] = frames[0].clamp(min=1)
        if spelling is None:
            return frames.numpy()
        durations, spoken = spelling.phone_durations(frames.numpy()), ~may_be_silent(torch.from_numpy(phones.ids))
        return np.where(spoken.numpy(), np.maximum(durations, 1), durations)  # a word may have more phones than frames

    @torch.inference_mode()
    def units(self, phones, speaker: Tensor, durations: np.ndarray) -> tuple[Tensor, Tensor]:
        """Likeliest codes [1, U, G] of a clause with durations [N], and the language of each unit [1, U]."""
        ids, styles, langs, spelling = self.tokens(phones)
        frames = np.asarray(durations, np.int64) if spelling is None else spelling.durations(durations)
        n_frames, frames = int(frames.sum()), torch.from_numpy(frames)[None]
        hidden = self.text(ids, styles, langs, torch.ones_like(ids, dtype=torch.bool))
        mask = torch.ones(1, n_frames, dtype=torch.bool)
        logits = self.logits(hidden, frames, n_frames, mask, speaker[None], langs)
        languages = langs.gather(1, token_of_frame(frames, n_frames))
        return logits.argmax(-1), first_of_units(languages, self.config.units.clock)

    def tokens(self, phones) -> tuple[Tensor, Tensor, Tensor, Spelling | None]:
        """What the encoder reads of a clause: ids, styles, langs [1, M]; and its spelling where these are letters."""
        if self.config.front != "characters":
            return *phone_tensors(phones)[:3], None
        spelling = spell(phones)
        ids = torch.from_numpy(spelling.ids(self.config.characters))[None]
        langs = torch.from_numpy(np.asarray(phones.langs, np.int64)[spelling.first_phones])[None]
        return ids, torch.zeros_like(ids), langs, spelling


class PhoneBert(nn.Module):
    """XPhoneBERT (arXiv 2305.19709) or another transformers encoder over phones, projected, in place of our text encoder.

    Our symbols are looked up in its vocabulary once, when training begins (:meth:`read_vocabulary`); after that neither the hub
    nor its tokenizer is needed. The package transformers is, which is no dependency.

    Args:
        config: Its configuration as JSON, with ``model_type``.

    Raises:
        UnavailableError: transformers is not installed.
        ModelError: The configuration is none of a known encoder.
    """

    def __init__(self, config: str, text: TextConfig):
        super().__init__()
        transformers = transformers_package()
        try:
            facts = json.loads(config)
            sizes = transformers.AutoConfig.for_model(**facts)
            self.bert = transformers.AutoModel.from_config(sizes)
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"no encoder can be made: {str(error)[:200]}", where="bert", code="model.bert") from error
        self.register_buffer("vocabulary", torch.zeros(text.n_symbols, dtype=torch.long))  # our id -> its id
        self.register_buffer("ends", torch.zeros(2, dtype=torch.long))  # its ids of beginning and end
        self.pad = int(sizes.pad_token_id or 0)
        self.project = nn.Linear(sizes.hidden_size, text.dim)

    def forward(self, ids: Tensor, styles: Tensor, langs: Tensor, mask: Tensor) -> Tensor:
        """As ``TextEncoder``; styles and languages are not heard."""
        size = ids.shape[1]
        read = F.pad(torch.where(mask, self.vocabulary[ids], self.pad), (1, 1), value=self.pad)
        heard = F.pad(mask, (1, 1))
        heard[:, 0] = True
        read[:, 0] = self.ends[0]
        last = mask.sum(1, keepdim=True) + 1
        read, heard = read.scatter(1, last, self.ends[1].expand_as(last)), heard.scatter(1, last, True)
        hidden = self.bert(input_ids=read, attention_mask=heard.long()).last_hidden_state
        return self.project(hidden[:, 1 : size + 1])

    def read_vocabulary(self, tokenizer) -> float:
        """Fill the table from a transformers tokenizer; returns the share of our phones that it knows.

        Raises:
            ModelError: It knows less than half of them.
        """
        from frontend import inventory

        symbols = inventory.symbols()[: len(self.vocabulary)]
        unknown = tokenizer.unk_token_id
        known = 0
        for i, symbol in enumerate(symbols):
            spellings = {inventory.WB: ["▁"], inventory.SIL: ["▁"]}.get(i, [symbol, symbol.replace("͡", "")])
            found = next((n for s in spellings if (n := tokenizer.convert_tokens_to_ids(s)) != unknown), unknown)
            self.vocabulary[i] = found
            known += found != unknown
        self.ends.copy_(torch.tensor([tokenizer.bos_token_id, tokenizer.eos_token_id]))
        if known < len(symbols) / 2:
            raise ModelError(f"its vocabulary holds {known} of {len(symbols)} phones.", where="bert", code="model.bert",
                             fix="Give an encoder of IPA phones, such as XPhoneBERT.")  # fmt: skip
        return known / len(symbols)


def transformers_package():
    """The package transformers.

    Raises:
        UnavailableError: It is not installed.
    """
    try:
        return import_module("transformers")
    except ImportError as error:
        raise UnavailableError("the front end xphonebert needs the package transformers.", where="front",
                               code="package.missing", fix="pip install transformers") from error  # fmt: skip


def load_txt2vec(folder) -> tuple[Txt2vec, dict]:
    """(model, config) of a model folder.

    Raises:
        ModelError: It is missing, damaged, of another kind, or made for another phone inventory.
        UnavailableError: It needs transformers.
    """
    from frontend import inventory
    from vocoder.nn.checkpoint import build, load_into, load_model
    from vocoder.nn.config import from_dict

    config, tensors = load_model(folder, "txt2vec")
    sizes = from_dict(Txt2vecConfig, config.get("model"), str(folder))
    model = build(Txt2vec, sizes)
    if sizes.front != "characters" and config.get("inventory") != inventory.digest(sizes.text.n_symbols):
        raise ModelError("the model was trained with another phone inventory.", where=folder, code="model.inventory")
    load_into(model, tensors, str(folder))
    return model.eval(), config
