"""A person's own pronunciations: a UTF-8 table ``word<TAB>ipa[<TAB>language]``, ``#`` starts a comment line."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from frontend.ipa import parse_ipa
from frontend.languages import Language, resolve
from tts.base.errors import DataError, NoInputError, UnavailableError

_MAX_BYTES = 64 << 20


class Lexicon:
    """Words and how to say them, per language or for all.

    A word is looked up as written, then without regard to case; an entry for the language before one for all.

    >>> import frontend
    >>> lexicon = frontend.Lexicon()
    >>> lexicon.add("Parlance", "ˈpɑːɹləns", "en")
    >>> len(frontend.process("Parlance", "en", lexicon=lexicon)[0].words)
    1
    """

    def __init__(self):
        self._exact: dict[tuple[str, str], str] = {}
        self._folded: dict[tuple[str, str], str] = {}
        self._longest = 0

    def __len__(self) -> int:
        return len(self._exact)

    def add(self, word: str, ipa: str, language: str | None = None, *, where: str = "lexicon", line: int | None = None):
        """Add or replace one entry.

        Raises:
            DataError: Nothing to say, or a symbol that is no IPA; ``pos`` is the line.
        """
        word, ipa = unicodedata.normalize("NFC", word.strip()), ipa.strip().strip("/")
        if not word:
            raise DataError("an entry without a word", where=where, pos=line, code="lexicon.word")
        try:
            tag = resolve(language).tag if language else ""
        except UnavailableError as error:
            raise DataError(f"{error.what} {language!r}", where=where, pos=line, fix=error.fix,
                            code="lexicon.language") from None
        parsed = parse_ipa(ipa, tag or "en-us")
        unknown = [spelling for spelling, symbol in parsed.mapped if not symbol]
        if unknown or not parsed.phones:
            what = f"unknown IPA symbols {' '.join(unknown)}" if unknown else "no phones"
            raise DataError(f"{what} for the word {word!r}", where=where, pos=line, value=ipa, code="lexicon.ipa")
        self._exact[tag, word] = ipa
        self._folded.setdefault((tag, word.casefold()), ipa)
        self._longest = max(self._longest, len(word))

    @classmethod
    def load(cls, path: str | Path) -> Lexicon:
        """Read a lexicon file; every fault names its line."""
        path = Path(path)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise NoInputError(f"cannot read the lexicon: {error.strerror}.", where=path, code="lexicon.read",
                               fix="Check the path and its permissions.") from None
        if len(data) > _MAX_BYTES:
            raise DataError("the lexicon is too large", where=path, limit=_MAX_BYTES, code="lexicon.size")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError("the lexicon is not UTF-8", where=path, pos=f"byte {error.start}", code="lexicon.utf8") from None
        lexicon = cls()
        for number, line in enumerate(text.split("\n"), start=1):
            line = line.rstrip("\r")
            if not line.strip() or line.startswith("#"):
                continue
            fields = line.split("\t")
            if len(fields) not in (2, 3):
                raise DataError(f"expected word<TAB>ipa[<TAB>language], found {len(fields)} fields", where=path, pos=number,
                                value=line, code="lexicon.fields")
            lexicon.add(*fields[:2], fields[2].strip() or None if len(fields) == 3 else None, where=str(path), line=number)
        return lexicon

    def lookup(self, word: str, language: Language) -> str | None:
        """IPA of a word, None if it is not here."""
        word = unicodedata.normalize("NFC", word)
        for table, key in ((self._exact, word), (self._folded, word.casefold())):
            for tag in (language.tag, ""):
                if (tag, key) in table:
                    return table[tag, key]
        return None

    def split(self, run: str, language: Language) -> list[tuple[int, int, str | None]]:
        """Cut a run of characters without spaces at the words of the lexicon, the longest first.

        Returns:
            (start, end, IPA or None for a stretch that is not here), in order, covering the run.
        """
        pieces: list[tuple[int, int, str | None]] = []
        place = start = 0
        while place < len(run):
            ends = range(min(len(run), place + self._longest), place, -1)
            end, ipa = next(((e, i) for e in ends if (i := self.lookup(run[place:e], language))), (place + 1, None))
            if ipa:
                if start < place:
                    pieces.append((start, place, None))
                pieces.append((place, end, ipa))
                start = end
            place = end
        return pieces + ([(start, place, None)] if start < place else [])
