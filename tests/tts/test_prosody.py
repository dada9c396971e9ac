"""Prosody files: nothing lost on the way, edits obeyed, faults named; prosody copied from a recording by another voice."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tts import prosody
from tts.api import Controls, Synthesizer
from tts.base.errors import DataError, ResourceError
from vocoder.audio.frames import FRAME_RATE, HOP_LENGTH, SAMPLE_RATE
from vocoder.audio.pitch import track_pitch

TEXT = "Good morning, dear friends. It costs $3!\n\nAnd a new [pause:300ms] paragraph."
WORDS = "We have seven green apples here. They are ripe now."


@pytest.fixture(scope="module")
def fs2(model_folder):
    return Synthesizer(model_folder / "fs2")


@pytest.fixture(scope="module")
def house():
    return Synthesizer()


@pytest.fixture
def document(fs2):
    return json.loads(prosody.dumps(fs2.plan(TEXT, language="en", voice="ada")))


@pytest.mark.parametrize("controls", [Controls(), Controls(rate=1.1, pitch_st=1.3, energy_db=-2.7, pitch_range=1.4)])
def test_a_file_that_is_not_edited_gives_the_same_samples(fs2, tmp_path, controls):
    plan = fs2.plan(TEXT, language="en", voice="ada", controls=controls)
    (tmp_path / "p.json").write_text(prosody.dumps(plan), encoding="utf-8")
    read = prosody.load(fs2.plan(TEXT, language="en", voice="ada"), tmp_path / "p.json")
    for one, other in zip(plan.prosody, read.prosody, strict=True):
        for name in ("durations", "pitch", "energy"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert np.array_equal(fs2.render(plan).samples, fs2.render(read).samples)


def test_a_person_can_read_it(fs2, document):
    lines = prosody.dumps(fs2.plan(TEXT, language="en", voice="ada")).splitlines()
    assert sum('"phone"' in line for line in lines) == sum(len(clause["phones"]) for clause in document["clauses"])
    row = document["clauses"][0]["phones"][1]
    assert list(row) == ["phone", "word", "ms", "hz", "db"] and (row["phone"], row["word"]) == ("ɡ", "Good")
    assert document["clauses"][0]["pause_after_ms"] == 150 and document["text"] == TEXT


def test_durations_and_pauses_are_obeyed_to_the_sample(fs2, document):
    plan = fs2.plan(TEXT, language="en", voice="ada")
    phones = document["clauses"][0]["phones"]
    phones[2]["ms"] += 400
    phones[3]["ms"] = 0
    taken = round((400 - prosody.to_dict(plan)["clauses"][0]["phones"][3]["ms"]) * FRAME_RATE / 1000)
    document["clauses"][0]["pause_before_ms"], document["clauses"][0]["pause_after_ms"] = 250, 0
    before, after = fs2.render(plan).samples, fs2.render(prosody.from_dict(plan, document)).samples
    assert len(after) - len(before) == taken * HOP_LENGTH + round(0.25 * SAMPLE_RATE) - round(0.15 * SAMPLE_RATE)
    assert not after[: SAMPLE_RATE // 4].any() and after[SAMPLE_RATE // 4 :][:HOP_LENGTH].any()


def test_a_moment_is_a_frame_and_spaces_of_the_text_do_not_matter(fs2, document):
    document["clauses"][0]["phones"][2]["ms"] = 0.5
    document["text"] = " ".join(TEXT.split())
    assert prosody.from_dict(fs2.plan(TEXT, language="en", voice="ada"), document).prosody[0].durations[2] == 1


def test_pitch_and_level_are_heard_as_edited(house):
    plan = house.plan(WORDS, language="en", voice="bdl")
    document = prosody.to_dict(plan)
    for clause in document["clauses"]:
        for row in clause["phones"]:
            row["hz"] *= 1.3
            row["db"] -= 6
    plain, edited = house.render(plan).samples, house.render(prosody.from_dict(plan, document)).samples
    low, high = (np.median(f0[f0 > 0]) for f0 in map(track_pitch, (plain, edited)))
    assert high / low == pytest.approx(1.3, rel=0.05)
    assert 20 * np.log10(np.std(edited) / np.std(plain)) == pytest.approx(-6, abs=1.5)  # the higher pitch is a little louder


def test_one_vowel_edited_moves_that_vowel_alone(house):
    plan = house.plan(WORDS, language="en", voice="kathleen")
    document = prosody.to_dict(plan)
    row = next(row for row in document["clauses"][0]["phones"] if row["phone"] == "iː" or row["phone"] == "i")
    place = document["clauses"][0]["phones"].index(row)
    row["ms"], row["hz"] = 400, row["hz"] * 1.25
    edited = prosody.from_dict(plan, document)
    start = int(edited.prosody[0].durations[:place].sum())
    f0 = track_pitch(house.render(edited).samples)[start + 8 : start + 22]
    assert np.median(f0[f0 > 0]) == pytest.approx(row["hz"], rel=0.08)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d.update(text=TEXT.replace("friends", "fiends")), "word 4 is 'fiends.' there and 'friends.' here"),
        (lambda d: d.update(text=TEXT + " More"), "'More' there and nothing more here"),
        (lambda d: d.update(format="x"), "not a prosody file"),
        (lambda d: d.update(language="de"), "language: is 'de' in the file"),
        (lambda d: d["clauses"].pop(), r"clauses: has \d clauses"),
        (lambda d: d["clauses"][1]["phones"].pop(), r"clause 2: has \d+ phones"),
        (lambda d: d["clauses"][1]["phones"][2].update(phone="x"), r"clause 2, phone 3 \(.\), phone: is 'x'"),
        (lambda d: d["clauses"][0]["phones"][2].update(ms=-1), r"clause 1, phone 3 \(ʊ\): ms is -1"),
        (lambda d: d["clauses"][0]["phones"][2].update(hz=0), "hz is 0"),
        (lambda d: d["clauses"][0]["phones"][2].update(db="loud"), "db is 'loud'"),
        (lambda d: d["clauses"][0]["phones"][2].update(db=True), "db is True"),
        (lambda d: d["clauses"][0]["phones"][2].pop("hz"), r"phone 3 \(ʊ\): key 'hz' is missing"),
        (lambda d: d["clauses"][0]["phones"][2].update(tone=1), "key 'tone' is not known"),
        (lambda d: d["clauses"][0].update(pause_after_ms=1e9), "clause 1: pause_after_ms is"),
        (lambda d: d["clauses"].__setitem__(0, 3), "clause 1: is 3, not an object"),
        (lambda d: d["clauses"][0].update(phones={}), "not a list"),
        (lambda d: [row.update(ms=0) for row in d["clauses"][0]["phones"]], "clause 1: no phone lasts"),
    ],
)
def test_what_may_not_be_edited_is_refused_with_its_place(fs2, document, change, told):
    change(document)
    with pytest.raises(DataError, match=told):
        prosody.from_dict(fs2.plan(TEXT, language="en", voice="ada"), document, "p.json")


def test_prosody_codes_go_into_the_file_and_come_back(fs2):
    plan = fs2.plan("Hello there.", language="en", voice="ada")
    codes = np.arange(len(plan.clauses[0])) - 1
    document = prosody.to_dict(replace(plan, prosody=(replace(plan.prosody[0], codes=codes),)))
    assert np.array_equal(prosody.from_dict(plan, document).prosody[0].codes, codes)  # also into a plan without
    assert prosody.from_dict(plan, prosody.to_dict(plan)).prosody[0].codes is None
    for wrong, told in ((1.5, "code is not a whole number"), (-2, "code is -2"), (None, "code is None")):
        document["clauses"][0]["phones"][3]["code"] = wrong
        with pytest.raises(DataError, match=rf"clause 1, phone 4 \(.*\): {told}"):
            prosody.from_dict(plan, document)
    del document["clauses"][0]["phones"][3]["code"]
    with pytest.raises(DataError, match=r"phone 4 \(.*\): code is None"):
        prosody.from_dict(plan, document)


def test_codes_of_a_recording_are_copied_with_the_rest(house):
    take = house.synth(WORDS, language="en", voice="bdl").samples
    plan = house.plan(WORDS, language="en", voice="kathleen")
    asked = []

    def codes_of(mel, durations):
        asked.append((len(mel), durations))
        return np.arange(len(durations))

    copied, _ = prosody.copy_prosody(plan, (take, SAMPLE_RATE), codes_of)
    (frames, durations), one, two = asked[0], copied.prosody[0].codes, copied.prosody[1].codes
    assert frames == durations.sum() and (one[-1], two[0]) == (-1, -1)  # silence between clauses is nobody's
    assert np.array_equal(np.concatenate([one[:-1], two[1:]]), np.arange(len(durations)))
    assert house.copy_prosody(plan, (take, SAMPLE_RATE))[0].prosody[0].codes is not None  # megatts hears them itself


def test_a_book_is_refused_before_it_is_written(fs2, monkeypatch):
    monkeypatch.setattr(prosody, "LIMITS", replace(prosody.LIMITS, json_bytes=1000))
    with pytest.raises(ResourceError, match="more than 1,000 bytes"):
        prosody.dumps(fs2.plan(TEXT, language="en", voice="ada"))


def test_prosody_of_a_recording_is_copied_into_another_register(house):
    """A man's take, slow and lively with a long pause, is followed by a woman's voice at her own height."""
    take_plan = house.plan(WORDS, language="en", voice="bdl", controls=Controls(rate=0.85, pitch_range=1.5))
    clauses = (replace(take_plan.clauses[0], pause_after=0.6), *take_plan.clauses[1:])
    take = house.render(replace(take_plan, clauses=clauses))
    plan = house.plan(WORDS, language="en", voice="kathleen")
    copied, warnings = prosody.copy_prosody(plan, (take.samples, SAMPLE_RATE))
    speech = house.render(copied)
    assert not warnings and len(plan.clauses) == 2
    late = [one.start - other.start for one, other in zip(speech.words, take.words, strict=True)]
    assert max(late) - min(late) < 0.12  # all words at their times, but for what comes before the first
    gaps = [words[6].start - words[5].end for words in (speech.words, take.words)]
    assert gaps[0] == pytest.approx(gaps[1], abs=0.12) and gaps[1] > 0.6  # a word that dies away has no sharp end
    spoken = [~prosody.is_silent(clause.ids) for clause in plan.clauses]
    plans = (take_plan, copied, plan)
    pitch = [np.log(np.concatenate([p.pitch[s] for p, s in zip(x.prosody, spoken, strict=True)])) for x in plans]
    assert np.corrcoef(pitch[0], pitch[1])[0, 1] > 0.8
    assert np.median(pitch[1]) == pytest.approx(np.median(pitch[2]), abs=0.06) and np.median(pitch[2] - pitch[0]) > 0.2
    f0 = track_pitch(speech.samples)
    assert np.log(np.median(f0[f0 > 0])) == pytest.approx(np.median(pitch[2]), abs=0.12)
    energy = [np.concatenate([p.energy[s] for p, s in zip(x.prosody, spoken, strict=True)]) for x in (copied, plan)]
    assert energy[0].mean() == pytest.approx(energy[1].mean(), abs=0.05)


def test_a_recording_of_another_text_is_doubted(house):
    take = house.synth(WORDS, language="en", voice="bdl").samples
    plan = house.plan("Nobody believed what the captain told that evening.", language="en", voice="kathleen")
    copied, warnings = prosody.copy_prosody(plan, (take, SAMPLE_RATE))
    assert "sound otherwise" in warnings[0] and len(house.render(copied).samples)
    with pytest.raises(DataError, match="cannot hold"):
        prosody.copy_prosody(plan, (take[: SAMPLE_RATE // 4], SAMPLE_RATE))
