"""``tts clone``: recordings of a person to a voice file."""

from __future__ import annotations

from pathlib import Path

import click

from tts.base import files, strict_json


@click.command(epilog="Example:  tts clone me.wav -o me.safetensors --consent 'myself; recorded for this; 3 May 2026'")
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDING...")
@click.option("-o", "--output", required=True, metavar="FILE", help="Voice file to write, .safetensors.")
@click.option("--consent", metavar='"WHO; HOW; WHEN"', help="Consent of the person who speaks; stored in the voice. Required.")
@click.option("--name", help="Name of the voice: a-z, 0-9, - and _. Default: after the output file.")
@click.option("-l", "--language", default="", metavar="TAG", help="Language that is spoken in the recordings.")
@click.option("--json", "as_json", is_flag=True, help="What was stored, as one JSON document.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def command(recordings, output, consent, name, language, as_json, force):
    """Make a voice of RECORDINGs of one person: 3 to 15 seconds in all serve best.

    The file holds the reference, the consent and a hash of the recordings, never the recordings themselves.
    """
    from frontend.languages import resolve
    from tts.voice import Voice
    from vocoder.audio.frames import frames_to_seconds

    files.check_writable(output, force)
    tag = resolve(language).tag if language else ""
    voice = Voice.from_audio(list(recordings), consent=consent, name=name or Path(output).stem.lower(), language=tag)
    voice.save(output, force)
    seconds = frames_to_seconds(len(voice.reference))
    if as_json:
        facts = {"output": output, "name": voice.name, "language": voice.language, "seconds": round(seconds, 2),
                 "consent": voice.consent, "source_sha256": voice.source_sha256}  # fmt: skip
        click.echo(strict_json.dumps(facts, indent=None))
    else:
        click.echo(f"{output}: voice {voice.name}, {seconds:.1f} s of reference", err=True)
