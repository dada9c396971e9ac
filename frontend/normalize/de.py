"""German as it is written and read aloud."""

# ruff: noqa: E501, SIM905 - tables of words
from __future__ import annotations

import re

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
_E = set("der die das diese dieses jede welche eine keine meine deine seine ihre unsere".split())
_DATIVE = set("vor nach seit mit von bei aus zu in ab binnen".split())
# Nouns with "eine" and "in der siebten": the endings tell most of them.
_FEMININE = re.compile(r"(?:ung|heit|keit|schaft|(?<!stad)ion|tät|erei|frau|person|liga|stadt|nacht|hand|welt|wahl|fahrt|million|schicht|e)$")
_NOT_FEMININE = re.compile(
    r"(?:(?<!leg)ende|name|auge|interesse|gebäude|getränke|gemüse|käse|junge|(?<![eru])kunde|kollege|experte|buchstabe|gedanke|"
    r"beamte|deutsche|abgeordnete|delegierte|angestellte|verletzte|tote|erwachsene|sprung|schwung)$"
)
# Nouns that a number names: Gleis 1, Platz 1.
_NUMBERED = frozenset("Kapitel Teil Band Akt Szene Abschnitt Klasse Phase Weltkrieg Stufe Typ Artikel Tabelle Buch Anlage".split())
_LABELS = _NUMBERED | set("Nummer Platz Gleis Zimmer Raum Halle Seite Punkt Frage Spiel Spieltag Runde Gruppe Haus Linie Tor Block Level "
                          "Version Variante Option Aufgabe Übung Lektion Satz Station Kanal Programm Ebene Etage Paragraf Absatz "
                          "Abbildung Liga Formel Terminal Ausfahrt Position Rang Tag Woche".split())  # fmt: skip


def _is_feminine(noun: str) -> bool:
    return noun[:1].isupper() and bool(_FEMININE.search(noun.lower())) and not _NOT_FEMININE.search(noun.lower())


def cardinal(number: int) -> str:
    return num2words(number, lang="de")


def ordinal(number: int, before: str = "", after: str = "") -> str:
    """With the ending that the words around it ask for: der dritte, am dritten, in der dritten Woche, ein dritter."""
    word, is_feminine = before.lower(), _is_feminine(after)
    if word in _N or (word == "der" and is_feminine):
        ending = "n"
    else:
        ending = "" if word in _E or (is_feminine and word not in _DATIVE) else "r"
    return num2words(number, lang="de", to="ordinal").lower() + ending


def _ordinal_form(number: int, suffix: str, before: str, after: str) -> str:
    if suffix.startswith("er"):  # 90er, 1990er
        return (year(number) if 1100 <= number <= 2099 else cardinal(number)) + suffix
    return ordinal(number, before or "die", after)


def _agree(number: int, noun: str, before: str) -> str:
    """ein Tag, eine Stunde, vor einem Jahr; Gleis eins."""
    if number != 1 or not noun[0].isupper() or before in _LABELS or (len(before) == 1 and before.isupper()):
        return cardinal(number)
    said = "eine" if _is_feminine(noun) else "ein"
    if before.lower() in _DATIVE:
        return "einer" if said == "eine" else "einem"
    return said


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
    if not 2 <= bottom <= 20 or top >= bottom:
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
    "ha": _der("Hektar"), "St.": _der("Stück"), "kcal": _die("Kilokalorie", "Kilokalorien"), "%": _der("Prozent"), "‰": _der("Promille"),
    "°": _der("Grad"), "°C": ("ein Grad Celsius", "Grad Celsius"), "°F": ("ein Grad Fahrenheit", "Grad Fahrenheit"),
    "Uhr": _der("Uhr"), "Euro": _der("Euro"), "Mio.": _die("Million", "Millionen"), "Mrd.": _die("Milliarde", "Milliarden"),
}  # fmt: skip

_EURO = Money("ein Euro", "Euro", "ein Cent", "Cent")
_DOLLAR = Money("ein Dollar", "Dollar", "ein Cent", "Cent")
_FRANKEN = Money("ein Franken", "Franken", "ein Rappen", "Rappen")
_MAGNITUDES = {"Mio.": "Millionen", "Mio": "Millionen", "Mrd.": "Milliarden", "Mrd": "Milliarden", "Tsd.": "Tausend", "k": "Tausend"}
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
    one_magnitude={"Millionen": "eine Million", "Milliarden": "eine Milliarde", "Tausend": "eintausend"},
    money="{amount} {unit} {cents}",
    agree=_agree,
    months=MONTHS,
    month_abbreviations=_SHORT,
    date=_date,
    short_date=True,
    day=lambda day, before: ordinal(day, before),
    written_day=r"\d{1,2}\.",
    weekdays={"Mo": "Montag", "Di": "Dienstag", "Mi": "Mittwoch", "Do": "Donnerstag", "Fr": "Freitag", "Sa": "Samstag", "So": "Sonntag"},
    weekday_before=r"(?:[Aa]m|bis|ab|vom|jeden|nächsten|letzten|kommenden)",
    weekday_after=r",? (?:um|den|\d{1,2}(?::\d\d|\.\s|\.(?:0?[1-9]|1[0-2])\.|\s?Uhr))",
    time=_time,
    clock="Uhr|h",
    time_separator="[:.]",
    ordinal_pattern=r"(?:\.(?=\s+[^\W\d_]|\s?[/–-]\s?\d+\.)|er[ns]?(?![^\W_]))",
    ordinal_form=_ordinal_form,
    joins=frozenset(("und", "oder", "bis", "sowie")),
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
        "wg.": "wegen", "vs.": "versus", "ff.": "fortfolgende", "Hl.": "Heilige", "Jh.": "Jahrhundert",
        "MwSt.": "Mehrwertsteuer", "MwSt": "Mehrwertsteuer", "i.A.": "im Auftrag", "i. A.": "im Auftrag", "z.Hd.": "zu Händen", "z. Hd.":
        "zu Händen", "s.o.": "siehe oben", "s. o.": "siehe oben", "s.u.": "siehe unten", "s. u.": "siehe unten", "o.g.": "oben genannt",
        "o. g.": "oben genannt", "z.Zt.": "zurzeit", "z. Zt.": "zurzeit", "m.E.": "meines Erachtens", "m. E.": "meines Erachtens",
        "i.H.v.": "in Höhe von", "u.v.m.": "und vieles mehr", "a.D.": "außer Dienst", "Mio": "Millionen", "Mrd": "Milliarden",
        "Fa.": "Firma", "Co.": "Co",
    },
    contextual=(
        (r"§§", "Paragrafen "),
        (r"(\w*[a-zäöüß])str\.", r"\1straße"),
        (r"(?<=\d)\s?/\s?(?=\d{4}\b)", " "),
        (r"\bS\.(?=\s?[A-ZÄÖÜ])", "S "),
        (r"#(?=\d)", "Nummer "),
        (r"\b[nN](?:°|r\.?)(?=\s?\d)", "Nummer"),
        (r"\bFr\.(?=\s?\d)", "CHF"),
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
    numbered=_NUMBERED,
    fraction=_fraction,
    half=lambda whole: ("ein" if whole == 1 else cardinal(whole)) + "einhalb",
    web={".": "Punkt", "/": "Schrägstrich", "@": "ätt", "-": "minus", "_": "Unterstrich", ":": "Doppelpunkt", "?": "Fragezeichen",
         "#": "Raute", "&": "und", "=": "gleich", "%": "Prozent", "+": "plus", "~": "Tilde"},
)  # fmt: skip
