"""Every fault of a data directory in one pass, each with file, line, column and what to do.

    for fault in validate("data/train", "data/dev", audio=True): print(fault)
    data/train/text:17:9: char.space: IDEOGRAPHIC SPACE (U+3000) inside the line. Write a plain space.

Three layers: lines (bytes, fields, ids, order), values (numbers, paths, tags, text), and sets (tables against each
other, splits against each other). A line that is broken on one layer is still known by its id on the next, so that
one mistake is reported once. The audio itself is opened only with ``audio=True`` (`recipes.validation_audio`).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from frontend.detect import script_of, uses_script
from frontend.languages import resolve
from recipes.datadir import NAMES, REQUIRED, audio_path
from tts.base.errors import UnavailableError

MAX_FAULTS_PER_FILE = 1000
CHARS_PER_SECOND = (3.0, 40.0)  # a Han character counts as three
FIELDS = {"utt2spk": 2, "utt2lang": 2, "utt2dur": 2, "utt2bandwidth": 2, "utt2corpus": 2, "spk2gender": 2, "segments": 4}
_ID = re.compile(r"[A-Za-z0-9._+@=%-]+")
_PLAIN = re.compile(rb"[!-~]+(?: [!-~]+)+")  # nothing to complain about but the fields themselves
_DENSE = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL"}


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong. ``line`` and ``col`` count from 1; line 0 means the whole file."""

    file: str
    line: int
    col: int
    code: str
    message: str
    fix: str
    level: str = "error"  # or "warning": usable, but look at it

    def __str__(self) -> str:
        level = "" if self.level == "error" else f"{self.level}: "
        return f"{self.file}:{self.line}:{self.col}: {level}{self.code}: {self.message} {self.fix}"


@dataclass
class Row:
    line: int
    fields: list[str]  # after the id; empty where the line is broken
    col: int  # of the first of them
    rest: str  # the line after its id


@dataclass
class Table:
    """A parsed file: the first line of every id, and the faults found."""

    path: Path
    rows: dict[str, Row] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, line: int, col: int, code: str, message: str, fix: str, level: str = "error") -> None:
        if len(self.faults) < MAX_FAULTS_PER_FILE:
            self.faults.append(Fault(str(self.path), line, col, code, message, fix, level))


def validate(*folders: str | Path, audio: bool = False, nj: int = 1) -> list[Fault]:
    """All faults of the data directories, sorted by file and line; an empty list means that everything is fine.

    Args:
        folders: Directories. Given several, the first is training data: no other may share ids, audio or sentences with it.
        audio: Open every recording too (rate, length, silence, clipping, equal content).
        nj: Processes for that.
    """
    parsed = [_directory(Path(folder)) for folder in folders]
    faults: list[Fault] = []
    for tables, folder in zip(parsed, folders, strict=True):
        if audio:
            from recipes.validation_audio import check_audio

            check_audio(Path(folder), tables, nj)
    for other in parsed[1:]:
        _check_overlap(parsed[0], other, str(folders[0]))
    for tables in parsed:
        for table in tables.values():
            faults += table.faults
    return sorted(faults)


def _directory(folder: Path) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for name in NAMES:
        table = Table(folder / name)
        try:
            data = table.path.read_bytes()
        except OSError as error:
            if name in REQUIRED or table.path.exists():
                table.fault(0, 0, "file.missing", f"cannot be read: {error.strerror}.", "Run the data stage.")
                tables[name] = table
            continue
        tables[name] = table
        if not data:
            table.fault(0, 0, "file.empty", "holds no line.", "Run the data stage.")
            continue
        _read_lines(table, name, data)
    for name, check in _VALUES.items():
        if name in tables:
            check(tables[name], tables)
    _check_sets(tables)
    _check_speakers(tables)
    return tables


