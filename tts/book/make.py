"""Chapters to speech: a FLAC and a subtitle file each, and a list of those that are finished, so that a run may end anywhere.

    book.json    {"schema": "parlance-book/1", "chapters": [{"number": ..., "digest": ..., "sha256": ..., ...}, ...]}

A chapter is kept when its digest (of text, voice, model, options and version) is that in the list and its file has the hash in
the list; else it is spoken again. As equal requests give equal samples, an interrupted book is that which one run would make.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tts.base import files, strict_json
from tts.base.errors import CannotCreateError, DataError, NoInputError, ResourceError
from tts.book.text import Book, Chapter
from tts.provenance import note
from tts.speech import Account
from vocoder.audio.frames import SAMPLE_RATE
from vocoder.audio.io import write_audio

SCHEMA, LIST = "parlance-book/1", "book.json"
SAMPLE = 20_000  # characters by which the language is told


@dataclass(frozen=True)
class Spoken:
    """A finished chapter."""

    number: int  # in the book, from 1
    title: str
    file: str  # FLAC, in the folder; subtitles lie beside it
    seconds: float
    digest: str  # of what was asked for
    sha256: str  # of the FLAC file
    notes: tuple = ()  # frontend.Note; of what was spoken in this run
    kept: bool = False  # from an earlier run

    @property
    def subtitles(self) -> str:
        """SRT file in the folder."""
        return str(Path(self.file).with_suffix(".srt"))


def language_of(book: Book) -> str:
    """Tag of a book's language: as its file has it, without the region; else detected on its longest chapter."""
    import frontend
    from frontend.languages import resolve
    from tts.base.errors import UnavailableError

    try:
        return resolve(re.split("[-_]", book.language)[0]).tag
    except UnavailableError:  # of a language that is not known, or none
        longest = max((chapter.text for chapter in book.chapters), key=len)
        return frontend.read(longest[:SAMPLE], "auto").language


def check_folder(folder: Path) -> None:
    """Refuse a folder in which something else lies.

    Raises:
        CannotCreateError: It is a file, or holds files and no list of ours.
    """
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / LIST).is_file())):
        raise CannotCreateError("is there, and not of an earlier run.", where=folder, code="book.folder",
                                fix="Give another output, or move it away.")  # fmt: skip


def speak(
    synthesizer, book: Book, folder: Path, numbers: Iterable[int], told: Callable = lambda chapter, chunk: None, **request
) -> Iterator[Spoken]:
    """Speak chapters into a folder; each comes when it is finished.

    Args:
        synthesizer: ``tts.api.Synthesizer``.
        numbers: Of the chapters, from 1.
        told: Called with the chapter and each chunk that is spoken, or None for a chapter that is kept.
        request: As of ``Synthesizer.stream``; ``voice`` is a Voice and ``language`` a tag.

    Raises:
        TtsError: as ``Synthesizer.stream``, and for files that cannot be written. What is finished stays.
    """
    check_folder(folder)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise CannotCreateError(f"cannot be made: {error.strerror}.", where=folder, code="file.no_folder") from error
    finished = _read_list(folder)
    common = _facts(synthesizer, book, request)
    for number in numbers:
        chapter = book.chapters[number - 1]
        digest = _sha256(strict_json.dumps({**common, "number": number, "title": chapter.title, "text": chapter.text}))
        row = finished.get(number)
        if row and row.digest == digest and _is_whole(folder, row):
            told(chapter, None)
            yield row
            continue
        spoken = _speak(synthesizer, book, chapter, number, folder, digest, told, request)
        finished[number] = spoken
        _write_list(folder, finished)
        yield spoken


def _speak(synthesizer, book: Book, chapter: Chapter, number: int, folder: Path, digest: str, told: Callable, request: dict):
    name, account = _name(number, chapter.title), Account(("words", "chunks"))
    tags = {"TITLE": chapter.title, "ALBUM": book.title, "ARTIST": book.author, "TRACKNUMBER": str(number)}

    def samples():
        for chunk in synthesizer.stream(chapter.text, **request):
            told(chapter, chunk)
            yield account.add(chunk)

    try:
        write_audio(folder / f"{name}.flac", samples(), SAMPLE_RATE, force=True, note=note(account.provenance),
                    tags={tag: value for tag, value in tags.items() if value})  # fmt: skip
    except DataError as error:
        where = f"chapter {number}, {chapter.title!r}"
        raise DataError(error.what, where=where, pos=error.pos, code=error.code, fix=error.fix) from error
    speech = account.speech()
    files.atomic_write(folder / f"{name}.srt", speech.to_srt(), force=True)
    return Spoken(number, chapter.title, f"{name}.flac", round(speech.duration, 6), digest, _file_sha256(folder / f"{name}.flac"),
                  speech.notes)  # fmt: skip


def _facts(synthesizer, book: Book, request: dict) -> dict:
    """Everything but its text that a chapter's file depends on."""
    try:
        installed = version("parlance-tts")
    except PackageNotFoundError:  # a checkout
        installed = "unknown"
    voice, lexicon = request["voice"], request.get("lexicon")
    arrays = [array.tobytes() for array in (voice.reference, voice.style, voice.tokens) if array is not None]
    plain = {name: asdict(value) if is_dataclass(value) else value
             for name, value in request.items() if name not in ("voice", "lexicon")}  # fmt: skip
    return {
        "version": installed,
        "model": synthesizer.model_id,
        "voice": [voice.name, hashlib.sha256(b"".join(arrays)).hexdigest(), voice.consent],
        "lexicon": None if lexicon is None else _file_sha256(lexicon),
        "request": plain,
        "album": [book.title, book.author],
    }


def _name(number: int, title: str) -> str:
    slug = re.sub(r"\W+", "-", title.lower()).strip("-")[:40].rstrip("-")
    return f"{number:03}-{slug}" if slug else f"{number:03}"


def _read_list(folder: Path) -> dict[int, Spoken]:
    """Finished chapters by number; none when there is no list, or one that cannot be read."""
    try:
        found = strict_json.load(folder / LIST)
        rows = [Spoken(**row, kept=True) for row in found["chapters"]] if found["schema"] == SCHEMA else []
        return {int(row.number): row for row in rows if row.file == f"{_name(row.number, row.title)}.flac"}
    except (NoInputError, DataError, ResourceError, AttributeError, KeyError, TypeError, ValueError):
        return {}


def _write_list(folder: Path, finished: dict[int, Spoken]) -> None:
    rows = [{key: value for key, value in vars(finished[number]).items() if key not in ("notes", "kept")}
            for number in sorted(finished)]  # fmt: skip
    files.atomic_write(folder / LIST, strict_json.dumps({"schema": SCHEMA, "chapters": rows}) + "\n", force=True)


def _is_whole(folder: Path, row: Spoken) -> bool:
    place = folder / row.file
    return place.is_file() and os.path.isfile(folder / row.subtitles) and _file_sha256(place) == row.sha256


def _file_sha256(path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise NoInputError(f"cannot be read: {error.strerror}.", where=path, code="file.unreadable") from error


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
