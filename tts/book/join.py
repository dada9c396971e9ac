"""The chapters as one file with chapter marks: Ogg Opus, or M4B by ffmpeg; in the memory of a block."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tts import provenance
from tts.base import files
from tts.base.errors import FileError, UnavailableError, UsageError
from tts.book.make import Spoken
from tts.book.text import Book
from vocoder.audio.frames import SAMPLE_RATE
from vocoder.audio.io import check_coding, read_blocks, read_info, write_audio
from vocoder.audio.ogg import chapter_comments
from vocoder.audio.wavfile import to_pcm16

PAUSE = 1.5  # seconds between chapters
M4B_KBPS = 64  # of AAC, where no bit rate is given
ENDINGS = (".opus", ".ogg", ".m4b")


def check_output(output: str, bitrate: float | None, force: bool) -> None:
    """Refuse what cannot be written, before hours of work.

    Raises:
        UsageError: Another ending, or a bit rate that the format does not have.
        UnavailableError: An .m4b, and there is no ffmpeg.
        CannotCreateError: The file is there and ``force`` is not given, or it cannot be made.
    """
    ending = Path(output).suffix.lower()
    if ending not in ENDINGS:
        raise UsageError(f"ending {ending!r} has no chapters here.", where="--output", code="book.format",
                         fix="Name the file x.opus, which needs nothing else, or x.m4b, which needs ffmpeg.")  # fmt: skip
    if ending == ".m4b" and shutil.which("ffmpeg") is None:
        raise UnavailableError(".m4b is made by ffmpeg, which is not installed.", where=output, code="book.ffmpeg",
                               fix="Install ffmpeg, or name the file x.opus: chapters and tags are the same.")  # fmt: skip
    if ending != ".m4b":
        check_coding(ending[1:], SAMPLE_RATE, bitrate)
    elif bitrate is not None and not 16 <= bitrate <= 320:
        raise UsageError(f"bit rate {bitrate:g} kbit/s is not possible for m4b.", where="--bitrate", code="audio.bitrate",
                         fix="It takes 16 to 320.")  # fmt: skip
    files.check_writable(output, force)


def join(
    output: str, folder: Path, chapters: Sequence[Spoken], book: Book, language: str, bitrate: float | None = None,
    force: bool = False,
) -> list[float]:  # fmt: skip
    """Write the book; where each chapter begins comes back, in seconds, and last where the book ends.

    Raises:
        TtsError: as :func:`check_output`; DataError for a chapter's file that was changed; FileError when the disk is full.
    """
    lengths = [read_info(folder / chapter.file).frames for chapter in chapters]
    pause = round(PAUSE * SAMPLE_RATE)
    starts = [(sum(lengths[:i]) + i * pause) / SAMPLE_RATE for i in range(len(lengths))]
    starts.append(starts[-1] + lengths[-1] / SAMPLE_RATE)
    said = "\n\n".join(book.chapters[chapter.number - 1].text for chapter in chapters)
    made = provenance.read(folder / chapters[0].file)
    note = provenance.note(provenance.joined(made, said) if made else {})
    marks = [(start, chapter.title) for start, chapter in zip(starts[:-1], chapters, strict=True)]
    tags = {"TITLE": book.title, "ALBUM": book.title, "ARTIST": book.author, "GENRE": "Audiobook", "LANGUAGE": language}
    tags = {tag: value for tag, value in tags.items() if value}
    samples = _samples([folder / chapter.file for chapter in chapters], pause)
    if Path(output).suffix.lower() == ".m4b":
        _write_m4b(output, samples, {**tags, "COMMENT": note({"sample_rate": SAMPLE_RATE})}, marks, starts[-1], bitrate, force)
    else:
        write_audio(output, samples, SAMPLE_RATE, None, bitrate, force, note=note, tags=tags | dict(chapter_comments(marks)))
    return starts


def _samples(paths: Sequence[Path], pause: int) -> Iterator[np.ndarray]:
    for i, path in enumerate(paths):
        if i:
            yield np.zeros(pause, np.float32)
        yield from read_blocks(path, SAMPLE_RATE, max_seconds=1e9)


def ffmetadata(tags: dict[str, str], marks: Sequence[tuple[float, str]], end: float) -> str:
    """Tags and chapters in ffmpeg's metadata format; milliseconds."""

    def line(name: str, value: str) -> str:
        escaped = re.sub(r"[=;#\\]", r"\\\g<0>", " ".join(value.split()))
        return f"{name.lower()}={escaped}\n"

    ends = [start for start, _ in marks[1:]] + [end]
    chapters = [
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={round(1000 * start)}\nEND={round(1000 * stop)}\n{line('title', title)}"
        for (start, title), stop in zip(marks, ends, strict=True)
    ]
    return ";FFMETADATA1\n" + "".join(line(name, value) for name, value in tags.items()) + "".join(chapters)


def _write_m4b(output: str, samples: Iterator[np.ndarray], tags: dict[str, str], marks, end: float, bitrate, force: bool) -> None:
    """By ffmpeg: samples through its stdin into a temporary file, because MP4 must seek."""
    with files.atomic_file(output, force) as target, tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as told:
        facts, made = Path(folder, "tags.txt"), Path(folder, "book.m4b")
        files.atomic_write(facts, ffmetadata(tags, marks, end))
        command = ["ffmpeg", "-v", "error", "-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", "pipe:0", "-i", str(facts),
                   "-map", "0:a", "-map_metadata", "1", "-map_chapters", "1", "-c:a", "aac", "-b:a", f"{bitrate or M4B_KBPS:g}k",
                   "-movflags", "+faststart", "-f", "ipod", str(made)]  # fmt: skip
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=told)
        try:
            with process.stdin:
                for chunk in samples:
                    process.stdin.write(to_pcm16(chunk).tobytes())
        except BrokenPipeError:
            pass  # it says why below
        except BaseException:
            process.kill()
            raise
        finally:
            code = process.wait()
        if code:
            told.seek(0)
            why = told.read(2000).decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise FileError(f"ffmpeg failed: {why}.", where=output, code="book.ffmpeg", fix="Name the file x.opus instead.")
        with open(made, "rb") as whole:
            shutil.copyfileobj(whole, target)
