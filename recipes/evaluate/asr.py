"""English word error rate by pocketsphinx, whose US-English model lies in its wheel.

An old, small recogniser: about a quarter of the words of *natural* studio recordings come out wrong. Only the difference between
synthetic and natural speech of the same sentences says something.
"""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from recipes.evaluate.edits import Edits, count_edits
from tts.base.errors import UnavailableError

SAMPLE_RATE = 16_000  # Hz, of the recogniser
_ABBREVIATIONS = {"mr": "mister", "mrs": "missus", "ms": "miss", "dr": "doctor", "st": "saint", "etc": "et cetera"}
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)\b")


class EnglishRecogniser:
    """``recogniser(wav16k) -> words``; the result of a clip does not depend on the clips before."""

    def __init__(self):
        try:
            import pocketsphinx
        except ImportError as error:
            raise UnavailableError("word error rates need pocketsphinx, which is not installed.", code="evaluate.pocketsphinx",
                                   fix="Run: pip install 'parlance-tts[eval]'") from error
        self._decoder = pocketsphinx.Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")

    def __call__(self, wav: np.ndarray) -> list[str]:
        """[S] float at 16 kHz -> normalised words."""
        samples = np.round(np.clip(wav, -1, 1) * 32767).astype("<i2")
        self._decoder.start_utt()
        self._decoder.process_raw(samples.tobytes(), full_utt=True)  # whole: mean normalisation over this clip alone
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return english_words(hypothesis.hypstr if hypothesis else "")


def english_words(text: str) -> list[str]:
    """Text as a recogniser would write it: lower case, numbers and abbreviations in words, only inner apostrophes kept."""
    from num2words import num2words

    text = unicodedata.normalize("NFKD", text).replace("’", "'").lower()
    text = "".join(char for char in text if not unicodedata.combining(char))
    text = _ORDINAL.sub(lambda match: num2words(int(match[1]), to="ordinal"), text)
    text = _NUMBER.sub(lambda match: f" {num2words(match[0].replace(',', ''))} ", text)
    text = text.replace("&", " and ").replace("%", " percent ")
    words = (word.strip("'") for word in re.findall(r"[a-z']+", text))
    return [part for word in words if word for part in _ABBREVIATIONS.get(word, word).split()]


def word_edits(text: str, recognised: list[str]) -> Edits:
    return count_edits(english_words(text), recognised)
