"""``tts book``: chapters, one file with marks, resumed after a kill; ``tts synth --script``."""

import json
import os
import signal
import stat
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tts.speech import Span, Speech
from tts.voice import Voice
from vocoder.audio.io import read_audio, read_info
from vocoder.audio.ogg import read_comments

RATE = 24_000
HEAD = "---\ntitle: The Pier\nauthor: A. Writer\nlang: en\n---\n"
BOOK = f"{HEAD}# One\n\nIt was late.\n\n# Two\n\nIt was later.\n\n# Three\n\nThe end.\n"


@pytest.fixture
def hum(hum, monkeypatch):
    """The humming synthesiser, with what books and scripts ask for besides; ``killed_at`` is a text at which the process dies."""
    stream = hum.stream

    def dying(self, text, **request):
        for i, chunk in enumerate(stream(self, text, **request)):
            if i and hum.killed_at and hum.killed_at in text:
                os.kill(os.getpid(), signal.SIGKILL)
            yield replace(chunk, metrics={"wall_s": 0.1, "first_audio_s": 0.1, "rtf": 0.1}, provenance={"language": "en-us"})

    def voice(self, name, language="en-us"):
        return Voice(name or "kathleen", np.zeros((10, 100), np.float32), consent={"kind": "dataset_licence"})

    for name, value in (("stream", dying), ("voice", voice), ("model_id", "0123"), ("killed_at", "")):
        monkeypatch.setattr(hum, name, value, raising=False)
    Path("book.md").write_text(BOOK)
    return hum


def said(hum):
    return [call["text"] for call in hum.calls]


def test_a_book_becomes_chapters_and_one_file_with_marks(hum, tts):
    done = tts("book", "book.md", "-o", "b.opus", "--json", "--rate", "1.5", "-v", "kerstin")
    assert done.code == 0, done.err
    chapters = done.json["chapters"]
    assert [row["title"] for row in chapters] == ["One", "Two", "Three"] and not any(row["kept"] for row in chapters)
    assert [row["start"] for row in chapters] == [0.0, 1.9, 3.8] and done.json["seconds"] == 4.1
    first = hum.calls[0]
    assert (first["language"], first["controls"].rate, first["voice"].name) == ("en-us", 1.5, "kerstin")
    with open("b.opus", "rb") as file:
        tags = dict(read_comments(file))
    assert (tags["TITLE"], tags["ARTIST"], tags["LANGUAGE"]) == ("The Pier", "A. Writer", "en-us")
    assert [tags[f"CHAPTER00{i}"] for i in (1, 2, 3)] == ["00:00:00.000", "00:00:01.900", "00:00:03.800"]
    assert [tags[f"CHAPTER00{i}NAME"] for i in (1, 2, 3)] == ["One", "Two", "Three"]
    whole = read_audio("b.opus")
    assert len(whole) == round(4.1 * RATE) and np.abs(whole[round(0.5 * RATE) : round(1.8 * RATE)]).max() < 0.01
    assert read_info("b.chapters/002-two.flac").frames == round(0.4 * RATE)
    assert "Two It was later." in " ".join(Path("b.chapters/002-two.srt").read_text().split())


def test_finished_chapters_are_kept_and_changed_or_damaged_ones_made_again(hum, tts):
    tts("book", "book.md", "-o", "b.opus")
    first = read_audio("b.opus")
    hum.calls.clear()
    assert tts("book", "book.md", "-o", "b.opus").code == 73  # it is there
    assert tts("book", "book.md", "-o", "b.opus", "--force").code == 0 and said(hum) == []
    with open("b.chapters/002-two.flac", "r+b") as file:
        file.seek(-9, os.SEEK_END)
        file.write(b"?")
    Path("book.md").write_text(BOOK.replace("The end.", "An end."))
    done = tts("book", "book.md", "-o", "b.opus", "--force", "--json")
    assert [row["kept"] for row in done.json["chapters"]] == [True, False, False]
    assert said(hum) == ["Two\n\nIt was later.", "Three\n\nAn end."]
    Path("book.md").write_text(BOOK)
    Path("b.chapters/book.json").write_text('{"schema": "parlance-book/1", "chapters": [{"number": {}}]}')  # not ours: all anew
    tts("book", "book.md", "-o", "b.opus", "--force")
    assert np.array_equal(read_audio("b.opus"), first)
    hum.calls.clear()
    tts("book", "book.md", "-o", "b.opus", "--force", "--seed", 5, "--chapters", "1,3")
    assert said(hum) == ["One\n\nIt was late.", "Three\n\nThe end."]


def test_a_killed_run_goes_on_where_it_was(hum, tts):
    tts("book", "book.md", "-o", "whole.opus")
    hum.killed_at = "later"
    child = os.fork()
    if child == 0:
        tts("book", "book.md", "-o", "b.opus")
        os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert not os.path.exists("b.opus") and not os.path.exists("b.chapters/002-two.flac")
    hum.killed_at = ""
    hum.calls.clear()
    assert tts("book", "book.md", "-o", "b.opus").code == 0
    assert said(hum) == ["Two\n\nIt was later.", "Three\n\nThe end."]
    for name in ("001-one.flac", "002-two.flac", "003-three.flac", "002-two.srt"):
        assert Path("b.chapters", name).read_bytes() == Path("whole.chapters", name).read_bytes()
    assert np.array_equal(read_audio("b.opus"), read_audio("whole.opus"))


