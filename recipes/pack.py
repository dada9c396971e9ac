"""The corpus in one small file, and back: how a short visit to another machine is fed.

    python -m recipes pack --dump dump --out corpus.pack --megabytes 48
    python -m recipes train-acoustic --pack corpus.pack --exp exp/fs2 --minutes 25      # needs nothing but this file

Kept exactly: phones, styles, languages, durations and every row of ``utterances.jsonl``. Kept nearly: pitch, in steps of
10 cents. Kept as Opus: the audio, at the highest bit rate that fits; mel is computed from what Opus left. Measured with
libopus 1.5 on 24 kHz speech: 9 to 13 kbit/s keep 8 kHz of bandwidth, 14 and more all of it, 8 and less only 4 kHz. So the
file says what bandwidth it kept, every utterance's ``bandwidth_hz`` is lowered to it, and rates below 9 are refused.
Clips of a speaker share streams of about a minute: an Ogg header for each clip would cost a tenth of the file.
"""

from __future__ import annotations

import json
import lzma
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recipes.pack_file import BlockReader, write_blocks
from recipes.store import Store, StoreWriter
from tts.base.errors import DataError, NoInputError, ResourceError
from tts.base.files import atomic_write
from vocoder.audio.frames import FRAME_RATE, HOP_LENGTH, N_MELS, SAMPLE_RATE

VERSION = 1
EXACT = {"ids": "int16", "styles": "int16", "langs": "int16", "durations": "int32"}
STREAM_SECONDS = 60.0
LOWEST_KBPS, HIGHEST_KBPS = 9.0, 32.0
CENTS = 10.0  # resolution of the stored pitch
BAND = 500  # Hz, for measuring what Opus kept
LOST_DB = 6.0  # median level error of a band that counts as lost


@dataclass
class Split:
    """What is packed of one split: its rows in packing order, and the streams as lists of row numbers."""

    dump: Path
    rows: list[dict]
    streams: list[list[int]]

    @property
    def keys(self) -> list[str]:
        return [row["key"] for row in self.rows]


def pack(dump, out, megabytes: float = 48.0, hours: float | None = None, splits=("train", "dev"), nj: int = 1,
         kbps: float | None = None) -> dict:
    """Write the feature store ``dump`` into one file of at most ``megabytes`` (10^6 bytes).

    Args:
        dump: Folder with a store for each split.
        out: File to write.
        hours: Of training speech at most, shared evenly over speakers; None = all. Less speech, better sound.
        splits: Those that exist are packed.
        nj: Processes for encoding.
        kbps: Bit rate to start with; None works it out.

    Returns:
        The file's ``meta``: kbps, bandwidth_hz, hours, utterances, bytes.

    Raises:
        ResourceError: It does not fit even at the lowest useful bit rate.
    """
    parts = {name: select(Path(dump) / name, hours if name == "train" else None) for name in splits
             if (Path(dump) / name / "utterances.jsonl").exists()}  # fmt: skip
    if not parts:
        raise NoInputError("holds no split with utterances.jsonl.", where=dump, fix="Run the feature stage first.")
    limit = megabytes * 1e6
    side = {name: side_blocks(name, split) for name, split in parts.items()}
    room = limit - sum(len(data) for blocks in side.values() for _, data in blocks) - 200_000  # the header
    seconds = sum(wav_seconds(split) for split in parts.values())
    rate = kbps or min(HIGHEST_KBPS, 0.93 * room * 8 / seconds / 1000)
    while True:
        if rate < LOWEST_KBPS:
            raise ResourceError(f"{seconds / 3600:.1f} hours do not fit into {megabytes:g} MB: {rate:.1f} kbit/s.", where=out,
                                limit=LOWEST_KBPS, code="pack.size", fix="Pack less speech with --hours, or allow more.")
        audio = {name: encode(split, rate, nj) for name, split in parts.items()}
        size = sum(len(data) for streams in audio.values() for data in streams)
        if size <= room:
            break
        rate *= 0.98 * room / size
    kept = min(bandwidth(split, audio[name]) for name, split in parts.items())
    blocks, meta = [], {"version": VERSION, "kbps": round(rate, 2), "bandwidth_hz": kept, "sample_rate": SAMPLE_RATE,
                        "hop_length": HOP_LENGTH, "hours": round(seconds / 3600, 3), "splits": {}}  # fmt: skip
    for name, split in parts.items():
        blocks += side[name] + [(f"{name}/audio/{i}", data) for i, data in enumerate(audio[name])]
        meta["splits"][name] = {"utterances": len(split.rows), "streams": [len(stream) for stream in split.streams]}
    meta["bytes"] = write_blocks(out, meta, blocks)
    return meta


