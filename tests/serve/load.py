"""Clients that ask a server of this checkout for speech, over loopback, and what they had to wait for.

Closed loop: every client asks again when its answer is whole; after a 429 it waits as long as the server says. The texts are
80 % of about 60 characters, 15 % of 300, 5 % of 2,000, in an order that depends on the client alone.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SENTENCE = "The birch canoe slid on the smooth planks near the river. "
MIX = ((0.80, 1), (0.15, 5), (0.05, 35))  # share, sentences
PCM_RATE = 48_000  # bytes a second of sound
ATTACKS = ("idle", "head", "body", "reset")  # says nothing; a head, a body of 10 bytes a second; gone within a body


@dataclass
class Tally:
    """What the clients of one run saw."""

    first_byte: list[float] = field(default_factory=list)  # seconds, of answers with sound
    refused: list[float] = field(default_factory=list)  # seconds until a 429 was there
    codes: Counter = field(default_factory=Counter)  # status; 0: no answer
    whole: int = 0  # answers that came to their end
    cut: int = 0  # answers that did not, though their client stayed
    left: int = 0  # answers whose client went away
    late: int = 0  # answers whose sound a listener would have waited for
    audio_seconds: float = 0.0


@dataclass(frozen=True)
class Row:
    """One number of clients; times in milliseconds."""

    clients: int
    seconds: float
    requests_per_second: float  # whole answers
    audio_per_second: float  # seconds of sound a second
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    refused_p99_ms: float | None
    codes: dict
    cut: int
    left: int
    late: int
    memory_mb: list[float]  # of the server: before, then every minute, at the end
    attacks: dict  # kind -> connections that it made, seconds until the longest was closed


@contextmanager
def server(arguments: list[str]):
    """A server of this checkout on a free port."""
    command = [sys.executable, "-m", "tts", "serve", "--port", "0", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if not found:
            raise SystemExit(f"the server did not start: {line}{process.stderr.read()}")
        yield int(found[1])
    finally:
        process.terminate()
        process.wait(40)


def measure(
    clients: list[int], seconds: float, leave: float, slow: int, attack: int, arguments: list[str], told=lambda line: None
) -> dict:
    """A row for each number of clients, all of one server.

    Args:
        clients: How many ask at once.
        seconds: Of each row.
        leave: Share of the answers that a client leaves after their first sound.
        slow: Clients besides, who read 1 KiB a second.
        attack: Connections besides of each kind in ``ATTACKS``, made again when they are closed.
        arguments: Of ``tts serve``.
        told: Called with a line for each row.
    """
    rows = []
    with server(arguments) as port:
        asyncio.run(_run(port, 1, 2.0, 0.0, 0, 0))  # what is loaded at first use
        for n in clients:
            rows.append(asyncio.run(_run(port, n, seconds, leave, slow, attack)))
            told(line(rows[-1]))
        metrics = asyncio.run(_get(port, "/metrics")).decode()
    facts = {name: float(value) for name, value in re.findall(r"^(tts_\w+|process_\w+) ([\d.e+]+)$", metrics, re.MULTILINE)}
    asked = {"serve": arguments, "leave": leave, "slow": slow, "attack": attack}
    return asked | {"rows": [asdict(row) for row in rows], "metrics": facts}


HEAD = "clients  req/s audio/s  p50 ms  p95 ms  p99 ms 429 p99  late  cut  left          MB  codes"


def line(row: Row) -> str:
    """A row of the table under HEAD."""
    times = " ".join(f"{'-' if t is None else f'{t:.0f}':>7}" for t in (row.p50_ms, row.p95_ms, row.p99_ms, row.refused_p99_ms))
    codes = ", ".join(f"{code}: {n}" for code, n in row.codes.items())
    memory = f"{row.memory_mb[0]:.0f} > {row.memory_mb[-1]:.0f}"
    held = "".join(f"; {kind}: {n} up to {longest} s" for kind, (n, longest) in row.attacks.items())
    return (f"{row.clients:>7} {row.requests_per_second:>6.2f} {row.audio_per_second:>7.2f} {times} {row.late:>5} {row.cut:>4} "
            f"{row.left:>5} {memory:>11}  {codes}{held}")  # fmt: skip


async def _run(port: int, n: int, seconds: float, leave: float, slow: int, attack: int) -> Row:
    held = {kind: [] for kind in ATTACKS} if attack else {}
    tally, memory, began = Tally(), [await _memory(port)], time.monotonic()
    end = began + seconds
    slowly = [asyncio.create_task(_client(port, n + i, end, 0.0, Tally(), slow=True)) for i in range(slow)]
    slowly += [asyncio.create_task(_attacker(port, kind, end, held[kind])) for kind in held for _ in range(attack)]

    async def watch():
        while True:
            await asyncio.sleep(60)
            memory.append(await _memory(port))

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(_client(port, i, end, leave, tally) for i in range(n)))
    for task in (watching, *slowly):
        task.cancel()
    took = time.monotonic() - began
    memory.append(await _memory(port))
    p50, p95, p99 = _percentiles(tally.first_byte, 50, 95, 99)
    return Row(
        clients=n, seconds=round(took, 2), requests_per_second=round(tally.whole / took, 3),
        audio_per_second=round(tally.audio_seconds / took, 3), p50_ms=p50, p95_ms=p95, p99_ms=p99,
        refused_p99_ms=_percentiles(tally.refused, 99)[0], codes={str(code): n for code, n in sorted(tally.codes.items())},
        cut=tally.cut, left=tally.left, late=tally.late, memory_mb=memory,
        attacks={kind: [len(times), round(max(times, default=0.0), 1)] for kind, times in held.items()},
    )  # fmt: skip


def _percentiles(times: list[float], *wanted: int) -> list[float | None]:
    return [round(1000 * float(np.percentile(times, p)), 1) if times else None for p in wanted]


async def _client(port: int, number: int, end: float, leave: float, tally: Tally, slow: bool = False) -> None:
    rng = random.Random(number)
    while time.monotonic() < end:
        n_sentences = rng.choices([n for _, n in MIX], [share for share, _ in MIX])[0]
        leaves = rng.random() < leave
        try:
            code, wait = await _ask(port, SENTENCE * n_sentences, leaves, slow, tally)
        except (OSError, asyncio.IncompleteReadError, ValueError):
            code, wait = 0, 0.1
        tally.codes[code] += 1
        if wait:
            await asyncio.sleep(min(wait, max(0.0, end - time.monotonic())))


async def _attacker(port: int, kind: str, end: float, held: list[float]) -> None:
    """Connections of one kind, one after the other; ``held`` gets how long the server bore each."""
    head = _request("POST", "/v1/audio/speech", "x" * 5000)[:-5000]
    while time.monotonic() < end:
        began, writer = time.monotonic(), None
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            closed = asyncio.ensure_future(reader.read())
            writer.write({"idle": b"", "head": b"GET / HTTP/1.1\r\nX-A: ", "body": head, "reset": head + b"{"}[kind])
            if kind == "reset":
                await asyncio.sleep(0.2)
            while kind != "reset" and not closed.done():
                await asyncio.wait([closed], timeout=0.1)
                if kind != "idle":
                    writer.write(b"x")
            await asyncio.sleep(0.1)
        except OSError:
            await asyncio.sleep(0.1)
        finally:
            held.append(time.monotonic() - began)
            if writer:
                writer.transport.abort()


async def _ask(port: int, text: str, leaves: bool, slow: bool, tally: Tally) -> tuple[int, float]:
    """(status, seconds to wait before the next request) of one request for raw samples."""
    body = json.dumps({"input": text, "voice": "kathleen", "language": "en", "response_format": "pcm"})
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(_request("POST", "/v1/audio/speech", body))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        code = int(head.split()[1])
        if code != 200:
            tally.refused += [time.monotonic() - began] if code == 429 else []
            again = re.search(r"(?im)^retry-after: (\d+)", head)
            return code, float(again[1]) if again else 0.1
        heard, first, late = 0, None, False
        while size := int(await reader.readline(), 16):
            data = await reader.readexactly(size + 2)
            now = time.monotonic()
            first = first or now
            late |= heard / PCM_RATE + 0.2 < now - first  # a listener with 0.2 s in store would hear a gap
            heard += len(data) - 2
            if leaves:
                tally.left += 1
                return code, 0.0
            if slow:
                await asyncio.sleep(size / 1024)
        tally.first_byte.append(first - began)
        tally.whole += 1
        tally.late += late
        tally.audio_seconds += heard / PCM_RATE
        return code, 0.0
    except (asyncio.IncompleteReadError, ValueError):
        tally.cut += 1
        raise
    finally:
        writer.transport.abort()


async def _get(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_request("GET", path))
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n\r\n")[2]


def _request(method: str, path: str, body: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


async def _memory(port: int) -> float:
    """MB that the server holds."""
    found = re.search(rb"^process_resident_memory_bytes (\S+)$", await _get(port, "/metrics"), re.MULTILINE)
    return round(float(found[1]) / 1e6, 1)
