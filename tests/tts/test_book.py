"""Books to chapters: text, Markdown, EPUB; what no book does is refused."""

import struct
import zipfile

import pytest

from tts.base.errors import DataError, NoInputError, NotPermittedError, ResourceError, UsageError
from tts.base.limits import LIMITS
from tts.book.make import language_of
from tts.book.text import Book, Chapter, markdown_book, plain_book, read_book

CONTAINER = '<container xmlns="urn:x"><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
METADATA = """<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The
 Pier</dc:title><dc:creator>A. Writer</dc:creator><dc:creator>B. Other</dc:creator><dc:language>en-GB</dc:language></metadata>"""
ONE = """<?xml version='1.0' encoding='utf-8'?><html><head><title>no</title><style>p {}</style></head><body>
<h2 id='c1'>Chapter 1</h2><p>It was <em>la</em>te.<a epub:type='noteref' href='#n'>1</a> Salt &amp; sand.</p>
<!-- <p>no</p> --><span epub:type='pagebreak' id='p2'>2</span><h2><a id='c2'/>Chapter 2</h2>
<p>Second<br/><![CDATA[line.]]></p><script>x()</script></body></html>"""
TWO = "<html><body><p>It goes on.</p><div hidden='hidden'>not this</div></body></html>"
COVER = "<html><body><img src='cover.png'/></body></html>"


def make_epub(path, documents=None, toc="", ncx=False, spine=None, extra=None, package=None):
    documents = documents or {"cover.xhtml": COVER, "one.xhtml": ONE, "two%20b.xhtml": TWO}
    items = "".join(f'<item id="d{i}" href="{name}" media-type="application/xhtml+xml"/>' for i, name in enumerate(documents))
    if toc:
        items += '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>' if ncx else (
            '<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>')  # fmt: skip
    refs = spine or "".join(f'<itemref idref="d{i}"/>' for i in range(len(documents)))
    package = package or f'<package xmlns="urn:x">{METADATA}<manifest>{items}</manifest><spine>{refs}</spine></package>'
    files = {"META-INF/container.xml": CONTAINER, "OPS/book.opf": package}
    files |= {f"OPS/{name}".replace("%20", " "): text for name, text in documents.items()}
    if toc:
        files["OPS/toc.ncx" if ncx else "OPS/nav.xhtml"] = toc
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (files | (extra or {})).items():
            if text is not None:
                archive.writestr(name, text)
    return path


NAV = """<html xmlns:epub="x"><body><nav epub:type="toc"><h1>Contents</h1><ol><li><a href="one.xhtml#c1">The <b>first</b></a></li>
<li><a href="one.xhtml#c2">Second</a></li><li><a href="away.xhtml">Not in the spine</a></li></ol></nav></body></html>"""
NCX = """<?xml version="1.0"?><!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "http://www.daisy.org/z3986/2005/ncx-2005-1.dtd">
<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>
<navPoint><navLabel><text>The first</text></navLabel><content src="one.xhtml#c1"/></navPoint>
<navPoint><navLabel><text>Second</text></navLabel><content src="one.xhtml#c2"/></navPoint></navMap></ncx>"""


@pytest.mark.parametrize(("toc", "ncx"), [(NAV, False), (NCX, True)])
def test_an_epub_is_cut_by_its_table_of_contents(tmp_path, toc, ncx):
    book = read_book(make_epub(tmp_path / "a.epub", toc=toc, ncx=ncx))
    assert book == Book(
        (Chapter("The first", "Chapter 1\n\nIt was late. Salt & sand."),
         Chapter("Second", "Chapter 2\n\nSecond line.\n\nIt goes on.")),
        "The Pier", "A. Writer, B. Other", "en-GB",
    )  # fmt: skip
    assert language_of(book) == "en-us"


def test_an_epub_without_a_table_has_a_chapter_a_document(tmp_path):
    spine = '<itemref idref="d2"/><itemref idref="d1"/><itemref linear="no" idref="d0"/>'
    book = read_book(make_epub(tmp_path / "a.epub", spine=spine))
    assert [chapter.title for chapter in book.chapters] == ["It goes on.", "Chapter 1"]


