"""The tables of masked decoding: quality against passes, and bandwidth extension beside what can be guessed."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from recipes.datadir import Utterance
from recipes.evaluate import enhance, passes
from tts.base.errors import UsageError
from tts.base.rng import normal

RATE = 24_000


def clip(name, speaker):
    return Utterance(name, Path(name), "a b", speaker, "en-us", seconds=2.0)


def embed(wav):
    """A speaker is a pitch: the angle of it."""
    angle = np.abs(np.fft.rfft(wav)).argmax() * RATE / len(wav) / 200
    return np.array([np.cos(angle), np.sin(angle)])


def test_passes_stand_beside_the_recordings(monkeypatch):
    pitch = {"anna": 200, "bea": 250, "carl": 100}

    def tone(hz):
        return np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32)

    monkeypatch.setattr(passes, "samples", lambda clip: tone(pitch[clip.speaker]))
    monkeypatch.setattr(passes, "dnsmos", lambda wav: SimpleNamespace(overall=3.0))
    clips = [clip(f"{speaker}{i}", speaker) for speaker, n in (("anna", 2), ("bea", 3), ("carl", 1)) for i in range(n)]
    rows, records = passes.quality(
        clips, lambda clip, steps: (tone(pitch[clip.speaker] + 40 / steps), 0.1), [1, 8],
        lambda clip: [90, 91], lambda wav: [90, 91 if embed(wav)[0] > 0 else 92], {"pitch": embed},
    )  # fmt: skip
    assert [(row["passes"], row["clips"]) for row in rows] == [("natural", 5), (1, 5), (8, 5)]  # carl has one clip
    found = [row["similarity, pitch"].value for row in rows]
    assert found[0] == pytest.approx(1.0) and found[0] > found[2] > found[1]
    assert rows[0]["RTF"].value is None and rows[1]["RTF"].value == pytest.approx(0.1) and len(records) == 15
    with pytest.raises(UsageError, match="two clips"):
        passes.quality(clips[-1:], None, [1], None, None, {})


def test_extension_is_judged_above_the_cutoff_alone(monkeypatch):
    wav = normal(0, "wide", (2 * RATE,)) * 0.1
    monkeypatch.setattr(enhance, "samples", lambda clip: wav)

    class Perfect:
        """Knows the recording; what lies below comes out wrong."""

        model = SimpleNamespace(vq=SimpleNamespace(encode=lambda mel: mel + 1, decode=lambda codes: codes))
        asked: list = []

        def extend(self, mel, cutoff, key, sampling):
            from vocoder.audio.mel import band_edges, log_mel

            self.asked.append(sampling.steps)
            return log_mel(wav) + 5 * (band_edges()[:-2] < 3000)

        def enhance(self, narrow):
            return wav * 2

    rows, records = enhance.extension([clip("a", "anna")], Perfect(), [2, 4])
    found = {row["band above by"]: row for row in rows}
    assert found["2 passes"]["mel dB"].value == 0 == found["likeliest codes"]["mel dB"].value
    assert found["samples"]["mel dB"].value == pytest.approx(20 * np.log10(2), abs=0.01)
    assert found["true codes"]["too loud by dB"].value == pytest.approx(20 / np.log(10), abs=0.01)
    nothing, repeated = (found[name]["mel dB"].value for name in ("nothing", "last band repeated"))
    assert nothing > 20 > repeated and found["nothing"]["too loud by dB"].value == pytest.approx(-nothing)
    assert 3600 < records[0]["cutoff_hz"] < 4000 and Perfect.asked[:2] == [2, 4]
