"""``tts text``: how a text will be read, without loading a model."""

from __future__ import annotations

import click

from tts.base import strict_json
from tts.cli import values
from tts.cli.source import given_text
from tts.cli.table import table

_EXAMPLES = """\
  tts text "Dr. Meyer zahlt 3,50 €." -l de
  tts text -i chapter.txt --show normalized"""
_ACCENTS = {"stress": ("", "ˈ", "ˌ"), "tone": ("", "˥", "˧˥", "˨˩˦", "˥˩", "˧", "", "")}


@click.command(epilog="Example:  tts text 'Dr. Meyer zahlt 3,50 €.' -l de --show spans")
@click.argument("text", nargs=-1, type=values.WORDS)
@click.option("-i", "--input", "inputs", multiple=True, metavar="FILE", help="Text file (UTF-8), - for stdin; may be repeated.")
@click.option("-l", "--language", default="auto", show_default=True, metavar="TAG", help="Language of the text.")
@click.option(
    "--show",
    type=click.Choice(["spans", "normalized", "phones", "json"]),
    default="spans",
    show_default=True,
    help="What to print.",
)
@click.option("--lexicon", metavar="FILE", help="TSV of word and IPA.")
@click.option("--phonemes", is_flag=True, help="The text is IPA.")
@click.option("--json", "as_json", is_flag=True, help="The same as --show json.")
def command(text, inputs, language, show, lexicon, phonemes, as_json):
    """Show how TEXT, or the text of a file or of stdin, will be read: words, phones and where in the text they come from."""
    raw = given_text(text, inputs, "tts text", _EXAMPLES)
    from frontend import Lexicon, analyze

    analysis = analyze(raw, language, lexicon=Lexicon.load(lexicon) if lexicon else None, phonemes=phonemes)
    if as_json or show == "json":
        click.echo(strict_json.dumps(analysis.to_dict()))
    elif show == "normalized":
        click.echo("\n".join(clause.normalized.strip() for clause in analysis.clauses))
    elif show == "phones":
        click.echo("\n".join(" ".join(spell(clause, word) for word in clause.words) for clause in analysis.clauses))
    else:
        click.echo(table(["span", "text", "spoken as", "phones", "note"], _rows(analysis)))
        click.echo(f"language: {analysis.language}", err=True)


def spell(clause, word) -> str:
    """The phones of a word as IPA, with stress marks or tone letters."""
    from frontend.inventory import id_to_symbol, is_nucleus
    from frontend.styles import split_style

    ipa = ""
    for i in range(word.first_phone, word.last_phone):
        language, accent, long = split_style(int(clause.styles[i]))
        mark = _ACCENTS[language.kind][accent]
        phone = id_to_symbol(int(clause.ids[i])) + ("ː" if long else "")
        if language.kind == "stress":
            ipa += mark + phone
        else:  # a tone is a matter of the syllable: shown once, behind its vowel
            ipa += phone + (mark if is_nucleus(int(clause.ids[i])) else "")
    return ipa


def _rows(analysis) -> list[list]:
    """One row a word, and one a note that no word explains, in the order of the text."""
    rows = []
    for clause in analysis.clauses:
        for word in clause.words:
            rows.append([(word.start, word.end), word.text, spell(clause, word), ""])
    for note in analysis.notes:
        if note.kind != "spoken":
            rows.append([(note.start, note.end), "", "", f"{note.kind}: {note.reason}{' ' + note.detail if note.detail else ''}"])
    rows.sort(key=lambda row: row[0])
    return [[f"{a}-{b}", _printable(analysis.text[a:b]), *rest] for (a, b), *rest in rows]


def _printable(text: str, most: int = 40) -> str:
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"
