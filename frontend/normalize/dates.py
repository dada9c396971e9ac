"""Rules for dates and times of day."""

from __future__ import annotations

import re

from frontend.normalize.engine import END, NOT_IN_WORD, Edits, Rule, any_of, full_stop, letter_name, word_before
from frontend.normalize.grammar import Grammar


def _iso_date(g: Grammar) -> str:
    return r"(?<![\w-])(\d{4})([-/])(\d{1,2})\2(\d{1,2})(?![\w/-])"


def _say_iso_date(match: re.Match, g: Grammar) -> str | None:
    return _date(int(match[4]), int(match[3]), match[1], match, g)


def _numeric_date(g: Grammar) -> str:
    return rf"(?<![\w/-])(?<!\d\.)(\d{{1,2}})({g.numeric_date})(\d{{1,2}})\2(\d{{4}}|\d\d)(?![\w/-]|\.\d)"


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
    return g.date(day, month, None, word_before(match, g)) + full_stop(match, match.group())


def _date(day: int, month: int, year: str, match: re.Match, g: Grammar) -> str | None:
    if g.date is None or not (1 <= day <= 31 and 1 <= month <= 12):
        return None
    full = int(year) if len(year) == 4 else int(year) + (2000 if int(year) < 70 else 1900)
    return g.date(day, month, full, word_before(match, g))


def _weekday(g: Grammar) -> str:
    day = any_of(g.weekdays)
    return (
        rf"{NOT_IN_WORD}(?:(?P<a>{day})\.?(?P<to>\s?[-–—]\s?)(?P<b>{day})\b\.?|(?:{g.weekday_before})\s(?P<c>{day})\.|"
        rf"(?P<d>{day})\.(?={g.weekday_after})){END}"
    )


def _say_weekday(match: re.Match, g: Grammar) -> Edits:
    if match["to"]:
        ends = (match.start("a"), match.start("to"), "a"), (match.start("b"), match.end(), "b")
        edits = [(start, end, g.weekdays[match[key]]) for start, end, key in ends]
        return [edits[0], (*match.span("to"), f" {g.to} "), edits[1]]
    key = "c" if match["c"] else "d"
    return [(match.start(key), match.end(), g.weekdays[match[key]] + full_stop(match, match.group()))]


def _written_date(g: Grammar) -> str:
    months = any_of([*g.months, *(m for m in g.months for m in (m.capitalize(), m.lower()))])
    short = any_of({form for m in g.month_abbreviations for form in (m, m.capitalize())})
    month = rf"(?P<month>{months}|(?:{short})\b\.?)"
    start = rf"(?P<from>{g.written_day})(?:\s?[-–—]\s?|\s{g.to}\s)"  # "3-5 March"
    day = rf"(?<![\w.,-])(?:{start})?(?P<day>{g.written_day})"
    day_after = rf"(?:{start.replace('<from>', '<from2>')})?(?P<day2>{g.written_day})(?![\w%]|[.,:]\d)"
    joint = r"(?: (?:of|de) )?" if g.day_last else ""
    first = rf"{day}\s*{joint}\s?{month}(?:,?\s(?P<year>\d{{4}})(?!\w|[.,]\d))?"
    if not g.day_last:
        return rf"{first}{END}"
    month2, year2 = month.replace("<month>", "<month2>"), r"(?:,?\s(?P<year2>\d{4})(?!\w|[.,]\d))?"
    return rf"(?:{first}|{NOT_IN_WORD}{month2}\s{day_after}{year2}){END}"


def _say_written_date(match: re.Match, g: Grammar) -> Edits | None:
    """Only the numbers change; the month keeps its own place, spelled out where it was cut short."""
    groups = match.groupdict()
    tail = "2" if groups.get("month2") else ""
    month, year = match[f"month{tail}"], match[f"year{tail}"]
    numbers = {key: int(re.match(r"\d+", match[key])[0]) for key in (f"from{tail}", f"day{tail}") if match[key]}
    if g.day is None or not all(1 <= number <= 31 for number in numbers.values()):
        return None
    is_bare = not tail and not match.string[match.end("day") : match.start("month")].strip()
    say = (is_bare and g.day_first) or g.day
    edits = [(*match.span(key), say(number, word_before(match, g))) for key, number in numbers.items()]
    if is_bare and g.of:
        edits[-1] = (*edits[-1][:2], f"{edits[-1][2]} {g.of}")
    if match[f"from{tail}"]:
        edits.insert(1, (match.end(f"from{tail}"), match.start(f"day{tail}"), f" {g.to} "))
    name = g.months[g.month_numbers[month.rstrip(".").lower()] - 1]
    edits.append((*match.span(f"month{tail}"), name))
    if year:
        edits.append((*match.span(f"year{tail}"), (g.year or g.cardinal)(int(year))))
    return sorted(edits)


def _time(g: Grammar) -> str:
    return (
        rf"(?<![\w:.,-])([01]?\d|2[0-4])(?:{g.time_separator}|：)([0-5]\d)(?:[:：]([0-5]\d))?"
        rf"(?:(\s?(?:{g.clock})){END})?(?![\w:%]|[.,]\d)"
    )


def _say_time(match: re.Match, g: Grammar) -> str | None:
    if g.time is None:
        return None
    if match.string[match.end(1)] == "." and not match[4]:
        return None  # 14.30 is a time only before "uur", "Uhr"
    said = g.time(int(match[1]), int(match[2]))
    if match[3]:
        said += f" {g.whole(match[3].lstrip('0') or '0')}"
    suffix = (match[4] or "").strip().lower()
    if suffix.replace(".", "") in ("am", "pm"):
        said = said.removesuffix(" o'clock") + f" {letter_name(suffix[0].upper(), g)} M"
    return said + full_stop(match, suffix)


WEEKDAY: Rule = (_weekday, _say_weekday)
ISO_DATE: Rule = (_iso_date, _say_iso_date)
NUMERIC_DATE: Rule = (_numeric_date, _say_numeric_date)
SHORT_DATE: Rule = (_short_date, _say_short_date)
WRITTEN_DATE: Rule = (_written_date, _say_written_date)
TIME: Rule = (_time, _say_time)
