"""German as it is written and read aloud."""

# ruff: noqa: E501, SIM905 - tables of words
from __future__ import annotations

from num2words import num2words

from frontend.normalize.grammar import Grammar, Money

MONTHS = tuple("Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split())
_SHORT = {
    "Jan": 1,
    "Feb": 2,
    "Mär": 3,
    "Mrz": 3,
    "Apr": 4,
    "Jun": 6,
    "Jul": 7,
    "Aug": 8,
    "Sep": 9,
    "Sept": 9,
    "Okt": 10,
    "Nov": 11,
    "Dez": 12,
}
# What an ordinal ends in after these words.
_N = set("am dem den des im vom zum zur beim vor nach seit ab bis einem eines einer meinem seinem ihrem unserem diesem diesen "
         "keinem jedem jeden jedes seinen ihren meinen unseren deren".split())  # fmt: skip
_E = set("der die das diese dieses jede welche".split())


def cardinal(number: int) -> str:
    return num2words(number, lang="de")


def ordinal(number: int, before: str = "") -> str:
    """With the ending that the word before asks for: der dritte, am dritten, ein dritter."""
    ending = "n" if before.lower() in _N else "" if before.lower() in _E else "r"
    return num2words(number, lang="de", to="ordinal").lower() + ending


def year(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    if number >= 2000:
        return cardinal(number)
    return f"{cardinal(hundreds)}hundert{cardinal(rest) if rest else ''}"


def _date(day: int, month: int, year_number: int | None, before: str) -> str:
    said = f"{ordinal(day, before)} {MONTHS[month - 1]}"
    if year_number is None:
        return said
    return f"{said} {year(year_number) if 1100 <= year_number <= 2099 else cardinal(year_number)}"


def _time(hour: int, minute: int) -> str:
    said = "ein Uhr" if hour == 1 else f"{cardinal(hour)} Uhr"
    return f"{said} {cardinal(minute)}" if minute else said


def _fraction(top: int, bottom: int) -> str | None:
    if not 2 <= bottom <= 20:
        return None
    if bottom == 2:
        return "ein halb" if top == 1 else f"{cardinal(top)} halbe"
    name = num2words(bottom, lang="de", to="ordinal").lower().removesuffix("te") + "tel"
    name = "Viertel" if bottom == 4 else "Drittel" if bottom == 3 else name.capitalize()
    return f"{'ein' if top == 1 else cardinal(top)} {name}"


def _der(one: str, many: str | None = None) -> tuple[str, str]:
    return f"ein {one}", many or one


def _die(one: str, many: str) -> tuple[str, str]:
    return f"eine {one}", many


_UNITS = {
    "km": _der("Kilometer"), "m": _der("Meter"), "cm": _der("Zentimeter"), "mm": _der("Millimeter"), "µm": _der("Mikrometer"),
    "nm": _der("Nanometer"), "km²": _der("Quadratkilometer"), "m²": _der("Quadratmeter"), "qm": _der("Quadratmeter"),
    "cm²": _der("Quadratzentimeter"), "m³": _der("Kubikmeter"), "cm³": _der("Kubikzentimeter"),
    "km/h": ("ein Kilometer pro Stunde", "Kilometer pro Stunde"), "m/s": ("ein Meter pro Sekunde", "Meter pro Sekunde"),
    "kg": _der("Kilogramm"), "g": _der("Gramm"), "mg": _der("Milligramm"), "t": _die("Tonne", "Tonnen"), "l": _der("Liter"),
    "ml": _der("Milliliter"), "h": _die("Stunde", "Stunden"), "Std.": _die("Stunde", "Stunden"), "min": _die("Minute", "Minuten"),
    "Min.": _die("Minute", "Minuten"), "s": _die("Sekunde", "Sekunden"), "Sek.": _die("Sekunde", "Sekunden"),
    "ms": _die("Millisekunde", "Millisekunden"), "Hz": _der("Hertz"), "kHz": _der("Kilohertz"), "MHz": _der("Megahertz"),
    "GHz": _der("Gigahertz"), "W": _der("Watt"), "kW": _der("Kilowatt"), "MW": _der("Megawatt"),
    "kWh": _die("Kilowattstunde", "Kilowattstunden"), "PS": ("ein PS", "P S"), "V": _der("Volt"), "A": _der("Ampere"),
    "kB": _der("Kilobyte"), "MB": _der("Megabyte"), "GB": _der("Gigabyte"), "TB": _der("Terabyte"), "dB": _der("Dezibel"),
    "ha": _der("Hektar"), "kcal": _die("Kilokalorie", "Kilokalorien"), "%": _der("Prozent"), "‰": _der("Promille"),
    "°": _der("Grad"), "°C": ("ein Grad Celsius", "Grad Celsius"), "°F": ("ein Grad Fahrenheit", "Grad Fahrenheit"),
    "Uhr": _der("Uhr"), "Euro": _der("Euro"), "Mio.": _die("Million", "Millionen"), "Mrd.": _die("Milliarde", "Milliarden"),
}  # fmt: skip

_EURO = Money("ein Euro", "Euro", "ein Cent", "Cent")
_DOLLAR = Money("ein Dollar", "Dollar", "ein Cent", "Cent")
_FRANKEN = Money("ein Franken", "Franken", "ein Rappen", "Rappen")
_MAGNITUDES = {"Mio.": "Millionen", "Mio": "Millionen", "Mrd.": "Milliarden", "Mrd": "Milliarden", "Tsd.": "Tausend"}
_MAGNITUDES |= {m: m for m in ("Million", "Millionen", "Milliarde", "Milliarden", "Billionen", "Tausend", "tausend")}

GRAMMAR = Grammar(
    tag="de",
    cardinal=cardinal,
    ordinal=ordinal,
    year=year,
    decimal=",",
    groups=". '",
    point="Komma",
    minus="minus",
    to="bis",
    symbols={
        "%": "Prozent", "&": "und", "+": "plus", "=": "gleich", "$": "Dollar", "€": "Euro", "£": "Pfund", "¥": "Yen", "@": "ätt",
        "#": "Raute", "°": "Grad", "×": "mal", "÷": "geteilt durch", "§": "Paragraf", "±": "plus minus", "<": "kleiner als",
        ">": "größer als", "≤": "höchstens", "≥": "mindestens", "≈": "ungefähr", "√": "Wurzel", "∞": "unendlich",
        "²": "hoch zwei", "³": "hoch drei", "‰": "Promille", "№": "Nummer", "−": "minus",
    },
    units=_UNITS,
    currencies={
        "€": _EURO, "EUR": _EURO, "$": _DOLLAR, "US$": _DOLLAR, "USD": _DOLLAR, "£": Money("ein Pfund", "Pfund", "ein Penny", "Pence"),
        "CHF": _FRANKEN, "Fr.": _FRANKEN, "¥": Money("ein Yen", "Yen"), "DM": Money("eine D-Mark", "D-Mark", "ein Pfennig", "Pfennig"),
        "₽": Money("ein Rubel", "Rubel"),
    },
    magnitudes=_MAGNITUDES,
    money="{amount} {unit} {cents}",
    months=MONTHS,
    month_abbreviations=_SHORT,
    date=_date,
    short_date=True,
    day=lambda day, before: ordinal(day, before),
    written_day=r"\d{1,2}\.",
    time=_time,
    clock="Uhr|h",
    time_separator=":.",
    ordinal_pattern=r"\.(?=\s+[^\W\d_]|\s?[/–-]\s?\d+\.)",
    ordinal_form=lambda number, suffix, before: ordinal(number, before or "der"),
    abbreviations={
        "z.B.": "zum Beispiel", "z. B.": "zum Beispiel", "d.h.": "das heißt", "d. h.": "das heißt", "u.a.": "unter anderem",
        "u. a.": "unter anderem", "usw.": "und so weiter", "bzw.": "beziehungsweise", "ca.": "circa", "vgl.": "vergleiche",
        "Dr.": "Doktor", "Prof.": "Professor", "Hr.": "Herr", "Hrn.": "Herrn", "Fr.": "Frau", "Nr.": "Nummer", "Str.": "Straße",
        "St.": "Sankt", "evtl.": "eventuell", "ggf.": "gegebenenfalls", "inkl.": "inklusive", "exkl.": "exklusive",
        "zzgl.": "zuzüglich", "bspw.": "beispielsweise", "sog.": "sogenannte", "geb.": "geboren", "gest.": "gestorben",
        "Tel.": "Telefon", "Abb.": "Abbildung", "Abs.": "Absatz", "Art.": "Artikel", "Bd.": "Band", "Kap.": "Kapitel", "S.": "Seite",
        "o.ä.": "oder ähnliches", "o. Ä.": "oder Ähnliches", "i.d.R.": "in der Regel", "i. d. R.": "in der Regel", "z.T.": "zum Teil",
        "z. T.": "zum Teil", "u.U.": "unter Umständen", "v.a.": "vor allem", "v. a.": "vor allem", "max.": "maximal",
        "min.": "minimal", "Mio.": "Millionen", "Mrd.": "Milliarden", "Std.": "Stunden", "Min.": "Minuten", "Dipl.-Ing.":
        "Diplomingenieur", "e.V.": "E Vau", "n. Chr.": "nach Christus", "v. Chr.": "vor Christus", "GmbH": "G M B H",
        "jr.": "junior", "sen.": "senior", "bzgl.": "bezüglich", "etc.": "et cetera", "Hbf.": "Hauptbahnhof", "Hbf": "Hauptbahnhof",
        "wg.": "wegen", "vs.": "versus", "ff.": "fortfolgende", "Hl.": "Heilige", "Jh.": "Jahrhundert", "Mo.": "Montag",
        "Fa.": "Firma", "Co.": "Co",
    },
    contextual=(
        (r"§§", "Paragrafen "),
        (r"(\w*[a-zäöüß])str\.", r"\1straße"),
        (r"(?<=\d)\s?/\s?(?=\d{4}\b)", " "),
        (r"\bS\.(?=\s?[A-ZÄÖÜ])", "S "),
        (r"#(?=\d)", "Nummer "),
    ),
    letters={"V": "vau"},
    letter_words=frozenset(),
    said={"NATO": "Nato", "NASA": "Nasa", "UNO": "Uno", "DAX": "Dax", "TÜV": "Tüff", "RAM": "Ram", "SIM": "Sim", "PIN": "Pin",
          "OPEC": "Opec", "UNESCO": "Unesco", "AIDS": "Aids", "BAföG": "Bafög", "OK": "okay", "ICE": "I C E", "SUV": "S U Vau"},
    regnal=frozenset("Ludwig Heinrich Karl Friedrich Wilhelm Otto Elisabeth Georg Johann Leopold Maximilian Pius Paul Johannes "
                     "Leo Benedikt Alexander Nikolaus Peter Katharina Napoleon Philipp Franz Christian Gustav August Konrad "
                     "Ferdinand Joseph Rudolf Albrecht Margarethe Richard Eduard Innozenz Gregor Urban Ramses".split()),
    regnal_form=lambda number: f"der {ordinal(number, 'der').capitalize()}",
    roman_suffix=r"(?<=[IVX][IVX])\.(?=\s+[^\W\d_])",
    numbered=frozenset("Kapitel Teil Band Akt Szene Abschnitt Klasse Phase Weltkrieg Stufe Typ Artikel Tabelle Buch Anlage".split()),
    fraction=_fraction,
    web={".": "Punkt", "/": "Schrägstrich", "@": "ätt", "-": "minus", "_": "Unterstrich", ":": "Doppelpunkt", "?": "Fragezeichen",
         "#": "Raute", "&": "und", "=": "gleich", "%": "Prozent", "+": "plus", "~": "Tilde"},
)  # fmt: skip
