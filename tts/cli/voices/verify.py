"""``tts voices verify``: are two voices or recordings one person?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from tts.base import strict_json

DIFFERENT = 9  # exit code


@click.command(epilog="Example:  tts voices verify me.safetensors call.wav")
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@click.option("--model", metavar="NAME|DIR", help="The model whose voices names are.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def command(one, other, model, as_json):
    """Say whether A and B, each a voice or a recording, are one person: exit code 0, or 9 when they are not.

    Nothing of a recording is kept.
    """
    from tts.api import Synthesizer
    from tts.likeness import compare

    synthesizer = Synthesizer(model=model)
    result = compare(*(_source(text, synthesizer) for text in (one, other)))
    if as_json:
        click.echo(strict_json.dumps(asdict(result), indent=None))
    else:
        rates = ", ".join(f"{name.replace('_', ' ')} {rate:.1%}" for name, rate in result.error_rates.items())
        verdict = "one person" if result.same else "two people"
        click.echo(f"{verdict}: cosine {result.cosine:.2f}, threshold {result.threshold:.2f}{f' ({rates})' if rates else ''}")
    click.get_current_context().exit(0 if result.same else DIFFERENT)


def _source(text: str, synthesizer):
    """A Voice of a name or a voice file; anything else is a recording's path."""
    from tts.cli.voices import named_voice
    from tts.voicefile import NAME

    if text.endswith(".safetensors") or (NAME.fullmatch(text) and not Path(text).is_file()):
        return named_voice(text, synthesizer)
    return text
