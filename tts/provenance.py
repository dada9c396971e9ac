"""The provenance record: what made a file, as JSON in the comment that every audio format has, and whether it fits the file.

    {"schema": "parlance-provenance/1", "synthetic": true, "digital_source_type": ".../trainedAlgorithmicMedia",
     "tool": ..., "version": ..., "model_id": ..., "voice": ..., "voice_origin": "builtin" | "cloned",
     "consent": {"kind": ..., "sha256": ...}, "language": ..., "text_sha256": ..., "seed": ..., "segments_edited": [[start, end]],
     "watermark": {"applied": true, "scheme": 1, "key_id": "public", "payload": "1a3f"} | {"applied": false, "reason": ...},
     "audio": {"sample_rate": ..., "samples": ..., "pcm_sha256": ...}}

The record has no date unless one is asked for, so that equal requests give equal files. The text's hash has no salt: the audio
itself says the text. A record is not signed: whoever can write a file can write a record, or remove it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from tts.base import strict_json
from tts.base.errors import DataError, ResourceError, UsageError

SCHEMA = "parlance-provenance/1"
SYNTHETIC = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"  # IPTC's term
EDITED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
HEARD = 3.0  # seconds of edited speech from which on its mark must be heard
LONGEST = 65_536  # characters of a record that is read
VALID, ABSENT, MISMATCH = "valid", "absent", "does not match audio"


def record(
    *,
    model_id: str,
    voice,
    language: str,
    text: str,
    seed: int,
    watermark: dict,
    segments_edited: Iterable[tuple[float, float]] = (),
    created_utc: str | None = None,
) -> dict:
    """The record of synthetic speech, without what only the file knows.

    Args:
        model_id: Of the acoustic model.
        voice: The ``tts.voice.Voice`` that speaks, or the ``tts.edit.Edited`` whose own speaker does.
        language: Tag of the text's language.
        text: What is said; only its hash is kept.
        watermark: ``Mark.facts``, or ``unmarked(reason)``.
        segments_edited: Seconds (start, end) that were made, in a recording of a person.
        created_utc: ISO 8601; a record with a date differs from run to run.
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        installed = version("parlance-tts")
    except PackageNotFoundError:  # a checkout
        installed = "unknown"
    edited = [[round(start, 4), round(end, 4)] for start, end in segments_edited]
    return {
        "schema": SCHEMA,
        "synthetic": True,
        "digital_source_type": EDITED if edited else SYNTHETIC,
        **({"created_utc": created_utc} if created_utc else {}),
        "tool": "parlance-tts",
        "version": installed,
        "model_id": model_id,
        **_who(voice),
        "language": language,
        "text_sha256": _sha256(text),
        "seed": seed,
        **({"segments_edited": edited} if edited else {}),
        "watermark": watermark,
    }


def _who(voice) -> dict:
    kind = voice.consent.get("kind", "none")
    return {
        "voice": getattr(voice, "name", "the recording's own"),
        "voice_origin": "builtin" if kind == "dataset_licence" else "cloned",
        "consent": {"kind": kind, "sha256": _sha256(json.dumps(voice.consent, sort_keys=True))},
    }


def joined(made: dict, text: str, voices: Iterable = (), languages: Iterable[str] = ()) -> dict:
    """The record of speech that was joined from pieces, from that of a piece.

    Args:
        text: All that is said.
        voices: Who speaks, where several do: then all are named, "cloned" stands where one is, and of several consents the
            kinds and the hash over their hashes. A voice alone is told as by :func:`record`.
        languages: Where there are several; "mul" stands for them (ISO 639-2).
    """
    told, made = [_who(voice) for voice in voices], {**made, "text_sha256": _sha256(text)}
    made.pop("audio", None)
    if len(set(languages)) > 1:
        made["language"] = "mul"
    if len(told) > 1:
        kinds, hashes = ({row["consent"][key]: None for row in told} for key in ("kind", "sha256"))
        digest = next(iter(hashes)) if len(hashes) == 1 else _sha256("".join(hashes))
        made |= {
            "voice": ", ".join(row["voice"] for row in told),
            "voice_origin": max(row["voice_origin"] for row in told),  # "builtin" < "cloned"
            "consent": {"kind": ", ".join(kinds), "sha256": digest},
        }
    return made


