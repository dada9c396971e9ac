"""EPUB 2 and 3: the text of the spine, cut into chapters by the table of contents.

    META-INF/container.xml ──▶ package (.opf): metadata, manifest, spine ──▶ XHTML documents in reading order
                                                          └▶ nav or .ncx ──▶ places where chapters begin

Source: EPUB 3.3 (W3C). Nothing is written to disk and no file outside of the archive is read. Entities are not declared by books:
a file that does is refused.
"""

from __future__ import annotations

import io
import posixpath
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from tts.base.errors import DataError, NoInputError, NotPermittedError, ResourceError
from tts.base.limits import LIMITS
from tts.book.text import Book, Chapter, short_title

_FONTS = {"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"}  # fonts made unreadable: no copy protection
_INLINE = {
    "a", "abbr", "b", "bdi", "bdo", "big", "br", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img", "ins", "kbd",
    "mark", "q", "rb", "ruby", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
}  # fmt: skip
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_UNSPOKEN = {"head", "nav", "rp", "rt", "script", "style", "svg"}
_UNSPOKEN_ROLES = {"noteref", "doc-noteref", "pagebreak", "doc-pagebreak"}  # numbers of notes and pages inside the text
_DECLARATION = re.compile(r"<![^<>]*>")
_OPEN = re.compile(r"<(?![^<>]*>)")
_ENCODING = re.compile(rb"""<\?xml[^>]{0,100}encoding=["']([A-Za-z0-9_-]{1,20})["']""")


def read_epub(path) -> Book:
    """The chapters of an EPUB file.

    Raises:
        NoInputError: It cannot be read.
        DataError: It is no EPUB, damaged, or names files outside of itself.
        NotPermittedError: It is copy-protected.
        ResourceError: It unpacks to more than LIMITS.book_bytes of text, or lists too many files.
    """
    try:
        with open(path, "rb") as file:
            _check_size(file, path)
            with zipfile.ZipFile(file) as archive:
                return _Epub(archive, str(path)).book()
    except OSError as error:
        raise NoInputError(f"cannot be read: {error.strerror or error}.", where=path, code="file.unreadable") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DataError(f"is damaged, or no EPUB: {error}.", where=path, code="epub.zip", fix="Get the file again.") from error


def _check_size(file, path) -> None:
    """Refuse a list of files that would fill the memory: zipfile reads it whole."""
    file.seek(0, io.SEEK_END)
    file.seek(-min(file.tell(), 22 + 65_535 + 20), io.SEEK_END)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 16:
        raise DataError("is no EPUB: no ZIP archive.", where=path, code="epub.zip", fix="Get the file again.")
    size = struct.unpack_from("<I", tail, at + 12)[0]
    if size > LIMITS.epub_list_bytes or tail[max(0, at - 20) : at].startswith(b"PK\6\7"):
        raise ResourceError("lists more files than a book has.", where=path, code="epub.files", limit=LIMITS.epub_list_bytes)


@dataclass
class _Document:
    """Paragraphs of one XHTML file."""

    paragraphs: list[str]
    places: dict[str, int]  # id of an element -> number of the paragraph that it stands in or before
    heading: str  # the first
    links: list[tuple[str, str]] = field(default_factory=list)  # target and text of the table of contents in it


