"""Text into sentences, and sentences over the limit into clauses; characters are never cut.

Works for scripts with and without spaces: a full stop of any script ends a sentence; for the ambiguous Latin
period the word before it decides (abbreviation, initial, ordinal) and the letter after it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from frontend.everyday import FUNCTION_WORDS
from frontend.markup import PAUSE
from frontend.spans import SpannedText

# Abbreviations that a name, a number or an example follows: a period after them never ends a sentence.
NEVER_LAST = {
    "en": "mr mrs ms dr prof st sr jr rev hon gen col lt sgt capt gov sen rep pres messrs mme mlle mt ft no nos vol fig "
    "figs eq p pp ch sec vs e.g i.e cf viz approx dept est ave blvd jan feb mar apr jun jul aug sep sept oct nov dec",
    "de": "hr fr dr prof dipl ing med phil jur rer nat st nr abs art bd bzw ca d.h z.b u.a z.t o.ä i.d.r s.o s.u u.u v.a "
    "vgl evtl ggf inkl exkl zzgl bspw sog geb verh gest hl kath ev str tel abb tab kap s z d v jan feb mär apr jun jul "
    "aug sep sept okt nov dez gen min max frl bzgl a.d i.a e.v österr dt engl frz n o i fa mio mrd tsd "
    "chr co std hbf",
    "nl": "hr dhr mevr mw mej "
    "dr drs ir ing mr prof ds st nr p pp blz pag mln mld chr co bijv bv d.w.z o.a m.b.t t.o.v t.a.v i.p.v z.g.n resp ca vgl "
    "evt incl excl jl a.s art afb fig hfst jan feb mrt apr jun jul aug sep sept okt nov dec tel min max n.a.v z.o.z ong",
    "fr": "m mm mme mmes mlle mlles dr pr me mgr st ste sts no n° vol p pp chap art av bd fig cf env ex p.ex c.-à-d "
    "éd janv févr avr juil sept oct nov déc tél hab apr av.j j.-c cie",
    "es": "sr sra srta sres d dña dr dra prof profa lic ing arq av avda núm pág págs vol cap fig p.ej ej aprox tel ud uds "
    "vd vds sto sta",
    "it": "sig sigg sig.ra sig.na dott dott.ssa prof prof.ssa ing avv arch on rag geom s ss pag pagg vol cap fig es p.es "
    "ecc.mo tel n nr art ca",
    "pt": "sr sra srta dr dra prof profa eng av nº pág págs vol cap fig p.ex ex aprox tel d exmo exma",
    "pl": "p pp dr prof mgr inż hab ul al os tzn tzw np m.in św ks im nr str tel godz ok r w tj",
    "cs": "p pí sl dr prof mgr ing doc st ul tzv např tj č str tel cca hod kpt",
    "sv": "hr fr dr prof s.k t.ex bl.a d.v.s m.m nr kap sid ca jfr st tel f.d",
    "da": "hr fr dr prof f.eks bl.a d.v.s nr kap ca jf skt tel str stk kl",
    "nb": "hr fr dr prof f.eks bl.a d.v.s nr kap ca jf st tel kl",
    "ru": "г гг г-н г-жа д-р проф акад им ул пр пл д кв стр рис табл см ср т.е т.к т.н напр св тыс млн млрд руб коп",
    "uk": "р рр м вул просп пл д-р проф акад ім див напр т.зв св тис млн млрд грн коп",
    "tr": "dr prof doç av sn alb yrd vb bkz örn no cad sok mah",
    "hu": "dr prof id ifj özv st pl ún kb ill u",
}
# Of all these, abbreviations that need a number after them, and such that a sentence may well end with.
_BEFORE_NUMBERS = {"no", "nos", "art", "max", "p"}
_MAY_END = {"mio", "mrd", "tsd", "chr", "co", "std", "min", "sek", "str", "hbf", "mln", "mld", "hab", "j.-c", "cie"}
# "am 3. Mai": languages that write ordinals with a period.
DOT_ORDINALS = {
    "de",
    "da",
    "nb",
    "no",
    "nn",
    "fi",
    "hu",
    "cs",
    "sk",
    "pl",
    "sl",
    "hr",
    "bs",
    "sr",
    "et",
    "lv",
    "lt",
    "is",
    "tr",
    "eu",
    "lb",
}

_ENDS = re.compile(
    r"(?<![.!?…])(?P<latin>[.!?…]+)(?![.!?…])[\"')\]]{0,8}(?=\s|$)"
    r"|[。！？؟۔।॥።၊။។]+[\"')）】]{0,8}"
)
_LAST_WORD = re.compile(r"(?:^|(?<=[\s\"(\[]))['¿¡]*([^\s\"(\[]{1,40})$")
_CLAUSE_END = re.compile(r"[,;:—–]['\")]*(?=\s)|\)(?=\s)|[、，；：،؛]['\"）)]*|\s[-–—](?=\s)")
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*|" + PAUSE)
_HARD_WRAP = 50  # characters: a longer line that ends without a mark goes on in the next one


@dataclass(frozen=True)
class Piece:
    """One sentence or clause, and what follows it."""

    text: SpannedText
    pause_at: int | None = None  # raw position of the pause markup right after it
    paragraph_end: bool = False


def split(text: SpannedText, language: str, max_chars: int) -> list[Piece]:
    """Cut cleaned text into sentences of at most ``max_chars`` characters.

    Args:
        text: Cleaned text with its markup taken out.
        language: Tag; chooses the abbreviations.
        max_chars: A sentence over it is cut at clause marks, then at spaces, then between graphemes.
    """
    return [piece for part, end in paragraphs(text) for piece in sentences(part, end, language, max_chars)]


def paragraphs(text: SpannedText) -> Iterator[tuple[SpannedText, SpannedText]]:
    """The paragraphs of a text, each with what ends it: white space, the mark of a pause, or nothing; one after the other."""
    at = 0
    for match in _PARAGRAPH.finditer(text.chars):
        yield text[at : match.start()], text[match.start() : match.end()]
        at = match.end()
    yield text[at:], text[len(text) :]


def sentences(text: SpannedText, end: SpannedText, language: str, max_chars: int) -> list[Piece]:
    """The sentences of one paragraph, as of `split`; ``end`` is what ends it."""
    pieces = _paragraph(text, language.split("-")[0], max_chars)
    pause_at = end.span(0, 1)[0] if end.chars == PAUSE else None
    if pieces:
        pieces[-1] = Piece(pieces[-1].text, pause_at, len(end) > 0 and pause_at is None)
    elif pause_at is not None:
        pieces = [Piece(end[:0], pause_at)]
    return pieces


def _paragraph(text: SpannedText, language: str, max_chars: int) -> list[Piece]:
    never_last = set(NEVER_LAST.get(language, "").split())
    pieces, start = [], 0
    for end in [*_sentence_ends(text.chars, language, never_last), len(text)]:
        sentence = text[start:end].strip()
        start = end
        if len(sentence):
            pieces += [Piece(part) for part in _within(sentence, max_chars)]
    return pieces


def _sentence_ends(chars: str, language: str, never_last: set[str]) -> list[int]:
    ends = [m.end() for m in _ENDS.finditer(chars) if not m["latin"] or _is_end(chars, m, language, never_last)]
    line_start = 0
    for newline in re.finditer(r"\n", chars):
        line = chars[line_start : newline.start()].rstrip()
        line_start = newline.end()
        if len(line) < _HARD_WRAP or line[-1] in ",;:—":
            ends.append(newline.end())
    return sorted(ends)


def _is_end(chars: str, match: re.Match, language: str, never_last: set[str]) -> bool:
    following = chars[match.end() : match.end() + 24].lstrip(" \n\"'([¿¡-—–")
    if following and following[0].islower():
        return False
    if match["latin"] != ".":
        return True
    before = _LAST_WORD.search(chars, max(0, match.start() - 41), match.start())
    if not before:
        return True
    word = re.split(r"(?<=[.\d])[-–](?=\d|[A-Z][a-z]$)", before[1])[-1]  # 1.-3., Mo.-Fr.
    lower = word.lower().lstrip(".")
    names = {lower, lower.rpartition("-")[2]} | ({"str"} & never_last if lower.endswith("str") else set())
    opens = _opens_sentence(chars, before.start(), following, language)
    if names & _BEFORE_NUMBERS & never_last:
        if following[:1].isdigit():
            return False
    elif names & never_last:
        return not following or (opens and bool(names & _MAY_END))
    if re.fullmatch(r"(?:[^\W\d_]\.-)?[A-Z]", word) and following:  # an initial, or the letter of "vitamin C"
        return opens or (word == "I" and language == "en")
    if re.fullmatch(r"(?:[^\W\d_]\.)+[^\W\d_]", word) and lower not in ("a.m", "p.m"):
        return not following or opens
    if language in DOT_ORDINALS and following and re.fullmatch("[0-9]{1,2}|[IVX]{2,6}", word):
        return opens or not _announces_ordinal(chars, before.start(), following)
    return True


def _opens_sentence(chars: str, start: int, following: str, language: str) -> bool:
    """Whether a word follows that is capital only where a sentence begins; "Le" and "De" may be names after an initial."""
    word = re.match(r"[^\W\d_]+", following)
    if not word or word[0].lower() not in FUNCTION_WORDS.get(language, ()):
        return False
    before = chars[max(0, start - 24) : start].split()
    follows_noun = bool(before) and before[-1].islower() and before[-1] not in FUNCTION_WORDS[language]
    return word[0].lower() not in _OF_NAMES or follows_noun


def _announces_ordinal(chars: str, start: int, following: str) -> bool:
    """Whether "3." before ``following`` reads as an ordinal: a determiner stands before it, or a month after it."""
    before = chars[max(0, start - 12) : start].split()
    return bool(before and _DETERMINER.fullmatch(before[-1].lower())) or bool(_MONTH.match(following))


_MONTH = re.compile(r"jan|feb|m[äa]r|apr|ma[ijy]|jun|jul|aug|sep|o[kc]t|nov|de[zcs]", re.IGNORECASE)
_DETERMINER = re.compile(
    r"(?:ein|kein|mein|dein|sein|ihr|unser|euer|dies|jed|jen|welch)(?:e[rnms]?)?|d(?:er|ie|as|en|em|es)|am|im|vom|zum|zur|beim|"
    r"bis|ab|seit|und|oder|det|de|el|a|az|ve"
)
_OF_NAMES = {"le", "la", "les", "de", "des", "du", "den", "het", "van"}


def _within(text: SpannedText, max_chars: int) -> list[SpannedText]:
    """The text itself, or parts of at most ``max_chars`` of about equal length."""
    parts, start = [], 0
    while (left := len(text) - start) > max_chars:
        target = -(-left // -(-left // max_chars))
        end = start + _cut(text.chars[start : start + max_chars + 1], target, max_chars)
        parts.append(text[start:end].strip())
        start = end
    return [part for part in [*parts, text[start:].strip()] if len(part)]


def _cut(chars: str, target: int, max_chars: int) -> int:
    marks = [m.end() for m in _CLAUSE_END.finditer(chars) if max_chars // 4 <= m.end() <= max_chars]
    if marks:
        return min(marks, key=lambda end: abs(end - target))
    spaces = [i for i, c in enumerate(chars) if c.isspace() and 0 < i <= max_chars]
    if spaces:
        return min(spaces, key=lambda i: abs(i - target))
    return grapheme_cut(chars, max_chars)


def grapheme_cut(chars: str, limit: int) -> int:
    """The last place at or before ``limit`` that does not part a base letter from its marks (at least 1)."""
    cut = min(limit, len(chars))
    while cut > 0 and cut < len(chars) and (_extends(chars[cut]) or chars[cut - 1] == "\u200d"):
        cut -= 1
    return cut or limit  # nothing but marks: the limit holds


def _extends(char: str) -> bool:
    return char in "\u200c\u200d" or unicodedata.category(char)[0] == "M" or "\u1161" <= char <= "\u11ff"
