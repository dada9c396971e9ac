"""The Wyoming protocol of Home Assistant: ``describe`` and ``synthesize`` over TCP.

    {"type": ..., "data": {...}, "data_length": n, "payload_length": m}\n   n bytes of JSON that go over "data"   m bytes

Source: the protocol's description (github.com/OHF-Voice/wyoming, README). Here every length is bounded; ``synthesize`` is
answered by ``audio-start``, ``audio-chunk`` as they are made, ``audio-stop``. The protocol knows no token.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from tts.base import strict_json
from tts.base.errors import DataError, TemporaryError, TtsError, UsageError
from tts.base.limits import LIMITS
from tts.serve.request import SpeechRequest, check_language, check_text, voice_of
from tts.serve.service import Service
from vocoder.audio.frames import SAMPLE_RATE

FORMAT = {"rate": SAMPLE_RATE, "width": 2, "channels": 1}
CONNECTIONS = 32
IDLE_SECONDS = 300.0


class Wyoming:
    """The server of one service."""

    def __init__(self, service: Service, max_chars: int = LIMITS.serve_text_chars):
        self.service, self.max_chars = service, max_chars
        self._open = 0  # connections

    async def listen(self, made: socket.socket) -> asyncio.Server:
        """Serve on a bound socket until the returned server is closed."""
        return await asyncio.start_server(self._connected, sock=made, limit=LIMITS.serve_head_bytes)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            while self._open <= CONNECTIONS:
                async with asyncio.timeout(IDLE_SECONDS):
                    event = await read_event(reader)
                if event is None:
                    break
                await self._answer(*event, writer)
        except DataError as error:  # where the next event begins cannot be told
            with suppress(TimeoutError, OSError):
                await _send(writer, "error", _told(error))
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            writer.transport.abort()  # what is left is not waited for
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, kind: str, data: dict, writer: asyncio.StreamWriter) -> None:
        try:
            if kind == "describe":
                await _send(writer, "info", self._info())
            elif kind == "ping":
                await _send(writer, "pong", {"text": data.get("text")})
            elif kind == "synthesize":
                await self._synthesize(data, writer)
        except TtsError as error:
            await _send(writer, "error", _told(error))

    async def _synthesize(self, data: dict, writer: asyncio.StreamWriter) -> None:
        text, voice = data.get("text"), data.get("voice") or {}
        if not isinstance(text, str) or not isinstance(voice, dict):
            raise DataError("text is text, and voice an object.", where="synthesize", code="request.type")
        if data.get("text_format") not in (None, "text"):
            raise UsageError("only plain text is spoken.", where="text_format", code="request.text_format")
        name, language = voice.get("name"), voice.get("language")
        if not all(isinstance(value, str | None) for value in (name, language)):
            raise DataError("name and language of a voice are text.", where="voice", code="request.type")
        name = voice_of(name, self.service.voices)
        language = self.service.voices[name].language if name else language  # a voice is listed with its own
        job = self.service.samples(SpeechRequest(
            check_text(text, self.max_chars), name, check_language(language or "auto")
        ))  # fmt: skip
        try:
            async with asyncio.timeout(LIMITS.serve_first_seconds):
                await job.begin()
            await _send(writer, "audio-start", FORMAT)
            async for samples in job:
                await _send(writer, "audio-chunk", FORMAT, samples)
            await _send(writer, "audio-stop", {})
        except TimeoutError as error:
            raise TemporaryError("no sound in time, or nobody reads it.", where="tts serve", code="serve.deadline") from error
        finally:
            job.cancel()

    def _info(self) -> dict:
        from tts.cli import package_version

        version, maker = package_version("parlance-tts"), {"name": "parlance", "url": ""}
        about = {"attribution": maker, "installed": True, "version": version}
        voices = [{"name": info.name, "description": f"{info.name} ({info.corpus})", **about,
                   "languages": [_tag(info.language)]} for info in self.service.infos]  # fmt: skip
        program = {"name": "parlance", "description": "parlance text-to-speech", **about, "voices": voices,
                   "supports_synthesize_streaming": False}  # fmt: skip
        return {kind: [] for kind in ("asr", "handle", "intent", "wake", "mic", "snd")} | {"tts": [program]}


def _told(error: TtsError) -> dict:
    return {"text": error.message(), "code": error.code}


def _tag(language: str) -> str:
    """A language as Home Assistant writes it: ``en-US``, ``zh``."""
    base, _, region = language.partition("-")
    return "zh" if base == "cmn" else f"{base}-{region.upper()}" if region else base


async def read_event(reader: asyncio.StreamReader) -> tuple[str, dict] | None:
    """The next event's type and data, its payload passed over; None at the end.

    Raises:
        DataError: It is no event, or longer than allowed.
    """
    try:
        line = await reader.readline()
    except ValueError:
        most = LIMITS.serve_head_bytes
        raise DataError(f"a line of more than {most:,} bytes.", where="wyoming", code="wyoming.line", limit=most) from None
    if not line:
        return None
    head = strict_json.loads(line, "wyoming")
    if not isinstance(head, dict) or not isinstance(head.get("type"), str) or not isinstance(head.get("data") or {}, dict):
        raise DataError("a line is no event.", where="wyoming", code="wyoming.event")
    data, lengths = dict(head.get("data") or {}), [head.get(name) or 0 for name in ("data_length", "payload_length")]
    for length in lengths:
        if isinstance(length, bool) or not isinstance(length, int) or not 0 <= length <= LIMITS.serve_json_bytes:
            raise DataError(f"a length is no whole number from 0 to {LIMITS.serve_json_bytes:,}.", where="wyoming",
                            code="wyoming.length", limit=LIMITS.serve_json_bytes)  # fmt: skip
    if lengths[0]:
        more = strict_json.loads(await reader.readexactly(lengths[0]), "wyoming")
        if not isinstance(more, dict):
            raise DataError("data is no object.", where="wyoming", code="wyoming.event")
        data |= more
    await reader.readexactly(lengths[1])
    return head["type"], data


async def _send(writer: asyncio.StreamWriter, kind: str, data: dict, payload: bytes = b"") -> None:
    packed = strict_json.dumps(data, indent=None).encode()
    head = {"type": kind, "data_length": len(packed), "payload_length": len(payload)}
    writer.write(strict_json.dumps(head, indent=None).encode() + b"\n" + packed + payload)
    async with asyncio.timeout(LIMITS.serve_stall_seconds):
        await writer.drain()