def unmarked(reason: str) -> dict:
    """What a record says where the watermark was left out.

    Raises:
        UsageError: Without a reason.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise UsageError(
            "speech without watermark needs a reason, which goes into the file's record.",
            where="reason",
            code="watermark.reason",
            fix='Say why: --no-watermark --reason "...", or watermark=False, reason="...".',
        )
    return {"applied": False, "reason": reason.strip()[:500]}


def note(made: dict | Callable[[], dict]) -> Callable[[dict], str]:
    """For ``vocoder.audio.io.write_audio``: the text of a record, or of one that a function gives once samples flow."""
    return partial(_text, made)


def _text(made: dict | Callable[[], dict], audio: dict) -> str:
    """The record with what is known of the samples, in ASCII."""
    facts = made() if callable(made) else made
    return json.dumps({**facts, "audio": audio}, separators=(",", ":")) if facts else ""


@dataclass(frozen=True)
class Verdict:
    """Of the record alone; what is heard is told by ``tts.watermark``."""

    verdict: str  # VALID, ABSENT, MISMATCH
    checked: tuple[str, ...] = ()  # what was compared with the file
    reason: str = ""  # of a mismatch
    record: dict | None = None

    def to_dict(self) -> dict:
        return {"verdict": self.verdict, "checked": list(self.checked), "reason": self.reason, "record": self.record}


def read(source) -> dict | None:
    """The record in a file's comment; None when there is none, or it is no record of ours."""
    from vocoder.audio.io import read_comment

    text = read_comment(source)
    if not text or len(text) > LONGEST or not text.lstrip().startswith("{"):
        return None
    try:
        found = strict_json.loads(text)
    except (DataError, ResourceError):
        return None
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else None


def verify(source, detection=None) -> Verdict:
    """Compare the record in a file with its samples, and with the mark that was heard in them (``tts.watermark.Detection``).

    Raises:
        NoInputError, DataError: As ``vocoder.audio.io.read_info``.
    """
    from vocoder.audio.io import pcm_sha256, read_info

    found, info = read(source), read_info(source)
    if found is None:
        return Verdict(ABSENT)
    claimed, mark, checked = found.get("audio"), found.get("watermark"), []
    if not isinstance(claimed, dict) or not isinstance(mark, dict) or found.get("synthetic") is not True:
        return Verdict(MISMATCH, (), "the record is incomplete", found)
    tests = [("sample_rate", "sample rate", lambda: info.sample_rate), ("samples", "number of samples", lambda: info.frames),
             ("pcm_sha256", "hash of the samples", lambda: pcm_sha256(source))]  # fmt: skip
    for name, told, real in tests:
        if name not in claimed:
            continue
        checked.append(name)
        if claimed[name] != real():
            return Verdict(MISMATCH, tuple(checked), f"the {told} is another", found)
    if detection is not None and mark.get("applied") is True and detection.verdict != "too short" and _long_enough(found):
        checked.append("watermark")
        if detection.verdict != "marked":
            return Verdict(MISMATCH, tuple(checked), "the watermark that it tells of is not heard", found)
        heard = detection.payload
        if heard is not None and f"{heard.bits:04x}" != mark.get("payload"):
            return Verdict(MISMATCH, tuple(checked), "the watermark is of another model", found)
    return Verdict(VALID, tuple(checked), "", found)


def _long_enough(found: dict) -> bool:
    """Whether what was made lasts long enough for its mark to be heard in the rest; a word that was edited does not."""
    edited = found.get("segments_edited")
    try:
        return edited is None or sum(float(end) - float(start) for start, end in edited) >= HEARD
    except (TypeError, ValueError):
        return True


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
