"""Prosody of new words between words that were said: draw some, keep what fits both sides.

Source: speech editing of Mega-TTS (arXiv 2306.03509) §3.4: candidates are drawn with the left context as prefix, and the best
has the greatest probability of the span times that of the true right context after it. Differs: the language model over
prosody codes is replaced by ``Walk``, a Gaussian first-order autoregression of what the recording does beyond the acoustic
model's prediction; another model of prosody takes its place by having the same ``draw`` and ``score``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tts.base.rng import normal

NEAR = 15.0  # phones: how fast what is heard at a place stops to tell of another
FEWEST = 8  # kept phones that a walk is fitted to
DECAY, SPREAD = 0.3, (0.35, 0.08, 0.4)  # of the walk when there are fewer: log frames, log Hz, log-mel
LEAST_SPREAD = (0.1, 0.02, 0.1)
DRIFT = 0.5  # spreads a phone that a candidate drifts by, one way: phone by phone chance would only be rougher


@dataclass(frozen=True, eq=False)
class Context:
    """A stretch of phones of which some are known from the recording. Values [N, 3]: log frames, log Hz, mean log-mel."""

    spoken: np.ndarray  # bool [N]: no pause and no mark
    known: np.ndarray  # bool [N]: kept from the recording, with frames
    heard: np.ndarray  # float [N, 3], where known
    predicted: np.ndarray  # float [N, 3], by the acoustic model for this text and voice
    start: int  # phones [start, end) are to be said anew
    end: int

    @property
    def sure(self) -> np.ndarray:
        """bool [N]: known and spoken."""
        return self.known & self.spoken

    def expected(self) -> np.ndarray:
        """[N, 3]: the prediction, moved to the rate, register and level that are heard nearby."""
        return self.predicted + self.offset()

    def offset(self) -> np.ndarray:
        """[N, 3]: how far what is heard nearby lies from the prediction; pauses keep their lengths."""
        places = np.flatnonzero(self.sure)
        if len(places) == 0:
            return np.zeros_like(self.predicted)
        distance = np.maximum(np.maximum(self.start - places, places - self.end + 1), 0)
        offset = np.average((self.heard - self.predicted)[places], axis=0, weights=np.exp(-distance / NEAR))
        return np.where(self.spoken[:, None], offset, offset * [0, 1, 1])


class Walk:
    """``r[t] = decay r[t - 1] + spread noise``, r = heard - expected of one spoken phone after the other, three values each."""

    def __init__(self, context: Context):
        self.context, self.expected = context, context.expected()
        self.decay, self.spread = np.full(3, DECAY), np.array(SPREAD)
        rest = (context.heard - self.expected)[context.sure]
        if len(rest) >= FEWEST:
            before, after = rest[:-1], rest[1:]
            self.decay = np.clip((before * after).sum(0) / np.maximum((before**2).sum(0), 1e-9), 0.0, 0.9)
            self.spread = np.maximum((after - self.decay * before).std(0), LEAST_SPREAD)
        places = np.flatnonzero(context.sure)
        left, right = places[places < context.start], places[places >= context.end]
        self.left = (context.heard - self.expected)[left[-1]] if len(left) else np.zeros(3)
        self.right = (context.heard - self.expected)[right[0]] if len(right) else None
        self.places = context.start + np.flatnonzero(context.spoken[context.start : context.end])

    def draw(self, count: int, seed: int, stream: tuple) -> list[np.ndarray]:
        """``count`` candidates [N, 3] for the whole stretch; only the span differs. The first does not drift."""
        found = []
        for i in range(count):
            drift = DRIFT * self.spread * np.clip(normal(seed, (*stream, i), 3), -2, 2) * (i > 0)
            values, r = self.expected.copy(), self.left
            for place in self.places:
                r = self.decay * r + drift
                values[place] += r
            values[self.context.known] = self.context.heard[self.context.known]
            found.append(values)
        return found

    def score(self, candidate: np.ndarray) -> float:
        """Log probability density of the span after its left context, and of the true right context after the span."""
        path = [self.left, *(candidate - self.expected)[self.places]]
        path += [] if self.right is None else [self.right]
        steps = [(after - self.decay * before) / self.spread for before, after in pairwise(path)]
        return float(-0.5 * np.square(steps).sum() - len(steps) * (np.log(self.spread) + 0.5 * np.log(2 * np.pi)).sum())


def choose(model, count: int, seed: int, stream: tuple) -> tuple[np.ndarray, float, list[float]]:
    """The best of ``count`` candidates of a model of prosody: (values [N, 3], its score, all scores)."""
    candidates = model.draw(count, seed, stream)
    scores = [model.score(candidate) for candidate in candidates]
    best = int(np.argmax(scores))
    return candidates[best], scores[best], scores
