"""Speech synthesisers on the same machine, each as a user starts it: a fresh process that speaks to its standard output.

Peers are those that speak offline as they are installed (Debian packages ``espeak-ng``, ``flite``, ``festival``). Neural packages
that pip installs without their voices (piper, kokoro, kittentts, mimic 3, larynx) download them at first use, and are not here.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from recipes.evaluate.paragraph import PARAGRAPHS
from recipes.evaluate.speed import TIMEOUT, WORD
from recipes.evaluate.speed_probe import peak_mib
from recipes.progress import track
from tts.base.errors import InternalError
from vocoder.audio.io import read_info

POLL = 0.005  # seconds between looks at the memory


@dataclass(frozen=True)
class Peer:
    """A command that reads text from a file and writes a sound file."""

    name: str
    command: tuple[str, ...]  # {text} and {out} stand for the files; without {out} it writes to standard output

    @property
    def installed(self) -> bool:
        return shutil.which(self.command[0]) is not None


def peers(model: str | None = None) -> list[Peer]:
    """parlance first; only those that are installed."""
    own = (sys.executable, "-m", "tts", "synth", "-i", "{text}", "-o", "-", "-l", "en", "--quiet")
    known = [
        Peer("parlance", own + (("--model", model) if model else ())),
        Peer("espeak-ng", ("espeak-ng", "-v", "en-us", "-f", "{text}", "--stdout")),
        Peer("flite", ("flite", "-voice", "slt", "-f", "{text}", "-o", "{out}")),
        Peer("festival", ("text2wave", "{text}", "-o", "{out}")),
    ]
    return [peer for peer in known if peer.installed]


@dataclass(frozen=True)
class Run:
    """A process from its start: all times in seconds."""

    first_bytes: float | None  # of sound on standard output; None = it writes a file
    total: float
    audio: float
    peak_mib: float


def measure_peers(chosen: list[Peer], runs: int) -> tuple[list[dict], list[dict]]:
    """(one row a synthesiser, every single run): medians of a word and of a paragraph, both English."""
    rows, records = [], []
    for peer in chosen:
        words, texts = ([speak(peer, text) for _ in track(range(runs), f"{peer.name}, {name}")]
                        for name, text in (("word", WORD), ("paragraph", PARAGRAPHS["en"])))  # fmt: skip
        records += [{"peer": peer.name, "text": "word", **vars(run)} for run in words]
        records += [{"peer": peer.name, "text": "paragraph", **vars(run)} for run in texts]
        word, text = statistics.median(run.total for run in words), statistics.median(run.total for run in texts)
        audio = statistics.median(run.audio for run in texts)
        more = audio - statistics.median(run.audio for run in words)
        first = [run.first_bytes if run.first_bytes is not None else run.total for run in texts]
        rows.append({
            "synthesiser": peer.name, "runs": runs, "a word, cold s": f"{word:.2f}",
            "first audio, cold s": f"{statistics.median(first):.2f}", "paragraph, cold s": f"{text:.2f}",
            "of speech s": f"{audio:.1f}", "RTF": f"{(text - word) / more:.4f}",
            "peak MiB": f"{statistics.median(run.peak_mib for run in texts):.0f}"})  # fmt: skip
    return rows, records


def speak(peer: Peer, text: str) -> Run:
    """Start it once.

    Raises:
        InternalError: it failed or made no sound.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "text.txt", Path(folder) / "out.wav"
        given.write_text(text + "\n")
        command = [part.format(text=given, out=out) for part in peer.command]
        started = time.perf_counter()
        with open(Path(folder) / "errors", "wb") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
            highest = [0.0]
            watcher = threading.Thread(target=_watch, args=(process, highest))
            watcher.start()
            sound, first = bytearray(), None
            while block := os.read(process.stdout.fileno(), 1 << 16):
                sound += block
                if first is None and len(sound) > 44:  # behind the header
                    first = time.perf_counter() - started
            code = process.wait(TIMEOUT)
            total = time.perf_counter() - started
            watcher.join()
        if sound:
            out.write_bytes(_with_sizes(bytes(sound)))
        if code or not out.is_file():
            said = (Path(folder) / "errors").read_text(errors="replace").strip()[-300:]
            raise InternalError(f"it failed: {said}", where=" ".join(peer.command[:4]), code="evaluate.peers",
                                fix="Run the command by hand to see why.")  # fmt: skip
        return Run(first, total, read_info(out).seconds, highest[0])


def _with_sizes(wav: bytes) -> bytes:
    """A WAV that was written to a pipe, whose header could not know its sizes."""
    at = 12
    while wav[at : at + 4] != b"data":
        at += 8 + int.from_bytes(wav[at + 4 : at + 8], "little")
    size = (len(wav) - at - 8).to_bytes(4, "little")
    return wav[:4] + (len(wav) - 8).to_bytes(4, "little") + wav[8 : at + 4] + size + wav[at + 8 :]


def _watch(process: subprocess.Popen, highest: list[float]) -> None:
    """The largest memory of a process and its descendants, in MiB, while it runs."""
    while process.poll() is None:
        highest[0] = max(highest[0], peak_mib(process.pid))
        time.sleep(POLL)
