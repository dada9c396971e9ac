"""The codec's tables: measures whose answer is known, real Opus, and whole commands on a codec of random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from codec import Codec
from codec.model import CodecConfig, CodecModel
from recipes.evaluate import codec as experiments
from recipes.evaluate import command, copies, probe
from recipes.evaluate.clips import read_clips, select
from recipes.evaluate.intrusive import DB, in_line, mel_distance, pitch_error
from recipes.evaluate.published import SOURCES, published_rows
from recipes.store import StoreWriter
from tts.base import strict_json
from tts.base.errors import DataError
from vocoder.audio.frames import SAMPLE_RATE, samples_to_frames
from vocoder.audio.io import read_audio, write_audio
from vocoder.audio.mel import log_mel
from vocoder.fourier import VocoderConfig


def vowel(f0=150.0):
    """1.2 s of a buzz with syllables."""
    t = np.arange(28_800) / SAMPLE_RATE
    tone = sum(np.sin(2 * np.pi * k * f0 * t) / k for k in range(1, 30))
    return (0.1 * tone * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * t))).astype(np.float32)


def write_corpus(root, rows=(("k0", "test", "anna"),)):
    """(id, split, speaker) of clips of the vowel; returns those to judge."""
    lines = ["id\tpath\tsplit\tspeaker\tgender\tlang\tbandwidth_hz\tseconds\ttext"]
    for key, split, speaker in rows:
        write_audio(root / f"{key}.flac", vowel(), SAMPLE_RATE)
        lines.append(f"{key}\t{key}.flac\t{split}\t{speaker}\tf\tde\t12000\t1.2\tGuten Tag {key[-1]}.")
    (root / "metadata.tsv").write_text("\n".join(lines) + "\n")
    return select(read_clips(root, "test"), 9)


@pytest.fixture(scope="module")
def tiny():
    """A codec of random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vocoder = VocoderConfig(dim=16, hidden=16, n_blocks=1, n_projections=0)
        config = CodecConfig(n_q=4, n_q_min=1, quantizer="rvq", codebook_size=16, latent_dim=6, dim=16, hidden=16,
                             n_encoder_blocks=1, n_decoder_blocks=1, vocoder=vocoder)  # fmt: skip
        model = CodecModel(config)
        model.quantizer.initialise(torch.randn(500, 6))
    return Codec(model, {"name": "tiny"})


def test_voicing_of_a_copy_is_right_and_a_semitone_is_a_hundred_cents():
    f0 = np.array([0, 100, 200, 150, 0, 120], np.float32)
    same = pitch_error(f0, f0)
    assert same.f1 == 1 and same.rms_cents == 0
    assert pitch_error(f0, f0 * np.float32(2 ** (1 / 12))).rms_cents == pytest.approx(100, abs=0.01)
    octave = pitch_error(f0, np.where(f0 == 200, 400, f0))  # one of four
    assert octave.rms_cents == pytest.approx(600) and octave.cents == pytest.approx(300)
    assert pitch_error(f0, np.where(f0 == 100, 0, f0)).f1 == pytest.approx(6 / 7)
    assert pitch_error(f0, np.zeros(6)).f1 == 0 and pitch_error(np.zeros(6), np.zeros(6)).f1 is None


def test_mel_distance_of_a_copy_is_zero_and_of_half_the_level_is_log_two():
    mel = log_mel(vowel())
    assert mel_distance(mel, mel) == 0
    assert mel_distance(mel, mel + np.log(2).astype(np.float32)) / DB == pytest.approx(np.log(2), abs=1e-3)


def test_use_of_a_book():
    assert experiments.code_use(np.tile(np.arange(1024), 3), 1024) == (1.0, pytest.approx(10))
    assert experiments.code_use(np.zeros(50, np.int16), 1024) == (1 / 1024, 0)
    assert experiments.code_use(np.array([0, 1] * 8), 4) == (0.5, pytest.approx(1))


def test_unchanged_codes_are_counted_by_book():
    codes = np.arange(12).reshape(2, 6)
    assert experiments.unchanged(codes, codes) == [1, 1]
    assert experiments.unchanged(codes, codes + np.array([[0], [1]])) == [1, 0]
    assert experiments.unchanged(codes, np.where(codes < 3, 0, codes)) == [pytest.approx(4 / 6), 1]


@pytest.mark.parametrize("lag", [0, 7, -5])
def test_copies_are_moved_into_line(lag):
    wav = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    moved = np.roll(wav, lag)
    made, found = in_line(wav, moved)
    assert found == lag and len(made) == len(wav) and np.array_equal(made[10:-10], wav[10:-10])
    assert len(in_line(wav, moved[:3900])[0]) == 4000


