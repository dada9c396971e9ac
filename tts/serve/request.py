"""``POST /v1/audio/speech`` and ``/v1/audio/prosody``: the fields of OpenAI's endpoint and ours, checked before anything else.

Source: OpenAI's API reference, "Create speech". What differs: other voices and models; ``instructions`` are refused because no
model here follows them; no ``aac``; longer texts; ``stream_format`` ``ndjson``; the fields after ``instructions``.
"""

from __future__ import annotations

import difflib
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real

from tts.api import Controls, check_range
from tts.base import strict_json
from tts.base.errors import DataError, ResourceError, UnavailableError, UsageError
from tts.base.limits import LIMITS

#: Field -> what its JSON value must be. ``null`` is as good as left out.
FIELDS = {
    "model": str, "input": str, "voice": (str, dict), "response_format": str, "speed": Real, "stream_format": str,
    "instructions": str, "language": str, "seed": Integral, "pitch_st": Real, "pitch_range": Real, "energy_db": Real,
    "phonemes": bool, "timings": bool, "prosody": dict,
}  # fmt: skip
#: Those that say how to answer; a question for prosody has none of them.
FORM_FIELDS = ("response_format", "stream_format", "timings", "prosody")
_KINDS = {str: "text", Real: "a number", Integral: "a whole number", bool: "true or false", (str, dict): "a name",
          dict: "an object"}  # fmt: skip
#: OpenAI's names, for programs that offer no others -> ours.
OPENAI_VOICES = {
    "alloy": "kathleen", "ash": "bdl", "ballad": "ls78", "cedar": "ls78", "coral": "slt", "echo": "bdl", "fable": "ls78",
    "marin": "kathleen", "nova": "slt", "onyx": "bdl", "sage": "ls40", "shimmer": "ls40", "verse": "bdl",
}  # fmt: skip
OPENAI_MODELS = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")  # stand for the model that is served
STREAM_FORMATS = ("audio", "sse", "ndjson")


@dataclass(frozen=True)
class SpeechRequest:
    """What to say, how, and in which form to answer."""

    text: str
    voice: str | None = None  # the language's first
    language: str = "auto"
    controls: Controls = field(default_factory=Controls)
    seed: int = 0
    phonemes: bool = False
    response_format: str = "mp3"
    stream_format: str = "audio"
    timings: bool = False  # of words, phones and clauses, as events
    prosody: dict | None = None  # as of tts.prosody.to_dict; predicted when None

    @classmethod
    def parse(
        cls, data: bytes, model: str, voices: Mapping, clones: Container = (), max_chars: int = LIMITS.serve_text_chars,
        fields: Mapping = FIELDS,
    ) -> SpeechRequest:  # fmt: skip
        """Of a request's body.

        Args:
            data: JSON.
            model: Name of the model that is served.
            voices: Has the names of its voices.
            clones: Has the ids of voices that are never listed.
            max_chars: Longest text.
            fields: That there may be, of ``FIELDS``.

        Raises:
            DataError, UsageError: It is no JSON object, or a field is unknown, missing, of a wrong type or out of range.
            UnavailableError: No such model, voice or language.
            ResourceError: The text is too long.
        """
        given = strict_json.loads(data, "request")
        if not isinstance(given, dict):
            raise DataError("the body is no JSON object.", where="request", code="request.json")
        given = {name: value for name, value in given.items() if _checked(name, value, fields) is not None}
        _check_model(given.get("model", model), model)
        if given.get("instructions"):
            raise UsageError("no model here follows instructions.", where="instructions", code="request.instructions",
                             fix="Leave them out; speed, pitch_st, pitch_range and energy_db are followed.")  # fmt: skip
        check_range("speed", given.get("speed", 1.0), 0.25, 4.0)
        check_range("seed", given.get("seed", 0), 0, 2**63 - 1, Integral)
        controls = {name: given[name] for name in ("pitch_st", "pitch_range", "energy_db") if name in given}
        if "prosody" in given:
            max_chars = min(max_chars, LIMITS.serve_prosody_chars)
            _check_alone(given)
        stream_format, timings = given.get("stream_format", "audio"), given.get("timings", False)
        if stream_format not in STREAM_FORMATS:
            raise UsageError(f"stream_format is {stream_format!r:.40}.", where="stream_format", code="request.stream_format",
                             fix=f"Use one of: {', '.join(STREAM_FORMATS)}.")  # fmt: skip
        if timings and stream_format == "audio":
            raise UsageError("timings come as events.", where="timings", code="request.timings",
                             fix='Add "stream_format": "sse" or "ndjson".')  # fmt: skip
        return cls(
            text=check_text(given.get("input"), max_chars),
            voice=voice_of(given.get("voice"), voices, clones),
            language=check_language(given.get("language", "auto")),
            controls=Controls(rate=given.get("speed", 1.0), **controls),
            seed=given.get("seed", 0),
            phonemes=given.get("phonemes", False),
            response_format=check_format(given.get("response_format", "mp3"), "response_format"),
            stream_format=stream_format,
            timings=timings,
            prosody=given.get("prosody"),
        )


