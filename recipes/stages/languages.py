"""A further language: what a model knows of it, parts of a store, adaptation."""

from __future__ import annotations

import click

from recipes.stages.training import _dataclass, _prepare


@click.command(epilog="Example:  python -m recipes coverage --data data/train --model exp/models/fs2")
@click.option("--data", "data_dir", metavar="DIR", help="Data directory of the language; recordings are not needed.")
@click.option("--text", "text_file", metavar="FILE", help="Or sentences alone, one a line; needs --language.")
@click.option("--language", metavar="TAG", help="Of --text, or one of several in --data.")
@click.option("--model", metavar="DIR", help="Acoustic model or aligner; the house model if left out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_context
def coverage(context, data_dir, text_file, language, model, as_json):
    """Phones and styles of a language: known, how often trained, or new and begun as which; whether its script is read.

    Exit 1 when much of the text cannot be read, 69 when espeak-ng does not have the language.
    """
    from recipes import coverage as inspect
    from tts import registry
    from tts.base import strict_json
    from tts.base.errors import UsageError
    from vocoder.nn.checkpoint import load_config

    if bool(data_dir) == bool(text_file) or (text_file and not language):
        raise UsageError("give --data, or --text with --language.", where="coverage", code="coverage.input")
    config = load_config(model or registry.default_acoustic())
    if data_dir:
        rows, tag = inspect.read_data(data_dir, language)
        speakers = len({row.speaker for row in rows})
        found = inspect.cover(config, [row.text for row in rows], tag, inspect.minutes_of(rows), speakers)
    else:
        found = inspect.cover(config, inspect.read_lines(text_file), language)
    click.echo(strict_json.dumps(found.to_dict()) if as_json else found.text())
    if not found.readable:
        context.exit(1)


@click.command(epilog="Example:  python -m recipes subset --dump dump --out dump-nl --language nl --minutes 5")
@click.option("--dump", default="dump", show_default=True, metavar="DIR", help="Feature store.")
@click.option("--out", required=True, metavar="DIR", help="Feature store to make; it links to the other's files.")
@click.option("--language", "languages", multiple=True, metavar="TAG", help="Keep this one; may be repeated.")
@click.option("--without", multiple=True, metavar="TAG", help="Leave this one out; may be repeated.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Of training speech at most, speakers in turn.")
def subset(dump, out, languages, without, minutes):
    """Fewer utterances of a feature store: some languages, or a few minutes. Less is always part of more."""
    from recipes.mix import subset as make

    done = make(dump, out, languages, without, minutes)
    click.echo("subset: " + ", ".join(f"{split} {n:.1f} min" for split, n in done.items()) + f" in {out}")


@click.command(epilog="Example:  python -m recipes adapt --model fs2 --dump dump --replay old --exp exp/fs2 --out exp/models/fs2")
@click.option("--model", required=True, metavar="DIR", help="Model folder to go on from: fs2, megatts or aligner.")
@click.option("--dump", metavar="DIR", help="Feature store of the new language; for an acoustic model, aligned.")
@click.option("--replay", metavar="DIR", help="Feature store of the old languages, or of a part of them.")
@click.option("--text", "text_file", metavar="FILE", help="Instead of recordings: sentences, one a line; needs --language.")
@click.option("--language", metavar="TAG", help="Of --text.")
@click.option("--exp", metavar="DIR", help="Training folder; a run that is there already goes on.")
@click.option("--out", required=True, metavar="DIR", help="Model folder to write.")
@click.option("--minutes", type=click.FloatRange(0), default=10.0, show_default=True, help="Budget of this call.")
@click.option("--max-steps", type=click.IntRange(0), help="Stop after this many steps in all.")
@click.option("--share", type=click.FloatRange(0, 1, max_open=True), default=0.5, show_default=True,
              help="Of an epoch that is replayed.")  # fmt: skip
@click.option("--hours", type=click.FloatRange(0), default=1.0, show_default=True, help="Of the old store at most.")
@click.option("--learn", type=click.Choice(["rows", "all"]), default="rows", show_default=True,
              help="Of an acoustic model: rows of new phones and language, which leaves old languages as they are; or all.")
@click.option("--voices-from-minutes", type=click.FloatRange(0), default=1.0, show_default=True,
              help="New speakers with so much speech become voices.")  # fmt: skip
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--config", metavar="FILE", help="YAML of this stage.")
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Change one value; may be repeated.")
def adapt(model, dump, replay, text_file, language, exp, out, minutes, max_steps, share, hours, learn, voices_from_minutes,
          device, config, overrides):  # fmt: skip
    """Teach a model a further language without forgetting the old ones, and export it with its voices.

    YAML sections: task, train.
    """
    from recipes import adapt as adaptation
    from recipes.coverage import read_lines
    from recipes.train.loop import TrainConfig
    from tts.base.errors import UsageError

    given = _prepare(config, overrides, ("task", "train"), None, None)
    if text_file and language and not dump:
        written = adaptation.without_recordings(model, read_lines(text_file), language, out)
    elif dump and replay and exp and not text_file:
        train = _dataclass(TrainConfig, given["train"]) if given["train"] else None
        written = adaptation.main(model, dump, replay, exp, out, minutes, device, given["task"], train, share, hours, max_steps,
                                  voices_from_minutes, learn)  # fmt: skip
    else:
        raise UsageError("give --dump, --replay and --exp, or --text with --language.", where="adapt", code="adapt.input")
    told = written["adapted"]
    begun = f", begun as {told['like']}" if told["like"] else ""
    click.echo(f"adapt: {told['language']}{begun}, {written['steps']:,} steps, in {out}")
