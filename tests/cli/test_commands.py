"""The small commands, the exit codes, and the process itself."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tts.base import errors
from tts.cli import COMMANDS
from tts.cli.table import table, width


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(tts, name):
    done = tts(name, "--help")
    assert done.code == 0 and b"Example:" in done.out and done.err == ""


def test_help_lists_every_command_and_version_is_one_line(tts):
    listing = tts("--help").out.decode()
    assert all(f"\n  {name} " in listing for name in COMMANDS) and tts().out.decode() == listing
    version = tts("--version").out.decode()
    assert version.count("\n") == 1 and "parlance-tts" in version and "torch" in version


def test_underscores_are_hyphens(hum, tts):
    assert tts("synth", "hi", "-o", "x.wav", "--rate_hz", "8000").code == 0
    assert b'"kind": "usage"' in tts("synht", "--json_errors").err.encode()


def test_limits_and_exit_codes_are_those_of_the_code(tts):
    document = tts("limits", "--json").json
    codes = {row["exit_code"]: row["kind"] for row in document["exit_codes"]}
    family = [
        c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.TtsError) and c is not errors.TtsError
    ]
    assert all(codes[c.exit_code] == c.kind for c in family) and len(family) == 12
    assert {row["name"] for row in document["limits"]} >= {"text_bytes", "audio_seconds"}
    assert all(row["enforced"] and row["meaning"] for row in document["limits"])
    assert b"sysexits" not in tts("limits").out and b"consent" in tts("limits").out


def test_voices_as_table_and_json(hum, tts):
    assert tts("voices", "-l", "de-DE").out.decode().splitlines()[1].split()[:2] == ["kerstin", "de"]
    assert [voice["name"] for voice in tts("voices", "--json").json] == ["kathleen", "kerstin"]
    assert tts("voices", "-l", "zz").code == 69


def test_languages_come_from_the_model_and_the_frontend(tts, tmp_path):
    import torch

    from vocoder.nn.checkpoint import save_model

    save_model(tmp_path / "m", {"a": torch.zeros(1)}, {"kind": "acoustic", "minutes": {"de": 103.0, "en-us": 272.2}}, "")
    rows = tts("languages", "--model", str(tmp_path / "m"), "--json").json
    assert [(row["language"], row["minutes"]) for row in rows] == [("en-us", 272.2), ("de", 103.0)]
    every = tts("languages", "--model", str(tmp_path / "m"), "--all", "--json").json
    assert len(every) > 90 and every[0]["name"]
    assert tts("languages", "--model", "none").code == 69 and tts("languages", "--model", str(tmp_path)).code == 69


def test_text_shows_spans_words_and_phones(tts):
    lines = tts("text", "Hello ☃ world.", "-l", "en").out.decode().splitlines()
    assert lines[0].split() == ["span", "text", "spoken", "as", "phones", "note"]
    assert lines[1].split()[:2] == ["0-5", "Hello"] and "dropped" in lines[2] and lines[3].split()[0] == "8-13"
    assert "ˈ" in tts("text", "Hello", "--show", "phones", "-l", "en").out.decode()
    assert "˨˩˦" in tts("text", "我", "--show", "phones", "-l", "zh").out.decode()
    assert tts("text", "Hello", "--json").json["clauses"][0]["words"][0]["start"] == 0
    assert tts("text", "Hello", "--show", "normalized").out == b"Hello\n"
    assert tts("text", "--show", "normalized", stdin=b"Hello").out == tts("text", "-", "--show", "normalized", stdin=b"Hello").out
    assert tts("text", "--show", "normalized", stdin=b"Hello").out == b"Hello\n"
    for arguments, code in (
        (["text"], 2),
        (["text", ""], 65),
        (["text", "hi", "-l", "xx"], 69),
        (["text", "-i", "none"], 66),
        (["text", "hi", "--lexicon", "none.tsv"], 66),
    ):
        assert tts(*arguments).code == code


def test_check_reports_a_fix_for_each_failure(hum, tts, monkeypatch, tmp_path):
    monkeypatch.setattr("tts.registry.HOUSE", tmp_path / "house")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "house" / "bad").mkdir(parents=True)
    (tmp_path / "house" / "bad" / "config.json").write_text("{")
    other = tmp_path / "bin"
    other.mkdir()
    (other / "tts").write_text("#!/bin/sh\n")
    (other / "tts").chmod(0o755)
    monkeypatch.setenv("PATH", str(other), prepend=os.pathsep)
    done = tts("check", "--json")
    checks = {check["name"]: check for check in done.json["checks"]}
    assert done.code == 1 and done.json["ok"] is False
    assert not checks["command"]["ok"] and "parlance" in checks["command"]["fix"] and str(other) in checks["command"]["detail"]
    assert not checks["model bad"]["ok"] and checks["model bad"]["fix"]
    assert checks["espeak"]["ok"] and "espeak" in checks["espeak"]["detail"]
    assert checks["render"]["ok"] and {"rtf", "first_audio_s", "peak_mb"} <= set(checks["render"]["figures"])
    plain = tts("check").out.decode()
    assert "FAIL command" in plain and "fix: " in plain and "ok   render" in plain


def test_tables_line_up_with_wide_and_combining_characters():
    assert width("我a") == 3 and width("e\u0301") == 1
    lines = table(["a", "n"], [["我", 1], ["abc", 20.5]]).splitlines()
    assert lines == ["a       n", "我      1", "abc  20.5"]


def test_a_reader_that_leaves_ends_the_process_quietly():
    child = subprocess.Popen([sys.executable, "-m", "tts", "limits"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.close()
    message = child.stderr.read()
    assert child.wait() == 141 and message == b""
    child.stderr.close()


def test_sigterm_removes_what_was_half_written(tmp_path):
    program = """
import sys, time
from tts.base.files import atomic_file
import tts.cli as cli

def slow(args):
    with atomic_file(sys.argv[1]) as file:
        file.write(b"x")
        print("go", flush=True)
        time.sleep(60)

cli.run = slow
cli.main()
"""
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "a.wav")], stdout=subprocess.PIPE)
    child.stdout.readline()
    assert len(os.listdir(tmp_path)) == 1
    time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 143 and os.listdir(tmp_path) == []
    child.stdout.close()
