"""Prosody models: which prosody codes a text gets, as this speaker might have said it.

One transformer over phones, in two forms behind one interface:

    "causal"  the prosody language model: left to right, each code given all before it
    "masked"  all at once: some codes are hidden, the others tell them; synthesis reveals the surest first

A phone's input is its content (the text encoder's hidden state) and a code: that of the phone before (causal) or its own or
"hidden" (masked); the voice's style is added everywhere. Sentences of the same speaker may stand before as context. A code
beyond the books says that a pause takes no time. With ``durations`` the causal form also tells how long each phone is, from
those before it.

Source: P-LLM, Mega-TTS (arXiv 2306.03509) §3.2; autoregressive durations and interpolation of two prompts, Mega-TTS 2
(arXiv 2307.07218) §3.3, §3.4; masked form: MaskGIT sampling (arXiv 2202.04200) with a cosine schedule. Differs: small (4
layers of 192 instead of 8 of 512); one network for codes and durations; rotary positions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tts.base.errors import DataError, ModelError
from tts.models.masked import OPEN, gumbel, still_hidden, surest
from tts.models.variance import masked_mean
from vocoder.nn.attention import rotate

FORMS = ("causal", "masked")
LEARNED_STEPS = 8  # of the masked form's synthesis


@dataclass(frozen=True)
class ProsodyModelConfig:
    codebook_size: int = 256  # K; code K means "takes no time"
    content_dim: int = 192
    style_dim: int = 128
    form: str = "causal"
    durations: bool = True  # the causal form tells durations too
    dim: int = 192
    hidden: int = 768
    n_layers: int = 4
    n_heads: int = 4
    dropout: float = 0.1
    noise: float = 0.1  # share of input codes replaced by others in training

    def __post_init__(self):
        if self.form not in FORMS:
            raise ModelError(f"form {self.form!r} is unknown.", fix=f"Known: {', '.join(FORMS)}.")


@dataclass(frozen=True)
class Prompt:
    """What was said before by the same speaker: content [M, D], codes [M] (K: no time), log of durations [M]."""

    content: Tensor
    codes: Tensor
    log_durations: Tensor


@dataclass(frozen=True)
class Sampled:
    """n ways to say a sentence of N phones."""

    codes: Tensor  # int64 [n, N], 0..K
    log_p: Tensor  # [n, N], natural log of the model's probability of each code, given ones included
    log_durations: Tensor | None  # [n, N], natural log of frames, from the causal form that tells them


class Layer(nn.Module):
    def __init__(self, config: ProsodyModelConfig):
        super().__init__()
        dim = config.dim
        self.n_heads = config.n_heads
        self.norm, self.qkv, self.out = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.feed = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, config.hidden), nn.GELU(), nn.Dropout(config.dropout),
                                  nn.Linear(config.hidden, dim))  # fmt: skip
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor | None, past: list | None = None) -> Tensor:
        """x [B, T, D]; mask [B or 1, 1, T, S] bool, True = heard. ``past``: keys and values so far, extended in place."""
        batch, size, dim = x.shape
        q, k, v = self.qkv(self.norm(x)).view(batch, size, 3, self.n_heads, -1).unbind(2)
        if past is not None:
            if past:
                k, v = torch.cat([past[0], k], dim=1), torch.cat([past[1], v], dim=1)
            past[:] = [k, v]
        q = rotate(q, k.shape[1] - size)
        q, k, v = q.transpose(1, 2), rotate(k).transpose(1, 2), v.transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.dropout(self.out(y.transpose(1, 2).reshape(batch, size, dim)))
        return x + self.dropout(self.feed(x))


class ProsodyModel(nn.Module):
    def __init__(self, config: ProsodyModelConfig):
        super().__init__()
        self.config = config
        size = config.codebook_size
        self.start = size + 1  # also stands for "hidden"
        self.codes = nn.Embedding(size + 2, config.dim)
        self.content, self.style = nn.Linear(config.content_dim, config.dim), nn.Linear(config.style_dim, config.dim)
        self.is_context = nn.Parameter(torch.zeros(config.dim))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(config.dim)
        self.out = nn.Linear(config.dim, size + 1)
        if config.durations and config.form == "causal":
            self.before = nn.Linear(1, config.dim)  # how long the phone before was
            self.how_long = nn.Sequential(nn.Linear(2 * config.dim, config.dim), nn.GELU(), nn.Linear(config.dim, 1))
        nn.init.normal_(self.codes.weight, std=0.3)

    @property
    def tells_durations(self) -> bool:
        return hasattr(self, "how_long")

    def embed(self, content: Tensor, inputs: Tensor, style: Tensor, log_before=None, context=None) -> Tensor:
        """Content [B, T, C], input codes [B, T], style [B, S], log duration of the phone before [B, T] -> [B, T, D]."""
        x = self.content(content) + self.codes(inputs) + self.style(style)[:, None]
        if self.tells_durations and log_before is not None:
            x = x + self.before(log_before[..., None])
        return x if context is None else x + self.is_context * context[..., None]

    def loss(self, batch: dict) -> dict[str, Tensor]:
        """Cross entropy of codes, and L1 of log durations.

        Args:
            batch: content [B, T, C], codes [B, T] (0..K), log_durations [B, T], first [B, T] bool (of a sentence), mask [B, T],
                style [B, S], context [B, T] float: 1 in sentences that only lead in (masked form).
        """
        codes, mask = batch["codes"], batch["mask"]
        if self.config.form == "masked":
            return self.masked_loss(batch)
        before, log_before = shifted(codes, batch["first"], self.start), shifted(batch["log_durations"], batch["first"], 0.0)
        if self.training and self.config.noise:
            wrong = torch.rand(before.shape, device=before.device) < self.config.noise
            before = torch.where(wrong & (before != self.start), torch.randint_like(before, self.config.codebook_size), before)
        x = self.embed(batch["content"], before, batch["style"], log_before, None)
        size = x.shape[1]
        heard = torch.ones(size, size, dtype=torch.bool, device=x.device).tril()[None, None] & mask[:, None, None]
        heard = heard | torch.eye(size, dtype=torch.bool, device=x.device)  # padding hears itself, rather than nothing
        for layer in self.layers:
            x = layer(x, heard)
        x = self.norm(x)
        losses = {"codes": masked_mean(cross_entropy(self.out(x), codes), mask)}
        if self.tells_durations:
            log_d = self.how_long(torch.cat([x, self.codes(codes)], dim=-1))[..., 0].float()
            lasting = mask & (codes != self.config.codebook_size)
            losses["duration"] = masked_mean((log_d - batch["log_durations"]).abs(), lasting)
        return losses

    def masked_loss(self, batch: dict) -> dict[str, Tensor]:
        codes, mask = batch["codes"], batch["mask"]
        share = torch.cos(torch.rand(len(codes), 1, device=codes.device) * math.pi / 2)
        hidden = (torch.rand(codes.shape, device=codes.device) < share) & mask & (batch["context"] == 0)
        inputs = torch.where(hidden, self.start, codes)
        x = self.embed(batch["content"], inputs, batch["style"], None, batch["context"])
        for layer in self.layers:
            x = layer(x, mask[:, None, None] | torch.eye(x.shape[1], dtype=torch.bool, device=x.device))
        return {"codes": masked_mean(cross_entropy(self.out(self.norm(x)), codes), hidden)}

    @torch.inference_mode()
    def sample(
        self,
        content: Tensor,
        style: Tensor,
        *,
        n: int = 1,
        known=None,
        silent=None,
        prompt: Prompt | None = None,
        other: Prompt | None = None,
        strength: float = 0.0,
        top_k: int = 5,
        temperature: float = 1.0,
        steps: int = LEARNED_STEPS,
        generator: torch.Generator | None = None,
    ) -> Sampled:
        """Codes of a sentence.

        Args:
            content: [N, C] hidden states of the text encoder.
            style: [S] of the voice.
            n: Draws; they differ by chance alone.
            known: int [N]: codes that are given, :data:`OPEN` where they are sought; None seeks all.
            silent: bool [N]: phones that may take no time; the others never get code K. None: all may.
            prompt: Context, of the speaker.
            other, strength: A second context; every code is drawn from (1 - strength) p(. | prompt) + strength p(. | other).
                Causal form only.
            top_k: The likeliest codes that are drawn from; 1 is greedy.
            steps: Of the masked form.
            generator: Of all chance.

        Raises:
            DataError: sizes do not fit.
        """
        size, total = self.config.codebook_size, len(content)
        known = torch.full((total,), OPEN) if known is None else torch.as_tensor(known, dtype=torch.long)
        silent = torch.ones(total, dtype=torch.bool) if silent is None else torch.as_tensor(silent, dtype=torch.bool)
        if content.shape[1:] != (self.config.content_dim,) or not len(known) == len(silent) == total or known.max() > size:
            raise DataError(f"content {list(content.shape)} with {len(known)} codes.", where="prosody", code="prosody.shape")
        if other is not None and self.config.form != "causal":
            raise DataError("the masked form takes one context.", where="other", code="prosody.form", fix="Use the causal form.")
        ban = ~silent[:, None] & (torch.arange(size + 1) == size)
        banned = torch.zeros(total, size + 1).masked_fill(ban, -torch.inf)
        draw = Draw(top_k, temperature, generator)
        if self.config.form == "masked":
            return self.reveal(content, style, n, known, banned, prompt, steps, draw)
        return self.speak(content, style, n, known, banned, (prompt, other), strength, draw)

    def speak(self, content, style, n, known, banned, prompts, strength, draw) -> Sampled:
        """Left to right, one phone at a time; keys and values of what was said stay."""
        style = style[None].expand(n, -1)
        pasts = [self.listened(prompt, style) for prompt in prompts[: 1 if prompts[1] is None else 2]]
        before, log_before = torch.full((n,), self.start), torch.zeros(n)
        codes, log_ps, log_ds = [], [], []
        for t in range(len(content)):
            x = self.embed(content[t].expand(n, 1, -1), before[:, None], style, log_before[:, None], None)
            ends = [self.step(x, past) for past in pasts]
            p = [(self.out(end)[:, 0] + banned[t]).softmax(-1) for end in ends]
            p = p[0] if len(p) == 1 else (1 - strength) * p[0] + strength * p[1]
            before = draw(p) if known[t] == OPEN else known[t].expand(n)
            codes.append(before)
            log_ps.append(p.gather(1, before[:, None])[:, 0].clamp(min=1e-9).log())
            if self.tells_durations:
                log_before = self.how_long(torch.cat([ends[0][:, 0], self.codes(before)], dim=-1))[:, 0]
                log_before = torch.where(before == self.config.codebook_size, 0.0, log_before)
                log_ds.append(log_before)
        return Sampled(torch.stack(codes, 1), torch.stack(log_ps, 1), torch.stack(log_ds, 1) if log_ds else None)

    def listened(self, prompt: Prompt | None, style: Tensor) -> list[list]:
        """Keys and values of every layer after a context; empty without one."""
        past: list[list] = [[] for _ in self.layers]
        if prompt is not None and len(prompt.codes):
            first = torch.zeros(1, len(prompt.codes), dtype=torch.bool)
            first[0, 0] = True
            inputs, log_before = shifted(prompt.codes[None], first, self.start), shifted(prompt.log_durations[None], first, 0.0)
            x = self.embed(prompt.content[None], inputs, style[:1], log_before, None).expand(len(style), -1, -1)
            size = x.shape[1]
            self.step(x, past, torch.ones(size, size, dtype=torch.bool).tril()[None, None])
        return past

    def step(self, x: Tensor, past: list[list], mask: Tensor | None = None) -> Tensor:
        for layer, kept in zip(self.layers, past, strict=True):
            x = layer(x, mask, kept)
        return self.norm(x)

    def reveal(self, content, style, n, known, banned, prompt, steps, draw) -> Sampled:
        """All at once, the surest first: after step i of S, cos(pi / 2 * i / S) of the sought codes are hidden still."""
        lead = 0 if prompt is None else len(prompt.codes)
        before = [] if prompt is None else [prompt.codes]
        whole = content if prompt is None else torch.cat([prompt.content, content])
        context = (torch.arange(len(whole)) < lead).float()[None].expand(n, -1)
        codes = torch.cat([*before, known]).expand(n, -1).clone()
        hidden, sought = codes == OPEN, int((known == OPEN).sum())
        log_p = torch.zeros(codes.shape)
        for i in range(1, steps + 1):
            inputs = torch.where(hidden, self.start, codes)
            x = self.embed(whole.expand(n, -1, -1), inputs, style.expand(n, -1), context=context)
            for layer in self.layers:
                x = layer(x, None)
            logits = self.out(self.norm(x))
            logits[:, lead:] += banned
            p = logits.softmax(-1)
            drawn = draw(p.flatten(0, 1)).view(codes.shape)
            sure = p.gather(2, drawn[..., None])[..., 0].clamp(min=1e-9).log()
            if i == 1:
                log_p = p.gather(2, codes.clamp(min=0)[..., None])[..., 0].clamp(min=1e-9).log()  # of the given ones
            chance = gumbel(sure.shape, draw.generator) * draw.temperature * (1 - i / steps)  # luck keeps draws different
            now = surest(hidden, sure + chance, still_hidden(sought, i, steps))
            codes, log_p = torch.where(now, drawn, codes), torch.where(now, sure, log_p)
            hidden = hidden & ~now
        return Sampled(codes[:, lead:], log_p[:, lead:], None)


@dataclass
class Draw:
    """Draws from the ``top_k`` likeliest, with a generator of its own."""

    top_k: int
    temperature: float
    generator: torch.Generator | None

    def __call__(self, p: Tensor) -> Tensor:
        """[n, K] probabilities -> [n] int64."""
        best, index = p.topk(min(self.top_k, p.shape[-1]), dim=-1)
        if self.top_k == 1:
            return index[..., 0]
        best = best.clamp(min=1e-12).pow(1 / self.temperature)
        return index.gather(-1, torch.multinomial(best, 1, generator=self.generator))[..., 0]


def shifted(values: Tensor, first: Tensor, fill) -> Tensor:
    """[B, T] one to the right; ``fill`` at the first phone of every sentence."""
    return torch.where(first, torch.full_like(values, fill), F.pad(values, (1, 0))[:, :-1])


def cross_entropy(logits: Tensor, codes: Tensor) -> Tensor:
    """[B, T, K + 1], [B, T] -> [B, T]."""
    return F.cross_entropy(logits.float().transpose(1, 2), codes, reduction="none")


def two_sided(sampled: Sampled, start: int, end: int) -> np.ndarray:
    """How well each draw fits on both sides of a span [start, end) of phones: mean log probability of the codes in it, plus
    that of the given codes after it, which a misfit makes unlikely.

    Source: Mega-TTS (arXiv 2306.03509) §3.4, equation of speech editing; differs: means, so that length does not decide.
    """
    inside = sampled.log_p[:, start:end].mean(1)
    after = sampled.log_p[:, end : end + RIGHT_CONTEXT]
    return (inside + (after.mean(1) if after.shape[1] else 0.0)).numpy()


RIGHT_CONTEXT = 20  # phones behind a span that judge it
