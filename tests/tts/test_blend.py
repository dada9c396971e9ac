"""Mixes of voices: styles in proportion, consent of everybody, the first where it is alone; names stay in the folder."""

import os

import numpy as np
import pytest

from tts.api import Synthesizer
from tts.base.errors import ModelError, UnavailableError, UsageError
from tts.voice import Voice


@pytest.fixture(scope="module")
def fs2(model_folder):
    return Synthesizer(model_folder / "fs2")


@pytest.fixture(scope="module")
def cloned():
    reference = (np.random.default_rng(4).standard_normal((900, 100)) - 5).astype(np.float16).astype(np.float32)
    speaker = np.eye(1, 4, dtype=np.float32)[0]
    consent = {"kind": "asserted", "statement": "me"}
    facts = {"consent": consent, "language": "fr", "licence": "mine", "pitch": (100.0, 0.1), "source_sha256": "ab"}
    return Voice("me", reference, speaker=speaker, speaker_model="e", **facts)


def test_a_mix_is_the_weighted_mean_of_styles_and_is_spoken(fs2, cloned, tmp_path):
    ada = fs2.voice("ada")
    mix = Voice.blend({ada: 7, cloned: 3}, "mix", fs2)
    assert np.allclose(mix.style, 0.7 * ada.style + 0.3 * fs2.style(cloned), atol=1e-6) and mix.model_id == fs2.model_id
    assert (mix.language, mix.languages, mix.gender, mix.licence) == ("en-us", ("en-us", "fr"), "u", "mine")
    parts = mix.consent["parts"]
    assert [(p["name"], p["weight"], p["consent"]) for p in parts] == [("ada", 0.7, ada.consent), ("me", 0.3, cloned.consent)]
    mix.save(tmp_path / "mix.safetensors")
    again = Voice.load(tmp_path / "mix.safetensors")
    assert again.consent == mix.consent and np.array_equal(again.style, mix.style)
    assert len(fs2.synth("Hello.", language="en", voice=again).samples) > 1000


def test_weights_one_and_zero_are_the_first_voice(fs2, cloned):
    for voice, other in ((fs2.voice("ada"), cloned), (cloned, fs2.voice("ada"))):
        mix = Voice.blend({voice: 1, other: 0}, "mix", fs2)
        assert np.array_equal(mix.style, fs2.style(voice)) and np.array_equal(mix.reference, voice.reference)
        assert [part["name"] for part in mix.consent["parts"]] == [voice.name]


def test_every_stretch_of_a_joined_reference_holds_the_shares(fs2, cloned):
    one, other = (Voice(n, np.full((900, 100), v, np.float32)) for n, v in (("a", -5.0), ("b", -1.0)))
    reference = Voice.blend({one: 0.7, other: 0.3}, "mix", fs2).reference
    assert len(reference) == 1200  # until the larger share has no more
    for start in (0, 150, 450):
        assert (reference[start : start + 300] == -1).mean() == pytest.approx(0.3, abs=0.01)
    short = Voice("c", np.full((20, 100), -2.0, np.float32))
    assert len(Voice.blend({one: 0.5, short: 0.5}, "mix", fs2).reference) >= 40


def test_speaker_and_pitch_lie_in_between(fs2, cloned):
    other = Voice("x", cloned.reference, pitch=(400.0, 0.3), speaker=np.eye(2, 4, dtype=np.float32)[1], speaker_model="e")
    mix = Voice.blend({cloned: 1, other: 1}, "mix", fs2)
    assert mix.pitch == pytest.approx((200.0, 0.2)) and np.linalg.norm(mix.speaker) == pytest.approx(1)
    assert Voice.blend({cloned: 1, fs2.voice("ada"): 1}, "mix", fs2).speaker is None


@pytest.mark.parametrize("weights", [{}, {"ada": 1}, [1], None, "nan", "minus", "zero", "text"], ids=str)
def test_weights_that_are_no_shares_are_refused(fs2, cloned, weights):
    made = {"nan": {cloned: float("nan")}, "minus": {cloned: -1}, "zero": {cloned: 0}, "text": {cloned: "1"}}
    with pytest.raises(UsageError, match="weights"):
        Voice.blend(made[weights] if isinstance(weights, str) else weights, "mix", fs2)


def test_a_voice_of_another_model_is_refused_by_name(fs2, model_folder):
    foreign = Synthesizer(model_folder / "flow").voice("ada")
    with pytest.raises(ModelError, match="'ada' belongs to model"):
        Voice.blend({fs2.voice("ada"): 1, foreign: 1}, "mix", fs2)


NAMES = [
    "../ada", "../voices/ada", "voices/ada", "./ada", "/etc/passwd", "ada.safetensors", "ada\0", "a\0da", "..", ".", "",
    "/dev/zero", "ADA", "ada/", "*", "a" * 5000, "~/ada", "ada\n", b"ada", 5, ("ada",),
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:12])
def test_a_voice_name_never_leaves_the_voice_folder(fs2, name, monkeypatch):
    opened = []
    real = Voice.load
    monkeypatch.setattr(Voice, "load", lambda path: opened.append(path) or real(path))
    with pytest.raises(UnavailableError, match="does not exist") as caught:
        fs2.voice(name)
    assert caught.value.code == "voice.unknown" and opened == [] and len(str(caught.value)) < 6000


def test_links_out_of_the_voice_folder_are_no_voices(fs2, model_folder, tmp_path):
    import shutil

    folder = tmp_path / "m"
    shutil.copytree(model_folder / "fs2", folder)
    voices = folder / "voices"
    shutil.copy(voices / "ada.safetensors", tmp_path / "out.safetensors")
    (voices / "out.safetensors").symlink_to(tmp_path / "out.safetensors")
    (voices / "zero.safetensors").symlink_to("/dev/zero")
    (voices / "gone.safetensors").symlink_to(tmp_path / "gone.safetensors")
    (voices / "alias.safetensors").symlink_to("ada.safetensors")
    (voices / "folder.safetensors").mkdir()
    os.mkfifo(voices / "pipe.safetensors")
    synthesizer = Synthesizer(folder)
    assert sorted(voice.name for voice in synthesizer.voices()) == ["ada", "ada", "bea", "carl"]  # an alias inside stays
    for name in ("out", "zero", "gone", "folder", "pipe"):
        with pytest.raises(UnavailableError, match="does not exist"):
            synthesizer.voice(name)
