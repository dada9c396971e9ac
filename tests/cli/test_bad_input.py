"""Bad input, end to end with the shipped models: the right exit code, one message that helps, nothing half-written."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vocoder.audio.io import read_audio, write_audio

RATE = 24_000
ROOT = Path(__file__).parents[2]
CONSENT = ("--consent", "me; own voice; today")
OUT = ("-o", "x.wav")


def recording(seconds=3.0, level=0.3):
    """Something like a voice: harmonics with a slow beat."""
    t = np.arange(int(RATE * seconds)) / RATE
    return (level * np.sin(6 * t) * sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 6)) / 2).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    """Id of the shipped model, its first voice's name and file."""
    from tts.api import Synthesizer

    synthesizer = Synthesizer()
    return next(iter(sorted((synthesizer.folder / "voices").glob("*.safetensors"))))


@pytest.fixture
def folder(tmp_path, monkeypatch, model):
    """A working folder with something wrong in every file."""
    from tts.voice import Voice

    monkeypatch.chdir(tmp_path)
    bad = recording()
    write_audio("ok.wav", bad, RATE)
    write_audio("silent.wav", bad * 0, RATE)
    write_audio("short.wav", bad[: RATE // 5], RATE)
    header = bytearray(Path("ok.wav").read_bytes()[:44])
    header[20], header[32], header[34] = 3, 4, 32  # float samples
    header[28:32] = (RATE * 4).to_bytes(4, "little")
    header[40:44] = (len(bad) * 4).to_bytes(4, "little")
    bad[777] = np.nan
    Path("nan.wav").write_bytes(bytes(header) + bad.astype("<f4").tobytes())
    Path("empty.wav").touch()
    for name in ("junk.wav", "junk.safetensors", "junk.tsv"):
        Path(name).write_text("junk")
    data = model.read_bytes()
    Path("cut.safetensors").write_bytes(data[: len(data) // 2])
    replace(Voice.load(model), model_id="0123456789abcdef").save("foreign.safetensors")
    Path("latin.txt").write_bytes(b"caf\xe9")
    Path("there.wav").write_text("old")
    Path("folder").mkdir()
    return tmp_path


def contents(folder):
    return {path.name: path.read_bytes() if path.is_file() else None for path in folder.iterdir()}


# case -> (arguments, stdin, exit code, part of the message)
TEXT = {
    "empty": (["", *OUT], None, 65, "empty"),
    "white space": ([" \t\n\u3000", *OUT], None, 65, "empty"),
    "empty stdin": ([*OUT], b"", 65, "empty"),
    "only a byte order mark": ([*OUT], b"\xef\xbb\xbf", 65, "empty"),
    "only emoji": (["😀🎉👩‍👩‍👧", *OUT], None, 65, "no letters or digits"),
    "only punctuation": (["?!... --- «»", *OUT], None, 65, "no letters or digits"),
    "only controls": (["\0\x01\x02\x7f", *OUT], None, 65, "no letters or digits"),
    "no text": ([*OUT], None, 2, "tts synth -i chapter.txt"),
    "latin-1 stdin": ([*OUT], b"caf\xe9", 65, "<stdin>:byte 3"),
    "latin-1 file": (["-i", "latin.txt", *OUT], None, 65, "latin.txt:byte 3"),
    "latin-1 argument": (["caf\udce9", *OUT], None, 65, "UTF-8"),
    "half a character": (["\ud800", *OUT], None, 65, "UTF-8"),
    "overlong UTF-8": ([*OUT], b"\xc0\xaf", 65, "<stdin>:byte 0"),
    "surrogates in UTF-8": ([*OUT], b"\xed\xa0\x80", 65, "<stdin>:byte 0"),
    "one byte too many": ([*OUT], b"a" * ((1 << 20) + 1), 76, "1,048,576"),
    "too much in two files": (["-i", "big.txt", "-i", "big.txt", *OUT], None, 76, "1,048,576"),
    "missing file": (["-i", "none.txt", *OUT], None, 66, "none.txt"),
    "a folder": (["-i", ".", *OUT], None, 66, "directory"),
    "unreadable": (["-i", "/proc/self/mem", *OUT], None, 66, "cannot be read"),
    "twice": (["hi", "-i", "t", *OUT], None, 2, "--input"),
    "not IPA": (["9", "--phonemes", *OUT], None, 65, "spoken"),
    "lexicon missing": (["hi", "--lexicon", "none.tsv", *OUT], None, 66, "none.tsv"),
    "lexicon broken": (["hi", "--lexicon", "junk.tsv", *OUT], None, 65, "junk.tsv:1"),
    "language misspelt": (["hi", "-l", "germn", *OUT], None, 69, "'germn'. Did you mean german"),
    "language unknown": (["hi", "-l", "qqqqqq", *OUT], None, 69, "tts languages"),
    "language empty": (["hi", "-l", "", *OUT], None, 69, "tts languages"),
}
VOICE = {
    "unknown": (["hi", "-v", "nobody", *OUT], None, 69, "Voices: bdl"),
    "misspelt": (["hi", "-v", "kathlen", *OUT], None, 69, "Did you mean 'kathleen'"),
    "file missing": (["hi", "-v", "none.safetensors", *OUT], None, 66, "none.safetensors"),
    "file broken": (["hi", "-v", "junk.safetensors", *OUT], None, 78, "junk.safetensors: not a safetensors file"),
    "file cut": (["hi", "-v", "cut.safetensors", *OUT], None, 78, "cut.safetensors"),
    "of another model": (["hi", "-v", "foreign.safetensors", *OUT], None, 78, "belongs to model 0123456789abcdef; loaded is "),
    "no consent": (["hi", "-v", "ok.wav", *OUT], None, 77, "--consent"),
    "blank consent": (["hi", "-v", "ok.wav", "--consent", " ", *OUT], None, 77, "consent"),
    "consent for nothing": (["hi", "-v", "kathleen", *CONSENT, *OUT], None, 2, "--consent"),
    "recording missing": (["hi", "-v", "none.wav", *CONSENT, *OUT], None, 66, "none.wav"),
    "recording unreadable": (["hi", "-v", "/proc/self/mem", *CONSENT, *OUT], None, 66, "cannot be read"),
    "recording is a folder": (["hi", "-v", "./folder", *CONSENT, *OUT], None, 66, "directory"),
    "recording is text": (["hi", "-v", "junk.wav", *CONSENT, *OUT], None, 65, "junk.wav: not an audio file"),
    "recording empty": (["hi", "-v", "empty.wav", *CONSENT, *OUT], None, 65, "empty.wav: the file is empty"),
    "recording silent": (["hi", "-v", "silent.wav", *CONSENT, *OUT], None, 65, "-50 dBFS"),
    "recording short": (["hi", "-v", "short.wav", *CONSENT, *OUT], None, 65, "0.20 s"),
    "recording with NaN": (["hi", "-v", "nan.wav", *CONSENT, *OUT], None, 65, "nan.wav:sample 777"),
    "model unknown": (["hi", "--model", "huge", *OUT], None, 69, "huge"),
    "model missing": (["hi", "--model", "./none", *OUT], None, 69, "config.json"),
    "model is a file": (["hi", "--model", "./ok.wav", *OUT], None, 69, "config.json"),
}
OUTPUT = {
    "exists": (["hi", "-o", "there.wav"], None, 73, "--force"),
    "is a folder": (["hi", "-o", "folder", "--format", "wav"], None, 73, "folder"),
    "in no folder": (["hi", "-o", "none/x.wav"], None, 73, "mkdir -p"),
    "in a file": (["hi", "-o", "ok.wav/x.wav"], None, 73, "ok.wav"),
    "cannot be created": (["hi", "-o", "/proc/x.wav"], None, 73, "/proc/x.wav"),
    "has NUL": (["hi", "-o", "a\0b.wav"], None, 73, "file name"),
    "has a long name": (["hi", "-o", "x" * 300 + ".wav"], None, 73, "long"),
    "has escapes": (["hi", "-o", "none/\x1b[31m.wav"], None, 73, "\\x1b[31m"),
    "disk full": (["hi", "-o", "/dev/full", "--format", "wav"], None, 74, "No space"),
    "disk full, encoded": (["hi", "-o", "/dev/full", "--format", "flac"], None, 74, "No space"),
    "timings in no folder": (["hi", *OUT, "--timings", "none/t.json"], None, 73, "mkdir"),
    "subtitles exist": (["hi", *OUT, "--subtitles", "there.srt"], None, 73, "--force"),
    "same file twice": (["hi", *OUT, "--timings", "./x.wav"], None, 2, "both"),
    "stdout twice": (["hi", "-o", "-", "--json"], None, 2, "both"),
    "format": (["hi", "--format", "aac"], None, 2, "flac"),
    "ending": (["hi", "-o", "x.aac"], None, 2, "flac"),
    "no ending": (["hi", "-o", "x"], None, 2, "flac"),
    "subtitle form": (["hi", *OUT, "--subtitles", "x.txt"], None, 2, ".srt"),
    "sample rate": (["hi", *OUT, "--rate-hz", "100"], None, 2, "rate-hz"),
    "sample rate of opus": (["hi", "-o", "x.opus", "--rate-hz", "22050"], None, 2, "48000"),
    "bit rate of wav": (["hi", *OUT, "--bitrate", "32k"], None, 2, "8 to 160"),
}
FLAGS = {
    "misspelt": (["hi", "--voic", "x"], None, 2, "Did you mean '--voice'"),
    "misspelt more": (["hi", "--ouput", "x"], None, 2, "Did you mean '--output'"),
    "short": (["hi", "-Z"], None, 2, "-Z"),
    "without its value": (["hi", "--voice"], None, 2, "--voice"),
    "rate out of range": (["hi", *OUT, "--rate", "9"], None, 2, "0.25 to 4"),
    "rate not a number": (["hi", *OUT, "--rate", "nan"], None, 2, "1.1 or +10%"),
    "pitch in hertz": (["hi", *OUT, "--pitch", "20Hz"], None, 2, "semitones"),
    "seed": (["hi", *OUT, "--seed", "-1"], None, 2, "random"),
    "steps": (["hi", *OUT, "--steps", "0"], None, 2, "steps"),
    "threads": (["hi", *OUT, "--threads", "0"], None, 2, "threads"),
}
CASES = {
    f"{kind}: {name}": case
    for kind, table in (("text", TEXT), ("voice", VOICE), ("output", OUTPUT), ("flag", FLAGS))
    for name, case in table.items()
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_error_with_its_code_and_leaves_nothing(folder, tts, case):
    if "big.txt" in CASES[case][0]:
        Path("big.txt").write_text("a " * (1 << 18))
    Path("there.srt").touch()
    before = contents(folder)
    arguments, stdin, code, part = CASES[case]
    started = time.perf_counter()
    done = tts("synth", *arguments, stdin=stdin)
    assert done.code == code, done.err
    assert part in done.err and "Traceback" not in done.err and len(done.err.splitlines()) <= 6
    assert done.out == b"" and contents(folder) == before
    if code == 76:
        assert time.perf_counter() - started < 1
    fields = json.loads(tts("synth", *arguments, "--json-errors", stdin=stdin).err)
    assert fields["exit_code"] == code and fields["code"] and contents(folder) == before


def test_a_wrong_command_names_the_near_one(tts):
    done = tts("sinth", "hi")
    assert done.code == 2 and "'synth'" in done.err


HOSTILE = ["s'" * 100, "ness" * 100, "un" * 150, "l'" * 100, "ab" * 200, "Hello " + "s'" * 100 + " there."]


@pytest.mark.parametrize("text", HOSTILE, ids=[text[:8] for text in HOSTILE])
def test_what_kills_espeak_is_spoken(folder, tts, text):
    done = tts("synth", text, *OUT, "-l", "en", "--json")
    assert done.code == 0 and "Traceback" not in done.err
    assert done.json["duration"] > 3 and np.abs(read_audio("x.wav")).max() > 0.01
    assert "".join(text[slice(*word["source"])] for word in done.json["words"]).count(text[:1]) > 50 or "Hello" in text


def test_a_word_that_the_engine_dies_of_is_spoken_otherwise_and_noted(folder, tts, monkeypatch):
    from frontend import g2p

    real = g2p.G2p._ask

    def ask(self, voice, clauses, seconds):
        if any("glorp" in words for words in clauses):
            real(self, voice, [["a"]], seconds)  # the worker runs
            os.kill(self._worker.process.pid, signal.SIGKILL)
        return real(self, voice, clauses, seconds)

    monkeypatch.setattr(g2p.G2p, "_ask", ask)
    done = tts("synth", "Hello glorp friend.", *OUT, "-l", "en")
    assert done.code == 0 and "note: mapped (g2p_crash) at 6-11: glorp" in done.err


def test_controls_are_dropped_with_a_note_and_the_rest_is_spoken(folder, tts):
    done = tts("synth", "One\0 two\x01 three.", *OUT, "--json")
    assert done.code == 0 and done.err.count("note: dropped (control)") == 2
    assert [word["label"] for word in done.json["words"]] == ["One", "two", "three"]


def test_force_replaces_a_file_and_its_failure_keeps_it(folder, tts):
    assert tts("synth", "hi", "-o", "there.wav", "--force", "-v", "nobody").code == 69
    assert Path("there.wav").read_text() == "old"
    assert tts("synth", "hi", "-o", "there.wav", "--force").code == 0
    assert len(read_audio("there.wav")) > RATE / 5


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_is_read_only_is_said(folder, tts):
    Path("folder").chmod(0o500)
    done = tts("synth", "hi", "-o", "folder/x.wav")
    assert done.code == 73 and "not writable" in done.err


def command(*arguments, environment=(), **options):
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **dict(environment)}
    return subprocess.run([sys.executable, "-m", "tts", *arguments], capture_output=True, env=environ, timeout=120, **options)


def test_as_a_process_with_a_latin_1_argument_and_an_ascii_locale(folder):
    done = command("synth", b"caf\xe9", *OUT, "--timings", "t.json")
    assert done.returncode == 65 and done.stderr == b"tts: <arguments>: is not UTF-8 text. Give it as UTF-8, or as a file.\n"
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = command("text", "Grüße.", "-l", "de", "--json", environment=ascii_only)
    assert done.returncode == 0 and json.loads(done.stdout)["text"] == "Grüße."


def test_as_a_process_whose_stdout_is_full_or_closed(folder):
    with open("/dev/full", "wb") as full:
        for arguments in (["-o", "-"], [*OUT, "--json", "--force"]):
            environ = {**os.environ, "PYTHONPATH": str(ROOT)}
            done = subprocess.run(
                [sys.executable, "-m", "tts", "synth", "hi", *arguments],
                stdout=full, stderr=subprocess.PIPE, env=environ, timeout=120,
            )  # fmt: skip
            assert done.returncode == 74 and done.stderr.decode().splitlines()[-1].startswith("tts: writing failed: No space")
    closed = command("synth", "hi", "-o", "y.wav", "--json", preexec_fn=lambda: os.close(1))
    assert closed.returncode == 74 and not Path("y.wav").exists()
