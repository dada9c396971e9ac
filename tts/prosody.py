"""Prosody in the open: a plan as a JSON file that a person reads and edits, and prosody copied from a recording.

    {"format": "parlance prosody 1", "text": ..., "language": ..., "voice": ...,
     "clauses": [{"text": ..., "pause_before_ms": 0, "pause_after_ms": 150,
                  "phones": [{"phone": "h", "word": "Hello", "ms": 80, "hz": 190.3, "db": -41.2}, ...]}]}

``ms`` is what a phone lasts (whole frames of 13.3 ms; 0: left out), ``hz`` its mean pitch, ``db`` its mean level in the
mel bands below 4 kHz; ``code`` its prosody code (-1: none), where the plan has codes. These and the pauses may be edited;
everything else must stay and is checked. Numbers have as many digits as give back the same bits, so a file that was not
edited gives the same samples.
"""

from __future__ import annotations

from dataclasses import replace
from numbers import Real

import numpy as np

from tts.api import Plan, gap
from tts.base import strict_json
from tts.base.errors import DataError, ResourceError
from tts.base.limits import LIMITS
from vocoder.audio.frames import FRAME_RATE, SAMPLE_RATE

FORMAT = "parlance prosody 1"
DB = 20 / np.log(10)  # dB in one unit of a natural log of magnitude
LONGEST_PAUSE_MS = 600_000
EDGE_FRAMES = 12  # of a pause between clauses, at most, that models speak; the rest is silence
_FREE = {"ms", "hz", "db", "code", "pause_before_ms", "pause_after_ms"}
HIGHEST_CODE = 65_535  # in a file; the model knows its own


def dumps(plan: Plan, most: int | None = None) -> str:
    """The JSON text of a plan, one phone a line.

    Raises:
        ResourceError: It would be longer than ``most`` bytes; than is read again when None.
    """
    document, most = to_dict(plan), most or LIMITS.json_bytes
    head = ", ".join(f'"{key}": {_line(document[key])}' for key in ("format", "text", "language", "voice"))
    clauses = []
    for clause in document["clauses"]:
        facts = ", ".join(f'"{key}": {_line(value)}' for key, value in clause.items() if key != "phones")
        rows = ",\n   ".join(_line(row) for row in clause["phones"])
        clauses.append(f' {{{facts}, "phones": [\n   {rows}]}}')
    text = f'{{{head},\n "clauses": [\n' + ",\n".join(clauses) + "]}\n"
    if len(text.encode("utf-8", "surrogatepass")) > most:
        raise ResourceError(
            f"the prosody of this text takes more than {most:,} bytes.", where="prosody", code="prosody.size",
            limit=most, fix="Speak it in several parts.",
        )  # fmt: skip
    return text


def to_dict(plan: Plan) -> dict:
    """A plan as the values of its file."""
    last = len(plan.clauses) - 1
    return {
        "format": FORMAT,
        "text": plan.analysis.text,
        "language": plan.analysis.language,
        "voice": plan.voice.name,
        "clauses": [
            {
                "text": clause.normalized,
                "pause_before_ms": _ms(clause.pause_before),
                "pause_after_ms": _ms(clause.pause_after + _added(plan, i, last)),
                "phones": [
                    {"phone": symbol} | ({"word": word} if word else {}) | {"ms": frames, "hz": hz, "db": db}
                    | ({} if prosody.codes is None else {"code": int(prosody.codes[n])})
                    for n, (symbol, word, frames, hz, db) in enumerate(zip(*_labels(clause), *_values(prosody), strict=True))
                ],
            }
            for i, (clause, prosody) in enumerate(zip(plan.clauses, plan.prosody, strict=True))
        ],
    }


def load(plan: Plan, path) -> Plan:
    """The plan with the prosody of a file.

    Raises:
        NoInputError, DataError: The file is missing, malformed, or of another text; the first difference is named.
    """
    return from_dict(plan, strict_json.load(path), str(path))


