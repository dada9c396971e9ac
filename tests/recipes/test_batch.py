"""Batches: order from (seed, step) alone, budget kept, everybody seen; one padded form."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.batch import Corpus, FrameBatches, lengths, pad
from recipes.store import StoreWriter
from tts.base.errors import DataError, NoInputError

FRAMES = {f"u{i:03d}": 50 + (i * 37) % 400 for i in range(120)}


def epoch_of(batches, epoch):
    return [key for batch in batches.epoch(epoch) for key in batch]


def test_a_step_has_the_same_batch_whatever_was_asked_before():
    straight = FrameBatches(FRAMES, 2000, seed=3)
    in_order = [straight(step) for step in range(60)]
    shuffled = FrameBatches(dict(reversed(FRAMES.items())), 2000, seed=3)
    for step in (59, 0, 31, 58, 3, 31):
        assert shuffled(step) == in_order[step]
    assert [FrameBatches(FRAMES, 2000, seed=3)(step) for step in range(60)] == in_order
    assert [FrameBatches(FRAMES, 2000, seed=4)(step) for step in range(60)] != in_order


def test_every_utterance_is_seen_once_an_epoch_and_epochs_differ():
    batches = FrameBatches(FRAMES, 2000)
    for epoch in range(3):
        assert sorted(epoch_of(batches, epoch)) == sorted(FRAMES)
    assert batches.epoch(0) != batches.epoch(1)
    first = len(batches.epoch(0))
    assert [batches(step) for step in range(first)] == batches.epoch(0)
    assert batches(first) == batches.epoch(1)[0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 900), min_size=1, max_size=60), st.integers(900, 4000), st.integers(0, 5))
def test_padded_frames_stay_within_the_budget_and_nobody_is_lost(sizes, budget, seed):
    frames = {str(i): n for i, n in enumerate(sizes)}
    epoch = FrameBatches(frames, budget, seed).epoch(0)
    assert all(max(frames[k] for k in batch) * len(batch) <= budget for batch in epoch)
    assert sorted(key for batch in epoch for key in batch) == sorted(frames)


def test_utterances_of_a_batch_are_of_similar_length():
    sizes = [[FRAMES[key] for key in batch] for batch in FrameBatches(FRAMES, 2000).epoch(0)]
    waste = [1 - np.mean(batch) / max(batch) for batch in sizes]
    assert np.mean(waste) < 0.2


def test_repeats_are_whole_numbers_plus_chance():
    repeats = {"u000": 3.0, "u001": 0.0, "u002": 1.5}
    batches = FrameBatches(FRAMES, 2000, repeats=repeats)
    counts = [Counter(epoch_of(batches, epoch)) for epoch in range(40)]
    assert all(count["u000"] == 3 and count["u001"] == 0 and count["u003"] == 1 for count in counts)
    halves = [count["u002"] for count in counts]
    assert set(halves) == {1, 2} and 10 < halves.count(2) < 30


def test_no_utterances_is_an_error_that_says_where_to_look():
    with pytest.raises(DataError, match=r"no utterance is left.*dropped.tsv"):
        FrameBatches({}, 2000)


def test_padding_fills_behind_and_lengths_count():
    arrays = [np.ones((2, 3), np.float16), np.ones((4, 3), np.float16), np.ones((1, 3), np.float16)]
    padded = pad(arrays, np.float32, -7)
    assert padded.shape == (3, 4, 3) and padded.dtype.is_floating_point
    assert lengths(arrays).tolist() == [2, 4, 1]
    assert (padded == 1).sum().item() == 7 * 3 and (padded[0, 2:] == -7).all() and (padded[2, 1:] == -7).all()


def test_a_corpus_joins_its_stores_and_leaves_out_what_was_dropped(tmp_path):
    rows = [{"key": key, "speaker": "s", "language": "de"} for key in ("b", "a", "c")]
    (tmp_path / "utterances.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with StoreWriter(tmp_path, "f0", "float32") as store:
        for n, row in enumerate(rows):
            store.add(row["key"], np.zeros(n + 1))
    corpus = Corpus(tmp_path, drop=["b", "unknown"])
    assert corpus.keys == ["a", "c"] and corpus.frames("c") == 3
    assert corpus.utterances["a"].language == "de" and corpus.utterances["a"].bandwidth_hz == 12_000


def test_a_missing_corpus_names_the_stage_that_makes_it(tmp_path):
    with pytest.raises(NoInputError, match=r"utterances.jsonl is missing.*feature stage"):
        Corpus(tmp_path / "nowhere")
