"""``tts detect``: the watermark that is heard in audio files, and the provenance record that they carry."""

from __future__ import annotations

import sys

import click

from tts.base import strict_json
from tts.base.limits import LIMITS

NOT_FOUND = 9  # exit code


@click.command(epilog="Example:  tts detect speech.wav interview.mp3 --json")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--no-speeds", is_flag=True, help="Do not search speech that is played faster or slower.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line, for every file.")
@click.pass_context
def command(context, files, no_speeds, as_json):
    """Look for this package's watermark in FILEs (- is stdin), and compare the record in each with its samples.

    Exit code 0: all files are marked; 9: at least one is not. "Not found" does not say that a person spoke.
    """
    from tts.cli import printable
    from tts.provenance import verify
    from tts.watermark import Mark

    mark, all_marked = Mark.load(), True
    for file in files:
        source = sys.stdin.buffer.read(LIMITS.audio_file_bytes + 1) if file == "-" else file
        heard = mark.detect(source, speeds=not no_speeds)
        record = verify(source, heard)
        all_marked &= heard.verdict == "marked"
        if as_json:
            click.echo(strict_json.dumps({"file": file, "watermark": heard.to_dict(), "record": record.to_dict()}, indent=None))
        else:
            click.echo(printable(f"{file}: {_heard(heard)}; {_written(record)}"))
    if not all_marked:
        context.exit(NOT_FOUND)


def _heard(heard) -> str:
    if heard.verdict == "too short":
        return "too short for a verdict on the watermark"
    if heard.verdict == "not found":
        return f"watermark not found (p {heard.p_value:.2g}), which does not say that a person spoke"
    places = ", ".join(f"{stretch.start:.1f}-{stretch.end:.1f} s" for stretch in heard.stretches)
    model = f"model {heard.payload.model}" if heard.payload else "model not readable"
    return f"marked (p {heard.p_value:.2g}) at {places}, {model}, key {heard.key_id}"


def _written(record) -> str:
    if record.record is None:
        return "record absent"
    if record.reason:
        return f"record {record.verdict}: {record.reason}"
    facts = record.record
    left_out = facts["watermark"].get("reason")
    why = f", without watermark: {left_out}" if left_out else ""
    return f"record valid: model {facts.get('model_id')}, voice {facts.get('voice')} ({facts.get('voice_origin')}){why}"
