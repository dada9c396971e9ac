"""Where text comes from: words on the command line, files, or stdin."""

from __future__ import annotations

import sys

from tts.base import files
from tts.base.errors import UsageError


def given_text(words: tuple[str, ...], inputs: tuple[str, ...], command: str, examples: str) -> str:
    """The words, else the files as paragraphs, else stdin; ``-`` is stdin in both places.

    Raises:
        UsageError: Both are given; or nothing is, and stdin is a terminal.
    """
    if words and inputs:
        raise UsageError(
            "text is given both as words and with --input.", where=command, code="usage.text", fix="Give one of them."
        )
    if words == ("-",):
        inputs, words = ("-",), ()
    if words:
        return " ".join(words)
    if not inputs:
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError(f"no text. Try one of:\n{examples}", where=command, code="usage.no_text")
        inputs = ("-",)
    return "\n\n".join(files.read_text(path) for path in inputs)
