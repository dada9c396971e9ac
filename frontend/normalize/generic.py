"""Every other language: number words from num2words or CLDR's rules, names of months, units and money from CLDR.

What neither knows stays as digits: espeak reads the numbers of all its languages.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache

from frontend.normalize.grammar import Grammar, Money

_SPACELESS = {"ja", "yue", "hak", "th", "lo", "my", "shn"}
_NUM2WORDS = {"nb": "no", "pt-br": "pt_BR"}
_CLDR = {"nb": "no", "pt": "pt_PT", "pt-br": "pt", "hak": "yue"}
_BABEL = {"pt": "pt_PT", "pt-br": "pt_BR", "es-419": "es_419", "hak": "yue"}
_UNITS = {
    "km": "length-kilometer", "m": "length-meter", "cm": "length-centimeter", "mm": "length-millimeter",
    "km/h": "speed-kilometer-per-hour", "m²": "area-square-meter", "km²": "area-square-kilometer", "m³": "volume-cubic-meter",
    "kg": "mass-kilogram", "g": "mass-gram", "l": "volume-liter", "ml": "volume-milliliter", "min": "duration-minute",
    "kW": "power-kilowatt", "W": "power-watt", "MB": "digital-megabyte", "GB": "digital-gigabyte", "°": "angle-degree",
    "°C": "temperature-celsius", "%": "concentr-percent",
}  # fmt: skip
_MONEY = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "₽": "RUB", "₩": "KRW", "EUR": "EUR", "USD": "USD",
          "zł": "PLN", "Kč": "CZK", "₴": "UAH", "₺": "TRY", "R$": "BRL", "Ft": "HUF"}  # fmt: skip


@cache
def make(language: str) -> Grammar:
    """The conventions of a language (tag) as far as the libraries know them."""
    locale = _locale(language)
    speller = _num2words(language) or _rbnf(language)
    say = speller or str
    conventions = _conventions(locale, say) if locale else {}
    return Grammar(
        tag=language,
        cardinal=lambda number: say(number),
        point="",
        decimal_words=(lambda written: say(Decimal(written))) if speller else None,
        minus=_minus(say) if speller else "",
        to="—",
        spaceless=language.split("-")[0] in _SPACELESS,
        **conventions,
    )


def _num2words(language: str) -> Callable[[int | Decimal], str] | None:
    from num2words import CONVERTER_CLASSES, num2words

    code = _NUM2WORDS.get(language, language if language in CONVERTER_CLASSES else language.split("-")[0])
    if code not in CONVERTER_CLASSES:
        return None

    def say(number: int | Decimal) -> str:
        spelled = num2words(number, lang=code)
        return spelled.replace(" punto ", " coma ") if code == "es" else spelled

    return _safely(say) if _counts(say) else None


def _rbnf(language: str) -> Callable[[int | Decimal], str] | None:
    from unicode_rbnf import RbnfEngine

    code = _CLDR.get(language, language.split("-")[0])
    if code not in RbnfEngine.get_supported_languages():
        return None
    engine = RbnfEngine.for_language(code)

    def say(number: int | Decimal) -> str:
        return engine.format_number(number).text

    return _safely(say) if _counts(say) else None


def _safely(say: Callable[[int | Decimal], str]) -> Callable[[int | Decimal], str]:
    """Numbers that a library knows no words for are read digit by digit."""

    def spell(number: int | Decimal) -> str:
        try:
            spelled = say(number)
        except Exception:
            spelled = ""
        if spelled and not any(char.isdigit() for char in spelled):
            return spelled
        return " ".join(say(int(char)) for char in str(number) if char.isdigit())

    return spell


def _counts(say: Callable[[int | Decimal], str]) -> bool:
    """Whether a library really counts in the language: some raise for parts of it, each in its own way."""
    try:
        said = [say(n) for n in (0, 1, 9, 12, 21, 345, 6789, 10**6, 10**12, Decimal("3.14"))]
    except Exception:
        return False
    return all(said) and not any(char.isdigit() for text in said for char in text)


def _minus(say: Callable[[int], str]) -> str:
    """The word for minus: what "-5" has that "5" has not."""
    try:
        negative, positive = say(-5), say(5)
    except Exception:
        return "minus"
    return negative.replace(positive, "").strip() or "minus"


def _locale(language: str):
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(_BABEL.get(language, language.split("-")[0]))
    except (UnknownLocaleError, ValueError):
        return None


def _conventions(locale, say: Callable[[int], str]) -> dict:
    """Separators, units, currencies and dates of a CLDR locale."""
    symbols = locale.number_symbols.get("latn", {})
    units = {}
    for short, unit in _UNITS.items():
        if forms := _unit(locale, unit, say):
            units |= {short: forms, _short(locale, unit) or short: forms}
    joint = locale.list_patterns.get("standard", {}).get("2", "")
    signs = {"&": joint.replace("{0}", "").replace("{1}", "").strip(), "%": units.get("%", ("", ""))[1], "+": "plus"}
    group = symbols.get("group", ",")
    return {
        "decimal": symbols.get("decimal", "."),
        "groups": " " if group.isspace() else group,
        "units": units,
        "currencies": _currencies(locale, say),
        "symbols": {sign: word for sign, word in signs.items() if word},
        "date": lambda day, month, year, before: _date(locale, day, month, year),
    }


def _unit(locale, unit: str, say: Callable[[int], str]) -> tuple[str, str] | None:
    from babel.units import UnknownUnitError, format_unit

    try:
        one, many = (format_unit(n, unit, length="long", locale=locale) for n in (1, 5))
    except UnknownUnitError:
        return None
    name = re.sub(r"[\d\s\u200e\u200f]*\d[\s\u200e\u200f]*", "", many).strip()
    if not any(char.isalpha() for char in name) or name == unit:
        return None
    return re.sub(r"\d", lambda _: f" {_one(say)} ", one).strip(), name


def _one(say: Callable[[int], str]) -> str:
    """As it stands before a noun: Spanish and Italian shorten uno."""
    return "un" if say(1) == "uno" else say(1)


def _short(locale, unit: str) -> str:
    """The local abbreviation, "км", when it is one."""
    from babel.units import format_unit

    short = re.sub(r"[\d\s.\u200e\u200f]", "", format_unit(5, unit, length="short", locale=locale))
    return short if len(short) < 6 and short != unit else ""


def _currencies(locale, say: Callable[[int], str]) -> dict[str, Money]:
    from babel.numbers import get_currency_name

    found = {}
    for sign, code in _MONEY.items():
        one, many = (get_currency_name(code, count=count, locale=locale) for count in (1, 5))
        if many != code:  # the locale has a name for it
            found[sign] = Money(f"{_one(say)} {one}", many)
    return found


def _date(locale, day: int, month: int, year: int) -> str | None:
    from babel.dates import format_date

    try:
        written = format_date(datetime.date(year, month, day), "long", locale=locale)
    except ValueError:
        return None  # 31 February
    return re.sub(r"\s[гр]\.$", "", written)  # the numbers in it are said by the rules that follow
