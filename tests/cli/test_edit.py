"""``tts edit`` and ``tts align``: a recording in, its correction or its times out."""

import json

import numpy as np
import pytest
import soundfile

from tts.base.rng import normal
from vocoder.audio.io import resample

TEXT = "The old captain painted his boat before the summer."
CONSENT = "nobody; a synthetic voice; for this test"


@pytest.fixture(scope="module")
def spoken():
    from tts.api import Synthesizer

    wav = Synthesizer().synth(TEXT, language="en", voice="kathleen").samples
    return 0.5 * resample(wav, 24_000, 22_050)


@pytest.fixture
def recording(spoken, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    soundfile.write("in.wav", spoken + 1e-4 * normal(0, "room", len(spoken)), 22_050)


def test_a_word_is_replaced_and_the_account_is_true(recording, tts):
    done = tts("edit", "in.wav", "--text", TEXT, "--replace", "painted", "repaired", "-l", "en", "--consent", CONSENT,
               "-o", "out.flac", "--json")  # fmt: skip
    assert done.code == 0 and "'painted' -> 'repaired'" in done.err
    told, (row,) = done.json, done.json["edits"]
    assert told["text"] == TEXT.replace("painted", "repaired") and told["consent"]["statement"] == CONSENT
    before, after = (soundfile.read(name, dtype="int16")[0] for name in ("in.wav", "out.flac"))
    half = round(0.008 * 22_050)
    first, last = (round(t * 22_050) for t in row["new"])
    cut, back = (round(t * 22_050) for t in row["old"])
    assert np.array_equal(after[: first - half], before[: cut - half])
    assert np.array_equal(after[last + half :], before[back + half :]) and len(after) - last == len(before) - back
    assert [join["at"] for join in row["joins"]] == row["new"] and told["kept_samples"] == first - half + len(after) - last - half


def test_several_edits_or_a_whole_text(recording, tts):
    done = tts("edit", "in.wav", "--text", TEXT, "--delete", "old", "--insert-after", "boat", "again", "-l", "en",
               "--consent", CONSENT, "-o", "a.wav", "--json", "-q")  # fmt: skip
    assert done.code == 0 and done.err == "" and done.json["text"] == "The captain painted his boat again before the summer."
    whole = tts("edit", "in.wav", "--text", TEXT, "--to", done.json["text"], "-l", "en", "--consent", CONSENT, "-o", "b.wav")
    assert whole.code == 0 and np.array_equal(soundfile.read("a.wav")[0], soundfile.read("b.wav")[0])


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--delete", "old", "-o", "x.wav"], 77, "needs the consent"),
        (["--delete", "new", "-o", "x.wav", "--consent", CONSENT], 65, "'new' stands nowhere"),
        (["-o", "x.wav", "--consent", CONSENT], 2, "nothing to edit"),
        (["--delete", "old", "-o", "x.mp3", "--consent", CONSENT], 2, ".mp3 cannot hold PCM_16"),
        (["--delete", "old", "-o", "in.wav", "--consent", CONSENT], 73, "already exists"),
        (["--delete", "old", "-o", "none/x.wav", "--consent", CONSENT], 73, "does not exist"),
        (["--delete", "old", "--consent", CONSENT], 2, "--output"),
    ],
)
def test_what_cannot_be_done_is_refused_and_writes_nothing(recording, tts, tmp_path, arguments, code, told):
    done = tts("edit", "in.wav", "--text", TEXT, "-l", "en", *arguments)
    assert done.code == code and told in done.err and [path.name for path in tmp_path.iterdir()] == ["in.wav"]


