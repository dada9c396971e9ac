"""Rules for money, measures, ranges, telephone numbers, ordinals, fractions, codes and plain numbers."""

from __future__ import annotations

import re

from frontend.normalize.engine import (
    END,
    NOT_IN_WORD,
    Edits,
    Rule,
    any_of,
    full_stop,
    measured,
    measured_pattern,
    minus_pattern,
    number_pattern,
    word_after,
    word_before,
)
from frontend.normalize.grammar import Grammar, Money


def _amount(g: Grammar) -> str:
    signs = any_of(g.currencies)
    magnitude = rf"(?:\s?(?P<magnitude>{any_of(g.magnitudes)}){END})?"
    number = rf"{measured_pattern(g)}(?:{re.escape(g.decimal)}[-–—]{{1,2}}(?!\w))?"  # "1,- €"
    before = rf"(?P<sign>{signs})\s?(?P<number>{number})"
    after = rf"(?<![\w.,])(?P<number2>{number}){magnitude.replace('<magnitude>', '<magnitude2>')}\s?(?P<sign2>{signs}){END}"
    return rf"(?P<minus>{minus_pattern(g)})?(?:{NOT_IN_WORD}{before}{magnitude}|{after})"


def _say_amount(match: re.Match, g: Grammar) -> str:
    tail = "" if match["sign"] else "2"
    money, written, magnitude = g.currencies[match[f"sign{tail}"]], match[f"number{tail}"], match[f"magnitude{tail}"]
    said = _money(money, measured(written.rstrip("-–—"), g), magnitude, g)
    return f"{g.minus} {said}" if match["minus"] else said


def _money(money: Money, written: str, magnitude: str | None, g: Grammar) -> str:
    if magnitude:
        said = g.magnitudes[magnitude]
        if written == "1" and said in g.one_magnitude:
            return f"{g.one_magnitude[said]} {money.many}"
        if said.endswith("'"):  # millions d'euros, millions de dollars
            said = said if money.many[0] in "aeiouhé" else said[:-1] + "e "
        else:
            said += " "
        return f"{g.number(written)} {said}{money.many}"
    whole, _, decimals = written.partition(g.decimal)
    digits = "".join(c for c in whole if c.isdigit())
    unit = f"{money.one}" if digits == "1" else f"{g.counted(digits, money.many)} {money.many}"
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
    return rf"(?<!\w)(?<!\d[.,])(?<![^\W\d]-)((?:{minus_pattern(g)})?{measured_pattern(g)})\s?({any_of(g.units)})(?![^\W_]|'\w)"


def _say_measure(match: re.Match, g: Grammar) -> Edits:
    """The number and its unit, each in its own place."""
    one, many = g.units[match[2]]
    if match[1] == "1":
        return [(match.start(1), match.end(), one + full_stop(match, match[2]))]
    minus = f"{g.minus} " if match[1][0] == "-" else ""
    written = measured(match[1].lstrip("-"), g)
    said = g.number(written) if g.decimal in written else g.counted(re.sub(r"\D", "", written), many)
    return [(*match.span(1), f"{minus}{said} "), (*match.span(2), many + full_stop(match, match[2]))]


def _value(g: Grammar) -> str:
    """A date, a time, an amount, a measure or an ordinal: more than a bare number."""
    number, signs = measured_pattern(g), any_of(g.currencies)
    day = r"\d{1,2}\.\d{1,2}\.(?!\d)" if g.short_date else r"(?!)"
    words = any_of({*g.units, *g.currencies, *g.magnitudes})
    return (
        rf"(?:\d{{4}}-\d\d-\d\d|\d{{1,2}}(?:/\d{{1,2}}/|\.\d{{1,2}}\.)(?:\d{{4}}|\d\d)|{day}|"
        rf"\d{{1,2}}(?:{g.time_separator})\d\d(?::\d\d)?(?!\d)(?:\s?(?:{g.clock}){END})?|"
        rf"(?:{signs})\s?{number}(?:\s?(?:{any_of(g.magnitudes)}){END})?|{number}(?:{g.ordinal_pattern}|\s?(?:{g.clock}|{words}){END}))"
    )


def _span(g: Grammar) -> str:
    value, number = _value(g), number_pattern(g)
    return rf"(?<![\w.,:/-])({value}|{number})(\s?)[-–—~]\2({value}|{number})(?![\w/:-]|[.,]\d)"


def _say_span(match: re.Match, g: Grammar) -> Edits | None:
    """Only the dash between 9:00-11:30, $5-$10, 1.-3.; numbers alone are for the rule of ranges, after the telephones."""
    if all(re.fullmatch(number_pattern(g), match[i]) for i in (1, 3)):
        return None
    low, high = (float(re.sub(r"\D", "", match[i]) or 0) for i in (1, 3))
    if match[2] and low >= high and not re.search(rf"\d(?:{g.time_separator})\d|\d\s?(?:{g.clock})", match.group()):
        return None  # 10 km - 5 km
    clock = re.fullmatch(rf"\d+\.\d+(\s?(?:{g.clock}))", match[3])
    shared = clock[1] if clock and re.fullmatch(r"\d+\.\d+", match[1]) else ""  # 9.30-10.30 Uhr
    return [(match.end(1), match.start(3), f"{shared} {g.to} ")]