def from_dict(plan: Plan, document, where: str = "prosody") -> Plan:
    """The plan with the prosody of :func:`to_dict`, as it was or edited; errors as :func:`load`."""
    from tts.models.variance import LONGEST_EDITED, PhonePlan

    expected = to_dict(plan)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DataError(
            f"is not a prosody file: its format is not {FORMAT!r}.", where=where, code="prosody.format",
            fix="Make one with --prosody-out.",
        )  # fmt: skip
    _same_text(expected, document, where)
    _compare(expected, document | {"voice": expected["voice"], "text": expected["text"]}, where, "")
    last, prosody, clauses = len(plan.clauses) - 1, [], []
    for i, (clause, found) in enumerate(zip(plan.clauses, document["clauses"], strict=True)):
        at = f"clause {i + 1}"
        before, after = (_number(found, key, 0, LONGEST_PAUSE_MS, where, at) for key in ("pause_before_ms", "pause_after_ms"))
        clauses.append(replace(clause, pause_before=_seconds(before), pause_after=_seconds(after) - _added(plan, i, last)))
        rows = [(row, f"{at}, phone {n} ({row['phone']})") for n, row in enumerate(found["phones"], 1)]
        longest = LONGEST_EDITED * 1000 / FRAME_RATE
        phone_plan = PhonePlan(
            np.array([_frames(_number(row, "ms", 0, longest, where, place)) for row, place in rows], np.int64),
            np.array([_number(row, "hz", 20, 2000, where, place) for row, place in rows], np.float64).astype(np.float32),
            (np.array([_number(row, "db", -200, 60, where, place) for row, place in rows], np.float64) / DB).astype(np.float32),
            _codes(rows, where),
        )
        if not phone_plan.durations.sum():
            raise DataError("no phone lasts.", where=where, pos=at, code="prosody.value", fix="Give some of them ms.")
        prosody.append(phone_plan)
    return replace(plan, clauses=tuple(clauses), prosody=tuple(prosody))


def copy_prosody(plan: Plan, recording, codes_of=None) -> tuple[Plan, list[str]]:
    """The plan with the durations, pauses, pitch and energy of a recording of the same text, by any voice.

    Pitch keeps its contour and moves to the register of the plan's voice: medians of log F0 agree. Energy keeps its rises and
    falls around the plan's own mean. What lies before the first and after the last word is as planned.

    Args:
        plan: Of the text, in the voice that will speak.
        recording: Path, bytes, or (samples, rate) of it.
        codes_of: (mel [T, 100], durations [N]) -> prosody codes [N], of a model that has them.

    Returns:
        (plan, warnings: what makes it doubtful that the recording says this text).

    Raises:
        DataError, ResourceError: Not audio, too long, or too short for the text.
    """
    from tts.alignment import align_clauses
    from vocoder.audio.io import read_audio

    wav = read_audio(recording, max_seconds=LIMITS.align_seconds)
    aligned = align_clauses(wav, plan.clauses)
    pitch, energy = phone_means(wav, aligned.mel, aligned.durations)
    old = [np.concatenate([getattr(p, name) for p in plan.prosody]) for name in ("durations", "pitch", "energy")]
    place = np.concatenate(aligned.places)
    frames = np.where(place < 0, 0, aligned.durations[place])
    spoken = ~np.concatenate([is_silent(clause.ids) for clause in plan.clauses]) & (frames > 0)
    pitch, energy = pitch[place], energy[place]
    shift = _median(np.log(old[1])[spoken], old[0][spoken]) - _median(pitch[spoken], frames[spoken])
    new = (
        frames,
        np.where(spoken, np.exp(pitch + shift), old[1]).astype(np.float32),
        np.where(spoken, energy - energy[spoken].mean() + old[2][spoken].mean(), old[2]).astype(np.float32),
    )
    cuts = np.cumsum([len(clause) for clause in plan.clauses])[:-1]
    codes = [None] * len(plan.clauses)
    if codes_of is not None:
        codes = np.split(np.where(place < 0, -1, np.asarray(codes_of(aligned.mel, aligned.durations))[place]), cuts)
    parts = zip(plan.prosody, *(np.split(values, cuts) for values in new), codes, strict=True)
    prosody = [replace(p, durations=d, pitch=f, energy=e, codes=c) for p, d, f, e, c in parts]
    clauses = _pauses(plan, aligned, prosody)
    return replace(plan, clauses=tuple(clauses), prosody=tuple(prosody)), aligned.warnings


