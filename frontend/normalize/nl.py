"""Dutch as it is written and read aloud."""

# ruff: noqa: E501, SIM905 - tables of words
from __future__ import annotations

from num2words import num2words

from frontend.normalize.grammar import Grammar, Money

MONTHS = tuple("januari februari maart april mei juni juli augustus september oktober november december".split())
_SHORT = {
    "jan": 1,
    "feb": 2,
    "mrt": 3,
    "apr": 4,
    "jun": 6,
    "jul": 7,
    "aug": 8,
    "sep": 9,
    "sept": 9,
    "okt": 10,
    "nov": 11,
    "dec": 12,
}


def cardinal(number: int) -> str:
    said = num2words(number, lang="nl")
    return said if said == "één" else said.replace("éé", "ee")


def ordinal(number: int) -> str:
    return num2words(number, lang="nl", to="ordinal").replace("éé", "ee")


def year(number: int) -> str:
    """1984 is negentien vierentachtig; round hundreds and 2000 on are plain numbers."""
    hundreds, rest = divmod(number, 100)
    if number >= 2000:
        return cardinal(number)
    return (
        f"{cardinal(hundreds)}honderd" if not rest else f"{cardinal(hundreds)}{'honderd' if rest < 10 else ' '}{cardinal(rest)}"
    )


def _date(day: int, month: int, year_number: int, before: str) -> str:
    said = year(year_number) if 1100 <= year_number <= 2099 else cardinal(year_number)
    return f"{cardinal(day)} {MONTHS[month - 1]} {said}"


def _time(hour: int, minute: int) -> str:
    return f"{cardinal(hour)} uur {cardinal(minute)}" if minute else f"{cardinal(hour)} uur"


def _fraction(top: int, bottom: int) -> str | None:
    if not 2 <= bottom <= 20 or top >= bottom:
        return None
    name = {2: "half" if top == 1 else "tweede", 4: "kwart"}.get(bottom) or ordinal(bottom)
    return f"{'een' if top == 1 else cardinal(top)} {name}"


def _same(name: str) -> tuple[str, str]:
    """Measures stay singular after numbers."""
    return f"één {name}", name


_UNITS = {
    "km": _same("kilometer"), "m": _same("meter"), "cm": _same("centimeter"), "mm": _same("millimeter"), "µm": _same("micrometer"),
    "nm": _same("nanometer"), "km²": _same("vierkante kilometer"), "m²": _same("vierkante meter"), "cm²": _same("vierkante centimeter"),
    "m³": _same("kubieke meter"), "cm³": _same("kubieke centimeter"), "km/u": _same("kilometer per uur"),
    "km/h": _same("kilometer per uur"), "m/s": _same("meter per seconde"), "kg": _same("kilogram"), "g": _same("gram"),
    "mg": _same("milligram"), "t": _same("ton"), "l": _same("liter"), "ml": _same("milliliter"), "cl": _same("centiliter"),
    "dl": _same("deciliter"), "u": _same("uur"), "h": _same("uur"), "min": ("één minuut", "minuten"), "min.": ("één minuut", "minuten"),
    "s": ("één seconde", "seconden"), "sec": ("één seconde", "seconden"), "sec.": ("één seconde", "seconden"),
    "ms": ("één milliseconde", "milliseconden"), "Hz": _same("hertz"), "kHz": _same("kilohertz"), "MHz": _same("megahertz"),
    "GHz": _same("gigahertz"), "W": _same("watt"), "kW": _same("kilowatt"), "MW": _same("megawatt"), "kWh": _same("kilowattuur"),
    "V": _same("volt"), "A": _same("ampère"), "kB": _same("kilobyte"), "MB": _same("megabyte"), "GB": _same("gigabyte"),
    "TB": _same("terabyte"), "dB": _same("decibel"), "ha": _same("hectare"), "kcal": ("één kilocalorie", "kilocalorieën"),
    "%": _same("procent"), "‰": _same("promille"), "°": ("één graad", "graden"), "°C": ("één graad Celsius", "graden Celsius"),
    "°F": ("één graad Fahrenheit", "graden Fahrenheit"), "pk": ("één paardenkracht", "paardenkracht"),
}  # fmt: skip

_EURO = Money("één euro", "euro", "één cent", "cent")
_DOLLAR = Money("één dollar", "dollar", "één cent", "cent")
_MAGNITUDES = {"mln.": "miljoen", "mln": "miljoen", "mld.": "miljard", "mld": "miljard"}
_MAGNITUDES |= {m: m for m in ("miljoen", "miljard", "biljoen", "duizend")} | {"k": "duizend"}

