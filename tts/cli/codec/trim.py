"""``tts codec trim``: fewer books, without decoding and without torch."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext

import click

from tts.base import files, strict_json
from tts.base.errors import UsageError
from tts.cli import printable
from tts.cli.codec import bitrate


@click.command(epilog="Example:  tts codec trim talk.ptok --books 4 -o small.ptok")
@click.argument("source", metavar="FILE|-")
@bitrate.BOOKS
@bitrate.KBPS
@click.option("-o", "--output", required=True, metavar="FILE|-", help="Token file to write, - for stdout.")
@bitrate.FORCE
@bitrate.JSON
@bitrate.QUIET
def command(source, books, kbps, output, force, as_json, quiet):
    """Keep the first books of a token FILE: a lower bit rate, as if it had been encoded so."""
    from codec.codes import open_tokens
    from codec.tokenfile import TokenReader, drop_books

    if books is None and kbps is None:
        raise UsageError("says nothing of books.", where="tts codec trim", code="usage.books", fix="Give --books or --kbps.")
    if output == "-":
        if as_json or sys.stdout is None or sys.stdout.isatty():
            raise UsageError(
                "stdout is taken or is a terminal.", where="--output", code="usage.same_output", fix="Write into a file."
            )
    elif source != "-" and os.path.realpath(source) == os.path.realpath(output):
        raise UsageError(f"{output} is the input.", where="--output", code="usage.same_output", fix="Write to another file.")
    else:
        files.check_writable(output, force)
    with open_tokens(sys.stdin.buffer if source == "-" else source) as (file, where):
        reader = TokenReader(file, where)
        header = reader.header
        kbps_of_book = header.bits * header.frame_rate / 1000
        keep = bitrate.books_of(books, kbps, 1, header.n_q, kbps_of_book)
        with nullcontext(sys.stdout.buffer) if output == "-" else files.atomic_file(output, force) as target:
            n_bytes = drop_books(reader, target, keep)
    seconds = reader.n_samples / header.sample_rate
    facts = {"input": source, "output": output, "seconds": round(seconds, 6), "n_books": keep, "n_books_before": header.n_q,
             "kbps": round(keep * kbps_of_book, 4), "bytes": n_bytes}  # fmt: skip
    if as_json:
        click.echo(strict_json.dumps(facts, indent=None))
    if not quiet:
        name, told = "stdout" if output == "-" else output, f"{seconds:.2f} s, {keep} of {header.n_q} books"
        click.echo(printable(f"{name}: {told}, {facts['kbps']:g} kbit/s, {n_bytes:,} bytes"), err=True)