class _Epub:
    def __init__(self, archive: zipfile.ZipFile, where: str):
        self.archive, self.where, self.unread = archive, where, LIMITS.book_bytes
        self.names = {entry.filename: entry for entry in archive.infolist()}

    def book(self) -> Book:
        self._check_protection()
        root = _first(self._xml("META-INF/container.xml"), "rootfile")
        opf = self._inside("", "" if root is None else root.get("full-path", ""))
        package = self._xml(opf)
        items = {item.get("id"): item for item in _all(package, "item")}
        spine = [items.get(ref.get("idref")) for ref in _all(package, "itemref") if ref.get("linear") != "no"]
        nav = next((item for item in items.values() if "nav" in item.get("properties", "").split()), None)
        ncx = next((item for item in items.values() if item.get("media-type") == "application/x-dtbncx+xml"), None)
        if None in spine or not spine:
            raise self._error("its spine is empty, or names what its manifest does not have.", "spine")
        files = list(dict.fromkeys(self._inside(opf, item.get("href", "")) for item in spine))
        documents = {name: self._document(name) for name in files}
        told = self._nav(opf, nav) if nav is not None else self._ncx(opf, ncx) if ncx is not None else []
        title, language = (next(iter(_said(package, name)), "") for name in ("title", "language"))
        return Book(tuple(_chapters(documents, told)), title, ", ".join(_said(package, "creator")), language)

    def _check_protection(self) -> None:
        listed = self._xml("META-INF/encryption.xml") if "META-INF/encryption.xml" in self.names else None
        methods = {method.get("Algorithm") for method in _all(listed, "EncryptionMethod")}
        locks = {"META-INF/rights.xml", "META-INF/sinf.xml"} & self.names.keys()
        if locks or methods - _FONTS or any(entry.flag_bits & 1 for entry in self.names.values()):
            raise NotPermittedError("is copy-protected (DRM), so its text cannot be read.", where=self.where, code="epub.drm",
                                    fix="Use a copy without protection; many shops and libraries have one.")  # fmt: skip

    def _error(self, what: str, code: str) -> DataError:
        return DataError(what, where=self.where, code=f"epub.{code}", fix="Get the file again, or mend it with an EPUB editor.")

    def _inside(self, base: str, href: str) -> str:
        """Name in the archive of what ``base`` calls ``href``."""
        parts = urlsplit(href)
        name = posixpath.normpath(posixpath.join(posixpath.dirname(base), unquote(parts.path)))
        if parts.scheme or parts.netloc or name.startswith(("/", "../")) or name in ("", ".", ".."):
            raise self._error(f"names {href!r:.80}, which is no file inside of it.", "path")
        return name

    def _text(self, name: str) -> str:
        if name not in self.names:
            raise self._error(f"{name!r:.80} is not in it.", "missing")
        with self.archive.open(self.names[name]) as file:
            data = file.read(self.unread + 1)
        if len(data) > self.unread:
            raise ResourceError(f"unpacks to more than {LIMITS.book_bytes:,} bytes of text.", where=self.where, code="epub.size",
                                limit=LIMITS.book_bytes, fix="Is it a book? Divide it, or take its text alone.")  # fmt: skip
        self.unread -= len(data)
        wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        told = _ENCODING.match(data.removeprefix(b"\xef\xbb\xbf").lstrip()[:200])
        try:
            text = data.decode("utf-16" if wide else told[1].decode() if told else "utf-8").removeprefix("\ufeff")
        except (UnicodeDecodeError, LookupError) as error:
            raise self._error(f"{name!r:.80} is not text: {error}.", "encoding") from error
        if "<!ENTITY" in text:
            raise self._error(f"{name!r:.80} declares entities.", "entity")
        return text

    def _xml(self, name: str) -> ElementTree.Element:
        text = self._text(name)
        try:
            return ElementTree.fromstring(text)
        except ElementTree.ParseError as error:
            raise self._error(f"{name!r:.80} is not XML: {error}.", "xml") from error

    def _document(self, name: str) -> _Document:
        parser = _Spoken()
        parser.feed(_closed(self._text(name)))
        parser.close()
        return parser.document()

    def _nav(self, opf: str, item) -> list[tuple[str, str, str]]:
        name = self._inside(opf, item.get("href", ""))
        return [self._place(name, href, title) for href, title in self._document(name).links]

    def _ncx(self, opf: str, item) -> list[tuple[str, str, str]]:
        name = self._inside(opf, item.get("href", ""))
        points = ((_first(point, "content"), _first(point, "text")) for point in _all(self._xml(name), "navPoint"))
        whole = [(content.get("src", ""), text.text or "") for content, text in points if None not in (content, text)]
        return [self._place(name, href, title) for href, title in whole]

    def _place(self, base: str, href: str, title: str) -> tuple[str, str, str]:
        """(file, id in it, title) of an entry."""
        own = not urlsplit(href).path  # the document of the table itself
        return (base if own else self._inside(base, href)), unquote(urlsplit(href).fragment), " ".join(title.split())