@pytest.mark.parametrize("kbps", [6, 8, 12, 16])
def test_opus_keeps_to_its_bit_rate_and_its_time(kbps):
    pytest.importorskip("soundfile")
    wav = read_audio(Path(__file__).parents[2] / "docs" / "hello.ogg")
    copied = copies.opus(kbps)(wav)
    seconds = len(wav) / SAMPLE_RATE
    assert copied.bits / seconds / 1000 == pytest.approx(kbps, rel=0.15)
    assert copied.bits / 8 < copied.file_bytes < copied.bits / 8 + 600 * (1 + seconds) and copied.tokens is None
    assert len(copied.wav) == len(wav) and in_line(wav, copied.wav)[1] == 0


def test_ogg_packets_end_where_a_segment_is_short():
    def page(table):
        return b"OggS" + bytes(22) + bytes([len(table), *table]) + bytes(sum(table))

    assert copies.ogg_packets(page([3, 255, 1, 255]) + page([255, 0, 9])) == [3, 256, 510, 9]
    with pytest.raises(DataError, match="no Ogg page"):
        copies.ogg_packets(page([3]) + b"RIFF" + bytes(40))


def test_copies_say_what_they_cost(tiny):
    wav = vowel()
    copied = copies.coded(tiny, 3)(wav)
    frames = samples_to_frames(len(wav))
    assert copied.tokens == 3 * frames and copied.bits == 12 * frames and len(copied.wav) == len(wav)
    assert copied.file_bytes == copies.token_file_bytes(tiny.encode(wav, SAMPLE_RATE, 3))
    plain = copies.unquantised(tiny.model)(wav[:-100])
    assert plain.bits is None and len(plain.wav) == len(wav) - 100
    assert np.array_equal(copies.unquantised(tiny.model)(wav[:-100]).wav, plain.wav)


def test_parts_of_the_codec_are_timed_on_one_thread(tiny, tmp_path):
    threads = torch.get_num_threads()
    rows, records = experiments.costs(write_corpus(tmp_path), tiny, [3])
    assert torch.get_num_threads() == threads and len(records) == experiments.REPEATS
    assert list(rows[0])[:8] == ["books", "encoder", "quantiser", "controls", "pitch", "vocoder", "encode", "decode"]
    assert rows[0]["plain kbit/s"] == "0.90" and all(record["vocoder"] > 0 for record in records)


def test_books_of_an_idempotent_codec_do_not_change(tiny, tmp_path, monkeypatch):
    clips = write_corpus(tmp_path)
    monkeypatch.setattr(tiny, "decode", lambda codes: experiments.samples(clips[0]))
    rows, records = experiments.books(clips, tiny)
    assert [row["unchanged after decode and encode"].value for row in rows] == [1, 1, 1, 1] and rows[0]["codes"] == 16
    assert records[0]["frames"] == 90


