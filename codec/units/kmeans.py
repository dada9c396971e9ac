"""k-means over the features of any extractor: one group of codes, the number of the nearest centre.

    features = unit_extractor("transformers:/models/hubert#9")
    save_centres("km.safetensors", fit(features, waves, size=500), features)
    unit_extractor("kmeans:km.safetensors").units(wav)   # [B, S] -> [B, U, 1]

Source: HuBERT (arXiv 2106.07447 §II-A). Differs: not minibatches, but Lloyd's algorithm on a sample that fits in memory
(``codec/quantize/clusters.py``).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from codec.quantize.clusters import kmeans, nearest
from codec.units.extractor import UnitExtractor, unit_extractor
from tts.base.errors import ModelError
from vocoder.nn.checkpoint import read_tensors, write_tensors

KIND = "unit-centres"


class KmeansUnits(UnitExtractor):
    """The nearest of centres [K, dim] to each feature of another extractor.

    Raises:
        ModelError: The centres are of another width than the features.
    """

    def __init__(self, name: str, features: UnitExtractor, centres: Tensor):
        if centres.shape[1] != features.dim:
            raise ModelError(f"its centres have {centres.shape[1]} channels, the features of {features.name} {features.dim}.",
                             where=name, code="units.centres", fix="Fit them again, to this model.")  # fmt: skip
        self.name, self.of, self.codebooks = name, features, centres.float()[None]
        self.dim, self.sample_rate, self.frame_rate = features.dim, features.sample_rate, features.frame_rate

    def run(self, wav):
        return self.of.run(wav)

    def quantise(self, features):
        centres = self.codebooks[0].to(features.device)
        return nearest(features.reshape(-1, self.dim).contiguous(), centres).view(*features.shape[:2], 1)


def load_kmeans(place: str, download: bool = False) -> KmeansUnits:
    """``kmeans:FILE``. The file, of ``save_centres``, names the extractor whose features were clustered; it must be here too.

    Raises:
        NoInputError: There is no such file.
        ModelError: It holds no centres, or they do not fit the features.
    """
    facts, tensors = read_tensors(place)
    centres, features = tensors.get("centres"), facts.get("features", "kmeans")
    if facts.get("kind") != KIND or centres is None or centres.dim() != 2 or features.partition(":")[0] == "kmeans":
        raise ModelError("holds no centres of units.", where=place, code="units.centres",
                         fix="Make some: python -m recipes units-kmeans.")  # fmt: skip
    return KmeansUnits(f"kmeans:{place}", unit_extractor(features, download), centres)


def fit(features: UnitExtractor, waves: Iterable[Tensor], size: int, rows: int = 200_000, seed: int = 0) -> Tensor:
    """Centres [size, dim] of the first ``rows`` features of recordings.

    Args:
        features: Their extractor; its own clock counts.
        waves: [S] float32 at 24 kHz, S a multiple of 320; only as many are heard as it takes.
        seed: Of the first centres.

    Raises:
        DataError: Fewer than 8 features a centre.
    """
    found, count = [torch.empty(0, features.dim)], 0
    for wav in waves:
        if count >= rows:
            break
        found.append(features.unit_features(wav[None])[0].cpu())
        count += len(found[-1])
    return kmeans(torch.cat(found)[:rows], size, torch.Generator().manual_seed(seed))


def save_centres(path, centres: Tensor, features: UnitExtractor, force: bool = False) -> None:
    """Write what ``kmeans:FILE`` reads: one safetensors file."""
    write_tensors(path, {"centres": centres}, {"kind": KIND, "features": features.name}, force)