def phone_means(wav: np.ndarray, mel: np.ndarray, durations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a recording does a phone, as training measures it.

    Args:
        wav: [S] float32, 24 kHz; mel: [T, 100] of it; durations: int [N] frames.

    Returns:
        Natural log of F0, bridged over unvoiced stretches [N], and mean log-mel below 4 kHz [N]; 0 where a phone has no frames.
    """
    from tts.models.variance import ENERGY_BANDS
    from vocoder.audio.f0 import interpolate_log_f0
    from vocoder.audio.pitch import track_pitch

    def means(values):
        total = np.concatenate([[0.0], np.cumsum(values[: len(mel)], dtype=np.float64)])
        return np.diff(total[ends]) / np.maximum(durations, 1)

    ends = np.concatenate([[0], np.cumsum(durations)])
    return means(interpolate_log_f0(track_pitch(wav))), means(mel[:, :ENERGY_BANDS].mean(1))


def is_silent(ids: np.ndarray) -> np.ndarray:
    """True for silence, word boundaries and marks: what may take no frames."""
    from frontend.inventory import EXCLAMATION

    return np.asarray(ids) <= EXCLAMATION


def _pauses(plan: Plan, aligned, prosody: list) -> list:
    """Clauses with the pauses of the recording between them; the plans in ``prosody`` get what of these is theirs."""
    clauses, last = list(plan.clauses), len(plan.clauses) - 1
    spoken = [np.flatnonzero(~is_silent(clause.ids)) for clause in clauses]
    first, planned = prosody[0].durations, plan.prosody[0].durations
    first[: spoken[0][0]] = planned[: spoken[0][0]]
    prosody[last].durations[spoken[last][-1] + 1 :] = plan.prosody[last].durations[spoken[last][-1] + 1 :]
    for i in range(last):
        end, start = aligned.places[i][spoken[i][-1]] + 1, aligned.places[i + 1][spoken[i + 1][0]]
        pause = int(aligned.durations[end:start].sum())
        lead = min(2, pause // 4)
        tail = min(pause - lead, EDGE_FRAMES)
        after, before = prosody[i].durations[spoken[i][-1] + 1 :], prosody[i + 1].durations[: spoken[i + 1][0]]
        after[:], before[:] = 0, 0
        after[0], before[0] = tail, lead
        silence = (pause - lead - tail) / FRAME_RATE
        clauses[i] = replace(clauses[i], pause_after=silence - _added(plan, i, last))
    return clauses


def _median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _added(plan: Plan, i: int, last: int) -> float:
    """Seconds that the synthesiser adds after clause i by itself."""
    return 0.0 if i == last else gap(plan.clauses[i]) / plan.rate


def _labels(clause) -> tuple[list[str], list[str]]:
    """The symbol of each phone, and the word that begins with it."""
    from frontend.inventory import id_to_symbol

    begins = {word.first_phone: word.text for word in clause.words if word.last_phone > word.first_phone}
    return [id_to_symbol(int(i)) for i in clause.ids], [begins.get(n, "") for n in range(len(clause))]


def _values(prosody) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds, Hz and dB with as few digits as are needed."""
    ms = [_short(round(frames * 1000 / FRAME_RATE, 1)) for frames in prosody.durations.tolist()]
    return ms, [_exact(x, 1.0) for x in prosody.pitch], [_exact(x, DB) for x in prosody.energy]


def _exact(value: np.float32, scale: float) -> float:
    """The shortest decimal that gives back the same float32 when it is divided by ``scale``."""
    wide = float(value) * scale
    return _short(next((x for x in (round(wide, n) for n in range(1, 12)) if np.float32(x / scale) == value), wide))


def _short(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _ms(seconds: float) -> float:
    """Milliseconds of a pause, to the sample."""
    return _short(round(round(seconds * SAMPLE_RATE) * 1000 / SAMPLE_RATE, 3))


def _seconds(ms: float) -> float:
    return round(ms * SAMPLE_RATE / 1000) / SAMPLE_RATE


def _frames(ms: float) -> int:
    return max(round(ms * FRAME_RATE / 1000), int(ms > 0))


def _codes(rows: list, where: str) -> np.ndarray | None:
    """Prosody codes of a clause's rows (row, place): all have one, or none has."""
    if not any("code" in row for row, _ in rows):
        return None
    codes = [_number(row, "code", -1, HIGHEST_CODE, where, place) for row, place in rows]
    wrong = [place for code, (_, place) in zip(codes, rows, strict=True) if code != int(code)]
    if wrong:
        raise DataError("code is not a whole number.", where=where, pos=wrong[0], code="prosody.value")
    return np.array(codes, np.int64)


def _line(value) -> str:
    return strict_json.dumps(value, indent=None)


def _same_text(expected: dict, document: dict, where: str) -> None:
    """The file is of this text, but for spaces; else its first other word is named."""
    if not isinstance(document.get("text"), str):
        raise DataError("has no text.", where=where, pos="text", code="prosody.key")
    ours, theirs = expected["text"].split(), document["text"].split()
    for n in range(max(len(ours), len(theirs))):
        mine, other = (repr(words[n]) if n < len(words) else "nothing more" for words in (ours, theirs))
        if mine != other:
            raise DataError(
                f"is the prosody of another text: word {n + 1} is {other} there and {mine} here.", where=where,
                code="prosody.text", fix="Make a file of this text with --prosody-out.",
            )  # fmt: skip


def _compare(expected, found, where: str, at: str) -> None:
    """What may not be edited is as it would be written; keys are those, all of them and no other."""
    if isinstance(expected, dict):
        place = f"{at} ({expected['phone']})" if "phone" in expected else at
        if not isinstance(found, dict):
            raise DataError(f"is {found!r:.60}, not an object.", where=where, pos=place or "1", code="prosody.type")
        for key in [*expected, *found]:
            if key == "code" and "phone" in expected:  # a plan may have none, and the file may
                continue
            if key not in expected or key not in found:
                fault = "is not known" if key in found else "is missing"
                raise DataError(f"key {key!r} {fault}.", where=where, pos=place or None, code="prosody.key")
            if key not in _FREE:
                inner = place if place and key == "phones" else f"{place}, {key}" if place else key
                _compare(expected[key], found[key], where, inner)
    elif isinstance(expected, list):
        if not isinstance(found, list):
            raise DataError(f"is {found!r:.60}, not a list.", where=where, pos=at, code="prosody.type")
        name = "phone" if "phone" in expected[0] else "clause"
        for n, (one, other) in enumerate(zip(expected, found, strict=False), 1):
            _compare(one, other, where, f"{at}, phone {n}" if name == "phone" else f"clause {n}")
        if len(expected) != len(found):
            count = f"has {len(found)} {name}s, this text has {len(expected)}."
            raise DataError(count, where=where, pos=at, code="prosody.count")
    elif type(expected) is not type(found) or expected != found:
        raise DataError(
            f"is {found!r:.60} in the file; this text, read here, has {expected!r:.60}.", where=where, pos=at,
            code="prosody.differs", fix="Edit ms, hz, db and pauses only; give the language and lexicon of --prosody-out.",
        )  # fmt: skip


def _number(row: dict, key: str, low: float, high: float, where: str, at: str) -> float:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= value <= high:
        raise DataError(f"{key} is {value!r:.40}; it goes from {low:g} to {high:g}.", where=where, pos=at, code="prosody.value")
    return float(value)