def _about(g: Grammar) -> str:
    return rf"(?<![\w~])~(?=\s?(?:{any_of(g.currencies)})?\s?-?\d)"


def _say_about(match: re.Match, g: Grammar) -> str | None:
    return f" {g.symbols['≈']} " if "≈" in g.symbols else None


def _range(g: Grammar) -> str:
    return rf"(?<![\w.,:/-])({number_pattern(g)})(\s?[-–—~]\s?)({number_pattern(g)})(?![\w/:-]|[.,]\d)"


def _say_range(match: re.Match, g: Grammar) -> Edits | None:
    """Only the dash: the numbers are said by later rules."""
    low, high = (float(re.sub(r"\D", "", match[i]) or 0) for i in (1, 3))
    is_span = low < high or (len(match[1]) == 4 and len(match[3]) == 2)
    return [(*match.span(2), f" {g.to} " if is_span else " — ")]


def _telephone(g: Grammar) -> str:
    written = r"\+\d[\d ()/-]{6,24}\d|0\d{1,5}[ /-][\d /-]{4,18}\d|0\d{1,3}(?:\.\d\d\d?){3,4}"
    written += r"|(?:1[ -])?\(?\d{3}\)?[ .-]\d{3}[.-]\d{4}|\d{3}-\d{4}"
    return rf"(?<![\w.,/-])(?:{written})(?![\w-]|[.,]\d)"


def _say_telephone(match: re.Match, g: Grammar) -> Edits:
    edits = []
    for part in re.finditer(r"\d+|\+|[ ()./-]+", match.group()):
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
    return rf"(?<![\w.,])(?<!\d-)({number_pattern(g, decimals=False)})({g.ordinal_pattern})"


def _say_ordinal(match: re.Match, g: Grammar) -> str | None:
    digits = re.sub(r"\D", "", match[1])
    return g.ordinal_form(int(digits), match[2], word_before(match, g), word_after(match, g)) if len(digits) <= 12 else None


def _fraction(g: Grammar) -> str:
    return r"(?<![\w./,-])(?:(\d{1,6}) )?(\d{1,3})/(\d{1,3})(?![\w/]|[.,]\d)"


def _say_fraction(match: re.Match, g: Grammar) -> str | None:
    if g.half and match[1] and match[2] == "1" and match[3] == "2":
        return g.half(int(match[1]))
    said = g.fraction(int(match[2]), int(match[3])) if g.fraction else None
    if said is None:
        return None
    if not match[1]:
        return said
    joint = g.symbols.get("&", "")
    return f"{g.whole(match[1])} {joint} {said}"


def _dotted(g: Grammar) -> str:
    """192.168.1.1, v2.0.1, and 3.11 where a period is no decimal sign."""
    byte = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
    grouped = r"(?!\d{1,3}(?:\.\d{3})+(?!\.?\d))" if "." in g.groups else ""
    more = "{2,}" if g.decimal == "." else "+"
    return rf"(?<!\d)(?<![\d.,][.,])(?:{byte}(?:\.{byte}){{3}}|{grouped}\d+(?:\.\d+){more})(?![.,]?\d)"


def _say_dotted(match: re.Match, g: Grammar) -> Edits:
    edits: Edits = []
    for part in re.finditer(r"\d+|\.", match.group()):
        a, b = match.start() + part.start(), match.start() + part.end()
        edits.append((a, b, g.whole(part.group()) if part.group() != "." else f" {g.web.get('.', '')} "))
    return edits


def _code(g: Grammar) -> str:
    return r"(?<=[^\W\d_])\d|(?<=\d)[^\W\d_]|(?<=[^\W_])-(?=\d)|(?<=\d)-(?=[^\W_])|(?<=\d)[:/](?=\d)"


def _part_code(match: re.Match, g: Grammar) -> str:
    return " " + match.group().strip("-:/")


def _signed(g: Grammar) -> str:
    return rf"(?P<sign>{minus_pattern(g)})?(?<!\d)(?P<number>{number_pattern(g)}|(?<!\S){re.escape(g.decimal)}\d+)"


def _say_number(match: re.Match, g: Grammar) -> Edits:
    written = match["number"]
    noun = re.match(r" ([^\W\d_]+)", match.string[match.end() : match.end() + 40])
    if g.year and re.fullmatch(r"1[1-9]\d\d|20\d\d", written) and not match["sign"]:
        said = g.year(int(written))
    elif noun and g.decimal not in written:
        before = re.search(r"([^\W\d_]+) $", match.string[max(0, match.start() - 40) : match.start()])
        said = g.counted(re.sub(r"\D", "", written), noun[1], before[1] if before else "")
    else:
        said = g.number(written)
    edits = [(*match.span("number"), said)]
    if match["sign"]:
        edits.insert(0, (*match.span("sign"), f"{g.minus} "))
    return edits


TELEPHONE: Rule = (_telephone, _say_telephone)
SPAN: Rule = (_span, _say_span)
ABOUT: Rule = (_about, _say_about)
DOTTED: Rule = (_dotted, _say_dotted)
RANGE: Rule = (_range, _say_range)
AMOUNT: Rule = (_amount, _say_amount)
ORDINAL: Rule = (_ordinal, _say_ordinal)
MEASURE: Rule = (_measure, _say_measure)
FRACTION: Rule = (_fraction, _say_fraction)
CODE: Rule = (_code, _part_code)
SIGNED: Rule = (_signed, _say_number)
