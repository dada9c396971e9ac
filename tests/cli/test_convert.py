"""``tts convert``: what the command itself does; conversion as such: tests/tts/test_convert.py."""

import numpy as np
import pytest

from tts.api import Synthesizer
from tts.speech import Speech
from tts.voice import Voice
from vocoder.audio.io import read_audio, write_audio


@pytest.fixture
def recording(tmp_path, monkeypatch):
    """A recording of 2.5 s, and a synthesiser that halves it and keeps what it was asked."""
    monkeypatch.chdir(tmp_path)
    wave = 0.1 * np.sin(np.arange(60_000) / 20).astype(np.float32)
    write_audio("in.wav", wave, 24_000)
    asked = []

    def voice(self, name, language="en-us"):
        return Voice(name, np.zeros((90, 100), np.float32), consent={"kind": "dataset_licence"})

    def convert_stream(self, blocks, who, **request):
        asked.append({"voice": who.name, **request})
        for block in blocks:
            record = {"watermark": {"applied": request["watermark"]}}
            yield Speech(block / 2, "", "", who.name, request["seed"], provenance=record)

    def convert(self, audio, who, **request):
        asked.append({"voice": who.name, **request})
        return Speech(read_audio(audio) / 4, request["text"], "en-us", who.name, request["seed"])

    for name, function in (("voice", voice), ("convert_stream", convert_stream), ("convert", convert)):
        monkeypatch.setattr(Synthesizer, name, function)
    return asked


def test_a_recording_is_streamed_into_a_file_of_the_same_length(recording, tts):
    done = tts("convert", "in.wav", "--voice", "kerstin", "-o", "out.flac", "--pitch", "-3st", "--seed", "5", "--json")
    assert done.code == 0 and done.json["seconds"] == 2.5 and done.json["voice"] == "kerstin"
    assert recording == [{"voice": "kerstin", "pitch": -3.0, "seed": 5, "content": None, "watermark": True, "reason": ""}]
    assert np.allclose(read_audio("out.flac"), read_audio("in.wav") / 2, atol=1e-4)
    assert tts("convert", "in.wav", "-v", "kerstin", "-o", "out.flac").code == 73


def test_the_text_is_handed_on(recording, tts):
    done = tts("convert", "in.wav", "-v", "kerstin", "-o", "out.wav", "--text", "Guten Tag.", "-l", "de")
    (asked,) = recording
    assert done.code == 0 and (asked["text"], asked["language"], asked["pitch"]) == ("Guten Tag.", "de", "auto")
    assert np.allclose(read_audio("out.wav"), read_audio("in.wav") / 4, atol=1e-4)


@pytest.mark.parametrize(
    ("extra", "code", "told"),
    [
        (("--pitch", "high"), 2, "pitch"),
        (("--reason", "none"), 2, "--no-watermark"),
        (("--no-watermark",), 2, "reason"),
        (("--consent", "me; today; here"), 2, "--consent"),
        (("--format", "gif"), 2, "gif"),
    ],
)
def test_what_does_not_fit_is_told_and_nothing_is_written(recording, tts, tmp_path, extra, code, told):
    done = tts("convert", "in.wav", "-v", "kerstin", "-o", "out.wav", *extra)
    assert done.code == code and told in done.err and not (tmp_path / "out.wav").exists() and not recording


def test_the_recording_is_never_written_over(recording, tts, tmp_path):
    before = (tmp_path / "in.wav").read_bytes()
    done = tts("convert", "in.wav", "-v", "kerstin", "-o", "in.wav", "--force")
    assert done.code == 2 and "written over" in done.err and (tmp_path / "in.wav").read_bytes() == before
    assert tts("convert", "none.wav", "-v", "kerstin", "-o", "out.wav").code == 66
    assert tts("convert", "in.wav", "-v", "other.wav", "-o", "out.wav").code == 77  # a recording without consent
