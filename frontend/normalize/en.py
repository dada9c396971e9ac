"""English as it is written and read aloud: American, and British for every tag that is not of America."""

# ruff: noqa: E501, SIM905 - tables of words
from __future__ import annotations

from dataclasses import replace

from num2words import num2words

from frontend.normalize.grammar import Grammar, Money

MONTHS = tuple("January February March April May June July August September October November December".split())
_SHORT = {
    "Jan": 1,
    "Feb": 2,
    "Mar": 3,
    "Apr": 4,
    "Jun": 6,
    "Jul": 7,
    "Aug": 8,
    "Sep": 9,
    "Sept": 9,
    "Oct": 10,
    "Nov": 11,
    "Dec": 12,
}


def cardinal(number: int) -> str:
    return num2words(number, lang="en").replace(",", "").replace(" and ", " ")


def ordinal(number: int) -> str:
    return num2words(number, lang="en", to="ordinal").replace(",", "").replace(" and ", " ")


def year(number: int) -> str:
    return num2words(number, lang="en", to="year").replace(" and ", " ")


def _date(day: int, month: int, year_number: int, before: str) -> str:
    return f"{MONTHS[month - 1]} {ordinal(day)} {_full_year(year_number)}"


def _full_year(number: int) -> str:
    return year(number) if 1100 <= number <= 2099 else cardinal(number)


def _the(day: int, before: str) -> str:
    return ordinal(day) if before == "the" else f"the {ordinal(day)}"


def _time(hour: int, minute: int) -> str:
    if minute == 0:
        return f"{cardinal(hour)} o'clock" if 0 < hour <= 12 else f"{cardinal(hour)} hundred"
    return f"{cardinal(hour)} {cardinal(minute) if minute > 9 else 'oh ' + cardinal(minute)}"


def _ordinal_form(number: int, suffix: str, before: str, after: str) -> str:
    if suffix.lstrip("'") == "s":  # the 1990s
        tens = year(number) if 1100 <= number <= 2099 else cardinal(number)
        return tens[:-1] + "ies" if tens.endswith("y") else tens + "s"
    return ordinal(number)


def _fraction(top: int, bottom: int) -> str | None:
    names = {2: ("half", "halves"), 4: ("quarter", "quarters")}
    if not 2 <= bottom <= 20 or top >= bottom:
        return None
    one, many = names.get(bottom) or (ordinal(bottom), ordinal(bottom) + "s")
    return f"{cardinal(top)} {one if top == 1 else many}"


def _plain(one: str, many: str | None = None) -> tuple[str, str]:
    return f"one {one}", many or one + "s"


_UNITS = {
    "km": _plain("kilometer"), "m": _plain("meter"), "cm": _plain("centimeter"), "mm": _plain("millimeter"),
    "µm": _plain("micrometer"), "nm": _plain("nanometer"), "km²": _plain("square kilometer"), "m²": _plain("square meter"),
    "m³": _plain("cubic meter"), "cm²": _plain("square centimeter"), "cm³": _plain("cubic centimeter"),
    "mi": _plain("mile"), "ft": _plain("foot", "feet"), "yd": _plain("yard"), "mph": _plain("mile per hour", "miles per hour"),
    "km/h": _plain("kilometer per hour", "kilometers per hour"), "m/s": _plain("meter per second", "meters per second"),
    "kg": _plain("kilogram"), "g": _plain("gram"), "mg": _plain("milligram"), "lb": _plain("pound"), "lbs": _plain("pound"),
    "oz": _plain("ounce"), "l": _plain("liter"), "L": _plain("liter"), "ml": _plain("milliliter"), "mL": _plain("milliliter"),
    "h": _plain("hour"), "hrs": _plain("hour"), "hr": _plain("hour"), "min": _plain("minute"), "sec": _plain("second"),
    "s": _plain("second"), "ms": _plain("millisecond"), "Hz": _plain("hertz", "hertz"), "kHz": _plain("kilohertz", "kilohertz"),
    "MHz": _plain("megahertz", "megahertz"), "GHz": _plain("gigahertz", "gigahertz"), "W": _plain("watt"),
    "kW": _plain("kilowatt"), "MW": _plain("megawatt"), "kWh": _plain("kilowatt hour"), "V": _plain("volt"),
    "A": _plain("ampere"), "KB": _plain("kilobyte"), "MB": _plain("megabyte"), "GB": _plain("gigabyte"),
    "TB": _plain("terabyte"), "dB": _plain("decibel"), "ha": _plain("hectare"), "kcal": _plain("kilocalorie"),
    "%": _plain("percent", "percent"), "‰": _plain("per mille", "per mille"), "°": _plain("degree"),
    "°C": _plain("degree Celsius", "degrees Celsius"), "°F": _plain("degree Fahrenheit", "degrees Fahrenheit"),
    "am": ("one eigh M", "eigh M"), "pm": ("one P M", "P M"), "a.m.": ("one eigh M", "eigh M"), "p.m.": ("one P M", "P M"),
    "AM": ("one eigh M", "eigh M"), "PM": ("one P M", "P M"), "k": ("one thousand", "thousand"),
}  # fmt: skip

