"""Packing for another machine, and parallel jobs."""

from __future__ import annotations

import json
import os

import click

JOBS = click.option("--nj", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="cores", help="Processes.")


@click.command(epilog="Example:  python -m recipes pack --dump dump --out corpus.pack --hours 6")
@click.option("--dump", default="dump", show_default=True, metavar="DIR", help="Feature store.")
@click.option("--out", default="corpus.pack", show_default=True, metavar="FILE", help="File to write.")
@click.option("--megabytes", type=click.FloatRange(0.01), default=48.0, show_default=True, help="Size at most, 10^6 bytes.")
@click.option("--hours", type=click.FloatRange(0.0), help="Of training speech at most, shared evenly over speakers.")
@JOBS
def pack(dump, out, megabytes, hours, nj):
    """Audio (Opus, as good as fits), phones, durations and pitch of train and dev in one file."""
    from recipes.pack import pack as write

    click.echo(json.dumps({"pack": out, **{k: v for k, v in write(dump, out, megabytes, hours, nj=nj).items() if k != "splits"}}))


@click.command(epilog="Example:  python -m recipes unpack corpus.pack --dump dump")
@click.argument("file")
@click.option("--dump", default="dump", show_default=True, metavar="DIR", help="Feature store to write.")
@JOBS
def unpack(file, dump, nj):
    """The feature store of a packed corpus, mel included."""
    from recipes.pack import unpack as read

    meta = read(file, dump, nj)
    click.echo(f"unpack: {meta['hours']:.2f} hours at {meta['kbps']:g} kbit/s into {dump}")


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
               epilog="Example:  python -m recipes run JOB=1:4 exp/log/x.JOB.log command JOB")  # fmt: skip
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[--max-jobs-run N] [JOB=1:N] LOG COMMAND...")
def run(arguments):
    """Run COMMAND once for each JOB, in parallel, each with its own LOG."""
    from recipes.run import parse
    from recipes.run import run as run_jobs

    run_jobs(parse(list(arguments)))