def test_what_is_no_recording_is_told(recording, tts, tmp_path):
    (tmp_path / "text.wav").write_text("hello")
    soundfile.write("two.wav", np.zeros((8000, 2)), 8000)
    soundfile.write("long.wav", 0.1 * np.random.default_rng(0).standard_normal(121 * 8000), 8000)
    soundfile.write("silent.wav", np.zeros(24_000), 8000)
    soundfile.write("nan.wav", np.full(24_000, np.nan), 8000, subtype="FLOAT")
    cases = (
        ("text.wav", 65, "not an audio file"),
        ("none.wav", 66, "cannot be read"),
        ("two.wav", 65, "2 channels"),
        ("long.wav", 76, "120 s"),
        ("nan.wav", 65, "sample is nan"),
        ("silent.wav", 65, "above -50 dBFS"),
    )
    for name, code, told in cases:
        done = tts("edit", name, "--text", TEXT, "--delete", "old", "--consent", CONSENT, "-o", "x.wav")
        assert done.code == code and told in done.err and not (tmp_path / "x.wav").exists()
    assert tts("align", "long.wav", TEXT).code == 76


def test_align_tells_times_as_json_and_files(recording, tts, tmp_path):
    done = tts("align", "in.wav", TEXT, "-l", "en")
    assert done.code == 0 and done.err == "" and [word["label"] for word in done.json["words"]][:3] == ["The", "old", "captain"]
    assert done.json["phones"] and done.json["phone_error"] < 0.5
    assert done.json["duration"] == pytest.approx(done.json["words"][-1]["end"], abs=0.3)
    assert "phones" not in tts("align", "in.wav", TEXT, "-l", "en", "--level", "word").json
    (tmp_path / "t.txt").write_text(TEXT)
    for name, start in (("a.TextGrid", 'File type = "ooTextFile"'), ("a.ctm", "in 1 "), ("a.srt", "1\n00:"), ("a.vtt", "WEBVTT"),
                        ("a.json", "{")):  # fmt: skip
        assert tts("align", "in.wav", "-i", "t.txt", "-o", name).code == 0
        assert (tmp_path / name).read_text().startswith(start)
    assert json.loads((tmp_path / "a.json").read_text())["text"] == TEXT
    assert (tmp_path / "a.TextGrid").read_text().count("IntervalTier") == 2
    words = tts("align", "in.wav", "-i", "t.txt", "-o", "w.srt", "--level", "word")
    assert words.code == 0 and (tmp_path / "w.srt").read_text().count("-->") == len(TEXT.split())
    assert tts("align", "in.wav", TEXT, "-o", "a.ctm").code == 73 and tts("align", "in.wav", TEXT, "-o", "a.doc").code == 2
    assert tts("align", "in.wav", TEXT, "--level", "sentence").code == 2
    assert "is this what is said" in tts("align", "in.wav", "Nobody came to see her that long evening.", "-l", "en").err


def test_synth_writes_reads_and_copies_prosody(recording, tts, tmp_path):
    first = tts("synth", TEXT, "-l", "en", "-v", "bdl", "-o", "a.wav", "--prosody-out", "p.json", "--rate", "+10%")
    again = tts("synth", TEXT, "-l", "en", "-v", "bdl", "-o", "b.wav", "--prosody-in", "p.json", "--json")
    assert first.code == again.code == 0 and (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    assert again.json["words"] and again.json["duration"] > 1
    copied = tts("synth", TEXT, "-l", "en", "-v", "bdl", "-o", "c.wav", "--prosody-from", "in.wav", "--prosody-out", "q.json")
    assert copied.code == 0 and "warning" not in copied.err
    lengths = [soundfile.info(name).duration for name in ("a.wav", "in.wav", "c.wav")]
    assert abs(lengths[2] - lengths[1]) < 0.15
    refused = tts("synth", "Another text.", "-l", "en", "-v", "bdl", "-o", "d.wav", "--prosody-in", "p.json")
    assert refused.code == 65 and "word 1 is 'The' there and 'Another' here" in refused.err
    for flags in (["--prosody-in", "p.json", "--prosody-from", "in.wav"], ["--prosody-in", "p.json", "--rate", "2"],
                  ["--prosody-from", "in.wav", "--pitch", "2st"]):  # fmt: skip
        assert tts("synth", TEXT, "-o", "d.wav", *flags).code == 2
    assert tts("synth", TEXT, "-o", "d.wav", "--prosody-out", "p.json").code == 73
    doubted = tts("synth", "Nobody came to see her that long evening.", "-l", "en", "-o", "e.wav", "--prosody-from", "in.wav")
    assert doubted.code == 0 and "warning: in.wav" in doubted.err
