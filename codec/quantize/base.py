"""The interface of all quantisers: a latent in, its codes and what they decode to out, losses and statistics beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch import Tensor

from codec.quantize.distributed import broadcast_from_first
from tts.base.errors import DataError, ModelError, UsageError

UNUSED = -1  # the code of a stage that an item does without; decodes to nothing
LEARNING = "ema_"  # begins the names of buffers that only learning needs


@dataclass(frozen=True)
class ChainConfig:
    """Stages of a quantiser and the channels that each of them sees.

    The first ``n_product`` stages quantise disjoint blocks of the latent, the others what all stages before left over.
    """

    dim: int = 192  # D, channels of the latent
    n_q: int = 8  # stages
    n_q_min: int = 3  # fewest stages in training and encoding
    n_product: int = 0

    def __post_init__(self):
        if not (1 <= self.n_q_min <= self.n_q and 0 <= self.n_product <= min(self.n_q_min, self.dim)):
            raise ModelError(
                f"{self.n_product} product stages of at least {self.n_q_min} of {self.n_q} over {self.dim} channels.",
                code="quantizer.config",
                fix="Needed: n_product <= n_q_min <= n_q, and a channel for each product stage.",
            )

    @property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        """(first channel, width) of every stage."""
        cuts = [self.dim * q // max(self.n_product, 1) for q in range(self.n_product + 1)]
        product = tuple((cuts[q], cuts[q + 1] - cuts[q]) for q in range(self.n_product))
        return product + ((0, self.dim),) * (self.n_q - self.n_product)


@dataclass(frozen=True)
class Quantized:
    """What ``Quantizer.forward`` returns."""

    quantized: Tensor  # [B, T, D] float32, equal to decode(codes); its gradient reaches the latent
    codes: Tensor  # [B, n_q, T] int64, UNUSED from an item's own n_q on
    n_q: Tensor  # [B] int64, stages of each item
    losses: dict[str, Tensor]  # scalars; "commitment" and "codebook" where the quantiser has them
    usage: dict[str, Tensor]  # [n_q] float32 each, for the log: see usage_statistics


class Quantizer(nn.Module):
    """A quantiser of [B, T, D] latents by a chain of stages. Kinds differ in ``run``, ``encode_rows``, ``stage_vectors``.

    Everything runs in float32, under autocast too. Randomness comes from ``generator``, a CPU generator, or from torch's own.
    """

    codebook_size: int  # K

    def __init__(self, config: ChainConfig):
        super().__init__()
        self.config = config

    def forward(self, latent: Tensor, n_q=None, mask: Tensor | None = None, generator=None) -> Quantized:
        """Quantise for training.

        Args:
            latent: [B, T, D].
            n_q: Stages of all items, or [B] int of each item; None = drawn by ``draw_n_q`` in training, else all stages.
            mask: [B, T] bool, True = real. Other frames are quantised but count in no loss, statistic or codebook.
            generator: For n_q and whatever the kind draws.

        Raises:
            DataError: Shapes do not fit.
            UsageError: n_q is out of range.
        """
        self._check_latent(latent)
        B, T, _ = latent.shape
        if n_q is None:
            n_q = self.draw_n_q(B, generator) if self.training else self.config.n_q
        stages = n_q if isinstance(n_q, int) else self.config.n_q
        n_q = torch.as_tensor(n_q, device=latent.device).expand(B)
        self._check_n_q(n_q)
        if mask is None:
            mask = torch.ones(B, T, dtype=torch.bool, device=latent.device)
        if mask.shape != (B, T) or mask.dtype != torch.bool:
            found = f"{mask.dtype} of shape {list(mask.shape)}"
            raise DataError(f"mask is {found}", code="quantizer.mask", fix=f"Give bool {[B, T]}.")
        used = torch.arange(stages, device=latent.device) < n_q[:, None]  # [B, stages]
        with torch.autocast(latent.device.type, enabled=False):
            return self.run(latent.float(), n_q, used, mask, generator)

    @torch.no_grad()
    def encode(self, latent: Tensor, n_q: int | None = None) -> Tensor:
        """[B, T, D] -> codes [B, n_q, T] int64; n_q in config.n_q_min..config.n_q, None = all. Fewer stages give a prefix."""
        self._check_latent(latent)
        n_q = self.config.n_q if n_q is None else n_q
        self._check_n_q(torch.tensor([n_q]))
        B, T, D = latent.shape
        with torch.autocast(latent.device.type, enabled=False):
            codes = self.encode_rows(latent.float().reshape(-1, D), n_q)
        return codes.reshape(B, T, n_q).transpose(1, 2)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, n, T] int64 of the first n stages, n in 1..config.n_q, -> latent [B, T, D] float32.

        Raises:
            DataError: Shape, dtype or a code does not fit.
        """
        if codes.dim() != 3 or codes.dtype != torch.int64 or not 1 <= codes.shape[1] <= self.config.n_q:
            raise DataError(
                f"codes are {codes.dtype} of shape {list(codes.shape)}",
                code="quantizer.codes",
                fix=f"Give int64 [B, n, T] with n in 1..{self.config.n_q}.",
            )
        if codes.numel() and not (codes.min() >= UNUSED and codes.max() < self.codebook_size):
            raise DataError(
                f"codes run from {int(codes.min())} to {int(codes.max())}, the books hold 0..{self.codebook_size - 1}",
                code="quantizer.codes",
                fix="Decode with the quantiser that encoded.",
            )
        with torch.autocast(codes.device.type, enabled=False):
            return self.sum_vectors(codes)

    @torch.no_grad()
    def initialise(self, latents: Tensor, generator=None) -> None:
        """Fit all stages, one after the other, to a sample of real latents [N, D]; afterwards the quantiser is ready to learn.

        Give tens of thousands of latents, of many recordings: with as few as there are codes the first stage would fit them
        exactly and leave nothing for the later ones. With torch.distributed the result is that of rank 0.

        Raises:
            DataError: Too few latents, or not [N, D], or not finite.
        """
        if latents.dim() != 2 or latents.shape[1] != self.config.dim or not latents.isfinite().all():
            raise DataError(
                f"latents are of shape {list(latents.shape)}, or not finite",
                code="quantizer.latents",
                fix=f"Give finite [N, {self.config.dim}], real frames only.",
            )
        with torch.autocast(latents.device.type, enabled=False):
            self.fit(latents.float(), generator)
        for tensor in (*self.parameters(), *self.buffers()):
            broadcast_from_first(tensor.data)

    def draw_n_q(self, batch: int, generator=None) -> Tensor:
        """[B] int64: each item all stages, or, with probability 1/2, uniformly config.n_q_min..config.n_q of them.

        Source: DAC (arXiv 2306.06546) section 3.3: dropout an item, with full rate for half of them, keeps full-rate quality.
        Language-Codec draws once a batch.
        """
        drawn = torch.randint(self.config.n_q_min, self.config.n_q + 1, (batch,), generator=generator)
        return torch.where(torch.rand(batch, generator=generator) < 0.5, drawn, self.config.n_q)

    def export_state(self) -> dict[str, Tensor]:
        """The state that encoding and decoding need: all of it but the statistics of learning."""
        return exported(self.state_dict())

    def run(self, latent: Tensor, n_q: Tensor, used: Tensor, mask: Tensor, generator) -> Quantized:
        """Forward on checked float32 input; used [B, stages] bool."""
        raise NotImplementedError

    def encode_rows(self, rows: Tensor, n_q: int) -> Tensor:
        """[N, D] float32 -> [N, n_q] int64."""
        raise NotImplementedError

    def sum_vectors(self, codes: Tensor) -> Tensor:
        """Checked codes [B, n, T] -> [B, T, D] float32, the sum over their stages."""
        total = torch.zeros(codes.shape[0], codes.shape[2], self.config.dim, device=codes.device)
        for q, (start, _) in enumerate(self.config.blocks[: codes.shape[1]]):
            vectors = self.stage_vectors(q, codes[:, q].clamp(min=0))  # [B, T, width]
            total = add_block(total, torch.where((codes[:, q] != UNUSED)[..., None], vectors, 0.0), start)
        return total

    def stage_vectors(self, q: int, codes: Tensor) -> Tensor:
        """Codes [...] of stage q -> [..., width of its block]."""
        raise NotImplementedError

    def fit(self, latents: Tensor, generator) -> None:
        """Initialise from [N, D] float32."""
        raise NotImplementedError

    def _check_latent(self, latent: Tensor) -> None:
        if latent.dim() != 3 or latent.shape[2] != self.config.dim or not latent.is_floating_point():
            raise DataError(
                f"latent is {latent.dtype} of shape {list(latent.shape)}",
                code="quantizer.latent",
                fix=f"Give floats [B, T, {self.config.dim}].",
            )

    def _check_n_q(self, n_q: Tensor) -> None:
        low, high = self.config.n_q_min, self.config.n_q
        if len(n_q) and not (n_q.min() >= low and n_q.max() <= high):
            raise UsageError(f"n_q is {n_q.tolist()}", where="n_q", code="quantizer.n_q", fix=f"Give {low} to {high} stages.")


