"""What discrete units carry: phones, speaker, language; and how well they use their codebooks.

Phone purity is the share of units whose phone is the commonest of their code, PNMI the share of the phones' entropy that the
codes tell: I(phone; code) / H(phone). Both rise with the number of codes alone, up to 1 where each occurs once, as pairs of codes
nearly do; so the phone is also told by a table of other utterances, and random codes stand beside. Speaker and language are told
by logistic regression on the square roots of how often each code occurs in an utterance.

Source: HuBERT (arXiv 2106.07447 §IV), phone purity and PNMI. Differs: units in pauses are left out, as their share
depends on the corpus.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec.units.extractor import UnitExtractor
from codec.units.kmeans import KmeansUnits, fit
from codec.units.unitfile import UnitFacts
from recipes.batch import Corpus
from recipes.evaluate.clips import by_speaker
from recipes.evaluate.experiments import Result
from recipes.evaluate.figures import mean_figure
from recipes.evaluate.logistic import logistic
from recipes.progress import track
from recipes.units import utterance_units, utterance_wav
from tts.aligner import N_MARKS
from tts.base.errors import DataError
from vocoder.audio.frames import FRAME_RATE

PAUSE = -1  # the phone of a unit in a pause


@dataclass(frozen=True)
class Clip:
    """One aligned utterance."""

    corpus: Corpus
    key: str

    @property
    def speaker(self) -> str:
        return self.corpus.utterances[self.key].speaker

    @property
    def language(self) -> str:
        return self.corpus.utterances[self.key].language


@dataclass(frozen=True)
class System:
    """Something that makes units of a clip."""

    name: str
    unit_rate: float
    n_groups: int
    n_entries: int
    codes: Callable[[Clip], np.ndarray]  # -> [U, G]


@dataclass(frozen=True)
class Units:
    """The units of some clips."""

    codes: list[np.ndarray]  # [U, G] a clip
    phones: np.ndarray  # [all units], ids, or PAUSE


def choose(dump, splits: Sequence[str], clips: int) -> tuple[list[Clip], list[Clip]]:
    """Up to ``clips`` aligned utterances a speaker, every other one to fit on, the others to judge.

    Raises:
        DataError: No two speakers have two utterances each.
    """
    corpora = [Corpus(Path(dump) / split) for split in splits]
    found = [Clip(corpus, key) for corpus in corpora for key in corpus.keys if key in corpus.store("durations")]
    found.sort(key=lambda clip: hashlib.sha256(clip.key.encode()).digest())
    speakers = [mine[:clips] for _, mine in sorted(by_speaker(found).items()) if len(mine) > 1]
    if len(speakers) < 2:
        raise DataError("there are not two speakers with two aligned utterances each.", where=dump, code="evaluate.no_clips",
                        fix="Choose other splits, or run the alignment stage.")  # fmt: skip
    return [clip for mine in speakers for clip in mine[::2]], [clip for mine in speakers for clip in mine[1::2]]


def extracted(extractor: UnitExtractor) -> System:
    facts = UnitFacts.of(extractor)
    return System(facts.extractor, facts.unit_rate, facts.n_groups, facts.n_entries,
                  lambda clip: utterance_units(extractor, clip.corpus, clip.key))  # fmt: skip


def clustered(features: UnitExtractor, clips: Sequence[Clip], size: int) -> System:
    """k-means over the features of clips."""
    waves = (utterance_wav(clip.corpus, clip.key) for clip in track(clips, f"{features.name}, k-means"))
    return extracted(KmeansUnits(f"{features.name}, k-means", features, fit(features, waves, size)))


def random_codes(like: System) -> System:
    """Codes that know nothing, in the layout of another system: what the figures are by chance."""

    def codes(clip: Clip) -> np.ndarray:
        seed = int.from_bytes(hashlib.sha256(clip.key.encode()).digest()[:8], "big")
        count = max(1, round(clip.corpus.frames(clip.key) / FRAME_RATE * like.unit_rate))
        return np.random.default_rng(seed).integers(0, like.n_entries, (count, like.n_groups))

    return System("random", like.unit_rate, like.n_groups, like.n_entries, codes)


def read(system: System, clips: Sequence[Clip]) -> Units:
    codes = [np.asarray(system.codes(clip)) for clip in track(clips, system.name)]
    phones = [unit_phones(clip, len(own), system.unit_rate) for clip, own in zip(clips, codes, strict=True)]
    return Units(codes, np.concatenate(phones))


def unit_phones(clip: Clip, count: int, unit_rate: float) -> np.ndarray:
    """[count] phone ids: that of the frame in which the middle of a unit lies; PAUSE for silence and marks."""
    ids = np.asarray(clip.corpus.get("ids", clip.key))
    phones = np.repeat(ids, np.asarray(clip.corpus.get("durations", clip.key)))
    frames = ((np.arange(count) + 0.5) * FRAME_RATE / unit_rate).astype(int)
    phones = phones[frames.clip(max=len(phones) - 1)]
    return np.where(phones < N_MARKS, PAUSE, phones)


def measure(systems: Sequence[System], fit_on: Sequence[Clip], judge: Sequence[Clip]) -> Result:
    """A row for each codebook of each system, and one for all of its codebooks together."""
    rows, records = [], []
    for system in systems:
        here, there = read(system, fit_on), read(system, judge)
        groups = [(g,) for g in range(system.n_groups)]
        for part in groups + [tuple(range(system.n_groups))] * (system.n_groups > 1):
            scores = {"units": system.name, "book": str(part[0]) if len(part) == 1 else "all"}
            scores |= _scores(system, part, here, there, fit_on, judge)
            records.append(scores)
            rows.append({
                "units": scores["units"], "book": scores["book"],
                "units/s": f"{system.unit_rate:g}", "bit/s": f"{scores['bits_per_second']:.0f}",
                "entries used": f"{scores['used']:,} of {scores['entries']:,}", "perplexity": f"{scores['perplexity']:.0f}",
                "phone purity": f"{100 * scores['purity']:.1f} %", "PNMI": f"{scores['pnmi']:.3f}",
                "phone, held out": f"{100 * scores['held_out']:.1f} %",
                "speaker": mean_figure(scores.pop("speaker_right"), 1, True),
                "language": mean_figure(scores.pop("language_right"), 1, True)})  # fmt: skip
            scores |= {name: rows[-1][name].value for name in ("speaker", "language")}
    return rows, records


def _scores(system: System, part: tuple[int, ...], here: Units, there: Units, fit_on, judge) -> dict:
    size, both = system.n_entries, (joint(np.concatenate(units.codes)[:, part], system.n_entries) for units in (here, there))
    (known, told), spoken = both, (here.phones != PAUSE, there.phones != PAUSE)
    counts = np.unique(np.concatenate((known, told)), return_counts=True)[1]
    share = counts / counts.sum()
    purity, pnmi = phone_purity(told[spoken[1]], there.phones[spoken[1]])
    table = commonest(known[spoken[0]], here.phones[spoken[0]])
    guessed = np.array([table.get(code, PAUSE) for code in told[spoken[1]].tolist()])
    seen, judged = (np.stack([occurrence(codes[:, part], size) for codes in units.codes]) for units in (here, there))
    return {
        "units_per_second": system.unit_rate,
        "bits_per_second": system.unit_rate * len(part) * float(np.log2(size)),
        "entries": size ** len(part), "used": len(counts), "perplexity": float(np.exp(-(share * np.log(share)).sum())),
        "purity": purity, "pnmi": pnmi, "held_out": float((guessed == there.phones[spoken[1]]).mean()),
        "speaker_right": told_right(seen, [c.speaker for c in fit_on], judged, [c.speaker for c in judge]),
        "language_right": told_right(seen, [c.language for c in fit_on], judged, [c.language for c in judge]),
    }  # fmt: skip


def joint(codes: np.ndarray, size: int) -> np.ndarray:
    """[N, G] of 0..size - 1 -> [N] int64, one number for each combination."""
    return codes.astype(np.int64) @ size ** np.arange(codes.shape[1], dtype=np.int64)


def phone_purity(codes: np.ndarray, phones: np.ndarray) -> tuple[float, float]:
    """(phone purity, PNMI) of N units, codes [N] and phones [N] any integers."""
    both, counts = np.unique(np.stack((codes, phones)), axis=1, return_counts=True)
    starts = np.flatnonzero(np.diff(both[0], prepend=both[0, 0] - 1))  # sorted by code
    of_code, of_phone = np.add.reduceat(counts, starts), np.unique(phones, return_counts=True)[1]

    def entropy(numbers: np.ndarray) -> float:
        share = numbers / len(codes)
        return float(-(share * np.log(share)).sum())

    of_phones = entropy(of_phone)
    shared = entropy(of_code) + of_phones - entropy(counts)
    return float(np.maximum.reduceat(counts, starts).sum() / len(codes)), shared / of_phones if of_phones else 0.0


def commonest(codes: np.ndarray, phones: np.ndarray) -> dict[int, int]:
    """The commonest phone of each code; of equals the lowest."""
    both, counts = np.unique(np.stack((codes, phones)), axis=1, return_counts=True)
    order = np.lexsort((-both[1], counts))  # the last of a code wins
    return dict(zip(both[0, order].tolist(), both[1, order].tolist(), strict=True))


def occurrence(codes: np.ndarray, size: int) -> np.ndarray:
    """[U, G] -> [G size], square roots of the share of each code in its group."""
    return np.concatenate([np.sqrt(np.bincount(column, minlength=size) / len(column)) for column in codes.T])


def told_right(seen: np.ndarray, names: Sequence[str], judged: np.ndarray, truth: Sequence[str]) -> list[float]:
    """Whether logistic regression on ``seen`` tells the name of each of ``judged``: 1 or 0."""
    classes, numbers = np.unique(names, return_inverse=True)
    weight, bias = logistic(seen, numbers, len(classes))
    return [float(right) for right in classes[(judged @ weight + bias).argmax(1)] == np.asarray(truth)]


def compare(extractors: Sequence[UnitExtractor], beside: Sequence[UnitExtractor], size: int, fit_on, judge) -> Result:
    """Extractors; k-means with ``size`` centres over the features of others, of the clips that are fitted on; random codes."""
    systems = [extracted(extractor) for extractor in extractors]
    systems += [clustered(features, fit_on, size) for features in beside]
    return measure([*systems, random_codes(systems[0])], fit_on, judge)
