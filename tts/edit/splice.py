"""Joining two sounds so that the join is not heard: where it is quiet or where both agree, in phase, at one level.

All on float [S] at the recording's own rate. A join replaces ``FADE`` of both sounds; beyond it no sample is touched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FADE = 0.016  # s of crossfade
REACH = 0.070  # s into kept sound that a join may lie, from where the phones change
INSIDE = 0.010  # s into changed sound
STEP = 0.002  # s between the places that are tried
LAG = 0.006  # s that one sound may be shifted to be in phase: a period of 166 Hz
LEVEL_WINDOW, LEVEL_FADE = 0.030, 0.080  # s over which levels are compared, and over which a correction fades
LOUDER = 2.0  # at most, and not below its inverse


@dataclass(frozen=True)
class Join:
    """Sample ``one`` of the first sound is sample ``other`` of the second; the crossfade lies around it."""

    one: int
    other: int
    correlation: float  # of both over the crossfade


def half_fade(rate: int) -> int:
    """Samples of a crossfade before, and after, its middle."""
    return round(FADE / 2 * rate)


def find_join(
    first: np.ndarray, second: np.ndarray, border: int, offset: int, rate: int, back: float, ahead: float
) -> Join | None:
    """The best place near ``border`` of the first sound to go over to the second.

    Quiet places are better than loud ones, and where it is loud, places where both sounds agree.

    Args:
        border: Sample of ``first`` where its phone ends.
        offset: Sample n of ``first`` is about sample n + offset of ``second``.
        back, ahead: Seconds before and after the border that are looked at.

    Returns:
        None when there is no room for a crossfade: the border lies at an end of a sound.
    """
    half, lag = half_fade(rate), round(LAG * rate)
    low, high = max(half, lag + half - offset), min(len(first) - half, len(second) - lag - half - offset)
    places = np.arange(border - round(back * rate), border + round(ahead * rate) + 1, max(1, round(STEP * rate)))
    places = places[(places >= low) & (places <= high)]
    if len(places) == 0:
        return None
    loudness = np.sqrt(np.mean(np.square(first)) + 1e-12)
    best, least = None, np.inf
    for place in places:
        one = first[place - half : place + half]
        around = second[place + offset - lag - half : place + offset + lag + half]
        shift, correlation = best_lag(one, around)
        level = 20 * np.log10(np.sqrt(np.mean(one**2) + np.mean(around**2)) / loudness + 1e-4)
        cost = level / 20 - 2 * correlation + abs(place - border) / (REACH * rate)
        if cost < least:
            best, least = Join(int(place), int(place + offset - lag + shift), correlation), cost
    return best


def best_lag(one: np.ndarray, around: np.ndarray) -> tuple[int, float]:
    """Start in ``around`` of the stretch that correlates best with ``one``, and the correlation."""
    products = np.correlate(around, one, "valid")
    squares = np.concatenate([[0.0], np.cumsum(around**2)])
    energy = squares[len(one) :] - squares[: -len(one)]
    correlation = products / np.sqrt(np.maximum(energy * np.sum(one**2), 1e-12))
    at = int(np.argmax(correlation))
    return at, float(correlation[at])


def crossfade(one: np.ndarray, other: np.ndarray, correlation: float) -> np.ndarray:
    """From one sound to the other at even power: straight where they agree, rounder where they do not."""
    rise = (np.arange(len(one)) + 0.5) / len(one)
    fall = 1 - rise
    agreement = min(max(correlation, 0.0), 1.0)
    scale = np.sqrt(rise**2 + fall**2 + 2 * agreement * rise * fall)
    return (one * fall + other * rise) / scale


def gain_at(first: np.ndarray, second: np.ndarray, join: Join, rate: int) -> float:
    """Factor that brings the second sound to the level of the first at their join."""
    half = round(LEVEL_WINDOW / 2 * rate)

    def level(sound, at):
        return np.sqrt(np.mean(sound[max(0, at - half) : at + half] ** 2) + 1e-12)

    return float(np.clip(level(first, join.one) / level(second, join.other), 1 / LOUDER, LOUDER))


def levelled(piece: np.ndarray, left: float, right: float, rate: int) -> np.ndarray:
    """A piece with its gains at both ends, each fading to none over LEVEL_FADE."""
    n = np.arange(len(piece))
    fade = max(1.0, LEVEL_FADE * rate)
    logs = np.log(left) * np.maximum(0, 1 - n / fade) + np.log(right) * np.maximum(0, 1 - n[::-1] / fade)
    return piece * np.exp(logs)


def insert(old: np.ndarray, new: np.ndarray, left: Join | None, right: Join | None, cut: tuple[int, int], rate: int):
    """A new sound between two joins.

    Args:
        old, new: [S] of the recording and of the new sound.
        left: From old to new; None when the new sound begins the recording.
        right: From new to old, as (one of ``old``, other of ``new``); None when it ends the recording.
        cut: Samples [a, b) of ``new`` that are wanted where there is no join.

    Returns:
        (end of what is kept before, middle [S], start of what is kept after): ``old[:end] + middle + old[start:]``.
    """
    half = half_fade(rate)
    begin, end = left.other - half if left else cut[0], right.other + half if right else cut[1]
    piece = levelled(
        new[begin:end], gain_at(old, new, left, rate) if left else 1.0, gain_at(old, new, right, rate) if right else 1.0, rate
    )
    ramp = np.sin(np.linspace(0, np.pi / 2, min(half, len(piece))))
    if left:
        piece[: 2 * half] = crossfade(old[left.one - half : left.one + half], piece[: 2 * half], left.correlation)
    else:
        piece[: len(ramp)] *= ramp
    if right:
        piece[-2 * half :] = crossfade(piece[-2 * half :], old[right.one - half : right.one + half], right.correlation)
    else:
        piece[len(piece) - len(ramp) :] *= ramp[::-1]
    return left.one - half if left else 0, piece, right.one + half if right else len(old)


def jump(wav: np.ndarray, at: int, rate: int) -> float:
    """How far a join stands out: its largest step from sample to sample over the largest within 40 ms on either side.

    A click is a step that the sound around it does not have; speech itself, in phase and at one level, gives about 1.
    """
    half, around = half_fade(rate), round(0.040 * rate)
    steps = np.abs(np.diff(wav[max(0, at - around) : at + around + 1]))
    middle = at - max(0, at - around)
    inside = steps[max(0, middle - half) : middle + half]
    outside = np.concatenate([steps[: max(0, middle - half)], steps[middle + half :]])
    return float(inside.max(initial=0.0) / max(outside.max(initial=0.0), 1e-9))
