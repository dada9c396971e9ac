"""Corpora are read from tiny trees of exactly their published layouts."""

import gzip
import json
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from recipes import corpora, datadir
from recipes.__main__ import run
from recipes.corpora import Corpus, hold_out, lhotse
from recipes.datadir import Utterance
from recipes.shards import write_shards
from recipes.validation import validate
from tts.base.errors import DataError, NoInputError, UsageError
from vocoder.audio.io import read_info, write_audio


def sound(path, rate=24_000, seconds=1.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(zlib.crc32(path.name.encode())).standard_normal(int(rate * seconds)) * 0.1
    write_audio(path, noise.astype(np.float32), rate)


def ids(corpus: Corpus) -> dict[str, list[str]]:
    return {name: [item.id for item in items] for name, items in corpus.splits.items()}


def check(corpus: Corpus, tmp_path) -> None:
    """What was read can be written, read again, and has no error."""
    counts = corpora.write(corpus, tmp_path / "data")
    folders = [tmp_path / "data" / name for name in ("train", "dev", "test") if counts.get(name)]
    assert [str(f) for f in validate(*folders, audio=True) if f.level == "error"] == []
    for name, items in corpus.splits.items():
        assert datadir.read(tmp_path / "data" / name) == sorted(items, key=lambda item: item.id)


def test_ljspeech(tmp_path):
    root = tmp_path / "LJSpeech-1.1"
    lines = []
    for i in range(1, 13):
        key = f"LJ001-{i:04}"
        lines.append(f'{key}|In {1450 + i}, the "first" printers|In fourteen fifty, the "first" printers, number {i}')
        sound(root / "wavs" / f"{key}.wav", 22_050, 2.0)
    (root / "wavs" / "LJ001-0003.wav").unlink()
    (root / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    corpus = corpora.read("ljspeech", root)
    assert ids(corpus) == {"train": [f"LJ001-{i:04}" for i in (1, 2, 4, 5, 6, 7, 8, 9, 10)], "dev": ["LJ001-0011"],
                           "test": ["LJ001-0012"]}  # fmt: skip
    first = corpus.splits["train"][0]
    assert first.text == 'In fourteen fifty, the "first" printers, number 1'
    assert (first.speaker, first.language, first.gender, first.bandwidth_hz) == ("LJ", "en-us", "f", 11_025)
    assert corpus.rejected == [("LJ001-0003", "no recording")]
    check(corpus, tmp_path)


def test_a_whole_ljspeech_holds_out_250_and_250():
    rows = [Utterance(id=f"LJ{i:05}", wav=f"{i}.wav", text=str(i), speaker="LJ", language="en-us") for i in range(13_100)]
    splits = corpora.tail(rows, 250, 250)
    assert {name: len(items) for name, items in splits.items()} == {"train": 12_600, "dev": 250, "test": 250}


def test_a_damaged_metadata_line_is_named(tmp_path):
    sound(tmp_path / "wavs" / "LJ001-0001.wav")
    (tmp_path / "metadata.csv").write_text("LJ001-0001|One|One\nLJ001-0002|only two\n")
    with pytest.raises(DataError, match=r"metadata.csv:2: 2 fields, 3 expected"):
        corpora.read("ljspeech", tmp_path)


def test_vctk(tmp_path):
    root = tmp_path / "VCTK-Corpus-0.92"
    root.mkdir()
    (root / "speaker-info.txt").write_text(
        "ID  AGE  GENDER  ACCENTS  REGION COMMENTS \n"
        "p225  23  F    English    Southern  England\n"
        "p234  22  F    Scottish  West Dumfries\n"
        "p294  33  F    American  San Francisco\n"
        "p315  18  M    American  New England\n"
        "s5    26  M    British    none (mic2 files unavailable)\n"
    )
    for speaker in ("p225", "p234", "p294", "p315", "s5"):
        for i in range(1, 7):
            for mic in (1, 2):
                sound(root / "wav48_silence_trimmed" / speaker / f"{speaker}_{i:03}_mic{mic}.flac", 48_000)
            if speaker != "p315":  # its transcripts are lost
                text = root / "txt" / speaker / f"{speaker}_{i:03}.txt"
                text.parent.mkdir(parents=True, exist_ok=True)
                text.write_text(f"Please call Stella, {i}.\n")
    (root / "wav48_silence_trimmed" / "log.txt").write_text("the published folder has a file here")
    corpus = corpora.read("vctk", root)
    assert ids(corpus)["train"][:4] == ["p225_001", "p225_002", "p225_003", "p225_004"]
    assert ids(corpus)["dev"] == ["p225_005", "p234_005", "p294_005", "s5_005"]
    assert ids(corpus)["test"] == ["p225_006", "p234_006", "p294_006", "s5_006"]
    assert [reason for key, reason in corpus.rejected if key.startswith("p315")] == ["no transcript"] * 6
    languages = {item.speaker: (item.language, item.gender) for item in corpus.splits["train"]}
    assert languages == {"p225": ("en-gb", "f"), "p234": ("en-gb-scotland", "f"), "p294": ("en-us", "f"), "s5": ("en-gb", "m")}
    assert corpus.splits["train"][0].wav.name == "p225_001_mic1.flac"
    assert corpora.read("vctk", root, mic=2).splits["train"][0].wav.name == "p225_001_mic2.flac"
    with pytest.raises(NoInputError, match="wav48_silence_trimmed"):
        corpora.read("vctk", tmp_path)
    check(corpus, tmp_path)


def test_mm6(tmp_path):
    lists = tmp_path / "preprocessed_data" / "MM6"
    lists.mkdir(parents=True)
    names = [(language, f"{code}_{i}") for language, code in (("English", "E"), ("Swedish", "S"), ("deu", "D")) for i in range(8)]
    rows = [f"{name}|MLS|{language}|spk{name[0]}|Text | number {name}" for language, name in names]
    (lists / "train.txt").write_text("\n".join([*rows, "gone|MLS|French|x|No sound", "E_0|MLS|English|spkE|Again"]) + "\n")
    for _, name in names:
        sound(tmp_path / "MM6" / "wavs" / f"{name}.wav", 16_000)
    corpus = corpora.read("mm6", tmp_path)
    assert {name: len(items) for name, items in corpus.splits.items()} == {"train": 18, "dev": 3, "test": 3}
    assert sorted(corpus.rejected) == [("E_0", "listed twice, again in train.txt"), ("gone", "no recording")]
    first = corpus.splits["train"][0]
    assert (first.language, first.speaker, first.text, first.bandwidth_hz) == ("en-us", "spkE", "Text | number E_0", 8_000)
    assert {item.language for items in corpus.splits.values() for item in items} == {"en-us", "sv", "de"}
    check(corpus, tmp_path)
    (lists / "val.txt").write_text(rows[-1] + "\n")
    (lists / "train.txt").write_text("\n".join(rows[:-1]) + "\n")
    assert {name: len(items) for name, items in corpora.read("mm6", tmp_path).splits.items()} == {"train": 23, "dev": 1}
    (lists / "train.txt").write_text("E_0|MLS|English\n")
    with pytest.raises(DataError, match=r"train.txt:1: 3 fields, 5 expected"):
        corpora.read("mm6", tmp_path)
    with pytest.raises(NoInputError, match="MM6/wavs"):
        corpora.read("mm6", tmp_path / "none")


def test_libritts(tmp_path):
    root = tmp_path / "LibriTTS"
    for subset, speaker in (("train-clean-100", "103"), ("dev-clean", "84"), ("test-clean", "61")):
        stem = root / subset / speaker / "1241" / f"{speaker}_1241_000000_000001"
        sound(stem.with_suffix(".wav"))
        stem.with_suffix(".normalized.txt").write_text("matthew Cuthbert is surprised")
        stem.with_suffix(".original.txt").write_text("Matthew Cuthbert is surprised")
    sound(root / "train-clean-100" / "103" / "1241" / "103_1241_000000_000002.wav")
    (root / "SPEAKERS.txt").write_text(";ID |SEX| SUBSET |MINUTES| NAME\n103  | F | train-clean-100  | 25.02 | Karen\n")
    corpus = corpora.read("libritts", root)
    assert ids(corpus) == {"train": ["103_1241_000000_000001"], "dev": ["84_1241_000000_000001"],
                           "test": ["61_1241_000000_000001"]}  # fmt: skip
    assert corpus.splits["train"][0].gender == "f" and corpus.splits["dev"][0].gender is None
    assert corpus.rejected == [("103_1241_000000_000002", "no transcript")]
    assert list(ids(corpora.read("libritts", root, subsets="dev-clean"))) == ["dev"]
    check(corpus, tmp_path)


def test_common_voice(tmp_path):
    root = tmp_path / "cv-corpus-17.0" / "de"
    header = "client_id path sentence_id sentence sentence_domain up_votes down_votes age gender accents variant locale segment"
    for split, name, down in (("train", "a", 0), ("train", "b", 3), ("dev", "c", 0)):
        sound(root / "clips" / f"common_voice_de_{name}.mp3", 48_000)
        table = root / f"{split}.tsv"
        old = table.read_text() if table.exists() else header.replace(" ", "\t") + "\n"
        client = "0123456789abcdef" * 8
        text = f'"Guten ""Tag"", {name}."'
        row = [client, f"common_voice_de_{name}.mp3", "x", text, "", "2", str(down), "", "female_feminine", "", "", "de", ""]
        table.write_text(old + "\t".join(row) + "\n")
    corpus = corpora.read("common_voice", root)
    assert ids(corpus) == {"train": ["0123456789abcdef-common_voice_de_a"], "dev": ["0123456789abcdef-common_voice_de_c"]}
    item = corpus.splits["train"][0]
    assert (item.text, item.language, item.gender) == ('Guten "Tag", a.', "de", "f")
    assert corpus.rejected == [("0123456789abcdef-common_voice_de_b", "voted down")]
    check(corpus, tmp_path)


def test_piper_folders_are_resolved_tolerantly(tmp_path):
    sound(tmp_path / "Wavs" / "Eins.wav")
    sound(tmp_path / "zwei.flac")
    sound(tmp_path / "sub" / "drei.wav")
    (tmp_path / "metadata.csv").write_text("eins|Eins.\nzwei.flac|anna|Zwei.\nsub/Drei.wav|anna|Drei.\nvier.wav|Vier.\n")
    corpus = corpora.read("piper", tmp_path, language="de", speaker="otto")
    found = {item.id: (item.wav.name, item.speaker) for items in corpus.splits.values() for item in items}
    assert found == {"otto-eins": ("Eins.wav", "otto"), "anna-zwei.flac": ("zwei.flac", "anna"),
                     "anna-sub-Drei": ("drei.wav", "anna")}  # fmt: skip
    assert corpus.rejected == [("otto-vier", "no recording")]
    with pytest.raises(UsageError, match="--language de"):
        corpora.read("piper", tmp_path)
    check(corpus, tmp_path)


def test_lhotse_manifests(tmp_path):
    sound(tmp_path / "one.wav", seconds=4.0)
    sound(tmp_path / "two.wav", seconds=2.0)

    def recording(name, duration):
        return {"id": name, "sources": [{"type": "file", "channels": [0], "source": f"{name}.wav"}], "sampling_rate": 24_000,
                "num_samples": int(duration * 24_000), "duration": duration, "channel_ids": [0]}  # fmt: skip

    def supervision(key, name, start, duration):
        return {"id": key, "recording_id": name, "start": start, "duration": duration, "channel": 0, "text": f"Satz {key}.",
                "language": "German", "speaker": "eva", "gender": "female"}  # fmt: skip

    with gzip.open(tmp_path / "own_recordings_train.jsonl.gz", "wt") as file:
        file.write(json.dumps(recording("one", 4.0)) + "\n")
    with gzip.open(tmp_path / "own_supervisions_train.jsonl.gz", "wt") as file:
        for row in (supervision("a", "one", 0.0, 1.5), supervision("b", "one", 1.5, 2.0), supervision("c", "gone", 0, 1)):
            file.write(json.dumps(row) + "\n")
    cut = {"id": "cut", "start": 0.0, "duration": 2.0, "recording": recording("two", 2.0),
           "supervisions": [supervision("d", "two", 0.0, 2.0)]}  # fmt: skip
    (tmp_path / "cuts_dev.jsonl").write_text(json.dumps(cut) + "\n")
    corpus = corpora.read("lhotse", tmp_path)
    assert ids(corpus) == {"dev": ["d"], "train": ["a", "b"]}
    assert [item.span for item in corpus.splits["train"]] == [(0.0, 1.5), (1.5, 3.5)]
    assert corpus.splits["dev"][0].span is None and corpus.splits["dev"][0].language == "de"
    assert corpus.rejected == [("c", "its recording is not one file")]
    check(corpus, tmp_path)
    (tmp_path / "cuts_dev.jsonl").write_text('{"id": \n')
    with pytest.raises(DataError, match=r"cuts_dev.jsonl:1: not a line of JSON"):
        corpora.read("lhotse", tmp_path)


@pytest.fixture
def stretches(tmp_path):
    """Three utterances of two recordings, with all that a data directory tells."""
    sound(tmp_path / "one.wav", seconds=4.0)
    sound(tmp_path / "two.wav", seconds=2.0)
    common = {"speaker": "eva", "language": "de", "bandwidth_hz": 8000, "gender": "f", "corpus": "own"}
    rows = (("a.1", "one.wav", 0.0, 1.5), ("b", "one.wav", 1.5, 3.5), ("c", "two.wav", 0.5, 2.0))
    return [
        Utterance(key, tmp_path / wav, f"Satz {key}.", seconds=end - start, span=(start, end), **common)
        for key, wav, start, end in rows
    ]


@pytest.mark.parametrize("cuts", [False, True])
def test_lhotse_manifests_there_and_back(stretches, tmp_path, cuts):
    lhotse.write(tmp_path / "m", "train", stretches, cuts)
    assert corpora.read("lhotse", tmp_path / "m").splits == {"train": stretches}
    before = {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()}
    lhotse.write(tmp_path / "m", "train", stretches, cuts)
    assert {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()} == before


def test_lhotse_itself_reads_them(stretches, tmp_path):
    real = pytest.importorskip("lhotse")
    lhotse.write(tmp_path, "train", stretches)
    lhotse.write(tmp_path, "train", stretches, cuts=True)
    recordings = real.load_manifest(tmp_path / "recordings_train.jsonl.gz")
    supervisions = real.load_manifest(tmp_path / "supervisions_train.jsonl.gz")
    real.validate(recordings, read_data=True)
    made = real.CutSet.from_manifests(recordings, supervisions).trim_to_supervisions()
    read = real.load_manifest(tmp_path / "cuts_train.jsonl.gz")
    for cut in (*made, *read):
        item = next(item for item in stretches if item.id == cut.supervisions[0].id)
        assert (cut.start, cut.end) == item.span and cut.supervisions[0].text == item.text
        assert cut.load_audio().shape == (1, round(item.seconds * cut.sampling_rate))


def test_shards_hold_sound_facts_and_tokens_and_are_kept(stretches, tmp_path):
    tokens = {item.id: str(tmp_path / f"{item.id}.ptok") for item in stretches}
    for path in tokens.values():
        Path(path).write_bytes(path.encode())
    assert write_shards(stretches, tmp_path / "s", "train", 2, tokens) == (2, 2)
    with tarfile.open(tmp_path / "s" / "train-000000.tar") as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar}
    assert list(found) == [f"{key}.{end}" for key in ("a%2E1", "b") for end in ("flac", "json", "ptok")]
    assert json.loads(found["a%2E1.json"]) == {
        "id": "a.1", "text": "Satz a.1.", "speaker": "eva", "language": "de", "seconds": 1.5, "bandwidth_hz": 8000,
        "gender": "f", "corpus": "own",
    }  # fmt: skip
    assert read_info(found["b.flac"]).seconds == 2.0 and found["b.ptok"] == tokens["b"].encode()
    whole = (tmp_path / "s" / "train-000000.tar").read_bytes()
    (tmp_path / "s" / "train-000000.tar").write_bytes(whole[:-20_000])
    assert write_shards(stretches, tmp_path / "s", "train", 2, tokens) == (2, 1)
    assert (tmp_path / "s" / "train-000000.tar").read_bytes() == whole
    with pytest.raises(NoInputError, match="1 utterances have no token file, 'c' first"):
        write_shards(stretches, tmp_path / "s", "train", 2, {"a.1": "x", "b": "y"})


@pytest.fixture
def house(tmp_path):
    """A corpus in the layout of metadata.tsv: two sub-corpora, one of them share-alike, and a suspect."""
    rows = [("x_1", "one", "train"), ("x_2", "one", "train"), ("x_3", "one", "dev"), ("x_4", "one", "test"),
            ("m_1", "ml_smc", "train")]  # fmt: skip
    table = ["id\tpath\tsplit\tspeaker\tgender\tlang\tbandwidth_hz\tseconds\ttext"]
    for key, source, split in rows:
        sound(tmp_path / "speech" / source / f"{key}.flac")
        table.append(f"{key}\t{source}/{key}.flac\t{split}\tx\tf\tde\t8000\t1.500\tEin Satz, {key}.")
    (tmp_path / "speech" / "metadata.tsv").write_text("\n".join(table) + "\n")
    (tmp_path / "speech" / "suspects.tsv").write_text("id\tphone_error\nx_2\t0.84\nx_4\t0.90\n")
    return tmp_path / "speech"


def test_metadata_tsv(house, tmp_path):
    corpus = corpora.read("speech", house)
    assert ids(corpus) == {"train": ["x_1"], "dev": ["x_3"], "test": ["x_4"]}  # suspects leave train, never test
    assert corpus.rejected == [("x_2", "suspect: phone error 0.84"), ("m_1", "sub-corpus ml_smc is excluded")]
    item = corpus.splits["train"][0]
    assert (item.bandwidth_hz, item.gender, item.corpus, item.seconds) == (8000, "f", "one", 1.5)
    assert ids(corpora.read("speech", house, exclude=""))["train"] == ["x_1", "m_1"]
    check(corpus, tmp_path)


def test_the_data_stage_writes_directories_and_the_list_of_what_was_left_out(house, tmp_path, capsys):
    assert run(["data", "speech", "--root", str(house), "--out", str(tmp_path / "data")]) == 0
    assert "dev 1, test 1, train 1 utterances; 2 left out" in capsys.readouterr().out
    assert (tmp_path / "data" / "rejected.tsv").read_text().splitlines()[1:] == [
        "m_1\tsub-corpus ml_smc is excluded", "x_2\tsuspect: phone error 0.84"]  # fmt: skip
    assert run(["data", "nope", "--root", str(house)]) == 2
    assert run(["data", "speech", "--root", str(tmp_path / "none")]) == 66
    assert "metadata.tsv: is missing. Give the folder" in capsys.readouterr().err


def test_held_out_sentences_leave_train():
    rows = [Utterance(id=f"u{i:03}", wav=f"{i}.wav", text=f"Text {i // 2}", speaker="u", language="de") for i in range(100)]
    splits = hold_out(rows, 4, 4)
    train = {item.text for item in splits["train"]}
    assert not train & {item.text for name in ("dev", "test") for item in splits[name]}
    assert sum(map(len, splits.values())) == 100 and len(splits["dev"]) >= 4 and len(splits["test"]) >= 4
    assert hold_out(reversed(rows), 4, 4) == splits
