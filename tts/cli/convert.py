"""``tts convert``: a recording in another voice."""

from __future__ import annotations

import time

import click

from tts.base import strict_json
from tts.cli import values
from tts.cli.output import recording_format


class Move(values.Quantity):
    """Semitones, or one of the words."""

    def convert(self, value, parameter, context):
        return value if value in ("auto", "keep") else super().convert(value, parameter, context)


@click.command(epilog="Example:  tts convert take.wav --voice kerstin -o kerstin.flac")
@click.argument("recording", metavar="RECORDING|-")
@click.option("-v", "--voice", required=True, metavar="NAME|FILE", help="Voice name, saved voice, or recording (with --consent).")
@click.option("-o", "--output", required=True, metavar="FILE|-", help="Audio file to write; - for stdout.")
@click.option("--text", type=values.WORDS, help="What is said, where it is known: its phones are then exact.")
@click.option("-l", "--language", default="auto", show_default=True, metavar="TAG", help="Language of --text.")
@click.option("--pitch", type=Move("pitch", "st", "auto, keep or +3st"), default="auto", show_default=True,
              metavar="auto|keep|±Nst", help="auto: to the voice's own; keep: as recorded; or semitones.")  # fmt: skip
@click.option("--consent", metavar='"WHO; HOW; WHEN"', help="Consent of the person in the recording given with --voice.")
@click.option("--model", metavar="NAME|DIR", help="Acoustic model; the house model if left out.")
@click.option("--content", metavar="DIR", help="Content adapter of the acoustic model, if it lies elsewhere.")
@click.option("--seed", type=values.SEED, default=0, show_default=True, metavar="N|random", help="Same seed, same samples.")
@click.option("--format", "format_", metavar="NAME", help="wav, flac, ogg, opus, mp3 or pcm; default by the file's ending.")
@click.option("--bitrate", type=values.BITRATE, metavar="Nk", help="kbit/s for ogg, opus and mp3.")
@click.option("--no-watermark", is_flag=True, help="Leave the inaudible watermark out; needs --reason.")
@click.option("--reason", default="", metavar="TEXT", help="Why there is no watermark; the file's record tells it.")
@click.option("--json", "as_json", is_flag=True, help="What was done, as one JSON document on stdout.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--threads", type=click.IntRange(1, 64), metavar="N", help="CPU threads.")
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
def command(recording, voice, output, text, language, pitch, consent, model, content, seed, format_, bitrate, no_watermark,
            reason, as_json, force, threads, quiet):  # fmt: skip
    """Speak a RECORDING again in another voice: words, timing, intonation and loudness stay, the timbre changes.

    Hours go through in little memory. With --text a recording of a few minutes is converted by its exact phones.
    """
    from tts.cli.synth import _check_reason, _voice
    from vocoder.audio import io
    from vocoder.audio.frames import SAMPLE_RATE

    format_ = recording_format(recording, output, as_json, force, format_, bitrate)
    _check_reason(no_watermark, reason)
    who = _voice(voice, consent)

    from tts.api import Synthesizer
    from tts.provenance import note
    from tts.speech import Account

    began, account, synthesizer = time.perf_counter(), Account(()), Synthesizer(model=model, threads=threads)
    who = who if not isinstance(who, str) else synthesizer.voice(who)
    source = click.get_binary_stream("stdin") if recording == "-" else recording
    request = {"pitch": pitch, "seed": seed, "content": content, "watermark": not no_watermark, "reason": reason}

    def write(chunks) -> None:
        samples = (account.add(chunk) for chunk in chunks)
        io.write_audio(output, samples, SAMPLE_RATE, format_, bitrate, force, note=note(account.provenance))

    if text is not None:
        write([synthesizer.convert(source, who, text=text, language=language, **request)])
    else:
        with io.open_audio(source) as (_, blocks):
            write(synthesizer.convert_stream(blocks, who, **request))
    seconds, wall = account.speech().duration, time.perf_counter() - began
    if as_json:
        facts = {"output": output, "voice": who.name, "seconds": round(seconds, 3), "seed": seed, "pitch": pitch,
                 "text": text, "consent": who.consent, "provenance": account.provenance(), "wall_s": round(wall, 2)}  # fmt: skip
        click.echo(strict_json.dumps(facts, indent=None))
    elif not quiet:
        name = "stdout" if output == "-" else output
        click.echo(f"{name}: {seconds:.2f} s, voice {who.name}, seed {seed}, {wall:.1f} s of computing", err=True)