def select(folder: Path, hours: float | None) -> Split:
    """The utterances to pack: not those that alignment dropped; with ``hours`` the same share of every speaker's turns."""
    lines = (folder / "utterances.jsonl").read_text(encoding="utf-8").splitlines()
    dropped = set()
    if (folder / "dropped.tsv").exists():
        dropped = {line.split("\t")[0] for line in (folder / "dropped.tsv").read_text(encoding="utf-8").splitlines()[1:]}
    rows = [row for row in map(json.loads, lines) if row["key"] not in dropped]
    frames = Store(folder, "f0")
    if hours is not None:
        rows = fair_share(rows, {row["key"]: frames.rows(row["key"]) for row in rows}, hours * 3600 * FRAME_RATE)
    rows.sort(key=lambda row: (row["speaker"], row["key"]))
    streams: list[list[int]] = []
    length = 0.0
    for i, row in enumerate(rows):
        seconds = frames.rows(row["key"]) / FRAME_RATE
        if not streams or row["speaker"] != rows[i - 1]["speaker"] or length + seconds > STREAM_SECONDS:
            streams.append([])
            length = 0.0
        streams[-1].append(i)
        length += seconds
    return Split(folder, rows, streams)


def fair_share(rows: list[dict], frames: dict[str, int], budget: float) -> list[dict]:
    """Speakers take turns, each with one utterance of its shuffled list, until ``budget`` frames are taken."""
    turns: dict[str, list[dict]] = {}
    for row in sorted(rows, key=lambda row: row["key"]):
        turns.setdefault(row["speaker"], []).append(row)
    for i, name in enumerate(sorted(turns)):
        np.random.default_rng(i).shuffle(turns[name])
    chosen, taken = [], 0
    while turns:
        for name in sorted(turns):
            row = turns[name].pop()
            taken += frames[row["key"]]
            if taken > budget:
                return chosen
            chosen.append(row)
        turns = {name: rest for name, rest in turns.items() if rest}
    return chosen


def side_blocks(name: str, split: Split) -> list[tuple[str, bytes]]:
    """Rows, exact features and pitch of a split, compressed."""
    blocks = [(f"{name}/rows", lzma.compress(json.dumps(split.rows, ensure_ascii=False).encode()))]
    for feature, dtype in EXACT.items():
        if not (split.dump / f"{feature}.json").exists():
            continue
        store = Store(split.dump, feature)
        missing = [key for key in split.keys if key not in store]
        if missing:
            raise DataError(f"{len(missing)} utterances have no {feature}, first {missing[0]!r}.", where=split.dump,
                            fix="Run the stages before this one again.", code="pack.incomplete")
        blocks.append((f"{name}/{feature}", squeeze([store[key] for key in split.keys], dtype)))
    pitch = Store(split.dump, "f0")
    return [*blocks, (f"{name}/f0", squeeze([np.diff(f0_to_steps(pitch[key]), prepend=0) for key in split.keys], "int16"))]


