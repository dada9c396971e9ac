"""The content adapter: what is said in a recording, and how, as frame conditions of an acoustic model. No text is needed.

    mel ──recogniser's hidden states──┐
    F0, energy ───────────────────────┴─▶ 3 × ConvNeXt ──▶ [B, T, D], in place of what the text side would have made

The acoustic model's decoder then speaks these conditions in any voice. The adapter learns to make, of a recording, the conditions
that the frozen text side makes of its aligned phones: these know nothing of the speaker, so that his timbre has no way through.

Source: recognition-synthesis voice conversion (Sun et al. 2016, phonetic posteriorgrams) between the halves of this package's
own models; timbre by reference as in Mega-TTS (arXiv 2306.03509). Differs: the target is the inside of a text-to-speech model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn as nn
from torch import Tensor

from tts.base.errors import ModelError
from tts.models.variance import PITCH_CENTRE, PITCH_SCALE
from vocoder.nn.convnext import ConvNeXtBlock

RECEPTIVE_FIELD = 9  # frames on either side that reach a frame, of the adapter alone


@dataclass(frozen=True)
class ContentConfig:
    acoustic: str  # model_id of the acoustic model whose conditions it makes
    aligner: str  # model_id of the aligner whose hidden states it hears
    content_dim: int = 192  # of the aligner
    decoder_dim: int = 192  # of the acoustic model
    query_dim: int = 0  # of its text side where phones attend to the voice's reference (``megatts``); 0: they do not
    dim: int = 192
    hidden: int = 384
    n_blocks: int = 3
    dropout: float = 0.1


class ContentAdapter(nn.Module):
    def __init__(self, config: ContentConfig):
        super().__init__()
        self.config = config
        n_out = config.decoder_dim + config.query_dim
        self.linear = nn.Linear(config.content_dim + 3, n_out)  # what one frame tells; solved before training
        self.embed = nn.Linear(config.content_dim + 3, config.dim)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.dim, config.hidden, 1 / config.n_blocks, dropout=config.dropout) for _ in range(config.n_blocks)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.out = nn.Linear(config.dim, n_out)  # what the frames around it add
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.register_buffer("centre", torch.zeros(n_out))  # of what it makes, over training frames
        self.register_buffer("scale", torch.ones(n_out))

    def forward(self, content: Tensor, log_f0: Tensor, voiced: Tensor, energy: Tensor, mask: Tensor) -> Tensor:
        """Neutral conditions of frames, and what is asked of the voice, for :func:`with_voice`.

        Args:
            content: [B, T, content_dim], hidden states of the aligner.
            log_f0: [B, T], natural log of Hz as it will be spoken, bridged over unvoiced frames.
            voiced: [B, T], 1 = voiced.
            energy: [B, T], of ``tts.models.variance.frame_energy``.
            mask: [B, T] bool, True = real.

        Returns:
            [B, T, decoder_dim + query_dim].
        """
        real = mask[..., None].to(content.dtype)
        heard = self.heard(content, log_f0, voiced, energy)
        x = self.embed(heard)
        for block in self.blocks:
            x = block(x, real)
        return (self.linear(heard) + self.out(self.norm(x))) * self.scale + self.centre

    @staticmethod
    def heard(content: Tensor, log_f0: Tensor, voiced: Tensor, energy: Tensor) -> Tensor:
        """[B, T, content_dim + 3]: all that is heard of a frame."""
        prosody = torch.stack([(log_f0 - PITCH_CENTRE) / PITCH_SCALE, voiced, energy], dim=-1)
        return torch.cat([content, prosody], dim=-1)


def with_voice(adaptor: nn.Module, made: Tensor, memory: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
    """Conditions [B, T, decoder_dim] of what the adapter makes, in a voice.

    In most models the voice steers the decoder alone. Where phones attend to the reference, ``hidden + a(hidden)`` takes the
    place of ``hidden`` before the linear map to frames; so what a frame's ``hidden`` asks is made too, and ``a`` of it added.

    Args:
        adaptor: The acoustic model's variance adaptor.
        memory, mask: [B, M, D] and [B, M], the reference that is attended to.
    """
    width = adaptor.config.decoder_dim
    if made.shape[-1] == width:
        return made
    conditions, query = made[..., :width], made[..., width:]
    told = adaptor.with_timbre(query, memory, mask) - query
    return conditions + told @ adaptor.to_frames.weight[:, : query.shape[-1]].T


def decoder_of(acoustic: nn.Module) -> nn.Module:
    """The part of an acoustic model whose ``decode`` makes a mel of conditions in one pass: of ``flow``, its regression."""
    return getattr(acoustic, "prior", acoustic)


def load_content(folder, acoustic: dict, aligner: dict, where=None) -> ContentAdapter:
    """The adapter of a model folder, for an acoustic model and an aligner with these configurations.

    Raises:
        ModelError: it was trained for another acoustic model or aligner, or is damaged.
    """
    from vocoder.nn.checkpoint import build, load_into, load_model
    from vocoder.nn.config import from_dict

    stored, tensors = load_model(folder, "content")
    config = from_dict(ContentConfig, stored.get("model"), str(folder))
    for what, wanted, loaded in (("acoustic", config.acoustic, acoustic), ("aligner", config.aligner, aligner)):
        if wanted != loaded["model_id"]:
            raise ModelError(
                f"this content adapter is for {what} model {wanted}; loaded is {loaded['model_id']}.",
                where=folder,
                code="content.model",
                fix=f"Train one for it: python -m recipes train-content --acoustic {where or 'DIR'}.",
            )
    model = build(ContentAdapter, config)
    load_into(model, tensors, str(folder))
    return model.eval().requires_grad_(False)


def content_folder(acoustic_folder) -> Path:
    """Where an acoustic model's adapter lies: ``content/`` in its own folder."""
    return Path(acoustic_folder) / "content"
