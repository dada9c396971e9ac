"""Text to phones, whole: clean, markup, split, normalise, phonemise, and the report of what became of each character."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from frontend import detect
from frontend.clean import clean
from frontend.inventory import COMMA, EXCLAMATION, WB, id_to_symbol
from frontend.languages import resolve
from frontend.markup import IPA, Marked, parse
from frontend.normalize import normalize
from frontend.phonemize import PhoneString, Token, phonemize_batch
from frontend.report import ReportSpan, join_notes, partition
from frontend.split import Piece, paragraphs, sentences
from frontend.types import Note, Phones, Word
from frontend.words import tokens
from tts.base.errors import DataError, ResourceError, UsageError

_LOOSE = re.compile(r" (?=[,.;:!?])")
MAX_BYTES = 1 << 20  # of UTF-8
MAX_CHARS = 300  # of a clause
MAX_PHONES = 400  # of a clause
_GROUPS = (2, 8, 64)  # sentences read at once: few at first, for an early start


@dataclass(frozen=True)
class Analysis:
    """A text, the clauses to be spoken, and the fate of every character.

    ``spans`` lie end to end over ``text`` (`frontend.report`); phone numbers in them count through all clauses.
    """

    text: str
    language: str
    clauses: tuple[Phones, ...]
    notes: tuple[Note, ...]
    spans: tuple[ReportSpan, ...]

    def to_dict(self) -> dict:
        """For JSON."""
        return {
            "text": self.text,
            "language": self.language,
            "clauses": [_clause_dict(clause) for clause in self.clauses],
            "spans": [vars(span) for span in self.spans],
            "notes": [vars(note) for note in self.notes],
        }


def _clause_dict(clause: Phones) -> dict:
    return {
        "normalized": clause.normalized,
        "language": clause.language,
        "phones": [id_to_symbol(i) for i in clause.ids.tolist()],
        "words": [vars(word) for word in clause.words],
        "pause_before": clause.pause_before,
        "pause_after": clause.pause_after,
        "paragraph_end": clause.paragraph_end,
    }


@dataclass
class _Draft:
    """A clause on its way: its tokens, then its phones."""

    tokens: list[Token]
    normalized: str
    language: str
    pause_after: float = 0.0
    paragraph_end: bool = False
    pause_before: float = 0.0
    notes: list[Note] = field(default_factory=list)


@dataclass
class _Plan:
    """A text on its way: everything known before phonemising."""

    text: str
    language: str
    drafts: Iterable[_Draft]  # made as they are taken
    notes: list[Note]
    where: str = "<text>"


class Reading:
    """A text that is read as it is needed: iterate for its clauses, in order, each as soon as it is ready.

    The language is known at once. ``notes`` grow; they are complete, as :meth:`analysis` is, once all is read.

    Raises:
        DataError: At the end, when nothing in the text could be spoken.
    """

    def __init__(self, plan: _Plan, lexicon, max_phones: int):
        self.text, self.language, self.notes = plan.text, plan.language, tuple(plan.notes)
        self._plan, self._lexicon, self._max_phones = plan, lexicon, max_phones
        self._drafts, self._sizes = iter(plan.drafts), iter(_GROUPS)
        self._clauses: list[Phones] = []
        self._analysis: Analysis | None = None

    def __iter__(self) -> Iterator[Phones]:
        at = 0
        while at < len(self._clauses) or self._read():
            yield self._clauses[at]
            at += 1

    def note(self, kind: str, reason: str, detail: str) -> None:
        """Add a note on the whole text, before it is read."""
        self.notes += (Note(kind, 0, len(self.text), reason, detail),)

    def analysis(self) -> Analysis:
        """Everything, when the rest is read too."""
        while self._read():
            pass
        return self._analysis

    def _read(self) -> bool:
        """Read on until there is another clause; False when there is none."""
        before = len(self._clauses)
        while len(self._clauses) == before and self._analysis is None:
            drafts = list(islice(self._drafts, next(self._sizes, _GROUPS[-1])))
            if drafts:
                strings = phonemize_batch([(draft.tokens, draft.language) for draft in drafts], self._lexicon)
                clauses, notes = _clauses(self._plan, drafts, strings, self._max_phones)
                self._clauses += clauses
                self.notes += tuple(notes)
            else:
                self._analysis = _finish(self._plan, self._clauses, list(self.notes))
                self.notes = self._analysis.notes
        return len(self._clauses) > before


def analyze(text: str, language: str = "auto", **options) -> Analysis:
    """What a text sounds like, clause by clause: :func:`read` to the end, with the same arguments and errors."""
    return read(text, language, **options).analysis()


def read(
    text: str,
    language: str = "auto",
    *,
    lexicon=None,
    phonemes: bool = False,
    markup: bool = True,
    max_chars: int = MAX_CHARS,
    max_phones: int = MAX_PHONES,
) -> Reading:
    """Begin to read a text; the first clauses of a book are ready as early as those of a page.

    Args:
        text: Any text of at most 1 MiB.
        language: Tag such as ``de`` or ``en-GB``; ``auto`` detects one for the whole text, and reads a paragraph
            that is surely in another language in its own, with a note.
        lexicon: A person's own pronunciations (`frontend.lexicon.Lexicon`).
        phonemes: The text is IPA already, words between spaces.
        markup: Obey ``[pause]``, ``[word](/ipa/)``, ``[[ipa]]``, ``[fr]…[/fr]``.
        max_chars: Longer sentences are cut into clauses.
        max_phones: Clauses of more phones are cut between words.

    Raises:
        DataError: Nothing in the text can be spoken.
        ResourceError: The text is over the limit.
        UnavailableError: Unknown language.
    """
    if max_chars < 1 or max_phones < 8:
        raise UsageError("the limits are too small", where="max_chars, max_phones", fix="At least 1 character and 8 phones.")
    plan = _plan_phonemes(text, language, max_phones) if phonemes else _plan(text, language, markup, max_chars)
    return Reading(plan, lexicon, max_phones)


def analyze_many(
    texts: Sequence[str], language: str | Sequence[str] = "auto", *, lexicon=None, join: bool = False
) -> list[Analysis]:
    """`analyze` for a corpus: the same results, with the engine asked in large batches.

    Args:
        texts: Without inline markup.
        language: One tag for all, or one a text.
        lexicon: A person's own pronunciations.
        join: Give one clause a text, whatever its length: utterances for training are one sequence.
    """
    tags = [language] * len(texts) if isinstance(language, str) else list(language)
    if len(tags) != len(texts):
        raise UsageError(f"{len(tags)} languages for {len(texts)} texts", where="language")
    plans = [
        _plan(text, tag, False, MAX_CHARS, f"texts[{i}]", join) for i, (text, tag) in enumerate(zip(texts, tags, strict=True))
    ]
    drafts = [_joined(list(plan.drafts)) if join else list(plan.drafts) for plan in plans]
    clauses = [(draft.tokens, draft.language) for own in drafts for draft in own]
    strings = iter(phonemize_batch(clauses, lexicon))
    limit = np.iinfo(np.int32).max if join else MAX_PHONES
    results = []
    for plan, own in zip(plans, drafts, strict=True):
        spoken, notes = _clauses(plan, own, [next(strings) for _ in own], limit)
        results.append(_finish(plan, spoken, plan.notes + notes))
    return results


def process(text: str, language: str = "auto", **options) -> list[Phones]:
    """The clauses of `analyze`."""
    return list(analyze(text, language, **options).clauses)


def _check(text: str, where: str) -> None:
    if not isinstance(text, str):
        raise DataError(f"text must be a str, not {type(text).__name__}", where=where, code="text.type")
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise ResourceError(
            f"the text has {size:,} bytes, the limit is {MAX_BYTES:,}", where=where, limit=MAX_BYTES,
            code="text.too_long", fix="Split it into several texts.",
        )  # fmt: skip
    if not text.strip():
        raise DataError("the text is empty", where=where, code="text.empty", fix="Give at least one word.")


def _plan(text: str, language: str, markup: bool, max_chars: int, where: str = "<text>", join: bool = False) -> _Plan:
    _check(text, where)
    cleaned, notes = clean(text)
    is_free = language == "auto" and not join
    if language == "auto":
        language = detect.detect(cleaned.chars)
    else:
        language = resolve(language).tag
        if doubted := detect.doubt(cleaned.chars, language):
            likelier, probability = doubted
            detail = f"tagged {language}, looks like {likelier} ({probability:.0%})"
            notes.append(Note("language", 0, len(text), "lang_mismatch", detail))
    marked = parse(cleaned, text) if markup else Marked(cleaned)
    notes += marked.notes
    return _Plan(text, language, _drafts(marked, language, is_free, max_chars), notes, where)


def _drafts(marked: Marked, language: str, is_free: bool, max_chars: int) -> Iterator[_Draft]:
    last, before = None, 0.0
    for draft in _all_drafts(marked, language, is_free, max_chars):
        if draft.tokens:
            if last:
                yield last
            else:
                draft.pause_before = before
            last = draft
        elif not last:
            before += draft.pause_after
        else:  # no words: its pause belongs to the clause before
            last.pause_after += draft.pause_after
            last.paragraph_end |= draft.paragraph_end
    if last:
        yield last


def _all_drafts(marked: Marked, language: str, is_free: bool, max_chars: int) -> Iterator[_Draft]:
    """Paragraph by paragraph; ``is_free``: one that is surely in another language than the text is read in its own."""
    for text, end in paragraphs(marked.text):
        tag, notes = language, []
        if is_free and (other := detect.paragraph(text.chars, language)):
            tag, probability = other
            notes = [Note("language", *text.span(0, len(text)), "paragraph", f"read as {tag} ({probability:.0%})")]
        for piece in sentences(text, end, tag, max_chars):
            draft = _draft(piece, tag, marked)
            if draft.tokens:
                draft.notes, notes = notes, []
            yield draft


def _draft(piece: Piece, language: str, marked: Marked) -> _Draft:
    found: list[Token] = []
    normalized: list[str] = []
    for run, tag in marked.runs(piece.text, language):
        spoken = normalize(run, tag)
        normalized.append(spoken.chars)
        for token in tokens(spoken, tag, marked, has_words=bool(found)):
            found.append(token if tag == language or token.language else replace(token, language=tag))
    pause = marked.pauses.get(piece.pause_at, 0.0) if piece.pause_at is not None else 0.0
    words = _shown("".join(normalized), found)
    return _Draft(found if any(not token.mark for token in found) else [], words, language, pause, piece.paragraph_end)


def _shown(normalized: str, found: list[Token]) -> str:
    """Normalised text for the reader: inline pronunciations in their places, no loose spaces."""
    for token in found:
        if token.ipa:
            normalized = normalized.replace(IPA, token.text, 1)
    return _LOOSE.sub("", " ".join(normalized.split()))


def _joined(drafts: list[_Draft]) -> list[_Draft]:
    found = [token for draft in drafts for token in draft.tokens]
    return [_Draft(found, " ".join(draft.normalized for draft in drafts), drafts[0].language)] if found else []


def _plan_phonemes(text: str, language: str, max_phones: int) -> _Plan:
    """IPA text: every stretch between spaces is a word, prosodic marks stand at word ends."""
    _check(text, "<text>")
    language = resolve("en-us" if language == "auto" else language).tag
    found: list[Token] = []
    at = 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        bare = word.rstrip(",.?!;…—")
        if bare:
            found.append(Token(bare, start, start + len(bare), ipa=bare))
        if bare != word and found:
            found.append(Token(word[-1], start + len(bare), at, mark=word[-1]))
    return _Plan(text, language, [_Draft(found, text, language)] if found else [], [])


def _finish(plan: _Plan, clauses: list[Phones], notes: list[Note]) -> Analysis:
    if not clauses:
        raise DataError(
            "nothing in the text can be spoken", where=plan.where, value=plan.text, code="text.nothing_to_speak",
            fix="It holds no letters or digits of a known script.",
        )  # fmt: skip
    spans, lost = partition(plan.text, clauses, notes)
    return Analysis(plan.text, plan.language, tuple(clauses), tuple(join_notes(notes + lost)), spans)


def _clauses(plan: _Plan, drafts: list[_Draft], strings: list[PhoneString], max_phones: int) -> tuple[list[Phones], list[Note]]:
    """The clauses of some drafts, and the notes on all of them."""
    clauses: list[Phones] = []
    for draft, string in zip(drafts, strings, strict=True):
        if any(word.first_phone < word.last_phone for word in string.words):
            clauses += _parts(plan, draft, string, max_phones)
    return clauses, [note for part in (*drafts, *strings) for note in part.notes]


def _parts(plan: _Plan, draft: _Draft, string: PhoneString, max_phones: int) -> list[Phones]:
    """The clause, or parts of it of at most ``max_phones`` phones."""
    ranges = _ranges(string, max_phones)
    parts = []
    for first, last in ranges:
        rows = _with_edges(string, first, last)
        shift = 1 - first if first else 0  # SIL stands before the first phone
        words = tuple(
            Word(w.text, w.start, w.end, max(w.first_phone, first) + shift, min(w.last_phone, last) + shift)
            for w in string.words
            if (w.first_phone < last and w.last_phone > first) or first <= w.first_phone == w.last_phone < last
        )
        shown = draft.normalized if len(ranges) == 1 else " ".join(word.text for word in words)
        parts.append((rows, words, shown))
    return [
        Phones(
            text=plan.text,
            normalized=shown,
            language=draft.language,
            ids=string.ids[rows],
            styles=string.styles[rows],
            langs=string.langs[rows],
            spans=_edge_spans(string.spans[rows]),
            words=words,
            notes=string.notes if i == len(parts) - 1 else (),
            pause_before=draft.pause_before if i == 0 else 0.0,
            pause_after=draft.pause_after if i == len(parts) - 1 else 0.0,
            paragraph_end=draft.paragraph_end and i == len(parts) - 1,
        )
        for i, (rows, words, shown) in enumerate(parts)
    ]


def _ranges(string: PhoneString, max_phones: int) -> list[tuple[int, int]]:
    """[first, last) of each part: cut after a mark, else at a word boundary (which is left out), else anywhere."""
    total = len(string.ids)
    if total <= max_phones:
        return [(0, total)]
    ranges, first = [], 1
    while total - 1 - first > max_phones - 2:
        window = string.ids[first : first + max_phones - 1]
        marks = np.flatnonzero((window >= COMMA) & (window <= EXCLAMATION)) + 1
        bounds = np.flatnonzero(window == WB)
        late = marks[(marks > max_phones // 3) & (marks <= max_phones - 2)]
        cut = late[-1] if len(late) else bounds[-1] if len(bounds) and bounds[-1] else max_phones - 2
        last = first + int(cut)
        ranges.append((first, last))
        first = last + int(string.ids[last] == WB)
    return [*ranges, (first, total - 1)] if first < total - 1 else ranges


def _with_edges(string: PhoneString, first: int, last: int) -> np.ndarray:
    """Rows of a part with SIL (the first and last row of the clause) at both ends."""
    total = len(string.ids)
    if (first, last) == (0, total):
        return np.arange(total)
    return np.concatenate([[0], np.arange(first, last), [total - 1]])


def _edge_spans(spans: np.ndarray) -> np.ndarray:
    """SIL stands, without width, where the clause begins and ends."""
    spans = spans.copy()
    spans[0] = spans[1, 0]
    spans[-1] = spans[-2, 1]
    return spans
