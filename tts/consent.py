"""Consent of the person whose voice is cloned: what is asked, what is kept, when it ends.

Two forms: a sentence, kept word for word as ``asserted``; or a record with fixed fields, as a dict or a JSON file. It
is kept in the voice file and covered by its digest. A record says that somebody claims consent; it proves nothing.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from pathlib import Path

from tts.base import strict_json
from tts.base.errors import DataError, NotPermittedError

RELATIONS = ("self", "written_permission", "public_domain", "synthetic", "dataset_licence")
REQUIRED = ("speaker", "relation", "statement", "date")
OPTIONAL = ("evidence_sha256", "scope", "expires", "contact")
LONGEST = 2000  # characters of a field
_WAYS = (
    'Say who agreed, how and when: "Jane Doe; in writing; 2026-11-01". Or give a JSON file '
    f"with {', '.join(REQUIRED)} (and {', '.join(OPTIONAL)})."
)


def consent_record(consent, where=None) -> dict:
    """The record that a voice keeps.

    Args:
        consent: A sentence; a dict with the fields of a record; or the path of a JSON file of one (a Path, or a text that
            ends in ``.json``).
        where: The recording, for the error.

    Returns:
        ``{"kind": "asserted", "statement": ...}`` or ``{"kind": "record", "speaker": ..., ...}``.

    Raises:
        NotPermittedError: None is given, or it has expired.
        DataError: The record lacks a field, has an unknown one, or a malformed value.
    """
    if isinstance(consent, os.PathLike) or (isinstance(consent, str) and consent.strip().lower().endswith(".json")):
        source = Path(consent.strip() if isinstance(consent, str) else consent)
        return _checked(strict_json.load(source), str(source))
    if isinstance(consent, str) and consent.strip():
        if len(consent) > LONGEST:
            raise _malformed(f"the statement is longer than {LONGEST} characters", "consent")
        return {"kind": "asserted", "statement": consent.strip()}
    if not consent or isinstance(consent, str):
        raise NotPermittedError(
            "cloning a voice needs the consent of the person who speaks.", where=where, code="consent.missing", fix=_WAYS
        )
    return _checked(consent, "consent")


def check_consent(record: dict, where) -> None:
    """Refuse what has expired, also inside a mix.

    Raises:
        NotPermittedError: ``expires`` lies in the past.
    """
    for part in record.get("parts", ()) if isinstance(record.get("parts"), list) else ():
        if isinstance(part, dict) and isinstance(part.get("consent"), dict):
            check_consent(part["consent"], where)
    expires = record.get("expires")
    if isinstance(expires, str) and _date(expires) and _date(expires) < dt.datetime.now(dt.UTC).date():
        raise NotPermittedError(
            f"the consent of {record.get('speaker', 'the speaker')} expired on {expires}.",
            where=where,
            code="consent.expired",
            fix="Ask again, and make the voice anew with the new consent.",
        )


def summary(record: dict) -> str:
    """One line of a record, for people."""
    if record.get("kind") == "mix":
        return "; ".join(f"{part.get('name')}: {summary(part.get('consent') or {})}" for part in record.get("parts", []))
    told = [record[key] for key in ("speaker", "relation", "statement", "corpus", "date") if isinstance(record.get(key), str)]
    end = f", until {record['expires']}" if record.get("expires") else ""
    return f"{record.get('kind', 'none')}{': ' if told else ''}{', '.join(told)}{end}"


def _checked(record, where: str) -> dict:
    if not isinstance(record, dict):
        raise _malformed("a consent is a sentence, or a record of named fields", where)
    fields = {key: value for key, value in record.items() if not (key == "kind" and value == "record")}
    missing = [key for key in REQUIRED if key not in fields]
    unknown = [str(key) for key in fields if key not in (*REQUIRED, *OPTIONAL)]
    if missing or unknown:
        raise _malformed(f"the record lacks {missing[0]}" if missing else f"the record has no field {unknown[0]!r}", where)
    for key, value in fields.items():
        if not isinstance(value, str) or not value.strip() or len(value) > LONGEST:
            raise _malformed(f"{key} is a text of 1 to {LONGEST} characters", where)
    if fields["relation"] not in RELATIONS:
        raise _malformed(f"relation is one of {', '.join(RELATIONS)}, not {fields['relation']!r}", where)
    for key in ("date", "expires"):
        if key in fields and _date(fields[key]) is None:
            raise _malformed(f"{key} is a day such as 2026-11-01, not {fields[key]!r}", where)
    if not re.fullmatch(r"[0-9a-f]{64}", fields.get("evidence_sha256", "0" * 64)):
        raise _malformed("evidence_sha256 is 64 hexadecimal digits", where)
    done = {"kind": "record", **{key: fields[key] for key in (*REQUIRED, *OPTIONAL) if key in fields}}
    check_consent(done, where)
    return done


def _date(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else None
    except ValueError:
        return None


def _malformed(fault: str, where) -> DataError:
    return DataError(f"{fault}.", where=where, code="consent.malformed", fix=_WAYS)
