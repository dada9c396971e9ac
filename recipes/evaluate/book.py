"""Is a whole book spoken? The files that ``tts book`` writes are compared with the text that it was given, from outside."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recipes.evaluate.clips import read_clips
from recipes.evaluate.edits import Edits, count_edits, total
from recipes.evaluate.per import Recogniser, phone_edits
from recipes.evaluate.speed_probe import peak_mib
from recipes.progress import track
from tts.base.errors import DataError, InternalError
from tts.base.files import atomic_write
from tts.book.text import read_book

CHAPTER_MINUTES, PARAGRAPH = 10.0, 5  # of a made book: length of a chapter; sentences of a paragraph
SHORT = 4  # phones of a sentence that counts as heard when one of them is
_CUE = re.compile(r"\d+\n(\S+) --> (\S+)\n(.+?)\n(?=\n|\Z)", re.DOTALL)
_SENTENCE_END = re.compile(r"""[.!?…。！？]["'”’)»]*$""")


@dataclass(frozen=True)
class Sentence:
    """Neighbouring cues up to the end of a sentence."""

    text: str
    start: float  # seconds in the chapter's file
    end: float


def write_book(folder: Path, speech, language: str, minutes: float) -> Path:
    """A Markdown book of a corpus' sentences in one language, held-out ones first; their recordings last so many minutes.

    Raises:
        DataError: The corpus has fewer minutes.
    """
    chapters, done, seen = [[]], 0.0, set()
    for split in ("test", "dev", "train"):
        clips = [clip for clips in read_clips(speech, split).values() for clip in clips if clip.language == language]
        for clip in sorted(clips, key=lambda clip: hashlib.sha256(clip.id.encode()).digest()):
            if clip.text in seen or done >= 60 * minutes:
                continue
            seen.add(clip.text)
            done += clip.seconds
            text = clip.text[:1].upper() + clip.text[1:]
            chapters[-1].append(text if _SENTENCE_END.search(text) else f"{text}.")
            if done >= 60 * CHAPTER_MINUTES * len(chapters):
                chapters.append([])
    if done < 60 * minutes:
        raise DataError(f"has {done / 60:.0f} minutes of {language}.", where=speech, code="evaluate.book", fix="Lower --minutes.")
    parts = ["\n\n".join([f"# Chapter {i}", *_paragraphs(chapter)]) for i, chapter in enumerate(filter(None, chapters), 1)]
    path = folder / "book.md"
    atomic_write(path, f"---\ntitle: Sentences\nlang: {language}\n---\n" + "\n\n".join(parts) + "\n", force=True)
    return path


def _paragraphs(sentences: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(sentences), PARAGRAPH):
        yield " ".join(sentences[start : start + PARAGRAPH])


def make_audiobook(text: Path, folder: Path, voice: str | None, model: str | None) -> tuple[dict, dict]:
    """(what ``tts book --json`` says, its cost: ``wall_s``, ``cpu_s``, ``peak_mib``)."""
    output = folder / f"{text.stem}.opus"
    command = [sys.executable, "-m", "tts", "book", str(text), "-o", str(output), "--json", "--force", "--quiet"]
    command += (["--voice", voice] if voice else []) + (["--model", model] if model else [])
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started, peak = time.perf_counter(), 0.0
        process = subprocess.Popen(command, stdout=out, stderr=err)
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            time.sleep(0.5)
            peak = max(peak, peak_mib(process.pid))
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise InternalError(f"tts book failed: {err.read().decode().strip()[-300:]}", where=text, code="evaluate.book",
                                fix="Run it by hand to see why.")  # fmt: skip
        return json.load(out), {"wall_s": wall, "cpu_s": ended[2].ru_utime + ended[2].ru_stime, "peak_mib": peak}


def check(text: Path, made: dict, cost: dict, recognise: Recogniser) -> tuple[list[dict], list[dict]]:
    """(one row, a record of every sentence) of an audiobook: ``made`` is what ``tts book --json`` says."""
    import frontend
    from vocoder.audio.io import read_audio

    book, records, missing = read_book(text), [], 0
    for row in track(made["chapters"], "chapters"):
        sentences = read_sentences(Path(row["subtitles"]))
        missing += missing_words(book.chapters[row["number"] - 1].text, sentences)
        wav = read_audio(row["file"])
        for sentence in sentences:
            reference = [int(i) for clause in frontend.process(sentence.text, made["language"]) for i in clause.ids]
            edits = phone_edits(reference, wav[round(24_000 * sentence.start) : round(24_000 * sentence.end)], recognise)
            records.append({"chapter": row["number"], **vars(sentence), **vars(edits), "lost": is_lost(edits)})
    counted = [Edits(*(record[name] for name in Edits.__dataclass_fields__)) for record in records]
    rates, kept = sorted(edits.rate for edits in counted), sum(row["kept"] for row in made["chapters"])
    return [{
        "book": text.name, "chapters": f"{len(made['chapters'])} ({kept} kept)", "sentences": len(records),
        "minutes": round(made["seconds"] / 60, 1), "wall min": round(cost["wall_s"] / 60, 1),
        "CPU min": round(cost["cpu_s"] / 60, 1), "peak MiB": round(cost["peak_mib"]),
        "phone errors %": round(100 * total(counted).rate, 1),
        "95 % of sentences below %": round(100 * rates[int(0.95 * (len(rates) - 1))], 1),
        "words not in subtitles": missing, "sentences lost": sum(record["lost"] for record in records),
    }], records  # fmt: skip


def is_lost(edits: Edits) -> bool:
    """Whether too little of a sentence is heard."""
    heard = edits.length - edits.substitutions - edits.deletions
    return heard < (1 if edits.length <= SHORT else edits.length / 2)


def missing_words(text: str, sentences: Sequence[Sentence]) -> int:
    """Words of a text that its subtitles do not have at their place."""
    said = [word for sentence in sentences for word in _words(sentence.text)]
    return count_edits(_words(text), said).deletions + count_edits(_words(text), said).substitutions


def read_sentences(path: Path) -> list[Sentence]:
    """The sentences of an SRT file."""
    found: list[Sentence] = []
    for start, end, label in _CUE.findall(path.read_text(encoding="utf-8")):
        label, goes_on = " ".join(label.split()), bool(found) and not _SENTENCE_END.search(found[-1].text)
        if goes_on and _seconds(start) - found[-1].end < 0.1:  # a heading ends without a full stop, before a pause
            found[-1] = Sentence(f"{found[-1].text} {label}", found[-1].start, _seconds(end))
        else:
            found.append(Sentence(label, _seconds(start), _seconds(end)))
    return found


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _seconds(clock: str) -> float:
    hours, minutes, seconds = clock.replace(",", ".").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
