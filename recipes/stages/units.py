"""Units of a feature store, and centres for k-means units."""

from __future__ import annotations

import os
from pathlib import Path

import click

DUMP = click.option("--dump", default="dump", show_default=True, metavar="DIR", help="Feature store.")
DOWNLOAD = click.option("--download", is_flag=True, help="A hub may be asked for the extractor's model.")


@click.command(epilog="Example:  python -m recipes units --dump dump --extractor house --nj 2")
@DUMP
@click.option("--extractor", default="house", show_default=True, metavar="NAME", help="house, xlsr:PLACE or kmeans:FILE.")
@DOWNLOAD
@click.option("--nj", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="cores", help="Processes.")
def units(dump, extractor, download, nj):
    """Units of every utterance of every split. A split that has them is left as it is."""
    from recipes.stages.data import SPLITS
    from recipes.units import read_facts, write_units

    for split in SPLITS:
        if (Path(dump) / split / "utterances.jsonl").exists():
            count = write_units(Path(dump) / split, extractor, nj, download)
            facts = read_facts(Path(dump) / split)
            click.echo(f"units: {split}: {count:,} utterances, {facts.unit_rate:g} units a second of {facts.n_groups} x "
                       f"{facts.n_entries} codes of {facts.extractor} ({facts.units_id})")  # fmt: skip


@click.command("told-units", epilog="Example:  python -m recipes told-units --dump dump --txt2vec exp/models/txt2vec")
@DUMP
@click.option("--txt2vec", required=True, metavar="DIR", help="Model folder.")
def told_units(dump, txt2vec):
    """Units that a txt2vec tells of the aligned utterances, for vec2mel and vec2wav to learn from (task.told)."""
    from recipes.train.txt2vec import tell_units

    counts = tell_units(txt2vec, dump)
    click.echo("told-units: " + ", ".join(f"{split}: {count:,} utterances" for split, count in counts.items()))


@click.command("units-kmeans", epilog="Example:  python -m recipes units-kmeans --features house --out exp/km.safetensors")
@DUMP
@click.option("--features", required=True, metavar="NAME", help="transformers:PLACE#LAYER, house, aligner or mel.")
@click.option("--centres", "size", type=click.IntRange(2, 32768), default=500, show_default=True, help="Clusters.")
@click.option("--rows", type=click.IntRange(1), default=200_000, show_default=True, help="Features that they are found from.")
@click.option("--seed", default=0, show_default=True, help="Of the choice of utterances and the first centres.")
@DOWNLOAD
@click.option("--out", required=True, metavar="FILE", help="File to write.")
def units_kmeans(dump, features, size, rows, seed, download, out):
    """Centres of the features of training utterances, for the extractor kmeans:FILE."""
    from recipes.units import fit_centres

    click.echo(f"units-kmeans: {fit_centres(dump, features, out, size, rows, seed, download)} centres in {out}")
