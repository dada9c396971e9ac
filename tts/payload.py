"""The 16 bits that a mark carries: 4 of the scheme and 12 of the model, on 32 carriers by a Reed-Muller code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

SCHEME = 1  # of pattern, carriers and code; another scheme is another detector
N_CARRIERS = 32  # of the payload; two payloads differ in at least 8 of them


@dataclass(frozen=True)
class Payload:
    bits: int  # 0 to 65,535
    certainty: float = 1.0  # that these are the bits that were sent, were all equally likely

    @property
    def scheme(self) -> int:
        return self.bits >> 12

    @property
    def model(self) -> str:
        """The first three digits of the model's id."""
        return f"{self.bits & 0xFFF:03x}"


def payload_of(model_id: str) -> int:
    """The bits that speech of a model carries: the scheme, and the first three hexadecimal digits of the model's id."""
    return SCHEME << 12 | int(model_id[:3] or "0", 16)


def signs(payload: int) -> np.ndarray:
    """[32] float32 of -1 and 1: the signs of the carriers of a payload."""
    return _words(np.array([payload]))[0]


def decode(correlations: np.ndarray) -> Payload:
    """The likeliest payload of correlations [32] with the carriers, each with noise of variance 1."""
    scores = _all_words() @ correlations.astype(np.float32)
    best = int(scores.argmax())
    strength = max(float(scores[best]) / N_CARRIERS, 0.0)
    odds = np.exp(strength * (scores - scores[best]).astype(np.float64))
    return Payload(best, float(1 / odds.sum()))


def _words(payloads: np.ndarray) -> np.ndarray:
    """[N] -> [N, 32] of the second-order Reed-Muller code of length 32: products of at most two of five coordinates."""
    places = (np.arange(N_CARRIERS)[:, None] >> np.arange(5)) & 1
    products = [np.prod(places[:, chosen], axis=1) for size in (0, 1, 2) for chosen in map(list, combinations(range(5), size))]
    bits = (payloads[:, None] >> np.arange(16)) & 1
    return 1 - 2 * ((bits.astype(np.float32) @ np.array(products, np.float32)) % 2)


@lru_cache(maxsize=1)
def _all_words() -> np.ndarray:
    return _words(np.arange(1 << 16))
