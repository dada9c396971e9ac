"""Requests with a recording, as forms: ``POST /v1/voices`` clones it, ``POST /v1/audio/edit`` changes its words.

A consent is looked at before the recording is. It is a sentence, or the JSON of a record; never the path of one.
"""

from __future__ import annotations

from dataclasses import dataclass

from tts.base import strict_json
from tts.base.errors import DataError, UsageError
from tts.base.limits import LIMITS
from tts.consent import consent_record
from tts.edit import CANDIDATES
from tts.serve.form import parse_form
from tts.serve.request import check_language, check_text
from tts.voicefile import NAME


@dataclass(frozen=True)
class CloneRequest:
    """A recording of a person, who agreed."""

    audio: bytes
    consent: str | dict
    name: str = "clone"
    language: str = ""

    @classmethod
    def parse(cls, content_type: str, data: bytes) -> CloneRequest:
        """Of a form.

        Raises:
            NotPermittedError: No consent is given, or it has expired.
            DataError, UnavailableError: A field is unknown, missing or malformed.
        """
        form = parse_form(content_type, data, cls.__dataclass_fields__)
        consent, name, language = _consent(form), _text(form, "name") or "clone", _text(form, "language")
        if not NAME.fullmatch(name):
            raise DataError(f"{name!r:.80} is no voice name.", where="name", code="voice.name",
                            fix="Use a-z, 0-9, - and _; at most 64.")  # fmt: skip
        return cls(_audio(form), consent, name, check_language(language) if language else "")


@dataclass(frozen=True)
class EditRequest:
    """A recording, what is said in it, and what is to be said."""

    audio: bytes
    text: str
    to: str
    consent: str | dict
    language: str = "auto"
    seed: int = 0
    candidates: int = CANDIDATES
    response_format: str = "wav"

    @classmethod
    def parse(cls, content_type: str, data: bytes, max_chars: int = LIMITS.serve_text_chars) -> EditRequest:
        """Of a form; errors as :meth:`CloneRequest.parse`, and a text that is too long."""
        form = parse_form(content_type, data, cls.__dataclass_fields__)
        consent, response_format = _consent(form), _text(form, "response_format") or "wav"
        if response_format not in ("wav", "flac"):
            raise UsageError(f"format {response_format!r:.40} does not keep the samples.", where="response_format",
                             code="audio.format", fix="Use one of: wav, flac.")  # fmt: skip
        return cls(
            audio=_audio(form),
            text=check_text(_text(form, "text"), max_chars, "text"),
            to=check_text(_text(form, "to"), max_chars, "to"),
            consent=consent,
            language=check_language(_text(form, "language") or "auto"),
            seed=_whole(form, "seed", 0, 0, 2**63 - 1),
            candidates=_whole(form, "candidates", CANDIDATES, 1, CANDIDATES),
            response_format=response_format,
        )


def _consent(form: dict[str, bytes]) -> str | dict:
    consent = _text(form, "consent").strip()
    if consent.startswith("{"):
        consent = strict_json.loads(consent, "consent")
    elif consent.lower().endswith(".json"):
        raise DataError("a file's name is no consent.", where="consent", code="consent.malformed",
                        fix="Say who agreed, how and when, or send the record itself.")  # fmt: skip
    consent_record(consent, "consent")
    return consent


def _audio(form: dict[str, bytes]) -> bytes:
    if not form.get("audio"):
        raise DataError("there is no recording.", where="audio", code="request.audio", fix='Send it as the field "audio".')
    return form["audio"]


def _text(form: dict[str, bytes], name: str) -> str:
    try:
        return form.get(name, b"").decode("utf-8")
    except UnicodeDecodeError:
        raise DataError("not valid UTF-8.", where=name, code="request.utf8") from None


def _whole(form: dict[str, bytes], name: str, otherwise: int, low: int, high: int) -> int:
    text = _text(form, name)
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high):
        raise DataError(f"{name} is a whole number from {low} to {high}.", where=name, value=text, code="request.type")
    return int(text)
