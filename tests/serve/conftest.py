"""A server in a thread, with a synthesiser that hums: what the server itself does, without a model."""

import asyncio
import http.client
import importlib.util
import json
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from frontend.types import Note
from tts.speech import Span, Speech
from tts.voice import VoiceInfo

RATE = 24_000
if any(importlib.util.find_spec(name) is None for name in ("starlette", "uvicorn")):
    collect_ignore_glob = ["test_*.py"]  # the extra "serve" is not installed


def tone(i):
    """A second of 200 Hz; its amplitude tells ``i``."""
    return ((1 + i % 9) / 10 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)).astype(np.float32)


class Hum:
    """Hums a second a word. The word ``hold`` waits for ``gate`` first, ``fail`` is a bug."""

    folder = Path("hum")

    def __init__(self):
        self.calls, self.said = [], []
        self.gate, self.closed, self.held = threading.Semaphore(0), threading.Event(), threading.Event()

    def voices(self):
        return [
            VoiceInfo("kathleen", "en-us", "f", "Kathleen", "CC0", 79.5),
            VoiceInfo("kerstin", "de", "f", "Kerstin", "CC0", 103.0),
        ]

    def voice(self, name, language="en-us"):
        return next(SimpleNamespace(**vars(info)) for info in self.voices() if info.name == name)

    def stream(self, text, voice=None, **request):
        self.calls.append({"text": text, "voice": voice and voice.name, **request})
        try:
            for i, word in enumerate(text.split()):
                if word == "hold":
                    self.held.set()
                    assert self.gate.acquire(timeout=20)
                if word == "fail":
                    raise KeyError(word)
                self.said.append(word)
                span = (Span(word, 0.0, 1.0, (i, i + 1)),)
                yield Speech(
                    tone(i), text, "en-us", voice.name if voice else "kathleen", request["seed"], words=span, phones=span,
                    chunks=span, notes=(Note("dropped", 0, 1, "control"),), provenance={"schema": "hum"},
                )  # fmt: skip
        finally:
            self.closed.set()


@contextmanager
def serving(synthesizer, settings=None, engine=None):
    """A running server: ``port``, ``server``, ``service``, ``engine``, ``hum``, and ``ask(path, ...)``."""
    from tts.serve.engine import Engine
    from tts.serve.server import Settings, bound, make_server
    from tts.serve.service import Service

    engine = engine or Engine()
    made = bound("127.0.0.1", 0)
    service = Service(synthesizer, engine)
    server = make_server(settings or Settings(), service)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([made])))
    thread.start()
    until(lambda: server.started)
    port = made.getsockname()[1]
    try:
        yield SimpleNamespace(
            port=port, server=server, service=service, engine=engine, hum=synthesizer, thread=thread,
            ask=lambda path, *args, **more: ask(port, path, *args, **more),
        )  # fmt: skip
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def until(true, seconds=20.0):
    """Wait for something that will be so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def ask(port, path, body=None, headers=(), method=None):
    """One request: status, headers, body as bytes, and as JSON where it is some. A dict is sent as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = dict(headers)
    if isinstance(body, dict):
        body, headers = json.dumps(body), {"Content-Type": "application/json"} | headers
    connection.request(method or ("GET" if body is None else "POST"), path, body, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    told = json.loads(data) if answer.headers.get("content-type") == "application/json" else None
    return SimpleNamespace(status=answer.status, headers=answer.headers, body=data, json=told)


def form(fields):
    """Fields, texts or bytes, as a form: (body, headers)."""
    parts = [b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (
        name.encode(), value.encode() if isinstance(value, str) else value) for name, value in fields.items()]  # fmt: skip
    return b"".join(parts) + b"--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.fixture
def hum():
    return Hum()


@pytest.fixture
def serve():
    return serving


@pytest.fixture(scope="module")
def hummed():
    """One server for the tests that leave it as it is."""
    with serving(Hum()) as server:
        yield server
