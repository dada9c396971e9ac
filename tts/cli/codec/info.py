"""``tts codec info``: what token files hold, without a model and without torch."""

from __future__ import annotations

import sys

import click

from tts.base import strict_json
from tts.base.errors import DataError, PartialError, TtsError
from tts.cli import printable
from tts.cli.codec import bitrate


@click.command(epilog="Example:  tts codec info talk.ptok --json")
@click.argument("names", nargs=-1, required=True, metavar="FILE|-...")
@bitrate.JSON
def command(names, as_json):
    """Say what token FILEs hold, and whether every block of them is whole."""
    failed = []
    for name in names:
        facts, error = inspect(name)
        if error is not None:
            failed.append(error)
            facts["error"] = error.to_dict()
        if as_json:
            click.echo(strict_json.dumps(facts, indent=None))
        elif "codec" in facts:
            click.echo(_text(facts))
        elif len(names) > 1:
            click.echo(printable(f"{name}: {error.what}"))
    if len(failed) == 1 == len(names):
        raise failed[0]
    if failed:
        raise PartialError(f"{len(failed)} of {len(names)} files are damaged or unreadable.", code="codec.damaged")


def inspect(name: str) -> tuple[dict, TtsError | None]:
    """Facts of a token file, and its fault if it has one; a header that is gone leaves no facts but the name."""
    from codec.codes import open_tokens
    from codec.tokenfile import TokenReader

    facts: dict = {"file": name, "whole": False}
    try:
        with open_tokens(sys.stdin.buffer if name == "-" else name) as (file, where):
            reader = TokenReader(file, where)
            header, frames, stored = reader.header, 0, 0
            kbps = header.n_q * header.bits * header.frame_rate / 1000
            facts |= {"codec": header.codec, "weights": header.weights, "sample_rate": header.sample_rate,
                      "frame_rate": header.frame_rate, "n_books": header.n_q, "bits": header.bits, "kbps": round(kbps, 4),
                      "tokens_per_second": header.n_q * header.frame_rate, "metadata": header.metadata}  # fmt: skip
            fault = None
            try:
                for block in reader.blocks():
                    frames += block.frames
                    stored += sum(len(data) for _, data in block.books)
            except DataError as error:
                if not file.seekable():
                    raise
                fault = error
            if fault is not None:
                file.seek(0)
                reader = TokenReader(file, where)
                return facts | _damage(reader), fault
            seconds, plain = reader.n_samples / header.sample_rate, frames * header.n_q * header.bits / 8
            return facts | {
                "whole": True,
                "seconds": round(seconds, 6),
                "samples": reader.n_samples,
                "frames": frames,
                "bytes": reader.n_bytes,
                "file_kbps": round(8 * reader.n_bytes / 1000 / seconds, 4) if seconds else None,
                "entropy_saving": round(1 - stored / plain, 4) if plain else None,
            }, None
    except TtsError as error:
        return facts, error


def _damage(reader) -> dict:
    """What is whole and what is lost of a damaged file."""
    from codec.tokenfile import Gap

    whole, lost = 0, []
    for item in reader.salvage():
        if isinstance(item, Gap):
            end = None if item.frames is None else reader.header.seconds(item.first_frame + item.frames)
            lost.append((reader.header.seconds(item.first_frame), end))
        else:
            whole += item.frames
    samples = reader.n_samples
    seconds = None if samples is None else round(samples / reader.header.sample_rate, 6)
    return {"seconds": seconds, "samples": samples, "frames": whole, "whole_seconds": reader.header.seconds(whole), "lost": lost}


def _text(facts: dict) -> str:
    lines = [f"{facts['file']}: {'whole' if facts['whole'] else 'DAMAGED'}"]
    lines.append(f"  codec {facts['codec']}, weights {facts['weights']}")
    books = f"{facts['n_books']} books of {facts['bits']} bits, {facts['tokens_per_second']:g} tokens/s"
    if facts["whole"]:
        lines.append(f"  {facts['seconds']:.2f} s at {facts['sample_rate']:,} Hz, {facts['frames']:,} frames, {books}")
        saved = "" if facts["entropy_saving"] is None else f", the codes are {facts['entropy_saving']:.1%} smaller than plain"
        file = "" if facts["file_kbps"] is None else f", {facts['file_kbps']:.2f} of the file"
        lines.append(f"  {facts['kbps']:g} kbit/s plain{file} ({facts['bytes']:,} bytes){saved}")
    else:
        lines.append(f"  {books}, {facts['kbps']:g} kbit/s plain")
        if "whole_seconds" in facts:
            lines.append(f"  {facts['whole_seconds']:.2f} s are whole")
        for start, end in facts.get("lost", ()):
            lines.append(f"  lost from {start:.2f} s to {'the end, which is lost too' if end is None else f'{end:.2f} s'}")
        lines.append(f"  {facts['error']['pos']}: {facts['error']['what']}")
    lines += [f"  {key}: {value}" for key, value in facts["metadata"].items()]
    return printable("\n".join(lines))
