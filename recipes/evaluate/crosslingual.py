"""Every voice in every language: is it understood, is it still the same person, and with which accent?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from recipes.evaluate.conversion import center
from recipes.evaluate.edits import Edits
from recipes.evaluate.figures import mean_figure, rate_figure
from recipes.evaluate.per import phone_edits
from recipes.progress import track

Wav = np.ndarray  # [S] float32 at 24 kHz
ACCENTS = ("native", "speaker")


def measure(
    voices: Sequence,
    texts: Mapping[str, str],
    speak: Callable[[str, str, str, str], tuple[Wav, Sequence[int]]],
    natural: Mapping[str, Sequence[Wav]],
    judges: Mapping[str, Callable[[Wav], np.ndarray]],
    recognise: Callable[[Wav], Sequence[int]],
    accent: Callable[[Wav], Mapping[str, float]],
) -> list[dict]:
    """One record a voice, language and accent.

    Args:
        voices: ``tts.voice.VoiceInfo``.
        texts: Tag -> what is said.
        speak: ``speak(text, language, voice name, accent)`` gives samples and the phones that were asked for.
        natural: Voice name -> recordings of it.
        judges: Name of a speaker encoder -> its embedding.
        accent: Probability of each language.
    """
    own = {name: {judge: center([embed(wav) for wav in clips]) for judge, embed in judges.items()}
           for name, clips in natural.items()}  # fmt: skip
    records = []
    for voice in track(voices, "crosslingual"):
        for language, text in texts.items():
            for kind in ACCENTS[: 1 if voice.language == language else 2]:
                wav, asked = speak(text, language, voice.name, kind)
                heard, sounds = phone_edits(asked, wav, recognise), accent(wav)
                similar = {judge: float(embed(wav) @ own[voice.name][judge])
                           for judge, embed in judges.items() if voice.name in own}  # fmt: skip
                records.append({"voice": voice.name, "own": voice.language, "language": language, "accent": kind,
                                "phones": heard.length, "phone_errors": heard.errors, "similarity": similar,
                                "of_text": sounds.get(language, 0.0), "of_voice": sounds.get(voice.language, 0.0),
                                "judged": max(sounds, key=sounds.get)})  # fmt: skip
    return records


def table(records: Sequence[dict], judges: Sequence[str]) -> list[dict]:
    """Rows by language of the text, language of the voices, and accent; voices in their own language first."""
    rows = []
    for language in dict.fromkeys(record["language"] for record in records):
        mine = [record for record in records if record["language"] == language]
        for own in sorted({record["own"] for record in mine}, key=lambda tag: (tag != language, tag)):
            for kind in ACCENTS:
                those = [record for record in mine if (record["own"], record["accent"]) == (own, kind)]
                if those:
                    rows.append({"text": language, "voices of": own, "accent": kind if own != language else None,
                                 "voices": len(those), **figures(those, judges)})  # fmt: skip
    for name, kind in (("all foreign", "native"), ("all foreign", "speaker")):
        those = [record for record in records if record["own"] != record["language"] and record["accent"] == kind]
        if those:
            rows.append({"text": name, "voices of": None, "accent": kind, "voices": len(those), **figures(those, judges)})
    return rows


def figures(records: Sequence[dict], judges: Sequence[str]) -> dict:
    similar = {judge: mean_figure([r["similarity"].get(judge) for r in records], 3) for judge in judges}
    return {"phone error": rate_figure([Edits(r["phone_errors"], 0, 0, r["phones"]) for r in records]), **similar,
            "judged as the text's": mean_figure([float(r["judged"] == r["language"]) for r in records], 0, True),
            "P(text's language)": mean_figure([r["of_text"] for r in records]),
            "P(voice's language)": mean_figure([r["of_voice"] for r in records])}  # fmt: skip