def _read_lines(table: Table, name: str, data: bytes) -> None:
    if data.startswith(b"\xef\xbb\xbf"):
        table.fault(1, 1, "encoding.bom", "begins with a byte order mark.", "Save it as UTF-8 without BOM.")
        data = data[3:]
    lines = data.split(b"\n")
    if lines[-1]:
        table.fault(len(lines), len(lines[-1]) + 1, "file.no_final_newline", "the last line has no end.",
                    "End it with a line feed; check that the file was not cut short.")
    else:
        lines.pop()
    previous = ""
    for number, raw in enumerate(lines, 1):
        line = _clean_line(table, number, raw)
        fields = line.split()
        if not fields:
            if not raw.strip(b" \t\r"):
                table.fault(number, 1, "line.blank", "the line is empty.", "Delete it.")
            continue
        key = fields[0]
        if not _ID.fullmatch(key):
            bad = next(i for i, char in enumerate(key) if not _ID.fullmatch(char))
            table.fault(number, bad + 1, "id.charset", f"{key[bad]!r} in the id {key!r}.",
                        "Use letters, digits and _ - . + @ = % only.")
        if key in table.rows:
            table.fault(number, 1, "id.duplicate", f"{key!r} is already on line {table.rows[key].line}.",
                        "Keep one of the two lines.")
            continue
        if key < previous:
            table.fault(number, 1, "order.unsorted", f"{key!r} comes after {previous!r}.", "Sort with: LC_ALL=C sort")
        else:
            previous = key
        rest = line.lstrip()[len(key) :]
        row = Row(number, fields[1:], len(line) - len(rest.lstrip()) + 1, rest.strip())
        table.rows[key] = row
        if len(fields) == 1:
            code = "text.empty" if name == "text" else "line.fields"
            table.fault(number, len(key) + 1, code, f"nothing follows the id {key!r}.",
                        "Add the value, or delete the utterance from all tables.")
        elif name in FIELDS and len(fields) != FIELDS[name]:
            table.fault(number, row.col, "line.fields", f"{len(fields)} fields, {FIELDS[name]} expected.",
                        "Fields are separated by one space and hold none.")
            row.fields = []


def _clean_line(table: Table, number: int, raw: bytes) -> str:
    """The line as text with plain spaces only; what had to be replaced is reported."""
    if _PLAIN.fullmatch(raw):
        return raw.decode("ascii")
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        column = len(raw[: error.start].decode("utf-8")) + 1
        table.fault(number, column, "encoding.utf8", f"byte 0x{raw[error.start]:02x} is not UTF-8.",
                    "Convert the file: iconv -f LATIN1 -t UTF-8")
        line = raw.decode("utf-8", "replace")
    if line.endswith("\r"):
        table.fault(number, len(line), "encoding.crlf", "the line ends in CR LF.", "Convert it: sed -i 's/\\r$//'")
        line = line[:-1]
    if line.strip():
        if line[0] == " ":
            table.fault(number, 1, "line.leading_space", "the line begins with a space.", "Delete it.")
        if line[-1] == " ":
            table.fault(number, len(line), "line.trailing_space", "the line ends with a space.", "Delete it.")
    for index, char in enumerate(line):
        if "!" <= char <= "~" or char == " ":
            continue
        category = unicodedata.category(char)
        label = f"{unicodedata.name(char, 'control character')} (U+{ord(char):04X})"
        if char == "\t":
            table.fault(number, index + 1, "line.tab", "a tab separates fields.", "Write one space.")
        elif char == "\0":
            table.fault(number, index + 1, "encoding.nul", "a NUL byte.", "Delete it; check how the file was made.")
        elif category in ("Zs", "Zl", "Zp"):
            table.fault(number, index + 1, "char.space", f"{label} inside the line.", "Write a plain space.")
        elif category in ("Cc", "Cn", "Co", "Cs"):
            table.fault(number, index + 1, "char.control", f"{label} inside the line.", "Delete it.")
        else:
            continue
        line = f"{line[:index]} {line[index + 1 :]}"
    return line


def _check_paths(table: Table, tables: dict[str, Table]) -> None:
    seen: dict[str, int] = {}
    for key, row in table.rows.items():
        path = row.rest
        if not path:
            continue
        if path in seen:
            table.fault(row.line, row.col, "wav.duplicate", f"the same file as on line {seen[path]}.",
                        "List a recording once; cut it with segments.")
        seen.setdefault(path, row.line)
        if path.endswith("|") or path.startswith("|"):
            table.fault(row.line, row.col, "wav.pipe", f"the audio of {key!r} is a command; commands are not run.",
                        "Run it once and list the file that it makes.")
        elif re.search(r"\.ark:\d+$", path):
            table.fault(row.line, row.col, "wav.archive", "a position in a Kaldi archive.", "Extract it to an audio file.")
        elif path.startswith("~") or "\\" in path:
            table.fault(row.line, row.col, "wav.portable", f"{path!r} means different files in different shells.",
                        "Write a full path with / between folders.")
        else:
            found = audio_path(table.path.parent, path)
            if not found.exists():
                table.fault(row.line, row.col, "wav.missing", f"{found} does not exist.", "Correct the path.")
            elif not found.is_file():
                table.fault(row.line, row.col, "wav.folder", f"{found} is not a file.", "Add the file's name.")
            elif not found.stat().st_size:
                table.fault(row.line, row.col, "wav.empty", f"{found} holds no byte.", "Copy the recording again.")