def test_what_cannot_be_done_is_refused_before_any_work(hum, tts, monkeypatch):
    monkeypatch.setenv("PATH", "")
    os.mkdir("c.chapters")
    Path("c.chapters/mine.txt").write_text("x")
    Path("empty.txt").write_text("\n* * *\n")
    for arguments, code, told in (
        (["book.md"], 2, "-o"),
        (["book.md", "-o", "b.wav"], 2, "x.m4b"),
        (["book.md", "-o", "b.m4b"], 69, "x.opus"),
        (["book.md", "-o", "b.opus", "--bitrate", "900k"], 2, "6 to 256"),
        (["book.md", "-o", "b.opus", "--chapters", "2-9"], 2, "it has 3"),
        (["book.md", "-o", "c.opus"], 73, "earlier run"),
        (["book.md", "-o", "no/b.opus"], 73, "mkdir"),
        (["book.pdf", "-o", "b.opus"], 2, ".epub"),
        (["none.txt", "-o", "b.opus"], 66, "none.txt"),
        (["empty.txt", "-o", "b.opus"], 65, "no text"),
        (["book.md", "-o", "b.opus", "--no-watermark"], 2, "--reason"),
    ):
        done = tts("book", *arguments)
        assert done.code == code and told in done.err, (arguments, done.err)
    assert hum.calls == [] and not os.path.exists("b.chapters")
    listed = tts("book", "book.md", "--list")
    assert listed.out.decode().split()[3:] == ["1", "17", "One", "2", "18", "Two", "3", "15", "Three"]


FFMPEG = """\
#!/usr/bin/env python3
import json, sys
sound, tags = sys.stdin.buffer.read(), open(sys.argv[sys.argv.index("-i", 10) + 1]).read()
if "FAIL" in tags:
    sys.exit("no encoder")
json.dump({"bytes": len(sound), "tags": tags}, open(sys.argv[-1], "w"))
"""


def test_m4b_is_made_by_ffmpeg(hum, tts, monkeypatch):
    """Its part of the work is a script here: what it is given, and what becomes of its failure."""
    os.mkdir("bin")
    Path("bin/ffmpeg").write_text(FFMPEG)
    os.chmod("bin/ffmpeg", stat.S_IRWXU)
    monkeypatch.setenv("PATH", os.path.abspath("bin"), prepend=os.pathsep)
    assert tts("book", "book.md", "-o", "b.m4b", "--title", "A;B=C").code == 0
    given = json.loads(Path("b.m4b").read_text())
    assert given["bytes"] == round(4.1 * RATE) * 2
    lines = given["tags"].split("\n")
    assert lines[0] == ";FFMETADATA1" and {"title=A\\;B\\=C", "artist=A. Writer"} <= {*lines}
    assert given["tags"].endswith("[CHAPTER]\nTIMEBASE=1/1000\nSTART=3800\nEND=4100\ntitle=Three\n")
    failed = tts("book", "book.md", "-o", "c.m4b", "--title", "FAIL")
    assert failed.code == 74 and "no encoder" in failed.err and not os.path.exists("c.m4b")


def test_a_long_chapter_takes_the_memory_of_a_sentence(hum, tts, monkeypatch):
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)

    def stream(self, text, **request):
        tracemalloc.reset_peak()
        for i in range(40):
            yield Speech(noise, text, "en-us", "kathleen", 0, chunks=(Span(f"clause {i}", 0.0, 9.0, (0, 5)),))

    tts("book", "book.md", "-o", "b.opus")  # what it imports does not count
    monkeypatch.setattr(hum, "stream", stream)
    tracemalloc.start()
    try:
        done = tts("book", "book.md", "-o", "b.opus", "--chapters", "1", "--force", "--seed", 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert done.code == 0 and read_info("b.opus").frames == 80 * RATE
    assert peak < 3 << 20, f"{peak / 2**20:.0f} MiB for 7 MiB of samples"


def test_the_house_model_speaks_a_book_that_is_marked(tts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("book.txt").write_text("Chapter 1\n\nYes.\n\nChapter 2\n\nNo, never.\n")
    done = tts("book", "book.txt", "-o", "b.opus", "-l", "en", "--author", "Me", "--json")
    assert done.code == 0, done.err
    detected = tts("detect", "b.opus", done.json["chapters"][1]["file"], "--no-speeds", "--json")
    assert detected.code == 0
    rows = [json.loads(line) for line in detected.out.splitlines()]
    assert {row["record"]["verdict"] for row in rows} == {"valid"}
    texts = {row["record"]["record"]["text_sha256"] for row in rows}
    assert len(texts) == 2 and all(row["record"]["record"]["voice"] == done.json["voice"] for row in rows)


def test_a_script_comes_by_a_flag_of_synth(hum, tts):
    Path("play.txt").write_text("Ada = kathleen\nBen = kerstin\nAda: Hello there.\nBen: Hi.\n")
    done = tts("synth", "--script", "-i", "play.txt", "-o", "a.wav", "--subtitles", "a.srt")
    assert done.code == 0, done.err
    spoken = [(call["voice"].name, call["text"].strip()) for call in hum.calls]
    assert spoken == [("kathleen", "Hello there."), ("kerstin", "Hi.")]
    assert "Ben: Hi." in Path("a.srt").read_text()
    Path("play.txt").write_text("Ada = kathleen\nBem: Hi.\n")
    for arguments, code, told in ((["-i", "play.txt"], 65, "play.txt:2"), (["-i", "play.txt", "-v", "kerstin"], 2, "--voice")):
        done = tts("synth", "--script", *arguments, "-o", "b.wav")
        assert done.code == code and told in done.err
