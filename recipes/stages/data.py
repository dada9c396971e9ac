"""Stages 1 to 3: data directories, their validation, features."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

SPLITS = ("train", "dev", "test")
SHOWN = 20  # faults of one kind in one file, before they are only counted
JOBS = click.option("--nj", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="cores", help="Processes.")


@click.command(epilog="Example:  python -m recipes data ljspeech --root downloads/LJSpeech-1.1 --out data")
@click.argument("kind")
@click.option("--root", required=True, metavar="DIR", help="The corpus as published.")
@click.option("--out", default="data", show_default=True, metavar="DIR", help="Folder of the data directories.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="Of the corpus reader; may be repeated.")
def data(kind, root, out, options):
    """Make data/train, data/dev, data/test from a corpus of a KIND: speech, ljspeech, vctk, libritts, common_voice,
    piper, lhotse, mm6."""
    from recipes import corpora

    corpus = corpora.read(kind, root, **dict(_named(option) for option in options))
    counts = corpora.write(corpus, out)
    click.echo(f"data: {', '.join(f'{name} {n:,}' for name, n in counts.items())} utterances; "
               f"{len(corpus.rejected):,} left out, listed in {out}/rejected.tsv")  # fmt: skip


@click.command("mini-corpus", epilog="Example:  python -m recipes mini-corpus --out downloads")
@click.option("--out", default="downloads", show_default=True, metavar="DIR", help="Folder to write.")
@click.option("--per-voice", type=click.IntRange(3), default=24, show_default=True, help="Sentences a voice and language.")
@click.option("--seed", default=0, show_default=True, help="Equal seeds make equal corpora.")
@click.option("--language", "languages", multiple=True, type=click.Choice(["en-us", "de", "nl"]), default=["en-us", "de"],
              show_default=True, help="May be repeated.")  # fmt: skip
def mini_corpus(out, per_voice, seed, languages):
    """Two voices, in two languages or those asked for, spoken by a formant synthesiser, with the true length of every phone."""
    from recipes.mini import make

    click.echo(f"mini-corpus: {make(out, per_voice, seed, languages)}")


@click.command(epilog="Example:  python -m recipes validate data/train data/dev data/test --audio")
@click.argument("folders", nargs=-1, required=True, metavar="DIR...")
@click.option("--audio", is_flag=True, help="Open every recording too.")
@click.option("--all", "everything", is_flag=True, help=f"Print more than {SHOWN} faults of a kind.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@JOBS
@click.pass_context
def validate(context, folders, audio, everything, as_json, nj):
    """List every fault with file, line and column; exit 1 when there is an error. The first DIR is training data."""
    from dataclasses import asdict

    from recipes.validation import validate as find_faults

    faults = find_faults(*folders, audio=audio, nj=nj)
    errors = sum(fault.level == "error" for fault in faults)
    if as_json:
        click.echo(json.dumps([asdict(fault) for fault in faults], ensure_ascii=False, indent=1))
    else:
        shown: dict[tuple[str, str], int] = {}
        for fault in faults:
            kind = (fault.file, fault.code)
            shown[kind] = shown.get(kind, 0) + 1
            if everything or shown[kind] <= SHOWN:
                click.echo(str(fault))
        for (file, code), count in shown.items():
            if count > SHOWN and not everything:
                click.echo(f"{file}: {code}: {count - SHOWN:,} more (--all shows them)")
        click.echo(f"validate: {errors:,} errors, {len(faults) - errors:,} warnings in {' '.join(folders)}", err=True)
    if errors:
        context.exit(1)


@click.command(epilog="Example:  python -m recipes features --data data --dump dump --nj 2")
@click.option("--data", "data_dir", default="data", show_default=True, metavar="DIR", help="Folder of the data directories.")
@click.option("--dump", default="dump", show_default=True, metavar="DIR", help="Feature store to write.")
@click.option("--phones/--no-phones", default=True, show_default=True, help="A codec and a vocoder need no phones.")
@JOBS
@click.option("--ray", is_flag=False, flag_value="", metavar="[=ADDRESS]",
              help="A Ray cluster instead of processes; without an address, the one here.")  # fmt: skip
def features(data_dir, dump, phones, nj, ray):
    """Audio, mel, pitch and phones of every split. A split that is complete is left as it is."""
    from recipes import datadir
    from recipes.cut import cut
    from recipes.features import extract
    from recipes.phones import write_phones, write_rows

    for split in SPLITS:
        if (Path(data_dir) / split / "utt2spk").exists():
            rows = cut(datadir.read(Path(data_dir) / split), Path(dump) / split / "cut")
            Path(dump, split).mkdir(parents=True, exist_ok=True)
            counts = (write_phones if phones else write_rows)(rows, Path(dump) / split)
            extract([(row.id, str(row.wav)) for row in rows], Path(dump) / split, nj, ray)
            click.echo(f"features: {split}: " + ", ".join(f"{name} {n:,}" for name, n in counts.items()))


@click.command(epilog="Example:  python -m recipes spell --dump dump")
@click.option("--dump", default="dump", show_default=True, metavar="DIR", help="Feature store.")
def spell(dump):
    """Spellings of every utterance, for a txt2vec that reads letters."""
    from recipes.spelled import write_all

    for split, counts in write_all(dump).items():
        click.echo(f"spell: {split}: " + ", ".join(f"{name} {n:,}" for name, n in counts.items()))


def _named(option: str) -> tuple[str, object]:
    name, equals, value = option.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"{option!r} is not NAME=VALUE.")
    return name.replace("-", "_"), int(value) if value.isdecimal() else value