def _check_text(table: Table, tables: dict[str, Table]) -> None:
    languages, seconds = tables.get("utt2lang"), tables.get("utt2dur")
    for key, row in table.rows.items():
        text = row.rest
        if not text:
            continue
        for mark in ("<s>", "</s>", "#0"):
            if mark in row.fields:
                table.fault(row.line, row.col + text.index(mark), "text.mark", f"{mark!r} is a mark of Kaldi, not text.",
                            "Delete it.")
        letters = [char for char in text if char.isalnum()]
        if not letters:
            table.fault(row.line, row.col, "text.unspeakable", "no letter and no digit.", "Delete the utterance.")
            continue
        scripts = [script_of(char) for char in letters]
        language = languages.rows.get(key) if languages else None
        tag = _tag(language.fields[0]) if language and language.fields else None
        weights = [3 if script in _DENSE else 1 for script in scripts]
        foreign = _foreign(tag, scripts)
        if foreign:
            table.fault(row.line, row.col, "text.script", f"{foreign.title()} letters, but the language is {tag}.",
                        "Correct utt2lang or the transcript.")
        known = seconds.rows.get(key) if seconds else None
        length = _number(known.fields[0]) if known and known.fields else None
        if length and length > 0:
            rate = sum(weights) / length
            if not CHARS_PER_SECOND[0] <= rate <= CHARS_PER_SECOND[1]:
                table.fault(row.line, row.col, "text.rate", f"{rate:.1f} letters a second over {length:g} s.",
                            "Listen: text and recording may not belong together.", "warning")


def _foreign(tag: str | None, scripts: list[str]) -> str | None:
    """The script that most letters are in and the language is not written in. Latin names within another script are fine."""
    native = [not tag or not script or uses_script(tag, script) for script in scripts]
    others = [script for script, is_native in zip(scripts, native, strict=True) if not is_native]
    if any(native):
        others = [script for script in others if script != "LATIN"]
    return others[0] if 2 * len(others) > len(scripts) else None


def _check_tags(table: Table, tables: dict[str, Table]) -> None:
    for row in table.rows.values():
        if row.fields and _tag(row.fields[0]) is None:
            table.fault(row.line, row.col, "lang.unknown", f"language tag {row.fields[0]!r} is not known.",
                        "List the tags with: tts languages")


def _check_seconds(table: Table, tables: dict[str, Table]) -> None:
    for row in table.rows.values():
        if row.fields and not (_number(row.fields[0]) or 0) > 0:
            table.fault(row.line, row.col, "dur.number", f"{row.fields[0]!r} is not a length in seconds.",
                        "Write a number above 0.")


def _check_bandwidth(table: Table, tables: dict[str, Table]) -> None:
    for row in table.rows.values():
        if row.fields and not (row.fields[0].isdecimal() and 1000 <= int(row.fields[0]) <= 96_000):
            table.fault(row.line, row.col, "bandwidth.number", f"{row.fields[0]!r} is not a bandwidth in Hz.",
                        "Write a whole number such as 8000.")


def _check_gender(table: Table, tables: dict[str, Table]) -> None:
    for row in table.rows.values():
        if row.fields and row.fields[0] not in ("m", "f"):
            table.fault(row.line, row.col, "gender.value", f"{row.fields[0]!r}.", "Write m or f, or drop the file.")


def _check_segments(table: Table, tables: dict[str, Table]) -> None:
    recordings = tables["wav.scp"].rows
    for row in table.rows.values():
        if not row.fields:
            continue
        start, end = _number(row.fields[1]), _number(row.fields[2])
        column = row.col + len(row.fields[0]) + 1
        if row.fields[0] not in recordings:
            table.fault(row.line, row.col, "segments.recording", f"recording {row.fields[0]!r} is not in wav.scp.",
                        "Add it there, or delete the segment.")
        if start is None or end is None:
            table.fault(row.line, column, "segments.number", "start and end must be seconds.", "Write two numbers.")
        elif start < 0 or end <= start:
            table.fault(row.line, column, "segments.order", f"{start:g} to {end:g} s is no stretch of time.",
                        "start >= 0 and end > start.")
    used = {row.fields[0] for row in table.rows.values() if row.fields}
    for key, row in tables["wav.scp"].rows.items():
        if key not in used:
            tables["wav.scp"].fault(row.line, 1, "segments.unused", f"no segment uses recording {key!r}.",
                                    "Delete the line.")


