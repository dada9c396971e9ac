"""``tts codec bench``: speed, latency and memory on this machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import click

from tts.base import strict_json
from tts.base.errors import DataError
from tts.cli.codec import bitrate


@click.command(epilog="Example:  tts codec bench talk.wav --threads 2 --json")
@click.argument("audio", required=False, metavar="[FILE]")
@bitrate.BOOKS
@bitrate.KBPS
@bitrate.MODEL
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N", help="CPU threads.")
@bitrate.JSON
def command(audio, books, kbps, model, threads, as_json):
    """Measure encoding and decoding on this machine, of an audio FILE or of 30 s of a built-in signal."""
    facts = measure(audio, books, kbps, model, threads)
    if as_json:
        click.echo(strict_json.dumps(facts, indent=None))
        return
    plural = "s" if threads > 1 else ""
    click.echo(
        f"{facts['seconds']:.1f} s of sound, {facts['n_books']} books ({facts['kbps']:g} kbit/s), {threads} thread{plural}, "
        f"codec {facts['codec']} loaded in {facts['load_s']:.2f} s"
    )
    for name in ("encode", "decode"):
        told = facts[name]
        click.echo(
            f"{name}: {told['rtf']:.4f} of real time ({told['times_real_time']:.1f} x); first packet after "
            f"{told['first_packet_s'] * 1000:.0f} ms: {told['latency_s'] * 1000:.0f} ms of sound that it waits for, "
            f"{told['first_compute_s'] * 1000:.1f} ms of work"
        )
    click.echo(f"peak memory: {facts['peak_mb']} MB, of which {facts['base_mb']} MB before the first sound")


def measure(audio: str | None, books: int | None, kbps: float | None, model: str | None, threads: int) -> dict:
    """The figures of the command."""
    began = time.perf_counter()
    import numpy as np

    import tts.units  # noqa: F401 - a codec may have the aligner as its teacher
    from codec import Codec
    from vocoder.audio.io import open_audio

    codec = Codec.load(model, threads)
    load, base = time.perf_counter() - began, _peak_mb()
    n_books = bitrate.books_of(books, kbps, codec.min_books, codec.n_books, codec.bits * codec.frame_rate / 1000)
    latency = codec.latency(chunk=1)
    first = _first_packets(codec, n_books, latency)  # also warms up
    source = audio if audio else (_signal(30.0), codec.sample_rate)
    codes, wall = [], 0.0
    with open_audio(source) as (_, blocks):
        encoder, n_samples = codec.encoder(n_books), 0
        for block in blocks:  # reading is not counted
            n_samples += len(block)
            codes.append(_timed(lambda block=block: encoder.push(block)))
        codes.append(_timed(encoder.flush))
    encode_wall = sum(wall for _, wall in codes)
    pieces = np.concatenate([piece for piece, _ in codes], axis=1)
    decoder = codec.decoder()
    made = [_timed(lambda t=t: len(decoder.push(pieces[:, t : t + 300])))[1] for t in range(0, pieces.shape[1], 300)]
    decode_wall = sum(made) + _timed(decoder.flush)[1]
    seconds = n_samples / codec.sample_rate
    if seconds < 0.1:
        raise DataError(f"{seconds:.3f} s are too short.", where=audio, code="audio.too_short", fix="Give a longer file.")
    facts = {
        "codec": codec.name,
        "weights": codec.weights,
        "threads": threads,
        "seconds": round(seconds, 3),
        "n_books": n_books,
        "kbps": round(n_books * codec.bits * codec.frame_rate / 1000, 4),
        "load_s": round(load, 3),
    }
    for name, wall, wait, work in zip(("encode", "decode"), (encode_wall, decode_wall), latency, first, strict=True):
        facts[name] = {
            "rtf": round(wall / seconds, 5),
            "times_real_time": round(seconds / wall, 1),
            "latency_s": round(wait, 4),
            "first_compute_s": round(work, 4),
            "first_packet_s": round(wait + work, 4),
        }
    return {**facts, "base_mb": base, "peak_mb": _peak_mb()}


def _first_packets(codec, n_books: int, latency: tuple[float, float]) -> tuple[float, float]:
    """Seconds of work from the last frame that they need to the first code, and to the first samples; the second try counts."""
    import numpy as np

    frame = round(codec.sample_rate / codec.frame_rate)
    n_before = [round(seconds * codec.frame_rate) - 1 for seconds in latency]
    for _ in range(2):
        encoder, decoder = codec.encoder(n_books, chunk=1), codec.decoder(chunk=1)
        sound = _signal(latency[0])
        encoder.push(sound[: n_before[0] * frame])
        codes, encode = _timed(lambda encoder=encoder, sound=sound: encoder.push(sound[n_before[0] * frame :]))
        decoder.push(np.repeat(codes[:, :1], n_before[1], axis=1))
        _, decode = _timed(lambda decoder=decoder, codes=codes: decoder.push(codes[:, :1]))
    return encode, decode


def _timed(do: Callable) -> tuple:
    began = time.perf_counter()
    made = do()
    return made, time.perf_counter() - began


def _signal(seconds: float):
    """Something like a voice, [S] float32 at 24 kHz: a gliding pulse train in syllables, over a little noise."""
    import numpy as np

    from tts.base.rng import normal
    from vocoder.audio.frames import SAMPLE_RATE

    t = np.arange(max(1, round(seconds * SAMPLE_RATE))) / SAMPLE_RATE
    phase = 2 * np.pi * np.cumsum(140 + 30 * np.sin(2 * np.pi * 0.4 * t)) / SAMPLE_RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    envelope = np.clip(np.sin(2 * np.pi * 2.0 * t), 0, 1)
    return (0.1 * envelope * voice + 0.003 * normal(0, "bench", len(t))).astype(np.float32)


def _peak_mb() -> int:
    import resource

    unit = 1024 if sys.platform != "darwin" else 1024 * 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
