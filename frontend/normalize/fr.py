"""French as it is written and read aloud."""

# ruff: noqa: E501, SIM905 - tables of words
from __future__ import annotations

import re

from num2words import num2words

from frontend.normalize.grammar import Grammar, Money

MONTHS = tuple("janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split())
_SHORT = {"janv": 1, "févr": 2, "fév": 2, "avr": 4, "juil": 7, "juill": 7, "sept": 9, "oct": 10, "nov": 11, "déc": 12}


def cardinal(number: int) -> str:
    return num2words(number, lang="fr")


def ordinal(number: int) -> str:
    return num2words(number, lang="fr", to="ordinal").replace("vingtsième", "vingtième")


def _day(day: int, before: str) -> str:
    return "premier" if day == 1 else cardinal(day)


def _date(day: int, month: int, year_number: int, before: str) -> str:
    return f"{_day(day, before)} {MONTHS[month - 1]} {cardinal(year_number)}"


def _feminine(number: int) -> str:
    said = cardinal(number)
    return said + "e" if said == "un" or said.endswith(" un") else said


def _time(hour: int, minute: int) -> str:
    said = f"{_feminine(hour)} heure{'s' if hour > 1 else ''}"
    return f"{said} {_feminine(minute)}" if minute else said


# Nouns before which "un" is "une"; the endings tell most of them.
_FEMININE = set("heure minute seconde semaine année journée nuit fois fille femme personne page ligne partie pièce place voiture maison "
                "vie ville question raison chose tonne dizaine douzaine centaine image idée équipe école étoile étape branche tasse "
                "part fleur main mère soeur sœur chambre table porte tête route rue langue lettre feuille carte boîte photo vidéo "
                "chanson classe messe couche marche marque mesure note règle tranche banque usine ferme église livraison goutte "
                "planche jambe oreille dame vache pomme poire orange banane cuillère demande offre réponse phrase syllabe voix "
                "amie calorie kilocalorie milliseconde".split())  # fmt: skip
_FEMININE_END = re.compile(r".(?:[ts]ion|té|ée|ette|elle|esse|[ae]nce|ure|aine|ille|euse|rice|ise|tude|erie|logie)$")
_MASCULINE = set("côté comité comté été traité député arrêté pâté musée lycée trophée squelette silence domaine capitaine mercure mille "
                 "murmure bastion pion scion lampion gorille vermicelle".split())  # fmt: skip


def _agree(number: int, noun: str, before: str) -> str:
    name = noun.lower()
    name = name if name in _FEMININE else name.removesuffix("s")
    is_feminine = name in _FEMININE or (_FEMININE_END.search(name) and name not in _MASCULINE)
    is_label = before.lower() in _LABELS
    return _feminine(number) if is_feminine and not is_label else cardinal(number)


def _ordinal_form(number: int, suffix: str, before: str, after: str) -> str:
    if number == 1:
        return "première" if suffix in ("re", "ère", "ere") else "premier"
    if number == 2 and "d" in suffix:
        return "second" + suffix.partition("d")[2]
    return ordinal(number) + ("s" if suffix.endswith("s") else "")


def _regnal(number: int) -> str:
    return "premier" if number == 1 else cardinal(number)


def _fraction(top: int, bottom: int) -> str | None:
    if not 2 <= bottom <= 20 or top >= bottom:
        return None
    name = {2: "demi", 3: "tiers", 4: "quart"}.get(bottom) or ordinal(bottom)
    return f"{cardinal(top)} {name}{'s' if top > 1 and bottom != 3 else ''}"


def _un(one: str, many: str | None = None) -> tuple[str, str]:
    return f"un {one}", many or one + "s"


def _une(one: str, many: str | None = None) -> tuple[str, str]:
    return f"une {one}", many or one + "s"


_UNITS = {
    "km": _un("kilomètre"), "m": _un("mètre"), "cm": _un("centimètre"), "mm": _un("millimètre"), "µm": _un("micromètre"),
    "nm": _un("nanomètre"), "km²": _un("kilomètre carré", "kilomètres carrés"), "m²": _un("mètre carré", "mètres carrés"),
    "cm²": _un("centimètre carré", "centimètres carrés"), "m³": _un("mètre cube", "mètres cubes"),
    "cm³": _un("centimètre cube", "centimètres cubes"), "km/h": _un("kilomètre heure", "kilomètres heure"),
    "m/s": _un("mètre par seconde", "mètres par seconde"), "kg": _un("kilogramme"), "g": _un("gramme"), "mg": _un("milligramme"),
    "t": _une("tonne"), "l": _un("litre"), "L": _un("litre"), "ml": _un("millilitre"), "cl": _un("centilitre"), "h": _une("heure"),
    "min": _une("minute"), "min.": _une("minute"), "mn": _une("minute"), "s": _une("seconde"), "ms": _une("milliseconde"), "Hz": _un("hertz", "hertz"),
    "kHz": _un("kilohertz", "kilohertz"), "MHz": _un("mégahertz", "mégahertz"), "GHz": _un("gigahertz", "gigahertz"),
    "W": _un("watt"), "kW": _un("kilowatt"), "MW": _un("mégawatt"), "kWh": _un("kilowattheure"), "V": _un("volt"),
    "A": _un("ampère"), "Ko": _un("kilooctet"), "Mo": _un("mégaoctet"), "Go": _un("gigaoctet"), "To": _un("téraoctet"),
    "dB": _un("décibel"), "ha": _un("hectare"), "kcal": _une("kilocalorie"), "%": _un("pour cent", "pour cent"),
    "‰": _un("pour mille", "pour mille"), "°": _un("degré"), "°C": _un("degré Celsius", "degrés Celsius"),
    "°F": _un("degré Fahrenheit", "degrés Fahrenheit"),
}  # fmt: skip

_EURO = Money("un euro", "euros", "un centime", "centimes")
_DOLLAR = Money("un dollar", "dollars", "un cent", "cents")
_MAGNITUDES = {"million": "million d'", "millions": "millions d'", "milliard": "milliard d'", "milliards": "milliards d'",
               "millions d'": "millions d'", "M": "millions d'", "Md": "milliards d'", "Mds": "milliards d'", "mille": "mille",
               "k": "mille"}  # fmt: skip
_NUMBERED = frozenset("chapitre partie tome volume acte scène livre phase classe type article figure tableau annexe stade".split())
_LABELS = _NUMBERED | set("page numéro ligne voie quai salle chambre question exercice".split())

GRAMMAR = Grammar(
    tag="fr",
    cardinal=cardinal,
    ordinal=ordinal,
    decimal=",",
    groups=". ",
    point="virgule",
    decimals_as_number=True,
    minus="moins",
    to="à",
    symbols={
        "%": "pour cent", "&": "et", "+": "plus", "=": "égale", "$": "dollar", "€": "euro", "£": "livre", "¥": "yen", "@": "arobase",
        "#": "dièse", "°": "degrés", "×": "fois", "÷": "divisé par", "§": "paragraphe", "±": "plus ou moins", "<": "inférieur à",
        ">": "supérieur à", "≤": "au plus", "≥": "au moins", "≈": "environ", "√": "racine", "∞": "infini", "²": "au carré",
        "³": "au cube", "‰": "pour mille", "№": "numéro", "−": "moins",
    },
    units=_UNITS,
    currencies={
        "€": _EURO, "EUR": _EURO, "$": _DOLLAR, "US$": _DOLLAR, "USD": _DOLLAR, "£": Money("une livre", "livres", "un penny", "pence"),
        "CHF": Money("un franc suisse", "francs suisses", "un centime", "centimes"), "¥": Money("un yen", "yens"),
        "FF": Money("un franc", "francs", "un centime", "centimes"), "₽": Money("un rouble", "roubles"),
    },
    magnitudes=_MAGNITUDES,
    money="{amount} {unit} {cents}",
    agree=_agree,
    months=MONTHS,
    month_abbreviations=_SHORT,
    date=_date,
    day=_day,
    written_day=r"\d{1,2}(?:er)?",
    time=_time,
    clock=r"h|heures|min(?:utes)?",
    time_separator=r":|\s?[hH]\s?",
    ordinal_pattern=r"(?:ers?|res?|ères?|eres?|èmes?|emes?|es?|n?des?|nds?)(?![^\W_])",
    ordinal_form=_ordinal_form,
    abbreviations={
        "M.": "monsieur", "MM.": "messieurs", "Mme": "madame", "Mmes": "mesdames", "Mlle": "mademoiselle", "Mlles": "mesdemoiselles",
        "Dr": "docteur", "Dr.": "docteur", "Pr": "professeur", "Mgr": "monseigneur", "St": "saint", "Ste": "sainte",
        "etc.": "et cetera", "p.ex.": "par exemple", "p. ex.": "par exemple", "c.-à-d.": "c'est-à-dire", "env.": "environ",
        "av.": "avenue", "bd": "boulevard", "bd.": "boulevard", "tél.": "téléphone", "vol.": "volume", "chap.": "chapitre",
        "fig.": "figure", "hab.": "habitants", "cf.": "confer", "éd.": "édition", "J.-C.": "Jésus-Christ", "av. J.-C.":
        "avant Jésus-Christ", "apr. J.-C.": "après Jésus-Christ", "s.v.p.": "s'il vous plaît", "SVP": "s'il vous plaît",
        "R.-V.": "rendez-vous", "max.": "maximum", "min.": "minimum", "Cie": "compagnie", "vs": "versus",
    },
    contextual=(
        (r"\b[nN](?:°s?|o\.?)(?=\s?\d)", "numéro"),
        (r"(?<=\d) 1/2 (h|heures?|années?|journées?|pages?|tonnes?|tasses?)\b", r" \1 et demie"),
        (r"(?<=\d) 1/2 (ans?|mois|jours?|m|km|kg|l|litres?|kilos?|mètres?|kilomètres?|siècles?)\b", r" \1 et demi"),
        (r"\bpp\.(?=\s?\d)", "pages"),
        (r"\bp\.(?=\s?\d)", "page"),
        (r"\bart\.(?=\s?\d)", "article"),
        (r"#(?=\d)", "numéro "),
    ),
    letters={"E": "eux"},
    letter_words=frozenset("AÀYÔO"),
    said={"OTAN": "otan", "ONU": "onu", "NASA": "nasa", "SIDA": "sida", "OVNI": "ovni", "OK": "okay", "PIN": "pine", "UNESCO": "unesco",
          "CAP": "C A P", "SMIC": "smic", "INSEE": "inséé", "ENA": "éna", "SIM": "sime"},
    regnal=frozenset("Louis Henri Charles François Philippe Napoléon Pie Paul Jean-Paul Jean Jacques Elisabeth Élisabeth Édouard "
                     "Guillaume Georges Pierre Catherine Frédéric Alexandre Nicolas Benoît Léon Innocent Grégoire Urbain "
                     "Clément Ferdinand Léopold Albert Baudouin Ramsès Christian Gustave Richard".split()),
    regnal_form=_regnal,
    roman_suffix=r"(?:(?<=I)(?:ers?|re|ère)|es?|èmes?)",
    numbered=_NUMBERED,
    fraction=_fraction,
    half=lambda whole: f"{cardinal(whole)} et demi",
    web={".": "point", "/": "slash", "@": "arobase", "-": "tiret", "_": "tiret bas", ":": "deux-points", "?": "point d'interrogation",
         "#": "dièse", "&": "et", "=": "égale", "%": "pour cent", "+": "plus", "~": "tilde"},
)  # fmt: skip
