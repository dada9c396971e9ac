"""Words to phones: the last step of the frontend.

A clause comes out as ``SIL, phones of a word, WB, phones of a word, mark, ..., final mark, SIL``. ``WB`` stands
between words unless a mark does; no mark is invented. Every phone has a base symbol (`frontend.inventory`), a
style (`frontend.styles`), a language and a span in the raw text; every word owns at least one phone or a note
says why not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby

import numpy as np

from frontend import inventory, mandarin, styles
from frontend.g2p import Said, engine
from frontend.ipa import ParsedIpa, parse_ipa
from frontend.languages import Language, resolve
from frontend.lexicon import Lexicon
from frontend.types import Note, Word
from tts.base.errors import DataError

_OWN_HAN_READINGS = ("ja", "yue", "hak")  # languages in which Han characters are not Mandarin


@dataclass(frozen=True)
class Token:
    """A word or a prosodic mark of a clause.

    Attributes:
        text: Normalised spoken text: a word, or a run of Han characters.
        start: Span in the raw text, code points, half open.
        end: See ``start``.
        language: Tag, None = language of the clause.
        ipa: Pronunciation given inline, wins over everything.
        mark: One of ``, . ? ! ; : … —`` if the token is a mark and not a word.
        spans: Raw span of each character of ``text``, for a run that will be cut into words.
    """

    text: str
    start: int
    end: int
    language: str | None = None
    ipa: str | None = None
    mark: str | None = None
    spans: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True, eq=False)
class PhoneString:
    """Phones of one clause; arrays of one entry a phone, fields as in `frontend.types.Phones`."""

    ids: np.ndarray  # int16 [N]
    styles: np.ndarray  # int16 [N]
    langs: np.ndarray  # int16 [N]
    spans: np.ndarray  # int32 [N, 2]
    words: tuple[Word, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass
class _Spoken:
    """One word or mark to be laid down: where it stands, what it sounds like."""

    token: Token
    language: Language
    parsed: ParsedIpa | None = None  # known already (mark, inline, lexicon, Mandarin); else espeak says it
    crashed: bool = False


@dataclass
class _Clause:
    language: Language
    items: list[_Spoken] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def phonemize(words: Sequence[Token], language: str, lexicon: Lexicon | None = None) -> PhoneString:
    """Phones of one clause.

    Args:
        words: Words and marks in reading order.
        language: Tag of the clause, e.g. ``en-us``.
        lexicon: A person's own pronunciations.

    Raises:
        UnavailableError: Unknown language, or espeak-ng does not start.
        DataError: A token with an unknown mark.
    """
    return phonemize_batch([(words, language)], lexicon)[0]


def phonemize_batch(clauses: Sequence[tuple[Sequence[Token], str]], lexicon: Lexicon | None = None) -> list[PhoneString]:
    """Phones of many clauses; the same result as one by one, in a few requests to espeak."""
    prepared = [_prepare(words, resolve(language), lexicon) for words, language in clauses]
    runs: dict[str, list[list[_Spoken]]] = defaultdict(list)
    owners: dict[int, _Clause] = {}
    for clause in prepared:
        for run in _runs(clause):
            runs[run[0].language.voice].append(run)
            owners[id(run)] = clause
    for voice, of_voice in runs.items():
        answers = engine().say(voice, [[word.token.text for word in run] for run in of_voice])
        for run, answer in zip(of_voice, answers, strict=True):
            for word, said in zip(run, answer.words, strict=True):
                if word.parsed is None:
                    word.parsed, word.crashed = _parse(said, word.language), said.crashed
            if answer.switches:
                owners[id(run)].notes.append(Note("language", run[0].token.start, run[-1].token.end, "language_switch",
                                                  " ".join(sorted(set(answer.switches)))))
    return [_lay_down(clause) for clause in prepared]


def _parse(said: Said, language: Language) -> ParsedIpa:
    """espeak's tokens one by one, so that ``t`` + ``ʃ`` of two syllables stays two phones."""
    parts = [_phoneme(phoneme, language.tag) for phoneme in said.phonemes]
    return ParsedIpa(sum((p.phones for p in parts), ()), sum((p.mapped for p in parts), ()))


@lru_cache(maxsize=4096)
def _phoneme(phoneme: str, tag: str) -> ParsedIpa:
    return parse_ipa(phoneme, tag, from_espeak=True)


def _prepare(words: Sequence[Token], language: Language, lexicon: Lexicon | None) -> _Clause:
    clause = _Clause(language)
    for token in words:
        if token.mark is not None:
            if token.mark not in inventory.MARKS:
                raise DataError("unknown prosodic mark", where="words", value=token.mark, code="phone.mark",
                                fix=f"One of: {' '.join(inventory.MARKS)}")
            clause.items.append(_Spoken(token, language, ParsedIpa(((inventory.MARKS[token.mark], 0),))))
            continue
        own = resolve(token.language) if token.language else language
        ipa = token.ipa or (lexicon.lookup(token.text, own) if lexicon else None)
        if ipa:
            clause.items.append(_Spoken(token, own, parse_ipa(ipa, own)))
        else:
            clause.items += _split_han(token, own, lexicon)
    return clause


