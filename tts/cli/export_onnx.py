"""``tts export-onnx``: the networks of ``tts synth`` as ONNX graphs."""

from __future__ import annotations

import json

import click

from tts.cli.values import MODEL


@click.command(epilog="Example:  tts export-onnx --model fs2 -o graphs")
@MODEL
@click.option("-o", "--output", metavar="DIR", help="Folder to write; default: where the engine onnx looks for it.")
@click.option("--json", "as_json", is_flag=True, help="The folder and its files, as one JSON document.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
def command(model, output, as_json, force, quiet):
    """Write an acoustic model (fs2 or megatts) and its vocoder as ONNX graphs, with what a program needs to speak with them.

    Without -o, PARLANCE_ENGINE=onnx speaks by them from now on, and tts check --bench measures them.
    """
    from tts.export import export

    folder = export(model, output, force)
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "files": files}, indent=1))
    elif not quiet:
        click.echo(f"{folder}: {len(files)} files, {sum(files.values()) / 1e6:.1f} MB", err=True)
