"""``python -m tests load``: what it counts, of a server that hums."""

import asyncio
import json
import socket

import pytest

from tests.serve import load
from tests.serve.conftest import Hum
from tts.serve.engine import Engine


def test_answers_are_timed_counted_and_told(serve, monkeypatch):
    monkeypatch.setattr(load, "MIX", ((0.5, 1), (0.5, 2)))
    with serve(Hum()) as server:
        row = asyncio.run(load._run(server.port, 3, 0.4, 0.0, 1, 0))
        left = asyncio.run(load._run(server.port, 2, 0.2, 1.0, 0, 0))
    assert row.codes.keys() == {"200"} and row.cut == row.left == 0 and len(row.memory_mb) == 2
    whole = row.requests_per_second * row.seconds
    assert whole == pytest.approx(row.codes["200"], rel=0.03)  # both are rounded
    assert 11 * whole - 1 < row.audio_per_second * row.seconds < 22 * whole + 1  # a second a word
    assert 0 < row.p50_ms <= row.p95_ms <= row.p99_ms and row.refused_p99_ms is None
    assert left.left == left.codes["200"] > 0 and left.requests_per_second == left.cut == 0
    assert len(load.line(row).split("  200: ")[0]) >= len(load.HEAD) - len("  codes") and json.dumps(vars(row))


def test_refusals_and_no_answers_are_no_times(serve):
    with serve(Hum(), engine=Engine(queue=0)) as server:
        row = asyncio.run(load._run(server.port, 2, 0.2, 0.0, 0, 0))
    assert row.codes == {"429": 2} and row.p50_ms is None and row.refused_p99_ms > 0 and "429: 2" in load.line(row)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        tally = load.Tally()
        asyncio.run(load._client(free.getsockname()[1], 0, load.time.monotonic() + 0.1, 0.0, tally))
    assert set(tally.codes) == {0}


def test_attackers_are_cut_off_while_others_hear(serve, monkeypatch):
    import dataclasses

    from tts.base.limits import LIMITS

    short = dataclasses.replace(LIMITS, serve_head_seconds=0.3, serve_body_seconds=0.4)
    for module in ("tts.serve.server", "tts.serve.app"):
        monkeypatch.setattr(f"{module}.LIMITS", short)
    with serve(Hum()) as server:
        row = asyncio.run(load._run(server.port, 2, 1.5, 0.0, 0, 2))
    assert row.cut == 0 and row.codes.keys() == {"200"} and set(row.attacks) == set(load.ATTACKS)
    for kind, (connections, longest) in row.attacks.items():
        assert connections >= 4 and 0 < longest < 1.4, (kind, row.attacks)
    assert "head: " in load.line(row)
