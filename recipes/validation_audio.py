"""The part of validation that opens the recordings."""

from __future__ import annotations

import hashlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recipes.datadir import audio_path
from tts.base.errors import TtsError

MIN_SECONDS, MAX_SECONDS = 0.1, 30.0  # of an utterance
LOWEST_RATE = 16_000  # Hz
SILENT = 10 ** (-50 / 20)  # root mean square of the whole clip
CLIPPED_SHARE = 0.001  # of samples at full scale
LENGTH_TOLERANCE = 0.1  # s between utt2dur and the file


@dataclass(frozen=True)
class Heard:
    """What one file holds; ``error`` instead when it cannot be read."""

    seconds: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    level: float = 0.0
    clipped: float = 0.0
    digest: str = ""
    error: str = ""


def listen(path: str) -> Heard:
    from vocoder.audio.io import read_audio, read_info

    try:
        info = read_info(path)
        wav = read_audio(path, info.sample_rate)
    except TtsError as error:
        return Heard(error=error.what)
    return Heard(
        seconds=len(wav) / info.sample_rate,
        sample_rate=info.sample_rate,
        channels=info.channels,
        level=float(np.sqrt(np.mean(np.square(wav, dtype=np.float64)))),
        clipped=float(np.mean(np.abs(wav) >= 0.999)),
        digest=hashlib.sha256(wav.tobytes()).hexdigest(),
    )


def check_audio(folder: Path, tables: dict, nj: int) -> None:
    """Add the faults of all readable paths of wav.scp to its table."""
    from recipes.progress import track

    table = tables["wav.scp"]
    broken = {fault.line for fault in table.faults if fault.code.startswith("wav.")}
    rows = {key: row for key, row in table.rows.items() if row.rest and row.line not in broken}
    paths = [str(audio_path(folder, row.rest)) for row in rows.values()]
    lengths, digests = {}, {}
    segmented = "segments" in tables
    with ProcessPoolExecutor(nj) as pool:
        results = track(pool.map(listen, paths, chunksize=8), f"listen {folder.name}", len(paths))
        for (key, row), heard in zip(rows.items(), results, strict=True):
            lengths[key] = heard.seconds
            for code, message, fix, level in judge(heard, segmented):
                table.fault(row.line, row.col, code, message, fix, level)
            if heard.digest and heard.digest in digests:
                table.fault(row.line, row.col, "audio.duplicate", f"the same samples as {digests[heard.digest]!r}.",
                            "Keep one; check the transcripts of both.")
            digests.setdefault(heard.digest, key)
    if segmented:
        check_ends(tables["segments"], lengths)
    elif "utt2dur" in tables:
        for key, row in tables["utt2dur"].rows.items():
            if row.fields and lengths.get(key) and abs(float(row.fields[0]) - lengths[key]) > LENGTH_TOLERANCE:
                tables["utt2dur"].fault(row.line, row.col, "dur.audio", f"the recording lasts {lengths[key]:.3f} s.",
                                        "Measure the lengths again.")


def judge(heard: Heard, segmented: bool):
    """(code, message, fix, level) of one recording's faults."""
    if heard.error:
        yield "audio.unreadable", heard.error, "Export the recording again.", "error"
        return
    if heard.sample_rate < LOWEST_RATE:
        yield "audio.rate", f"{heard.sample_rate} Hz.", f"{LOWEST_RATE} Hz or more are needed.", "error"
    if heard.channels > 1:
        yield "audio.channels", f"{heard.channels} channels; they are averaged.", "Export one channel.", "warning"
    if heard.seconds < MIN_SECONDS or (heard.seconds > MAX_SECONDS and not segmented):
        yield ("audio.length", f"{heard.seconds:.2f} s.", f"An utterance has {MIN_SECONDS:g} to {MAX_SECONDS:g} s.",
               "warning")
    if heard.level < SILENT:
        yield "audio.silent", "silence.", "Delete the utterance from all tables.", "error"
    elif heard.clipped > CLIPPED_SHARE:
        yield ("audio.clipped", f"{100 * heard.clipped:.1f} % of the samples are at full scale.",
               "Record it again at a lower level.", "warning")


def check_ends(segments, lengths: dict[str, float]) -> None:
    for row in segments.rows.values():
        if row.fields and lengths.get(row.fields[0]):
            try:
                end = float(row.fields[2])
            except ValueError:
                continue  # reported as segments.number
            if end > lengths[row.fields[0]] + LENGTH_TOLERANCE:
                segments.fault(row.line, row.col, "segments.end",
                               f"ends at {end:g} s, the recording at {lengths[row.fields[0]]:.2f} s.", "Correct the end.")
