"""Tables of conversion, of voices in other languages and of accents, on tones that are told apart by their pitch."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from frontend.inventory import size, symbol_to_id
from recipes.datadir import Utterance
from recipes.evaluate import accent, conversion, crosslingual
from recipes.evaluate.accent import AccentJudge, fit, normalised
from tts.base.errors import DataError

RATE = 24_000


def tone(pitch, seconds=1.0):
    t = np.arange(round(seconds * RATE)) / RATE
    glide = pitch * (1 + 0.1 * np.sin(2 * np.pi * t))  # a melody, so that it can be kept or lost
    phase = 2 * np.pi * np.cumsum(glide) / RATE
    return sum(0.1 / k * np.sin(k * phase) for k in range(1, 8)).astype(np.float32)


def pitch_of(wav):
    spectrum = np.abs(np.fft.rfft(wav))
    return float((spectrum[:400] * np.arange(400)).sum() / spectrum[:400].sum())


def embed(wav):
    angle = pitch_of(wav) / 150
    return np.array([np.cos(angle), np.sin(angle)])


def test_conversion_is_measured_against_target_and_source(monkeypatch):
    pytest.importorskip("jiwer")
    pytest.importorskip("pyworld")
    monkeypatch.setattr(conversion, "samples", lambda clip: tone(110))
    source = [Utterance("u0", Path("u0"), "a b", "anna", "en-us", seconds=1.0)]
    targets = [conversion.Target("high", "house voices", "VOICE", (tone(220), tone(222))),
               conversion.Target("other", "cloned voices", "OTHER", (tone(330),))]  # fmt: skip
    systems = {"right": lambda clip, wav, voice: tone(220 if voice == "VOICE" else 330), "deaf": lambda clip, wav, voice: wav}

    def recognise(wav):
        return [20, 21] if abs(pitch_of(wav) - pitch_of(tone(220))) < 5 else [20, 21, 22, 23]

    records = conversion.measure(source, targets, systems, lambda wav: wav, {"angle": embed}, lambda clip: [20, 21, 22, 23],
                                 recognise)  # fmt: skip
    rows = {(row["target"], row["speech"]): row for row in conversion.table(records, targets, {"angle": embed})}
    right, deaf = rows["house voices", "right"], rows["house voices", "deaf"]
    assert right["angle, to target"].value > 0.99 > deaf["angle, to target"].value
    assert deaf["angle, to source"].value == pytest.approx(1) and right["angle, to source"].value < 0.99
    assert right["phone error"].value == 0.5 and deaf["phone error"].value == 0
    assert right["F0 correlation"].value > 0.9 and deaf["F0 correlation"].value == pytest.approx(1)
    assert rows["house voices", "the target's own recordings"]["angle, to target"].value > 0.99
    assert rows["cloned voices", "the target's own recordings"]["angle, to target"] is None  # one clip: nothing to compare
    assert rows["cloned voices", "the source, not converted"]["conversions"] == 1


def test_pitch_correlation_needs_common_voiced_frames_and_a_melody():
    one = 100 + 10 * np.sin(np.arange(50) / 5)
    assert conversion.pitch_correlation(one, 2 * one) == pytest.approx(1, abs=1e-3)
    assert conversion.pitch_correlation(one, 1e4 / one) == pytest.approx(-1)
    assert conversion.pitch_correlation(one, np.zeros(50)) is None
    assert conversion.pitch_correlation(one, np.full(50, 100.0)) is None


def test_voices_in_other_languages_are_grouped_and_compared_with_themselves():
    pytest.importorskip("jiwer")
    voices = [SimpleNamespace(name=name, language=tag) for name, tag in (("ada", "en-us"), ("bert", "de"))]
    pitch, asked = {"ada": 200, "bert": 100}, []
    threshold = pitch_of(tone(165))

    def speak(text, language, voice, kind):
        asked.append((text, language, voice, kind))
        return tone(pitch[voice] + (30 if kind == "speaker" else 0)), [20, 21]

    records = crosslingual.measure(
        voices, {"en-us": "Hello.", "de": "Hallo."}, speak, {name: [tone(hz)] for name, hz in pitch.items()}, {"angle": embed},
        lambda wav: [20, 21], lambda wav: {"en-us": 0.9, "de": 0.1} if pitch_of(wav) > threshold else {"en-us": 0.2, "de": 0.8},
    )
    assert sorted(asked) == sorted([("Hello.", "en-us", "ada", "native"), ("Hallo.", "de", "bert", "native")] + [
        (text, tag, name, kind) for text, tag, name in (("Hallo.", "de", "ada"), ("Hello.", "en-us", "bert"))
        for kind in ("native", "speaker")])  # fmt: skip
    rows = {(row["text"], row["voices of"], row["accent"]): row for row in crosslingual.table(records, ["angle"])}
    assert rows["en-us", "en-us", None]["angle"].value == pytest.approx(1, abs=1e-6)
    foreign, own = rows["de", "en-us", "native"], rows["de", "en-us", "speaker"]
    assert foreign["angle"].value > own["angle"].value and foreign["phone error"].value == 0
    assert foreign["judged as the text's"].value == 0 and foreign["P(voice's language)"].value == 0.9
    assert rows["all foreign", None, "native"]["voices"] == 2


def shares(counts):
    made = np.zeros(size())
    for symbol, count in counts.items():
        made[symbol_to_id(symbol)] = count
    return made / made.sum()


def test_the_judge_tells_languages_by_their_sounds_and_is_read_as_it_was_written(tmp_path):
    rng = np.random.default_rng(0)

    def clip(own):
        counts = {"a": 5, "t": 5, "n": 5} | own
        return shares({symbol: count * rng.uniform(0.5, 1.5) for symbol, count in counts.items()})

    german, english = {"ʁ": 3, "ç": 2}, {"ɹ": 3, "ð": 2, "æ": 1}
    judge = fit(np.stack([clip(own) for own in (german, english) for _ in range(20)]), ["de"] * 20 + ["en-us"] * 20)
    assert judge(clip(german))["de"] > 0.9 and judge(clip(english))["en-us"] > 0.9
    assert judge(clip({"ʁ": 3, "ð": 2}))["de"] < judge(clip(german))["de"]
    judge.save(tmp_path / "judge.json")
    again, sample = AccentJudge.load(tmp_path / "judge.json"), clip(english)
    assert again.languages == ("de", "en-us") and again(sample)["en-us"] == pytest.approx(judge(sample)["en-us"], abs=0.01)
    assert (tmp_path / "judge.json").stat().st_size < 2000


def test_silence_has_no_accent_and_blanks_do_not_count():
    heard = np.zeros((10, size()))
    heard[:, 0], heard[:, 1] = 0.9, 0.1
    with pytest.raises(DataError, match="no phone"):
        normalised(heard)
    heard[3, symbol_to_id("a")] = 0.5
    assert normalised(heard)[symbol_to_id("a")] == 1


def test_the_shipped_judge_knows_the_house_languages():
    judge = AccentJudge.load()
    assert judge.languages == ("cmn", "de", "en-us", "fr", "nl") and judge.weight.shape == (len(judge.phones), 5)
    assert max(judge(shares({"θ": 1, "ð": 2, "ɹ": 3, "æ": 3, "ə": 3, "t": 3})).items(), key=lambda item: item[1])[0] == "en-us"
    assert max(judge(shares({"ʁ": 3, "ɑ̃": 2, "y": 1, "ʒ": 1, "l": 3, "e": 3})).items(), key=lambda item: item[1])[0] == "fr"


def test_the_table_of_the_judge_tells_what_is_confused(monkeypatch):
    monkeypatch.setattr(accent, "samples", lambda clip: clip.id)
    clips = [Utterance(name, Path(name), "", "x", name[:2]) for name in ("de1", "de2", "fr1")]
    found = {"de1": {"de": 0.8, "fr": 0.2}, "de2": {"de": 0.3, "fr": 0.7}, "fr1": {"de": 0.1, "fr": 0.9}}
    rows, records = accent.confusions(clips, lambda heard: heard, lambda wav: found[wav])
    told = [(row["language"], row["judged right"].value, row["taken for"]) for row in rows]
    assert told == [("de", 0.5, "fr"), ("fr", 1, None)]
    assert len(records) == 3
