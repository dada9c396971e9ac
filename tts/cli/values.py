"""What commands share: ``--model``; values like ``--rate +10%``, ``--pitch +2st``, ``--energy -3dB``, ``--seed random``."""

from __future__ import annotations

import os
import re
import secrets

import click

from tts.base.errors import DataError

MODEL = click.option("--model", metavar="NAME|DIR", help="megatts, fs2, infill, or a model folder.")


class Quantity(click.ParamType):
    """A number with an optional unit. Ranges are checked where the number is used, once for every face."""

    def __init__(self, name: str, unit: str, example: str):
        self.name, self.unit, self.example = name, unit, example

    def convert(self, value, parameter, context):
        if isinstance(value, float):
            return value
        number = self._number(str(value).strip())
        if number is None:
            self.fail(f"{value!r} is not a {self.name}; write it like {self.example}.", parameter, context)
        return number

    def _number(self, text: str) -> float | None:
        if self.unit and text.lower().endswith(self.unit.lower()):
            text = text[: -len(self.unit)].strip()
        return float(text) if re.fullmatch(r"[+-]?\d{1,9}(\.\d{0,9})?|[+-]?\.\d{1,9}", text, re.ASCII) else None


class Rate(Quantity):
    """Speaking rate: a factor, or a change in percent."""

    def _number(self, text: str) -> float | None:
        if text.endswith("%"):
            change = super()._number(text[:-1].strip())
            return None if change is None or text[0] not in "+-" else 1.0 + change / 100.0
        return super()._number(text.removesuffix("x"))


class Seed(click.ParamType):
    """A whole number, or ``random`` for one drawn here and reported."""

    name = "seed"

    def convert(self, value, parameter, context):
        if isinstance(value, int):
            return value
        if value == "random":
            return secrets.randbelow(2**31)
        if not re.fullmatch(r"\d{1,18}", value, re.ASCII):
            self.fail(f"{value!r} is not a seed; give a whole number from 0, or random.", parameter, context)
        return int(value)


class Words(click.ParamType):
    """Words of the text. Python hides bytes that are not of the locale's encoding in surrogates: they are UTF-8, or refused."""

    name = "text"

    def convert(self, value, parameter, context):
        try:
            return value if value.isascii() else os.fsencode(value).decode("utf-8")
        except UnicodeError as error:
            raise DataError(
                "is not UTF-8 text.", where="<arguments>", value=value, code="text.utf8", fix="Give it as UTF-8, or as a file."
            ) from error


WORDS = Words()
RATE = Rate("rate", "", "1.1 or +10%")
PITCH = Quantity("pitch shift", "st", "+2st (semitones)")
ENERGY = Quantity("energy change", "dB", "-3dB")
BITRATE = Quantity("bit rate", "k", "32k (kbit/s)")
SEED = Seed()
