"""``tts codec encode``: audio to token files."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import click

from tts.base.errors import CannotCreateError, DataError, TtsError, UsageError
from tts.cli import values
from tts.cli.codec import bitrate
from tts.cli.plan import Job, Kind, plan
from tts.cli.work import run, workers
from tts.workers import check_workers

_EXAMPLES = """\
  tts codec encode talk.wav
  tts codec encode recordings -o tokens --kbps 3
  arecord -f S16_LE -r 16000 | tts codec encode --pcm 16000 -o live.ptok"""
_AUDIO = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".rf64")
KIND = Kind("tts codec encode", "audio files", _AUDIO, ".ptok", "tokens.scp", _EXAMPLES)


@click.command(epilog="Example:  tts codec encode recordings -o tokens --kbps 3 --nj 2")
@click.argument("inputs", nargs=-1, metavar="[FILE|FOLDER|-]...")
@click.option(
    "-o", "--output", metavar="FILE|DIR|-", help="Token file, folder for many, - for stdout. Default: beside the input."
)
@bitrate.BOOKS
@bitrate.KBPS
@click.option("--scp", metavar="FILE", help="List of files, 'utterance path' a line, as Kaldi has it; writes DIR/tokens.scp.")
@workers
@click.option("--pcm", type=click.IntRange(8_000, 192_000), metavar="HZ", help="stdin is 16-bit little-endian mono samples.")
@click.option(
    "--metadata", multiple=True, type=values.WORDS, metavar="KEY=VALUE", help="Kept in the token file; may be repeated."
)
@bitrate.MODEL
@bitrate.THREADS
@bitrate.FORCE
@bitrate.JSON
@bitrate.QUIET
def command(inputs, output, books, kbps, scp, nj, ray, pcm, metadata, model, threads, force, as_json, quiet):
    """Encode audio files, the audio files of folders, or stdin (-) into token files.

    One file goes beside itself or to -o FILE. Many go to -o DIR, with the tree of each folder kept; what an earlier run has
    written there stays when it is whole.
    """
    if pcm and inputs not in ((), ("-",)):
        raise UsageError("--pcm is about stdin.", where="--pcm", code="usage.pcm", fix="Give no file, or - for stdin.")
    if books is not None and kbps is not None:
        bitrate.books_of(books, kbps, 1, 1, 1.0)
    todo = plan(KIND, inputs, scp, output, force, as_json, live=bool(pcm))
    check_workers(nj, ray)
    threads = threads or (None if nj == 1 and ray is None else 1)
    task = EncodeTask(model, threads, books, kbps, _pairs(metadata), force, todo.batch and not force, pcm)
    run(todo, task, nj, quiet, as_json, ray)


@dataclass(frozen=True)
class EncodeTask:
    """The settings of an encoding."""

    model: str | None = None
    threads: int | None = None
    books: int | None = None
    kbps: float | None = None
    metadata: dict = field(default_factory=dict)
    force: bool = False
    keep: bool = False  # whole outputs of an earlier run
    pcm: int | None = None  # Hz: stdin is raw samples

    def load(self):
        import tts.units  # noqa: F401 - a codec may have the aligner as its teacher
        from codec import Codec

        codec = Codec.load(self.model, self.threads)
        kbps_of_book = codec.bits * codec.frame_rate / 1000
        return partial(self._encode, codec, bitrate.books_of(self.books, self.kbps, codec.min_books, codec.n_books, kbps_of_book))

    def line(self, facts: dict) -> str:
        file = "" if facts["file_kbps"] is None else f" ({facts['file_kbps']:.2f} in the file)"
        return (
            f"{facts['seconds']:.2f} s, {facts['n_books']} books, {facts['kbps']:g} kbit/s{file}, "
            f"{facts['tokens_per_second']:g} tokens/s, {facts['times_real_time']:g} x real time"
        )

    def _encode(self, codec, n_books: int, job: Job, progress) -> dict:
        if self.keep and os.path.exists(job.target):
            kept = _whole(job.target, codec, n_books)
            if kept is not None:
                return {"input": job.source, "output": job.target, "kept": True, **_figures(codec, n_books, *kept), "notes": []}
        began, peak, notes = time.perf_counter(), 0.0, []

        def told(blocks):
            nonlocal peak
            for block in blocks:
                peak = max(peak, float(abs(block).max(initial=0.0)))
                yield block

        def heard(seconds: float) -> None:
            if job.target == "-":
                sys.stdout.buffer.flush()
            progress(seconds)

        target = sys.stdout.buffer if job.target == "-" else job.target
        with _sound(job, self.pcm) as (blocks, origin, seconds):
            progress.of(seconds)
            written = codec.encode_file(told(blocks), target, n_books, self.metadata, self.force or self.keep, heard)
        if job.target == "-":
            sys.stdout.buffer.flush()
        if (origin["sample_rate"], origin["channels"]) != (codec.sample_rate, 1):
            channels = f"{origin['channels']} channel{'s' if origin['channels'] > 1 else ''}"
            notes.append(f"{origin['sample_rate']:,} Hz, {channels} -> {codec.sample_rate:,} Hz mono")
        if peak > 1.0:
            notes.append(
                f"the peak of {peak:.2f} is above full scale (+{20 * math.log10(peak):.1f} dB); levels are left as they are"
            )
        wall = time.perf_counter() - began
        return {
            "input": job.source,
            "output": job.target,
            "kept": False,
            **_figures(codec, n_books, written.seconds, written.frames, written.n_bytes),
            "times_real_time": round(written.seconds / wall, 1),
            "source": origin,
            "peak": round(peak, 4),
            "notes": notes,
        }


def _figures(codec, n_books: int, seconds: float, frames: int, n_bytes: int) -> dict:
    return {
        "codec": codec.name,
        "weights": codec.weights,
        "seconds": round(seconds, 6),
        "frames": frames,
        "n_books": n_books,
        "kbps": round(n_books * codec.bits * codec.frame_rate / 1000, 4),
        "file_kbps": round(8 * n_bytes / 1000 / seconds, 4) if seconds else None,
        "tokens_per_second": n_books * codec.frame_rate,
        "bytes": n_bytes,
    }


def _whole(path: str, codec, n_books: int) -> tuple[float, int, int] | None:
    """(seconds, frames, bytes) of a token file that is what would be written, None when it is damaged.

    Raises:
        CannotCreateError: It is whole, but of another codec or number of books.
    """
    from codec.codes import open_tokens
    from codec.tokenfile import TokenReader

    try:
        with open_tokens(path) as (file, where):
            reader = TokenReader(file, where)
            for _ in reader.blocks():
                pass
    except TtsError:
        return None
    header = reader.header
    if (header.codec, header.weights, header.n_q) != (codec.name, codec.weights, n_books):
        raise CannotCreateError(
            f"already exists, with {header.n_q} books of codec {header.codec!r} (weights {header.weights[:8]}).",
            where=path,
            code="file.exists",
            fix="Choose another folder, or pass --force to replace it.",
        )
    return reader.n_samples / header.sample_rate, header.frames_of(reader.n_samples), reader.n_bytes


@contextmanager
def _sound(job: Job, pcm: int | None) -> Iterator[tuple[Iterator, dict, float | None]]:
    """Blocks [S] float32 at 24 kHz, what they were, and how many seconds are expected."""
    from vocoder.audio.frames import SAMPLE_RATE
    from vocoder.audio.io import open_audio, resample_chunks

    if pcm:
        chunks = _pcm(sys.stdin.buffer)
        yield resample_chunks(chunks, pcm, SAMPLE_RATE), {"format": "PCM_16", "sample_rate": pcm, "channels": 1}, None
        return
    with open_audio(sys.stdin.buffer if job.source == "-" else job.source, SAMPLE_RATE) as (info, blocks):
        form = info.subtype if info.format == info.subtype else f"{info.format} {info.subtype}"
        yield blocks, {"format": form, "sample_rate": info.sample_rate, "channels": info.channels}, info.seconds


def _pcm(file) -> Iterator:
    """Raw samples as they come. Ctrl-C ends the sound, not the work: a recording that is stopped is kept."""
    import numpy as np

    stop, waiting, odd, count = False, False, b"", 0

    def interrupt(*_):
        nonlocal stop
        stop = True
        if waiting:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        while not stop:
            try:
                waiting = True
                data = file.read1(1 << 16)
            except KeyboardInterrupt:
                break
            finally:
                waiting = False
            if not data:
                break
            data, count = odd + data, count + len(data)
            even = len(data) // 2 * 2
            odd = data[even:]
            yield np.frombuffer(data[:even], "<i2").astype(np.float32) / 32768.0
    finally:
        signal.signal(signal.SIGINT, before)
    if count < 2:
        raise DataError("holds no samples.", where="<stdin>", code="audio.empty", fix="Is anything recording?")
    if odd and not stop:
        raise DataError(
            "ends in half a sample.", where="<stdin>", pos=f"byte {count}", code="audio.truncated", fix="Send 16-bit samples."
        )


def _pairs(metadata: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for pair in metadata:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip() or key in pairs:
            what = f"{key!r} is given twice." if key in pairs else f"{pair!r} is not KEY=VALUE."
            raise UsageError(what, where="--metadata", code="usage.metadata", fix='Write --metadata title="A talk".')
        pairs[key] = value
    return pairs
