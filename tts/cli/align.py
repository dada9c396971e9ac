"""``tts align``: when each word and phone of a text is said in its recording."""

from __future__ import annotations

from pathlib import Path

import click

from tts.base import files, strict_json
from tts.base.errors import UsageError
from tts.base.limits import LIMITS
from tts.cli import values
from tts.cli.source import given_text

_EXAMPLES = """\
  tts align talk.wav "What is said."
  tts align talk.wav -i talk.txt -o talk.TextGrid"""
_FORMS = ("json", "textgrid", "ctm", "srt", "vtt")


@click.command(epilog="Example:  tts align talk.wav 'What is said.' -o talk.TextGrid")
@click.argument("audio", metavar="AUDIO")
@click.argument("text", nargs=-1, type=values.WORDS)
@click.option("-i", "--input", "inputs", multiple=True, metavar="FILE", help="The text as a file (UTF-8), - for stdin.")
@click.option("-o", "--output", metavar="FILE|-", help="x.json, .TextGrid, .ctm, .srt or .vtt; JSON on stdout if left out.")
@click.option("--level", default="word,phone", show_default=True, metavar="NAMES", help="word, phone, or both with a comma.")
@click.option("-l", "--language", default="auto", show_default=True, metavar="TAG", help="Language of the text.")
@click.option("--lexicon", metavar="FILE", help="TSV of word and IPA.")
@click.option("--phonemes", is_flag=True, help="The text is IPA.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def command(audio, text, inputs, output, level, language, lexicon, phonemes, force):
    """Times of TEXT in AUDIO: a recording of up to 2 minutes, and what is said in it.

    TextGrid holds one tier a level; ctm phones only with --level phone; subtitles clauses, or words with --level word.
    """
    levels = _levels(level)
    form = _form(output)
    if output not in (None, "-"):
        files.check_writable(output, force)
    said = given_text(text, inputs, "tts align", _EXAMPLES)

    from tts.alignment import align_text
    from vocoder.audio.io import read_audio

    wav = read_audio(audio, max_seconds=LIMITS.align_seconds)
    aligned = align_text(wav, said, language, lexicon, phonemes)
    for warning in aligned.warnings:
        click.echo(f"warning: {audio}: {warning}", err=True)
    document = _document(aligned.speech(len(wav)), form, levels, Path(audio).stem, aligned.phone_error)
    if output in (None, "-"):
        click.echo(document, nl=False)
    else:
        files.atomic_write(output, document, force)


def _levels(level: str) -> list[str]:
    levels = [name.strip() for name in level.split(",")]
    if not levels or len(set(levels)) < len(levels) or set(levels) - {"word", "phone"}:
        fix = "Give word, phone, or word,phone."
        raise UsageError(f"{level!r} is no list of levels.", where="--level", code="usage.level", fix=fix)
    return levels


def _form(output: str | None) -> str:
    form = "json" if output in (None, "-") else Path(output).suffix.lower().lstrip(".")
    if form not in _FORMS:
        raise UsageError(
            f"{output!r} has no ending that is known.", where="--output", code="usage.output",
            fix="Name it x.json, x.TextGrid, x.ctm, x.srt or x.vtt.",
        )  # fmt: skip
    return form


def _document(speech, form: str, levels: list[str], name: str, phone_error: float) -> str:
    from tts.alignment import ctm, textgrid

    if form == "json":
        told = speech.to_dict()
        facts = {key: told[key] for key in ("text", "language", "duration", *(f"{level}s" for level in levels), "chunks")}
        return strict_json.dumps(facts | {"phone_error": round(phone_error, 3)}) + "\n"
    if form == "textgrid":
        return textgrid(speech, levels)
    if form == "ctm":
        return ctm(speech, "phone" if levels == ["phone"] else "word", "_".join(name.split()))
    by = "word" if levels == ["word"] else "chunk"
    return speech.to_srt(by) if form == "srt" else speech.to_vtt(by)
