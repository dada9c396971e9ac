"""``accent`` of a request: asked of the synthesiser, noted when it cannot be had."""

from dataclasses import replace

import pytest

from frontend.inventory import id_to_symbol
from tts.api import Synthesizer
from tts.base.errors import UsageError


@pytest.fixture(scope="module")
def synthesizer(model_folder):
    return Synthesizer(model_folder / "fs2")


def said(plan):
    return [id_to_symbol(int(i)) for clause in plan.clauses for i in clause.ids]


def test_a_voice_speaks_foreign_text_with_its_accent(synthesizer):
    german = synthesizer.voice("carl")
    assert german.language == "de"
    native, own = (synthesizer.plan("The road.", voice=german, language="en", accent=kind) for kind in ("native", "speaker"))
    assert "ɹ" in said(native) and "ð" in said(native) and "ʁ" in said(own) and "ð" not in said(own)
    assert said(synthesizer.plan("Die Straße.", voice=german, language="de", accent="speaker")) == said(
        synthesizer.plan("Die Straße.", voice=german, language="de"))  # fmt: skip
    spoken = synthesizer.synth("The road.", voice=german, language="en", accent="speaker")
    assert [span.label for span in spoken.phones] == [label for label in said(own) if label in {s.label for s in spoken.phones}]
    assert not [note for note in spoken.notes if note.reason == "accent"]


def test_no_accent_where_the_voices_language_is_unknown_and_a_note(synthesizer):
    nobody = replace(synthesizer.voice("carl"), language="", languages=())
    spoken = synthesizer.synth("The road.", voice=nobody, language="en", accent="speaker")
    notes = [note for note in spoken.notes if note.reason == "accent"]
    assert len(notes) == 1 and "unknown" in notes[0].detail and "ɹ" in [span.label for span in spoken.phones]
    with pytest.raises(UsageError, match="accent is 'posh'"):
        synthesizer.synth("Hello.", accent="posh")