def _chapters(documents: dict[str, _Document], told: list[tuple[str, str, str]]):
    """The spine's paragraphs, cut where entries of the table of contents point; without one, each document is a chapter."""
    starts, paragraphs = {}, []
    for name, document in documents.items():
        starts[name] = len(paragraphs)
        paragraphs += document.paragraphs
    cuts = {starts[name] + documents[name].places.get(place, 0): title for name, place, title in told if name in documents}
    cuts = cuts or {starts[name]: document.heading for name, document in documents.items()}
    ends = sorted({0, *cuts, len(paragraphs)})
    for start, end in pairwise(ends):
        yield Chapter(cuts.get(start) or short_title(paragraphs[start]), "\n\n".join(paragraphs[start:end]))


def _closed(text: str) -> str:
    """XHTML of nothing but text and tags with an end: html.parser searches long for ends that are not there."""
    for begin, end, kept in (("<!--", "-->", False), ("<![CDATA[", "]]>", True)):
        first, *others = text.split(begin)
        pairs = (other.partition(end) for other in others)
        text = first + "".join(escape(inside) * kept + behind for inside, _, behind in pairs)
    return _OPEN.sub("&lt;", _DECLARATION.sub("", text))


def _all(element: ElementTree.Element | None, name: str) -> list[ElementTree.Element]:
    """All elements of a name, of whatever namespace, in an element; in order."""
    return [] if element is None else [inner for inner in element.iter() if str(inner.tag).rpartition("}")[2] == name]


def _first(element: ElementTree.Element | None, name: str) -> ElementTree.Element | None:
    return next(iter(_all(element, name)), None)


def _said(package: ElementTree.Element, name: str) -> list[str]:
    """What the metadata give for a name."""
    texts = (" ".join((element.text or "").split()) for element in _all(_first(package, "metadata"), name))
    return [text for text in texts if text]


class _Spoken(HTMLParser):
    """What is to be said of an XHTML document: not its scripts, numbers of pages and notes, and tables of contents."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.paragraphs, self.places, self.headings, self.links = [], {}, [], []
        self._words: list[str] = []
        self._silent: list[str] = []  # the unspoken element that is open, once for each element of its name inside of it
        self._in_contents = self._in_link = False

    def document(self) -> _Document:
        self._end_paragraph()
        return _Document(self.paragraphs, self.places, next(iter(self.headings), ""), self.links)

    def handle_starttag(self, tag, attributes):
        facts = dict(attributes)
        roles = {*(facts.get("epub:type") or "").split(), *(facts.get("role") or "").split()}
        tag = tag.rpartition(":")[2]
        if tag not in _INLINE:
            self._end_paragraph()
        for name in {facts.get("id"), facts.get("name") if tag == "a" else None} - {None}:
            self.places.setdefault(name, len(self.paragraphs))
        if tag == "br":
            self._words.append(" ")
        if self._silent:
            if tag == self._silent[0]:
                self._silent.append(tag)
        elif tag not in _VOID and (tag in _UNSPOKEN or roles & _UNSPOKEN_ROLES or "hidden" in facts):
            self._silent.append(tag)
        if tag == "nav" and roles & {"toc", "doc-toc"}:
            self._in_contents = True
        if tag == "a" and self._in_contents and facts.get("href"):
            self.links.append((facts["href"], ""))
            self._in_link = True

    def handle_endtag(self, tag):
        tag = tag.rpartition(":")[2]
        if tag not in _INLINE:
            self._end_paragraph(heading=tag in ("h1", "h2", "h3"))
        if self._silent and tag == self._silent[0]:
            self._silent.pop()
        self._in_contents &= tag != "nav"
        self._in_link &= tag != "a"

    def handle_data(self, data):
        if self._in_link:
            target, title = self.links[-1]
            self.links[-1] = (target, title + data)
        if not self._silent:
            self._words.append(data)

    def _end_paragraph(self, heading: bool = False) -> None:
        text = " ".join("".join(self._words).split())
        self._words = []
        if text:
            self.paragraphs.append(text)
            self.headings += [text] * heading
