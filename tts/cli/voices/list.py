"""``tts voices list``: the voices of a model."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from tts.cli.table import table
from tts.cli.values import MODEL


@click.command(epilog="Example:  tts voices list -l de")
@click.option("-l", "--language", help="Only voices of this language, e.g. de.")
@MODEL
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def command(language, model, as_json):
    """List the voices."""
    from frontend.languages import resolve
    from tts.api import Synthesizer

    voices = Synthesizer(model=model).voices()
    if language:
        wanted = resolve(language).tag
        voices = [voice for voice in voices if resolve(voice.language).tag == wanted]
    if as_json:
        click.echo(json.dumps([asdict(voice) for voice in voices], ensure_ascii=False, indent=1))
        return
    rows = [[v.name, v.language, v.gender, v.minutes, v.corpus, v.licence] for v in voices]
    click.echo(table(["voice", "language", "gender", "minutes", "corpus", "licence"], rows))
