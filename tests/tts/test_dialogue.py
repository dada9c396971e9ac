"""Scripts: who says what, and what is said of a script that cannot be spoken."""

import pytest

from tts.api import Controls, Synthesizer
from tts.base.errors import DataError, UnavailableError
from tts.dialogue import TURN_PAUSE, Script, speak

HEAD = "# A play\nAda = ada\nBen = bea, rate=0.9, pitch=-2st\nCarl Otto = carl, language=de\n\n"
TEXT = HEAD + "Ada: Hello: you.\nBen: I came\n  late: very.\n\n  Sorry.\n# exit\nCarl Otto：Guten Tag.\n"


def test_a_script_is_read():
    script = Script.parse(TEXT)
    assert [(turn.name, turn.line, " ".join(script.said(turn).split())) for turn in script.turns] == [
        ("Ada", 6, "Hello: you."), ("Ben", 7, "I came late: very. Sorry."), ("Carl Otto", 12, "Guten Tag."),
    ]  # fmt: skip
    assert script.speakers["Ben"].controls == {"rate": 0.9, "pitch_st": -2.0} and script.speakers["Carl Otto"].language == "de"


@pytest.mark.parametrize(
    ("body", "line", "told"),
    [
        ("Ada: Hi.\nBem: Hi.", 7, "Did you mean 'Ben'?"),
        ("Ada: Hi.\nHe said: no.", 7, "He said = VOICE"),
        ("Ada: Hi.\nNothing more", 7, "indent it"),
        ("  indented", 6, "NAME:"),
        ("Ada: Hi.\n# a comment\n  goes on", 8, "below the turn"),
        ("Ada = bea\nAda: Hi.", 6, "already"),
        ("Eva = ada, speed=2\nEva: Hi.", 6, "rate=0.9"),
        ("Eva = ada, rate=9\nEva: Hi.", 6, "0.25 to 4"),
        ("", None, "no turns"),
        ("Ada:   ", None, "no turns"),
    ],
)
def test_faults_name_file_line_and_way_out(body, line, told):
    with pytest.raises(DataError) as caught:
        Script.parse(HEAD + body, "play.txt")
    assert caught.value.pos == line and str(caught.value).startswith("play.txt") and told in str(caught.value)


def test_it_is_spoken_turn_by_turn(model_folder):
    from tts.speech import join

    synthesizer = Synthesizer(model=model_folder / "fs2")
    script = Script.parse(TEXT)
    speech = join(speak(synthesizer, script, language="en", seed=3))
    alone = [
        synthesizer.synth(script.said(turn), voice=voice, language=language, seed=3, controls=controls)
        for turn, voice, language, controls in zip(
            script.turns, ("ada", "bea", "carl"), ("en", "en", "de"),
            (Controls(), Controls(rate=0.9, pitch_st=-2.0), Controls()), strict=True,
        )
    ]  # fmt: skip
    ends = [alone[0].duration, alone[0].duration + TURN_PAUSE + alone[1].duration]
    assert speech.duration == pytest.approx(sum(part.duration for part in alone) + TURN_PAUSE + TURN_PAUSE / 0.9, abs=1e-3)
    assert (speech.samples[: len(alone[0].samples)] == alone[0].samples).all()
    first = {chunk.speaker: chunk for chunk in reversed(speech.chunks)}
    assert first["Ben"].start == pytest.approx(ends[0] + TURN_PAUSE, abs=1e-3)
    assert all(speech.text[slice(*word.source)].strip(" .:") == word.label.strip(" .:") for word in speech.words)
    assert speech.to_srt().count("Ben: ") == 1 and "\nCarl Otto: Guten Tag.\n" in speech.to_srt()
    assert speech.to_vtt().count("<v Ben>") == sum(chunk.speaker == "Ben" for chunk in speech.chunks) > 1
    assert speech.to_dict()["chunks"][-1]["speaker"] == "Carl Otto" and "speaker" not in speech.to_dict()["words"][0]
    record = speech.provenance
    assert (record["voice"], record["language"], record["voice_origin"]) == ("ada, bea, carl", "mul", "builtin")


def test_faults_of_speaking_name_the_line(model_folder):
    synthesizer = Synthesizer(model=model_folder / "fs2")
    with pytest.raises(UnavailableError) as caught:
        list(speak(synthesizer, Script.parse("Ada = adda\nAda: Hi.", "play.txt")))
    assert str(caught.value).startswith("play.txt:1: ") and "'ada'" in str(caught.value)
    with pytest.raises(DataError) as caught:
        list(speak(synthesizer, Script.parse("Ada = ada\nAda: Hi.\nAda: ☃", "play.txt"), language="en"))
    assert str(caught.value).startswith("play.txt:3: ")
