"""``tts synth``: parse, call the synthesiser, write. What it decides itself is only where text comes from and output goes."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from pathlib import Path

import click

from tts.base import files, strict_json
from tts.base.errors import FileError, NotPermittedError, UsageError
from tts.cli import values
from tts.cli.plan import read_texts
from tts.cli.source import given_text
from tts.cli.speak import Form, SpeakTask, speak_list
from tts.cli.values import MODEL
from tts.cli.work import workers
from tts.voicefile import NAME

_AUDIO = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aif", ".aiff")
_TIMING_KEYS = ("text", "sample_rate", "duration", "words", "phones", "chunks")
_EXAMPLES = """\
  tts synth "Hello there." -o hello.wav
  tts synth -i chapter.txt -o chapter.mp3
  echo "Hello there." | tts synth -o - | aplay"""


@click.command(epilog="Example:  tts synth 'Guten Tag.' -v kerstin --rate +10% -o tag.flac")
@click.argument("text", nargs=-1, type=values.WORDS)
@click.option("-i", "--input", "inputs", multiple=True, metavar="FILE", help="Text file (UTF-8), - for stdin; may be repeated.")
@click.option("--list", "list_", metavar="FILE", help="Texts, 'id sentence' a line or JSON lines (.jsonl); -o names a folder.")
@workers
@click.option("-o", "--output", metavar="FILE|DIR|-",
              help="Audio file, folder of a list, - for stdout. Default: speech.wav, or stdout in a pipe.")  # fmt: skip
@click.option("-v", "--voice", metavar="NAME|FILE", help="Voice name, recording to clone (needs --consent), or saved voice.")
@click.option(
    "-l", "--language", default="auto", show_default=True, metavar="TAG", help="Language of the text, e.g. de or en-us."
)
@click.option("--rate", "--speed", type=values.RATE, default=1.0, metavar="X|+N%", help="Speaking rate; 2 is twice as fast.")
@click.option("--pitch", type=values.PITCH, default=0.0, metavar="+Nst", help="Pitch shift in semitones.")
@click.option("--range", "range_", type=float, default=1.0, metavar="X", help="Pitch range; 0 is monotone, 2 is twice as lively.")
@click.option("--energy", type=values.ENERGY, default=0.0, metavar="+NdB", help="Energy change in dB.")
@click.option("--seed", type=values.SEED, default=0, show_default=True, metavar="N|random", help="Same seed, same samples.")
@click.option("--accent", type=click.Choice(["native", "speaker"]), default="native", show_default=True,
              help="speaker: foreign text with the accent of the voice's own language.")  # fmt: skip
@MODEL
@click.option("--steps", type=click.IntRange(1, 128), metavar="N", help="Solver steps (flow, infill), passes (masked).")
@click.option("--guidance", type=click.FloatRange(0.0, 10.0), metavar="X", help="Guidance strength (flow, infill, masked).")
@click.option("--solver", type=click.Choice(["euler", "midpoint", "bespoke"]),
              help="Solver (flow, infill); bespoke where the model has one.")  # fmt: skip
@click.option("--phonemes", is_flag=True, help="The text is IPA.")
@click.option("--script", is_flag=True, help="The text is a dialogue: a head, Ada = kathleen, then turns, Ada: Hello.")
@click.option("--lexicon", metavar="FILE", help="TSV of word and IPA.")
@click.option("--format", "format_", metavar="NAME", help="wav, flac, ogg, opus, mp3 or pcm; default by the file's ending.")
@click.option("--rate-hz", type=click.IntRange(8_000, 192_000), metavar="HZ", help="Sample rate of the output.")
@click.option("--bitrate", type=values.BITRATE, metavar="Nk", help="kbit/s for ogg, opus and mp3.")
@click.option("--timings", metavar="FILE|-", help="Word and phone times as JSON.")
@click.option("--subtitles", metavar="FILE", help="Subtitles, .srt or .vtt.")
@click.option("--prosody", type=click.Choice(["regression", "causal", "causal+durations", "masked"]), default="regression",
              show_default=True, help="Predicted, or drawn by a prosody model; the latter for --model megatts.")  # fmt: skip
@click.option("--prosody-voice", metavar="VOICE", help="Another voice whose manner is mixed in, with --prosody causal.")
@click.option("--prosody-strength", type=click.FloatRange(0, 1), default=0.5, show_default=True, metavar="G",
              help="How much of that voice's manner.")  # fmt: skip
@click.option("--prosody-out", metavar="FILE", help="Durations, pitch, level and pauses as JSON, to be edited.")
@click.option("--prosody-in", metavar="FILE", help="Speak with the prosody of such a file.")
@click.option("--prosody-from", metavar="AUDIO", help="Speak with the prosody of a recording of the same text, by any voice.")
@click.option("--consent", metavar='"WHO; HOW; WHEN"', help="Consent of the person in the recording given with --voice.")
@click.option("--no-watermark", is_flag=True, help="Leave the inaudible watermark out; needs --reason.")
@click.option("--reason", default="", metavar="TEXT", help="Why there is no watermark; the file's record tells it.")
@click.option("--dated", is_flag=True, help="Date and time in the file's record; equal requests then give other files.")
@click.option("--json", "as_json", is_flag=True, help="The result as one JSON document on stdout.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.option("--threads", type=click.IntRange(1, 64), metavar="N", help="CPU threads.")
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
@click.option("--verbose", is_flag=True, help="Say what is done.")
def command(
    text,
    inputs,
    list_,
    nj,
    ray,
    output,
    voice,
    language,
    rate,
    pitch,
    range_,
    energy,
    seed,
    accent,
    model,
    steps,
    guidance,
    solver,
    phonemes,
    script,
    lexicon,
    format_,
    rate_hz,
    bitrate,
    timings,
    subtitles,
    prosody,
    prosody_voice,
    prosody_strength,
    prosody_out,
    prosody_in,
    prosody_from,
    consent,
    no_watermark,
    reason,
    dated,
    as_json,
    force,
    threads,
    quiet,
    verbose,
):
    """Speak TEXT, the text of a file or of stdin, or each of a list of texts.

    Text that begins with a dash goes after --.
    """
    from vocoder.audio import io
    from vocoder.audio.frames import SAMPLE_RATE

    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    if list_:
        alone = {"TEXT": text, "--input": inputs, "--timings": timings, "--subtitles": subtitles, "--prosody-out": prosody_out,
                 "--prosody-in": prosody_in, "--prosody-from": prosody_from}  # fmt: skip
        _check_list(alone, output)
        format_ = io.format_of("-", format_)
    elif nj > 1 or ray is not None:
        raise UsageError("one text is spoken in one process.", where="--nj", code="usage.nj", fix="Give many with --list.")
    else:
        output, format_ = _output(output, format_, as_json or timings == "-", io)
        outputs = {"--output": output, "--timings": timings, "--subtitles": subtitles, "--prosody-out": prosody_out}
        _check_outputs(outputs | {"--json": "-" if as_json else None}, force)
    subtitle_form = _subtitle_form(subtitles)
    _check_reason(no_watermark, reason)
    spoken = read_texts(list_) if list_ else given_text(text, inputs, "tts synth", _EXAMPLES)
    if script:
        _check_script(inputs, {"--voice": voice, "--phonemes": phonemes, "--prosody-in": prosody_in, "--list": list_,
                               "--prosody-from": prosody_from, "--prosody-out": prosody_out})  # fmt: skip
    who = _voice(voice, consent)

    from tts.api import Controls, Synthesizer
    from tts.speech import Account

    controls = Controls(rate=rate, pitch_st=pitch, energy_db=energy, pitch_range=range_)
    form = Form(format_, rate_hz or SAMPLE_RATE, bitrate, dated)
    request = {
        "voice": who,
        "language": language,
        "controls": controls,
        "phonemes": phonemes,
        "lexicon": lexicon,
        "seed": seed,
        "accent": accent,
        "prosody": prosody,
        "prosody_voice": None if prosody_voice is None else _voice(prosody_voice, consent),
        "prosody_strength": prosody_strength,
        "steps": steps,
        "guidance": guidance,
        "solver": solver,
        "watermark": not no_watermark,
        "reason": reason,
    }
    if list_:
        io.check_coding(format_, form.rate_hz, bitrate)
        voices = {name: _voice(name, None) for name in sorted({line.voice for line in spoken if line.voice})}
        task = SpeakTask(form, model, threads or 1, request, voices)
        speak_list(spoken, output, task, nj, ray, force, quiet, as_json)
        return
    synthesizer = Synthesizer(model=model, threads=threads)
    if prosody_out or prosody_in or prosody_from:
        _check_prosody(prosody_in, prosody_from, controls != Controls())
        plan = _with_prosody(synthesizer, synthesizer.plan(spoken, **request), prosody_in, prosody_from, prosody_out, force)
        chunks = [synthesizer.render(plan, watermark=not no_watermark, reason=reason)]
    elif script:
        from tts.dialogue import Script, speak

        where = inputs[0] if inputs and inputs[0] != "-" else "<text>"
        chunks = speak(synthesizer, Script.parse(spoken, where), **{key: request[key] for key in request if key != "voice"})
    else:
        chunks = synthesizer.stream(spoken, **request)
    account = Account(("words", "phones", "chunks") if timings or as_json else ("words", "chunks") if subtitles else ())
    with _progress(len(spoken), quiet) as told:
        form.write(output, map(told, chunks), account, len(spoken), rate, force)
    speech = account.speech()
    result = speech.to_dict()
    if subtitles:
        files.atomic_write(subtitles, speech.to_srt() if subtitle_form == "srt" else speech.to_vtt(), force)
    if timings:
        document = strict_json.dumps({key: result[key] for key in _TIMING_KEYS}) + "\n"
        click.echo(document, nl=False) if timings == "-" else files.atomic_write(timings, document, force)
    if as_json:
        consent = {"consent": who.consent} if who is not None and not isinstance(who, str) else {}
        click.echo(strict_json.dumps({"output": output, **result, **consent}, indent=None))
    if not quiet:
        _report(speech, output)


def _check_reason(no_watermark: bool, reason: str) -> None:
    """A reason goes with a missing watermark, and only with that."""
    from tts.provenance import unmarked

    if no_watermark:
        unmarked(reason)
    elif reason:
        raise UsageError("--reason belongs to --no-watermark.", where="--reason", code="usage.reason")


def _check_script(inputs: tuple[str, ...], others: dict) -> None:
    """A script is one text, and itself says who speaks."""
    given = [flag for flag, value in others.items() if value]
    if len(inputs) > 1 or given:
        what = f"{given[0]} does not go with a script." if given else "several files are no script."
        raise UsageError(what, where="--script", code="usage.script",
                         fix="Voices stand in its head: Ada = kathleen." if given else "Give one with -i.")  # fmt: skip


def _check_list(alone: dict, output: str | None) -> None:
    """What does not go with a list of texts."""
    given = [flag for flag, value in alone.items() if value]
    if given:
        raise UsageError(f"{given[0]} does not go with --list.", where="--list", code="usage.list", fix="Leave one of them out.")
    if output is None or output == "-":
        raise UsageError("many texts need a folder.", where="--output", code="usage.output", fix="Give one with -o DIR.")


def _check_prosody(given: str | None, recording: str | None, moved: bool) -> None:
    """One source of prosody, and no flag that it would silence."""
    source = "--prosody-in" if given else "--prosody-from"
    if given and recording:
        fault, fix = "both --prosody-in and --prosody-from are given.", "Give one of them."
    elif (given or recording) and moved:
        fault, fix = f"--rate, --pitch, --range and --energy do not go with {source}.", "Leave them out; edit the file instead."
    else:
        return
    raise UsageError(fault, where=source, code="usage.prosody", fix=fix)


def _with_prosody(synthesizer, plan, given: str | None, recording: str | None, kept: str | None, force: bool):
    """The plan with the prosody of a file or a recording; written to ``kept``."""
    from tts import prosody

    if given:
        plan = prosody.load(plan, given)
    elif recording:
        plan, warnings = synthesizer.copy_prosody(plan, recording)
        for warning in warnings:
            click.echo(f"warning: {recording}: {warning}", err=True)
    if kept:
        files.atomic_write(kept, prosody.dumps(plan), force)
    return plan


@contextmanager
def _progress(n_chars: int, quiet: bool):
    """``told(chunk)`` says on a terminal how far the text is spoken; the line goes when the block ends."""
    shown, seconds = not quiet and sys.stderr is not None and sys.stderr.isatty(), 0.0

    def told(chunk):
        nonlocal seconds
        seconds += chunk.duration
        if shown and chunk.chunks:
            click.echo(f"\r{chunk.chunks[-1].source[1] / n_chars:4.0%}, {seconds:.0f} s", nl=False, err=True)
        return chunk

    try:
        yield told
    finally:
        if shown:
            click.echo("\r\033[K", nl=False, err=True)


def _output(output: str | None, format_: str | None, stdout_taken: bool, io) -> tuple[str, str]:
    """Where audio goes and in which format; refuses samples on a terminal."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    if output is None:
        name = format_ or "wav"
        output = f"speech.{name}" if stdout_taken or terminal else "-"
    elif output == "-" and terminal:
        raise UsageError(
            "audio does not go to a terminal.",
            where="--output",
            code="usage.terminal",
            fix="Give a file with -o, or pipe it into a player: tts synth ... -o - | aplay",
        )
    if sys.stdout is None and (output == "-" or stdout_taken):
        raise FileError("standard output is closed.", where="tts synth", code="file.closed", fix="Write into a file.")
    return output, io.format_of(output, format_)