def test_codec_command_writes_its_tables(tiny, tmp_path, monkeypatch):
    for package in ("pesq", "pystoi", "jiwer"):
        pytest.importorskip(package)
    from recipes.evaluate import similarity
    from vocoder.api import Vocoder

    class Judge:
        def embed(self, wav):
            return np.array([1.0, 0.0])

    class Buzz:
        def decode(self, mel, f0):
            return 0.01 * np.sin(np.arange(320 * len(mel), dtype=np.float32))

    write_corpus(tmp_path, [("k0", "test", "anna"), ("k1", "test", "bert"), ("k2", "train", "bert")])
    monkeypatch.setattr(similarity, "SpeakerJudge", Judge)
    monkeypatch.setattr(Vocoder, "load", lambda: Buzz())
    monkeypatch.setattr(command, "_codec", lambda folder: tiny)
    results = tmp_path / "RESULTS.md"
    done = CliRunner().invoke(
        command.evaluate,
        ["codec", "--speech", str(tmp_path), "--opus", "12", "--books", "3", "--books", "8", "--also", "plain=x",
         "--autoencoder", "y", "--out", str(tmp_path / "out"), "--results", str(results)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    table = strict_json.load(tmp_path / "out" / "codec.json")
    rows = {row["system"]: row for row in table["rows"]}
    assert list(rows)[:6] == ["natural", "Opus, asked for 12 kbit/s", "house, 3 books", "plain, 3 books",
                              "autoencoder, not quantised", "house vocoder, natural mel and F0"]  # fmt: skip
    assert {clip["clip"] for clip in table["clips"]} == {"k0"}  # bert was heard in training
    house = rows["house, 3 books"]
    assert house["kbit/s"] == "0.90" and house["tokens/s"] == 225 and house["similarity"]["value"] == 1
    assert rows["natural"]["PESQ wb"]["value"] is None and rows["natural"]["phone error"]["value"] is not None
    assert rows["Opus, asked for 12 kbit/s"]["PESQ wb"]["value"] > house["PESQ wb"]["value"]
    text = results.read_text()
    assert text.count("| EnCodec (published, other data) |") == 2
    assert all(f"<!-- evaluate {name} -->" in text for name in ("codec", "codec-books", "codec-cost"))


def test_a_copy_without_speech_is_like_nobody():
    def embed(wav):
        if not wav.any():
            raise DataError("no speech", code="evaluate.no_speech")
        return np.array([0.6, 0.8])

    speaker = np.array([1.0, 0.0])
    assert experiments.similarity(np.ones(9), speaker, embed) == pytest.approx(0.6)
    assert experiments.similarity(np.zeros(9), speaker, embed) == 0


def test_published_rows_name_their_source():
    assert {row["source"].split()[1] for row in published_rows()} == set(SOURCES)
    assert all("published" in row["system"] for row in published_rows())


def test_probe_of_one_book_is_a_table_of_means():
    codes = np.repeat(np.arange(3), 4000)[:, None]
    targets = np.eye(3)[np.where(np.arange(12_000) % 4 == 0, 2, codes[:, 0])]
    found = probe.LinearProbe(codes, targets, size=4)
    assert found(np.array([[0], [1], [2]])) == pytest.approx(np.array([[0.75, 0, 0.25], [0, 0.75, 0.25], [0, 0, 1]]), abs=1e-3)
    assert found(np.array([[3]])) == pytest.approx(targets.mean(0)[None])  # never seen


def test_probe_adds_what_several_books_say():
    codes = np.random.default_rng(0).integers(0, 8, (4000, 2))
    targets = (codes[:, :1] + 10.0 * codes[:, 1:]).astype(float)
    assert probe.LinearProbe(codes, targets, 8)(codes) == pytest.approx(targets, abs=0.2)
    alone = probe.LinearProbe(codes[:, :1], targets, 8)(codes[:, :1])
    assert np.abs(alone - targets).mean() > 10


def test_probe_scores_know_what_is_written_in_the_codes():
    rng = np.random.default_rng(0)
    phones = rng.integers(0, 4, 3000) * 10
    codes = np.stack([phones // 10, phones // 10], 1)[..., None]
    frames = probe.Frames(phones, np.where(phones > 10, 100.0 + phones, 0.0), {"a": codes}, {"a": phones * 0})
    rows, _ = probe.probe_rows(frames, frames, {"a": 4})
    assert [row["books"] for row in rows] == ["–", "0", "0–1"] and rows[0]["codec"] == "none"
    assert rows[1]["phone"] == "100.0 %" and rows[1]["voicing"] == "100.0 %" and float(rows[1]["log F0, R²"]) == 1
    assert float(rows[1]["entropy of the last, bits"]) == pytest.approx(2, abs=0.01)
    assert float(rows[0]["phone"].split()[0]) < 30 and float(rows[0]["log F0, R²"]) == pytest.approx(0, abs=0.01)


def test_a_frame_is_read_from_all_codes_of_its_group():
    codes = np.arange(14).reshape(2, 7)
    rows = probe.grouped(codes, 4)
    assert rows.shape == (7, 2, 4) and rows[3].tolist() == rows[0].tolist() == [[0, 1, 2, 3], [7, 8, 9, 10]]
    assert rows[6].tolist() == [[4, 5, 6, 6], [11, 12, 13, 13]] and probe.grouped(codes, 1)[..., 0].T.tolist() == codes.tolist()


def test_probe_command_takes_stored_alignments_and_unseen_speakers(tiny, tmp_path, monkeypatch):
    wav = (vowel() * 32_767).astype(np.int16)
    for split, speakers in (("train", "ab"), ("test", "bc")):
        folder = tmp_path / split
        folder.mkdir()
        keys = [f"{speaker}0" for speaker in speakers]
        (folder / "utterances.jsonl").write_text(
            "".join(f'{{"key": "{key}", "speaker": "{key[0]}", "language": "de"}}\n' for key in keys)
        )
        with (StoreWriter(folder, "wav", "int16") as wavs, StoreWriter(folder, "f0", "float32") as f0s,
              StoreWriter(folder, "ids", "int32") as ids, StoreWriter(folder, "durations", "int32") as durations):  # fmt: skip
            for key in keys:
                wavs.add(key, wav)
                f0s.add(key, np.where(np.arange(90) < 60, 150, 0).astype(np.float32))
                ids.add(key, np.array([1, 20, 30]))
                durations.add(key, np.array([10, 50, 30]))
    monkeypatch.setattr(command, "_codec", lambda folder: tiny)
    done = CliRunner().invoke(
        command.evaluate,
        [
            "codec-probe",
            "--dump",
            str(tmp_path),
            "--codec",
            "mine=x",
            "--out",
            str(tmp_path),
            "--results",
            str(tmp_path / "R.md"),
        ],
    )
    assert done.exit_code == 0, done.output
    table = strict_json.load(tmp_path / "codec-probe.json")
    assert [row["books"] for row in table["rows"]] == ["–", "0", "0–1"]  # of four codes each
    assert table["rows"][0]["frames"] == 90  # speaker c alone
    assert "180 frames of 2 training utterances" in table["notes"][0]
