"""``tts units``: a recording as discrete units, and what a unit file holds."""

from __future__ import annotations

import click

from tts.base import files
from tts.base.errors import UsageError
from tts.base.limits import LIMITS


@click.command(epilog="Example:  tts units talk.wav -o talk.units && tts units talk.units --text")
@click.argument("source", metavar="AUDIO|FILE.units")
@click.option("-o", "--output", metavar="FILE.units", help="Unit file to write.")
@click.option("--text", is_flag=True, help="The codes on stdout: a line a unit, a number a codebook.")
@click.option("--extractor", metavar="NAME", help="house if left out; of a unit file: what its codes must be of.")
@click.option("--download", is_flag=True, help="A hub may be asked for the extractor's model.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def command(source, output, text, extractor, download, force):
    """Turn AUDIO into units, or tell what a unit file holds.

    NAME is house, xlsr:PLACE or kmeans:FILE.
    """
    given = source.endswith(".units")
    if given and output:
        raise UsageError("a unit file is read, not written again.", where="--output", code="usage.output", fix="Leave -o out.")
    if not (given or output or text):
        raise UsageError("nothing is asked for.", where="--output", code="usage.output", fix="Add -o talk.units, or --text.")
    if output:
        files.check_writable(output, force)

    import tts.units  # noqa: F401 - k-means may be of the aligner's features
    from codec.units.extractor import unit_extractor
    from codec.units.unitfile import UnitFacts, read_units, write_units

    if given:
        codes, facts = read_units(source, extractor and UnitFacts.of(unit_extractor(extractor, download)))
    else:
        codes, facts = _heard(source, unit_extractor(extractor or "house", download))
    if output:
        write_units(output, codes, facts, force)
    if text:
        click.echo("\n".join(" ".join(map(str, unit)) for unit in codes.tolist()))
    elif given:
        click.echo(f"{source}: {len(codes):,} units, {len(codes) / facts.unit_rate:.2f} s at {facts.unit_rate:g} a second; "
                   f"{facts.n_groups} x {facts.n_entries} codes of {facts.extractor} ({facts.units_id})")  # fmt: skip


def _heard(source: str, extractor):
    import numpy as np
    import torch

    from codec.units.unitfile import UnitFacts
    from vocoder.audio.frames import HOP_LENGTH
    from vocoder.audio.io import read_audio

    facts = UnitFacts.of(extractor)
    wav = read_audio(source, max_seconds=LIMITS.units_seconds)
    wav = np.pad(wav, (0, -len(wav) % HOP_LENGTH))
    return extractor.units(torch.from_numpy(wav)[None])[0].numpy(), facts
