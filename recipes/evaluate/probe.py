"""What the first books of a codec know: phone, voicing and pitch of a frame, read from its codes by a linear probe.

The probe is ridge regression on one-hot codes, in closed form. With one book that is a table: each code predicts the mean of its
training frames, so its phone is their commonest one; nothing simpler and nothing stronger can be linear in a one-hot code. With
several books their contributions add up. It is fitted on training speakers and judged on speakers whom no split trains on.

Where a codec codes frames in groups, every frame of a group is read from all codes of the group, by a probe of its own place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recipes.batch import Corpus
from recipes.evaluate.clips import by_speaker, in_turns
from recipes.evaluate.codec import code_use
from recipes.evaluate.experiments import Result
from recipes.progress import track
from recipes.train.acoustic import dropped
from tts.aligner import N_MARKS, Aligner
from tts.base.errors import DataError
from vocoder.audio.frames import SAMPLE_RATE

MOST_CODES = 8  # one-hot codes that a probe reads at once: its matrix has the square of 1024 times as many entries
SILENCE = 0  # the phone of every frame of a pause or mark


@dataclass(frozen=True)
class Frames:
    """What is known of N frames."""

    phones: np.ndarray  # [N] ids, SILENCE for all marks
    f0: np.ndarray  # [N] Hz, 0 = unvoiced
    codes: dict[str, np.ndarray]  # codec -> [N, n_q, codes that tell of a frame]
    places: dict[str, np.ndarray]  # codec -> [N], place of a frame in its group


class LinearProbe:
    """``probe(codes [N, Q]) -> [N, K]``: the mean of the training targets and what each code adds to it.

    Args:
        codes: [N, Q] of 0..size - 1.
        targets: [N, K].
        ridge: A code seen n times alone counts n / (n + ridge) of its own mean; one never seen adds nothing.
    """

    def __init__(self, codes: np.ndarray, targets: np.ndarray, size: int, ridge: float = 1.0):
        self.mean = targets.mean(0)
        hot = _one_hot(codes, size)
        products = (hot.T @ hot).toarray()
        products[np.diag_indices_from(products)] += ridge
        added = np.linalg.solve(products, hot.T @ (targets - self.mean))
        self.added = added.reshape(codes.shape[1], size, -1)

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        return self.mean + sum(table[column] for table, column in zip(self.added, codes.T, strict=True))


def _one_hot(codes: np.ndarray, size: int):
    """[N, Q] -> sparse [N, Q size]."""
    from scipy.sparse import csr_matrix

    n, q = codes.shape
    columns = (codes + size * np.arange(q)).ravel()
    return csr_matrix((np.ones(n * q), columns, np.arange(0, n * q + 1, q)), shape=(n, q * size))


def choose(dump, n_clips: int) -> tuple[tuple[Corpus, list[str]], tuple[Corpus, list[str]]]:
    """``n_clips`` utterances of the training split, its speakers in turn, and all those of the test split by unseen speakers;
    of training without those that alignment dropped. In test the recogniser doubts the speakers, not their texts.

    Raises:
        NoInputError: The dump lacks a split.
        DataError: Nothing is left of one.
    """
    train, test, unusable = Corpus(Path(dump) / "train"), Corpus(Path(dump) / "test"), set(dropped(Path(dump) / "train"))
    seen = by_speaker(sorted(train.utterances.values(), key=lambda row: hashlib.sha256(row.key.encode()).digest()))
    unseen = [key for key in test.keys if test.utterances[key].speaker not in seen]
    chosen = [row.key for row in in_turns(seen.values()) if row.key not in unusable][:n_clips]
    if not chosen or not unseen:
        what = "the probe needs train utterances and a test speaker outside of them."
        raise DataError(what, where=dump, code="evaluate.no_clips", fix="Run the feature stage for train and test.")
    return (train, chosen), (test, unseen)


def read_frames(corpus: Corpus, keys: Sequence[str], codecs: Mapping, n_books: int, aligner: Aligner, what: str) -> Frames:
    """The frames of some utterances; their alignment is the stored one, else made by the aligner.

    Args:
        codecs: Name -> ``codec.Codec``.
    """
    phones, f0, codes, places = [], [], {name: [] for name in codecs}, {name: [] for name in codecs}
    aligned = (corpus.dump / "durations.json").exists()
    for key in track(keys, what):
        durations = corpus.get("durations", key) if aligned and key in corpus.store("durations") else _align(corpus, key, aligner)
        if durations is None:
            continue
        phones.append(np.repeat(np.asarray(corpus.get("ids", key)), durations))
        f0.append(np.asarray(corpus.get("f0", key)))
        wav = np.asarray(corpus.get("wav", key), np.float32) / 32768
        for name, codec in codecs.items():
            group = codec.model.config.group
            codes[name].append(grouped(codec.encode(wav, SAMPLE_RATE, n_books).codes, group))
            places[name].append(np.arange(len(codes[name][-1])) % group)
    phones = np.concatenate(phones)
    joined, placed = ({name: np.concatenate(parts) for name, parts in every.items()} for every in (codes, places))
    return Frames(np.where(phones < N_MARKS, SILENCE, phones), np.concatenate(f0), joined, placed)


def grouped(codes: np.ndarray, group: int) -> np.ndarray:
    """Codes [n_q, T] -> [T, n_q, group]: for each frame those of its whole group; the last group repeats its last code."""
    n_q, size = codes.shape
    whole = np.pad(codes, ((0, 0), (0, -size % group)), mode="edge").reshape(n_q, -1, group)
    return np.repeat(whole.transpose(1, 0, 2), group, axis=0)[:size]


def _align(corpus: Corpus, key: str, aligner: Aligner) -> np.ndarray | None:
    import torch

    try:
        return aligner.align_mel(torch.from_numpy(np.asarray(corpus.get("mel", key), np.float32)), corpus.get("ids", key))[0]
    except DataError:  # too short for its text
        return None


def probe_rows(train: Frames, test: Frames, sizes: Mapping[str, int]) -> Result:
    """A row of what is right without any code, then for each codec its first book, its first two, and so on, to eight codes.

    Args:
        sizes: Codec -> codes of a book.
    """
    rows = [{"codec": "none", "books": "–", **_scores(train, test, None, 1)}]
    for name, size in sizes.items():
        _, n_q, group = train.codes[name].shape
        n_q = min(n_q, max(1, MOST_CODES // group))
        for n in track(range(1, n_q + 1), f"probe {name}", n_q):
            used, bits = code_use(_in_time(test, name, n - 1), size)
            scores = _scores(train, test, name, n, size)
            rows.append({"codec": name, "books": "0" if n == 1 else f"0–{n - 1}", "entropy of the last, bits": f"{bits:.2f}",
                         "its codes used": f"{100 * used:.0f} %", **scores})  # fmt: skip
    return rows, rows


def _scores(train: Frames, test: Frames, name: str | None, n_books: int, size: int = 1) -> dict[str, str]:
    """Shares of test frames whose phone, among those that are no silence, and whose voicing is right; errors of the pitch."""

    def codes_of(frames: Frames) -> tuple[np.ndarray, np.ndarray]:
        if name is None:
            return np.zeros((len(frames.f0), 1), int), np.zeros(len(frames.f0), int)
        return frames.codes[name][:, :n_books].reshape(len(frames.f0), -1).astype(int), frames.places[name]

    (here, its_place), (there, place) = codes_of(train), codes_of(test)
    ids, sung = np.unique(train.phones), train.f0 > 0
    targets = np.column_stack([train.phones[:, None] == ids, sung]).astype(float)
    classes, log_f0 = np.zeros((len(there), targets.shape[1])), np.zeros(len(there))
    for i in np.unique(place):
        now = place == i
        classes[now] = LinearProbe(here[its_place == i], targets[its_place == i], size)(there[now])
        fitted = sung & (its_place == i)
        log_f0[now] = LinearProbe(here[fitted], np.log(train.f0[fitted])[:, None], size)(there[now])[:, 0]
    spoken, voiced = test.phones != SILENCE, test.f0 > 0
    right = ids[classes[:, :-1].argmax(1)] == test.phones
    true_log_f0 = np.log(test.f0[voiced])
    error = log_f0[voiced] - true_log_f0
    return {
        "frames": len(there),
        "phone": f"{100 * right.mean():.1f} %",
        "phone, not silence": f"{100 * right[spoken].mean():.1f} %",
        "voicing": f"{100 * ((classes[:, -1] > 0.5) == voiced).mean():.1f} %",
        "log F0, R²": f"{1 - np.square(error).mean() / true_log_f0.var():.2f}",
        "F0 cents": f"{1200 / np.log(2) * np.sqrt(np.square(error).mean()):.0f}",
    }


def _in_time(frames: Frames, name: str, book: int) -> np.ndarray:
    """The codes [N] of one book, one a frame."""
    codes = frames.codes[name][:, book]
    return codes[np.arange(len(codes)), frames.places[name]]
