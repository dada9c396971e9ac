"""Packing for another machine or program, and parallel jobs."""

from __future__ import annotations

import json
import os
from pathlib import Path

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


@click.command(epilog="Example:  python -m recipes lhotse data/train --out manifests")
@click.argument("folders", nargs=-1, required=True, metavar="DIR...")
@click.option("--out", default="manifests", show_default=True, metavar="DIR", help="Folder to write.")
@click.option("--cuts", is_flag=True, help="Cuts with all inside, instead of recordings and supervisions.")
def lhotse(folders, out, cuts):
    """lhotse manifests of data directories, named after them. The way back: python -m recipes data lhotse."""
    from recipes import datadir
    from recipes.corpora.lhotse import write

    for folder in folders:
        rows, split = datadir.read(folder), Path(folder).resolve().name
        write(out, split, rows, cuts)
        click.echo(f"lhotse: {split}: {len(rows):,} utterances")


@click.command(epilog="Example:  python -m recipes shards data/train --tokens tokens/tokens.scp --out shards --nj 2")
@click.argument("folders", nargs=-1, required=True, metavar="DIR...")
@click.option("--out", default="shards", show_default=True, metavar="DIR", help="Folder to write.")
@click.option("--size", type=click.IntRange(1), default=1000, show_default=True, help="Utterances a shard.")
@click.option("--tokens", metavar="FILE", help="List of token files, tokens.scp of tts codec encode --scp.")
@JOBS
@click.option("--ray", is_flag=False, flag_value="", metavar="[=ADDRESS]",
              help="A Ray cluster instead of processes; without an address, the one here.")  # fmt: skip
def shards(folders, out, size, tokens, nj, ray):
    """Data directories as tar files of WebDataset: audio, JSON and token file of each utterance. Whole shards are kept."""
    from recipes import datadir
    from recipes.shards import write_shards
    from tts.cli.plan import read_list

    listed = None if tokens is None else dict(read_list(tokens))
    for folder in folders:
        split = Path(folder).resolve().name
        found, new = write_shards(datadir.read(folder), out, split, size, listed, nj if ray is None else 1, ray)
        click.echo(f"shards: {split}: {found:,} shards, {new:,} of them new")


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
               epilog="Example:  python -m recipes run JOB=1:4 exp/log/x.JOB.log command JOB")  # fmt: skip
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[--max-jobs-run N] [JOB=1:N] LOG COMMAND...")
def run(arguments):
    """Run COMMAND once for each JOB, in parallel, each with its own LOG."""
    from recipes.run import parse
    from recipes.run import run as run_jobs

    run_jobs(parse(list(arguments)))
