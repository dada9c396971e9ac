"""Speed and memory of the product: medians over fresh processes, because caches, threads and allocators warm up."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from recipes.evaluate.paragraph import PARAGRAPHS
from recipes.progress import track
from tts.base.errors import InternalError

TIMEOUT = 600  # seconds for one process
WORD = "Hello."


def measure_speed(model: str | None, languages: list[str], runs: int) -> tuple[list[dict], list[dict]]:
    """(one row a language and one for the cold command line, every single run)."""
    records, rows = [], []
    for language in languages:
        request = {"model": model, "language": language, "word": WORD, "text": PARAGRAPHS[language]}
        found = [probe(request) for _ in track(range(runs), f"speed {language}")]
        records += [{"what": "api", "language": language, **run} for run in found]
        middle = {key: statistics.median(run[key] for run in found) for key in found[0]}
        rows.append({"what": f"paragraph, {language}", "runs": runs, "RTF": round(middle["rtf"], 3),
                     "first audio ms": round(1000 * middle["first_audio_seconds"]),
                     "import s": round(middle["import_seconds"], 2), "load s": round(middle["load_seconds"], 2),
                     "audio s": round(middle["audio_seconds"], 1), "peak MiB": round(middle["peak_mib"])})
    colds = [_cold_start(model) for _ in track(range(runs), "cold start")]
    records += [{"what": "cold start", "seconds": seconds} for seconds in colds]
    rows.append({"what": f"tts synth {WORD} (cold process)", "runs": runs, "total s": round(statistics.median(colds), 2)})
    return rows, records


def probe(request: dict, timeout: float = TIMEOUT) -> dict[str, float]:
    """``speed_probe.measure`` of a request, in a fresh process."""
    return json.loads(_run([sys.executable, "-m", "recipes.evaluate.speed_probe", json.dumps(request)], timeout))


def _cold_start(model: str | None) -> float:
    """Seconds from starting the command to its end, the file written."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tts", "synth", WORD, "-o", str(Path(folder) / "word.wav"), "-l", "en", "--quiet"]
        started = time.perf_counter()
        _run(command + (["--model", model] if model else []))
        return time.perf_counter() - started


def _run(command: list[str], timeout: float = TIMEOUT) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise InternalError(f"the measured process failed: {done.stderr.strip()[-300:]}", where=" ".join(command[1:4]),
                            code="evaluate.speed", fix="Run the command by hand to see why.")
    return done.stdout
