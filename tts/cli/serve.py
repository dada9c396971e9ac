"""``tts serve``: read the flags, then ``tts.serve.server``."""

from __future__ import annotations

import importlib.util
import os
import re

import click

from tts.base.errors import UnavailableError
from tts.base.limits import LIMITS
from tts.cli.values import MODEL


class Address(click.ParamType):
    """``PORT`` or ``HOST:PORT``; of this machine alone when no host is given."""

    name = "address"

    def convert(self, value, parameter, context):
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(?:(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):)?(\d{1,5})", value, re.ASCII)
        if not found or int(found[2]) > 65_535:
            self.fail(f"{value!r} is not PORT or HOST:PORT.", parameter, context)
        return (found[1] or "127.0.0.1").strip("[]"), int(found[2])


@click.command(epilog="Example:  tts serve --port 8880")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8880, show_default=True, metavar="N",
              help="0 takes any free one.")  # fmt: skip
@click.option("--token-file", metavar="FILE", help="Clients must show the token in FILE (chmod 600, 32 characters or more).")
@click.option("--insecure", is_flag=True, help="Let other machines ask without a token.")
@click.option("--wyoming", type=Address(), metavar="[HOST:]PORT", help="Speak the Wyoming protocol of Home Assistant too.")
@MODEL
@click.option("--workers", type=click.IntRange(1, 16), default=1, show_default=True, metavar="N",
              help="Threads that share the requests.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1, 64), metavar="N",
              help="CPU threads of each worker; default: all, shared by the workers.")  # fmt: skip
@click.option("--queue", type=click.IntRange(1, 1024), default=LIMITS.serve_queue, show_default=True, metavar="N",
              help="Requests that may wait for their first sound; more are answered 429.")  # fmt: skip
@click.option("--streams", type=click.IntRange(1, 4096), default=LIMITS.serve_streams, show_default=True, metavar="N",
              help="Requests that are answered at once, in turns.")  # fmt: skip
@click.option("--max-chars", type=click.IntRange(1, 200_000), default=LIMITS.serve_text_chars, show_default=True, metavar="N",
              help="Longest text of a request.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
def command(host, port, token_file, insecure, wyoming, model, workers, threads, queue, streams, max_chars, quiet):
    """Speak over HTTP, as OpenAI's clients ask for it. Loads the model once; Ctrl-C or SIGTERM stops when all is said."""
    missing = [name for name in ("starlette", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise UnavailableError(f"{' and '.join(missing)} is not installed.", where="tts serve", code="serve.extra",
                               fix="Run: pip install 'parlance-tts[serve]'")  # fmt: skip
    from tts.api import Synthesizer
    from tts.serve.engine import Engine
    from tts.serve.server import Settings, read_token, run

    token = read_token(token_file) if token_file else ""
    settings = Settings(host, port, token, insecure, wyoming, max_chars)
    if threads is None and workers > 1:
        threads = max(1, (os.cpu_count() or 1) // workers)
    engine = Engine(workers, queue, streams)
    run(settings, Synthesizer(model, threads), engine, lambda line: quiet or click.echo(f"tts serve: {line}", err=True))
