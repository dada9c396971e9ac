"""The page at ``/``: a few files, read once when the server is built. No other file is ever served."""

from __future__ import annotations

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

#: Path -> file of this folder and its media type.
FILES = {
    "/": ("index.html", "text/html"),
    "/page/style.css": ("style.css", "text/css"),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
    **{f"/page/{name}.js": (f"{name}.js", "text/javascript")
       for name in ("app", "clone", "edit", "mel", "phones", "player", "recording", "server", "timeline")},
}  # fmt: skip
POLICY = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self)",
    "Referrer-Policy": "no-referrer",
}


def routes() -> list[Route]:
    """A route a file."""
    folder = files("tts.serve.page")
    return [Route(path, _answer((folder / name).read_bytes(), kind)) for path, (name, kind) in FILES.items()]


def _answer(data: bytes, kind: str):
    async def answer(request: Request) -> Response:
        return Response(data, media_type=kind, headers=POLICY)

    return answer
