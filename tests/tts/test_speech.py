"""The result of synthesis: joined chunks keep their times, subtitles follow their formats, arrays and files come out."""

import base64
import json
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from tts.base.errors import DataError
from tts.speech import Span, Speech, join
from vocoder.audio.io import read_audio

SVG = "{http://www.w3.org/2000/svg}"


def chunk(seconds, word):
    samples = np.full(int(seconds * 24_000), 0.1, np.float32)
    spans = (Span(word, 0.0, seconds / 2, (0, len(word))),)
    return Speech(samples, "the text", "en-us", "ada", 3, words=spans, phones=spans, chunks=spans, metrics={"rtf": 0.12345})


@pytest.fixture
def whole():
    return join([chunk(1.5, "one"), chunk(0.5, "AT&T <b>"), chunk(2.0, "three")])


def test_times_move_with_the_samples(whole):
    assert whole.duration == 4.0 and len(whole.samples) == 96_000
    assert [(word.label, word.start, word.end) for word in whole.words] == [
        ("one", 0.0, 0.75), ("AT&T <b>", 1.5, 1.75), ("three", 2.0, 3.0)]  # fmt: skip
    assert whole.phones == whole.words == whole.chunks
    assert whole.text == "the text" and whole.seed == 3


def test_subrip_and_webvtt(whole):
    assert whole.to_srt().split("\n\n")[1] == "2\n00:00:01,500 --> 00:00:01,750\nAT&T <b>"
    assert whole.to_vtt("word").startswith("WEBVTT\n\n00:00:00.000 --> 00:00:00.750\none\n")
    assert "AT&amp;T &lt;b&gt;" in whole.to_vtt()
    late = Speech(np.zeros(1), "", "", "", 0, chunks=(Span("x", 3599.9996, 36_000.0),))
    assert "01:00:00,000 --> 10:00:00,000" in late.to_srt()
    with pytest.raises(DataError, match="not by 'phone'"):
        whole.to_srt("phone")


def test_it_is_an_array_and_a_dict(whole):
    assert np.array_equal(np.asarray(whole), whole.samples) and np.asarray(whole, dtype=np.float64).dtype == np.float64
    facts = json.loads(json.dumps(whole.to_dict()))
    assert facts["duration"] == 4.0 and facts["metrics"] == {"rtf": 0.1235} and len(facts["words"]) == 3


def test_a_notebook_plays_it_over_its_waveform_and_words(whole):
    figure = ElementTree.fromstring(whole._repr_html_())  # well formed, so nothing in it is raw
    player, path = figure.find("audio"), figure.find(f".//{SVG}path").get("d")
    sound = base64.b64decode(player.get("src").removeprefix("data:audio/wav;base64,"))
    assert np.abs(read_audio(sound) - whole.samples).max() < 1e-4
    assert path.count("M") == 4 * 50  # a line for 20 ms
    words = [(text.text, text.get("x")) for text in figure.iter(f"{SVG}text")]
    assert words == [("one", "0"), ("AT&T <b>", "150"), ("three", "200")]
    assert figure.find("figcaption").text == "voice ada · en-us · 4.00 s · seed 3 · no provenance record"


def test_what_a_notebook_shows_is_escaped_and_bounded():
    hour = Speech(np.zeros(600 * 24_000, np.float32), "", "en-us", "<script>", 0, length=None, provenance={
        "watermark": {"applied": False, "reason": "<i>a test</i>"}},
        words=tuple(Span("<b>" * 1000, t, t + 0.5) for t in range(600)))  # fmt: skip
    shown = hour._repr_html_()
    assert len(shown) < 2_100_000 and "<b>" not in shown and "<script>" not in shown
    caption = ElementTree.fromstring(shown).find("figcaption").text
    assert caption.endswith("the first 30 s are shown · synthetic · without watermark: <i>a test</i>") and "600.00 s" in caption
    empty = Speech(np.zeros(0, np.float32), "", "en-us", "ada", 0, length=48_000)
    assert "2.00 s · seed 0 · its samples are in a file" in ElementTree.fromstring(empty._repr_html_()).find("figcaption").text


def test_it_is_saved_by_its_ending(whole, tmp_path):
    for name in ("a.wav", "a.flac"):
        whole.save(tmp_path / name)
        assert np.abs(read_audio(tmp_path / name) - whole.samples).max() < 1e-4


def test_subtitles_show_what_is_written_in_cues_of_two_lines():
    text = "Ms. Hill paid $3.50 " + "and walked along the river " * 6 + "home."
    ends = [i for i, char in enumerate(text + " ") if char == " "]
    starts = [0, *(end + 1 for end in ends[:-1])]
    words = tuple(Span(text[a:b], 0.5 * i, 0.5 * i + 0.5, (a, b)) for i, (a, b) in enumerate(zip(starts, ends, strict=True)))
    seconds = 0.5 * len(words)
    speech = Speech(np.zeros(int(seconds * 24000), np.float32), text, "en-us", "x", 0, words=words,
                    chunks=(Span(text, 0.0, seconds, (0, len(text)), "miz hill paid three dollars"),))  # fmt: skip
    cues = [block.splitlines() for block in speech.to_srt().split("\n\n")]
    assert len(cues) == 3 and all(len(cue) <= 4 and max(map(len, cue[2:])) <= 50 for cue in cues)
    assert " ".join(" ".join(cue[2:]) for cue in cues) == text
    times = [cue[1].split(" --> ") for cue in cues]
    assert times[0][0] == "00:00:00,000" and all(a[1] == b[0] for a, b in pairwise(times))
    assert len(speech.to_srt("word").split("\n\n")) == len(words)
