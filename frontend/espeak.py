"""espeak-ng through phonemizer, with the library and data that espeakng_loader carries (no system espeak).

Only the worker process (`frontend.g2p_worker`) imports this file: plain text can abort the library, threads
corrupt it, and a missing data path ends the process.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import chain

import espeakng_loader
from phonemizer.backend.espeak.wrapper import EspeakWrapper

from frontend.word_alignment import share_out

_FLAG = re.compile(r"\(([\w-]+)\)")  # "(en)": espeak changed voice for a word
_CACHE_SIZE = 50_000


def _clean(word: str) -> str:
    """Letters, marks, digits, apostrophes and hyphens; anything else could be a command to espeak."""
    return "".join(c if unicodedata.category(c)[0] in "LMN" or c in "'’-" else " " for c in word).replace("’", "'")


class Espeak:
    """Phonemes of words in the context of their clause. One espeak instance a voice; not for threads."""

    def __init__(self):
        EspeakWrapper.set_library(espeakng_loader.get_library_path())
        EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
        self._voices: dict[str, EspeakWrapper] = {}
        self._single: dict[tuple[str, str], list[list[str]]] = {}

    def _wrapper(self, voice: str) -> EspeakWrapper:
        if voice not in self._voices:
            wrapper = EspeakWrapper()
            wrapper.set_voice(voice)
            self._voices[voice] = wrapper
        return self._voices[voice]

    def heard(self, voice: str, text: str) -> tuple[list[list[str]], list[str]]:
        """What espeak says for a text: its words as lists of phonemes, and the voices it switched to."""
        raw = self._wrapper(voice).text_to_phonemes(text) if text.strip() else ""
        switches = _FLAG.findall(raw)[::2]  # every other flag switches back
        words = [[p for p in word.replace("-", "").split("_") if p.strip("ˈˌ")] for word in _FLAG.sub("_", raw).split()]
        return [word for word in words if word], switches

    def single(self, voice: str, word: str) -> list[list[str]]:
        """A word on its own (espeak may make several of one: "BBC"); remembered."""
        key = voice, word
        if key not in self._single:
            if len(self._single) >= _CACHE_SIZE:
                self._single.clear()
            self._single[key] = self.heard(voice, word)[0]
        return self._single[key]

    def clause(self, voice: str, words: list[str]) -> dict:
        """Phonemes of each word of a clause, said in one breath.

        espeak joins words ("of the", "les enfants") and splits them; each phoneme of the clause is given to the
        word it comes from by comparing with the words said singly. A word without any keeps its single form.
        """
        words = [_clean(word) for word in words]
        singles = [self.single(voice, word) for word in words]
        heard, switches = self.heard(voice, " ".join(words))
        alone = [list(chain.from_iterable(single)) for single in singles]
        shares = share_out(alone, [len(single) for single in singles], heard)
        return {"words": shares, "switches": switches}
