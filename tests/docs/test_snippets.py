"""The Python of the pages and of the docstrings runs, on the shipped models, in a folder with a few recordings."""

import doctest
import importlib
import os
import re
from pathlib import Path

import numpy as np
import pytest

from vocoder.audio.io import read_audio, write_audio

ROOT = Path(__file__).parents[2]
PACKAGES = ("tts", "codec", "frontend", "vocoder")
BLOCK = re.compile(r"(<!-- no-test: .+ -->\n)?^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = {
    path.name: [code for skipped, code in BLOCK.findall(path.read_text(encoding="utf-8")) if not skipped]
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}
PAGES = {name: codes for name, codes in PAGES.items() if codes}
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")) if ">>> " in path.read_text()]
EXAMPLES = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in FILES]


@pytest.fixture
def folder(tmp_path, monkeypatch, spoken):
    """Where examples run: ``talk.wav`` (2 s), ``one.wav`` and ``two.wav`` (7 s of one person)."""
    for name, samples in {"talk": spoken["bdl"][:48_000], "one": spoken["kathleen"], "two": spoken["kathleen"][24_000:]}.items():
        write_audio(tmp_path / f"{name}.wav", samples, 24_000)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def readme(made, printed):
    lines = printed.splitlines()
    assert [line.split()[2] for line in lines] == ["Hello", "there"] and float(lines[-1].split()[1]) < 2
    assert os.path.getsize("hello.wav") > 10_000


def books(made, printed):
    assert printed == "[('Ada', 'Hello, Ben.'), ('Ben', 'Hello.')]\n"


def codec(made, printed):
    assert made["samples"].shape == (48_000,) and sum(map(len, made["played"])) == 48_000 and len(made["played"]) > 2
    assert made["decoded"].shape == (4, 100, 12)


def conversion(made, printed):
    assert len(read_audio("kerstin.flac")) == 48_000


def editing(made, printed):
    assert printed == "We met on Friday, and then we walked to the station. 2\n" and os.path.getsize("out.wav") > 50_000


def frontend(made, printed):
    assert printed.startswith("Doktor Meyer zahlt drei Euro fünfzig.")


def kernels(made, printed):
    assert printed == "torch.Size([75, 2]) True\n"


def prosody(made, printed):
    assert made["speech"].duration > made["prosody"].durations.sum() / 75 + 0.2


def provenance(made, printed):
    assert made["speech"].provenance["watermark"]["applied"] and made["heard"].verdict in ("marked", "too short")


def start(made, printed):
    assert printed == "Hello float32 24000\n4 3.0\n" and os.path.getsize("python.wav") > 10_000


def voices(made, printed):
    assert os.path.getsize("jane.safetensors") > 1000 and made["speech"].voice == "mix"


CHECKS = {f"{check.__name__}.md": check for check in (books, codec, conversion, editing, frontend, kernels, prosody, provenance,
          start, voices)} | {"README.md": readme}  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs(page, folder, capsys):
    """All blocks of a page are one program; those below ``<!-- no-test: why -->`` are left out."""
    played: list = []
    made = {"played": played, "play": played.append, "microphone": np.array_split(read_audio("talk.wav"), 40)}
    for code in PAGES[page]:
        exec(compile(code, page, "exec"), made)
    CHECKS.get(page, lambda made, printed: None)(made, capsys.readouterr().out)


def test_few_blocks_are_left_out():
    skipped = [path.name for path in (ROOT / "docs").glob("*.md") if "<!-- no-test" in path.read_text(encoding="utf-8")]
    assert skipped == ["serve.md"] and set(CHECKS) <= set(PAGES)


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_examples_of_docstrings_run(module, folder):
    report: list = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for example in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module), module):
        runner.run(example, out=report.append)
    assert runner.tries and not runner.failures, "".join(report)


def test_every_package_begins_with_an_example():
    assert set(PACKAGES) <= set(EXAMPLES)