def _checked(name: str, value, fields: Mapping):
    """The value of a field that exists, of its type."""
    if name not in fields:
        raise DataError(f"no field {name!r:.80}.", where="request", value=name, code="request.field", fix=_hint(name, fields))
    kind = fields[name]
    if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
        raise DataError(f"{name} is {_KINDS[kind]}.", where=name, value=value, code="request.type")
    return value


def _check_model(asked: str, model: str) -> None:
    if asked != model and asked not in OPENAI_MODELS:
        raise UnavailableError(f"model {asked!r:.80} is not served.", where="model", code="model.unknown",
                               fix=f"Use {model!r}.")  # fmt: skip


def _check_alone(given: Mapping) -> None:
    """Nothing beside given prosody that it would silence."""
    beside = [name for name in ("speed", "pitch_st", "pitch_range", "energy_db") if name in given]
    if beside:
        raise UsageError(f"{beside[0]} is already in the prosody.", where=beside[0], code="request.prosody",
                         fix="Leave it out, or ask /v1/audio/prosody with it.")  # fmt: skip


def check_text(text: str | None, max_chars: int = LIMITS.serve_text_chars, where: str = "input") -> str:
    """A text that is there, and not too long."""
    if not text:
        raise DataError("there is no text.", where=where, code="request.text", fix=f'Give it as "{where}".')
    if len(text) > max_chars:
        raise ResourceError(f"the text has {len(text):,} characters; at most {max_chars:,} are taken at once.", where=where,
                            code="request.text_size", limit=max_chars, fix="Send it in parts.")  # fmt: skip
    return text


def voice_of(asked: str | dict | None, voices: Mapping, clones: Container = ()) -> str | None:
    """The name of a voice that exists, of a name of ours or OpenAI's, or ``{"id": name}``; only looked up, never opened."""
    name = asked if asked is None or isinstance(asked, str) else asked.get("id")
    if isinstance(asked, dict) and not (isinstance(name, str) and len(asked) == 1):
        raise DataError('a voice is a name, or {"id": name}.', where="voice", value=asked, code="request.type")
    known = name if name in voices or name in clones else OPENAI_VOICES.get(name)
    if name is not None and known not in voices and known not in clones:
        raise UnavailableError(f"voice {name!r:.80} does not exist.", where="voice", code="voice.unknown",
                               fix=_hint(name, voices))  # fmt: skip
    return known


def check_language(tag: str) -> str:
    """``auto``, or the tag of a language that can be read."""
    if tag != "auto":
        from frontend.languages import resolve

        resolve(tag)
    return tag


def check_format(name: str, where: str) -> str:
    """An audio format that can be written here."""
    from vocoder.audio.frames import SAMPLE_RATE
    from vocoder.audio.io import FORMATS, check_coding

    if name not in FORMATS:
        raise UsageError(f"format {name!r:.40} is not written here.", where=where, code="audio.format",
                         fix=f"Use one of: {', '.join(FORMATS)}.")  # fmt: skip
    check_coding(name, SAMPLE_RATE)
    return name


def _hint(name: str, names) -> str:
    near = difflib.get_close_matches(name[:80], names, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}."
