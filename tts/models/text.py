"""From phones to frames: what every acoustic model here shares.

    ids, styles, langs ──two encoders──▶ LanStyle gate ──trunk──▶ hidden [B, N, D] ──predictors──▶ durations, pitch, energy
                                                                        └──────────── expand ──────────▶ [B, T, D]

Source: LanStyleTTS (arXiv 2504.08274): one phone inventory, language-aware style ids beside it, a gated adaptor.
Differs: ConvNeXt and rotary attention instead of FFT blocks; a language embedding besides the style's range.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn as nn
from torch import Tensor

from tts.base.errors import ModelError
from vocoder.nn.attention import SelfAttention
from vocoder.nn.convnext import ConvNeXtBlock

FUSIONS = ("sum", "proj")
STYLES_A_LANGUAGE = 16  # size of a language's range of style ids, as frontend.styles lays them out


@dataclass(frozen=True)
class TextConfig:
    n_symbols: int  # phone inventory, marks included
    languages: tuple[int, ...]  # frontend ids of the languages trained on; all others share one generic range
    dim: int = 192
    hidden: int = 768
    n_phone_blocks: int = 2
    n_style_blocks: int = 1
    n_blocks: int = 3
    fusion: str = "proj"  # the adaptor's form: "sum" (released code) or "proj" (written equation)
    use_styles: bool = True  # False feeds zeros: measures what the style ids bring
    dropout: float = 0.1

    def __post_init__(self):
        if self.fusion not in FUSIONS:
            raise ModelError(f"fusion {self.fusion!r} is unknown.", fix=f"Known: {', '.join(FUSIONS)}.")


class LanStyleGate(nn.Module):
    """Fuses the phone and the style sequence, both [B, N, D].

    ``sum``: tanh(x + s) * sigmoid(x + s), no projections (the authors' released code).
    ``proj``: tanh(W1 x) * sigmoid(W2 s): content from the phone alone, gate from the style alone (ParaStyleTTS,
    arXiv 2510.18308, equation 1, given there as inherited from LanStyleTTS).
    """

    def __init__(self, dim: int, fusion: str):
        super().__init__()
        self.fusion = fusion
        if fusion == "proj":
            self.content, self.gate = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, phone: Tensor, style: Tensor) -> Tensor:
        if self.fusion == "sum":
            both = phone + style
            return torch.tanh(both) * torch.sigmoid(both)
        return torch.tanh(self.content(phone)) * torch.sigmoid(self.gate(style))


class TextEncoder(nn.Module):
    """Phones with styles and languages -> hidden [B, N, D]."""

    def __init__(self, config: TextConfig):
        super().__init__()
        self.config = config
        slots = torch.zeros(1024, dtype=torch.long)  # frontend language id -> row of the tables; 0 = generic
        slots[list(config.languages)] = torch.arange(1, len(config.languages) + 1)
        self.register_buffer("slots", slots, persistent=False)
        n_slots = len(config.languages) + 1
        self.symbols = nn.Embedding(config.n_symbols, config.dim)
        self.styles = nn.Embedding(n_slots * STYLES_A_LANGUAGE, config.dim)
        self.languages = nn.Embedding(n_slots, config.dim)

        def blocks(n):
            return nn.ModuleList(
                ConvNeXtBlock(config.dim, config.hidden, 0.3, kernel_size=5, dropout=config.dropout) for _ in range(n)
            )

        self.phone_blocks, self.style_blocks, self.blocks = (
            blocks(config.n_phone_blocks),
            blocks(config.n_style_blocks),
            blocks(config.n_blocks),
        )
        self.gate = LanStyleGate(config.dim, config.fusion)
        self.attention = nn.ModuleList(SelfAttention(config.dim, 4, config.dropout) for _ in range(2))
        self.norm = nn.LayerNorm(config.dim)
        for table in (self.symbols, self.styles, self.languages):
            nn.init.normal_(table.weight, std=0.5)

    def forward(self, ids: Tensor, styles: Tensor, langs: Tensor, mask: Tensor) -> Tensor:
        """All [B, N]; mask bool, True = real."""
        real = mask[..., None].float()
        phone, style = self.symbols(ids), self.embed_styles(styles, langs)
        for block in self.phone_blocks:
            phone = block(phone, real)
        for block in self.style_blocks:
            style = block(style, real)
        x = self.gate(phone, style)
        x = x + phone  # the gate alone bounds its output to (-1, 1) and has no residual path
        for i, block in enumerate(self.blocks):
            if i < len(self.attention):
                x = self.attention[i](x, mask)
            x = block(x, real)
        return self.norm(x)

    def embed_styles(self, styles: Tensor, langs: Tensor) -> Tensor:
        if not self.config.use_styles:
            return self.styles(torch.zeros_like(styles))
        slot = self.slots[langs]
        row = self.slots[styles // STYLES_A_LANGUAGE] * STYLES_A_LANGUAGE + styles % STYLES_A_LANGUAGE
        if self.training:  # the generic range must be usable for languages never seen
            forget = torch.rand(len(slot), 1, device=slot.device) < 0.1
            slot, row = torch.where(forget, 0, slot), torch.where(forget, row % STYLES_A_LANGUAGE, row)
        return self.styles(row) + self.languages(slot)


class Predictor(nn.Module):
    """One or more values a phone from hidden states, steered by the voice."""

    def __init__(self, dim: int, cond_dim: int, n_outputs: int, dropout: float = 0.3):
        super().__init__()
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(dim, 2 * dim, 0.3, kernel_size=5, cond_dim=cond_dim, dropout=dropout) for _ in range(2)
        )
        self.voice = nn.Linear(cond_dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, n_outputs)

    def forward(self, hidden: Tensor, mask: Tensor, cond: Tensor) -> Tensor:
        """hidden [B, N, D], mask [B, N], cond [B, C] -> [B, N, n_outputs] float32."""
        x = hidden + self.voice(cond)[:, None]
        for block in self.blocks:
            x = block(x, mask[..., None].float(), cond)
        return self.out(self.norm(x)).float()


def expand(values: Tensor, token: Tensor) -> Tensor:
    """Length regulator: values [B, N, D] and the token of each frame [B, T] -> [B, T, D]."""
    return values.gather(1, token[..., None].expand(-1, -1, values.shape[-1]))


def position_in_phone(durations: Tensor, token: Tensor) -> Tensor:
    """[B, T, 2]: how far a frame is into its phone (0 to 1), and the log of the phone's length."""
    ends = durations.cumsum(1)
    starts = (ends - durations).gather(1, token).float()
    length = durations.gather(1, token).float().clamp(min=1)
    frame = torch.arange(token.shape[1], device=token.device)[None].float()
    return torch.stack([((frame + 0.5 - starts) / length).clamp(0, 1), length.log()], dim=-1)


def mean_over_phones(values: Tensor, weights: Tensor, token: Tensor, n_tokens: int) -> tuple[Tensor, Tensor]:
    """Weighted mean of frame values in each phone: values, weights [B, T] -> mean, total weight [B, N]."""
    total = torch.zeros(values.shape[0], n_tokens, device=values.device)
    weight = total.scatter_add(1, token, weights)
    return total.scatter_add(1, token, values * weights) / weight.clamp(min=1e-6), weight
