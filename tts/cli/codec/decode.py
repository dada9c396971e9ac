"""``tts codec decode``: token files to audio."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import click

from tts.base.errors import ResourceError, TtsError
from tts.base.limits import LIMITS
from tts.cli import values
from tts.cli.codec import bitrate
from tts.cli.plan import Job, Kind, plan
from tts.cli.work import run, workers
from tts.workers import check_workers

_EXAMPLES = """\
  tts codec decode talk.ptok -o talk.wav
  tts codec decode tokens -o copies --format flac
  tts codec decode - < talk.ptok | aplay"""
_LOSSLESS = ("wav", "flac", "pcm")


@click.command(epilog="Example:  tts codec decode tokens -o copies --format flac --nj 2")
@click.argument("inputs", nargs=-1, metavar="[FILE|FOLDER|-]...")
@click.option(
    "-o", "--output", metavar="FILE|DIR|-", help="Audio file, folder for many, - for stdout. Default: beside the input."
)
@click.option(
    "--format", "format_", metavar="NAME", help="wav, flac, ogg, opus, mp3 or pcm; default by the file's ending, else wav."
)
@click.option("--rate-hz", type=click.IntRange(8_000, 192_000), metavar="HZ", help="Sample rate of the output.")
@click.option("--bitrate", "bit_rate", type=values.BITRATE, metavar="Nk", help="kbit/s for ogg, opus and mp3.")
@click.option("--seed", type=values.SEED, default=0, show_default=True, metavar="N|random", help="Same seed, same samples.")
@click.option("--salvage", is_flag=True, help="Decode what is whole of a damaged file; what is lost is silent, and listed.")
@click.option("--scp", metavar="FILE", help="List of files, 'utterance path' a line, as Kaldi has it; writes DIR/wav.scp.")
@workers
@bitrate.MODEL
@bitrate.THREADS
@bitrate.FORCE
@bitrate.JSON
@bitrate.QUIET
def command(inputs, output, format_, rate_hz, bit_rate, seed, salvage, scp, nj, ray, model, threads, force, as_json, quiet):
    """Decode token files, those of folders, or stdin (-) into audio files.

    One file goes beside itself or to -o FILE. Many go to -o DIR, with the tree of each folder kept; what an earlier run has
    written there stays when it is as long as its tokens say.
    """
    from vocoder.audio.frames import SAMPLE_RATE
    from vocoder.audio.io import check_coding, format_of

    name = format_of("-", format_)
    kind = Kind("tts codec decode", "token files", (".ptok",), f".{name}", "wav.scp", _EXAMPLES)
    todo = plan(kind, inputs, scp, output, force, as_json)
    if not todo.batch:
        name = format_of(todo.jobs[0].target, format_)
    rate_hz = rate_hz or SAMPLE_RATE
    check_coding(name, rate_hz, bit_rate)
    check_workers(nj, ray)
    threads = threads or (None if nj == 1 and ray is None else 1)
    task = DecodeTask(model, threads, name, rate_hz, bit_rate, seed, salvage, force, todo.batch and not force)
    run(todo, task, nj, quiet, as_json, ray)


class Survey(NamedTuple):
    """What a token file holds, from its blocks' heads; nothing is decoded."""

    seconds: float  # until the end, or as far as it is known
    lost: list[tuple[float, float | None]]  # seconds; None: until an end that is not known