def _check_outputs(outputs: dict[str, str | None], force: bool) -> None:
    """Every output is checked before any work; two of them on one target are refused."""
    seen = {}
    for flag, target in outputs.items():
        if target is None:
            continue
        place = "-" if target == "-" else str(Path(target).absolute())
        if place in seen:
            raise UsageError(
                f"{seen[place]} and {flag} both write to {'stdout' if place == '-' else target}.",
                where=flag,
                code="usage.same_output",
                fix="Give each its own file.",
            )
        seen[place] = flag
        if target != "-":
            files.check_writable(target, force)


def _subtitle_form(subtitles: str | None) -> str | None:
    if subtitles is None:
        return None
    form = Path(subtitles).suffix.lower().lstrip(".")
    if form not in ("srt", "vtt"):
        raise UsageError(
            f"{subtitles!r} is neither .srt nor .vtt.",
            where="--subtitles",
            code="usage.subtitles",
            fix="Name the file x.srt or x.vtt.",
        )
    return form


def _voice(voice: str | None, consent: str | None):
    """A name as it is; a path as a Voice: a recording with consent, or a saved one."""
    suffix = Path(voice).suffix.lower() if voice else ""
    is_name = voice and NAME.fullmatch(voice)  # a name stays one, whatever lies in the current folder
    is_file = voice and not is_name and (suffix in (*_AUDIO, ".safetensors") or "/" in voice or Path(voice).is_file())
    if not is_file:
        if consent is not None:
            raise UsageError("--consent belongs to a recording given with --voice.", where="--consent", code="usage.consent")
        return voice
    if suffix != ".safetensors" and consent is None:
        raise NotPermittedError(
            "cloning a voice needs the consent of the person who speaks.",
            where=voice,
            code="consent.missing",
            fix='Pass --consent "who; how they agreed; when", or use a saved voice (tts clone makes one), '
            "which carries its consent, or a house voice (tts voices).",
        )
    from tts.voice import Voice

    return Voice.load(voice) if suffix == ".safetensors" else Voice.from_audio([voice], consent=consent)


def _report(speech, output: str) -> None:
    _say_notes(speech.notes)
    long_enough = speech.duration >= 3  # below, it would be the pace of warming up
    pace = f", RTF {speech.metrics['rtf']:.2f}" if long_enough and "rtf" in speech.metrics else ""
    name = "stdout" if output == "-" else output
    click.echo(f"{name}: {speech.duration:.2f} s, {speech.language}, voice {speech.voice}, seed {speech.seed}{pace}", err=True)


def _say_notes(notes, most: int = 5) -> None:
    """What was dropped or changed; spoken characters and pauses are no news."""
    told = [note for note in notes if note.kind in ("dropped", "mapped", "language")]
    for note in told[:most]:
        detail = f": {note.detail}" if note.detail else ""
        click.echo(f"note: {note.kind} ({note.reason}) at {note.start}-{note.end}{detail}", err=True)
    if len(told) > most:
        click.echo(f"note: {len(told) - most} more; --json lists all", err=True)
