"""The codec model: samples -> latent -> codes -> latent -> mel, pitch and a hint -> samples.

    wav ──encoder──▶ latent [B, T, 192] ──quantizer──▶ codes [B, n_q, T]
    codes ──▶ latent ──attention, ConvNeXt──▶ hidden ──▶ mel, F0, voicing ──▶ vocoder (excited Fourier head) ──▶ wav
                                                 └──────── hint ─────────────────▲

With a semantic path, features of a self-supervised model join the latent before the quantiser, and are read back from the codes;
or they are only read back (``semantic_input`` false), and encoding needs no such model.

Sources: Language-Codec (arXiv 2402.12208): masked-channel quantiser, attention before the blocks, Fourier decoder. X-Codec
(arXiv 2408.17175 §3): the semantic path; SpeechTokenizer (arXiv 2308.16692): the path without input. Differs: the decoder is
the package's vocoder, with all of its trunk, driven by mel and F0 that are read from the codes (F0 costs no bits of its own), and
by what else of the hidden state it finds useful; attention hears a window of frames, so that hours can be decoded.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import torch
import torch.nn as nn
from torch import Tensor

from codec.encoder import ACTIVATIONS, GroupLinear, MelEncoder, SeanetEncoder
from codec.quantize import quantizer_classes
from codec.quantize.base import Quantized
from tts.base.errors import ModelError
from vocoder.audio.frames import N_MELS
from vocoder.excitation import DEFAULT_LOG_F0, bridged_log_f0, pulse_train
from vocoder.fourier import FourierVocoder, VocoderConfig
from vocoder.nn.attention import SelfAttention
from vocoder.nn.convnext import ConvNeXtBlock, init_weights

ENCODERS = ("mel", "seanet")
MEL_CENTRE, MEL_SCALE = -5.0, 2.5
PITCH_CENTRE, PITCH_SCALE = 5.1, 0.35  # natural log of Hz
LOWEST_F0, HIGHEST_F0 = 50.0, 700.0  # Hz


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
    group: int = 4  # frames that the mel encoder codes together; codes still come 75 times a second
    seanet_width: int = 16
    seanet_activation: str = "elu"  # or "snake"
    attention_frames: int = 0  # frames on each side that the decoder's attention hears (before alone, when causal); 0: none
    semantic: str = ""  # teacher of the semantic path (codec.units.extractor); empty: no path
    semantic_dim: int = 0  # width of its features
    semantic_input: bool = True  # the features also join the latent; False: only training needs the teacher
    causal: bool = False  # encoder and decoder look ahead no more than their Fourier transforms do
    vocoder: VocoderConfig = field(default_factory=VocoderConfig)

    def __post_init__(self):
        if self.encoder not in ENCODERS:
            raise ModelError(f"encoder {self.encoder!r} is unknown.", fix=f"Known: {', '.join(ENCODERS)}.")
        if self.seanet_activation not in ACTIVATIONS:
            raise ModelError(f"activation {self.seanet_activation!r} is unknown.", where="seanet_activation",
                             fix=f"Known: {', '.join(ACTIVATIONS)}.")  # fmt: skip
        if self.encoder != "mel" and self.group != 1:
            raise ModelError("frames are coded together by the mel encoder only.", where="group", fix="Set group to 1.")
        if self.causal != self.vocoder.causal:
            raise ModelError("causal and vocoder.causal differ.", fix="Set both, or neither.")
        if bool(self.semantic) != (self.semantic_dim > 0):
            raise ModelError("a semantic path has a teacher's name and a width.", fix="Set both, or neither.")


@dataclass(frozen=True)
class CodecOutput:
    """What ``CodecModel.forward`` returns: everything that a loss may look at."""

    wav: Tensor  # [B, 320 T]
    mel: Tensor  # [B, T, 100] predicted log-mel
    log_f0: Tensor  # [B, T] predicted, natural log of Hz
    voiced: Tensor  # [B, T] logit
    semantic: Tensor | None  # [B, T, semantic_dim] the teacher's features as ``normalised`` gives them, read back from the codes
    latent: Tensor  # [B, T, latent_dim] what was quantised
    quantized: Quantized


class CodecModel(nn.Module):
    def __init__(self, config: CodecConfig = CodecConfig()):
        super().__init__()
        self.config = config
        dim, latent, causal = config.dim, config.latent_dim, config.causal
        if config.encoder == "mel":
            self.encoder = MelEncoder(latent, dim, config.hidden, config.n_encoder_blocks, causal, config.group)
        else:
            self.encoder = SeanetEncoder(latent, config.seanet_width, causal, config.seanet_activation)
        quantizer, quantizer_config = quantizer_classes(config.quantizer)
        sizes = {"dim": latent, "n_q": config.n_q, "n_q_min": config.n_q_min, "codebook_size": config.codebook_size}
        known = {field.name for field in fields(quantizer_config)}
        self.quantizer = quantizer(quantizer_config(**{name: size for name, size in sizes.items() if name in known}))
        self.n_books = nn.Embedding(config.n_q + 1, dim)  # row 0: the latent was not quantised
        self.embed = GroupLinear(latent, dim, config.group)
        self.attention = SelfAttention(dim) if config.attention_frames else None
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(dim, config.hidden, 1 / config.n_decoder_blocks, causal=causal) for _ in range(config.n_decoder_blocks)
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.out = nn.Linear(dim, N_MELS + 2)  # mel, log F0, voicing logit
        self.turn = GroupLinear(latent, N_MELS, config.group)  # what the latent itself says of the mel
        self.hint = nn.Linear(dim, config.vocoder.dim)
        joins = config.semantic and config.semantic_input
        self.semantic_in = SemanticStack(config.semantic_dim, config.semantic_dim, causal) if joins else None
        self.join = nn.Linear(latent + config.semantic_dim, latent) if joins else None
        self.semantic_out = SemanticStack(latent, config.semantic_dim, causal) if config.semantic else None
        self.apply(init_weights)
        nn.init.zeros_(self.hint.weight)
        nn.init.zeros_(self.n_books.weight)
        nn.init.zeros_(self.out.weight)
        self.turn_back()
        if self.join is not None:  # begins as the model without the path
            with torch.no_grad():
                self.join.weight.copy_(torch.eye(latent, latent + config.semantic_dim))
        if config.semantic:  # of the teacher's features, over a corpus
            self.register_buffer("semantic_mean", torch.zeros(config.semantic_dim))
            self.register_buffer("semantic_std", torch.ones(config.semantic_dim))
        self.vocoder = FourierVocoder(config.vocoder)

    def forward(self, wav: Tensor, f0: Tensor, n_q=None, generator=None, quantize: bool = True, semantic=None) -> CodecOutput:
        """The training pass: the vocoder is driven by the true pitch, while the predicted one learns it.

        Args:
            wav: [B, 320 T].
            f0: [B, T] Hz, 0 = unvoiced.
            n_q: Books of all items or of each; None = drawn (``Quantizer.draw_n_q``).
            generator: Of the draws.
            quantize: False: the latent goes on as it is, as an autoencoder.
            semantic: [B, T, semantic_dim] features of the teacher; for a model with ``semantic_input``.
        """
        latent = self.latent(wav, semantic)
        if quantize:
            quantized = self.quantizer(latent, n_q, generator=generator)
        else:
            none = torch.zeros(len(wav), dtype=torch.long, device=wav.device)
            quantized = Quantized(latent, torch.zeros(len(wav), 0, latent.shape[1], dtype=torch.long), none, {}, {})
        hidden, mel, log_f0, voiced = self.read(quantized.quantized, quantized.n_q)
        pulses, held = self.excite(f0, torch.rand(len(f0), device=f0.device))
        made = self.vocoder(mel, f0, pulses=pulses, held=held, extra=self.hint(hidden))
        read_back = None if self.semantic_out is None else self.semantic_out(quantized.quantized)
        return CodecOutput(made, mel, log_f0, voiced, read_back, latent, quantized)

    @torch.no_grad()
    def turn_back(self) -> None:
        """Let the decoder's turn undo that of a mel encoder; without one it starts silent."""
        if isinstance(self.encoder, MelEncoder):
            self.turn.weight.copy_(self.encoder.turn.weight.T)
            self.turn.bias.copy_(-self.encoder.turn.bias @ self.encoder.turn.weight)
        else:
            nn.init.zeros_(self.turn.weight)

    def latent(self, wav: Tensor, semantic: Tensor | None = None) -> Tensor:
        """[B, 320 T] -> [B, T, D] float32, what the quantiser sees."""
        latent = self.encoder(wav)
        if self.join is not None:
            if semantic is None:
                raise ModelError(f"this codec hears features of {self.config.semantic}.", fix="Give semantic [B, T, D].")
            latent = self.join(torch.cat([latent, self.semantic_in(self.normalised(semantic))], dim=-1))
        return latent.float()

    def normalised(self, semantic: Tensor) -> Tensor:
        """The teacher's features [B, T, semantic_dim] with mean 0 and variance 1 in each dimension, over the corpus."""
        return (semantic - self.semantic_mean) / self.semantic_std

    @property
    def needs_teacher(self) -> bool:
        """Whether ``latent`` and ``encode`` want the teacher's features."""
        return self.join is not None

    def read(self, latent: Tensor, n_q: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """latent [B, T, D], books of each item [B] -> hidden [B, T, dim], mel [B, T, 100], log F0 and voicing logit [B, T]."""
        x = self.embed(latent) + self.n_books(n_q)[:, None]
        if self.attention is not None:
            x = self.attention(x, self.attention_mask(x.shape[1], x.device)[None, None])
        for block in self.blocks:
            x = block(x)
        hidden = self.norm(x)
        mel, log_f0, voiced = self.out(hidden).float().split([N_MELS, 1, 1], dim=-1)
        mel = mel + self.turn(latent).float()
        return hidden, mel * MEL_SCALE + MEL_CENTRE, log_f0[..., 0] * PITCH_SCALE + PITCH_CENTRE, voiced[..., 0]

    def attention_mask(self, size: int, device) -> Tensor:
        """[T, T] bool: which frames (columns) a frame hears."""
        behind = torch.arange(size, device=device)[:, None] - torch.arange(size, device=device)
        return (behind <= self.config.attention_frames) & (behind >= (0 if self.config.causal else -self.config.attention_frames))

    def encode(self, wav: Tensor, n_q: int | None = None, semantic: Tensor | None = None) -> Tensor:
        """[B, 320 T] -> codes [B, n_q, T] int64."""
        return self.quantizer.encode(self.latent(wav, semantic), n_q)

    def encode_mel(self, mel: Tensor, n_q: int | None = None) -> Tensor:
        """Log-mel [B, T, 100] -> codes [B, n_q, T] int64, as of the samples that it was made of.

        Raises:
            ModelError: this codec hears samples, or a teacher's features.
        """
        if self.config.encoder != "mel" or self.needs_teacher:
            raise ModelError("this codec does not encode a mel alone.", where="codec", code="codec.mel",
                             fix="Take one with encoder mel, and without semantic_input.")  # fmt: skip
        return self.quantizer.encode(self.encoder.of_mel(mel).float(), n_q)

    def controls(self, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """codes [B, n_q, T] -> mel [B, T, 100], F0 [B, T] Hz (0 = unvoiced), hint [B, T, dim]: what drives the vocoder."""
        return self.drive(self.quantizer.decode(codes), codes.shape[1])

    def drive(self, latent: Tensor, n_q: int) -> tuple[Tensor, Tensor, Tensor]:
        """As ``controls``, from the latent [B, T, D] of ``n_q`` books; 0: one that was not quantised."""
        hidden, mel, log_f0, voiced = self.read(latent, torch.full((len(latent),), n_q, device=latent.device))
        return mel, torch.where(voiced > 0, log_f0.exp().clamp(LOWEST_F0, HIGHEST_F0), 0.0), self.hint(hidden)

    def decode(self, codes: Tensor, noise: Tensor | None = None) -> Tensor:
        """codes [B, n_q, T] -> [B, 320 T] samples; ``noise`` as in ``FourierVocoder.forward``."""
        return self.speak(*self.controls(codes), noise)

    def speak(self, mel: Tensor, f0: Tensor, hint: Tensor, noise: Tensor | None = None) -> Tensor:
        """What ``controls`` returns -> [B, 320 T] samples."""
        return self.vocoder(mel, f0, noise, *self.excite(f0), hint)

    def excite(self, f0: Tensor, start_phase: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """F0 [B, T] Hz -> pulses [B, 320 T] and the pitch held over gaps [B, T]; before the first voiced frame the default."""
        held = bridged_log_f0(f0, torch.full_like(f0[:, 0], DEFAULT_LOG_F0))
        return pulse_train(f0, start_phase, held), held

    @property
    def encoder_reach(self) -> tuple[int, int]:
        """Frames before and after a frame that its codes depend on."""
        before, after = self.encoder.reach
        if self.join is not None:
            more = self.semantic_in.reach
            before, after = max(before, more[0]), max(after, more[1])
        return before, after

    @property
    def controls_reach(self) -> tuple[int, int]:
        """Frames before and after a frame that its mel, F0 and hint depend on."""
        window, group, layers = self.config.attention_frames, self.config.group - 1, self.config.n_decoder_blocks
        if self.config.causal:
            return window + 6 * layers + group, group
        return (window + 3 * layers + group,) * 2

    @property
    def decoder_reach(self) -> tuple[int, int]:
        """Frames before and after a frame that its samples depend on, beside the phase of the pulses."""
        before, after = self.controls_reach
        return before + self.config.vocoder.receptive_field, after + self.config.vocoder.look_ahead


class SemanticStack(nn.Module):
    """X-Codec's semantic encoder and decoder over frames, [B, T, in] -> [B, T, out]: ConvNeXt blocks at the narrower width."""

    def __init__(self, in_dim: int, out_dim: int, causal: bool, n_blocks: int = 2):
        super().__init__()
        dim = min(in_dim, out_dim)
        self.enter = nn.Linear(in_dim, dim)
        self.blocks = nn.ModuleList(ConvNeXtBlock(dim, 2 * dim, 1 / n_blocks, causal=causal) for _ in range(n_blocks))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.leave = nn.Linear(dim, out_dim)
        self.reach = (6 * n_blocks, 0) if causal else (3 * n_blocks, 3 * n_blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for block in self.blocks:
            x = block(x)
        return self.leave(self.norm(x))