class Laid:
    """What a kernel reads of some tensors, made anew when one of them has changed or moved."""

    def __init__(self):
        self._seen: list | None = None
        self._made = None

    def of(self, tensors: list[Tensor], make: Callable):
        seen = [(x, x.device, None if x.is_inference() else x._version) for x in tensors]
        same = self._seen is not None and all(
            a is b and state == before for (a, *state), (b, *before) in zip(seen, self._seen, strict=True)
        )
        if not same:
            self._seen, self._made = seen, make()
        return self._made


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, continuous, discrete):
        return discrete.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad, None


def straight_through(continuous: Tensor, discrete: Tensor) -> Tensor:
    """Forward ``discrete`` to the bit (x + (y - x).detach() would round it), backward the identity of ``continuous``."""
    return _StraightThrough.apply(continuous, discrete)


def add_block(total: Tensor, part: Tensor, start: int) -> Tensor:
    """total [..., D] + part [..., width] on the channels from ``start``; out of place, so that gradients pass."""
    width = part.shape[-1]
    if width == total.shape[-1]:
        return total + part
    before, block, after = total.split((start, width, total.shape[-1] - start - width), -1)
    return torch.cat((before, block + part, after), -1)


def masked_mean(values: Tensor, counted: Tensor) -> Tensor:
    """Mean of values where counted (bool, of one shape) is True; 0 where nothing is."""
    return torch.where(counted, values, 0.0).sum() / counted.sum().clamp(min=1)