GRAMMAR = Grammar(
    tag="nl",
    cardinal=cardinal,
    ordinal=ordinal,
    year=year,
    decimal=",",
    groups=". ",
    point="komma",
    decimals_as_number=True,
    minus="min",
    to="tot",
    symbols={
        "%": "procent", "&": "en", "+": "plus", "=": "is gelijk aan", "$": "dollar", "€": "euro", "£": "pond", "¥": "yen", "@": "et",
        "#": "hekje", "°": "graden", "×": "keer", "÷": "gedeeld door", "§": "paragraaf", "±": "plus minus", "<": "kleiner dan",
        ">": "groter dan", "≤": "hoogstens", "≥": "minstens", "≈": "ongeveer", "√": "wortel", "∞": "oneindig", "²": "kwadraat",
        "³": "tot de derde", "‰": "promille", "№": "nummer", "−": "min",
    },
    units=_UNITS,
    currencies={
        "€": _EURO, "EUR": _EURO, "$": _DOLLAR, "US$": _DOLLAR, "USD": _DOLLAR, "£": Money("één pond", "pond", "één penny", "pence"),
        "¥": Money("één yen", "yen"), "CHF": Money("één Zwitserse frank", "Zwitserse frank"), "₽": Money("één roebel", "roebel"),
    },
    magnitudes=_MAGNITUDES,
    money="{amount} {unit} {cents}",
    months=MONTHS,
    month_abbreviations=_SHORT,
    date=_date,
    day=lambda day, before: cardinal(day),
    written_day=r"\d{1,2}",
    time=_time,
    clock=r"uur|u\.?",
    time_separator=r"[:.]|\s?[uh]\s?",
    ordinal_pattern=r"(?:ste|de|e)(?![^\W_])",
    ordinal_form=lambda number, suffix, before, after: ordinal(number),
    abbreviations={
        "hr.": "heer", "dhr.": "de heer", "mevr.": "mevrouw", "mw.": "mevrouw", "mej.": "mejuffrouw", "dr.": "dokter", "drs.": "doctorandus",
        "ir.": "ingenieur", "ing.": "ingenieur", "mr.": "meester", "prof.": "professor", "ds.": "dominee", "nr.": "nummer",
        "blz.": "bladzijde", "pag.": "pagina", "bijv.": "bijvoorbeeld", "bv.": "bijvoorbeeld", "d.w.z.": "dat wil zeggen",
        "o.a.": "onder andere", "enz.": "enzovoort", "etc.": "et cetera", "m.b.t.": "met betrekking tot", "t.o.v.": "ten opzichte van",
        "t.a.v.": "ter attentie van", "i.p.v.": "in plaats van", "n.a.v.": "naar aanleiding van", "z.g.n.": "zogenaamde",
        "zgn.": "zogenaamde", "resp.": "respectievelijk", "ca.": "circa", "vgl.": "vergelijk", "evt.": "eventueel",
        "incl.": "inclusief", "excl.": "exclusief", "jl.": "jongstleden", "a.s.": "aanstaande", "st.": "sint", "tel.": "telefoon",
        "max.": "maximaal", "min.": "minimaal", "m.a.w.": "met andere woorden", "a.u.b.": "alstublieft", "s.v.p.": "alstublieft",
        "p.p.": "per persoon", "p.j.": "per jaar", "v.Chr.": "voor Christus", "n.Chr.": "na Christus", "N.V.": "en vee",
        "B.V.": "bee vee", "mln.": "miljoen", "mld.": "miljard", "i.v.m.": "in verband met", "afb.": "afbeelding",
        "mln": "miljoen", "mld": "miljard", "t/m": "tot en met", "m.b.v.": "met behulp van", "d.m.v.": "door middel van",
        "n.v.t.": "niet van toepassing", "z.s.m.": "zo snel mogelijk", "o.l.v.": "onder leiding van", "i.s.m.": "in samenwerking met",
        "a.d.h.v.": "aan de hand van", "m.u.v.": "met uitzondering van", "t.b.v.": "ten behoeve van", "o.b.v.": "op basis van",
        "e.d.": "en dergelijke", "e.a.": "en anderen", "b.v.": "bijvoorbeeld", "m.i.": "mijns inziens", "i.h.b.": "in het bijzonder",
    },
    contextual=(
        (r"\b[pP]\.(?=\s?\d)", "pagina"),
        (r"\b(?:[nN](?:°|o\.?)|[nN]r\.?)(?=\s?\d)", "nummer"),
        (r"\b[aA]rt\.(?=\s?\d)", "artikel"),
        (r"\bIJs\b", "ijs"),
        (r"\bWO(?=\s(?:II?|[12])\b)", "Wereldoorlog"),
        (r"#(?=\d)", "nummer "),
    ),
    letters={"A": "aa", "I": "ie", "S": "es", "V": "vee", "W": "wee", "U": "uu"},
    letter_words=frozenset({"U"}),
    said={"NAVO": "navo", "NASA": "nasa", "HAVO": "havo", "OK": "oké", "PIN": "pin", "AOW": "aa oo wee", "VIP": "vip", "SIM": "sim",
          "BTW": "bee tee wee", "NMBS": "en em bee es", "VRT": "vee er tee", "UNESCO": "unesco", "AIDS": "aids", "IJ": "ij"},
    regnal=frozenset("Willem Filips Lodewijk Karel Albert Leopold Hendrik Frederik Napoleon Pius Paulus Johannes Elizabeth Peter "
                     "Boudewijn Benedictus Leo Nicolaas Alexander Christiaan Margaretha Maria Jan Jacoba".split()),
    regnal_form=lambda number: f"de {ordinal(number)}",
    numbered=frozenset("hoofdstuk deel boek akte bedrijf scène klasse fase wereldoorlog artikel tabel bijlage type".split()),
    fraction=_fraction,
    half=lambda whole: "anderhalf" if whole == 1 else f"{cardinal(whole)} en een half",
    web={".": "punt", "/": "slash", "@": "et", "-": "streepje", "_": "underscore", ":": "dubbelepunt", "?": "vraagteken",
         "#": "hekje", "&": "en", "=": "is", "%": "procent", "+": "plus", "~": "tilde"},
)  # fmt: skip
