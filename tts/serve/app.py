"""The HTTP face: routes, who may ask, bounded bodies, errors as JSON, and answers that go out while they are made.

An error's body has the fields of OpenAI's (``message``, ``type``, ``param``, ``code``) and those of the error family. Once
sound has been sent an error cannot change the status: the body then ends without its last chunk, as every client sees.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tts.base.errors import (
    DataError,
    InternalError,
    NotPermittedError,
    ResourceError,
    TemporaryError,
    TtsError,
    UnavailableError,
    UsageError,
)
from tts.base.limits import LIMITS
from tts.serve import page
from tts.serve.engine import Job
from tts.serve.metrics import Metrics
from tts.serve.recording import CloneRequest, EditRequest
from tts.serve.request import FIELDS, FORM_FIELDS, OPENAI_MODELS, SpeechRequest, check_format
from tts.serve.service import MEDIA_TYPES, Service

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]  # of every answer
TOLD = ("voice", "language", "seed", "edit")  # facts of a job that headers tell
OPEN_PATHS = ("/healthz", "/readyz", *page.FILES)  # of them nobody learns anything; the page asks for the token
_KIND_STATUS = ((UsageError, 400), (DataError, 400), (UnavailableError, 404), (NotPermittedError, 403), (ResourceError, 413),
                (TemporaryError, 503))  # fmt: skip
_CODE_STATUS = {
    "serve.token": 401, "serve.path": 404, "serve.method": 405, "serve.body_slow": 408, "serve.media_type": 415,
    "serve.busy": 429, "serve.deadline": 504,
}  # fmt: skip
_log = logging.getLogger("parlance.serve")


def build(service: Service, token: str = "", local: bool = True, max_chars: int = LIMITS.serve_text_chars) -> Starlette:
    """The application.

    Args:
        service: Does the work; its engine is started and closed with the application.
        token: What a client must show; none when empty.
        local: The server is reached from this machine only, so ``Host`` must name it: a page of the web whose name was turned
            to this address is refused.
        max_chars: Longest text.
    """
    pages = Pages(service, max_chars, cloning=local or bool(token))
    routes = [
        Route("/v1/audio/speech", pages.speech, methods=["POST"]),
        Route("/v1/audio/prosody", pages.prosody, methods=["POST"]),
        Route("/v1/audio/edit", pages.edit, methods=["POST"]),
        Route("/v1/audio/voices", pages.voices),
        Route("/v1/voices", pages.voices),
        Route("/v1/voices", pages.clone, methods=["POST"]),
        Route("/v1/voices/{voice}", pages.voice_file),
        Route("/v1/voices/{voice}", pages.forget, methods=["DELETE"]),
        Route("/v1/models", pages.models),
        Route("/v1/models/{model}", pages.one_model),
        Route("/v1/codec/encode", pages.encode, methods=["POST"]),
        Route("/v1/codec/decode", pages.decode, methods=["POST"]),
        Route("/healthz", pages.health),
        Route("/readyz", pages.ready),
        Route("/metrics", pages.metrics_page),
        *page.routes(),
    ]

    @asynccontextmanager
    async def running(_):
        service.start()
        yield
        service.close()

    async def failed(_, error: Exception) -> Response:
        if isinstance(error, ClientDisconnect):
            return Response(status_code=499)  # nobody reads it; the number is nginx's
        if isinstance(error, HTTPException):
            error = _of_http(error)
        return pages.failure(error if isinstance(error, TtsError) else InternalError("unexpected error.", code="internal"))

    kinds = (TtsError, HTTPException, ClientDisconnect, Exception)
    app = Starlette(routes=routes, lifespan=running, exception_handlers=dict.fromkeys(kinds, failed))
    app.add_middleware(Guard, pages=pages, token=token, local=local, paths={route.path for route in routes})
    return app


class Pages:
    """What is answered on each path. ``cloning``: recordings are taken; not from everybody who reaches the port."""

    def __init__(self, service: Service, max_chars: int, cloning: bool):
        self.service, self.max_chars, self.cloning, self.metrics = service, max_chars, cloning, Metrics()
        self.answers: Counter[str] = Counter()  # that are being given, by address
        self._uploads = 0  # that are being received

    async def speech(self, request: Request) -> Response:
        client = self._client(request)
        asked = await self._asked(request, self.max_chars, FIELDS)
        form = asked.response_format if asked.stream_format == "audio" else asked.stream_format
        return Answer(self, client, self.service.speak(asked), MEDIA_TYPES[form])

    async def prosody(self, request: Request) -> Response:
        client = self._client(request)
        fields = {name: kind for name, kind in FIELDS.items() if name not in FORM_FIELDS}
        asked = await self._asked(request, min(self.max_chars, LIMITS.serve_prosody_chars), fields)
        return Answer(self, client, self.service.prosody(asked), MEDIA_TYPES["json"])

    async def edit(self, request: Request) -> Response:
        client = self._client(request)
        asked = EditRequest.parse(*await self._form(request), self.max_chars)
        return Answer(self, client, self.service.edit(asked), MEDIA_TYPES[asked.response_format])

    async def clone(self, request: Request) -> Response:
        client = self._client(request)
        asked = CloneRequest.parse(*await self._form(request))
        return Answer(self, client, self.service.clone(asked), MEDIA_TYPES["json"])

    async def voice_file(self, request: Request) -> Response:
        voice = self.service.clones.get(request.path_params["voice"])
        if voice is None:
            raise _no_clone()
        return Response(voice.to_bytes(), media_type="application/octet-stream")

    async def forget(self, request: Request) -> Response:
        if not self.service.clones.forget(request.path_params["voice"]):
            raise _no_clone()
        return Response(status_code=204)

    async def encode(self, request: Request) -> Response:
        query, client = _query(request, books=int), self._client(request)
        recording = await self._upload(request)
        return Answer(self, client, self.service.encode(recording, query.get("books")), "application/octet-stream")

    async def decode(self, request: Request) -> Response:
        query, client = _query(request, response_format=str, seed=int), self._client(request)
        form = check_format(query.get("response_format", "wav"), "response_format")
        tokens = await self._upload(request)
        return Answer(self, client, self.service.decode(tokens, form, query.get("seed", 0)), MEDIA_TYPES[form])

    async def voices(self, request: Request) -> Response:
        return JSONResponse({"voices": self.service.describe_voices()})

    async def models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._model()]})

    async def one_model(self, request: Request) -> Response:
        if request.path_params["model"] not in (self.service.model, *OPENAI_MODELS):
            raise UnavailableError("no such model is served.", where="model", code="model.unknown",
                                   fix=f"Use {self.service.model!r}.")  # fmt: skip
        return JSONResponse(self._model())

    async def health(self, request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(self, request: Request) -> Response:
        engine = self.service.engine
        fit = not engine.draining and engine.waiting < 0.8 * engine.queue
        return PlainTextResponse("ready\n" if fit else "busy\n", 200 if fit else 503)

    async def metrics_page(self, request: Request) -> Response:
        page = self.metrics.text(self.service.engine, self.service.model)
        return PlainTextResponse(page, media_type="text/plain; version=0.0.4")

    def failure(self, error: TtsError) -> Response:
        """An error as an answer."""
        status = _CODE_STATUS.get(error.code) or next((number for kind, number in _KIND_STATUS if isinstance(error, kind)), 500)
        told = {"message": error.message(), "type": error.kind, "param": error.where, **error.to_dict()}
        headers = {"Retry-After": str(self.service.engine.wait_seconds())} if status in (429, 503) else {}
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse({"error": told}, status, headers)

    def _model(self) -> dict:
        return {"id": self.service.model, "object": "model", "created": 0, "owned_by": "parlance-tts"}

    async def _asked(self, request: Request, max_chars: int, fields: Mapping) -> SpeechRequest:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise DataError("the body is not declared as JSON.", where="Content-Type", code="serve.media_type",
                            fix="Send it as application/json.")  # fmt: skip
        data = await body_of(request, LIMITS.serve_json_bytes)
        return SpeechRequest.parse(data, self.service.model, self.service.voices, self.service.clones, max_chars, fields)

    def _client(self, request: Request) -> str:
        """The address of who asks, when it may have one more answer."""
        address = request.client.host if request.client else ""
        if self.answers[address] >= LIMITS.serve_per_client and not is_loopback(address):
            raise _busy("requests of this address", LIMITS.serve_per_client)
        return address

    async def _form(self, request: Request) -> tuple[str, bytes]:
        """(content type, body) of a form with a recording."""
        if not self.cloning:
            raise NotPermittedError("recordings are taken only from this machine, or with a token.", where="tts serve",
                                    code="serve.recordings", fix="Start it with --token-file.")  # fmt: skip
        return request.headers.get("content-type", ""), await self._upload(request)

    async def _upload(self, request: Request) -> bytes:
        if self._uploads >= LIMITS.serve_uploads:
            raise _busy("uploads", LIMITS.serve_uploads)
        self._uploads += 1
        try:
            return await body_of(request, LIMITS.serve_upload_bytes)
        finally:
            self._uploads -= 1


class Answer:
    """An ASGI response: a job's pieces as they come. The job is cancelled when its reader is gone, reads nothing for a while,
    or keeps it waiting for longer than hearing it twice takes."""

    def __init__(self, pages: Pages, client: str, job: Job, media_type: str):
        self.pages, self.client, self.job, self.media_type = pages, client, job, media_type

    async def __call__(self, scope, receive, send) -> None:
        self.pages.answers[self.client] += 1
        told, gone = asyncio.create_task(self._tell(scope, receive, send)), asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait((told, gone), return_when=asyncio.FIRST_COMPLETED)
            if told.done():
                told.result()
        finally:
            told.cancel()
            gone.cancel()
            self.job.cancel()
            self.pages.answers -= Counter([self.client])  # keeps no zeros

    async def _tell(self, scope, receive, send) -> None:
        try:
            async with asyncio.timeout(LIMITS.serve_first_seconds):
                await self.job.begin()
        except TimeoutError:
            error = TemporaryError("no sound in time.", where="tts serve", code="serve.deadline",
                                   limit=LIMITS.serve_first_seconds)  # fmt: skip
            return await self.pages.failure(error)(scope, receive, send)
        except TtsError as error:
            return await self.pages.failure(error)(scope, receive, send)
        self.pages.metrics.first_byte(time.monotonic() - self.job.arrived)
        told = [(f"x-{name}".encode(), str(self.job.facts[name]).encode()) for name in TOLD if name in self.job.facts]
        headers = [(b"content-type", self.media_type.encode()), *told]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        waited = 0.0  # for the reader
        try:
            async for data in self.job:
                began = time.monotonic()
                async with asyncio.timeout(LIMITS.serve_stall_seconds):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
                waited += time.monotonic() - began
                if waited > LIMITS.serve_stall_seconds + 2 * self.job.seconds:
                    raise TimeoutError
        except TimeoutError:
            self.pages.metrics.slow += 1
            _log.warning("a client reads too slowly: its answer is cut off")
            if transport := scope.get("state", {}).get("transport"):
                transport.abort()
            return None
        except TtsError as error:
            _log.warning("an answer is cut off: %s", error.code)
            return None
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Guard:
    """Before every request: the token, ``Host`` and ``Origin``; after it: the count. An ASGI middleware."""

    def __init__(self, app, pages: Pages, token: str, local: bool, paths: set[str]):
        self.app, self.pages, self.token, self.local, self.paths = app, pages, token.encode(), local, paths

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path = scope["path"] if scope["path"] in self.paths else "other"

        async def counted(message) -> None:
            if message["type"] == "http.response.start":
                self.pages.metrics.requests[path, message["status"]] += 1
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        error = self._refusal(Request(scope))
        return await (self.pages.failure(error) if error else self.app)(scope, receive, counted)

    def _refusal(self, request: Request) -> TtsError | None:
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if "content-length" in request.headers and "transfer-encoding" in request.headers:
            return DataError("the body's length is told in two ways.", where="Transfer-Encoding", code="serve.framing")
        if self.local and _hostname(host) not in LOOPBACK_NAMES:
            return NotPermittedError("Host is not this machine.", where="Host", value=host, code="serve.host",
                                     fix="Use http://127.0.0.1, or --token-file with --host.")  # fmt: skip
        if origin not in (None, f"http://{host}", f"https://{host}"):
            return NotPermittedError("pages of other sites may not ask.", where="Origin", value=origin, code="serve.origin")
        if self.token and request.scope["path"] not in OPEN_PATHS:  # not of request.url, into which Host goes
            shown = request.headers.get("authorization", "").encode("latin-1", "replace")
            if not hmac.compare_digest(shown, b"Bearer " + self.token):
                return NotPermittedError("the token is missing or wrong.", where="Authorization", code="serve.token",
                                         fix="Send the header: Authorization: Bearer TOKEN")  # fmt: skip
        return None


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone; a name is, when it is localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def body_of(request: Request, most: int) -> bytes:
    """The body of a request.

    Raises:
        ResourceError: It is, or says to be, larger than ``most``.
        TemporaryError: It does not come in time.
    """
    too_large = ResourceError(f"the body has more than {most:,} bytes.", where="request", code="request.size", limit=most)
    told, data = request.headers.get("content-length", ""), bytearray()
    if told.isdigit() and int(told[:20]) > most:
        raise too_large
    try:
        async with asyncio.timeout(LIMITS.serve_body_seconds):
            async for part in request.stream():
                data += part
                if len(data) > most:
                    raise too_large
    except TimeoutError:
        raise TemporaryError("the body did not come in time.", where="request", code="serve.body_slow",
                             limit=LIMITS.serve_body_seconds) from None  # fmt: skip
    return bytes(data)


def _busy(what: str, limit: int) -> TemporaryError:
    return TemporaryError(f"too many {what}.", where="tts serve", code="serve.busy", limit=limit,
                          fix="Try again after the time in Retry-After.")  # fmt: skip


def _no_clone() -> UnavailableError:
    return UnavailableError("there is no cloned voice of this id.", where="voice", code="voice.unknown",
                            fix="Make one by POST /v1/voices.")  # fmt: skip


def _query(request: Request, **kinds: type) -> dict:
    """The parameters of the address, each of its type."""
    found = {}
    for name, value in request.query_params.multi_items():
        if name not in kinds or name in found:
            raise DataError(f"parameter {name!r:.40} is {'given twice' if name in found else 'not known'}.", where="query",
                            code="request.field", fix=f"There are: {', '.join(kinds)}.")  # fmt: skip
        if kinds[name] is int and not (value.isascii() and value.isdigit() and len(value) < 19):
            raise DataError(f"{name} is a whole number.", where=name, value=value, code="request.type")
        found[name] = kinds[name](value)
    return found


def _hostname(host: str) -> str | None:
    """Of a Host header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


async def _gone(receive) -> None:
    """Until the client has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _of_http(error: HTTPException) -> TtsError:
    known = {404: ("no such path.", "serve.path"), 405: ("this path does not take this method.", "serve.method")}
    what, code = known.get(error.status_code, (str(error.detail), "serve.request"))
    return UsageError(what, where="request", code=code)
