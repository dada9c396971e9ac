"""Automatic word replacements in held-out recordings: what is heard of the new word, by whom it seems said, and how it joins.

Places are those of the aligner in the unedited recording; the edit says how later ones move. So the edited and the natural
recording are judged by the same rules: the word alone, and the word with its two neighbours.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recipes.datadir import Utterance
from recipes.evaluate.clips import samples
from recipes.evaluate.edits import Edits, count_edits
from recipes.evaluate.figures import mean_figure, rate_figure
from recipes.evaluate.per import spoken
from recipes.progress import track
from tts.alignment import Aligned, align_text
from tts.base.errors import DataError
from vocoder.audio.frames import FRAME_RATE, SAMPLE_RATE

SHORTEST_WORD = 5  # letters: function words are shorter
LEAST_SECONDS, MOST_SECONDS = 0.25, 1.0  # of a word: the speaker judge needs the first
JOINT = ("jump", "step", "spectral step")
SPECTRAL = 4  # frames (53 ms) on either side of a join that its spectra are taken from
AROUND = 0.040  # s on either side of a join that its level is taken from

NOTES = (
    "One word of each clip, five letters or more, is replaced by one of about its length from another clip's text. Phones by the "
    "project's own aligner-recogniser, run over the whole recording; times of words by the aligner in the unedited recording. "
    "Similarity: cosine of Resemblyzer embeddings of the one word and of all else in the recording. Spoken anew: the new text in "
    "a voice cloned from the same clip.",
    "Jump: the largest step from sample to sample within a join (16 ms), over the largest within 40 ms beside it; natural: at "
    "the same places of the unedited recording; the goal is at most 3. Step over level: the same step over the RMS within 40 ms. "
    "Spectral step: mean difference of log-mel bands below 4 kHz between the 53 ms before and after.",
)


@dataclass(frozen=True)
class Replacement:
    """One edit to make: a word with neighbours on both sides, and another word of about its length."""

    clip: Utterance
    number: int  # of the word
    old: str
    new: str


def choose(clips: Sequence[Utterance], aligned: Callable[[Utterance], Aligned], most: int) -> list[Replacement]:
    """A word of each clip and one of another clip's text, the same on every machine; the first ``most`` clips that have such."""
    texts = {clip.id: clip.text.split() for clip in clips}
    found = []
    for clip in clips:
        if len(found) == most:
            break
        words = aligned(clip).speech(len(samples(clip))).words
        labels = [_bare(word.label) for word in words]
        usable = [n for n in range(1, len(words) - 1) if len(labels[n]) >= SHORTEST_WORD and labels.count(labels[n]) == 1
                  and words[n].label.isalpha() and LEAST_SECONDS <= words[n].end - words[n].start <= MOST_SECONDS]  # fmt: skip
        if not usable:
            continue
        number = min(usable, key=lambda n: _order(clip.id, labels[n]))
        others = {_bare(word) for key, text in texts.items() if key != clip.id for word in text}
        near = [word for word in others - set(labels) if word.isalpha() and abs(len(word) - len(labels[number])) <= 1]
        if near:
            found.append(Replacement(clip, number, words[number].label, min(near, key=lambda word: _order(clip.id, word))))
    return found


