"""Mandarin as it is written and read aloud; numbers stand between characters without spaces."""

# ruff: noqa: E501 - tables of words
from __future__ import annotations

import re

from frontend.normalize.engine import Edits, Rule
from frontend.normalize.engine import apply as apply_rules
from frontend.normalize.grammar import Grammar, Money
from frontend.normalize.shared import RULES
from frontend.spans import SpannedText

_DIGITS = "零一二三四五六七八九"
_HAN = r"\u3007\u3400-\u9fff\U00020000-\U0003ffff"
_BETWEEN_HAN = re.compile(rf"(?<=[{_HAN}]) +(?=[{_HAN}])")
# After these two is 两: measure words, and the large units.
_MEASURE = "个只条张本件位名种次年天周月家间辆台部首篇座层遍口块片头双套份支枝杯瓶碗斤公里米吨小时分钟点元万亿千"


def cardinal(number: int) -> str:
    """一万零五十, 十二, 两千: as spoken; at most 16 digits in groups of four."""
    if number < 0:
        return "负" + cardinal(-number)
    if number == 0:
        return "零"
    groups = []
    while number:
        number, group = divmod(number, 10_000)
        groups.append(group)
    said = ""
    for power in range(len(groups) - 1, -1, -1):
        group = groups[power]
        if not group:
            said += "" if said.endswith("零") or not said else "零"
            continue
        if said and group < 1000 and not said.endswith("零"):
            said += "零"
        said += ("两" if group == 2 and power else _below_ten_thousand(group)) + ("", "万", "亿", "万亿", "亿亿")[power]
    said = said.rstrip("零")
    return said[1:] if said.startswith("一十") else said


def _below_ten_thousand(number: int) -> str:
    said = ""
    for place, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, place)
        if digit:
            said += ("两" if digit == 2 and place == 1000 else _DIGITS[digit]) + unit
        elif said and number and not said.endswith("零"):
            said += "零"
    return said


def digits(number: str) -> str:
    """One by one: 二零二四."""
    return "".join(_DIGITS[int(c)] for c in number)


def _date(day: int, month: int, year: int, before: str) -> str:
    return f"{digits(str(year))}年{cardinal(month)}月{cardinal(day)}日"


def _time(hour: int, minute: int) -> str:
    said = "两点" if hour == 2 else f"{cardinal(hour)}点"
    return said + (f"{'零' if minute < 10 else ''}{cardinal(minute)}分" if minute else "整")


def _fraction(top: int, bottom: int) -> str | None:
    return f"{cardinal(bottom)}分之{cardinal(top)}" if bottom > 1 else None


def _year(g: Grammar) -> str:
    return r"(?<!\d)(\d{4}|\d\d)(?=年(?!前|后|间|来|的|内|级|以))"


def _say_year(match: re.Match, g: Grammar) -> Edits:
    return [(match.start() + i, match.start() + i + 1, digits(c)) for i, c in enumerate(match[1])]


def _percent(g: Grammar) -> str:
    return r"(?<![\w.])(-?\d+(?:\.\d+)?)\s?([%‰])"


def _say_percent(match: re.Match, g: Grammar) -> str:
    sign = "负" if match[1][0] == "-" else ""
    return f"{sign}{'百' if match[2] == '%' else '千'}分之{g.number(match[1].lstrip('-'))}"


def _two(g: Grammar) -> str:
    return rf"(?<![\w.第])2(?=[{_MEASURE}])"


def _say_two(match: re.Match, g: Grammar) -> str:
    return "两"


def _mobile(g: Grammar) -> str:
    return r"(?<![\d.])(?:1\d{10}|\d{3,4}-\d{7,8})(?![\d.])"


def _say_mobile(match: re.Match, g: Grammar) -> Edits:
    """Telephone numbers say 幺 for one."""
    return [(match.start() + i, match.start() + i + 1, "幺" if c == "1" else _DIGITS[int(c)])
            for i, c in enumerate(match.group()) if c.isdigit()]  # fmt: skip


def _same(name: str) -> tuple[str, str]:
    return f"一{name}", name


_UNITS = {
    "km": _same("公里"), "m": _same("米"), "cm": _same("厘米"), "mm": _same("毫米"), "km²": _same("平方公里"), "m²": _same("平方米"),
    "㎡": _same("平方米"), "m³": _same("立方米"), "km/h": _same("公里每小时"), "m/s": _same("米每秒"), "kg": _same("公斤"),
    "g": _same("克"), "mg": _same("毫克"), "t": _same("吨"), "l": _same("升"), "L": _same("升"), "ml": _same("毫升"), "mL": _same("毫升"),
    "h": _same("小时"), "min": _same("分钟"), "s": _same("秒"), "Hz": _same("赫兹"), "kHz": _same("千赫"), "MHz": _same("兆赫"),
    "W": _same("瓦"), "kW": _same("千瓦"), "V": _same("伏"), "A": _same("安"), "dB": _same("分贝"), "°": _same("度"),
    "°C": _same("摄氏度"), "°F": _same("华氏度"),
}  # fmt: skip
_YUAN, _MEI, _OU = Money("一元", "元"), Money("一美元", "美元"), Money("一欧元", "欧元")

GRAMMAR = Grammar(
    tag="cmn",
    cardinal=cardinal,
    decimal=".",
    groups=",，",
    point="点",
    minus="负",
    to="到",
    symbols={
        "%": "百分之", "&": "和", "+": "加", "=": "等于", "$": "美元", "€": "欧元", "£": "英镑", "¥": "元", "@": "艾特", "#": "井号",
        "°": "度", "×": "乘", "÷": "除以", "±": "正负", "<": "小于", ">": "大于", "≤": "小于等于", "≥": "大于等于", "≈": "约等于",
        "√": "根号", "∞": "无穷大", "²": "平方", "³": "立方", "‰": "千分之", "№": "编号", "−": "减",
    },
    units=_UNITS,
    currencies={"¥": _YUAN, "元": _YUAN, "RMB": _YUAN, "CNY": _YUAN, "$": _MEI, "US$": _MEI, "USD": _MEI, "美元": _MEI, "€": _OU,
                "EUR": _OU, "欧元": _OU, "£": Money("一英镑", "英镑"), "HK$": Money("一港元", "港元")},
    magnitudes={m: m for m in ("万", "亿", "百万", "千万", "万亿")},
    date=_date,
    time=_time,
    clock="分",
    fraction=_fraction,
    letters={"A": "eigh", "I": "eye"},
    web={".": "点", "/": "斜杠", "@": "艾特", "-": "横杠", "_": "下划线", ":": "冒号", "?": "问号", "#": "井号", "&": "和",
         "=": "等于", "%": "百分号", "+": "加", "~": "波浪号"},
    spaceless=True,
)  # fmt: skip

_FIRST: tuple[Rule, ...] = ((_percent, _say_percent), (_year, _say_year), (_mobile, _say_mobile), (_two, _say_two))


def apply(text: SpannedText) -> SpannedText:
    """All rules; spaces that rules put between characters go, those of the text stay."""
    text = apply_rules(text, GRAMMAR, (*_FIRST, *RULES))
    edits = []
    for match in _BETWEEN_HAN.finditer(text.chars):
        at = match.start()
        if text.ends[at] - text.starts[at] != 1 or text.starts[at] in (text.starts[at - 1], text.starts[match.end()]):
            edits.append((*match.span(), ""))
    return text.edit(edits)
