"""What a model knows of a language before it has heard it: phones, styles, script.

    python -m recipes coverage --data data/train --model exp/models/fs2

A phone is known that training held ``RARE`` times or more, in any language. Any other has an embedding that is nearly random;
adaptation (``recipes.adapt``) begins it as its nearest known phone by articulatory features, and the table says which that is.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from frontend import inventory, styles
from frontend.accent import habits, natives
from frontend.articulatory import nearest_of
from frontend.languages import Language, resolve
from recipes.native_phones import RARE
from tts.base.errors import DataError, NoInputError, UsageError

READABLE = 0.95  # share of the letters of a text that must be spoken
FAR = 4.0  # features in which a phone and its nearest may differ
ENOUGH = 20  # tokens of a phone in the new recordings, below which it stays much like the phone that it begins as


@dataclass(frozen=True)
class Heard:
    """What a model was trained on, by language tag. ``None`` tokens: RARE or more, not counted."""

    minutes: dict[str, float]
    phones: dict[str, dict[int, int | None]]
    styles: dict[str, set[int]]  # numbers within the language

    @cached_property
    def known(self) -> set[int]:
        """Ids of the phones that the model knows."""
        total: Counter = Counter()
        for counts in self.phones.values():
            total.update({phone: RARE if n is None else n for phone, n in counts.items()})
        return {phone for phone, n in total.items() if n >= RARE}

    def nearest(self, phone: int) -> tuple[int, float]:
        """(id, distance) of the known phone that stands for a phone: itself, at distance 0, when it is known.

        Where features find nothing near, it is what learners are heard to say, if that is known.
        """
        if phone in self.known:
            return phone, 0.0
        near, distance = nearest_of(phone, self.known)
        said = [other for other in habits().get(phone, ()) if other in self.known] if distance > FAR else []
        return nearest_of(phone, said[:1]) if said else (near, distance)

    def folded(self, ids: Iterable[int]) -> list[int]:
        """Phones by the known ones that stand for them; marks as they are."""
        ids = [int(phone) for phone in ids]
        stands = {phone: self.nearest(phone)[0] for phone in set(ids) if phone > inventory.EXCLAMATION}
        return [stands.get(phone, phone) for phone in ids]

    def likest(self, language: Language, phones: Counter) -> str | None:
        """Tag of the language of the same kind of styles whose phones cover most tokens of the new one; itself when known."""
        if language.tag in self.phones:
            return language.tag
        covered = {
            tag: sum(n for phone, n in phones.items() if phone in of_tag)
            for tag, of_tag in self.phones.items()
            if resolve(tag).kind == language.kind
        }
        return max(sorted(covered), key=covered.__getitem__) if covered else None


def heard(config: dict) -> Heard:
    """From a model's config: counted by its export, or for the house models the table of native phones.

    Raises:
        DataError: Nothing is known of the phones of this model.
    """
    minutes, phones, used = config.get("minutes", {}), {}, {}
    for tag in sorted({*minutes, *config.get("phones", {})}):
        if tag in config.get("phones", {}):
            phones[tag] = {inventory.symbol_to_id(symbol): n for symbol, n in config["phones"][tag].items()}
            used[tag] = {int(k) for k, n in config["styles"][tag].items() if n >= RARE}
        elif tag in natives():
            phones[tag], used[tag] = dict.fromkeys(natives()[tag].phones), set(natives()[tag].styles)
    result = Heard(minutes, phones, used)
    if not result.known:
        raise DataError("nothing is known of the phones that this model heard.", where=config.get("model_id"),
                        code="coverage.unknown", fix="Export it anew: export counts them.")  # fmt: skip
    return result


@dataclass(frozen=True)
class PhoneRow:
    """One phone of the new language."""

    symbol: str
    tokens: int  # in the new text
    trained: int | None  # tokens in training, all languages; None: RARE or more, not counted
    languages: tuple[str, ...]  # that the model heard it in
    known: bool
    begins_as: str  # the known phone that it begins as
    distance: float  # of the two, in features


@dataclass(frozen=True)
class StyleRow:
    """One style of the new language: stress or tone, and length."""

    style: str
    tokens: int
    languages: tuple[str, ...]  # of the same kind that use it


@dataclass(frozen=True)
class Coverage:
    language: str
    name: str
    voice: str  # of espeak-ng
    trained_minutes: float  # of this language in the model
    like: str | None  # known language that it begins as
    sentences: int
    unreadable: int  # sentences of which nothing can be spoken
    letters: int
    letters_spoken: int
    characters_lost: dict[str, int]  # letters that are not spoken
    switched: int  # words or clauses that espeak says in another language
    mapped: dict[str, str]  # spellings of espeak outside the inventory -> the phone taken for them
    phones: tuple[PhoneRow, ...]  # most frequent first
    styles: tuple[StyleRow, ...]
    speakers: int | None = None  # None: text only
    minutes: float | None = None

    @property
    def readable(self) -> bool:
        """Whether the script is read: all but few of the letters are spoken."""
        return self.letters > 0 and self.letters_spoken >= READABLE * self.letters

    @property
    def known_share(self) -> float:
        """Share of the phone tokens whose phone the model knows."""
        total = sum(row.tokens for row in self.phones)
        return sum(row.tokens for row in self.phones if row.known) / total if total else 0.0

    def to_dict(self) -> dict:
        """For JSON."""
        return asdict(self) | {"readable": self.readable, "known_share": round(self.known_share, 4)}

    def text(self) -> str:
        """For people."""
        speech = "text only" if self.minutes is None else f"{self.minutes:.1f} minutes, {self.speakers} speakers"
        trained = f"{self.trained_minutes:g} minutes in training" if self.trained_minutes else "never heard by the model"
        lines = [
            f"{self.name} ({self.language}, espeak-ng {self.voice}): {trained}; begins as {self.like or 'the generic range'}",
            f"{self.sentences:,} sentences, {speech}; {self.letters_spoken:,} of {self.letters:,} letters spoken"
            + (f", lost: {_most(self.characters_lost)}" if self.characters_lost else ""),
        ]
        if self.unreadable:
            lines.append(f"sentences of which nothing can be spoken: {self.unreadable:,}")
        if self.switched:
            lines.append(f"stretches that espeak-ng says in another language: {self.switched:,}")
        if self.mapped:
            lines.append("outside the inventory: " + ", ".join(f"{a} as {b or 'nothing'}" for a, b in self.mapped.items()))
        new = [row for row in self.phones if not row.known]
        lines.append(f"{len(self.phones)} phones, {len(new)} of them new, which are {1 - self.known_share:.1%} of all tokens")
        table = [("phone", "tokens", "trained", "heard in", "begins as", "")]
        for row in self.phones:
            trained = f"{RARE}+" if row.trained is None else f"{row.trained:,}"
            rare = "rare" if not row.known and row.tokens < ENOUGH else ""
            begins = f"{row.begins_as} ({row.distance:g})" if not row.known else ""
            table.append((row.symbol, f"{row.tokens:,}", trained, " ".join(row.languages), begins, rare))
        for row in self.styles:
            table.append((row.style, f"{row.tokens:,}", "", " ".join(row.languages), "" if row.languages else "none", ""))
        return "\n".join([*lines, "", *columns(table)])


def cover(config: dict, texts: Sequence[str], tag: str, minutes: float | None = None, speakers: int | None = None) -> Coverage:
    """What a model knows of sentences in a language; ``config`` is that of its folder, the rest tells of the recordings.

    Raises:
        UnavailableError: The language is unknown, or espeak-ng has no voice for it.
        DataError: There is no sentence, or nothing in any of them can be spoken.
    """
    import frontend

    language, known = resolve(tag), heard(config)
    if not texts:
        raise DataError("there are no sentences.", where="text", code="coverage.empty")
    phones, used, lost, mapped = Counter(), Counter(), Counter(), {}
    letters = spoken = unreadable = switched = 0
    for text in texts:
        own = [i for i, char in enumerate(text) if unicodedata.category(char)[0] in "LN"]
        letters += len(own)
        try:
            analysis = frontend.analyze(text, language.tag, markup=False)
        except DataError as error:
            if error.code not in ("text.nothing_to_speak", "text.empty"):
                raise
            unreadable += 1
            lost.update(text[i] for i in own)
            continue
        dropped = {i for span in analysis.spans if span.reason == "unsupported_script" for i in range(span.start, span.end)}
        lost.update(text[i] for i in own if i in dropped)
        spoken += sum(i not in dropped for i in own)
        for note in analysis.notes:
            switched += (note.kind, note.reason) == ("language", "language_switch")
            if note.reason == "nearest_phone":
                spelling, _, symbol = note.detail.partition(" -> ")
                mapped[spelling] = symbol
        for clause in analysis.clauses:
            mine = (clause.langs == language.id) & (clause.ids > inventory.EXCLAMATION)
            phones.update(clause.ids[mine].tolist())
            used.update((clause.styles[mine] % styles.BLOCK).tolist())
    if not phones:
        raise DataError(f"nothing can be spoken as {language.name}.", where="text", value=texts[0], code="coverage.unreadable",
                        fix="Is it written in a script that espeak-ng reads for this language?")  # fmt: skip
    return Coverage(
        language=language.tag, name=language.name, voice=language.voice,
        trained_minutes=known.minutes.get(language.tag, 0.0), like=known.likest(language, phones), sentences=len(texts),
        unreadable=unreadable, letters=letters, letters_spoken=spoken, characters_lost=dict(lost.most_common()),
        switched=switched, mapped=mapped, phones=tuple(_phone_row(phone, n, known) for phone, n in phones.most_common()),
        styles=tuple(_style_row(k, n, language, known) for k, n in used.most_common()), speakers=speakers, minutes=minutes,
    )  # fmt: skip


def read_data(folder, language: str | None = None) -> tuple[list, str]:
    """(rows, tag) of a data directory: of its one language, or of the one that is asked for.

    Raises:
        NoInputError, DataError: As :func:`recipes.datadir.read`.
        UsageError: It holds several languages and none is chosen, or not the one that is.
    """
    from recipes import datadir

    rows = datadir.read(folder)
    tags = sorted({resolve(row.language).tag for row in rows})
    wanted = resolve(language).tag if language else tags[0] if len(tags) == 1 else None
    if wanted not in tags:
        raise UsageError(f"holds {', '.join(tags) or 'no language'}.", where=folder, code="coverage.language",
                         fix="Choose one of them with --language.")  # fmt: skip
    return [row for row in rows if resolve(row.language).tag == wanted], wanted


def minutes_of(rows) -> float:
    """Of the recordings of a data directory; files are opened where ``utt2dur`` is missing."""
    from vocoder.audio.io import read_info

    def seconds(row):
        if row.seconds is not None:
            return row.seconds
        return row.span[1] - row.span[0] if row.span else read_info(row.wav).seconds

    return sum(map(seconds, rows)) / 60


def read_lines(path) -> list[str]:
    """Sentences of a text file, one a line."""
    try:
        return [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise NoInputError("cannot be read.", where=path, code="file.missing") from error
    except UnicodeDecodeError as error:
        raise DataError("is not UTF-8 text.", where=path, pos=f"byte {error.start}", code="encoding.utf8") from error


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose columns stand below each other."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _phone_row(phone: int, tokens: int, known: Heard) -> PhoneRow:
    counts = {tag: of_tag[phone] for tag, of_tag in known.phones.items() if phone in of_tag}
    trained = None if None in counts.values() else sum(counts.values())
    near, distance = known.nearest(phone)
    return PhoneRow(inventory.id_to_symbol(phone), tokens, trained, tuple(counts), phone in known.known,
                    inventory.id_to_symbol(near), distance)  # fmt: skip


def _style_row(k: int, tokens: int, language: Language, known: Heard) -> StyleRow:
    _, accent, long = styles.split_style(styles.BLOCK * language.id + k)
    what = ("no stress", "primary stress", "secondary stress")[accent] if language.kind == "stress" else f"tone {accent}"
    using = tuple(tag for tag, used in known.styles.items() if k in used and resolve(tag).kind == language.kind)
    return StyleRow(what + (", long" if long else ""), tokens, using)


def _most(lost: dict[str, int], count: int = 12) -> str:
    shown = " ".join(list(lost)[:count])
    return shown + (f" and {len(lost) - count} more" if len(lost) > count else "")
