"""A packed corpus comes back: phones and durations exactly, pitch within its step, sound in time; damage is named."""

import json

import numpy as np
import pytest

from recipes.__main__ import run
from recipes.pack import CENTS, f0_to_steps, fair_share, pack, steps_to_f0, unpack
from recipes.pack_file import BlockReader, write_blocks
from recipes.store import Store, StoreWriter
from tts.base.errors import DataError, ResourceError

RNG = np.random.default_rng(0)


def tone(frames: int, f0: float) -> np.ndarray:
    """Harmonics up to 12 kHz with a slow swell: something Opus keeps."""
    t = np.arange(frames * 320) / 24_000
    wav = sum(np.sin(2 * np.pi * f0 * k * t) / k for k in range(1, int(12_000 / f0)))
    return 0.2 * wav * (0.6 + 0.4 * np.sin(2 * np.pi * 2 * t)) + 0.02 * RNG.standard_normal(len(t))


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    """A feature store of eight utterances: two speakers in train, one of them in dev."""
    root = tmp_path_factory.mktemp("dump")
    for split, speakers in (("train", "aaabbb"), ("dev", "ab")):
        rows = []
        with (
            StoreWriter(root / split, "wav", "int16") as wavs, StoreWriter(root / split, "f0", "float32") as f0s,
            StoreWriter(root / split, "ids", "int16") as ids, StoreWriter(root / split, "styles", "int16") as styles,
            StoreWriter(root / split, "langs", "int16") as langs, StoreWriter(root / split, "durations", "int32") as durations,
        ):  # fmt: skip
            for i, speaker in enumerate(speakers):
                key, frames = f"{speaker}-{split}{i}", 90 + 17 * i
                f0 = np.where(np.arange(frames) % 30 < 22, 110.0 * (1 + i / 7) + np.arange(frames) / 9, 0.0)
                wavs.add(key, np.round(tone(frames, 100 + 10 * i) * 32767).astype(np.int16))
                f0s.add(key, f0)
                ids.add(key, RNG.integers(7, 120, 12))
                styles.add(key, np.full(12, 80))
                langs.add(key, np.full(12, 5))
                durations.add(key, np.diff(np.linspace(0, frames, 13).astype(int)))
                rows.append({"key": key, "speaker": speaker, "language": "de", "gender": "f", "text": f"Ünï {i}",
                             "bandwidth_hz": 12_000 if speaker == "a" else 6_000, "corpus": "own"})  # fmt: skip
        (root / split / "utterances.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "train" / "dropped.tsv").write_text("id\treason\tsurety\tphone_error\na-train1\tsqueezed\t-1\t0.2\n")
    return root


@pytest.fixture(scope="module")
def packed(dump, tmp_path_factory):
    path = tmp_path_factory.mktemp("pack") / "corpus.pack"
    return path, pack(dump, path, megabytes=0.26)


def test_phones_and_durations_come_back_exactly(dump, packed, tmp_path):
    path, meta = packed
    assert path.stat().st_size == meta["bytes"] <= 260_000
    unpack(path, tmp_path)
    for split, count in (("train", 5), ("dev", 2)):
        for name in ("ids", "styles", "langs", "durations", "f0", "wav"):
            old, new = Store(dump / split, name), Store(tmp_path / split, name)
            assert len(new) == count and "a-train1" not in new
            for key in new.items:
                if name == "f0":
                    voiced = old[key] > 0
                    assert ((new[key] > 0) == voiced).all()
                    cents = 1200 * np.abs(np.log2(new[key][voiced] / old[key][voiced]))
                    assert cents.max() <= CENTS / 2 + 0.01
                elif name == "wav":
                    assert len(new[key]) == len(old[key])
                else:
                    np.testing.assert_array_equal(new[key], old[key])


def test_audio_comes_back_in_time_and_mel_is_made_of_it(dump, packed, tmp_path):
    unpack(packed[0], tmp_path)
    from vocoder.audio.mel import log_mel

    for key in Store(tmp_path / "train", "wav").items:
        old, new = (Store(root / "train", "wav")[key].astype(np.float32) / 32767 for root in (dump, tmp_path))
        spectrum = np.fft.rfft(new, 2 * len(new)) * np.conj(np.fft.rfft(old, 2 * len(old)))
        assert int(np.fft.irfft(spectrum).argmax()) in (0, 1, 2 * len(old) - 1)  # within a sample
        assert np.corrcoef(old, new)[0, 1] > 0.95
        mel = Store(tmp_path / "train", "mel")[key]
        assert np.abs(mel - np.asarray(log_mel(new))).max() < 0.05


def test_rows_keep_everything_but_the_bandwidth_that_opus_took(dump, packed, tmp_path):
    path, meta = packed
    unpack(path, tmp_path)
    old = {row["key"]: row for row in map(json.loads, (dump / "train" / "utterances.jsonl").read_text().splitlines())}
    new = [json.loads(line) for line in (tmp_path / "train" / "utterances.jsonl").read_text().splitlines()]
    assert [row["key"] for row in new] == sorted(set(old) - {"a-train1"})
    assert meta["bandwidth_hz"] == 12_000 and all(row == old[row["key"]] for row in new)  # 32 kbit/s keeps all


def test_a_low_rate_is_measured_as_narrow_and_too_low_a_rate_is_refused(dump, tmp_path):
    meta = pack(dump, tmp_path / "low.pack", megabytes=0.26, kbps=9.5)
    assert 6_000 <= meta["bandwidth_hz"] <= 9_000
    unpack(tmp_path / "low.pack", tmp_path / "dump")
    rows = [json.loads(line) for line in (tmp_path / "dump" / "train" / "utterances.jsonl").read_text().splitlines()]
    assert {row["speaker"]: row["bandwidth_hz"] for row in rows} == {"a": meta["bandwidth_hz"], "b": 6_000}
    with pytest.raises(ResourceError, match="Pack less speech with --hours"):
        pack(dump, tmp_path / "tiny.pack", megabytes=0.203)
    assert not (tmp_path / "tiny.pack").exists()


def test_a_second_unpacking_changes_nothing(packed, tmp_path):
    unpack(packed[0], tmp_path)
    before = (tmp_path / "train" / "mel.bin").stat().st_mtime_ns
    unpack(packed[0], tmp_path)
    assert (tmp_path / "train" / "mel.bin").stat().st_mtime_ns == before


def test_hours_are_shared_evenly_over_speakers():
    rows = [{"key": f"{name}{i}", "speaker": name} for name, count in (("a", 100), ("b", 5), ("c", 40)) for i in range(count)]
    chosen = fair_share(rows, {row["key"]: 10 for row in rows}, budget=450)
    counts = {name: sum(row["speaker"] == name for row in chosen) for name in "abc"}
    assert counts == {"a": 20, "b": 5, "c": 20}
    assert chosen == fair_share(rows[::-1], {row["key"]: 10 for row in rows}, budget=450)


def test_pitch_steps_are_inverse():
    steps = np.arange(0, 900, dtype=np.int16)
    np.testing.assert_array_equal(f0_to_steps(steps_to_f0(steps)), steps)


@pytest.mark.parametrize("damage, code", [
    (lambda data: b"RIFF" + data[4:], "pack.magic"),
    (lambda data: data[:10], "pack.magic"),
    (lambda data: data[:8] + b"\xff" * 8 + data[16:], "pack.header"),
    (lambda data: data[:30] + b"!" + data[31:], "pack.header"),
    (lambda data: data[:-1], "pack.size"),
    (lambda data: data + b"x", "pack.size"),
    (lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:], "pack.checksum"),
])  # fmt: skip
def test_damage_is_one_clear_error(packed, tmp_path, damage, code):
    (tmp_path / "bad.pack").write_bytes(damage(packed[0].read_bytes()))
    with pytest.raises(DataError, match=r"bad\.pack") as caught:
        unpack(tmp_path / "bad.pack", tmp_path / "dump")
    assert caught.value.code == code
    assert not (tmp_path / "dump" / "pack.json").exists()


