"""Cloning and verification tables on speakers who are told apart by their pitch."""

from pathlib import Path

import numpy as np
import pytest

from recipes.datadir import Utterance
from recipes.evaluate import cloning, verification
from recipes.evaluate.verification import equal_error_rate
from tts.base.errors import DataError

RATE = 24_000
PITCH = {"anna": 210.0, "bea": 250.0, "carl": 110.0, "dirk": 130.0}


def tone(pitch: float, seconds: float) -> np.ndarray:
    return (0.1 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def pitch_of(wav: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(wav)).argmax() * RATE / len(wav))


def embed(wav: np.ndarray) -> np.ndarray:
    """Speakers as angles: a tenth of a radian for 10 Hz."""
    angle = pitch_of(wav) / 100
    return np.array([np.cos(angle), np.sin(angle)])


@pytest.fixture
def clips(monkeypatch):
    """Four clips of 2.5 to 4 s of each of four speakers, read without files."""
    found = [
        Utterance(f"{name}{i}", Path(f"{name}{i}"), "a b", name, "en-us", gender="fm"[PITCH[name] < 200], seconds=2.5 + i / 2)
        for name in PITCH
        for i in range(4)
    ]  # fmt: skip
    for module in (cloning, verification):
        monkeypatch.setattr(module, "samples", lambda clip: tone(PITCH[clip.speaker], clip.seconds))
    return found


def test_the_reference_says_something_else_and_the_stranger_has_the_same_gender(clips):
    items = cloning.trials(clips, sentences=1)
    assert len(items) == 4 * 2  # 12 sentences are wanted, two are left a speaker beside two clips of reference
    for item in items:
        assert item.sentence not in item.others and {clip.speaker for clip in item.others} == {item.sentence.speaker}
        assert item.stranger[0].speaker != item.sentence.speaker and item.stranger[0].gender == item.sentence.gender
        assert [clip.seconds for clip in item.others] == sorted((clip.seconds for clip in item.others), reverse=True)
    assert [item.first for item in items] == [True, False] * 4


def test_references_hold_the_seconds_asked_for(clips):
    mine = [clip for clip in clips if clip.speaker == "carl"][::-1]
    assert [(round(len(wav) / RATE, 1), used) for wav, used in (cloning.reference(mine, s) for s in (1, 3, 5, 30))] == [
        (1.0, 1), (3.0, 1), (5.0, 2), (13.0, 4)]  # fmt: skip


def test_silence_inside_a_clip_is_not_counted_as_reference(monkeypatch):
    wav = np.concatenate([tone(100, 0.5), np.zeros(RATE, np.float32), tone(100, 2)])
    monkeypatch.setattr(cloning, "samples", lambda clip: wav)
    assert len(cloning.reference([None], 1)[0]) / RATE == pytest.approx(2.0, abs=0.05)


def test_a_perfect_clone_scores_one_and_a_wrong_reference_nothing(clips):
    pytest.importorskip("jiwer")
    heard = []

    def perfect(sentence, reference):
        heard.append((sentence.id, len(reference)))
        return tone(pitch_of(reference), 2)

    models = {"perfect": perfect, "deaf": lambda sentence, reference: tone(300, 2)}
    records = cloning.measure(cloning.trials(clips, 1), models, {"angle": embed}, lambda clip: [20, 21, 22, 23],
                              lambda wav: [20, 21, 22, 23] if pitch_of(wav) < 290 else [20, 21], lambda wav: ["a"])  # fmt: skip
    rows = {row["speech"]: row for row in cloning.table(records, "perfect", ["angle"])}
    assert rows["cloned from 10 s"]["angle score"] == "1.00" and rows["cloned from 10 s"]["angle − natural"] == "+0.000"
    assert abs(float(rows["cloned from another person"]["angle score"])) < 0.01
    other = rows["another person's recording"]
    assert other["angle score"] == "0.00" and other["phone error"] is None
    assert rows["cloned from 1 s"]["phone error"].value == 0 and rows["cloned from 10 s"]["word error"].value == 0.5
    assert rows["cloned from 1 s"]["word error"] is None and rows["cloned from 10 s"]["word error"].n == 4  # one a speaker
    deaf = {row["speech"]: row for row in cloning.table(records, "deaf", ["angle"])}
    assert deaf["cloned from 3 s"]["phone error"].value == 0.5 and float(deaf["cloned from 3 s"]["angle − natural"]) < -0.1
    assert "cloned from 3 s" in rows and "0.000." in cloning.goal(records, "perfect", ["angle"])


def test_verification_tells_speakers_apart_and_says_when_it_cannot(clips):
    rows, records = verification.verify({"one": clips}, {"angle": embed, "deaf": lambda wav: np.array([1.0, 0.0])})
    assert [(row["seconds"], row["judge"]) for row in rows[:2]] == [("1.0", "angle"), ("1.0", "deaf")]
    assert {record["judge"]: record["rate"] for record in records} == {"angle": 0.0, "deaf": pytest.approx(0.5, abs=0.1)}
    assert rows[0]["same speaker"].endswith("(24 pairs)") and rows[0]["different"].endswith("(96 pairs)")
    assert verification.verify({"one": clips[:4]}, {"angle": embed}) == ([], [])  # one speaker: nothing to tell


def test_equal_error_rate_of_known_pairs():
    def at(*degrees):
        return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)

    found = equal_error_rate(at(0, 10, 80, 90), ["a", "a", "b", "b"])
    assert found.rate == 0 and found.same == pytest.approx(np.cos(np.radians(10)))
    assert (found.same_pairs, found.different_pairs) == (2, 4)
    assert equal_error_rate(at(0, 50, 5, 55), ["a", "a", "b", "b"]).rate > 0.4
    with pytest.raises(DataError, match="two speakers"):
        equal_error_rate(at(0, 10), ["a", "a"])


def test_speed_of_cloning_keeps_the_first_run_apart():
    from types import SimpleNamespace

    from recipes.evaluate.cloning_speed import measure_cloning

    made, asked = [], []

    class Synthesizer:
        def fit(self, voice, recordings):
            assert voice == "voice 3"

        def stream(self, text, language, voice, prosody):
            asked.append(prosody)
            yield from [SimpleNamespace(samples=np.zeros(12_000), sample_rate=RATE)] * 2

    def make(recordings, consent):
        made.append(recordings)
        return f"voice {len(made)}"

    rows, records = measure_cloning(Synthesizer(), make, tone(110, 1.0), "a b", "en", 2, ("regression", "masked"))
    assert len(made) == 3 and asked == ["regression"] * 3 + ["masked"] * 3
    assert [row["what"] for row in rows] == ["a voice", "the same, fitted", "speech, regression", "speech, masked"]
    assert sum(record["first"] for record in records) == 3 and all(row["first audio ms"] >= 0 for row in rows[2:])