def editing(
    clips: Sequence[Utterance],
    edit: Callable[[Replacement], object],
    hear: Callable[[np.ndarray], Sequence[int]],
    embed: Callable[[np.ndarray], np.ndarray],
    speak: Callable[[Utterance, str], np.ndarray],
    most: int = 20,
) -> tuple[list[dict], list[dict]]:
    """Replace a word in each clip and judge the place before and after.

    Args:
        edit: Replacement -> :class:`tts.edit.Edited`.
        hear: [S] at 24 kHz -> the recogniser's class of every frame (0 = none).
        embed: [S] at 16 kHz -> unit vector of the speaker.
        speak: (clip, text) -> the text in the voice of the clip, [S] at 24 kHz: what the models give without an edit.
        most: Edits, one a clip.
    """
    made: dict[str, Aligned] = {}

    def aligned(clip: Utterance) -> Aligned:
        made[clip.id] = align_text(samples(clip), clip.text, clip.language)
        return made[clip.id]

    records, counts = [], {}
    for item in track(choose(clips, aligned, most), "editing"):
        started = time.perf_counter()
        edited = edit(item)
        record = {"clip": item.clip.id, "text": edited.text, "old": item.old, "new": item.new,
                  "seconds": time.perf_counter() - started}  # fmt: skip
        for name, (wav, phones, places, rest) in _versions(item, edited, made[item.clip.id], speak).items():
            heard = np.asarray(hear(wav))
            for what, first, last in (("word", 1, 1), ("three words", 0, 2)):
                expected = [phone for word in phones[item.number - 1 : item.number + 2][first : last + 1] for phone in word]
                frames = slice(round(places[first][0] * FRAME_RATE), round(places[last][1] * FRAME_RATE))
                counts.setdefault((name, what), []).append(count_edits(spoken(expected), collapsed(heard[frames])))
                record[f"{name}, {what}"] = counts[name, what][-1].rate
            record[f"{name}, similarity"] = similarity(wav, places[1], *rest, embed)
        source, rate = edited_source(item)
        change = edited.edits[0]
        for name, wav, places in (("natural", source, change.old), ("edited", edited.audio.wav, [j["at"] for j in change.joins])):
            found = np.array([joint(wav, at, rate) for at in places])
            record |= {f"{name}, {key}": float(value) for key, value in zip(JOINT, found.max(0), strict=True)}
        records.append(record | {"same": same_share(edited, source)})
    if not records:
        raise DataError("no clip has a word to replace.", code="evaluate.no_clips", fix="Take more clips.")
    return _rows(records, counts), records


def _versions(item: Replacement, edited, aligned: Aligned, speak) -> dict[str, tuple]:
    """What is judged: samples at 24 kHz, phones by word, places of the three words, (all, and the part that is not the rest)."""
    n, language = item.number, item.clip.language
    old_wav, new_wav = samples(item.clip), resampled(edited.samples, edited.sample_rate)
    words = aligned.speech(len(old_wav)).words
    old_phones, new_phones = align_words(item.clip.text, language), align_words(edited.text, language)
    whole = speak(item.clip, edited.text)
    cloned = align_text(whole, edited.text, language).speech(len(whole)).words
    old, new, own = (_places(words, n), moved(words, n, edited.edits[0]), _places(cloned, n))
    return {
        "natural": (old_wav, old_phones, old, (old_wav, old[1])),
        "edited": (new_wav, new_phones, new, (new_wav, new[1])),
        "sentence spoken anew": (whole, new_phones, own, (old_wav, old[1])),
    }


def _places(words, n: int) -> list[tuple[float, float]]:
    return [(word.start, word.end) for word in words[n - 1 : n + 2]]


def _rows(records: list[dict], counts: dict[tuple[str, str], list[Edits]]) -> list[dict]:
    rows = []
    for name in ("natural", "edited", "sentence spoken anew"):
        joins = {} if name == "sentence spoken anew" else {
            "jump, mean": mean_figure([r[f"{name}, jump"] for r in records]),
            "jump, largest": max(r[f"{name}, jump"] for r in records),
            "step over level, largest": max(r[f"{name}, step"] for r in records),
            "spectral step dB": mean_figure([r[f"{name}, spectral step"] for r in records], 1)}  # fmt: skip
        same = {"outside identical": mean_figure([r["same"] for r in records], 1, True).value} if name == "edited" else {}
        rows.append({
            "recording": name, "edits": len(records), "phone error, word": rate_figure(counts[name, "word"]),
            "phone error, three words": rate_figure(counts[name, "three words"]),
            "similarity to the rest": mean_figure([r[f"{name}, similarity"] for r in records], 3), **joins, **same,
            "seconds an edit": float(np.median([r["seconds"] for r in records])) if name == "edited" else None,
        })  # fmt: skip
    return rows


def moved(words, number: int, change) -> list[tuple[float, float]]:
    """Seconds of the new word and its neighbours in the result, by the times of the old ones and the edit's own."""
    shift = (change.new[1] - change.new[0]) - (change.old[1] - change.old[0])
    before, old, after = words[number - 1 : number + 2]
    return [(before.start, before.end), (old.start, old.end + shift), (after.start + shift, after.end + shift)]


