"""Rules for money, measures, ranges, telephone numbers, ordinals, fractions, codes and plain numbers."""

from __future__ import annotations

import re

from frontend.normalize.engine import END, NOT_IN_WORD, Edits, Rule, any_of, full_stop, minus_pattern, number_pattern, word_before
from frontend.normalize.grammar import Grammar


def _amount(g: Grammar) -> str:
    signs = any_of(g.currencies)
    magnitude = rf"(?:\s?(?P<magnitude>{any_of(g.magnitudes)}){END})?"
    number = number_pattern(g)
    before = rf"(?P<sign>{signs})\s?(?P<number>{number})"
    after = rf"(?<![\w.,])(?P<number2>{number}){magnitude.replace('<magnitude>', '<magnitude2>')}\s?(?P<sign2>{signs}){END}"
    return rf"(?:{NOT_IN_WORD}{before}{magnitude}|{after})"


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
    return rf"(?<![\w{re.escape(g.decimal)}])((?:{minus_pattern(g)})?{number_pattern(g)})\s?({any_of(g.units)})(?![^\W_]|'\w)"


def _say_measure(match: re.Match, g: Grammar) -> Edits:
    """The number and its unit, each in its own place."""
    one, many = g.units[match[2]]
    if match[1] == "1":
        return [(match.start(1), match.end(), one + full_stop(match, match[2]))]
    minus = f"{g.minus} " if match[1][0] == "-" else ""
    return [(*match.span(1), f"{minus}{g.number(match[1].lstrip('-'))} "), (*match.span(2), many + full_stop(match, match[2]))]


def _range(g: Grammar) -> str:
    return rf"(?<![\w.,:/-])({number_pattern(g)})(\s?[-–—]\s?)({number_pattern(g)})(?![\w/:-]|[.,]\d)"


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
    return rf"(?<![\w.,-])({number_pattern(g, decimals=False)})({g.ordinal_pattern})"


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
    return rf"(?P<sign>{minus_pattern(g)})?(?<!\d)(?P<number>{number_pattern(g)}|(?<!\S){re.escape(g.decimal)}\d+)"


def _say_number(match: re.Match, g: Grammar) -> Edits:
    written = match["number"]
    is_year = g.year and re.fullmatch(r"1[1-9]\d\d|20\d\d", written) and not match["sign"]
    edits = [(*match.span("number"), g.year(int(written)) if is_year else g.number(written))]
    if match["sign"]:
        edits.insert(0, (*match.span("sign"), f"{g.minus} "))
    return edits


TELEPHONE: Rule = (_telephone, _say_telephone)
RANGE: Rule = (_range, _say_range)
AMOUNT: Rule = (_amount, _say_amount)
ORDINAL: Rule = (_ordinal, _say_ordinal)
MEASURE: Rule = (_measure, _say_measure)
FRACTION: Rule = (_fraction, _say_fraction)
CODE: Rule = (_code, _part_code)
SIGNED: Rule = (_signed, _say_number)
