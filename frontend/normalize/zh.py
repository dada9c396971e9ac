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
_MEASURE = "个只条张本件位名种次年天周家间辆台部首篇座层遍口块片头双套份支枝杯瓶碗斤公里米吨小时分钟点元万亿千"


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


# The ends of a range: a time of day, a number with its unit or sign, a year.
_SAID_WITH = "年月日号点时分秒天元块岁周届章节页楼层级倍米"
_TO_TIME = r"(?<=:\d\d)\s?[-–—~]\s?(?=\d?\d:\d\d)"
_TO_UNIT = rf"(?:(?<=\d[{_SAID_WITH}])|(?<=\d[%‰])|(?<=°C))\s?[-–—~]\s?(?=[第上下中早晚][午上]?\d|-?\d)"
_TO_YEAR = r"(?:(?<=(?<!\d)\d\d)|(?<=(?<!\d)\d\d\d\d))\s?[-–—~]\s?(?=(?:\d\d|\d{4})年)"
_TO_NUMBER = rf"(?<=\d)(?:~(?=\d)|[-–—](?=2[{_MEASURE}]))"


def _to(g: Grammar) -> str:
    return rf"{_TO_TIME}|{_TO_UNIT}|{_TO_YEAR}|{_TO_NUMBER}"


def _say_to(match: re.Match, g: Grammar) -> str:
    return g.to


def _ratio(g: Grammar) -> str:
    number = r"\d{1,3}(?:\.\d+)?"
    return rf"(?<![\d.:：])(?P<first>{number})[:：](?P<second>{number})(?![\d:：.])"


def _say_ratio(match: re.Match, g: Grammar) -> Edits | None:
    """2:1, and 21:15 where a word announces a score; else two digits after the colon are minutes."""
    announced = re.search(r"(?:比[分例率数]?|(?<![所可])以|胜|负|平)[为是约]?\s?$", match.string[: match.start()][-4:])
    if len(match["second"]) == 2 and not announced:
        return None
    return [(match.end("first"), match.start("second"), "比")]


# Years are read digit by digit, durations are numbers: 1998年 and 98年, but 20年, 5000年 and 2000年前.
_YEAR = (
    r"(?:1\d{3}|20\d\d)(?=年|\s?[到至和、]\s?\d{2,4}年)(?!(?<=00)年(?:前(?!后)|来|历))"
    r"|(?:1[89]|20)\d\d(?=[届级])"
    r"|(?:0\d|[5-9]\d)(?=年(?!前|后|间|来|的|内|级|以|代|历)|\s?[到至和、]\s?\d\d年(?!代))"
    r"|\d\d(?=年\d{1,2}月)"
)


def _year(g: Grammar) -> str:
    return rf"(?<![\d.])(?:{_YEAR})"


def _say_year(match: re.Match, g: Grammar) -> Edits:
    return [(match.start() + i, match.start() + i + 1, digits(c)) for i, c in enumerate(match.group())]


def _percent(g: Grammar) -> str:
    return r"(?<![\w.])(-?\d+(?:\.\d+)?)\s?([%‰])"


def _say_percent(match: re.Match, g: Grammar) -> str:
    sign = "负" if match[1][0] == "-" else ""
    return f"{sign}{'百' if match[2] == '%' else '千'}分之{g.number(match[1].lstrip('-'))}"


def _two(g: Grammar) -> str:
    return rf"(?<![\w./第])2(?=[{_MEASURE}](?!级))"


def _say_two(match: re.Match, g: Grammar) -> str:
    return "两"


def _mobile(g: Grammar) -> str:
    mobile, desk, service = r"1\d\d(?P<gap>[ -]?)\d{4}(?P=gap)\d{4}", r"0\d{2,3}-\d{3,4}-?\d{4}", r"[48]00-?\d{3}-?\d{4}"
    return rf"(?<![\d.-])(?:{mobile}|{desk}|{service})(?![\d.-])"


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
    "μm": _same("微米"), "µm": _same("微米"), "nm": _same("纳米"), "cm²": _same("平方厘米"), "cm³": _same("立方厘米"), "kWh": _same("千瓦时"),
    "GHz": _same("吉赫"), "KB": _same(" K"), "kB": _same(" K"), "MB": _same("兆"), "GB": _same(" G"), "TB": _same(" T"),
    "h": _same("小时"), "min": _same("分钟"), "s": _same("秒"), "Hz": _same("赫兹"), "kHz": _same("千赫"), "MHz": _same("兆赫"),
    "W": _same("瓦"), "kW": _same("千瓦"), "V": _same("伏"), "A": _same("安"), "dB": _same("分贝"), "°": _same("度"),
    "°C": _same("摄氏度"), "°F": _same("华氏度"),
}  # fmt: skip
_YUAN, _MEI, _OU = Money("一元", "元"), Money("一美元", "美元"), Money("一欧元", "欧元")

GRAMMAR = Grammar(
    tag="cmn",
    cardinal=cardinal,
    decimal=".",
    groups=",",
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

_FIRST: tuple[Rule, ...] = (
    (_mobile, _say_mobile),
    (_to, _say_to),
    (_ratio, _say_ratio),
    (_percent, _say_percent),
    (_year, _say_year),
    (_two, _say_two),
)


def apply(text: SpannedText) -> SpannedText:
    """All rules; spaces that rules put between characters go, those of the text stay."""
    text = apply_rules(text, GRAMMAR, (*_FIRST, *RULES))
    edits = []
    for match in _BETWEEN_HAN.finditer(text.chars):
        at = match.start()
        if text.ends[at] - text.starts[at] != 1 or text.starts[at] in (text.starts[at - 1], text.starts[match.end()]):
            edits.append((*match.span(), ""))
    return text.edit(edits)