def align_words(text: str, language: str) -> list[list[int]]:
    """Phone ids of each word as written, as :func:`tts.api.timings` groups them."""
    import frontend
    from tts.alignment import joined

    phones, _ = joined(frontend.process(text, language))
    groups: dict[tuple[int, int], list[int]] = {}
    for word in phones.words:
        if word.last_phone > word.first_phone:
            groups.setdefault((word.start, word.end), []).extend(int(i) for i in phones.ids[word.first_phone : word.last_phone])
    return list(groups.values())


def collapsed(classes) -> list[int]:
    """Phones of a stretch of frames: repeats merged, none and marks left out."""
    from tts.aligner import collapse

    return spoken(collapse(classes))


def similarity(wav, word, rest, cut, embed) -> float | None:
    """Cosine of a word with the rest of a recording, both at 24 kHz; None when the word is too short for the judge."""
    a, b, c, d = (round(t * SAMPLE_RATE) for t in (*word, *cut))
    try:
        one, other = (embed(resampled(x, SAMPLE_RATE, 16_000)) for x in (wav[a:b], np.concatenate([rest[:c], rest[d:]])))
    except DataError:
        return None
    return float(one @ other)


def joint(wav: np.ndarray, at: float, rate: int) -> tuple[float, float, float]:
    """What a join is judged by, in the order of JOINT.

    Its largest step from sample to sample over the largest beside it; that step over the level (RMS) around it; and the mean
    difference of log-mel bands below 4 kHz between the 50 ms before and the 50 ms after, in dB.
    """
    from tts.edit.splice import half_fade, jump
    from tts.models.variance import ENERGY_BANDS
    from vocoder.audio.mel import log_mel

    place, half, around = round(at * rate), half_fade(rate), round(AROUND * rate)
    step = np.abs(np.diff(wav[max(0, place - half) : place + half + 1])).max(initial=0.0)
    level = np.sqrt(np.mean(np.square(wav[max(0, place - around) : place + around])) + 1e-12)
    mel, frame = log_mel(resampled(wav, rate))[:, :ENERGY_BANDS], round(at * FRAME_RATE)
    before, after = mel[max(0, frame - SPECTRAL) : frame], mel[frame : frame + SPECTRAL]
    difference = np.abs(before.mean(0) - after.mean(0)).mean() * 20 / np.log(10)
    return jump(wav, place, rate), float(step / level), float(difference)


def same_share(edited, source: np.ndarray) -> float:
    """Share of the samples said to be kept that are, read again from a file, bit for bit those of the recording."""
    import tempfile
    from pathlib import Path

    from tts.edit.native import Native

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "edited.flac"
        edited.save(path)
        result = Native.read(path).wav
    same = [np.count_nonzero(result[a : a + n] == source[b : b + n]) for a, b, n in edited.kept]
    return sum(same) / max(1, sum(n for *_, n in edited.kept))


def frame_recogniser() -> Callable[[np.ndarray], Sequence[int]]:
    """The house aligner as a recogniser that keeps time: [S] at 24 kHz -> class of every frame."""
    import torch

    from tts.alignment import house_aligner
    from vocoder.audio.mel import log_mel

    @torch.inference_mode()
    def hear(wav):
        mel = torch.from_numpy(log_mel(np.asarray(wav, np.float32)))[None]
        return house_aligner().model(mel, torch.ones(mel.shape[:2], dtype=torch.bool))[0].argmax(-1).numpy()

    return hear


def edited_source(item: Replacement) -> tuple[np.ndarray, int]:
    """The unedited recording at its own rate: ([S], Hz)."""
    from tts.edit.native import Native

    native = Native.read(item.clip.wav)
    return native.wav, native.sample_rate


def resampled(wav: np.ndarray, rate: int, to: int = SAMPLE_RATE) -> np.ndarray:
    from vocoder.audio.io import resample

    return resample(np.asarray(wav, np.float32), rate, to)


def _bare(word: str) -> str:
    return word.casefold().strip(".,;:!?\"'()")


def _order(*parts: str) -> bytes:
    return hashlib.sha256("\n".join(parts).encode()).digest()
