"""``python -m recipes.evaluate.speed_probe JSON``: one measured run in a fresh process, set up as ``tts synth`` is; prints one
JSON object.

Memory is the high-water mark of this process and of the workers it started. It is read from /proc, because ``getrusage`` inherits
the parent's peak over fork and exec.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import time
from pathlib import Path

from tts.cli import steady_memory


def measure(request: dict) -> dict[str, float]:
    """request: model, language, word (spoken once after everything is loaded), text."""
    started = time.perf_counter()
    from tts.api import Synthesizer

    imported = time.perf_counter()
    synthesizer = Synthesizer(model=request["model"])
    synthesizer.warm(request["language"])
    synthesizer.synth(request["word"], language=request["language"])
    loaded = time.perf_counter()
    first, first_mib, samples, rate = None, 0.0, 0, 1
    for chunk in synthesizer.stream(request["text"], language=request["language"]):
        if first is None:
            first, first_mib = time.perf_counter(), peak_mib()
        samples, rate = samples + len(chunk.samples), chunk.sample_rate
    done = time.perf_counter()
    return {
        "import_seconds": imported - started,
        "load_seconds": loaded - imported,
        "first_audio_seconds": first - loaded,
        "first_audio_mib": first_mib,
        "audio_seconds": samples / rate,
        "rtf": (done - loaded) * rate / samples,
        "peak_mib": peak_mib(),
    }


def peak_mib(pid: int | None = None) -> float:
    """Sum of the high-water marks of a process, this one if left out, and of its living descendants; 0 where there is none."""
    if not Path("/proc/self/status").exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    waiting, kib = [pid or os.getpid()], 0
    while waiting:
        process = Path("/proc") / str(waiting.pop())
        try:
            mark = re.search(r"^VmHWM:\s*(\d+) kB", (process / "status").read_text(), re.MULTILINE)
            waiting += [int(child) for children in process.glob("task/*/children") for child in children.read_text().split()]
        except OSError:  # it has ended
            continue
        kib += int(mark[1]) if mark else 0
    return kib / 1024


if __name__ == "__main__":
    steady_memory()
    print(json.dumps(measure(json.loads(sys.argv[1]))))
