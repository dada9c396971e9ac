"""Patches: the mel cut into tiles of a few bands and frames, a code a tile; and a masked-token model that finds missing codes.

    mel [B, T, 100] ──tiles──▶ a latent a tile ──books──▶ codes [B, R, T / 4] ──blocks──▶ mel
                                                           └──masked model: some given, the others found

Low bands tell the high ones: a recording that ends at 4 kHz has the codes of its lower rows, and those above are sampled.

Source: SpecMaskGIT (arXiv 2406.17672): patches of a mel, masked sampling, bandwidth extension. Differs: 10 bands by 4 frames
(53 ms) and not 16 by 16, as speech is quick; a row has its own book and is encoded from its own bands alone, so that what lies
above a cut-off changes no code below; the encoder begins as principal components and the decoder as their inverse (as
``codec.encoder.MelEncoder.orient``); no discriminator; ConvNeXt and attention instead of convolutions and a ViT; rows of a column
are one position of the sequence; half of the training items miss whole rows or spans (``regions`` of recipes/train/patches.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn as nn
from torch import Tensor

from codec.quantize.mcrvq import Mcrvq, McrvqConfig
from tts.base.errors import ModelError
from tts.models.masked import MaskedConfig, MaskedModel
from vocoder.audio.frames import N_MELS
from vocoder.audio.mel import band_edges
from vocoder.nn.convnext import ConvNeXtBlock, init_weights

MEL_CENTRE, MEL_SCALE = -5.0, 2.5
WHOLE_BAND = 11_000.0  # Hz: a recording that holds so much lacks nothing; above there is little but noise


@dataclass(frozen=True)
class PatchConfig:
    bands: int = 10  # of a tile; rows are 100 / bands
    frames: int = 4  # of a tile
    codebook_size: int = 512  # K, of each row
    code_dim: int = 16  # of the latent of a tile
    row_dim: int = 64  # width of the encoder of a row
    row_hidden: int = 128
    dim: int = 160  # width of the decoder
    hidden: int = 480
    n_blocks: int = 2  # of encoder, decoder, and its last part on single frames
    masked: MaskedConfig = field(default_factory=lambda: MaskedConfig(512, (10,)))

    def __post_init__(self):
        if N_MELS % self.bands:
            raise ModelError(f"{N_MELS} bands in tiles of {self.bands}.", where="bands", fix="Give a divisor.")
        if (self.masked.levels, self.masked.codebook_size) != ((self.n_rows,), self.codebook_size):
            raise ModelError(f"levels {self.masked.levels} of {self.masked.codebook_size} codes; there are {self.n_rows} rows "
                             f"of {self.codebook_size}.", where="masked", fix="Make them fit.")  # fmt: skip

    @property
    def n_rows(self) -> int:
        """R."""
        return N_MELS // self.bands

    def rows_below(self, bandwidth: Tensor) -> Tensor:
        """[B] Hz -> [B] int64: rows that a recording of this bandwidth holds whole."""
        ends = torch.from_numpy(band_edges()[self.bands + 1 :: self.bands]).clamp(max=WHOLE_BAND)  # Hz of each row
        return (ends.to(bandwidth.device)[None] <= bandwidth[:, None]).sum(1)


class PatchVq(nn.Module):
    """Mel to codes of tiles and back."""

    def __init__(self, config: PatchConfig):
        super().__init__()
        self.config = config
        rows, tile, latent = config.n_rows, config.bands * config.frames, config.code_dim
        self.embed = nn.Linear(tile, config.row_dim)
        self.row = nn.Embedding(rows, config.row_dim)
        self.encoder = blocks(config.row_dim, config.row_hidden, config.n_blocks, kernel_size=3)
        self.encoded = nn.Linear(config.row_dim, latent)
        self.turn = nn.Parameter(torch.zeros(rows, tile, latent))  # principal axes of each row's tiles
        self.mean = nn.Parameter(torch.zeros(rows, tile))
        self.quantizer = Mcrvq(McrvqConfig(dim=rows * latent, n_q=rows, n_q_min=rows, n_product=rows,
                                           codebook_size=config.codebook_size))  # fmt: skip
        self.enter = nn.Linear(rows * latent, config.dim)
        self.decoder = blocks(config.dim, config.hidden, config.n_blocks, kernel_size=5)
        self.leave = nn.Linear(config.dim, config.frames * N_MELS)
        self.turn_back = nn.Parameter(torch.zeros(rows, latent, tile))
        self.joints = blocks(N_MELS, 2 * N_MELS, config.n_blocks, kernel_size=7)  # over frames, across the seams of tiles
        self.apply(init_weights)
        nn.init.zeros_(self.encoded.weight)
        nn.init.zeros_(self.leave.weight)
        for block in self.joints:
            nn.init.zeros_(block.contract.weight)

    def tiles(self, mel: Tensor) -> Tensor:
        """Log-mel [B, T, 100] -> [B, R, ceil(T / frames), bands frames], normalised; the last frame fills up the last tiles."""
        short = -mel.shape[1] % self.config.frames
        mel = (torch.cat([mel, mel[:, -1:].expand(-1, short, -1)], dim=1) - MEL_CENTRE) / MEL_SCALE
        return mel.unflatten(1, (-1, self.config.frames)).unflatten(3, (-1, self.config.bands)).permute(0, 3, 1, 2, 4).flatten(3)

    def latent(self, mel: Tensor) -> Tensor:
        """[B, T, 100] -> [B, columns, R code_dim]; each row hears its own bands, five tiles of them."""
        tiles = self.tiles(mel)
        x = (self.embed(tiles) + self.row.weight[None, :, None]).flatten(0, 1)
        for block in self.encoder:
            x = block(x)
        added = self.encoded(x).view(*tiles.shape[:3], -1)
        return (torch.einsum("brct,rtl->brcl", tiles - self.mean[:, None], self.turn) + added).transpose(1, 2).flatten(2)

    def mel(self, latent: Tensor) -> Tensor:
        """[B, columns, R code_dim] -> log-mel [B, frames columns, 100]."""
        rows = latent.unflatten(2, (self.config.n_rows, -1))  # [B, columns, R, code_dim]
        tiles = torch.einsum("bcrl,rlt->bcrt", rows, self.turn_back) + self.mean
        flat = tiles.unflatten(3, (self.config.frames, -1)).permute(0, 1, 3, 2, 4).flatten(3)  # [B, columns, frames, 100]
        x = self.enter(latent)
        for block in self.decoder:
            x = block(x)
        x = (flat + self.leave(x).view_as(flat)).flatten(1, 2)
        for block in self.joints:
            x = block(x)
        return x * MEL_SCALE + MEL_CENTRE

    def encode(self, mel: Tensor) -> Tensor:
        """[B, T, 100] -> codes [B, R, columns] int64."""
        return self.quantizer.encode(self.latent(mel))

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, R, columns] -> log-mel [B, frames columns, 100]."""
        return self.mel(self.quantizer.decode(codes))

    @torch.no_grad()
    def orient(self, mel: Tensor) -> None:
        """Let encoder and decoder begin as the principal components of the tiles of mel [B, T, 100]."""
        tiles = self.tiles(mel).transpose(0, 1).flatten(1, 2).double()  # [R, n, tile]
        self.mean.copy_(tiles.mean(1))
        for row, values in enumerate(tiles):
            axes = torch.linalg.eigh(torch.cov(values.T))[1].flip(1)[:, : self.config.code_dim]
            self.turn[row], self.turn_back[row] = axes, axes.T

    def loss(self, mel: Tensor) -> dict[str, Tensor]:
        """L1 of the mel that the codes of [B, T, 100] give, and the distance of latents from their codes."""
        quantized = self.quantizer(self.latent(mel))
        return {"mel": (self.mel(quantized.quantized)[:, : mel.shape[1]] - mel).abs().mean(), **quantized.losses}


class Patches(nn.Module):
    """Books of tiles, and the masked-token model over their codes."""

    def __init__(self, config: PatchConfig = PatchConfig()):
        super().__init__()
        self.config = config
        self.vq = PatchVq(config)
        self.masked = MaskedModel(config.masked)

    @classmethod
    def load(cls, folder=None) -> Patches:
        """Load a model folder; the house model when None.

        Raises:
            ModelError: It is missing, damaged, or of another kind.
        """
        from vocoder.nn.checkpoint import build, load_into, load_model
        from vocoder.nn.config import from_dict

        folder = Path(folder) if folder else Path(__file__).parents[1] / "assets" / "patches"
        config, tensors = load_model(folder, "patches")
        model = build(cls, from_dict(PatchConfig, config.get("model"), str(folder)))
        load_into(model, tensors, str(folder))
        return model.eval()


def blocks(dim: int, hidden: int, count: int, kernel_size: int) -> nn.ModuleList:
    return nn.ModuleList(ConvNeXtBlock(dim, hidden, 1 / count, kernel_size) for _ in range(count))