_DOLLAR = Money("one dollar", "dollars", "one cent", "cents")
_POUND = Money("one pound", "pounds", "one penny", "pence")
_EURO = Money("one euro", "euros", "one cent", "cents")
_YEN = Money("one yen", "yen")
_CURRENCIES = {
    "$": _DOLLAR, "US$": _DOLLAR, "USD": _DOLLAR, "€": _EURO, "EUR": _EURO, "£": _POUND, "GBP": _POUND, "¥": _YEN, "JPY": _YEN,
    "CHF": Money("one Swiss franc", "Swiss francs"), "₹": Money("one rupee", "rupees"), "₽": Money("one ruble", "rubles"),
    "₩": Money("one won", "won"), "₿": Money("one bitcoin", "bitcoins"), "¢": Money("one cent", "cents"),
}  # fmt: skip
_MAGNITUDES = {m: m for m in ("million", "billion", "trillion", "thousand", "hundred")}
_MAGNITUDES |= {"m": "million", "M": "million", "bn": "billion", "B": "billion", "k": "thousand", "K": "thousand"}

GRAMMAR = Grammar(
    tag="en",
    cardinal=cardinal,
    ordinal=ordinal,
    year=year,
    decimal=".",
    groups=",",
    point="point",
    minus="minus",
    to="to",
    symbols={
        "%": "percent", "&": "and", "+": "plus", "=": "equals", "$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "@": "at",
        "#": "hash", "°": "degrees", "×": "times", "÷": "divided by", "§": "section", "±": "plus minus", "<": "less than",
        ">": "greater than", "≤": "at most", "≥": "at least", "≈": "about", "√": "root", "∞": "infinity", "²": "squared",
        "³": "cubed", "‰": "per mille", "¢": "cent", "№": "number", "−": "minus",
    },
    units=_UNITS,
    currencies=_CURRENCIES,
    magnitudes=_MAGNITUDES,
    money="{amount} {unit} and {cents} {cent}",
    months=MONTHS,
    month_abbreviations=_SHORT,
    month_first=True,
    day_last=True,
    date=_date,
    day=lambda day, before: ordinal(day),
    day_first=_the,
    of="of",
    written_day=r"\d{1,2}(?:st|nd|rd|th)?",
    time=_time,
    clock=r"[aApP]\.?[mM]\.?",
    ordinal_pattern=r"(?:st|nd|rd|th|ST|ND|RD|TH|(?:(?<=\d0)|(?<=\d{4}))'?s)(?![^\W_])",
    ordinal_form=_ordinal_form,
    abbreviations={
        "Mr.": "mister", "Mr": "mister", "Mrs.": "missus", "Mrs": "missus", "Ms.": "miz", "Ms": "miz", "Dr.": "doctor", "Dr": "doctor",
        "Prof.": "professor", "Jr.": "junior", "Sr.": "senior", "Rev.": "reverend", "Hon.": "honorable", "Gen.": "general",
        "Col.": "colonel", "Lt.": "lieutenant", "Sgt.": "sergeant", "Capt.": "captain", "Gov.": "governor", "Sen.": "senator",
        "Rep.": "representative", "Pres.": "president", "Mt.": "mount", "Ft.": "fort", "Ave.": "avenue", "Blvd.": "boulevard",
        "Rd.": "road", "Inc.": "incorporated", "Ltd.": "limited", "Co.": "company", "Corp.": "corporation", "Dept.": "department",
        "etc.": "et cetera", "e.g.": "for example", "i.e.": "that is", "vs.": "versus", "vs": "versus", "approx.": "approximately",
        "est.": "established", "fig.": "figure", "vol.": "volume", "ch.": "chapter", "ed.": "edition", "cf.": "compare",
        "w/": "with", "w/o": "without", "a.k.a.": "also known as", "Messrs.": "messieurs", "Mme.": "madame",
    },
    contextual=(
        (r"\bSt\.(?=\s[A-Z])", "Saint"),
        (r"(?<=\w )St\.", "Street"),
        (r"\b[Nn]os\.(?=\s?\d)", "numbers"),
        (r"\b[Nn]o\.(?=\s?\d)", "number"),
        (r"\bpp\.(?=\s?\d)", "pages"),
        (r"\bp\.(?=\s?\d)", "page"),
        (r"#(?=\d)", "number "),
        (r"\b9/11\b", "9 11"),
        (r"\b(\d)'(\d{1,2})(?:\"|'')", r"\1 foot \2"),
        (r"(?<=\d)\"(?=\s|$)", " inches"),
    ),
    letters={"A": "eigh", "I": "eye"},
    letter_words=frozenset({"A", "I", "O"}),
    said={"OK": "okay", "AIDS": "aids", "VIP": "V I P", "NASA": "nasa", "NATO": "nato", "GIF": "gif", "LASER": "laser", "RAM": "ram",
          "ROM": "rom", "SIM": "sim", "PIN": "pin", "ZIP": "zip", "UFO": "U F O", "LED": "L E D", "ASAP": "eigh S eigh P",
          "JPEG": "jay peg", "FAQ": "F eigh Q", "IRA": "I R eigh", "MIDI": "middy", "AM": "eigh M", "IT": "eye T", "US": "U S"},
    regnal=frozenset("Louis Henry Charles George Edward William James Elizabeth Richard Philip Catherine Napoleon Pius Paul "
                     "John Leo Benedict Alexander Nicholas Frederick Peter Wilhelm Leopold Ferdinand Innocent Gregory Clement "
                     "Urban Ramses Ptolemy Mary Margaret Francis Christian Gustav".split()),
    regnal_form=lambda number: f"the {ordinal(number)}",
    numbered=frozenset("chapter part volume act scene section war book phase type class grade level article figure table title "
                       "appendix stage unit episode round".split()),
    fraction=_fraction,
    half=lambda whole: f"{cardinal(whole)} and a half",
    web={".": "dot", "/": "slash", "@": "at", "-": "dash", "_": "underscore", ":": "colon", "?": "question mark", "#": "hash",
         "&": "and", "=": "equals", "%": "percent", "+": "plus", "~": "tilde"},
)  # fmt: skip


def _british(number: int, to: str = "cardinal") -> str:
    return num2words(number, lang="en", to=to).replace(",", "")


def _british_year(number: int) -> str:
    return _british(number, "year")


def _british_date(day: int, month: int, year_number: int, before: str) -> str:
    said = _british_year(year_number) if 1100 <= year_number <= 2099 else _british(year_number)
    return f"{_the(day, before)} of {MONTHS[month - 1]} {said}"


def _british_ordinal_form(number: int, suffix: str, before: str, after: str) -> str:
    is_ordinal = suffix.lstrip("'") != "s"
    return _british(number, "ordinal") if is_ordinal else _ordinal_form(number, suffix, before, after)


BRITISH = replace(
    GRAMMAR,
    tag="en-gb",
    cardinal=_british,
    ordinal=lambda number: _british(number, "ordinal"),
    year=_british_year,
    month_first=False,
    date=_british_date,
    day=_the,
    ordinal_form=_british_ordinal_form,
    half=lambda whole: f"{_british(whole)} and a half",
)


def region(tag: str) -> Grammar:
    """The conventions of a tag: ``en``, ``en-us`` and their dialects are American."""
    return GRAMMAR if tag == "en" or tag.startswith("en-us") else BRITISH
