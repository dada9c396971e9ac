"""The rules: where numbers, dates, money, units, codes and acronyms stand in a clause, for every language.

Each rule is a pattern made from a `Grammar` and a function from a match to edits; they run in the order of
``RULES``, the more special before the more general, each on what the ones before left. Clauses are short
(a limit of the splitter), so patterns may look around.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from frontend.normalize.grammar import Grammar
from frontend.spans import SpannedText

Edits = list[tuple[int, int, str]]
Rule = tuple[Callable[[Grammar], str], Callable[[re.Match, Grammar], Edits | str | None]]
_NOT_IN_WORD = r"(?<![^\W_])"
_END = r"(?![^\W_])"


def apply(text: SpannedText, grammar: Grammar, rules: Iterable[Rule]) -> SpannedText:
    """The rules, in order, on one clause."""
    for make, fix in rules:
        pattern = _pattern(make, grammar)
        edits: Edits = []
        for match in pattern.finditer(text.chars):
            got = fix(match, grammar)
            if got is not None:
                edits += [(*match.span(), got)] if isinstance(got, str) else got
        if edits:
            text = text.edit([(a, b, _spaced(text.chars, a, b, new)) for a, b, new in edits])
    return text


@lru_cache(maxsize=512)
def _pattern(make: Callable[[Grammar], str], grammar: Grammar) -> re.Pattern:
    return re.compile(make(grammar), re.ASCII if grammar.spaceless else 0)


def word_before(match: re.Match) -> str:
    """The word that stands right before a match, "" at the beginning."""
    found = re.search(r"([^\W\d_]+)[^\w\n]*$", match.string[max(0, match.start() - 40) : match.start()])
    return found[1] if found else ""


def _spaced(chars: str, start: int, end: int, new: str) -> str:
    """The new words, apart from letters that touch them; a rule that begins with a space knows better."""
    if new.startswith(" "):
        return new
    before = " " if start and chars[start - 1].isalnum() and new[:1].isalnum() else ""
    after = " " if chars[end : end + 1].isalnum() and new[-1:].isalnum() else ""
    return before + new + after


def _any_of(words) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=lambda w: (-len(w), w))) or r"(?!)"


def _number(grammar: Grammar, decimals: bool = True) -> str:
    """Digits with or without thousands groups, and decimals."""
    groups, point = re.escape(grammar.groups), re.escape(grammar.decimal)
    whole = rf"(?:\d{{1,3}}(?:[{groups}]\d{{3}})+(?!\d)|\d+)"
    return rf"{whole}(?:{point}\d+)?" if decimals else whole


def _minus(grammar: Grammar) -> str:
    """A hyphen that is a minus: nothing stands before it (in scripts without spaces, no Latin letter or digit)."""
    return r"(?<![\w).])-" if grammar.spaceless else r"(?<![^\s(\"'])-"


# --- addresses -------------------------------------------------------------------------------------------------

_TOP = "com|org|net|edu|gov|info|io|eu|de|at|ch|nl|be|fr|uk|us|es|it|pl|ru|cn|jp|tv|me|app|dev"


def _address(g: Grammar) -> str:
    name = r"[A-Za-z0-9][A-Za-z0-9-]*"
    return (
        rf"(?P<scheme>https?://|ftp://)?(?:[\w.+-]+@{name}(?:\.{name})+|www\.{name}(?:\.{name})*|"
        rf"(?<![\w.@-]){name}(?:\.{name})*\.(?:{_TOP}){_END}|(?<=://){name}(?:\.{name})*)(?:[/?#:][^\s\"'<>()]*[\w/])?"
    )


def _say_address(match: re.Match, g: Grammar) -> Edits:
    edits: Edits = []
    start, scheme = match.start(), match["scheme"]
    if scheme:
        start += len(scheme)
    for part in re.finditer(r"[^\W\d_]+|\d+|[\W_]", match.string[start : match.end()]):
        a, b, word = start + part.start(), start + part.end(), part.group()
        if word.isdigit():
            new = g.digits(word) if len(word) != 4 else g.whole(word)
        elif word.isalpha():
            new = " ".join(_letter(c, g) for c in word.upper()) if _must_spell(word) else word.lower()
        else:
            new = g.web.get(word, g.symbols.get(word, ""))
        edits.append((a, b, f" {new} "))
    if scheme:  # not said, but it belongs to what is said
        edits[0] = (match.start(), edits[0][1], edits[0][2])
    return edits


def _must_spell(word: str) -> bool:
    return not re.search(r"[aeiouyäöüéèàáíóúąęåæøаеиоуыэюяієї]", word.lower())


# --- abbreviations ---------------------------------------------------------------------------------------------


def _abbreviation(g: Grammar) -> str:
    keys = {form for key in g.abbreviations for form in (key, key[0].upper() + key[1:])}
    return rf"{_NOT_IN_WORD}(?:{_any_of(keys)}){_END}"


def _expand(match: re.Match, g: Grammar) -> str | None:
    found = match.group()
    if found in g.units and match.string[: match.start()].rstrip(" ")[-1:].isdigit():
        return None
    new = g.abbreviations.get(found) or g.abbreviations.get(found[0].lower() + found[1:])
    return new + _full_stop(match, found)


def _full_stop(match: re.Match, written: str) -> str:
    """The period of an abbreviation ends the sentence too when nothing follows."""
    return "." if written.endswith(".") and not match.string[match.end() :].strip("\"') ") else ""


def _contextual(number: int):
    def make(g: Grammar) -> str:
        return g.contextual[number][0] if number < len(g.contextual) else r"(?!)"

    def fix(match: re.Match, g: Grammar) -> str:
        return match.expand(g.contextual[number][1])

    return make, fix


# --- dates and times -------------------------------------------------------------------------------------------


def _iso_date(g: Grammar) -> str:
    return r"(?<![\w-])(\d{4})([-/])(\d{1,2})\2(\d{1,2})(?![\w/-])"


def _say_iso_date(match: re.Match, g: Grammar) -> str | None:
    return _date(int(match[4]), int(match[3]), match[1], match, g)


def _numeric_date(g: Grammar) -> str:
    return rf"(?<![\w/-])(\d{{1,2}})({g.numeric_date})(\d{{1,2}})\2(\d{{4}}|\d\d)(?![\w/-])"


def _say_numeric_date(match: re.Match, g: Grammar) -> str | None:
    first, second = int(match[1]), int(match[3])
    month_first = (g.month_first and match[2] == "/" and first <= 12) or second > 12
    day, month = (second, first) if month_first else (first, second)
    return _date(day, month, match[4], match, g)


def _short_date(g: Grammar) -> str:
    return r"(?<![\w.,-])(\d{1,2})\.(\d{1,2})\.(?!\d)" if g.short_date else r"(?!)"


def _say_short_date(match: re.Match, g: Grammar) -> str | None:
    day, month = int(match[1]), int(match[2])
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return None
    return g.date(day, month, None, word_before(match)) + _full_stop(match, match.group())


def _date(day: int, month: int, year: str, match: re.Match, g: Grammar) -> str | None:
    if g.date is None or not (1 <= day <= 31 and 1 <= month <= 12):
        return None
    full = int(year) if len(year) == 4 else int(year) + (2000 if int(year) < 70 else 1900)
    return g.date(day, month, full, word_before(match))


def _written_date(g: Grammar) -> str:
    months = _any_of([*g.months, *(m for m in g.months for m in (m.capitalize(), m.lower()))])
    short = _any_of({form for m in g.month_abbreviations for form in (m, m.capitalize())})
    month = rf"(?P<month>{months}|(?:{short})\b\.?)"
    day = rf"(?<![\w.,-])(?P<day>{g.written_day})"
    day_after = rf"(?P<day2>{g.written_day})(?![\w%]|[.,:]\d)"
    joint = r"(?: (?:of|de) )?" if g.month_first else ""
    first = rf"{day}\s*{joint}\s?{month}(?:,?\s(?P<year>\d{{4}})(?!\w|[.,]\d))?"
    if not g.month_first:
        return rf"{first}{_END}"
    month2, year2 = month.replace("<month>", "<month2>"), r"(?:,?\s(?P<year2>\d{4})(?!\w|[.,]\d))?"
    return rf"(?:{first}|{_NOT_IN_WORD}{month2}\s{day_after}{year2}){_END}"


def _say_written_date(match: re.Match, g: Grammar) -> Edits | None:
    """Only the numbers change; the month keeps its own place, spelled out where it was cut short."""
    groups = match.groupdict()
    tail = "2" if groups.get("month2") else ""
    day, month, year = match[f"day{tail}"], match[f"month{tail}"], match[f"year{tail}"]
    number = int(re.match(r"\d+", day)[0])
    if not 1 <= number <= 31 or g.day is None:
        return None
    if not tail and g.day_first and not match.string[match.end("day") : match.start("month")].strip():
        said = g.day_first(number, word_before(match))
    else:
        said = g.day(number, word_before(match))
    edits = [(*match.span(f"day{tail}"), said)]
    name = g.months[g.month_numbers[month.rstrip(".").lower()] - 1]
    edits.append((*match.span(f"month{tail}"), name))
    if year:
        edits.append((*match.span(f"year{tail}"), (g.year or g.cardinal)(int(year))))
    return sorted(edits)


def _time(g: Grammar) -> str:
    return (
        rf"(?<![\w:.,-])([01]?\d|2[0-4])[{re.escape(g.time_separator)}：]([0-5]\d)(?:[:：]([0-5]\d))?"
        rf"(?:(\s?(?:{g.clock})){_END})?(?![\w:%]|[.,]\d)"
    )


def _say_time(match: re.Match, g: Grammar) -> str | None:
    if g.time is None:
        return None
    separator = match.string[match.end(1)]
    if separator == "." and not match[4]:
        return None  # 14.30 is a time only before "uur", "Uhr"
    said = g.time(int(match[1]), int(match[2]))
    if match[3]:
        said += f" {g.whole(match[3].lstrip('0') or '0')}"
    suffix = (match[4] or "").strip().lower()
    if suffix.replace(".", "") in ("am", "pm"):
        said = said.removesuffix(" o'clock") + f" {_letter(suffix[0].upper(), g)} M"
    return said + _full_stop(match, suffix)


# --- money, units, numbers -------------------------------------------------------------------------------------


def _amount(g: Grammar) -> str:
    signs = _any_of(g.currencies)
    magnitude = rf"(?:\s?(?P<magnitude>{_any_of(g.magnitudes)}){_END})?"
    number = _number(g)
    before = rf"(?P<sign>{signs})\s?(?P<number>{number})"
    after = rf"(?<![\w.,])(?P<number2>{number}){magnitude.replace('<magnitude>', '<magnitude2>')}\s?(?P<sign2>{signs}){_END}"
    return rf"(?:{_NOT_IN_WORD}{before}{magnitude}|{after})"


def _say_amount(match: re.Match, g: Grammar) -> str:
    tail = "" if match["sign"] else "2"
    money, written, magnitude = g.currencies[match[f"sign{tail}"]], match[f"number{tail}"], match[f"magnitude{tail}"]
    if magnitude:
        said = g.magnitudes[magnitude]
        joint = "" if said.endswith("'") else " "
        return f"{g.number(written)} {said}{joint}{money.many}"
    whole, _, decimals = written.partition(g.decimal)
    digits = "".join(c for c in whole if c.isdigit())
    unit = f"{money.one}" if digits == "1" else f"{g.whole(digits)} {money.many}"
    if not decimals or not decimals.strip("0"):
        return unit
    if len(decimals) != 2 or not money.cents:
        short = written if money.cents else written.rstrip("0")
        return f"{g.number(short)} {money.many}"
    cents = int(decimals)
    amount, _, name = unit.rpartition(" ")
    if digits == "0":
        return money.cent if cents == 1 else f"{g.cardinal(cents)} {money.cents}"
    single = money.cent.split(" ", 1) if cents == 1 else None
    said, cent = single if single else (g.cardinal(cents), money.cents)
    return g.money.format(amount=amount, unit=name, cents=said, cent=cent).strip()


def _measure(g: Grammar) -> str:
    return rf"(?<![\w{re.escape(g.decimal)}])((?:{_minus(g)})?{_number(g)})\s?({_any_of(g.units)})(?![^\W_]|'\w)"


def _say_measure(match: re.Match, g: Grammar) -> Edits:
    """The number and its unit, each in its own place."""
    one, many = g.units[match[2]]
    if match[1] == "1":
        return [(match.start(1), match.end(), one + _full_stop(match, match[2]))]
    minus = f"{g.minus} " if match[1][0] == "-" else ""
    return [(*match.span(1), f"{minus}{g.number(match[1].lstrip('-'))} "), (*match.span(2), many + _full_stop(match, match[2]))]


def _range(g: Grammar) -> str:
    return rf"(?<![\w.,:/-])({_number(g)})(\s?[-–—]\s?)({_number(g)})(?![\w/:-]|[.,]\d)"


def _say_range(match: re.Match, g: Grammar) -> Edits | None:
    """Only the dash: the numbers are said by later rules."""
    low, high = (float(re.sub(r"\D", "", match[i]) or 0) for i in (1, 3))
    is_span = low < high or (len(match[1]) == 4 and len(match[3]) == 2)
    return [(*match.span(2), f" {g.to} " if is_span else " — ")]


def _telephone(g: Grammar) -> str:
    written = r"\+\d[\d ()/-]{6,24}\d|0\d{1,5}[ /-][\d /-]{4,18}\d|\(?\d{3}\)?[ -]\d{3}-\d{4}|\d{3}-\d{4}"
    return rf"(?<![\w.,/-])(?:{written})(?![\w-]|[.,]\d)"


def _say_telephone(match: re.Match, g: Grammar) -> Edits:
    edits = []
    for part in re.finditer(r"\d+|\+|[ ()/-]+", match.group()):
        a, b, word = match.start() + part.start(), match.start() + part.end(), part.group()
        if word == "+":
            new = g.symbols.get("+", "") + " "
        elif word.isdigit():
            new = g.digits(word)
        else:  # groups of three digits and more are worth a pause
            new = ", " if re.search(r"\d{3}$", match.string[match.start() : a]) else " "
        edits.append((a, b, new))
    return edits


def _ordinal(g: Grammar) -> str:
    return rf"(?<![\w.,-])({_number(g, decimals=False)})({g.ordinal_pattern})"


def _say_ordinal(match: re.Match, g: Grammar) -> str | None:
    digits = re.sub(r"\D", "", match[1])
    return g.ordinal_form(int(digits), match[2], word_before(match)) if len(digits) <= 12 else None


def _fraction(g: Grammar) -> str:
    return r"(?<![\w./,-])(?:(\d{1,6}) )?(\d{1,3})/(\d{1,3})(?![\w/]|[.,]\d)"


def _say_fraction(match: re.Match, g: Grammar) -> str | None:
    said = g.fraction(int(match[2]), int(match[3])) if g.fraction else None
    if said is None:
        return None
    if not match[1]:
        return said
    joint = g.symbols.get("&", "")
    return f"{g.whole(match[1])} {joint} {said}"


def _code(g: Grammar) -> str:
    return r"(?<=[^\W\d_])\d|(?<=\d)[^\W\d_]|(?<=[^\W_])-(?=\d)|(?<=\d)-(?=[^\W_])|(?<=\d):(?=\d)"


def _part_code(match: re.Match, g: Grammar) -> str:
    return " " + match.group().strip("-:")


def _signed(g: Grammar) -> str:
    return rf"(?P<sign>{_minus(g)})?(?<!\d)(?P<number>{_number(g)}|(?<!\S){re.escape(g.decimal)}\d+)"


def _say_number(match: re.Match, g: Grammar) -> Edits:
    written = match["number"]
    is_year = g.year and re.fullmatch(r"1[1-9]\d\d|20\d\d", written) and not match["sign"]
    edits = [(*match.span("number"), g.year(int(written)) if is_year else g.number(written))]
    if match["sign"]:
        edits.insert(0, (*match.span("sign"), f"{g.minus} "))
    return edits


# --- letters and signs -----------------------------------------------------------------------------------------

_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def _roman(g: Grammar) -> str:
    names = _any_of(g.regnal | g.numbered | {n.capitalize() for n in g.numbered})
    return rf"{_NOT_IN_WORD}({names})\s([IVXLCDM]{{1,9}})(\.?){_END}"


def _say_roman(match: re.Match, g: Grammar) -> Edits | None:
    value = roman_value(match[2])
    if value is None:
        return None
    if match[1] in g.regnal:
        is_dotted = bool(match[3]) and bool(match.string[match.end() :].strip())
        return [(match.start(2), match.end(3) if is_dotted else match.end(2), g.regnal_form(value))]
    return [(*match.span(2), g.cardinal(value))]


def _roman_ordinal(g: Grammar) -> str:
    return rf"{_NOT_IN_WORD}([IVX]{{1,6}})({g.roman_suffix}){_END}"


def _say_roman_ordinal(match: re.Match, g: Grammar) -> str | None:
    value = roman_value(match[1])
    return g.ordinal_form(value, match[2], word_before(match)) if value else None


def roman_value(letters: str) -> int | None:
    """Value of a well-formed Roman numeral up to 3999, else None."""
    form = r"M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
    if not letters or not re.fullmatch(form, letters):
        return None
    values = [_ROMAN[c] for c in letters]
    return sum(-v if v < max(values[i:]) else v for i, v in enumerate(values))


def _capitals(g: Grammar) -> str:
    return (
        rf"(?<![\w'-])(?:[^\W\d_]\.){{2,8}}|(?<![^\W_.])(?P<initial>[^\W\d_])\.(?=\s?[^\W\d_])|"
        rf"{_NOT_IN_WORD}(?P<word>[^\W\d_]{{2,}})(?P<plural>'?s)?{_END}|"
        rf"{_NOT_IN_WORD}(?P<single>[^\W\d_]){_END}(?!')"
    )


def _say_capitals(match: re.Match, g: Grammar) -> Edits | str | None:
    letters = match["word"] or match["initial"] or match["single"] or match.group()
    is_plural = bool(match["plural"]) or (len(letters) > 2 and letters[-1] == "s" and letters[:-1].isupper())
    if is_plural and not match["plural"]:  # "CDs"
        letters = letters[:-1]
    if not letters.isupper() or not (letters[0] < "\u0590" or "\u1e00" <= letters[0] < "\u2000"):
        return None
    if match["initial"]:
        return [(match.start(), match.end(), _letter(match["initial"], g))]
    if match["single"]:
        return _say_single(match, g)
    start = match.start()
    if match["word"]:
        if letters in g.said:
            return [(start, start + len(letters), g.said[letters])]
        if _is_shouted(match.string) or len(letters) > 6 or (len(letters) > 3 and _is_pronounceable(letters)):
            return [(start, match.end(), match.group().lower())]
    spelled = [(start + i, start + i + 1, f" {_letter(c, g)} ") for i, c in enumerate(letters) if c != "."]
    if match.string[start - 1 : start] == "'":  # l'UE: the elided article stays with its letter
        spelled[0] = (start, start + 1, spelled[0][2].lstrip())
    dots = [(start + i, start + i + 1, "") for i, c in enumerate(letters) if c == "."]
    if dots and not match.string[match.end() :].strip("\"') "):
        dots.pop()  # it ends the sentence too
    if match["word"] and is_plural:
        a, _b, new = spelled[-1]
        spelled[-1] = (a, match.end(), new.rstrip() + "'s ")
    return sorted(spelled + dots)


def _say_single(match: re.Match, g: Grammar) -> str | None:
    char = match["single"]
    if char not in g.letter_words:
        return _letter(char, g)
    follows = re.match(r"\s*[^\W\d_]", match.string[match.end() :])
    return None if follows or match.start() == 0 or char == "I" else _letter(char, g)


def _letter(char: str, g: Grammar) -> str:
    return g.letters.get(char, char)


def _is_shouted(clause: str) -> bool:
    """Whether the clause is written in capitals, so that they say nothing about single words."""
    words = re.findall(r"[^\W\d_]{2,}", clause)
    return len(words) > 2 and sum(word.isupper() for word in words) > 0.7 * len(words)


def _is_pronounceable(letters: str) -> bool:
    plain = re.sub(r"[AEIOUYÄÖÜÉÈÊ]", "a", letters.upper())
    return "a" in plain and not re.search(r"[^a]{4}|^[^a]{3}|[^a]{3}$", plain)


def _sign(g: Grammar) -> str:
    return rf"[{re.escape(''.join(g.symbols))}]" if g.symbols else r"(?!)"


def _say_sign(match: re.Match, g: Grammar) -> str:
    return f" {g.symbols[match.group()]} "


RULES = (
    (_address, _say_address),
    *(_contextual(number) for number in range(8)),
    (_abbreviation, _expand),
    (_iso_date, _say_iso_date),
    (_numeric_date, _say_numeric_date),
    (_short_date, _say_short_date),
    (_written_date, _say_written_date),
    (_time, _say_time),
    (_telephone, _say_telephone),
    (_range, _say_range),
    (_amount, _say_amount),
    (_ordinal, _say_ordinal),
    (_measure, _say_measure),
    (_fraction, _say_fraction),
    (_roman, _say_roman),
    (_roman_ordinal, _say_roman_ordinal),
    (_code, _part_code),
    (_signed, _say_number),
    (_capitals, _say_capitals),
    (_sign, _say_sign),
)
