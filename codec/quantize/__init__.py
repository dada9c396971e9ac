"""Quantisers: latents [B, T, D] <-> codes [B, n_q, T], one kind a file, one interface (``base.Quantizer``).

>>> import torch
>>> from codec.quantize import quantizer_classes
>>> Mcrvq, McrvqConfig = quantizer_classes("mcrvq")
>>> quantizer = Mcrvq(McrvqConfig(dim=12, codebook_size=16))
>>> latents = torch.randn(500, 12, generator=torch.Generator().manual_seed(0))
>>> quantizer.initialise(latents, torch.Generator().manual_seed(1))
>>> quantizer.decode(quantizer.encode(latents.view(5, 100, 12), n_q=4)).shape
torch.Size([5, 100, 12])
"""

from __future__ import annotations

__all__ = ["KINDS", "quantizer_classes"]

KINDS = ("mcrvq", "rvq", "factorized", "fsq")


def quantizer_classes(kind: str):
    """Quantiser and config class of a kind, one of ``KINDS``."""
    from tts.base.errors import ModelError

    if kind == "mcrvq":
        from codec.quantize.mcrvq import Mcrvq, McrvqConfig

        return Mcrvq, McrvqConfig
    if kind == "rvq":
        from codec.quantize.rvq import Rvq, RvqConfig

        return Rvq, RvqConfig
    if kind == "factorized":
        from codec.quantize.factorized import Factorized, FactorizedConfig

        return Factorized, FactorizedConfig
    if kind == "fsq":
        from codec.quantize.fsq import Fsq, FsqConfig

        return Fsq, FsqConfig
    raise ModelError(f"quantiser {kind!r} is unknown.", fix=f"Known: {', '.join(KINDS)}. A newer parlance may know it.")
