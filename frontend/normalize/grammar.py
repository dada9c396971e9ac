"""What a language must say about its numbers, dates and symbols: data, and a few functions; no rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

MAX_DIGITS = 18  # of a number; longer ones are read digit by digit

# Abbreviation -> (after exactly one, after any other number). "%" and "°C" are units too.
Units = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, eq=False)
class Money:
    """One currency: whole units and hundredths, after one and after more."""

    one: str
    many: str
    cent: str = ""
    cents: str = ""


@dataclass(frozen=True, eq=False)
class Grammar:
    """The written conventions of one language and the words for them.

    ``cardinal``, ``ordinal`` and ``year`` take a number of at most 18 digits. ``say_*`` fields are templates of
    `str.format`. Patterns are regular expressions without groups.
    """

    tag: str
    cardinal: Callable[[int], str]
    ordinal: Callable[[int], str] | None = None
    year: Callable[[int], str] | None = None  # for a bare number from 1100 to 2099
    decimal: str = "."
    groups: str = ","  # characters that may part thousands
    point: str = "point"
    decimals_as_number: bool = False  # "3,14" read as "trois virgule quatorze"
    decimal_words: Callable[[str], str] | None = None  # says "3.14" (always with a period) instead of ``point``
    minus: str = "minus"
    to: str = "to"  # between the ends of a range
    symbols: Mapping[str, str] = field(default_factory=dict)
    units: Units = field(default_factory=dict)
    currencies: Mapping[str, Money] = field(default_factory=dict)
    magnitudes: Mapping[str, str] = field(default_factory=dict)  # "Mio." -> "Millionen", between amount and currency
    one_magnitude: Mapping[str, str] = field(default_factory=dict)  # "Millionen" -> "eine Million"
    money: str = "{amount} {unit} {cents} {cent}"  # with cents
    agree: Callable[[int, str, str], str] | None = None  # number, noun after, word before -> the number: une page
    months: tuple[str, ...] = ()
    month_abbreviations: Mapping[str, int] = field(default_factory=dict)
    month_first: bool = False  # 3/21/2024
    day_last: bool = False  # "March 21" is a date, "21 of March" too
    numeric_date: str = r"[./-]"  # separators of day, month and year
    date: Callable[[int, int, int | None, str], str] | None = None  # day, month, year, word before -> words
    short_date: bool = False  # "24.12." is a date
    day: Callable[[int, str], str] | None = None  # day, word before -> the word beside the month's name
    day_first: Callable[[int, str], str] | None = None  # the same where the day stands first; None = ``day``
    of: str = ""  # between the day and the month after it
    weekdays: Mapping[str, str] = field(default_factory=dict)  # "Mo" -> "Montag", where a day must be meant
    weekday_before: str = r"(?!)"  # words after which it must
    weekday_after: str = r"(?!)"  # what follows one
    written_day: str = r"\d{1,2}"
    time: Callable[[int, int], str] | None = None
    clock: str = r"(?!)"  # what may stand after a time and is said by ``time``
    time_separator: str = ":"  # pattern; after a period only ``clock`` makes a time
    ordinal_pattern: str = r"(?!)"  # after digits
    ordinal_form: Callable[[int, str, str, str], str] | None = None  # number, suffix, word before, word after -> words
    joins: frozenset[str] = frozenset()  # "und": the word before the 4. of "am 3. und 4." is "am"
    abbreviations: Mapping[str, str] = field(default_factory=dict)
    contextual: tuple[tuple[str, str], ...] = ()  # (pattern, replacement) tried before the abbreviations
    letters: Mapping[str, str] = field(default_factory=dict)  # names of letters that the G2P says otherwise
    letter_words: frozenset[str] = frozenset()  # capitals that are words by themselves
    said: Mapping[str, str] = field(default_factory=dict)  # acronyms said as words
    regnal: frozenset[str] = frozenset()  # names that a Roman ordinal follows
    regnal_form: Callable[[int], str] | None = None
    roman_suffix: str = r"(?!)"  # "XIXe": after a Roman ordinal
    numbered: frozenset[str] = frozenset()  # nouns that a Roman cardinal follows
    fraction: Callable[[int, int], str | None] | None = None
    half: Callable[[int], str] | None = None  # 2 -> "zweieinhalb"
    web: Mapping[str, str] = field(default_factory=dict)  # signs of addresses
    spaceless: bool = False  # numbers touch the letters of the script (Chinese)

    @cached_property
    def month_numbers(self) -> dict[str, int]:
        """Names and abbreviations of months, lower case, without periods."""
        names = {name.lower(): i for i, name in enumerate(self.months, 1)}
        return names | {name.lower(): i for name, i in self.month_abbreviations.items()}

    def digits(self, digits: str) -> str:
        """One by one."""
        return " ".join(self._digit_words[int(digit)] for digit in digits)

    @cached_property
    def _digit_words(self) -> list[str]:
        return [self.cardinal(digit) for digit in range(10)]

    def whole(self, digits: str) -> str:
        """A string of ASCII digits as a number; with a leading zero or of more than 18 digits, one by one."""
        if len(digits) > MAX_DIGITS or (len(digits) > 1 and digits[0] == "0"):
            return self.digits(digits)
        return self.cardinal(int(digits))

    def counted(self, digits: str, noun: str, before: str = "") -> str:
        """A string of digits as it stands before a noun."""
        if self.agree is None or len(digits) > MAX_DIGITS or digits[0] == "0":
            return self.whole(digits)
        return self.agree(int(digits), noun, before)

    def number(self, written: str) -> str:
        """A number with thousands groups and decimals as it is written in this language."""
        whole, _, decimals = written.partition(self.decimal)
        whole = "".join(char for char in whole if char.isdigit())
        spoken = self.whole(whole) if whole else self.cardinal(0)
        if not decimals:
            return spoken
        if self.decimal_words and len(whole) + len(decimals) <= MAX_DIGITS:
            return self.decimal_words(f"{whole or 0}.{decimals}")
        plain = self.decimals_as_number and len(decimals) <= 3 and decimals[0] != "0"
        return f"{spoken} {self.point} {self.whole(decimals) if plain else self.digits(decimals)}"
