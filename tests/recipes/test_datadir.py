"""Every fault of a data directory is found, where it is, and nothing else is."""

import json
import shutil
import wave

import numpy as np
import pytest

from recipes import datadir
from recipes.__main__ import run
from recipes.cut import cut
from recipes.datadir import Utterance
from recipes.validation import validate
from tts.base.errors import DataError, NoInputError

TEXTS = {"a-1": "The first sentence.", "a-2": "Another one, longer.", "b-1": "Der dritte Satz.", "b-2": "Und der vierte."}


def sound(path, seconds=1.0, rate=24_000, amplitude=0.3, channels=1, seed=0):
    noise = np.random.default_rng(seed).standard_normal((int(seconds * rate), channels)) * amplitude / 3
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(noise, -1, 1) * 32767).astype("<i2").tobytes())


@pytest.fixture
def folder(tmp_path):
    """A sound data directory of two speakers with two utterances each."""
    (tmp_path / "wavs").mkdir()
    rows = []
    for i, (key, text) in enumerate(TEXTS.items()):
        sound(tmp_path / "wavs" / f"{key}.wav", seed=i)
        rows.append(Utterance(id=key, wav=tmp_path / "wavs" / f"{key}.wav", text=text, speaker=key[0], seconds=1.0,
                              language="en-us" if key[0] == "a" else "de", bandwidth_hz=12_000, gender="fm"[key[0] == "b"],
                              corpus="own"))  # fmt: skip
    datadir.write(tmp_path / "data", rows)
    return tmp_path / "data"


def edit(folder, name, line, old, new):
    path = folder / name
    lines = path.read_bytes().split(b"\n")
    old, new = (text if isinstance(text, bytes) else text.encode() for text in (old, new))
    assert old in lines[line - 1], (name, line, lines[line - 1])
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    path.write_bytes(b"\n".join(lines))


def swap(folder, name):
    lines = (folder / name).read_text().splitlines()
    lines[0], lines[1] = lines[1], lines[0]
    (folder / name).write_text("\n".join(lines) + "\n")


def drop(folder, name, line):
    lines = (folder / name).read_text().splitlines(keepends=True)
    (folder / name).write_text("".join(lines[: line - 1] + lines[line:]))


def append(folder, name, line):
    with open(folder / name, "a") as file:
        file.write(line + "\n")


def cut_end(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])


def segmented(folder, segments):
    (folder / "wav.scp").write_text(f"rec-a {folder}/../wavs/a-1.wav\nrec-b {folder}/../wavs/b-1.wav\n")
    (folder / "segments").write_text(segments)


GOOD_SEGMENTS = "a-1 rec-a 0 0.5\na-2 rec-a 0.5 1\nb-1 rec-b 0 0.5\nb-2 rec-b 0.5 1\n"

