"""Word replacements for the table: the same ones everywhere, places that follow the edit, and figures that mean what they say."""

from types import SimpleNamespace

import numpy as np
import pytest

from recipes.datadir import Utterance
from recipes.evaluate import editing
from tts.alignment import align_text, edit_distance
from tts.base.errors import DataError
from tts.speech import Span

TEXTS = ("We found seven yellow apples under the wooden table.", "They carried every letter across the narrow bridge.")
CONSENT = "nobody; a synthetic voice; for this test"


@pytest.fixture(scope="module")
def house():
    from tts.api import Synthesizer

    return Synthesizer()


@pytest.fixture(scope="module")
def clips(house, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    found = []
    for i, text in enumerate(TEXTS):
        house.synth(text, language="en", voice="kathleen").save(folder / f"{i}.flac")
        found.append(Utterance(id=f"c{i}", wav=folder / f"{i}.flac", text=text, speaker="k", language="en"))
    return found


def aligned(clip):
    return align_text(editing.samples(clip), clip.text, clip.language)


def test_words_are_chosen_the_same_way_and_fit(clips):
    first, again = editing.choose(clips, aligned, 20), editing.choose(clips, aligned, 20)
    assert first == again and len(first) == 2 and len(editing.choose(clips, aligned, 1)) == 1
    for item, other in zip(first, (TEXTS[1], TEXTS[0]), strict=True):
        assert item.clip.text.split()[item.number] == item.old and len(item.old) >= 5
        assert item.new in other.lower().split() and abs(len(item.new) - len(item.old)) <= 1
        assert 0 < item.number < len(item.clip.text.split()) - 1


def test_later_words_move_with_the_edit():
    words = tuple(Span(str(i), i, i + 0.9) for i in range(4))
    change = SimpleNamespace(old=(1.0, 1.9), new=(1.0, 2.4))
    assert editing.moved(words, 1, change) == [(0, 0.9), (1, pytest.approx(2.4)), (pytest.approx(2.5), pytest.approx(3.4))]


def test_phones_come_word_by_word():
    words = editing.align_words("She has $3 now.", "en")
    assert len(words) == 4 and len(words[2]) > 6  # "three dollars" is one word as written


def test_a_click_and_a_change_of_sound_are_measured():
    t = np.arange(24_000) / 24_000
    tone = 0.3 * sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 20))
    clicked = tone.copy()
    clicked[12_000:] += 0.9
    clean, click = editing.joint(tone, 0.5, 24_000), editing.joint(clicked, 0.5, 24_000)
    assert clean[0] < 1.1 and click[0] > 3 and click[1] > clean[1]
    other = np.where(t < 0.5, tone, 0.05 * np.random.default_rng(0).standard_normal(24_000))
    assert editing.joint(other, 0.5, 24_000)[2] > 3 * clean[2] > 0


def test_the_table_of_real_edits(house, clips):
    """The recogniser hears the new word where the edit says it is; a recording that was not edited would not do."""
    pytest.importorskip("jiwer")
    hear = editing.frame_recogniser()

    def edit(item):
        return house.edit(item.clip.wav, item.clip.text, replace=[(item.old, item.new)], language="en", consent=CONSENT)

    def embed(wav):
        return np.array([1.0, 0.0]) if len(wav) > 4000 else np.array([0.0, 1.0])

    rows, records = editing.editing(clips, edit, hear, embed, lambda clip, text: house.synth(text, language="en").samples)
    by_name = {row["recording"]: row for row in rows}
    assert list(by_name) == ["natural", "edited", "sentence spoken anew"] and len(records) == 2
    assert by_name["edited"]["outside identical"] == 1.0 and by_name["edited"]["jump, largest"] < 3
    assert by_name["edited"]["phone error, word"].value < 0.5 and by_name["natural"]["phone error, three words"].value < 0.5
    for item in editing.choose(clips, aligned, 20):
        swapped = editing.collapsed(hear(editing.samples(item.clip)))
        wanted = editing.align_words(item.clip.text.replace(item.old, item.new), "en")
        assert edit_distance(swapped, [phone for word in wanted for phone in word]) > 2
    with pytest.raises(DataError, match="no clip has a word"):
        editing.editing([], edit, hear, embed, None)


def test_a_word_too_short_for_the_judge_has_no_similarity():
    def embed(wav):
        if len(wav) < 4000:
            raise DataError("short")
        return np.ones(4) / 2

    wav = np.zeros(48_000, np.float32)
    assert editing.similarity(wav, (0.5, 0.6), wav, (0.5, 0.6), embed) is None
    assert editing.similarity(wav, (0.5, 1.0), wav, (0.5, 1.0), embed) == 1.0
