"""``tts book``: a book to an audiobook."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import click

from tts.base import strict_json
from tts.base.errors import UsageError
from tts.cli import values
from tts.cli.values import MODEL


@click.command(epilog="Example:  tts book novel.epub -o novel.opus")
@click.argument("file", metavar="FILE")
@click.option("-o", "--output", metavar="FILE", help="Audiobook to write: .opus, .ogg, or .m4b (by ffmpeg).")
@click.option("-v", "--voice", metavar="NAME|FILE", help="Voice name, recording to clone (needs --consent), or saved voice.")
@click.option("-l", "--language", default="auto", show_default=True, metavar="TAG", help="auto: as the book says, else detected.")
@click.option("--chapters", metavar="1-3,7", help="Only these; for their numbers: --list.")
@click.option("--list", "only_list", is_flag=True, help="Print number, length and title of each chapter, and speak nothing.")
@click.option("--title", metavar="TEXT", help="Title in the tags; default: the book's.")
@click.option("--author", metavar="TEXT", help="Author in the tags; default: the book's.")
@click.option("--rate", "--speed", type=values.RATE, default=1.0, metavar="X|+N%", help="Speaking rate; 2 is twice as fast.")
@click.option("--pitch", type=values.PITCH, default=0.0, metavar="+Nst", help="Pitch shift in semitones.")
@click.option("--range", "range_", type=float, default=1.0, metavar="X", help="Pitch range; 0 is monotone, 2 is twice as lively.")
@click.option("--lexicon", metavar="FILE", help="TSV of word and IPA.")
@click.option("--seed", type=values.SEED, default=0, show_default=True, metavar="N|random", help="Same seed, same samples.")
@MODEL
@click.option("--bitrate", type=values.BITRATE, metavar="Nk", help="kbit/s of the audiobook.")
@click.option("--consent", metavar='"WHO; HOW; WHEN"', help="Consent of the person in the recording given with --voice.")
@click.option("--no-watermark", is_flag=True, help="Leave the inaudible watermark out; needs --reason.")
@click.option("--reason", default="", metavar="TEXT", help="Why there is no watermark; the files' records tell it.")
@click.option("--json", "as_json", is_flag=True, help="Chapters and files as one JSON document on stdout.")
@click.option("--force", is_flag=True, help="Replace an existing audiobook; finished chapters are kept all the same.")
@click.option("--threads", type=click.IntRange(1, 64), metavar="N", help="CPU threads.")
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
def command(file, output, voice, language, chapters, only_list, title, author, rate, pitch, range_, lexicon, seed, model, bitrate,
            consent, no_watermark, reason, as_json, force, threads, quiet):  # fmt: skip
    """Speak a book (.txt, .md, .epub) into one FILE with chapter marks.

    Each chapter is also written alone, with subtitles, into the folder FILE.chapters. Run again after an interruption: finished
    chapters are kept.
    """
    from tts.book.text import read_book

    book = read_book(file)
    book = replace(book, title=title or book.title or Path(file).stem, author=author or book.author)
    if only_list:
        _print_list(book, as_json)
        return
    numbers = _numbers(chapters, len(book.chapters))
    if output is None:
        raise UsageError("no output.", where="tts book", code="usage.output", fix="Name one with -o book.opus, or give --list.")

    from tts.book import join, make
    from tts.cli.synth import _check_reason, _voice

    folder = Path(output).with_suffix(".chapters")
    join.check_output(output, bitrate, force)
    make.check_folder(folder)
    _check_reason(no_watermark, reason)
    who = _voice(voice, consent)

    from frontend.languages import resolve
    from tts.api import Controls, Synthesizer

    synthesizer = Synthesizer(model=model, threads=threads)
    language = make.language_of(book) if language == "auto" else resolve(language).tag
    request = {
        "voice": who if who is not None and not isinstance(who, str) else synthesizer.voice(who, language),
        "language": language,
        "controls": Controls(rate=rate, pitch_st=pitch, pitch_range=range_),
        "lexicon": lexicon,
        "seed": seed,
        "watermark": not no_watermark,
        "reason": reason,
    }
    done, progress = [], _Progress(book, numbers, quiet)
    try:
        for spoken in make.speak(synthesizer, book, folder, numbers, progress, **request):
            progress.clear()
            done.append(spoken)
            if not quiet:
                _say(spoken)
        starts = join.join(output, folder, done, book, language, bitrate, force)
    finally:
        progress.clear()
    if as_json:
        rows = [{"number": row.number, "title": row.title, "start": round(start, 3), "seconds": row.seconds, "kept": row.kept,
                 "file": str(folder / row.file), "subtitles": str(folder / row.subtitles)}
                for row, start in zip(done, starts[:-1], strict=True)]  # fmt: skip
        facts = {"output": output, "title": book.title, "author": book.author, "language": language,
                 "voice": request["voice"].name, "seed": seed, "seconds": round(starts[-1], 3)}  # fmt: skip
        click.echo(strict_json.dumps({**facts, "chapters": rows}, indent=None))
    if not quiet:
        from tts.cli.work import clock

        what = f"{clock(starts[-1])}, {len(done)} chapters, {language}, voice {request['voice'].name}, seed {seed}"
        click.echo(f"{output}: {what}", err=True)


def _numbers(wanted: str | None, count: int) -> list[int]:
    """Of the chapters, in order."""
    if wanted is None:
        return list(range(1, count + 1))
    found: set[int] = set()
    for part in wanted.split(","):
        match = re.fullmatch(r"\s*(\d{1,3})(?:-(\d{1,3}))?\s*", part, re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= count:
            raise UsageError(f"{part!r:.40} are no chapters of this book.", where="--chapters", code="usage.chapters",
                             fix=f"Write 1-3,7; it has {count}: tts book FILE --list.")  # fmt: skip
        found |= set(range(first, last + 1))
    return sorted(found)


def _print_list(book, as_json: bool) -> None:
    rows = [{"number": i, "characters": len(chapter.text), "title": chapter.title} for i, chapter in enumerate(book.chapters, 1)]
    if as_json:
        facts = {"title": book.title, "author": book.author, "language": book.language}
        click.echo(strict_json.dumps({**facts, "chapters": rows}, indent=None))
        return
    from tts.cli import printable
    from tts.cli.table import table

    cells = [[row["number"], row["characters"], printable(row["title"])] for row in rows]
    click.echo(table(["number", "characters", "title"], cells))


def _say(spoken) -> None:
    """A line for a finished chapter, and what was dropped in it."""
    from tts.cli import printable
    from tts.cli.synth import _say_notes
    from tts.cli.work import clock

    kept = ", kept" if spoken.kept else ""
    click.echo(printable(f"{spoken.file}: {spoken.title!r}, {clock(spoken.seconds)}{kept}"), err=True)
    _say_notes(spoken.notes)


class _Progress:
    """On a terminal: how far the book is spoken, how fast, how long yet: since the first clause, for which models are loaded."""

    def __init__(self, book, numbers: list[int], quiet: bool):
        self.shown = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self.left = sum(len(book.chapters[number - 1].text) for number in numbers)  # characters
        self.count, self.at, self.first = len(numbers), 0, None
        self.spoken = self.seconds = 0  # characters before this chapter, of those that are spoken in this run; sound
        self._chapter = None

    def __call__(self, chapter, chunk) -> None:
        from tts.cli.work import clock

        if chapter is not self._chapter:
            self.spoken += len(self._chapter.text) if self._chapter else 0
            self._chapter, self.at = chapter, self.at + 1
        if chunk is None:
            self.left -= len(chapter.text)
            self._chapter = None
            return
        self.seconds += chunk.duration
        if not self.shown or not chunk.chunks:
            return
        now = time.perf_counter(), (self.spoken + chunk.chunks[-1].source[1]) / self.left, self.seconds
        self.first = self.first or now
        wall, share, seconds = (after - before for after, before in zip(now, self.first, strict=True))
        pace = f", {seconds / wall:.1f}x, {clock(wall * (1 - now[1]) / share)} left" if share > 0 and wall > 0 else ""
        told = f"{self.at}/{self.count} chapters, {now[1]:.0%}, {clock(self.seconds)} spoken{pace}"
        click.echo(f"\r\033[K{told}", nl=False, err=True)

    def clear(self) -> None:
        if self.shown:
            click.echo("\r\033[K", nl=False, err=True)
