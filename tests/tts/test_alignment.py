"""A text beside its recording: clauses joined and cut again, times that are those of the speech, and the files of them."""

import re
from itertools import pairwise

import numpy as np
import pytest

import frontend
from tts import alignment
from tts.api import Synthesizer
from tts.base.errors import DataError
from tts.speech import Span, Speech
from vocoder.audio.frames import SAMPLE_RATE

TEXT = "The quick brown fox jumps over it. Then, at last, two lazy dogs wake up."


@pytest.fixture(scope="module")
def speech():
    return Synthesizer().synth(TEXT, language="en", voice="kathleen")


def test_clauses_join_to_one_and_every_phone_keeps_its_place():
    clauses = frontend.process("Hello there, friend. How are you?", "en", max_chars=12)
    assert len(clauses) > 2
    whole, places = alignment.joined(clauses)
    for i, (clause, place) in enumerate(zip(clauses, places, strict=True)):
        kept = place >= 0
        assert np.array_equal(whole.ids[place[kept]], clause.ids[kept])
        assert np.array_equal(whole.spans[place[kept]], clause.spans[kept])
        assert (~kept).sum() == (i > 0) + (i < len(clauses) - 1)
    assert (whole.ids == frontend.inventory.SIL).sum() == 2
    assert [word.text for word in whole.words] == [word.text for clause in clauses for word in clause.words]
    owned = [(clause, own) for clause in clauses for own in clause.words]
    for word, (clause, own) in zip(whole.words, owned, strict=True):
        assert np.array_equal(whole.ids[word.first_phone : word.last_phone], clause.ids[own.first_phone : own.last_phone])
    alone, _ = alignment.joined(clauses[:1])
    assert np.array_equal(alone.ids, clauses[0].ids)


def test_words_are_found_where_they_are_said(speech):
    found = alignment.align_text(speech.samples, TEXT, "en")
    assert not found.warnings and found.durations.sum() == len(found.mel)
    words = found.speech(len(speech.samples)).words
    assert [word.label for word in words] == [word.label for word in speech.words]
    late = [abs(one.start - other.start) for one, other in zip(words, speech.words, strict=True)]
    assert np.median(late) < 0.03 and max(late) < 0.12
    chunks = found.speech(len(speech.samples)).chunks
    assert [chunk.label for chunk in chunks] == [chunk.label for chunk in speech.chunks]


def test_another_text_and_a_recording_that_cannot_be_are_told(speech):
    other = alignment.align_text(speech.samples, "Nobody came to see her that long evening.", "en")
    assert "is this what is said" in other.warnings[0]
    with pytest.raises(DataError, match="cannot hold"):
        alignment.align_text(speech.samples[:4800], TEXT, "en")
    with pytest.raises(DataError, match="at most 120 s"):
        alignment.align_text(np.zeros(121 * SAMPLE_RATE, np.float32), TEXT, "en")


@pytest.fixture
def timed():
    words = (Span("say", 0.1, 0.4), Span('"so"', 0.4, 0.75), Span("New York", 1.0, 1.25))
    return Speech(np.zeros(0, np.float32), "", "en-us", "", 0, words=words, phones=words[:1], length=36_000)


def test_textgrid_tiles_the_recording(timed):
    text = alignment.textgrid(timed, ["word", "phone"])
    tiers = text.split("    item [")[1:]
    assert 'name = "words"' in tiers[0] and 'name = "phones"' in tiers[1] and 'text = """so"""' in tiers[0]
    for tier, size in zip(tiers[-2:], (6, 3), strict=True):
        bounds = [(float(a), float(b)) for a, b in re.findall(r"            xmin = (\S+)\n            xmax = (\S+)", tier)]
        assert len(bounds) == size and f"size = {size}" in tier
        assert bounds[0][0] == 0 and bounds[-1][1] == 1.5 and all(a[1] == b[0] for a, b in pairwise(bounds))


def test_ctm_has_a_line_a_word(timed):
    rows = alignment.ctm(timed, "word", "a").splitlines()
    assert rows == ["a 1 0.100 0.300 say", 'a 1 0.400 0.350 "so"', "a 1 1.000 0.250 New_York"]
    assert len(alignment.ctm(timed, "phone", "a").splitlines()) == 1


def test_edit_distance_is_that_of_levenshtein():
    pairs = (([1, 2, 3], [1, 3]), ([], [1, 2]), ([5], []), ([1, 2], [2, 1]))
    assert [alignment.edit_distance(a, b) for a, b in pairs] == [1, 2, 1, 2]