_VALUES = {"wav.scp": _check_paths, "text": _check_text, "utt2lang": _check_tags, "utt2dur": _check_seconds,
           "utt2bandwidth": _check_bandwidth, "spk2gender": _check_gender, "segments": _check_segments}  # fmt: skip


def _check_sets(tables: dict[str, Table]) -> None:
    """The same utterances in every table; utt2spk is the list."""
    base = tables["utt2spk"]
    if not base.rows:
        return
    audio = "segments" if "segments" in tables else "wav.scp"
    for name in (audio, "text", "utt2lang", "utt2dur", "utt2bandwidth", "utt2corpus"):
        if name in tables and tables[name].rows:
            _compare(base, tables[name])


def _compare(base: Table, table: Table) -> None:
    for key in base.rows.keys() - table.rows.keys():
        base.fault(base.rows[key].line, 1, "set.missing", f"{key!r} has no line in {table.path.name}.",
                   "Add it there, or delete it everywhere.")
    for key in table.rows.keys() - base.rows.keys():
        table.fault(table.rows[key].line, 1, "set.extra", f"{key!r} is not in {base.path.name}.",
                    "Add it there, or delete the line.")


def _check_speakers(tables: dict[str, Table]) -> None:
    utt2spk, spk2utt = tables["utt2spk"], tables["spk2utt"]
    listed: set[str] = set()
    for speaker, row in spk2utt.rows.items():
        column = row.col
        for key in row.fields:
            owner = utt2spk.rows.get(key)
            if key in listed:
                spk2utt.fault(row.line, column, "id.duplicate", f"{key!r} is listed before.", "List it once.")
            elif owner is None and utt2spk.rows:
                spk2utt.fault(row.line, column, "set.extra", f"{key!r} is not in utt2spk.", "Make it from utt2spk again.")
            elif owner and owner.fields and owner.fields[0] != speaker:
                spk2utt.fault(row.line, column, "spk2utt.speaker", f"utt2spk gives {key!r} to {owner.fields[0]!r}.",
                              "Make it from utt2spk again.")
            listed.add(key)
            column += len(key) + 1
    if spk2utt.rows:
        for key, row in utt2spk.rows.items():
            if key not in listed:
                utt2spk.fault(row.line, 1, "set.missing", f"{key!r} is not in spk2utt.", "Make it from utt2spk again.")
    if "spk2gender" in tables and tables["spk2gender"].rows and spk2utt.rows:
        _compare(spk2utt, tables["spk2gender"])
    apart = [(key, row) for key, row in utt2spk.rows.items() if row.fields and not key.startswith(row.fields[0])]
    if apart:
        key, row = apart[0]
        utt2spk.fault(row.line, 1, "id.speaker_prefix", f"{len(apart):,} ids do not begin with their speaker ({key!r}).",
                      "Only Kaldi's own split by speaker needs it.", "warning")


def _check_overlap(train: dict[str, Table], other: dict[str, Table], folder: str) -> None:
    """Evaluation data must be new: no utterance, recording or sentence of training."""
    for key, row in other["utt2spk"].rows.items():
        if key in train["utt2spk"].rows:
            other["utt2spk"].fault(row.line, 1, "overlap.id", f"{key!r} is in {folder} too.", "Keep it in one split.")
    for name, code, what in (("wav.scp", "overlap.audio", "this file"), ("text", "overlap.text", "this sentence")):
        known = {row.rest.casefold(): key for key, row in train[name].rows.items() if row.rest}
        for key, row in other[name].rows.items():
            if row.rest.casefold() in known and key not in train[name].rows:
                other[name].fault(row.line, row.col, code, f"{what} is in {folder} too, as {known[row.rest.casefold()]!r}.",
                                  "Keep it in one split.", "warning" if code == "overlap.text" else "error")


def _tag(tag: str) -> str | None:
    try:
        return resolve(tag).tag
    except UnavailableError:
        return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value - value == 0 else None  # neither NaN nor infinite
