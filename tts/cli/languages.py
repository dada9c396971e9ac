"""``tts languages``: what the house model was trained on, and what else the frontend can read."""

from __future__ import annotations

import json

import click

from tts.cli.table import table
from tts.cli.values import MODEL


@click.command(epilog="Example:  tts languages --all")
@MODEL
@click.option("--all", "every", is_flag=True, help="Also languages that the model never heard.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def command(model, every, as_json):
    """List the languages and what the model heard of each.

    A language without minutes is still accepted: its sounds are those of the others, so the accent is foreign.
    """
    from tts.registry import trained_languages

    found = trained_languages(model)
    rows = [row for row in found if every or row["minutes"]]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    click.echo(table(["language", "name", "minutes"], [[row["language"], row["name"], row["minutes"] or None] for row in rows]))
    if not every:
        click.echo(f"{len(found) - len(rows)} more are read but were never heard: tts languages --all", err=True)
