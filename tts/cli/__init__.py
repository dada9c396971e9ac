"""The ``tts`` command: one thin file a subcommand, loaded when it is called; errors become one line and an exit code.

Nothing heavy is imported here: ``tts --help`` answers without torch.
"""

from __future__ import annotations

import contextlib
import ctypes
import difflib
import errno
import importlib
import importlib.metadata
import logging
import os
import platform
import signal
import sys
import traceback

import click

from tts.base.errors import FileError, InternalError, ResourceError, TtsError, UsageError

COMMANDS = {
    "synth": "Speak text into a file or a pipe.",
    "book": "Speak a book into one file with chapters, and a file a chapter.",
    "clone": "Make a voice file of recordings of a person.",
    "convert": "Speak a recording again in another voice.",
    "edit": "Change words in a recording.",
    "enhance": "Add the band that a recording lacks.",
    "align": "Tell when each word of a recording is said.",
    "codec": "Encode speech to tokens and back.",
    "units": "Turn speech into discrete units, and read unit files.",
    "detect": "Tell whether audio carries the watermark and a provenance record.",
    "serve": "Speak over HTTP, for OpenAI's clients and Home Assistant.",
    "text": "Show how a text will be read: words, phones, spans.",
    "voices": "List the voices, look into one, mix them, compare two.",
    "export-onnx": "Write a model as ONNX graphs, for other programs and onnxruntime.",
    "languages": "List the languages and what the model heard of each.",
    "check": "Test this installation and measure this machine.",
    "limits": "Print every limit and exit code.",
}


class LazyGroup(click.Group):
    """Imports ``PACKAGE.NAME`` (dashes are underscores) and takes its ``command`` when a subcommand is asked for.

    Args:
        package: Where the modules of the subcommands are.
        listing: Name of each subcommand, and a line about it.
    """

    def __init__(self, *args, package: str, listing: dict[str, str], **rest):
        super().__init__(*args, **rest)
        self.package, self.listing = package, listing

    def parse_args(self, context, args):
        return super().parse_args(context, args or ["--help"])

    def list_commands(self, context):
        return list(self.listing)

    def get_command(self, context, name):
        if name not in self.listing:
            return None
        return importlib.import_module(f"{self.package}.{name.replace('-', '_')}").command

    def format_commands(self, context, formatter):
        with formatter.section("Commands"):
            formatter.write_dl(list(self.listing.items()))

    def resolve_command(self, context, args):
        if args and args[0] not in self.listing:
            near = difflib.get_close_matches(args[0], self.listing, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Commands: {', '.join(self.listing)}."
            raise UsageError(f"no command {args[0]!r}.", where=context.command_path, code="usage.command", fix=hint)
        return super().resolve_command(context, args)


def _version(context, parameter, wanted):
    if wanted and not context.resilient_parsing:
        parts = [f"{name} {package_version(name)}" for name in ("parlance-tts", "torch", "numpy")]
        click.echo(f"{', '.join(parts)}, Python {platform.python_version()} on {platform.system()} {platform.machine()}")
        context.exit()


def package_version(name: str) -> str:
    """Version of an installed distribution, read without importing it; ``missing`` when there is none."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


@click.group(
    cls=LazyGroup,
    package="tts.cli",
    listing=COMMANDS,
    epilog="Example:  tts synth 'Hello there.' -o hello.wav",
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "token_normalize_func": lambda name: name.replace("_", "-"),
    },
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print versions.")
@click.option("--json-errors", is_flag=True, expose_value=False, help="Print an error as one JSON line.")
@click.option("--debug", is_flag=True, expose_value=False, help="Print the traceback of an error.")
def cli():
    """Text to speech, offline: several languages, named and cloned voices."""


def run(args: list[str]) -> int:
    """Run one command line and return its exit code; messages go to stderr, the product to stdout."""
    args, json_errors, debug = _global_flags(args)
    quiet_warnings()
    try:
        with cli.make_context("tts", args) as context:
            cli.invoke(context)
        if sys.stdout is not None:
            sys.stdout.flush()
        return 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, EOFError, click.Abort):
        return 130
    except BrokenPipeError:
        _close_stdout()
        return 141
    except Exception as error:  # the last line of defence: every error leaves as one line and a code
        if debug:
            traceback.print_exc()
        known = _as_tts_error(error)
        click.echo(known.to_json() if json_errors else _line(known), err=True)
        if known.exit_code == FileError.exit_code:
            _close_stdout()
        return known.exit_code


def quiet_warnings() -> None:
    """A clean run prints nothing of other packages."""
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(logging.NullHandler())


def main() -> None:
    """Entry point of ``tts``, ``parlance`` and ``python -m tts``."""
    if sys.stdout is not None:
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale without the letters is no error
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that temporary files go
    steady_memory()
    sys.exit(run(sys.argv[1:]))


def steady_memory() -> None:
    """Give large buffers back once freed: glibc's rule, which moves with their sizes, lets the heap grow on long texts."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(-2, 64 << 20)  # M_TOP_PAD; setting it also fixes the threshold of mmap


def _global_flags(args: list[str]) -> tuple[list[str], bool, bool]:
    """``--json-errors`` and ``--debug`` may stand anywhere before ``--``."""
    end = args.index("--") if "--" in args else len(args)
    kept = [arg for arg in args[:end] if arg.replace("_", "-") not in ("--json-errors", "--debug")]
    names = {arg.replace("_", "-") for arg in args[:end]}
    return kept + args[end:], "--json-errors" in names, "--debug" in names


def _as_tts_error(error: Exception) -> TtsError:
    if isinstance(error, TtsError):
        return error
    if isinstance(error, click.NoSuchOption):
        near = difflib.get_close_matches(error.option_name, error.possibilities or (), n=1, cutoff=0.7)
        path = error.ctx.command_path if error.ctx else "tts"
        return UsageError(
            f"no option {error.option_name!r}.",
            where=path,
            code="usage.option",
            fix=f"Did you mean {near[0]!r}?" if near else f"See: {path} --help. Text that begins with a dash goes after --",
        )
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "tts"
        return UsageError(error.format_message(), where=path, code="usage.arguments", fix=f"See: {path} --help")
    if isinstance(error, MemoryError):
        return ResourceError("out of memory.", code="memory", fix="Speak a shorter text, or free some memory.")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT):
        return FileError(f"writing failed: {error.strerror}.", where=error.filename, code="file.io", fix="Free some space.")
    what = f"unexpected {type(error).__name__}: {error}".splitlines()[0].rstrip(".")
    return InternalError(
        f"{what}. This is a bug of parlance-tts {package_version('parlance-tts')}.",
        code="internal",
        fix="Run again with --debug and report what it prints, with the output of 'tts check --json'.",
    )


def _line(error: TtsError) -> str:
    text = printable(str(error))
    return text if text.startswith("tts") else f"tts: {text}"


def printable(text: str) -> str:
    """A text that cannot steer a terminal: names of files may hold anything."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def _close_stdout() -> None:
    """The reader is gone or the disk full: nothing more goes out, also not what Python flushes at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