def _split_han(token: Token, language: Language, lexicon: Lexicon | None) -> list[_Spoken]:
    """Han runs of a token read as Mandarin, the rest by espeak (Latin letters in Mandarin as English)."""
    chinese = resolve("cmn")
    if language.tag in _OWN_HAN_READINGS or not (language == chinese or any(map(mandarin.is_han, token.text))):
        return [_Spoken(token, language)]
    if token.spans:
        spans = token.spans
    elif len(token.text) == token.end - token.start:
        spans = tuple((i, i + 1) for i in range(token.start, token.end))
    else:
        spans = ((token.start, token.end),) * len(token.text)
    words: list[_Spoken] = []

    def put(first: int, last: int, own: Language, parsed: ParsedIpa | None) -> None:
        words.append(_Spoken(Token(token.text[first:last], spans[first][0], spans[last - 1][1]), own, parsed))

    for han, group in groupby(range(len(token.text)), key=lambda i: mandarin.is_han(token.text[i])):
        places = list(group)
        start, end = places[0], places[-1] + 1
        if not han:
            put(start, end, resolve("en-us") if language == chinese else language, None)
            continue
        run = token.text[start:end]
        for first, last, ipa in lexicon.split(run, chinese) if lexicon else [(0, len(run), None)]:
            if ipa:
                put(start + first, start + last, chinese, parse_ipa(ipa, chinese))
                continue
            for unit in mandarin.read_units(run[first:last]):
                parsed = ParsedIpa(unit.phones, tuple((char, "") for char in unit.unknown))
                put(start + first + unit.start, start + first + unit.end, chinese, parsed)
    return words


def _runs(clause: _Clause) -> list[list[_Spoken]]:
    """Stretches of words that espeak says in one breath: one language, no mark between.

    Words with a pronunciation of their own stay in, as context for their neighbours.
    """
    runs: list[list[_Spoken]] = []
    open_run: list[_Spoken] = []
    for item in clause.items:
        if open_run and (item.token.mark or item.language != open_run[-1].language):
            runs.append(open_run)
            open_run = []
        if not item.token.mark and item.language.tag != "cmn":
            open_run.append(item)
    runs.append(open_run)
    return [run for run in runs if any(item.parsed is None for item in run)]


def _lay_down(clause: _Clause) -> PhoneString:
    """Arrays, words and notes of a clause whose words are all known."""
    own = clause.language
    rows: list[tuple[int, int, int, int, int]] = []  # id, style, language, start, end
    words: list[Word] = []
    notes = list(clause.notes)

    def put(index: int, k: int, language: Language, start: int, end: int) -> None:
        rows.append((index, styles.BLOCK * language.id + k, language.id, start, end))

    edges = [clause.items[0].token.start, clause.items[-1].token.end] if clause.items else [0, 0]
    put(inventory.SIL, 0, own, edges[0], edges[0])
    for item in clause.items:
        token = item.token
        if not token.mark and item.parsed.phones and rows[-1][0] > inventory.EXCLAMATION:
            put(inventory.WB, 0, own, *sorted((rows[-1][4], token.start)))
        first = len(rows)
        for index, k in item.parsed.phones:
            put(index, k, own if token.mark else item.language, token.start, token.end)
        if not token.mark:
            words.append(Word(token.text, token.start, token.end, first, len(rows)))
            notes += _word_notes(item)
    put(inventory.SIL, 0, own, edges[1], edges[1])
    table = np.array(rows, dtype=np.int32)
    ids, style_ids, langs = (table[:, column].astype(np.int16) for column in range(3))
    return PhoneString(ids, style_ids, langs, table[:, 3:].copy(), tuple(words), tuple(notes))


def _word_notes(item: _Spoken) -> list[Note]:
    token = item.token
    notes = [Note("mapped", token.start, token.end, "nearest_phone", f"{spelling} -> {symbol}") if symbol
             else Note("dropped", token.start, token.end, "unsupported_script", spelling)
             for spelling, symbol in item.parsed.mapped]
    if item.crashed:
        notes.append(Note("mapped", token.start, token.end, "g2p_crash", token.text[:80]))
    if not item.parsed.phones and not item.parsed.mapped:
        reason = "unsupported_script" if any(map(str.isalnum, token.text)) else "punctuation_silent"
        notes.append(Note("dropped", token.start, token.end, reason, token.text[:80]))
    return notes
