"""``tts synth --list``: many texts, once each, whoever does them and however often it is begun."""

import json
import os
import sys
from pathlib import Path

import pytest

from tts.base.errors import DataError

TEXTS = "a Hello there.\nb Guten Tag, du.\nc One more.\n"


@pytest.fixture
def texts(tmp_path):
    (tmp_path / "text").write_text(TEXTS)
    return "text"


def rows():
    return [json.loads(line) for line in Path("out/manifest.jsonl").read_text().splitlines()]


def waves():
    return {path.name: path.read_bytes() for path in Path("out").glob("*.wav")}


def test_every_text_becomes_a_file_that_is_listed(hum, tts, texts):
    done = tts("synth", "--list", texts, "-o", "out", "-v", "kathleen", "--seed", 3)
    assert done.code == 0 and "out: 3 files" in done.err and done.out == b""
    assert Path("out/wav.scp").read_text() == "a out/a.wav\nb out/b.wav\nc out/c.wav\n"
    assert [(row["id"], row["text"], row["voice"], row["seed"]) for row in rows()] == [
        ("a", "Hello there.", "kathleen", 3), ("b", "Guten Tag, du.", "kathleen", 3), ("c", "One more.", "kathleen", 3)
    ]  # fmt: skip
    tts("synth", "Guten Tag, du.", "-o", "alone.wav", "-v", "kathleen", "--seed", 3)
    assert waves()["b.wav"] == Path("alone.wav").read_bytes()


def test_lines_of_json_have_their_own_voices_and_languages(hum, tts):
    lines = [{"id": "x", "text": "Tag.", "voice": "kerstin", "language": "de"}, {"id": "y", "text": "Hey."}]
    Path("t.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = tts("synth", "--list", "t.jsonl", "-o", "out", "-l", "en", "--format", "flac", "--json")
    assert done.code == 0 and [json.loads(line)["output"] for line in done.out.splitlines()] == ["out/x.flac", "out/y.flac"]
    assert [(call["voice"], call["language"]) for call in hum.calls] == [("kerstin", "de"), (None, "en")]


def test_a_second_run_does_what_is_missing_damaged_or_failed(hum, tts, texts, monkeypatch):
    stream = hum.stream

    def failing(self, text, **rest):
        if text == "Guten Tag, du.":
            raise DataError("cannot be said.", where="<text>")
        return stream(self, text, **rest)

    with monkeypatch.context() as patch:
        patch.setattr(hum, "stream", failing)
        done = tts("synth", "--list", texts, "-o", "out")
    assert done.code == 79 and "b: " in done.err and "1 of 3 files failed" in done.err and sorted(waves()) == ["a.wav", "c.wav"]
    before = waves()
    Path("out/c.wav").write_bytes(before["c.wav"][:-2])
    hum.calls.clear()
    done = tts("synth", "--list", texts, "-o", "out")
    assert done.code == 0 and "1 kept" in done.err and [call["text"] for call in hum.calls] == ["Guten Tag, du.", "One more."]
    assert waves().items() >= before.items() and len(waves()) == 3


def test_a_kill_between_a_file_and_its_line_leaves_nothing_in_the_way(hum, tts, texts):
    tts("synth", "--list", texts, "-o", "out")
    whole, listed = waves(), Path("out/manifest.jsonl").read_bytes()
    Path("out/manifest.jsonl").write_bytes(listed[:-9])  # the last line is torn
    hum.calls.clear()
    assert tts("synth", "--list", texts, "-o", "out").code == 0
    assert [call["text"] for call in hum.calls] == ["One more."]
    assert waves() == whole and Path("out/manifest.jsonl").read_bytes() == listed


def test_another_request_and_files_of_others_are_not_overwritten(hum, tts, texts):
    tts("synth", "--list", texts, "-o", "out")
    whole = waves()
    done = tts("synth", "--list", texts, "-o", "out", "--rate", "2")
    assert done.code == 79 and "not made by this request" in done.err and waves() == whole
    assert tts("synth", "--list", texts, "-o", "out", "--seed", 1, "--force").code == 0 and waves() != whole
    os.makedirs("other")
    Path("other/b.wav").write_bytes(b"mine")
    done = tts("synth", "--list", texts, "-o", "other")
    assert done.code == 73 and "other/b.wav" in done.err and os.listdir("other") == ["b.wav"]


def test_two_runs_do_not_write_to_one_folder(hum, tts, texts):
    import fcntl

    os.makedirs("out")
    with open("out/manifest.jsonl", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = tts("synth", "--list", texts, "-o", "out")
    assert done.code == 73 and "another run" in done.err


@pytest.mark.parametrize(
    "name, content, told",
    [
        ("text", "a\n", "line 1: 'a' has no text"),
        ("text", "a x\n../b y\n", "line 2: '../b' cannot name a file"),
        ("text", "a x\na y\n", "line 2: 'a' comes twice"),
        ("text", "\n", "is empty"),
        ("t.jsonl", '{"id": "a"}\n', "line 1: it has not id and text"),
        ("t.jsonl", '{"id": "a", "text": "x", "lang": "de"}\n', "more than id, text, voice, language"),
        ("t.jsonl", '{"id": "a", "text": 3}\n', "a value is no text"),
        ("t.jsonl", "{", "line 1: not valid JSON"),
    ],
)
def test_a_bad_list_is_refused_before_any_work(hum, tts, name, content, told):
    Path(name).write_text(content)
    done = tts("synth", "--list", name, "-o", "out")
    assert done.code == 65 and told in done.err and not os.path.exists("out") and not hum.calls


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--list", "text"], "folder"),
        (["--list", "text", "-o", "out", "Hello."], "TEXT"),
        (["--list", "text", "-o", "out", "--timings", "t.json"], "--timings"),
        (["Hello.", "-o", "x.wav", "--nj", "2"], "--list"),
        (["--list", "text", "-o", "out", "--nj", "2", "--ray"], "--nj"),
        (["--list", "text", "-o", "out", "--ray", "folder"], "no address"),
    ],
)
def test_what_does_not_go_together_is_said(hum, tts, texts, arguments, told):
    done = tts("synth", *arguments)
    assert done.code == 2 and told in done.err and not os.path.exists("out")


def test_without_ray_the_message_says_how_to_get_it(hum, tts, texts, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    done = tts("synth", "--list", texts, "-o", "out", "--ray")
    assert done.code == 69 and "pip install 'parlance-tts[scale]'" in done.err and not os.path.exists("out")
