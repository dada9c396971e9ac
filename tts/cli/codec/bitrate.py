"""Options that many subcommands share, and how many books a bit rate buys."""

from __future__ import annotations

import click

from tts.base.errors import UsageError
from tts.cli import values

MODEL = click.option("--model", metavar="DIR", help="Folder of the codec. Default: the house codec.")
THREADS = click.option("--threads", type=click.IntRange(1, 64), metavar="N", help="CPU threads.")
BOOKS = click.option("--books", type=click.IntRange(1, 32), metavar="N", help="Books to keep; fewer are a lower bit rate.")
KBPS = click.option("--kbps", type=values.BITRATE, metavar="X", help="As many books as fit into so many kbit/s.")
SCP = click.option("--scp", metavar="FILE", help="List of files, 'utterance path' a line, as Kaldi has it.")
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON line a file on stdout.")
FORCE = click.option("--force", is_flag=True, help="Replace existing files.")
QUIET = click.option("-q", "--quiet", is_flag=True, help="Errors only.")


def books_of(books: int | None, kbps: float | None, lowest: int, highest: int, kbps_of_book: float) -> int:
    """How many books are meant; all when nothing is said.

    Raises:
        UsageError: Both are given, or there are not so many or so few; it says what is possible.
    """
    possible = f"{lowest} to {highest} books are {lowest * kbps_of_book:g} to {highest * kbps_of_book:g} kbit/s."
    if books is not None and kbps is not None:
        raise UsageError("--books and --kbps say the same.", where="--kbps", code="usage.books", fix="Give one of them.")
    if kbps is not None:
        fitting = min(highest, int(kbps / kbps_of_book + 1e-6))
        if fitting < lowest:
            raise UsageError(f"{kbps:g} kbit/s is too little.", where="--kbps", code="codec.kbps", fix=f"Here {possible}")
        return fitting
    if books is not None and not lowest <= books <= highest:
        raise UsageError(f"{books} books are not possible.", where="--books", code="codec.books", fix=f"Here {possible}")
    return highest if books is None else books
