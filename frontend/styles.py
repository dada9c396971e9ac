"""Styles: what a language does to a phone besides its base symbol (stress, tone, length), as one id.

``style_id = 16 * language_id + k``. In stress languages ``k = stress + 3 * length`` (stress 0 none, 1 primary,
2 secondary), in tone languages ``k = tone + 8 * length`` (tone 0 none, 1-7; Mandarin 1-4, 5 = neutral).
``length`` is 0 short, 1 long. ``k`` 0 is "none": word boundaries, marks, SIL and plain consonants. The packing
is frozen with the checkpoints: ids of one language never move when languages are appended. After LanStyleTTS.
"""

from __future__ import annotations

from frontend.languages import Language, languages
from tts.base.errors import DataError

BLOCK = 16  # style ids of one language

NONE, PRIMARY, SECONDARY = range(3)
NEUTRAL_TONE = 5

_STEP = {"stress": 3, "tone": 8}  # number of stresses or tones; the value of length in k


def n_styles() -> int:
    """Size of the style vocabulary: the size of a style embedding."""
    return BLOCK * len(languages())


def pack(language: Language, accent: int = 0, long: bool = False) -> int:
    """``k`` of a stress or tone (``accent``) and a length in one language."""
    step = _STEP[language.kind]
    if not 0 <= accent < step:
        raise DataError(f"{language.kind} {accent} does not exist in {language.tag} (0 to {step - 1})",
                        where="style", code="phone.style")
    return accent + step * bool(long)


def style_id(language: Language, accent: int = 0, long: bool = False) -> int:
    """Id in the style vocabulary."""
    return BLOCK * language.id + pack(language, accent, long)


def split_style(style: int) -> tuple[Language, int, bool]:
    """(language, stress or tone, is long) of a style id: the inverse of `style_id`."""
    if not 0 <= style < n_styles():
        raise DataError(f"style id {style} is outside the vocabulary (0 to {n_styles() - 1})", where="style",
                        code="phone.style")
    language = languages()[style // BLOCK]
    length, accent = divmod(style % BLOCK, _STEP[language.kind])
    if length > 1:
        raise DataError(f"style id {style} is not used by {language.tag}", where="style", code="phone.style")
    return language, accent, bool(length)
