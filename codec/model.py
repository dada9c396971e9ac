"""The codec model: samples -> latent -> codes -> latent -> mel, pitch and a hint -> samples.

    wav ──encoder──▶ latent [B, T, 192] ──quantizer──▶ codes [B, n_q, T]
    codes ──▶ latent ──ConvNeXt──▶ hidden ──▶ mel, F0, voicing ──▶ vocoder (excited Fourier head) ──▶ wav
                                     └──────── hint ─────────────────▲

Source: Language-Codec (arXiv 2402.12208): masked-channel quantiser, Fourier decoder. Differs: the decoder is the package's
vocoder, with all of its trunk, driven by mel and F0 that are read from the codes (F0 costs no bits of its own), and by what else
of the hidden state it finds useful. It may begin from a trained vocoder, so that training is spent on the codes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import torch
import torch.nn as nn
from torch import Tensor

from codec.encoder import MelEncoder, SeanetEncoder
from codec.quantize import quantizer_classes
from codec.quantize.base import Quantized
from tts.base.errors import ModelError
from vocoder.audio.frames import N_MELS
from vocoder.fourier import FourierVocoder, VocoderConfig
from vocoder.nn.convnext import ConvNeXtBlock, init_weights

ENCODERS = ("mel", "seanet")
MEL_CENTRE, MEL_SCALE = -5.0, 2.5
PITCH_CENTRE, PITCH_SCALE = 5.1, 0.35  # natural log of Hz
HIGHEST_F0 = 700.0  # Hz


@dataclass(frozen=True)
class CodecConfig:
    encoder: str = "mel"  # "mel" or "seanet"
    quantizer: str = "mcrvq"  # codec.quantize.KINDS
    latent_dim: int = 192
    n_q: int = 8  # books
    n_q_min: int = 3
    codebook_size: int = 1024  # K; fsq has its levels instead
    dim: int = 256  # width of the encoder's and the decoder's blocks
    hidden: int = 768
    n_encoder_blocks: int = 4
    n_decoder_blocks: int = 4  # between the latent and the vocoder
    seanet_width: int = 16
    vocoder: VocoderConfig = field(default_factory=VocoderConfig)

    def __post_init__(self):
        if self.encoder not in ENCODERS:
            raise ModelError(f"encoder {self.encoder!r} is unknown.", fix=f"Known: {', '.join(ENCODERS)}.")


@dataclass(frozen=True)
class CodecOutput:
    """What ``CodecModel.forward`` returns: everything that a loss may look at."""

    wav: Tensor  # [B, 320 T]
    mel: Tensor  # [B, T, 100] predicted log-mel
    log_f0: Tensor  # [B, T] predicted, natural log of Hz
    voiced: Tensor  # [B, T] logit
    quantized: Quantized


class CodecModel(nn.Module):
    def __init__(self, config: CodecConfig = CodecConfig()):
        super().__init__()
        self.config = config
        if config.encoder == "mel":
            self.encoder = MelEncoder(config.latent_dim, config.dim, config.hidden, config.n_encoder_blocks)
        else:
            self.encoder = SeanetEncoder(config.latent_dim, config.seanet_width)
        quantizer, quantizer_config = quantizer_classes(config.quantizer)
        sizes = {"dim": config.latent_dim, "n_q": config.n_q, "n_q_min": config.n_q_min, "codebook_size": config.codebook_size}
        known = {field.name for field in fields(quantizer_config)}
        self.quantizer = quantizer(quantizer_config(**{name: size for name, size in sizes.items() if name in known}))
        self.n_books = nn.Embedding(config.n_q + 1, config.dim)  # row 0: the latent was not quantised
        self.embed = nn.Linear(config.latent_dim, config.dim)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(config.dim, config.hidden, 1 / config.n_decoder_blocks) for _ in range(config.n_decoder_blocks)
        )
        self.norm = nn.LayerNorm(config.dim, eps=1e-6)
        self.out = nn.Linear(config.dim, N_MELS + 2)  # mel, log F0, voicing logit
        self.hint = nn.Linear(config.dim, config.vocoder.dim)
        self.apply(init_weights)
        nn.init.zeros_(self.hint.weight)
        nn.init.zeros_(self.n_books.weight)
        self.vocoder = FourierVocoder(config.vocoder)

    def forward(self, wav: Tensor, f0: Tensor, n_q=None, generator=None, quantize: bool = True) -> CodecOutput:
        """The training pass: the vocoder is driven by the true pitch, while the predicted one learns it.

        Args:
            wav: [B, 320 T].
            f0: [B, T] Hz, 0 = unvoiced.
            n_q: Books of all items or of each; None = drawn (``Quantizer.draw_n_q``).
            generator: Of the draws.
            quantize: False: the latent goes on as it is, as an autoencoder.
        """
        latent = self.encoder(wav).float()
        if quantize:
            quantized = self.quantizer(latent, n_q, generator=generator)
        else:
            none = torch.zeros(len(wav), dtype=torch.long, device=wav.device)
            quantized = Quantized(latent, torch.zeros(len(wav), 0, latent.shape[1], dtype=torch.long), none, {}, {})
        hidden, mel, log_f0, voiced = self.read(quantized.quantized, quantized.n_q)
        return CodecOutput(self.vocoder(mel, f0, extra=self.hint(hidden)), mel, log_f0, voiced, quantized)

    def read(self, latent: Tensor, n_q: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """latent [B, T, D], books of each item [B] -> hidden [B, T, dim], mel [B, T, 100], log F0 and voicing logit [B, T]."""
        x = self.embed(latent) + self.n_books(n_q)[:, None]
        for block in self.blocks:
            x = block(x)
        hidden = self.norm(x)
        mel, log_f0, voiced = self.out(hidden).float().split([N_MELS, 1, 1], dim=-1)
        return hidden, mel * MEL_SCALE + MEL_CENTRE, log_f0[..., 0] * PITCH_SCALE + PITCH_CENTRE, voiced[..., 0]

    def encode(self, wav: Tensor, n_q: int | None = None) -> Tensor:
        """[B, 320 T] -> codes [B, n_q, T] int64."""
        return self.quantizer.encode(self.encoder(wav).float(), n_q)

    def decode(self, codes: Tensor, noise: Tensor | None = None) -> Tensor:
        """codes [B, n_q, T] -> [B, 320 T] samples; ``noise`` as in ``FourierVocoder.forward``."""
        n_q = torch.full((len(codes),), codes.shape[1], device=codes.device)
        hidden, mel, log_f0, voiced = self.read(self.quantizer.decode(codes), n_q)
        f0 = torch.where(voiced > 0, log_f0.exp().clamp(50, HIGHEST_F0), 0.0)
        return self.vocoder(mel, f0, noise, extra=self.hint(hidden))