def exported(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict, of a quantiser or of a model around it, without the buffers that only learning needs."""
    return {name: value for name, value in tensors.items() if not name.rpartition(".")[2].startswith(LEARNING)}


@torch.no_grad()
def usage_statistics(codes: Tensor, counted: Tensor, errors: Tensor, energies: Tensor, codebook_size: int) -> dict[str, Tensor]:
    """How well each stage uses its codes, over the frames that count.

    Args:
        codes, counted: [B, n_q, T].
        errors, energies: [B, n_q, T], squares of what is left after a stage and of the latent, means over the stage's channels.

    Returns:
        [n_q] float32 each: "perplexity" 1..K, exp of the entropy of the codes in this batch; "used", share of the K codes that
        occur in it; "residual", energy that is left after the stage, as a share of the latent's on the channels of the stage.
    """
    n_q = codes.shape[1]
    flat = codes.clamp(min=0) + codebook_size * torch.arange(n_q, device=codes.device)[:, None]
    counts = torch.bincount(flat[counted], minlength=n_q * codebook_size).view(n_q, codebook_size).double()
    share = counts / counts.sum(1, keepdim=True).clamp(min=1)
    left, energy = (torch.where(counted, x, 0.0).sum((0, 2)) for x in (errors, energies))
    return {
        "perplexity": torch.special.entr(share).sum(1).exp().float(),
        "used": (counts > 0).double().mean(1).float(),
        "residual": left / energy.clamp(min=1e-30),
    }
