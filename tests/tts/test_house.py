"""The shipped models, heard by independent ears: durations, pitch, level, and the phones that our recogniser hears.

Bounds are loose ones around measured values (egs/house/RESULTS.md): they catch a broken model, not a slightly worse one.
"""

import subprocess
import sys

import numpy as np
import pytest

from tts.api import Controls, Synthesizer

SENTENCES = {
    "en": "The birch canoe slid on the smooth planks near the river.",
    "de": "Heute ist ein schöner Tag, und wir gehen am Fluss spazieren.",
    "nl": "Vandaag gaan we met de trein naar de stad om boodschappen te doen.",
    "fr": "Le petit chat dort sur la chaise, près de la fenêtre ouverte.",
    "zh": "今天天气很好，我们一起去公园散步吧。",
}


@pytest.fixture(scope="module")
def house():
    return Synthesizer()


@pytest.fixture(scope="module")
def aligner():
    from tts.aligner import Aligner

    return Aligner.load()


@pytest.mark.parametrize("language", SENTENCES)
def test_every_shipped_language_is_heard_as_what_was_asked(house, aligner, language):
    import frontend
    from tts.aligner import N_MARKS
    from tts.alignment import edit_distance

    speech = house.synth(SENTENCES[language], language=language)
    assert 2.0 < speech.duration < 9.0
    level = 20 * np.log10(np.sqrt(np.mean(speech.samples**2)))
    assert -35 < level < -15, f"{level:.1f} dBFS"
    assert np.abs(speech.samples).max() <= 1.0
    said = [int(i) for clause in frontend.process(SENTENCES[language], language) for i in clause.ids if i >= N_MARKS]
    heard = aligner.recognise(speech.samples)
    assert edit_distance(heard, said) / len(said) < 0.5


def test_voices_of_one_language_speak_the_others(house):
    for name in ("kathleen", "flemishguy"):
        assert house.synth(SENTENCES["de"], language="de", voice=name).voice == name


def test_rate_and_pitch_move_what_they_name(house):
    text = SENTENCES["en"]
    plain = house.synth(text, language="en")
    fast = house.synth(text, language="en", controls=Controls(rate=1.5))
    assert 0.55 < fast.duration / plain.duration < 0.8
    high = house.plan(text, language="en", controls=Controls(pitch_st=4))
    low = house.plan(text, language="en")
    ratio = np.median(high.prosody[0].pitch / low.prosody[0].pitch)
    assert np.isclose(ratio, 2 ** (4 / 12), rtol=1e-3)


def test_words_lie_inside_the_audio_in_order(house):
    speech = house.synth("One two three. Four five.", language="en")
    starts = [word.start for word in speech.words]
    assert [word.label.lower() for word in speech.words] == ["one", "two", "three", "four", "five"]
    assert starts == sorted(starts)
    assert speech.words[-1].end <= speech.duration
    assert [speech.text[slice(*word.source)] for word in speech.words] == ["One", "two", "three", "Four", "five"]


def test_alone_streamed_and_in_a_batch_are_the_same_samples(house):
    text = "Good morning. This is the second sentence!"
    alone = house.synth(text, language="en", seed=3).samples
    streamed = np.concatenate([chunk.samples for chunk in house.stream(text, language="en", seed=3)])
    batch = [speech.samples for speech in house.batch(["Something else first.", text], language="en", seed=3)][1]
    assert np.array_equal(alone, streamed)
    assert np.array_equal(alone, batch)


def test_an_edited_plan_is_spoken_as_edited(house):
    from dataclasses import replace

    plan = house.plan("Hello there.", language="en")
    durations = plan.prosody[0].durations.copy()
    durations[2] += 30
    edited = replace(plan, prosody=(replace(plan.prosody[0], durations=durations),))
    assert len(house.render(edited).samples) == len(house.render(plan).samples) + 30 * 320


OFFLINE = """
import sys
def forbid(event, args):
    if event.startswith("socket.") and event not in ("socket.gethostname",):
        raise RuntimeError("socket opened: " + event)
sys.addaudithook(forbid)
from tts.cli import main
sys.argv = ["tts", "synth", "Hello.", "-o", sys.argv[1], "-q"]
main()
"""


def test_synth_opens_no_socket(tmp_path):
    out = tmp_path / "hello.wav"
    done = subprocess.run([sys.executable, "-c", OFFLINE, str(out)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert out.stat().st_size > 10_000
