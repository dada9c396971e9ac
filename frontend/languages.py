"""The table of languages: frozen ids, espeak voices, and the tags people write for them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache

from frontend.inventory import read_table
from tts.base.errors import UnavailableError


@dataclass(frozen=True)
class Language:
    """One language.

    Attributes:
        id: Frozen number, the index of the language embedding; 0 = other.
        tag: Canonical tag, e.g. ``en-us``.
        voice: espeak-ng voice that phonemises it.
        name: English name.
        kind: ``stress`` or ``tone``: what the style of a phone means (`frontend.styles`).
        aliases: Other tags for it.
    """

    id: int
    tag: str
    voice: str
    name: str
    kind: str
    aliases: tuple[str, ...]


@cache
def languages() -> tuple[Language, ...]:
    """All languages in the order of their ids; the first is ``other``."""
    return tuple(
        Language(int(number), tag, voice, name, kind, tuple(aliases.split()))
        for number, tag, voice, name, kind, aliases in read_table("languages.tsv")
    )


@cache
def _by_tag() -> dict[str, Language]:
    known = [language for language in languages() if language.voice]
    table = {alias: language for language in known for alias in language.aliases}
    return table | {language.tag: language for language in known}


@cache
def resolve(tag: str) -> Language:
    """The language of a BCP-47 tag: ``de``, ``de-AT``, ``zh_CN``, ``en-GB`` ...

    A tag that is not in the table loses its last subtag until one is (``de-AT-1996`` -> ``de``).

    Raises:
        UnavailableError: No language of that tag; the message names close ones.
    """
    wanted = tag.strip().lower().replace("_", "-")
    shorter = wanted
    while shorter:
        if shorter in _by_tag():
            return _by_tag()[shorter]
        shorter = shorter.rpartition("-")[0]
    close = difflib.get_close_matches(wanted, list(_by_tag()), n=3, cutoff=0.5)
    raise UnavailableError(
        f"unknown language {tag!r:.40}.", where="language", value=tag, code="language.unknown",
        fix=f"Did you mean {' or '.join(close)}?" if close else "List them with: tts languages",
    )
