"""What ``/metrics`` tells, in Prometheus' text format (exposition format 0.0.4): counts and times, never a text."""

from __future__ import annotations

import os
import resource
import sys
from collections import Counter

BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.5, 3.0, 10.0, 30.0)  # seconds


class Metrics:
    """Counts of one server. All is called on its event loop."""

    def __init__(self):
        self.requests: Counter[tuple[str, int]] = Counter()  # (path, status)
        self.slow = 0  # answers that were cut off because nobody read them
        self._first_bytes, self._first_sum = [0] * (len(BUCKETS) + 1), 0.0

    def first_byte(self, seconds: float) -> None:
        """The first sound of an answer came after so long."""
        self._first_bytes[next((i for i, most in enumerate(BUCKETS) if seconds <= most), len(BUCKETS))] += 1
        self._first_sum += seconds

    def text(self, engine, model: str) -> str:
        """The page; ``engine`` is a :class:`tts.serve.engine.Engine`."""
        single = (
            ("tts_busy_seconds_total", "counter", "Seconds of work of all workers.", engine.busy_seconds),
            ("tts_audio_seconds_total", "counter", "Seconds of sound that were made or read.", engine.audio_seconds),
            ("tts_cancelled_total", "counter", "Answers that nobody waited for any more.", engine.cancelled),
            ("tts_slow_clients_total", "counter", "Answers cut off because they were not read.", self.slow),
            ("tts_queue", "gauge", "Requests that wait for their first sound.", engine.waiting),
            ("tts_queue_limit", "gauge", "From so many on requests are refused.", engine.queue),
            ("tts_streams", "gauge", "Answers that are being made or read.", engine.open),
            ("tts_draining", "gauge", "1 when the server stops.", int(engine.draining)),
            ("process_resident_memory_bytes", "gauge", "Memory.", resident_bytes()),
        )
        lines = []
        for name, kind, meaning, value in single:
            lines += [*_head(name, kind, meaning), f"{name} {value:.10g}"]
        lines += [*_head("tts_info", "gauge", "The model that is served."), f'tts_info{{model="{_escaped(model)}"}} 1']
        lines += _head("tts_requests_total", "counter", "Answers by path and status.")
        lines += [f'tts_requests_total{{path="{path}",code="{code}"}} {n}' for (path, code), n in sorted(self.requests.items())]
        name, total = "tts_first_byte_seconds", 0
        lines += _head(name, "histogram", "From the request to the first sound.")
        for most, count in zip((*BUCKETS, "+Inf"), self._first_bytes, strict=True):
            total += count
            lines.append(f'{name}_bucket{{le="{most}"}} {total}')
        lines += [f"{name}_sum {self._first_sum:.6f}", f"{name}_count {total}"]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, meaning: str) -> list[str]:
    return [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]


def _escaped(value: str) -> str:
    """As the value of a label."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def resident_bytes() -> int:
    """Memory that this process holds; its highest so far where the system tells no more."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