def test_blocks_are_what_was_written(tmp_path):
    blocks = [("a", b""), ("b", bytes(range(256))), ("ü", b"x" * 1000)]
    size = write_blocks(tmp_path / "x", {"k": [1, "ä"]}, blocks)
    with BlockReader(tmp_path / "x") as reader:
        assert reader.meta == {"k": [1, "ä"]} and [(name, reader[name]) for name, _ in blocks] == blocks
        assert "c" not in reader
        with pytest.raises(DataError, match="no block 'c'"):
            reader["c"]
    assert (tmp_path / "x").stat().st_size == size


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["train-aligner", "train-vocoder", "train-acoustic", "train-codec"])
def test_training_needs_nothing_but_the_file(packed, tmp_path, stage):
    options = ["--set", "train.precision=32-true", "--set", "train.report_steps=1", "--minutes", "5", "--max-steps", "2"]
    if stage in ("train-vocoder", "train-codec"):
        options += ["--set", "task.batch_size=2", "--set", "task.crop_frames=16", "--set", "task.adversarial_from=1"]
    if stage == "train-codec":
        options += ["--set", "task.quantize=false"]
    assert run([stage, "--pack", str(packed[0]), "--dump", str(tmp_path / "dump"), "--exp", str(tmp_path / "exp"), *options]) == 0
    steps = [json.loads(line) for line in (tmp_path / "exp" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in steps if "steps_per_second" in row] == [1, 2]
    assert (tmp_path / "exp" / "step-00000002" / "ema.safetensors").exists()


def test_the_command_packs_and_unpacks(dump, tmp_path, capsys):
    path = str(tmp_path / "c.pack")
    assert run(["pack", "--dump", str(dump), "--out", path, "--megabytes", "0.26", "--hours", "0.001"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] < 260_000
    assert run(["unpack", path, "--dump", str(tmp_path / "dump")]) == 0
    assert "hours at" in capsys.readouterr().out
