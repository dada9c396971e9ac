"""``tts enhance``: the band that a recording lacks."""

from __future__ import annotations

import time
from dataclasses import replace

import click

from tts.base import strict_json
from tts.cli import values
from tts.cli.output import recording_format


@click.command(epilog="Example:  tts enhance call.wav -o call24.flac")
@click.argument("recording", metavar="RECORDING|-")
@click.option("-o", "--output", required=True, metavar="FILE|-", help="Audio file to write, at 24 kHz; - for stdout.")
@click.option("--cutoff", type=float, metavar="HZ", help="Where its band ends; measured if left out.")
@click.option("--steps", type=click.IntRange(1, 128), metavar="N", help="Passes over the band above.")
@click.option("--temperature", type=float, metavar="X", help="Of the draws; 0 takes the likeliest.")
@click.option("--model", metavar="DIR", help="Patches model; the house model if left out.")
@click.option("--seed", type=values.SEED, default=0, show_default=True, metavar="N|random", help="Same seed, same samples.")
@click.option("--format", "format_", metavar="NAME", help="wav, flac, ogg, opus, mp3 or pcm; default by the file's ending.")
@click.option("--bitrate", type=values.BITRATE, metavar="Nk", help="kbit/s for ogg, opus and mp3.")
@click.option("--json", "as_json", is_flag=True, help="What was done, as one JSON document on stdout.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--threads", type=click.IntRange(1, 64), metavar="N", help="CPU threads.")
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
def command(recording, output, cutoff, steps, temperature, model, seed, format_, bitrate, as_json, force, threads, quiet):
    """Add the band above to a RECORDING of speech that ends early, for example at 4 kHz. What it holds stays as it is.

    Hours go through in little memory.
    """
    from vocoder.audio import io
    from vocoder.audio.frames import SAMPLE_RATE

    format_ = recording_format(recording, output, as_json, force, format_, bitrate)

    from tts.enhance import DEFAULT, WHOLE_BAND, Enhancer

    changes = {name: value for name, value in (("steps", steps), ("temperature", temperature)) if value is not None}
    sampling = replace(DEFAULT, **changes)
    began, enhancer = time.perf_counter(), Enhancer.load(model, threads)
    source = click.get_binary_stream("stdin") if recording == "-" else recording
    heard: dict = {}
    with io.open_audio(source) as (_, blocks):
        made = enhancer.stream(blocks, cutoff, seed, sampling, heard.update)
        io.write_audio(output, made, SAMPLE_RATE, format_, bitrate, force)
    facts = {"output": output, **heard, "seed": seed, "wall_s": round(time.perf_counter() - began, 2)}
    if as_json:
        click.echo(strict_json.dumps(facts, indent=None))
    elif not quiet:
        name = "stdout" if output == "-" else output
        done = "lacks nothing" if heard["cutoff_hz"] >= WHOLE_BAND else "extended"
        click.echo(f"{name}: {heard['seconds']:.2f} s, {done} above {heard['cutoff_hz']:.0f} Hz, seed {seed}", err=True)