LOCK = '<e><EncryptedData><EncryptionMethod Algorithm="{}"/></EncryptedData></e>'
REFUSED = {
    "drm": (NotPermittedError, {"extra": {"META-INF/encryption.xml": LOCK.format("http://www.w3.org/2001/04/xmlenc#aes256-cbc")}}),
    "rights": (NotPermittedError, {"extra": {"META-INF/rights.xml": "<r/>"}}),
    "no container": (DataError, {"extra": {"META-INF/container.xml": None}}),
    "out of the archive": (DataError, {"documents": {"../../../etc/passwd": "x"}}),
    "over the network": (DataError, {"documents": {"http://example.org/a.xhtml": "x"}}),
    "entities": (DataError, {"package": '<!DOCTYPE p [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><package>&b;</package>'}),
    "no spine": (DataError, {"spine": '<itemref idref="nothing"/>'}),
    "cut XML": (DataError, {"package": "<package>"}),
    "Latin-1": (DataError, {"documents": {"a.xhtml": "<p>Gr\xfc\xdfe</p>".encode("latin-1")}}),
    "pictures": (DataError, {"documents": {"a.xhtml": COVER}}),
    "bomb": (ResourceError, {"documents": {"a.xhtml": "<p>" + "x" * (LIMITS.book_bytes + 1)}}),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_book_does_is_refused(tmp_path, case):
    error, made = REFUSED[case]
    with pytest.raises(error) as caught:
        read_book(make_epub(tmp_path / "a.epub", **made))
    assert "a.epub" in str(caught.value) and caught.value.fix


def test_obfuscated_fonts_are_no_copy_protection(tmp_path):
    fonts = {"META-INF/encryption.xml": LOCK.format("http://www.idpf.org/2008/embedding")}
    assert len(read_book(make_epub(tmp_path / "a.epub", extra=fonts)).chapters) == 2


def test_damaged_archives_are_refused(tmp_path):
    whole = make_epub(tmp_path / "a.epub").read_bytes()
    at = whole.rfind(b"PK\5\6")
    huge = whole[: at + 12] + struct.pack("<I", 1 << 30) + whole[at + 16 :]
    place = whole.find(b"OPS/one.xhtml") + 60
    flipped = whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :]
    for data in (b"", b"PK", whole[:-100], huge, flipped):
        (tmp_path / "b.epub").write_bytes(data)
        with pytest.raises(ResourceError if data == huge else DataError):
            read_book(tmp_path / "b.epub")
    for name, error in (("none.epub", NoInputError), ("a.pdf", UsageError)):
        with pytest.raises(error):
            read_book(tmp_path / name)


def test_html_that_never_ends_takes_no_time(tmp_path):
    """html.parser takes time in the square of these; a test of minutes is a failure."""
    for piece in ("<!--", "<![if>", "<a b='", "<", "<![CDATA[", "<?"):
        document = {"a.xhtml": f"<p>Words.</p>{piece * (200_000 // len(piece))}"}
        assert read_book(make_epub(tmp_path / "a.epub", document)).chapters[0].text.startswith("Words.")


PLAIN = """\
By me

Chapter 1
It was late.

Part of it is true.

CHAPTER II: The End

Yes.

Epilogue

x

第十二章 海

好。"""
MARKDOWN = """\
---
title: 'T'
author: A
lang: de
---
# Book
intro

## One
*Hello* [site](http://x), [word](/wɜːd/) a_b_c 2 * 3 `code`.

- a
- b

Two
---
> quoted **text**

***
| a | b |
|---|---|
```py
# code
```
### sub
end <b>bold</b><!-- x
y -->![i](p)"""


def test_plain_text_is_cut_at_lines_that_are_headings():
    book = plain_book(PLAIN)
    titles = ["By me", "Chapter 1", "CHAPTER II: The End", "Epilogue", "第十二章 海"]
    assert [chapter.title for chapter in book.chapters] == titles
    assert book.chapters[1].text == "Chapter 1\n\nIt was late.\n\nPart of it is true."


def test_markdown_keeps_words_and_loses_marks():
    book = markdown_book(MARKDOWN)
    assert (book.title, book.author, book.language) == ("T", "A", "de")
    assert [chapter.title for chapter in book.chapters] == ["Book", "One", "Two"]
    assert " ".join(book.chapters[1].text.split()) == "One Hello site, [word](/wɜːd/) a_b_c 2 * 3 code. a b"
    assert " ".join(book.chapters[2].text.split()) == "Two quoted text a, b # code sub end bold"


def test_a_chapter_that_is_too_long_goes_on_in_another(tmp_path):
    paragraph = "word " * 100_000
    (tmp_path / "a.txt").write_text("Chapter 1\n\n" + "\n\n".join([paragraph] * 3))
    book = read_book(tmp_path / "a.txt")
    assert [chapter.title for chapter in book.chapters] == ["Chapter 1", "Chapter 1 (2)"]
    assert sum(chapter.text.count("word") for chapter in book.chapters) == 300_000
    (tmp_path / "a.txt").write_text("word " * 300_000)
    with pytest.raises(ResourceError):
        read_book(tmp_path / "a.txt")