# what is done to the directory -> (file, line, column, code) of every fault
CASES = {
    "missing file": (lambda f: (f / "utt2lang").unlink(), [("utt2lang", 0, 0, "file.missing")]),
    "empty file": (lambda f: (f / "text").write_bytes(b""), [("text", 0, 0, "file.empty")]),
    "no final newline": (lambda f: cut_end(f, "text"), [("text", 4, 20, "file.no_final_newline")]),
    "byte order mark": (lambda f: edit(f, "text", 1, b"a-1", b"\xef\xbb\xbfa-1"), [("text", 1, 1, "encoding.bom")]),
    "latin 1": (lambda f: edit(f, "text", 3, "dritte", b"f\xfcnfte"), [("text", 3, 10, "encoding.utf8")]),
    "crlf": (lambda f: edit(f, "utt2spk", 2, "a-2 a", "a-2 a\r"), [("utt2spk", 2, 6, "encoding.crlf")]),
    "nul": (lambda f: edit(f, "text", 2, "one", "o\0e"), [("text", 2, 14, "encoding.nul")]),
    "tab": (lambda f: edit(f, "utt2spk", 1, " ", "\t"), [("utt2spk", 1, 4, "line.tab")]),
    "leading space": (lambda f: edit(f, "text", 1, "a-1", " a-1"), [("text", 1, 1, "line.leading_space")]),
    "trailing space": (lambda f: edit(f, "utt2lang", 4, "de", "de "), [("utt2lang", 4, 7, "line.trailing_space")]),
    "blank line": (lambda f: edit(f, "text", 2, "a-2", "\na-2"), [("text", 2, 1, "line.blank")]),
    "ideographic space": (lambda f: edit(f, "text", 2, "one, ", "one,\u3000"), [("text", 2, 17, "char.space")]),
    "control character": (lambda f: edit(f, "text", 4, "vierte", "vier\x07te"), [("text", 4, 17, "char.control")]),
    "id characters": (
        lambda f: [edit(f, name, 1, "a-1", "a'1") for name in ("wav.scp", "text", "utt2spk", "utt2lang", "utt2dur",
                                                               "utt2bandwidth", "utt2corpus", "spk2utt")],
        [(name, 1, 2, "id.charset") for name in ("wav.scp", "text", "utt2spk", "utt2lang", "utt2dur", "utt2bandwidth",
                                                 "utt2corpus")],
    ),
    "duplicate id": (lambda f: append(f, "text", "b-2 Noch einmal."), [("text", 5, 1, "id.duplicate")]),
    "unsorted": (lambda f: swap(f, "text"), [("text", 2, 1, "order.unsorted")]),
    "no value": (lambda f: edit(f, "utt2spk", 3, "b-1 b", "b-1"), [("utt2spk", 3, 4, "line.fields")]),
    "too many fields": (lambda f: edit(f, "utt2lang", 1, "en-us", "en us"), [("utt2lang", 1, 5, "line.fields")]),
    "empty text": (lambda f: edit(f, "text", 3, " Der dritte Satz.", ""), [("text", 3, 4, "text.empty")]),
    "pipe": (lambda f: edit(f, "wav.scp", 2, ".wav", ".wav |"), [("wav.scp", 2, 5, "wav.pipe")]),
    "archive": (lambda f: edit(f, "wav.scp", 2, "a-2.wav", "raw.ark:71"), [("wav.scp", 2, 5, "wav.archive")]),
    "home folder": (lambda f: edit(f, "wav.scp", 1, "a-1 /", "a-1 ~/"), [("wav.scp", 1, 5, "wav.portable")]),
    "lost recording": (lambda f: edit(f, "wav.scp", 4, "b-2.wav", "b-9.wav"), [("wav.scp", 4, 5, "wav.missing")]),
    "a folder": (lambda f: edit(f, "wav.scp", 1, "/a-1.wav", ""), [("wav.scp", 1, 5, "wav.folder")]),
    "no bytes": (lambda f: (f.parent / "wavs/b-1.wav").write_bytes(b""), [("wav.scp", 3, 5, "wav.empty")]),
    "one file twice": (lambda f: edit(f, "wav.scp", 2, "a-2.wav", "a-1.wav"), [("wav.scp", 2, 5, "wav.duplicate")]),
    "sentence marks": (lambda f: edit(f, "text", 2, "one,", "</s>"), [("text", 2, 13, "text.mark")]),
    "only punctuation": (lambda f: edit(f, "text", 1, "The first sentence.", "... !"), [("text", 1, 5, "text.unspeakable")]),
    "wrong script": (lambda f: edit(f, "text", 3, "Der dritte Satz", "Третье предложение"), [("text", 3, 5, "text.script")]),
    "too fast": (lambda f: edit(f, "utt2dur", 3, "1.000", "0.200"), [("text", 3, 5, "text.rate")]),
    "unknown language": (lambda f: edit(f, "utt2lang", 4, "de", "qqq"), [("utt2lang", 4, 5, "lang.unknown")]),
    "no duration": (lambda f: edit(f, "utt2dur", 2, "1.000", "nan"), [("utt2dur", 2, 5, "dur.number")]),
    "no bandwidth": (lambda f: edit(f, "utt2bandwidth", 1, "12000", "12k"), [("utt2bandwidth", 1, 5, "bandwidth.number")]),
    "gender": (lambda f: edit(f, "spk2gender", 1, "f", "female"), [("spk2gender", 1, 3, "gender.value")]),
    "missing in one": (lambda f: drop(f, "text", 2), [("utt2spk", 2, 1, "set.missing")]),
    "extra in one": (lambda f: append(f, "utt2lang", "c-1 fr"), [("utt2lang", 5, 1, "set.extra")]),
    "speaker without gender": (lambda f: drop(f, "spk2gender", 2), [("spk2utt", 2, 1, "set.missing")]),
    "wrong inverse": (lambda f: [edit(f, "spk2utt", 1, " a-2", ""), edit(f, "spk2utt", 2, "b-1", "a-2 b-1")],
                      [("spk2utt", 2, 3, "spk2utt.speaker")]),
    "inverse lacks one": (lambda f: edit(f, "spk2utt", 2, " b-2", ""), [("utt2spk", 4, 1, "set.missing")]),
    "inverse lists twice": (lambda f: edit(f, "spk2utt", 1, "a-2", "a-2 a-2"), [("spk2utt", 1, 11, "id.duplicate")]),
    "speaker is no prefix": (
        lambda f: [edit(f, "utt2spk", 1, " a", " z"), edit(f, "utt2spk", 2, " a", " z"), edit(f, "spk2gender", 1, "a", "z"),
                   swap(f, "spk2gender"), edit(f, "spk2utt", 1, "a ", "z "), swap(f, "spk2utt")],
        [("utt2spk", 1, 1, "id.speaker_prefix")],
    ),
    "good segments": (lambda f: segmented(f, GOOD_SEGMENTS), []),
    "unknown recording": (lambda f: segmented(f, GOOD_SEGMENTS.replace("b-1 rec-b", "b-1 rec-x")),
                          [("segments", 3, 5, "segments.recording")]),
    "end before start": (lambda f: segmented(f, GOOD_SEGMENTS.replace("0.5 1\nb-1", "0.5 0.2\nb-1")),
                         [("segments", 2, 11, "segments.order")]),
    "no number": (lambda f: segmented(f, GOOD_SEGMENTS.replace("a-1 rec-a 0 ", "a-1 rec-a x ")),
                  [("segments", 1, 11, "segments.number")]),
    "unused recording": (lambda f: segmented(f, GOOD_SEGMENTS.replace("rec-b", "rec-a")),
                         [("wav.scp", 2, 1, "segments.unused")]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_found_where_it_is_and_no_other(folder, name):
    assert validate(folder) == []
    change, expected = CASES[name]
    change(folder)
    found = [(fault.file.rsplit("/", 1)[1], fault.line, fault.col, fault.code) for fault in validate(folder)]
    assert found == sorted(expected)


def test_ten_faults_at_once_are_ten_faults(folder):
    names = ["latin 1", "tab", "trailing space", "pipe", "lost recording", "no bandwidth", "gender", "sentence marks",
             "only punctuation", "no duration"]  # fmt: skip
    for name in names:
        CASES[name][0](folder)
    found = {(fault.file.rsplit("/", 1)[1], fault.line, fault.col, fault.code) for fault in validate(folder)}
    assert found == {fault for name in names for fault in CASES[name][1]}


AUDIO_CASES = {
    "unreadable": (lambda wav: wav.write_bytes(b"not audio at all"), "audio.unreadable"),
    "low rate": (lambda wav: sound(wav, rate=8000), "audio.rate"),
    "stereo": (lambda wav: sound(wav, channels=2), "audio.channels"),
    "silent": (lambda wav: sound(wav, amplitude=0.0005), "audio.silent"),
    "clipped": (lambda wav: sound(wav, amplitude=5.0), "audio.clipped"),
    "another copy": (lambda wav: shutil.copy(wav.with_name("a-1.wav"), wav), "audio.duplicate"),
}


@pytest.mark.parametrize("name", AUDIO_CASES)
def test_a_fault_of_a_recording_is_found(folder, name):
    change, code = AUDIO_CASES[name]
    change(folder.parent / "wavs" / "a-2.wav")
    assert [(fault.line, fault.col, fault.code) for fault in validate(folder, audio=True)] == [(2, 5, code)]


def test_lengths_are_compared_with_the_recordings(folder):
    edit(folder, "utt2dur", 4, "1.000", "1.300")
    assert [str(f).split(": ")[:2] for f in validate(folder, audio=True)] == [[f"{folder}/utt2dur:4:5", "dur.audio"]]
    segmented(folder, GOOD_SEGMENTS.replace("b-2 rec-b 0.5 1", "b-2 rec-b 0.5 1.3"))
    (folder / "utt2dur").unlink()
    assert [(f.line, f.code) for f in validate(folder, audio=True)] == [(4, "segments.end")]


def test_evaluation_data_must_be_new(folder, tmp_path):
    rows = datadir.read(folder)
    other = [rows[0], Utterance(id="c-1", wav=rows[1].wav, text="Neu.", speaker="c", language="de"),
             Utterance(id="c-2", wav=tmp_path / "wavs/b-2.wav", text="der dritte SATZ.", speaker="c", language="de")]  # fmt: skip
    datadir.write(tmp_path / "dev", other)
    found = {(fault.line, fault.code, fault.level) for fault in validate(folder, tmp_path / "dev")}
    assert found == {(1, "overlap.id", "error"), (2, "overlap.audio", "error"), (3, "overlap.audio", "error"),
                     (3, "overlap.text", "warning")}  # fmt: skip


def test_what_is_written_is_what_is_read(folder):
    rows = datadir.read(folder)
    assert [row.id for row in rows] == sorted(TEXTS) and rows[0].seconds == 1.0 and rows[2].gender == "m"
    datadir.write(folder.parent / "again", reversed(rows))
    assert datadir.read(folder.parent / "again") == rows
    for path in folder.iterdir():
        assert path.read_bytes() == (folder.parent / "again" / path.name).read_bytes()


def test_segments_are_cut_into_files(folder):
    segmented(folder, GOOD_SEGMENTS)
    (folder / "utt2dur").unlink()
    rows = cut(datadir.read(folder), folder.parent / "cut")
    from vocoder.audio.io import read_audio

    whole = read_audio(folder.parent / "wavs" / "a-1.wav")
    parts = [read_audio(row.wav) for row in rows[:2]]
    assert np.abs(np.concatenate(parts) - whole).max() < 1e-4
    datadir.write(folder.parent / "spans", datadir.read(folder))
    assert [row.span for row in datadir.read(folder.parent / "spans")] == [(0.0, 0.5), (0.5, 1.0)] * 2


def test_reading_refuses_what_it_cannot_use(folder):
    CASES["pipe"][0](folder)
    with pytest.raises(DataError, match="a-2' is a command"):
        datadir.read(folder)
    (folder / "text").unlink()
    with pytest.raises(NoInputError, match="no text"):
        datadir.read(folder)


def test_the_command_lists_faults_and_exits_1(folder, capsys):
    assert run(["validate", str(folder)]) == 0
    CASES["tab"][0](folder)
    assert run(["validate", str(folder)]) == 1
    out, err = capsys.readouterr()
    assert f"{folder}/utt2spk:1:4: line.tab: a tab separates fields. Write one space." in out
    assert "1 errors, 0 warnings" in err
    assert run(["validate", "--json", str(folder)]) == 1
    assert json.loads(capsys.readouterr().out)[0]["code"] == "line.tab"


def test_twenty_thousand_utterances_take_seconds(tmp_path):
    import time

    sound(tmp_path / "x.wav")
    rows = [Utterance(id=f"s{i % 50:02}-{i:06}", wav=tmp_path / "x.wav", text=f"Sentence number {i} of many.", seconds=2.0,
                      speaker=f"s{i % 50:02}", language="en-us") for i in range(20_000)]  # fmt: skip
    datadir.write(tmp_path / "data", rows)
    started = time.monotonic()
    codes = {fault.code for fault in validate(tmp_path / "data")}
    assert codes == {"wav.duplicate"}
    assert time.monotonic() - started < 10  # 1.1 s measured
