"""``tts edit``: a recording with other words where its text is edited."""

from __future__ import annotations

import click

from tts.base import files, strict_json
from tts.cli import values
from tts.cli.values import MODEL


@click.command(
    epilog="Example:  tts edit in.wav --text 'We met on Monday.' --replace Monday Friday --consent 'myself; today' -o out.wav"
)
@click.argument("recording", metavar="RECORDING")
@click.option("-o", "--output", required=True, metavar="FILE", help="Edited recording, .wav or .flac.")
@click.option("--text", required=True, type=values.WORDS, metavar="TEXT", help="What is said in the recording.")
@click.option(
    "--replace",
    "replaced",
    nargs=2,
    multiple=True,
    type=values.WORDS,
    metavar="OLD NEW",
    help="Say NEW instead of OLD; may be repeated.",
)
@click.option(
    "--insert-after",
    "inserted",
    nargs=2,
    multiple=True,
    type=values.WORDS,
    metavar="WORDS NEW",
    help="Say NEW after WORDS; may be repeated.",
)
@click.option("--delete", "deleted", multiple=True, type=values.WORDS, metavar="WORDS", help="Leave WORDS out; may be repeated.")
@click.option("--to", type=values.WORDS, metavar="TEXT", help="The whole new text instead.")
@click.option("-l", "--language", default="auto", show_default=True, metavar="TAG", help="Language of the text.")
@click.option("--consent", metavar='"WHO; HOW; WHEN"', help="Consent of the person who speaks. Required.")
@click.option(
    "--candidates",
    type=click.IntRange(1, 256),
    default=16,
    show_default=True,
    metavar="N",
    help="Prosodies of the new words that are drawn; the one that fits both sides best is kept.",
)
@click.option("--lexicon", metavar="FILE", help="TSV of word and IPA.")
@click.option("--seed", type=values.SEED, default=0, show_default=True, metavar="N|random", help="Same seed, same samples.")
@MODEL
@click.option("--no-watermark", is_flag=True, help="Leave the inaudible watermark out; needs --reason.")
@click.option("--reason", default="", metavar="TEXT", help="Why there is no watermark; the file's record tells it.")
@click.option("--json", "as_json", is_flag=True, help="Edited stretches and joins as one JSON document.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--threads", type=click.IntRange(1, 64), metavar="N", help="CPU threads.")
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
def command(
    recording, output, text, replaced, inserted, deleted, to, language, consent, candidates, lexicon, seed, model,
    no_watermark, reason, as_json, force, threads, quiet,
):  # fmt: skip
    """Change words in a RECORDING of one person, in that person's voice.

    Outside the edited stretches every sample stays as it is, at the recording's own rate and sample format.
    """
    from tts.api import Synthesizer
    from tts.edit.native import Native

    files.check_writable(output, force)
    Native.read(recording).check_output(output, force)
    edited = Synthesizer(model=model, threads=threads).edit(
        recording, text, replace=replaced, insert_after=inserted, delete=deleted, to=to, language=language, consent=consent,
        candidates=candidates, lexicon=lexicon, seed=seed, watermark=not no_watermark, reason=reason,
    )  # fmt: skip
    edited.save(output, force)
    for warning in edited.warnings:
        click.echo(f"warning: {recording}: {warning}", err=True)
    if as_json:
        click.echo(strict_json.dumps({"output": output, **edited.to_dict()}, indent=None))
    if not quiet:
        for edit in edited.edits:
            said = " -> ".join(repr(words) if words else "nothing" for words in (edit.old_text, edit.new_text))
            click.echo(f"{edit.new[0]:.2f}-{edit.new[1]:.2f} s: {said}", err=True)
        click.echo(f"{output}: {edited.duration:.2f} s at {edited.sample_rate} Hz, {edited.language}, seed {seed}", err=True)
