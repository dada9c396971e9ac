"""Dialogues: a script of several speakers, each with a voice, spoken turn by turn.

    # Lines that begin with a number sign are for readers of the script.
    Ada = kathleen
    Ben = bdl, rate=0.9, pitch=-1
    Zoé = zoe.safetensors, language=fr

    Ada: Did you hear the sea last night?
    Ben: I did. It was loud,
      louder than ever.

The head gives each name a voice of ``tts voices`` or a saved voice (beside the script, if its path is relative), and where wanted
a language, rate and pitch (semitones). A turn begins with a name of the head; indented lines go on with it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tts import provenance
from tts.api import Controls, Synthesizer, silence
from tts.base.errors import DataError, TtsError, UnavailableError
from tts.speech import Speech
from tts.voice import Voice

TURN_PAUSE = 0.35  # seconds between turns, at rate 1
_CAST = re.compile(r"(?P<name>[^\s#:：=][^:：=]{0,39}?)\s*=\s*(?P<voice>[^,=]+?)\s*(?P<options>,.*)?")
_TURN = re.compile(r"(?P<name>[^\s#:：][^:：]{0,39}?)\s*[:：]")


@dataclass(frozen=True)
class Speaker:
    """A line of the head."""

    voice: str  # a name, or the path of a saved voice
    line: int
    language: str = ""
    controls: dict = field(default_factory=dict)  # changes to tts.api.Controls


@dataclass(frozen=True)
class Turn:
    """What a speaker says: code points ``start`` to ``end`` of the script."""

    name: str
    start: int
    end: int
    line: int


@dataclass(frozen=True)
class Script:
    """A parsed script."""

    text: str
    speakers: dict[str, Speaker]
    turns: tuple[Turn, ...]
    where: str = "<script>"

    @classmethod
    def parse(cls, text: str, where: str = "<script>") -> Script:
        """Read a script; ``where`` is its file's name, for messages and relative paths.

        Raises:
            DataError: A name without a voice, a line that belongs to no turn, an unknown option; ``pos`` is the line.
        """
        speakers: dict[str, Speaker] = {}
        turns: list[Turn] = []
        start, goes_on = 0, False  # whether a turn is open, which a comment ends
        for number, line in enumerate(text.split("\n"), 1):
            end = start + len(line)
            indented = line[:1].isspace()
            cast = None if turns or indented else _CAST.fullmatch(line.rstrip())
            turn = None if indented else _TURN.match(line)
            if not line.strip() or line.startswith("#"):
                goes_on &= not line.startswith("#")
            elif indented and goes_on:
                turns[-1] = replace(turns[-1], end=end)
            elif cast:
                if cast["name"] in speakers:
                    raise _fault(where, number, f"{cast['name']!r} has a voice already.", "twice", "Give each name one line.")
                speakers[cast["name"]] = _speaker(cast, number, where)
            elif turn is None:
                raise _fault(where, number, f"{line.strip()!r:.60} belongs to nobody.", "line",
                             "Begin it with NAME:, or indent it right below the turn that it goes on with.")  # fmt: skip
            elif turn["name"] not in speakers:
                near = difflib.get_close_matches(turn["name"], speakers, n=1)
                hint = f"Did you mean {near[0]!r}? Else add" if near else "Add"
                raise _fault(where, number, f"no voice is given for {turn['name']!r}.", "name",
                             f"{hint} a line to the head: {turn['name']} = VOICE. Or indent the line.")  # fmt: skip
            else:
                turns.append(Turn(turn["name"], start + turn.end(), end, number))
                goes_on = True
            start = end + 1
        turns = [turn for turn in turns if text[turn.start : turn.end].strip()]
        if not turns:
            raise DataError("the script has no turns.", where=where, code="script.empty",
                            fix="Write a head, Ada = kathleen, and turns, Ada: Hello.")  # fmt: skip
        return cls(text, speakers, tuple(turns), where)

    def said(self, turn: Turn) -> str:
        """The words of a turn."""
        return self.text[turn.start : turn.end]

    def cast(self, synthesizer: Synthesizer) -> dict[str, Voice]:
        """The voices of those who speak.

        Raises:
            UnavailableError: There is no such voice; ``pos`` is the line of the head.
            NoInputError, ModelError, NotPermittedError: as ``Voice.load``.
        """
        folder, found = Path(self.where).parent, {}
        for name in dict.fromkeys(turn.name for turn in self.turns):
            speaker = self.speakers[name]
            if speaker.voice.endswith(".safetensors"):
                found[name] = Voice.load(folder / speaker.voice)
                continue
            try:
                found[name] = synthesizer.voice(speaker.voice)
            except UnavailableError as error:
                raise UnavailableError(error.what, where=self.where, pos=speaker.line, fix=error.fix, code=error.code) from error
        return found


def speak(
    synthesizer: Synthesizer, script: Script, language: str = "auto", controls: Controls | None = None, **request
) -> Iterator[Speech]:
    """The script in chunks, as ``Synthesizer.stream`` gives them; clauses carry the speaker, positions are those in the script.

    Args:
        language: Of those for whom the head gives none; "auto" detects one on all that they say.
        controls: Of all; the head's options come before.
        request: As of ``Synthesizer.stream``, without ``voice``.

    Raises:
        TtsError: as ``Synthesizer.stream``.
    """
    import frontend

    cast, said = script.cast(synthesizer), "\n".join(script.said(turn).strip() for turn in script.turns)
    if language == "auto":
        heard = [script.said(turn).strip() for turn in script.turns if not script.speakers[turn.name].language]
        language = frontend.read("\n".join(heard)[:20_000], "auto").language if heard else ""
    languages = [script.speakers[name].language or language for name in cast]
    made, notes, wall, first, seconds = None, (), 0.0, None, 0.0
    for i, turn in enumerate(script.turns):
        speaker, before = script.speakers[turn.name], wall
        manner = replace(controls or Controls(), **speaker.controls)
        options = {"voice": cast[turn.name], "language": speaker.language or language, "controls": manner, **request}
        pause = 0.0 if i + 1 == len(script.turns) else TURN_PAUSE / manner.rate
        for chunk in _turn(synthesizer, script, turn, options, pause):
            made = made or provenance.joined(chunk.provenance, said, cast.values(), languages)
            wall, seconds = before + chunk.metrics["wall_s"], seconds + chunk.duration
            first = first or wall
            own = tuple(replace(note, start=note.start + turn.start, end=note.end + turn.start) for note in chunk.notes)
            yield replace(
                chunk, text=script.text, language=made["language"], voice=made["voice"], provenance=made, notes=notes + own,
                words=_moved(chunk.words, turn), phones=_moved(chunk.phones, turn), chunks=_moved(chunk.chunks, turn, turn.name),
                metrics={"wall_s": wall, "first_audio_s": first, "rtf": wall / max(seconds, 1e-9)},
            )  # fmt: skip
        notes += own


def _turn(synthesizer: Synthesizer, script: Script, turn: Turn, options: dict, pause: float) -> Iterator[Speech]:
    """A turn, then the pause behind it."""
    try:
        for chunk in synthesizer.stream(script.said(turn), **options):
            yield chunk
    except DataError as error:
        raise DataError(error.what, where=script.where, pos=turn.line, fix=error.fix, code=error.code) from error
    yield from silence(chunk, pause)


def _moved(spans: tuple, turn: Turn, speaker: str = "") -> tuple:
    """Spans of a turn as spans of the script."""
    return tuple(
        replace(span, speaker=speaker, source=span.source and (span.source[0] + turn.start, span.source[1] + turn.start))
        for span in spans
    )


def _speaker(cast: re.Match, number: int, where: str) -> Speaker:
    """A line of the head."""
    language, controls = "", {}
    for option in filter(None, (part.strip() for part in (cast["options"] or "").split(","))):
        name, _, value = (part.strip() for part in option.partition("="))
        if name == "language" and value:
            language = value
        elif name in ("rate", "pitch") and re.fullmatch(r"[+-]?\d{1,3}(\.\d{1,4})?(st)?", value, re.ASCII):
            controls["rate" if name == "rate" else "pitch_st"] = float(value.removesuffix("st"))
        else:
            raise _fault(where, number, f"{option!r:.40} is no option.", "option", "Write language=de, rate=0.9 or pitch=-2.")
    try:
        Controls(**controls)
    except TtsError as error:
        raise _fault(where, number, error.what, "option", "") from error
    return Speaker(cast["voice"].strip(), number, language, controls)


def _fault(where: str, line: int, what: str, code: str, fix: str) -> DataError:
    return DataError(what, where=where, pos=line, code=f"script.{code}", fix=fix)
