"""What became of every character: the closed list of reasons, and the partition of the raw text.

Contract (each clause of it has a property test in ``tests/frontend/test_conservation.py``):
the report spans lie end to end over the whole raw text; ``spoken`` and ``mapped`` own the phones; every phone
belongs to exactly one span; what is dropped says why, and letters or digits are dropped only as
``unsupported_script``, with a note.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np

from frontend.inventory import SIL, WB
from frontend.types import Note, Phones

DROP_REASONS = (
    "control",
    "format",
    "private_use",
    "unassigned",
    "noncharacter",
    "surrogate",
    "combining_overflow",
    "bidi_control",
    "tag_char",
    "unsupported_script",
    "punctuation_silent",
    "whitespace",
    "variation_selector",
)


_SAID = "%‰&@#§"  # punctuation to Unicode, words to a reader: noted where nothing said them


@dataclass(frozen=True)
class ReportSpan:
    """One stretch [start, end) of the raw text (code points) and its fate.

    ``first_phone`` and ``last_phone`` count through the phones of all clauses, half open.
    """

    start: int
    end: int
    kind: str  # spoken | mapped | pause | markup | dropped
    first_phone: int
    last_phone: int
    reason: str = ""


def join_notes(notes: list[Note]) -> list[Note]:
    """In order of the text, with neighbours of the same fate made one."""
    joined: list[Note] = []
    for note in sorted(notes, key=lambda n: (n.start, n.end)):
        last = joined[-1] if joined else None
        if last and last.end == note.start and (last.kind, last.reason) == (note.kind, note.reason):
            detail = last.detail if last.detail == note.detail else ""
            joined[-1] = Note(last.kind, last.start, note.end, last.reason, detail)
        else:
            joined.append(note)
    return joined


def partition(raw: str, clauses: list[Phones], notes: list[Note]) -> tuple[tuple[ReportSpan, ...], list[Note]]:
    """Lay the raw text out in report spans.

    Args:
        raw: The text as given.
        clauses: In order; each phone's span says which raw characters it speaks.
        notes: Drops and markup of the earlier steps; their characters own no phones.

    Returns:
        The spans, and new notes for letters, digits and symbols that nothing spoke.
    """
    fate = np.zeros(len(raw), np.int32)  # index into reasons; 0 = nobody has claimed the character
    reasons = [("", "")]
    for note in notes:
        if note.kind in ("dropped", "markup", "pause"):
            if (note.kind, note.reason) not in reasons:
                reasons.append((note.kind, note.reason))
            fate[note.start : note.end] = reasons.index((note.kind, note.reason))

    spans: list[ReportSpan] = []
    lost: list[Note] = []
    at = 0
    for start, end, first, last, kind in _groups(raw, clauses):
        _fill(raw, fate, reasons, at, start, first, spans, lost)
        _owned(fate, reasons, start, end, first, last, kind, spans)
        at = end
    total = sum(len(clause) for clause in clauses)
    _fill(raw, fate, reasons, at, len(raw), total, spans, lost)
    return tuple(spans), lost


def _groups(raw: str, clauses: list[Phones]):
    """Runs of phones whose raw spans overlap, as (start, end, first_phone, last_phone, kind).

    Edges and word boundaries belong to the group before them, at the very beginning to the first one.
    """
    offset, group = 0, None
    for clause in clauses:
        heard = {(word.start, word.end): word.text for word in clause.words}
        for i, (index, (start, end)) in enumerate(zip(clause.ids.tolist(), clause.spans.tolist(), strict=True), offset):
            if index in (SIL, WB) or (group and start < group[1]):
                if group:
                    group[3] = i + 1
                    group[1] = group[1] if index in (SIL, WB) else max(group[1], end)
                continue
            if group:
                yield tuple(group)
            group = [start, end, group[3] if group else 0, i + 1, _kind(raw[start:end], heard.get((start, end)))]
        offset += len(clause)
    if group:
        yield tuple(group)


def _kind(raw: str, text: str | None) -> str:
    if not any(char.isalnum() for char in raw):
        return "mapped" if text else "pause"
    return "spoken" if text is None or text.casefold() == raw.casefold() else "mapped"


def _owned(fate, reasons, start, end, first, last, kind, spans) -> None:
    """The characters of one group: its dropped ones apart, all phones with the first piece that is not dropped."""
    pieces = [(a, b, code) for a, b, code in _runs(fate, start, end)]
    speaking = next((i for i, piece in enumerate(pieces) if piece[2] == 0), 0)
    for i, (a, b, code) in enumerate(pieces):
        if i == speaking:
            spans.append(ReportSpan(a, b, kind, first, last))
        elif code:
            at = first if i < speaking else last
            spans.append(ReportSpan(a, b, reasons[code][0], at, at, reasons[code][1]))
        else:
            spans.append(ReportSpan(a, b, kind, last, last))


def _fill(raw, fate, reasons, start, end, phone, spans, lost) -> None:
    """Characters between two groups: what earlier steps said, else white space, silent marks, or lost letters."""
    for a, b, code in _runs(fate, start, end):
        if code:
            spans.append(ReportSpan(a, b, reasons[code][0], phone, phone, reasons[code][1]))
            continue
        at = a
        for i in range(a + 1, b + 1):
            why = _silence(raw[at])
            if i < b and _silence(raw[i]) == why:
                continue
            spans.append(ReportSpan(at, i, "dropped", phone, phone, why))
            if why == "unsupported_script":
                lost.append(Note("dropped", at, i, why, raw[at:i][:40]))
            at = i


def _silence(char: str) -> str:
    if char.isspace():
        return "whitespace"
    is_silent = unicodedata.category(char)[0] == "P" and char not in _SAID
    return "punctuation_silent" if is_silent else "unsupported_script"


def _runs(fate: np.ndarray, start: int, end: int):
    """(start, end, code) of the stretches of equal fate in [start, end)."""
    if start >= end:
        return
    cuts = (np.flatnonzero(np.diff(fate[start:end])) + start + 1).tolist()
    for a, b in zip([start, *cuts], [*cuts, end], strict=True):
        yield a, b, int(fate[a])
