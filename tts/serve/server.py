"""The process: address and token, connections that are bounded, a stop that finishes what is spoken."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tts.base import files
from tts.base.errors import DataError, NotPermittedError, UnavailableError
from tts.base.limits import LIMITS
from tts.serve.app import build, is_loopback
from tts.serve.engine import Engine
from tts.serve.service import Service

TOKEN_CHARS = 32  # fewest of a token


@dataclass(frozen=True)
class Settings:
    """Where and how to serve.

    Raises:
        NotPermittedError: Other machines could ask, and there is neither a token nor ``insecure``.
    """

    host: str = "127.0.0.1"
    port: int = 8880  # 0: any free one
    token: str = ""
    insecure: bool = False  # other machines may ask without a token
    wyoming: tuple[str, int] | None = None  # address and port; this protocol knows no token
    max_chars: int = LIMITS.serve_text_chars

    def __post_init__(self):
        for host, safe, flag in ((self.host, self.token, "--host"), (self.wyoming and self.wyoming[0], False, "--wyoming")):
            if host and not (is_loopback(host) or safe or self.insecure):
                token = "Pass --token-file FILE" if flag == "--host" else "Leave it on 127.0.0.1"
                raise NotPermittedError(f"{host} is reached by other machines.", where=flag, code="serve.open",
                                        fix=f"{token}, or --insecure when whoever reaches it may speak.")  # fmt: skip


def read_token(path: str | Path) -> str:
    """The token in a file that only its owner can read.

    Raises:
        NotPermittedError: Others can read the file.
        DataError: The token is shorter than 32 characters, or has others than visible ASCII.
    """
    token = files.read_text(path, 4096).strip()
    if str(path) != "-" and stat.S_IMODE(os.stat(path).st_mode) & 0o077:
        raise NotPermittedError("others can read it.", where=path, code="serve.token_mode", fix=f"Run: chmod 600 {path}")
    if len(token) < TOKEN_CHARS or not all("!" <= char <= "~" for char in token):
        raise DataError(f"the token has fewer than {TOKEN_CHARS} characters, or others than visible ASCII.", where=path,
                        code="serve.token_form", fix=f"Make one: openssl rand -hex 32 > {path}")  # fmt: skip
    return token


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens; connections whose other end does not acknowledge are dropped by the system.

    Raises:
        UnavailableError: The address is in use, or none of this machine's.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        made = socket.socket(family, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(LIMITS.serve_stall_seconds * 1000))
        made.bind(address)
        made.listen(128)
    except OSError as error:
        raise UnavailableError(f"cannot listen: {error.strerror or error}.", where=f"{host}:{port}", code="serve.address",
                               fix="Give another --host or --port.") from error  # fmt: skip
    return made


class Connection(H11Protocol):
    """A connection; closed when there are too many, or a request's head is not complete in time."""

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}
        if len(self.connections) > LIMITS.serve_connections:
            transport.abort()
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc) -> None:
        if self._head is not None:
            self._head.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """A clock that runs while a head is on its way."""
        waits = self.cycle is None or self.cycle.response_complete
        if waits and self._head is None:
            self._head = self.loop.call_later(LIMITS.serve_head_seconds, self.transport.abort)
        elif not waits and self._head is not None:
            self._head.cancel()
            self._head = None


class Server(uvicorn.Server):
    """Stops on SIGTERM and SIGINT: what waits is sent away, what is spoken is finished, and the exit code is 0; at the second
    signal nothing is finished but the piece that is being made."""

    def __init__(self, config: uvicorn.Config, service: Service):
        super().__init__(config)
        self.service = service

    async def shutdown(self, sockets=None) -> None:
        self.service.drain()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self):
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig, frame) -> None:
        if self.should_exit:  # again
            for connection in list(self.server_state.connections):
                connection.transport.abort()
        self.should_exit = True


def make_server(settings: Settings, service: Service) -> Server:
    """A server of the service, not running yet."""
    local = is_loopback(settings.host) and not settings.token
    app = build(service, settings.token, local, settings.max_chars)
    return Server(uvicorn.Config(
        app, http=Connection, ws="none", lifespan="on", log_config=None, log_level="warning", access_log=False,
        server_header=False, proxy_headers=False, h11_max_incomplete_event_size=LIMITS.serve_head_bytes, timeout_keep_alive=15,
        timeout_graceful_shutdown=int(LIMITS.serve_drain_seconds),
    ), service)  # fmt: skip


def run(settings: Settings, synthesizer, engine: Engine, told: Callable[[str], None]) -> None:
    """Serve until a signal comes.

    Args:
        settings: Addresses, token, limits.
        synthesizer: A :class:`tts.api.Synthesizer`.
        engine: Its threads are started here.
        told: Called with lines about the start.

    Raises:
        UnavailableError: An address is not to be had.
    """
    sockets = [bound(settings.host, settings.port)]
    wyoming = settings.wyoming and bound(*settings.wyoming)
    service = Service(synthesizer, engine)
    service.warm()
    server = make_server(settings, service)

    async def serve() -> None:
        if wyoming:
            from tts.serve.wyoming import Wyoming

            home = await Wyoming(service, settings.max_chars).listen(wyoming)
            told(f"wyoming: tcp://{_address(wyoming)}")
        told(f"http://{_address(sockets[0])}, model {service.model}, {len(service.voices)} voices; Ctrl-C stops")
        try:
            await server.serve(sockets)
        finally:
            if wyoming:
                home.close()

    with suppress(KeyboardInterrupt):
        asyncio.run(serve())
    service.close()


def _address(made: socket.socket) -> str:
    host, port = made.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