def squeeze(arrays: list[np.ndarray], dtype: str) -> bytes:
    """Arrays one after the other, with their lengths, low and high bytes apart so that they compress."""
    joined = np.concatenate([np.zeros(0, dtype), *arrays]).astype(np.dtype(dtype).newbyteorder("<"))
    planes = joined.view(np.uint8).reshape(len(joined), joined.itemsize).T.tobytes()
    lengths = np.array([len(array) for array in arrays], "<i4").tobytes()
    return lzma.compress(lengths + planes)


def expand(data: bytes, dtype: str, count: int) -> list[np.ndarray]:
    """The ``count`` arrays of :func:`squeeze`."""
    raw = lzma.decompress(data)
    lengths = np.frombuffer(raw[: 4 * count], "<i4")
    width = np.dtype(dtype).itemsize
    planes = np.frombuffer(raw[4 * count :], np.uint8).reshape(width, -1)
    joined = np.ascontiguousarray(planes.T).view(np.dtype(dtype).newbyteorder("<"))[:, 0].astype(dtype)
    return np.split(joined, np.cumsum(lengths)[:-1])[:count]


def f0_to_steps(f0: np.ndarray) -> np.ndarray:
    """Hz [T] -> int16 steps of 10 cents above 10 Hz; 0 = unvoiced."""
    voiced = f0 > 0
    steps = np.zeros(len(f0), np.int16)
    steps[voiced] = np.round(1200 / CENTS * np.log2(f0[voiced] / 10.0))
    return steps


def steps_to_f0(steps: np.ndarray) -> np.ndarray:
    return np.where(steps > 0, 10.0 * 2.0 ** (steps * CENTS / 1200), 0.0).astype(np.float32)


def wav_seconds(split: Split) -> float:
    store = Store(split.dump, "wav")
    return sum(store.rows(key) for key in split.keys) / SAMPLE_RATE


def encode(split: Split, kbps: float, nj: int) -> list[bytes]:
    """Opus files, one a stream."""
    from recipes.progress import track

    jobs = [(str(split.dump), [split.keys[i] for i in stream], kbps) for stream in split.streams]
    with ProcessPoolExecutor(nj) as pool:
        return list(track(pool.map(_encode, jobs), f"opus {split.dump.name} {kbps:.1f} kbit/s", len(jobs)))


def _encode(job: tuple[str, list[str], float]) -> bytes:
    from vocoder.audio.io import encode_audio

    folder, keys, kbps = job
    store = Store(folder, "wav")
    wav = np.concatenate([store[key] for key in keys]).astype(np.float32) / 32767
    return encode_audio(wav, SAMPLE_RATE, "opus", kbps)


