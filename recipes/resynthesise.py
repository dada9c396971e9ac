"""Stage 7 of a codec's recipe: recordings of a data directory as codes and back, through the public API only.

Writes what ``recipes.speak`` writes, so that the stage ``score`` reads it.
"""

from __future__ import annotations

import time
from pathlib import Path

from recipes.progress import track
from recipes.speak import choose, write_list
from vocoder.audio.frames import SAMPLE_RATE


def resynthesise(data, model, out, n_books: int | None = None, utterances: int | None = None) -> int:
    """Encode and decode at most ``utterances`` recordings, spread evenly over the directory; returns how many.

    Args:
        data: Data directory.
        model: Codec folder.
        out: Folder of the wav files.
        n_books: Books to keep; all when None.
    """
    import tts.units  # noqa: F401 - adds the aligner to the extractors, for a codec that hears it
    from codec import Codec
    from vocoder.audio.io import read_audio, write_audio

    rows, codec, out, made = choose(data, utterances), Codec.load(model), Path(out), []
    out.mkdir(parents=True, exist_ok=True)
    for row in track(rows, "resynthesise"):
        wav = read_audio(row.wav)
        if row.span:
            wav = wav[round(row.span[0] * SAMPLE_RATE) : round(row.span[1] * SAMPLE_RATE)]
        started = time.perf_counter()
        codes = codec.encode(wav, sample_rate=SAMPLE_RATE, n_books=n_books)
        copy = codec.decode(codes)
        rtf = (time.perf_counter() - started) * SAMPLE_RATE / len(wav)
        write_audio(out / f"{row.id}.wav", copy, SAMPLE_RATE, force=True)
        made.append({"id": row.id, "voice": row.speaker, "rtf": round(rtf, 4), "kbps": round(codes.kbps, 3), "text": row.text})
    write_list(out, made)
    return len(made)
