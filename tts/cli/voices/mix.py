"""``tts voices mix``: a new voice of several."""

from __future__ import annotations

import re
from pathlib import Path

import click

from tts.base import files
from tts.base.errors import UsageError


@click.command(epilog="Example:  tts voices mix kerstin=0.7 me.safetensors=0.3 -o mix.safetensors")
@click.argument("parts", nargs=-1, required=True, metavar="VOICE=WEIGHT...")
@click.option("-o", "--output", required=True, metavar="FILE", help="Voice file to write, .safetensors.")
@click.option("--name", help="Name of the mix: a-z, 0-9, - and _. Default: after the output file.")
@click.option("--model", metavar="NAME|DIR", help="The model that will speak with it.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def command(parts, output, name, model, force):
    """Blend voices, by name or file, into a new one for one model. The consent of each goes along."""
    from tts.api import Synthesizer
    from tts.cli.voices import named_voice
    from tts.voice import Voice

    files.check_writable(output, force)
    synthesizer = Synthesizer(model=model)
    given = [_part(part) for part in parts]
    voices = {named_voice(text, synthesizer): weight for text, weight in given}
    mix = Voice.blend(voices, name or Path(output).stem.lower(), synthesizer)
    mix.save(output, force)
    shares = ", ".join(f"{part['weight']:.0%} {part['name']}" for part in mix.consent["parts"])
    click.echo(f"{output}: voice {mix.name}, {shares}, for model {mix.model_id}", err=True)


def _part(text: str) -> tuple[str, float]:
    voice, _, weight = text.rpartition("=")
    if not voice or not re.fullmatch(r"\d{1,9}(\.\d{0,9})?|\.\d{1,9}", weight, re.ASCII):
        raise UsageError(
            f"{text!r:.80} is not VOICE=WEIGHT.", where="tts voices mix", code="usage.weight", fix="Like this: kerstin=0.7"
        )
    return voice, float(weight)
