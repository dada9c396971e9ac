"""The experiments behind the codec's tables: what a copy has lost, how its books are used, what coding costs."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from recipes.datadir import Utterance
from recipes.evaluate.clips import samples
from recipes.evaluate.copies import Copied, System, Wav, token_file_bytes, white_noise, whole_frames
from recipes.evaluate.experiments import Result, by, to_16k
from recipes.evaluate.figures import mean_figure, rate_figure
from recipes.evaluate.intrusive import DB, mel_distance, pesq_wide, pitch_error, stoi
from recipes.evaluate.naturalness import dnsmos
from recipes.evaluate.per import Recogniser, phone_edits
from recipes.progress import track
from tts.base.errors import DataError
from vocoder.audio.frames import SAMPLE_RATE, frames_to_samples

NATURAL = "natural"
REPEATS = 3  # of each timing of a clip


def copies(
    clips: Sequence[Utterance],
    systems: Mapping[str, System],
    phones: Callable[[Utterance], Sequence[int]],
    recognise: Recogniser,
    embed: Callable[[Wav], np.ndarray] | None = None,
    with_dnsmos: bool = False,
) -> Result:
    """Each system copies each recording; the recording itself is the first row.

    Args:
        phones: Of the clip's text.
        recognise: Phones of [S] at 24 kHz.
        embed: Speaker embedding of [S] at 16 kHz.
        with_dnsmos: It takes longer than all other measures together.
    """
    from vocoder.audio.f0 import extract_f0
    from vocoder.audio.mel import log_mel

    records, edits = [], defaultdict(list)
    for clip in track(clips, "codec"):
        wav, reference = samples(clip), phones(clip)
        mel, f0, wav16 = log_mel(wav), extract_f0(wav), to_16k(wav)
        speaker, band = embed(wav16) if embed else None, clip.bandwidth_hz or 12_000
        for name, system in {NATURAL: Copied, **systems}.items():
            copied = system(wav)
            if len(copied.wav) != len(wav):
                what = f"{name} made {len(copied.wav):,} samples of {len(wav):,}."
                raise DataError(what, where=clip.id, code="evaluate.length")
            made16, seconds = to_16k(copied.wav), len(wav) / SAMPLE_RATE
            edits[name].append(phone_edits(reference, copied.wav, recognise))
            record = {"clip": clip.id, "system": name, "phones": edits[name][-1].length, "phone_errors": edits[name][-1].errors,
                      "kbps": _rate(copied.bits, seconds), "tokens": copied.tokens and copied.tokens / seconds,
                      "file_kbps": _rate(copied.file_bytes and 8 * copied.file_bytes, seconds),
                      "dnsmos": dnsmos(made16).overall if with_dnsmos else None}  # fmt: skip
            record |= dict.fromkeys(("pesq", "stoi", "f1", "cents", "mel", "similarity"))
            if name != NATURAL:
                pitch, distance = pitch_error(f0, extract_f0(copied.wav)), mel_distance(mel, log_mel(copied.wav), band)
                record |= {"pesq": pesq_wide(wav16, made16), "stoi": stoi(wav16, made16), "f1": pitch.f1,
                           "cents": pitch.rms_cents, "mel": distance / DB,
                           "similarity": similarity(made16, speaker, embed) if embed else None}  # fmt: skip
            records.append(record)
    rows = [
        {"system": name, "kbit/s": figure("kbps").value and f"{figure('kbps').value:.2f}",
         "file kbit/s": figure("file_kbps").value and f"{figure('file_kbps').value:.2f}",
         "tokens/s": figure("tokens").value and round(figure("tokens").value), "clips": len(clips), "PESQ wb": figure("pesq"),
         "STOI": figure("stoi", 3), "V/UV F1": figure("f1", 3), "F0 cents": figure("cents", 0), "mel L1": figure("mel", 3),
         "similarity": figure("similarity", 3), "phone error": rate_figure(edits[name]),
         **({"DNSMOS": figure("dnsmos")} if with_dnsmos else {})}
        for name, figure in by(records, "system")
    ]  # fmt: skip
    return rows, records


def similarity(wav: np.ndarray, speaker: np.ndarray, embed: Callable[[Wav], np.ndarray]) -> float:
    """Cosine of [S] at 16 kHz and an embedding; 0 where the judge hears no speech."""
    try:
        return float(embed(wav) @ speaker)
    except DataError:
        return 0.0


def _rate(bits: float | None, seconds: float) -> float | None:
    return None if bits is None else bits / seconds / 1000


def books(clips: Sequence[Utterance], codec) -> Result:
    """How much of each book of a ``codec.Codec`` is used, and whether its codes survive another round through the codec."""
    all_codes, records = [], []
    for clip in track(clips, "books"):
        codes = codec.encode(samples(clip), SAMPLE_RATE)
        again = codec.encode(codec.decode(codes), SAMPLE_RATE)
        all_codes.append(codes.codes)
        records.append({"clip": clip.id, "frames": codes.codes.shape[1], "unchanged": unchanged(codes.codes, again.codes)})
    joined, size = np.concatenate(all_codes, axis=1), codec.model.quantizer.codebook_size
    rows = []
    for q, book in enumerate(joined):
        used, bits = code_use(book, size)
        kept = [record["unchanged"][q] for record in records]
        rows.append({"book": f"{q}", "codes": size, "used": f"{100 * used:.1f} %", "entropy, bits": f"{bits:.2f}",
                     "unchanged after decode and encode": mean_figure(kept, 1, True)})  # fmt: skip
    return rows, records


def code_use(codes: np.ndarray, size: int) -> tuple[float, float]:
    """(share of the codes 0..size - 1 that occur, entropy in bits of their frequencies) of the codes [T] of one book.

    The entropy of few frames is too low, by about size / (2 T ln 2) bits.
    """
    share = np.bincount(codes, minlength=size) / len(codes)
    found = share[share > 0]
    return len(found) / size, float(-(found * np.log2(found)).sum())


def unchanged(codes: np.ndarray, again: np.ndarray) -> list[float]:
    """Share of equal codes of each book; both [n_q, T]."""
    return [float(share) for share in (codes == again).mean(axis=1)]


def costs(clips: Sequence[Utterance], codec, counts: Sequence[int]) -> Result:
    """Seconds of processor time a second of audio on one thread, by part, at several books; and what the token file's entropy
    coder saves. The parts run on whole clips; "encode" and "decode" are the codec's own methods.
    """
    wavs = [samples(clip) for clip in clips]
    records, rows = [], []
    with one_thread():
        for n_books in track(counts, "cost", len(counts)):
            measure(wavs[0], codec, n_books)  # warms up
            found = [measure(wav, codec, n_books) for wav in wavs for _ in range(REPEATS)]
            middle = {part: statistics.median(one[part] for one in found) for part in found[0]}
            plain, file = file_rates([codec.encode(wav, SAMPLE_RATE, n_books) for wav in wavs])
            records += [{"books": n_books, **one} for one in found]
            rows.append({"books": f"{n_books}", **{part: f"{value:.4f}" for part, value in middle.items()},
                         "plain kbit/s": f"{plain:.2f}", "token file kbit/s": f"{file:.2f}",
                         "saved": f"{100 * (1 - file / plain):.1f} %"})  # fmt: skip
    return rows, records


def measure(wav: Wav, codec, n_books: int) -> dict[str, float]:
    """Processor time a second of audio of the codec's parts on one recording, in the order of the work.

    Not the time by the clock: other work on the machine would count.
    """
    import torch

    model, factors, begun = codec.model, {}, time.process_time()

    def lap(part: str) -> None:
        nonlocal begun
        factors[part] = (time.process_time() - begun) * SAMPLE_RATE / len(wav)
        begun = time.process_time()

    with torch.inference_mode():
        padded, noise = whole_frames(wav), white_noise(len(wav), 0)
        begun = time.process_time()
        latent = model.latent(padded, codec.extractor.features(padded) if codec.extractor else None)
        lap("encoder")
        codes = model.quantizer.encode(latent, n_books)
        lap("quantiser")
        mel, f0, hint = model.controls(codes)
        lap("controls")
        excitation = model.excite(f0)
        lap("pitch")
        model.vocoder(mel, f0, noise, *excitation, hint)
        lap("vocoder")
    encoded = codec.encode(wav, SAMPLE_RATE, n_books)
    lap("encode")
    codec.decode(encoded)
    lap("decode")
    return factors


def file_rates(clips: Sequence) -> tuple[float, float]:
    """kbit/s of the plain codes and of one token file that holds the ``codec.Codes`` of all clips one after the other."""
    codes = np.concatenate([clip.codes for clip in clips], axis=1)
    n_samples = frames_to_samples(codes.shape[1])
    whole = replace(clips[0], codes=codes, n_samples=n_samples)
    return whole.kbps, 8 * token_file_bytes(whole) / whole.seconds / 1000


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread inside."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