@dataclass(frozen=True)
class DecodeTask:
    """The settings of a decoding."""

    model: str | None = None
    threads: int | None = None
    format: str = "wav"
    rate_hz: int = 24_000
    bit_rate: float | None = None
    seed: int = 0
    salvage: bool = False
    force: bool = False
    keep: bool = False  # whole outputs of an earlier run

    def load(self):
        from codec import Codec

        return partial(self._decode, Codec.load(self.model, self.threads))

    def line(self, facts: dict) -> str:
        lost = sum((end or start) - start for start, end in facts["lost"])
        salvaged = f", {lost:.2f} s of them silent" if lost else ""
        return (
            f"{facts['seconds']:.2f} s{salvaged}, {facts['n_books']} books, {facts['sample_rate']:,} Hz, seed {facts['seed']}, "
            f"{facts['times_real_time']:g} x real time"
        )

    def _decode(self, codec, job: Job, progress) -> dict:
        from codec.codes import open_tokens
        from codec.tokenfile import TokenReader
        from vocoder.audio.io import resample_chunks, write_audio

        began = time.perf_counter()
        with open_tokens(sys.stdin.buffer if job.source == "-" else job.source) as (file, where):
            survey = None
            if file.seekable():  # damage is known before a sample is made
                start = file.tell()
                survey = self._survey(TokenReader(file, where))
                file.seek(start)
            reader = TokenReader(file, where)
            codec.check(reader.header, where=where)
            facts = {"input": job.source, "output": job.target, "kept": False, "codec": reader.header.codec,
                     "n_books": reader.header.n_q, "sample_rate": self.rate_hz, "format": self.format,
                     "seed": self.seed, "metadata": reader.header.metadata, "lost": survey.lost if survey else [],
                     "notes": []}  # fmt: skip
            if self.keep and survey and os.path.exists(job.target) and self._fits(job.target, survey.seconds):
                return {**facts, "seconds": round(survey.seconds, 6), "kept": True}
            progress.of(survey.seconds if survey else None)
            n_samples, peak = 0, 0.0

            def told(chunks):
                nonlocal n_samples, peak
                for chunk in chunks:
                    peak = max(peak, float(abs(chunk).max(initial=0.0)))
                    n_samples += len(chunk)
                    progress(n_samples / codec.sample_rate)
                    yield chunk

            samples = told(codec.decode_stream(reader, self.seed, salvage=self.salvage))
            samples = resample_chunks(samples, codec.sample_rate, self.rate_hz)
            force, rf64 = self.force or self.keep, survey is None or survey.seconds * self.rate_hz * 2 > 0xFFFF0000
            write_audio(job.target, samples, self.rate_hz, self.format, self.bit_rate, force, rf64)
        if peak > 1.0:
            facts["notes"].append(f"the peak of {peak:.2f} is cut at full scale")
        seconds = n_samples / codec.sample_rate
        pace = round(seconds / (time.perf_counter() - began), 1)
        return {**facts, "seconds": round(seconds, 6), "peak": round(peak, 4), "times_real_time": pace}

    def _survey(self, reader) -> Survey:
        """Read all blocks.

        Raises:
            DataError: Damage, without salvage.
            ResourceError: A damaged file says that it goes on for more frames than LIMITS.token_frames.
        """
        from codec.tokenfile import Gap

        header, frames, lost = reader.header, 0, []
        for item in reader.salvage() if self.salvage else reader.blocks():
            if isinstance(item, Gap):
                if (item.frames or 0) > LIMITS.token_frames:
                    raise ResourceError(
                        f"{item.frames:,} frames are lost.",
                        where=reader.where,
                        code="tokens.too_long",
                        limit=LIMITS.token_frames,
                        fix="Little of it is left: copy it again.",
                    )
                end = None if item.frames is None else header.seconds(item.first_frame + item.frames)
                lost.append((header.seconds(item.first_frame), end))
            frames += item.frames or 0
        seconds = header.seconds(frames) if reader.n_samples is None else reader.n_samples / header.sample_rate
        return Survey(seconds, lost)

    def _fits(self, path: str, seconds: float) -> bool:
        """Whether an audio file is what would be written, as far as its header tells: length and rate."""
        from vocoder.audio.io import read_info

        if self.format == "pcm":
            found, rate = os.path.getsize(path) / 2 / self.rate_hz, self.rate_hz
        else:
            try:
                info = read_info(path)
            except TtsError:
                return False
            found, rate = info.seconds, info.sample_rate
        slack = 2 / self.rate_hz if self.format in _LOSSLESS else 0.2
        return found is not None and abs(found - seconds) <= slack and (rate == self.rate_hz or self.format not in _LOSSLESS)
