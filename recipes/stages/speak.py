"""Stages 7 and 8: synthesis of held-out sentences, or copies of recordings, and their score."""

from __future__ import annotations

import click


@click.command(epilog="Example:  python -m recipes synthesise --data data/test --model exp/models/fs2 --out exp/synth/fs2")
@click.option("--data", "data_dir", default="data/test", show_default=True, metavar="DIR", help="Data directory.")
@click.option("--model", required=True, metavar="DIR", help="Acoustic model, with its voices and its vocoder.")
@click.option("--out", required=True, metavar="DIR", help="Folder of the wav files.")
@click.option("--utterances", type=click.IntRange(1), help="At most so many.")
def synthesise(data_dir, model, out, utterances):
    """Speak the sentences of a data directory."""
    from recipes.speak import speak

    click.echo(f"synthesise: {speak(data_dir, model, out, utterances)} sentences in {out}")


@click.command(epilog="Example:  python -m recipes resynthesise --data data/test --model exp/models/codec --out exp/synth/codec")
@click.option("--data", "data_dir", default="data/test", show_default=True, metavar="DIR", help="Data directory.")
@click.option("--model", required=True, metavar="DIR", help="Codec.")
@click.option("--out", required=True, metavar="DIR", help="Folder of the wav files.")
@click.option("--books", "n_books", type=click.IntRange(1), metavar="N", help="Books to keep; all if left out.")
@click.option("--utterances", type=click.IntRange(1), help="At most so many.")
def resynthesise(data_dir, model, out, n_books, utterances):
    """Recordings of a data directory through a codec and back."""
    from recipes.resynthesise import resynthesise as copy

    click.echo(f"resynthesise: {copy(data_dir, model, out, n_books, utterances)} recordings in {out}")


@click.command(epilog="Example:  python -m recipes score --data data/test --synth exp/synth/fs2 --aligner exp/models/aligner")
@click.option("--data", "data_dir", default="data/test", show_default=True, metavar="DIR", help="Data directory.")
@click.option("--synth", required=True, metavar="DIR", help="What the stage synthesise made.")
@click.option("--aligner", required=True, metavar="DIR", help="Aligner folder.")
@click.option("--results", default="exp/RESULTS.md", show_default=True, metavar="FILE", help="Markdown file to update.")
@click.pass_context
def score(context, data_dir, synth, aligner, results):
    """Phone errors and lengths of synthetic speech beside the recordings of the same sentences."""
    from pathlib import Path

    from recipes.evaluate.tables import Table
    from recipes.score import score as judge

    rows, records = judge(data_dir, synth, aligner)
    command = f"python -m recipes score --data {data_dir} --synth {synth} --aligner {aligner}"
    clips = [{**row, "natural": row["natural"].rate, "synthetic": row["synthetic"].rate} for row in records]
    table = Table(f"score-{Path(synth).name}", f"Held-out sentences, {Path(synth).name}", command, rows, (), clips)
    table.save(Path(results).parent / "scores")
    table.publish(results)
    click.echo(table.markdown())
