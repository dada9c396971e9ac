"""What the commands of ``python -m recipes evaluate`` share: options, and the way a table is written."""

from __future__ import annotations

import os
import shlex

import click
from click.core import ParameterSource


def table_options(split: str):
    """Options that every table on recordings has."""
    options = [
        option("--speech", default="../shared/speech", metavar="DIR", help="Corpus folder with metadata.tsv."),
        option("--split", type=click.Choice(["dev", "test"]), default=split, help="Clips to judge."),
        option("--per-corpus", type=click.IntRange(1), default=6, metavar="N", help="Clips a corpus."),
        click.option("--corpus", "corpora", multiple=True, metavar="NAME", help="Only this corpus; may be repeated."),
    ]
    return lambda function: with_outputs(_wrap(function, options))


def with_outputs(function):
    return _wrap(function, [
        option("--out", default="exp/evaluate", metavar="DIR", help="Folder of the JSON files."),
        option("--results", default="egs/house/RESULTS.md", metavar="FILE", help="Markdown file to update."),
    ])


def option(name: str, **settings):
    return click.option(name, show_default=True, **settings)


def _wrap(function, options):
    for each in reversed(options):
        function = each(function)
    return function


MODEL = click.option("--model", metavar="NAME|DIR", help="Acoustic model; the house model if left out.")
SPEAKER_ENCODER = click.option("--speaker-encoder", metavar="DIR", help="Speaker encoder; the shipped one if left out.")


def named(option: str) -> tuple[str, str]:
    name, found, value = option.partition("=")
    if not (name and found and value):
        raise click.BadParameter(f"{option!r} is not NAME=VALUE.")
    return name, value


def write(context, title: str, rows, records, notes, name: str | None = None) -> None:
    """Save and show a table; ``name`` when a command makes more than one."""
    from recipes.evaluate.tables import Table

    table = Table(name or context.info_name, title, command_line(context), rows, notes, records)
    path = table.save(context.params["out"])
    table.publish(context.params["results"])
    click.echo(table.markdown())
    click.echo(f"{path}, {context.params['results']}", err=True)


def command_line(context) -> str:
    """The command that repeats this run: the options that were given, paths relative to the current folder."""
    words = ["python", "-m", "recipes", "evaluate", context.info_name]
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
        if not given or parameter.name in ("out", "results"):
            continue
        value = context.params[parameter.name]
        if isinstance(value, bool):
            words.append(parameter.opts[0] if value else parameter.secondary_opts[0])
            continue
        for item in value if parameter.multiple else [value]:
            name, equals, path = str(item).rpartition("=")
            words += [parameter.opts[0], f"{name}{equals}{os.path.relpath(path) if os.path.isabs(path) else path}"]
    return shlex.join(words)
