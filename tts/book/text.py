"""Books as text: what a book is, and how plain text and Markdown are cut into chapters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from tts.base import files
from tts.base.errors import DataError, ResourceError, UsageError
from tts.base.limits import LIMITS

ENDINGS = (".txt", ".md", ".markdown", ".epub")
TITLE = 80  # characters of a title that is taken from the text
_NUMBERED = r"chapter|part|kapitel|teil|hoofdstuk|deel|chapitre|partie|cap[íi]tulo|capitolo|rozdział|глава"
_ALONE = r"prologue?|epilogue?|épilogue|proloog|epiloog|preface|préface|foreword|afterword|vorwort|nachwort|voorwoord|nawoord"
_CHAPTER = re.compile(
    rf"(?i:{_NUMBERED})\s+(?:\d{{1,4}}|[IVXLCDM]{{1,8}}|[ivxlcdm]{{1,8}}|[A-ZÄÖÜÉ][\w-]{{1,20}})(?:\s*[.:–—-].{{0,70}})?"
    rf"|(?i:{_ALONE})[.:]?|第[0-9〇零一二三四五六七八九十百千]{{1,8}}[章回卷部节](?:\s.{{0,70}})?"
)
_GAP = re.compile(r"\n[ \t]*\n\s*")
_FACT = re.compile(r"(title|author|lang|language)\s*:\s*(.+)", re.IGNORECASE)
_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_HEADING = re.compile(r"\s{0,3}(#{1,6})\s+(.+?)\s*#*\s*")
_RULE = re.compile(r"\s{0,3}(?:([-*_])\s*)(?:\1\s*){2,}|[\s|:-]*-[\s|:-]*\|[\s|:-]*")  # also the line under a table's head
_BULLET = re.compile(r"(\s*>)*\s*(?:[-*+]\s+)?")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_INLINE = (
    (re.compile(r"!\[[^\]\n]*\]\([^)\n]*\)"), ""),
    (re.compile(r"\[([^\[\]\n]+)\]\((?!/[^/\n]+/\))[^)\n]*\)"), r"\1"),  # [word](/ipa/) is for the frontend
    (re.compile(r"</?[A-Za-z][^<>\n]{0,200}>"), ""),
    (re.compile(r"(?<!\w)(\*{1,3}|_{1,3}|~~)(?=\S)([^\n]+?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"`+([^`\n]+)`+"), r"\1"),
    (re.compile(r"\\([\\`*_{}\[\]()#+.!|>-])"), r"\1"),
)


@dataclass(frozen=True)
class Chapter:
    """A title for lists, and what is said: the heading too, where the book has one; paragraphs lie between empty lines."""

    title: str
    text: str


@dataclass(frozen=True)
class Book:
    """What a file holds; empty strings where it does not say."""

    chapters: tuple[Chapter, ...]
    title: str = ""
    author: str = ""
    language: str = ""  # tag, as the file has it


def read_book(path: str | Path) -> Book:
    """The chapters of a ``.txt``, ``.md`` or ``.epub`` file.

    Text is cut at lines such as "Chapter 1" behind an empty line, Markdown at its topmost headings of which there are several,
    an EPUB by its table of contents. A chapter over LIMITS.text_bytes goes on in further ones.

    Raises:
        UsageError: Another ending.
        NoInputError, DataError, ResourceError: It cannot be read, is damaged, too large, or has nothing to say.
        NotPermittedError: An EPUB with copy protection.
    """
    ending = Path(path).suffix.lower()
    if ending == ".epub":
        from tts.book.epub import read_epub

        book = read_epub(path)
    elif ending in ENDINGS:
        parse = plain_book if ending == ".txt" else markdown_book
        book = parse(files.read_text(path, LIMITS.book_bytes).replace("\r\n", "\n"))
    else:
        raise UsageError(f"ending {ending!r} is no book's.", where=path, code="book.kind",
                         fix=f"Use one of: {', '.join(ENDINGS)}.")  # fmt: skip
    chapters = tuple(part for chapter in book.chapters if _speakable(chapter.text) for part in _parts(chapter, path))
    if not chapters:
        raise DataError("holds no text.", where=path, code="book.empty", fix="Is it a book of pictures? They have no words.")
    if len(chapters) > LIMITS.book_chapters:
        raise ResourceError(f"has {len(chapters):,} chapters; {LIMITS.book_chapters} are the most.", where=path,
                            code="book.chapters", limit=LIMITS.book_chapters, fix="Divide it into volumes.")  # fmt: skip
    return replace(book, chapters=chapters)


def plain_book(text: str) -> Book:
    """Chapters of a plain text."""
    chapters, title, lines, behind_gap = [], "", [], True
    for line in text.split("\n"):
        if behind_gap and _CHAPTER.fullmatch(line.strip()):
            chapters.append(Chapter(title, "\n".join(lines)))
            title, lines = line.strip(), [line, ""]
        else:
            lines.append(line)
        behind_gap = not line.strip()
    return Book(_titled([*chapters, Chapter(title, "\n".join(lines))]))


def markdown_book(text: str) -> Book:
    """Chapters of a Markdown text; its marks are left out, not its words. ``title:`` and others stand between ``---`` lines."""
    facts, text = _head(text)
    lines = list(_markdown_lines(text))
    levels = [level for level, _ in lines if level]
    cut = next((level for level in sorted(set(levels)) if levels.count(level) > 1), min(levels, default=0))
    title = next((line for level, line in lines if level and level < cut), "")
    chapters = [Chapter("", "")]
    for level, line in lines:
        if level and level == cut:
            chapters.append(Chapter(line, line + "\n"))
        else:
            last = chapters[-1]
            chapters[-1] = Chapter(last.title, f"{last.text}\n{line}" + ("\n" if level else ""))
    return Book(_titled(chapters), facts.get("title", title), facts.get("author", ""), facts.get("lang", ""))


def short_title(text: str) -> str:
    """The first line of a text, not too long."""
    first = " ".join(next((line for line in text.split("\n") if line.strip()), "").split())
    return first if len(first) <= TITLE else first[: TITLE - 1].rsplit(" ", 1)[0] + "…"


def _titled(chapters: Iterable[Chapter]) -> tuple[Chapter, ...]:
    tidy = (Chapter(chapter.title, _GAP.sub("\n\n", chapter.text.strip())) for chapter in chapters)
    return tuple(Chapter(chapter.title or short_title(chapter.text), chapter.text) for chapter in tidy)


def _head(text: str) -> tuple[dict[str, str], str]:
    """Facts between two ``---`` lines at the start, and the rest."""
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return {}, text
    end = next((i for i, line in enumerate(lines[1:200], 1) if line.rstrip() in ("---", "...")), None)
    if end is None:
        return {}, text
    found = filter(None, map(_FACT.fullmatch, lines[1:end]))
    return {match[1].lower().replace("language", "lang"): match[2].strip(" \"'") for match in found}, "\n".join(lines[end + 1 :])


def _markdown_lines(text: str) -> Iterator[tuple[int, str]]:
    """(level of a heading, else 0; the line without marks)."""
    lines, in_code = pairwise([*_COMMENT.sub("", text).split("\n"), ""]), False
    for line, following in lines:
        if _FENCE.match(line):
            in_code = not in_code
            yield 0, ""
            continue
        heading = None if in_code else _HEADING.fullmatch(line)
        underline = following.strip()
        if heading:
            yield len(heading[1]), _plain(heading[2])
        elif not in_code and line.strip() and underline and set(underline) in ({"="}, {"-"}) and not _RULE.fullmatch(line):
            next(lines, None)
            yield (1 if underline[0] == "=" else 2), _plain(line)
        elif not in_code and _RULE.fullmatch(line):
            yield 0, ""
        else:
            bullet = _BULLET.match(line)[0]
            if bullet.strip():
                yield 0, ""  # an item is a paragraph
            yield 0, _plain(line[len(bullet) :])


def _plain(line: str) -> str:
    for pattern, kept in _INLINE:
        line = pattern.sub(kept, line)
    return line.strip().strip("|").replace(" | ", ", ").strip()


def _speakable(text: str) -> bool:
    return any(char.isalnum() for char in text)


def _parts(chapter: Chapter, path: str | Path) -> Iterator[Chapter]:
    """The chapter; cut between paragraphs into several where it is longer than one call of the synthesiser may be."""
    if len(chapter.text.encode()) <= LIMITS.text_bytes:
        yield chapter
        return
    size, part, number = 0, [], 1
    for paragraph in _GAP.split(chapter.text):
        more = len(paragraph.encode()) + 2
        if more > LIMITS.text_bytes:
            raise ResourceError(f"a paragraph of {chapter.title!r} has {more:,} bytes.", where=path, code="book.paragraph",
                                limit=LIMITS.text_bytes, fix="Put empty lines between paragraphs.")  # fmt: skip
        if size + more > LIMITS.text_bytes:
            yield Chapter(chapter.title if number == 1 else f"{chapter.title} ({number})", "\n\n".join(part))
            size, part, number = 0, [], number + 1
        size += more
        part.append(paragraph)
    yield Chapter(f"{chapter.title} ({number})", "\n\n".join(part))
