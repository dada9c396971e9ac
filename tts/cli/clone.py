"""``tts clone``: recordings of a person to a voice file."""

from __future__ import annotations

from pathlib import Path

import click

from tts.base import files, strict_json
from tts.base.errors import UsageError


@click.command(epilog="Example:  tts clone me.wav -o me.safetensors --consent 'myself; recorded for this; 3 May 2026'")
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDING...")
@click.option("-o", "--output", required=True, metavar="FILE", help="Voice file to write, .safetensors.")
@click.option(
    "--consent", metavar='"WHO; HOW; WHEN"|FILE.json', help="Consent of the person who speaks; stored in the voice. Required."
)
@click.option("--name", help="Name of the voice: a-z, 0-9, - and _. Default: after the output file.")
@click.option("-l", "--language", default="", metavar="TAG", help="Language that is spoken in the recordings.")
@click.option("--licence", default="", metavar="TEXT", help="Licence of the recordings; stored in the voice.")
@click.option("--fit", is_flag=True, help="Fit the voice to the recordings: nearer to the person, for one model.")
@click.option("--text", "texts", multiple=True, help="What is said in a recording, for --fit; once for each recording, in order.")
@click.option("--model", metavar="NAME|DIR", help="The model that --fit fits for; the default model if left out.")
@click.option("--report", is_flag=True, help="Print what was measured in the recordings.")
@click.option("--json", "as_json", is_flag=True, help="What was stored, as one JSON document.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def command(recordings, output, consent, name, language, licence, fit, texts, model, report, as_json, force):
    """Make a voice of RECORDINGs of one person: 6 to 30 seconds in all serve best.

    Of all speech the best 30 s are kept; what is wrong with it is told. The file holds this reference, the consent and a
    hash of the recordings, never the recordings themselves.
    """
    from frontend.languages import resolve
    from tts.cli.table import table
    from tts.cli.voices.show import report_rows
    from tts.voice import Voice
    from vocoder.audio.frames import frames_to_seconds

    if (texts or model) and not fit:
        raise UsageError("--text and --model belong to --fit.", where="--text" if texts else "--model", code="usage.fit")
    files.check_writable(output, force)
    tag = resolve(language).tag if language else ""
    name = name or Path(output).stem.lower()
    voice = Voice.from_audio(list(recordings), consent=consent, name=name, language=tag, licence=licence)
    if fit:
        from tts.api import Synthesizer

        voice = Synthesizer(model=model).fit(voice, list(recordings), list(texts) or None)
    voice.save(output, force)
    for _, sentence in voice.report.warnings:
        click.echo(f"warning: {sentence}", err=True)
    seconds = frames_to_seconds(len(voice.reference))
    if as_json:
        facts = {"output": output, "name": voice.name, "language": voice.language, "seconds": round(seconds, 2),
                 "consent": voice.consent, "source_sha256": voice.source_sha256, "pitch": voice.pitch,
                 "report": voice.report.to_dict()}  # fmt: skip
        click.echo(strict_json.dumps(facts, indent=None))
        return
    if report:
        click.echo(table(["of the recordings", ""], report_rows(voice.report)))
    pieces = len(voice.borders) + 1
    click.echo(f"{output}: voice {voice.name}, {seconds:.1f} s of reference kept of {voice.report.seconds:.1f} s, "
               f"in {pieces} piece{'' if pieces == 1 else 's'}", err=True)  # fmt: skip
