"""``tts limits``: every limit and every exit code, as they are in the code."""

from __future__ import annotations

import json

import click

from tts.base import errors
from tts.base.limits import LIMITS
from tts.cli.table import table

_MEANING = {
    0: "done; what was changed or dropped is reported on stderr",
    1: "a check said no",
    2: "the command line is wrong",
    9: "a comparison or a search said no: two people, or no mark found",
    65: "text, audio or data is malformed",
    66: "an input is missing or unreadable",
    69: "a language, voice, model or package is not installed",
    70: "a bug: please report it",
    73: "the output exists, or its folder does not",
    74: "disk full or another device error",
    75: "timeout or cancelled: try again",
    76: "a limit is exceeded",
    77: "consent is missing",
    78: "a model or voice is damaged, foreign or newer",
    79: "some items of a batch failed",
    130: "interrupted",
    141: "the reader of the pipe is gone",
    143: "terminated",
}


def exit_codes() -> list[dict]:
    """One dict a code: exit_code, meaning, and the kind of error where one has it."""
    kinds = {c.exit_code: c.kind for c in vars(errors).values() if isinstance(c, type) and c.__base__ is errors.TtsError}
    kinds |= {c.exit_code: c.kind for c in (errors.UsageError, errors.DataError)}
    return [{"exit_code": code, "kind": kinds.get(code), "meaning": meaning} for code, meaning in _MEANING.items()]


@click.command(epilog="Example:  tts limits --json")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def command(as_json):
    """Print every limit and exit code."""
    if as_json:
        click.echo(json.dumps({"limits": LIMITS.rows(), "exit_codes": exit_codes()}, indent=1))
        return
    rows = [[row["name"], f"{row['value']:,}", row["unit"], row["meaning"]] for row in LIMITS.rows()]
    click.echo(table(["limit", "value", "unit", "of"], rows))
    click.echo()
    click.echo(table(["exit", "kind", "meaning"], [[row["exit_code"], row["kind"], row["meaning"]] for row in exit_codes()]))
