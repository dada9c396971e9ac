"""Would a lost sentence be seen? Books whose sounds are known, with a recogniser that knows them."""

from pathlib import Path

import numpy as np
import pytest

from recipes.datadir import Utterance
from recipes.evaluate import book as experiment
from recipes.evaluate.book import Sentence, check, is_lost, missing_words, read_sentences, write_book
from recipes.evaluate.edits import Edits
from recipes.evaluate.per import spoken
from tts.base.errors import DataError
from vocoder.audio.io import write_audio

TEXT = "# One\n\nThe door was open. Nobody had come, and the lamp was out.\n\nYes.\n"
CUES = [("One", 0.0, 0.8), ("The door was open.", 1.2, 2.2), ("Nobody had come,", 2.4, 3.2), ("and the lamp was out.", 3.2, 4.0),
        ("Yes.", 4.5, 5.0)]  # fmt: skip


def clock(seconds):
    return f"00:00:{seconds:06.3f}".replace(".", ",")


@pytest.fixture
def audiobook(tmp_path):
    """Every cue is a tone at a level of its own, by which the recogniser knows it."""
    pytest.importorskip("jiwer")
    wav = np.zeros(6 * 24_000, np.float32)
    for i, (_, start, end) in enumerate(CUES):
        wav[round(start * 24_000) : round(end * 24_000)] = 0.1 * (i + 1)
    write_audio(tmp_path / "001.flac", wav, 24_000)
    (tmp_path / "book.md").write_text(TEXT)

    def subtitles(cues):
        blocks = [f"{i}\n{clock(a)} --> {clock(b)}\n{text}\n" for i, (text, a, b) in enumerate(cues, 1)]
        (tmp_path / "001.srt").write_text("\n".join(blocks))

    subtitles(CUES)
    row = {"number": 1, "file": str(tmp_path / "001.flac"), "subtitles": str(tmp_path / "001.srt"), "kept": False}
    return tmp_path / "book.md", {"language": "en-us", "seconds": 6.0, "chapters": [row]}, subtitles


def hearing(deaf_for=()):
    """Phones of the cues whose levels occur in a clip, but for some."""
    import frontend

    phones = [spoken([i for clause in frontend.process(text, "en-us") for i in clause.ids]) for text, *_ in CUES]

    def recognise(wav):
        levels = [level for level in range(1, 6) if np.mean(np.abs(wav - 0.1 * level) < 0.01) > 0.1]
        return [i for level in levels if level - 1 not in deaf_for for i in phones[level - 1]]

    return recognise


COST = {"wall_s": 60.0, "cpu_s": 30.0, "peak_mib": 100.0}


def test_a_whole_book_loses_nothing(audiobook):
    text, made, _ = audiobook
    (row,), records = check(text, made, COST, hearing())
    texts = ["One", "The door was open.", "Nobody had come, and the lamp was out.", "Yes."]
    assert [record["text"] for record in records] == texts
    assert (row["sentences"], row["words not in subtitles"], row["sentences lost"]) == (4, 0, 0) and row["phone errors %"] < 10
    assert (row["wall min"], row["CPU min"], row["peak MiB"]) == (1.0, 0.5, 100)


def test_a_sentence_that_is_not_in_the_sound_is_seen(audiobook):
    text, made, _ = audiobook
    (row,), records = check(text, made, COST, hearing(deaf_for=(1, 4)))
    assert row["sentences lost"] == 2 and [record["lost"] for record in records] == [False, True, False, True]


def test_a_sentence_that_is_in_neither_is_seen_by_its_words(audiobook):
    text, made, subtitles = audiobook
    subtitles(CUES[:1] + CUES[2:])
    (row,), _ = check(text, made, COST, hearing())
    assert row["words not in subtitles"] == 4


def test_when_a_sentence_counts_as_lost():
    assert not is_lost(Edits(3, 2, 9, 10)) and is_lost(Edits(3, 3, 0, 10))
    assert not is_lost(Edits(2, 1, 0, 4)) and is_lost(Edits(2, 1, 0, 3))


def test_a_book_is_made_of_a_corpus(tmp_path, monkeypatch):
    clips = [Utterance(f"u{i}", Path("x.wav"), f"sentence {i % 7}", "s", "en-us", 30.0) for i in range(20)]
    monkeypatch.setattr(experiment, "read_clips", lambda speech, split: {"c": clips} if split == "dev" else {})
    text = write_book(tmp_path, "speech", "en-us", 3.0).read_text()
    assert text.startswith("---\ntitle: Sentences\nlang: en-us\n---\n# Chapter 1\n\nSentence ") and text.count("Sentence ") == 6
    with pytest.raises(DataError):
        write_book(tmp_path, "speech", "en-us", 5.0)


def test_the_command_is_measured(tmp_path):
    """With the house model, one word."""
    (tmp_path / "a.txt").write_text("Yes.")
    made, cost = experiment.make_audiobook(tmp_path / "a.txt", tmp_path, None, None)
    assert [row["title"] for row in made["chapters"]] == ["Yes."] and cost["peak_mib"] > 50 and cost["cpu_s"] > 0
    assert read_sentences(Path(made["chapters"][0]["subtitles"]))[0].text == "Yes."
    assert missing_words("Yes.", [Sentence("Yes.", 0.0, 1.0)]) == 0