def bandwidth(split: Split, streams: list[bytes], looked_at: int = 12) -> int:
    """Highest frequency up to which Opus kept the level of every loud band: the median error stays under 6 dB."""
    from vocoder.audio.io import read_audio

    store, errors = Store(split.dump, "wav"), []
    full = [i for i, stream in enumerate(split.streams) if split.rows[stream[0]]["bandwidth_hz"] >= SAMPLE_RATE // 2]
    chosen = full or range(len(streams))
    for i in list(chosen)[:: max(1, len(chosen) // looked_at)]:
        before = np.concatenate([store[split.keys[j]] for j in split.streams[i]]).astype(np.float32) / 32767
        x, y = band_powers(before), band_powers(read_audio(streams[i], SAMPLE_RATE)[: len(before)])
        loud = x[: len(y)] > np.maximum(1e-5, np.median(x, axis=0))
        errors.append(np.where(loud, np.abs(10 * np.log10((y + 1e-8) / (x[: len(y)] + 1e-8))), np.nan))
    errors = np.concatenate(errors)
    for band in range(errors.shape[1]):
        heard = errors[:, band][~np.isnan(errors[:, band])]
        if len(heard) and np.median(heard) > LOST_DB:
            return max(BAND, band * BAND)
    return SAMPLE_RATE // 2


def band_powers(wav: np.ndarray) -> np.ndarray:
    """[frames of 40 ms, bands of 500 Hz]."""
    size = SAMPLE_RATE // 25
    frames = np.lib.stride_tricks.sliding_window_view(wav, size)[:: size // 2] * np.hanning(size)
    per_band = BAND * size // SAMPLE_RATE
    power = np.abs(np.fft.rfft(frames)[:, : size // 2]) ** 2
    return power.reshape(len(frames), -1, per_band).sum(-1)


def unpack(path, dump, nj: int = 1) -> dict:
    """Make the feature store of a packed file under ``dump``, mel included; returns the file's ``meta``.

    A store that was made from the same file is left as it is.
    """
    with BlockReader(path) as reader:
        meta, done = reader.meta, Path(dump) / "pack.json"
        if meta.get("version") != VERSION:
            raise DataError(f"version {meta.get('version')} is not known.", where=path, code="pack.version",
                            fix=f"This program reads version {VERSION}: make the file with it.")
        if done.exists() and json.loads(done.read_text()) == meta:
            return meta
        for name, facts in meta["splits"].items():
            _unpack_split(reader, name, facts, Path(dump) / name, meta["bandwidth_hz"], nj)
        atomic_write(done, json.dumps(meta), force=True)
    return meta


def _unpack_split(reader: BlockReader, name: str, facts: dict, folder: Path, kept: int, nj: int) -> None:
    from recipes.progress import track

    rows = json.loads(lzma.decompress(reader[f"{name}/rows"]))
    folder.mkdir(parents=True, exist_ok=True)
    for feature, dtype in EXACT.items():
        if f"{name}/{feature}" in reader:
            write_store(folder, feature, dtype, rows, expand(reader[f"{name}/{feature}"], dtype, len(rows)))
    pitch = [steps_to_f0(np.cumsum(steps)) for steps in expand(reader[f"{name}/f0"], "int16", len(rows))]
    write_store(folder, "f0", "float32", rows, pitch)
    first, jobs = 0, []
    for i, count in enumerate(facts["streams"]):
        jobs.append((f"{name}/audio/{i}", [len(f0) for f0 in pitch[first : first + count]]))
        first += count
    with (
        ProcessPoolExecutor(nj) as pool,
        StoreWriter(folder, "wav", "int16") as wavs,
        StoreWriter(folder, "mel", "float16", N_MELS) as mels,
    ):
        decoded = pool.map(_decode, ((reader[block], frames, f"{reader.path}:{block}") for block, frames in jobs))
        keys = iter(row["key"] for row in rows)
        for clips in track(decoded, f"unpack {name}", len(jobs)):
            for wav, mel in clips:
                key = next(keys)
                wavs.add(key, wav)
                mels.add(key, mel)
    for row in rows:
        row["bandwidth_hz"] = min(row["bandwidth_hz"], kept)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in sorted(rows, key=lambda row: row["key"]))
    atomic_write(folder / "utterances.jsonl", text, force=True)


def write_store(folder: Path, feature: str, dtype: str, rows: list[dict], arrays: list[np.ndarray]) -> None:
    with StoreWriter(folder, feature, dtype) as store:
        for row, array in zip(rows, arrays, strict=True):
            store.add(row["key"], array)


def _decode(job: tuple[bytes, list[int], str]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Clips of one stream: (wav int16 [320 T], mel float16 [T, 100])."""
    import torch

    from vocoder.audio.io import read_audio
    from vocoder.audio.mel import log_mel

    torch.set_num_threads(1)
    data, frames, where = job
    wav = read_audio(data, SAMPLE_RATE)
    if len(wav) < sum(frames) * HOP_LENGTH:
        raise DataError(f"{len(wav):,} samples, {sum(frames) * HOP_LENGTH:,} expected.", where=where, code="pack.audio")
    clips = np.split(wav[: sum(frames) * HOP_LENGTH], np.cumsum(frames)[:-1] * HOP_LENGTH)
    return [(np.round(np.clip(clip, -1, 1) * 32767).astype(np.int16), np.asarray(log_mel(clip)).astype(np.float16))
            for clip in clips]
