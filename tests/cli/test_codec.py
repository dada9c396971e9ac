"""``tts codec``: sound to token files and back with a tiny codec; a bad input is one error and leaves nothing."""

import dataclasses
import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from codec import Codec, Codes
from codec.model import CodecConfig, CodecModel
from codec.quantize.base import exported
from codec.tokenfile import TokenReader
from tts.cli.codec import COMMANDS
from vocoder.audio.io import read_audio, read_info, write_audio
from vocoder.fourier import VocoderConfig
from vocoder.nn.checkpoint import save_model

RATE = 24_000
KBPS_OF_BOOK = 0.375  # 5 bits, 75 times a second


def save_codec(folder, seed=0):
    sizes = dict(latent_dim=12, codebook_size=32, dim=8, hidden=16, n_encoder_blocks=1, n_decoder_blocks=1)
    vocoder = VocoderConfig(dim=8, hidden=16, n_blocks=1, n_projections=0)
    config = CodecConfig(**sizes, vocoder=vocoder)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CodecModel(config)
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point() and not tensor.any():
                torch.nn.init.normal_(tensor, std=0.1)
    settings = {"kind": "codec", "model": dataclasses.asdict(config)}
    save_model(folder, exported(model.state_dict()), settings, "# tiny")
    return str(folder)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return save_codec(tmp_path_factory.mktemp("models") / "tiny")


def tone(seconds, rate=RATE, hz=150.0):
    t = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * hz * t) * np.sin(3 * t)).astype(np.float32)


@pytest.fixture
def codec(tts, model, tmp_path, monkeypatch):
    """``codec("encode", ...)`` runs with the tiny model in an empty folder that holds talk.wav, 1.001 s."""
    monkeypatch.chdir(tmp_path)
    write_audio("talk.wav", tone(1.001), RATE)

    def call(name, *args, **rest):
        more = ("--model", model) if name in ("encode", "decode", "bench") else ()
        return tts("codec", name, *args, *more, **rest)

    return call


def tree(folder="."):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def damage(path, at=-40):
    data = bytearray(Path(path).read_bytes())
    data[at] ^= 0x55
    Path(path).write_bytes(data)


def test_every_subcommand_has_help_with_an_example(tts):
    listing = tts("codec").out.decode()
    assert listing == tts("codec", "--help").out.decode() and all(f"\n  {name} " in listing for name in COMMANDS)
    for name in COMMANDS:
        done = tts("codec", name, "--help")
        assert done.code == 0 and b"Example:" in done.out and done.err == ""
    wrong = tts("codec", "encod")
    assert wrong.code == 2 and wrong.err.startswith("tts codec: no command 'encod'. Did you mean 'encode'?")


@pytest.mark.parametrize(
    "arguments", [["codec", "info", "x.ptok"], ["codec", "trim", "x.ptok", "--books", "3", "-o", "y.ptok"], ["codec"]]
)
def test_what_needs_no_model_loads_no_torch(codec, arguments):
    codec("encode", "talk.wav", "-o", "x.ptok")
    program = f"import sys, tts.cli; code = tts.cli.run({arguments!r}); print(code, 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.stdout.splitlines()[-1] == "0 False", done.stderr


def test_one_file_goes_beside_itself_and_comes_back_as_the_api_has_it(codec, model):
    done = codec("encode", "talk.wav", "--books", 4)
    assert done.code == 0 and done.out == b"" and tree() == ["talk.ptok", "talk.wav"]
    assert (
        done.err.startswith("talk.ptok: 1.00 s, 4 books, 1.5 kbit/s (")
        and "300 tokens/s" in done.err
        and "x real time" in done.err
    )
    codes, api = Codes.load("talk.ptok"), Codec.load(model)
    assert np.array_equal(codes.codes, api.encode("talk.wav", n_books=4).codes) and codes.n_samples == 24_024
    assert codec("decode", "talk.ptok").code == 73  # the recording itself lies there
    done = codec("decode", "talk.ptok", "-o", "copy.wav", "--seed", 3)
    assert done.code == 0 and "copy.wav: 1.00 s, 4 books, 24,000 Hz, seed 3" in done.err
    assert np.abs(read_audio("copy.wav") - np.clip(api.decode(codes, seed=3), -1, 1)).max() < 1e-4
    again = codec("encode", "talk.wav")
    assert again.code == 73 and "--force" in again.err
    assert codec("encode", "talk.wav", "--force", "-q").err == "" and len(Codes.load("talk.ptok").codes) == 8


def test_json_has_the_facts_and_notes_say_what_was_converted(codec):
    loud = np.stack([1.5 * tone(0.5, 44_100), 4.5 * tone(0.5, 44_100)], axis=1)
    import soundfile

    soundfile.write("loud.wav", loud, 44_100, subtype="FLOAT")
    done = codec("encode", "loud.wav", "--json", "--metadata", "title=Ä talk", "--metadata", "id=7=8")
    facts = done.json
    assert facts["seconds"] == 0.5 and facts["frames"] == 38 and facts["n_books"] == 8 and facts["kbps"] == 3.0
    assert facts["bytes"] == os.path.getsize("loud.ptok") and facts["file_kbps"] == pytest.approx(
        facts["bytes"] * 0.016, abs=1e-3
    )
    assert facts["tokens_per_second"] == 600 and facts["source"] == {"format": "WAV FLOAT", "sample_rate": 44_100, "channels": 2}
    assert facts["peak"] > 0.8 and Codes.load("loud.ptok").metadata == {"title": "Ä talk", "id": "7=8"}
    assert "note: loud.wav: 44,100 Hz, 2 channels -> 24,000 Hz mono\n" in done.err
    soundfile.write("louder.wav", 8 * tone(0.5), RATE, subtype="FLOAT")
    done = codec("encode", "louder.wav")
    assert "peak of 2.39 is above full scale" in done.err and "->" not in done.err
    facts = codec("decode", "loud.ptok", "--json", "-o", "x.flac", "--rate-hz", 16_000).json
    assert facts["sample_rate"] == 16_000 and facts["metadata"]["title"] == "Ä talk" and facts["lost"] == []
    assert read_info("x.flac").frames == 8000


@pytest.mark.parametrize(("kbps", "books"), [(3 * KBPS_OF_BOOK, 3), ("1.49k", 3), (4 * KBPS_OF_BOOK, 4), (99, 8)])
def test_a_bit_rate_buys_the_most_books_that_fit(codec, kbps, books):
    assert codec("encode", "talk.wav", "--kbps", kbps, "--json").json["n_books"] == books


def test_pipes_in_and_out(codec):
    whole = Path("talk.wav").read_bytes()
    piped = codec("encode", "-", stdin=whole)
    assert piped.code == 0 and piped.out[1:4] == b"PTK" and tree() == ["talk.wav"]
    codec("encode", "talk.wav")
    assert piped.out == Path("talk.ptok").read_bytes() == codec("encode", stdin=whole).out
    codec("decode", "talk.ptok", "-o", "copy.wav")
    sound = codec("decode", "-", stdin=piped.out)
    assert np.array_equal(read_audio(sound.out), read_audio("copy.wav"))
    raw = codec("decode", "-", "--format", "pcm", "-o", "-", stdin=piped.out)
    assert len(raw.out) == 2 * 24_024
    assert codec("encode", "-", "-o", "named.ptok", stdin=whole).out == b"" and Path("named.ptok").exists()
    assert codec("encode", "-", stdin=whole, terminal=True).code == 2
    assert codec("encode", "talk.wav", "-o", "-", "--json").code == 2
    assert codec("trim", "-", "--books", 4, "-o", "-", stdin=piped.out).out[1:4] == b"PTK"


def test_raw_samples_are_encoded_as_the_file_is(codec):
    from vocoder.audio.io import resample

    at_16 = resample(read_audio("talk.wav"), RATE, 16_000)
    samples = np.clip(np.rint(at_16 * 32768), -32768, 32767).astype("<i2")
    write_audio("at16.wav", at_16, 16_000)
    codec("encode", "at16.wav")
    done = codec("encode", "--pcm", 16_000, stdin=samples.tobytes())
    assert np.array_equal(Codes.load(done.out).codes, Codes.load("at16.ptok").codes)
    assert "note: <stdin>: 16,000 Hz, 1 channel -> 24,000 Hz mono" in done.err
    assert codec("encode", "--pcm", 16_000, "-o", "x.ptok", stdin=b"").code == 65
    odd = codec("encode", "--pcm", 16_000, "-o", "x.ptok", stdin=samples.tobytes() + b"x")
    assert odd.code == 65 and "half a sample" in odd.err and not Path("x.ptok").exists()
    assert codec("encode", "talk.wav", "--pcm", 16_000).code == 2


@pytest.mark.slow
def test_a_live_stream_gives_blocks_as_they_fill_and_keeps_what_ctrl_c_ends(model, tmp_path):
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-m", "tts", "codec", "encode", "--pcm", "24000", "--model", model, "-o", "-"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=root)
    child.stdin.write(bytes(2 * 9 * RATE))
    child.stdin.flush()
    reader = TokenReader(child.stdout)
    assert next(reader.blocks()).frames == 300  # comes while stdin is open
    time.sleep(1.5)  # until it has read all that came
    child.send_signal(signal.SIGINT)
    rest = child.stdout.read()
    assert child.wait(30) == 0 and b"9.00 s" in child.stderr.read() and len(rest) > 20
    for pipe in (child.stdin, child.stdout, child.stderr):
        pipe.close()


@pytest.fixture
def recordings(codec):
    """A tree of audio in three formats, with files that are none."""
    for i, name in enumerate(["rec/a.wav", "rec/deep/a.flac", "rec/deep/b.OGG", "more/c.wav"]):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        write_audio(name, tone(0.2 + 0.1 * i), RATE, format=name.split(".")[1].lower())
    Path("rec/notes.txt").write_text("no audio")
    Path("rec/.hidden.wav").write_text("no audio")


def test_folders_keep_their_tree_and_a_second_run_does_the_rest(codec, recordings):
    done = codec("encode", "rec", "more", "talk.wav", "-o", "out", "--json")
    facts = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 0 and tree("out") == ["a.ptok", "c.ptok", "deep/a.ptok", "deep/b.ptok", "talk.ptok"]
    assert [fact["output"] for fact in facts] == [f"out/{name}.ptok" for name in ("a", "deep/a", "deep/b", "c", "talk")]
    assert "out: 5 files" in done.err
    before = {name: os.stat(f"out/{name}").st_mtime_ns for name in tree("out")}
    os.unlink("out/c.ptok")
    damage("out/deep/a.ptok")
    again = codec("encode", "rec", "more", "talk.wav", "-o", "out", "--json")
    kept = {json.loads(line)["output"] for line in again.out.splitlines() if json.loads(line)["kept"]}
    assert again.code == 0 and kept == {"out/a.ptok", "out/deep/b.ptok", "out/talk.ptok"} and "3 kept" in again.err
    assert all(os.stat(name).st_mtime_ns == before[name[4:]] for name in kept)
    other = codec("encode", "rec", "more", "talk.wav", "-o", "out", "--books", 3)
    assert other.code == 79 and "already exists, with 8 books" in other.err
    assert codec("encode", "rec", "more", "talk.wav", "-o", "out", "--books", 3, "--force", "-q").code == 0

    back = codec("decode", "out", "-o", "back", "--format", "flac")
    assert back.code == 0 and tree("back") == ["a.flac", "c.flac", "deep/a.flac", "deep/b.flac", "talk.flac"]
    os.unlink("back/a.flac")
    Path("back/talk.flac").write_bytes(Path("back/talk.flac").read_bytes()[:60])
    assert (
        "3 kept" in codec("decode", "out", "-o", "back", "--format", "flac").err and read_info("back/talk.flac").frames == 24_024
    )


def test_a_bad_file_of_many_is_listed_and_stops_nothing(codec, recordings):
    Path("rec/bad.wav").write_text("this is text")
    done = codec("encode", "rec", "-o", "out")
    assert done.code == 79 and tree("out") == ["a.ptok", "deep/a.ptok", "deep/b.ptok"]
    assert "failed: rec/bad.wav: not an audio file" in done.err and "1 of 4 files failed" in done.err
    done = codec("encode", "rec", "-o", "out", "--json")
    assert [json.loads(line).get("error", {}).get("exit_code") for line in done.out.splitlines()] == [None, 65, None, None]


def test_what_would_write_one_file_twice_is_refused_before_any_work(codec, recordings):
    write_audio("rec/a.flac", tone(0.1), RATE)
    done = codec("encode", "rec", "-o", "out")
    assert (
        done.code == 2 and "rec/a.flac and rec/a.wav would both be written to out/a.ptok" in done.err and not Path("out").exists()
    )
    assert codec("encode", "talk.wav", "talk.wav", "-o", "out").code == 2
    assert codec("encode", "talk.wav", "-o", "./talk.wav", "--force").code == 2
    assert read_info("talk.wav").frames == 24_024


@pytest.mark.parametrize("nj", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_kaldi_list_there_and_back(codec, recordings, nj):
    os.makedirs("data")
    Path("data/wav.scp").write_text("utt-b rec/a.wav\nutt-a  ../rec/deep/a.flac\nutt-c none.wav\n")
    done = codec("encode", "--scp", "data/wav.scp", "-o", "tok", "--nj", nj)
    assert done.code == 79 and "failed: utt-c: none.wav: cannot be read" in done.err
    assert Path("tok/tokens.scp").read_text() == "utt-a tok/utt-a.ptok\nutt-b tok/utt-b.ptok\n"
    if nj == 2:
        return
    write_audio("none.wav", tone(0.1), RATE)
    done = codec("encode", "--scp", "data/wav.scp", "-o", "tok")
    assert done.code == 0 and "2 kept" in done.err and Path("tok/tokens.scp").read_text().count("\n") == 3
    done = codec("decode", "--scp", "tok/tokens.scp", "-o", "wav")
    assert done.code == 0 and Path("wav/wav.scp").read_text().splitlines()[2] == "utt-c wav/utt-c.wav"
    assert read_info("wav/utt-b.wav").frames == read_info("rec/a.wav").frames


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a sox x.wav -t wav - |\n", "is a command"),
        ("a talk.wav\n../b talk.wav\n", "wav.scp:line 2: '../b' cannot name a file"),
        (".. talk.wav\n", "cannot name a file"),
        ("a/b talk.wav\n", "cannot name a file"),
        ("a talk.wav\na talk.wav\n", "'a' comes twice"),
        ("a\n", "has no path"),
        ("\n", "list is empty"),
        (b"\xff x.wav\n", "UTF-8"),
    ],
)
def test_a_malformed_list_is_refused_with_its_line(codec, text, part):
    Path("wav.scp").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = codec("encode", "--scp", "wav.scp", "-o", "out")
    assert done.code == 65 and part in done.err and not Path("out").exists()


def test_damage_is_an_error_and_what_is_whole_can_be_salvaged(codec):
    write_audio("long.wav", tone(10.0), RATE)
    codec("encode", "long.wav")
    whole = Path("long.ptok").read_bytes()
    at = whole.index(b"\x97PTB", whole.index(b"\x97PTB") + 1)
    damage("long.ptok", at + 30)
    done = codec("decode", "long.ptok", "-o", "x.wav")
    assert done.code == 65 and f"long.ptok:byte {at}" in done.err and not Path("x.wav").exists()
    assert codec("decode", "-", "-o", "-", stdin=Path("long.ptok").read_bytes()).out == b""
    done = codec("decode", "long.ptok", "-o", "x.wav", "--salvage", "--json")
    assert done.code == 0 and done.json["lost"] == [[4.0, 8.0]] and "warning: long.ptok: lost from 4.00 s to 8.00 s" in done.err
    sound = read_audio("x.wav")
    assert len(sound) == 240_000 and not sound[5 * RATE : 7 * RATE].any() and sound[:RATE].any() and sound[-RATE:].any()
    Path("long.ptok").write_bytes(whole[:-30])
    done = codec("decode", "long.ptok", "-o", "y.wav", "--salvage", "--json")
    assert done.code == 0 and done.json["lost"] == [[8.0, None]] and 8 <= done.json["seconds"] < 8.1
    Path("long.ptok").write_bytes(b"\x97PTK" + whole[5:])
    assert codec("decode", "long.ptok", "-o", "z.wav", "--salvage").code == 65 and not Path("z.wav").exists()


def test_a_loss_of_years_is_refused(codec):
    from codec.tokenheader import TokenHeader

    header = TokenHeader("tiny", "0" * 32, RATE, 320, 8, 5, n_samples=1 << 39)
    Path("years.ptok").write_bytes(header.to_bytes())
    done = codec("decode", "years.ptok", "-o", "x.wav", "--salvage")
    assert done.code == 76 and not Path("x.wav").exists()


def test_codes_of_other_weights_are_refused(codec, tmp_path):
    other = save_codec(tmp_path / "other", seed=1)
    codec("encode", "talk.wav", "-o", "talk.ptok")
    from tts.cli import run

    assert run(["codec", "decode", "talk.ptok", "-o", "x.wav", "--model", other]) == 65 and not Path("x.wav").exists()


def test_info_tells_what_a_file_holds_and_fails_when_it_is_damaged(codec, tts):
    codec("encode", "talk.wav", "--books", 4, "--metadata", "title=Talk")
    done = tts("codec", "info", "talk.ptok", "--json")
    facts = done.json
    assert done.code == 0 and facts["whole"] and facts["seconds"] == 1.001 and facts["frames"] == 76 and facts["kbps"] == 1.5
    assert facts["metadata"] == {"title": "Talk"} and facts["bytes"] == os.path.getsize("talk.ptok") and facts["codec"] == "tiny"
    assert 0 <= facts["entropy_saving"] < 1 and facts["tokens_per_second"] == 300 and len(facts["weights"]) == 32
    text = tts("codec", "info", "talk.ptok").out.decode()
    assert (
        text.startswith("talk.ptok: whole\n")
        and "1.00 s at 24,000 Hz, 76 frames, 4 books of 5 bits" in text
        and "title: Talk" in text
    )
    assert tts("codec", "info", "-", "--json", stdin=Path("talk.ptok").read_bytes()).json["whole"]
    Path("bad.ptok").write_bytes(Path("talk.ptok").read_bytes())
    damage("bad.ptok")
    done = tts("codec", "info", "bad.ptok", "--json")
    assert done.code == 65 and not done.json["whole"] and done.json["error"]["pos"].startswith("byte ") and done.json["lost"]
    both = tts("codec", "info", "talk.ptok", "bad.ptok", "none.ptok", "talk.wav")
    assert both.code == 79 and b"bad.ptok: DAMAGED" in both.out and "3 of 4" in both.err
    assert tts("codec", "info", "none.ptok").code == 66 and tts("codec", "info", "talk.wav").code == 65


def test_trim_gives_the_file_of_fewer_books(codec, tts):
    codec("encode", "talk.wav")
    codec("encode", "talk.wav", "--books", 4, "-o", "four.ptok")
    done = tts("codec", "trim", "talk.ptok", "--kbps", 4 * KBPS_OF_BOOK, "-o", "trimmed.ptok", "--json")
    assert done.code == 0 and done.json["n_books"] == 4 and Path("trimmed.ptok").read_bytes() == Path("four.ptok").read_bytes()
    assert tts("codec", "trim", "talk.ptok", "--books", 4, "-o", "four.ptok").code == 73
    assert tts("codec", "trim", "talk.ptok", "--books", 4, "-o", "./talk.ptok", "--force").code == 2
    assert tts("codec", "trim", "talk.ptok", "-o", "x.ptok").code == 2
    told = tts("codec", "trim", "talk.ptok", "--books", 9, "-o", "x.ptok")
    assert told.code == 2 and "1 to 8 books are 0.375 to 3 kbit/s" in told.err
    damage("talk.ptok")
    assert tts("codec", "trim", "talk.ptok", "--books", 4, "-o", "x.ptok").code == 65 and not Path("x.ptok").exists()


def test_the_name_of_any_model_folder_will_do(codec, tts, tmp_path, monkeypatch):
    save_codec(tmp_path / "My Codec!")
    write_audio("My Codec!/x.wav", tone(0.1), RATE)
    monkeypatch.chdir("My Codec!")
    assert tts("codec", "encode", "x.wav", "--model", ".").code == 0
    assert tts("codec", "info", "x.ptok", "--json").json["codec"] == "my-codec"


def test_file_names_that_are_not_utf8_are_taken_as_they_are(codec):
    os.makedirs("in")
    Path(os.fsdecode(b"in/\xff\x1b[31m.wav")).write_bytes(Path("talk.wav").read_bytes())
    done = codec("encode", "in", "-o", "out", "--json")
    assert done.code == 0 and os.listdir(b"out") == [b"\xff\x1b[31m.ptok"] and "\x1b" not in done.err
    assert done.json["seconds"] == 1.001 and codec("info", os.fsdecode(b"out/\xff\x1b[31m.ptok")).code == 0


def test_bench_measures_this_machine(codec):
    done = codec("bench", "talk.wav", "--json", "--books", 4)
    facts = done.json
    assert (
        facts["seconds"] == 1.001 and facts["n_books"] == 4 and facts["threads"] == 1 and facts["peak_mb"] >= facts["base_mb"] > 0
    )
    for name in ("encode", "decode"):
        assert facts[name]["rtf"] > 0 and facts[name]["first_packet_s"] >= facts[name]["latency_s"] > 0
    assert "peak memory" in codec("bench", "talk.wav").out.decode()
    write_audio("short.wav", tone(0.01), RATE)
    assert codec("bench", "short.wav").code == 65


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_every_rate_and_one_sample_of_it_is_encoded(codec, rate):
    for count in (1, rate // 5):
        write_audio("x.wav", tone(1, rate)[:count], rate, force=True)
        done = codec("encode", "x.wav", "--json", "--force")
        assert done.code == 0, done.err
        assert abs(done.json["seconds"] - count / rate) <= 1 / RATE and done.json["frames"] == -(
            -round(done.json["seconds"] * RATE) // 320
        )
    assert codec("decode", "x.ptok", "-o", "y.wav").code == 0 and abs(read_info("y.wav").frames - RATE // 5) <= 1


def wav(samples, channels=1, rate=RATE, bits=16, tag=1, **lies):
    """A WAV file; ``lies`` are claims of its header."""
    align = lies.get("align", channels * bits // 8)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, rate, rate * align % 2**32, align, bits)
    size = lies.get("size", len(samples))
    return struct.pack("<4sI4s", b"RIFF", 36 + len(samples), b"WAVE") + form + struct.pack("<4sI", b"data", size) + samples


NAN = np.zeros(4800, "<f4")
NAN[777] = np.nan
BAD = {
    "empty": (b"", "the file is empty"),
    "no samples": (wav(b""), "no samples"),
    "text": (b"Dear reader, this is no sound at all.\n" * 9, "not an audio file"),
    "NaN": (wav(NAN.tobytes(), bits=32, tag=3), "sample 777"),
    "infinite": (wav(np.full(9, np.inf, "<f4").tobytes(), bits=32, tag=3), "sample 0"),
    "cut": (wav(bytes(2000), size=4000), "promises 4,000 bytes"),
    "four GB promised": (wav(bytes(2000), size=0xFFFFFFF0), "promises"),
    "block size": (wav(bytes(2000), align=3), "block size"),
    "no channels": (wav(bytes(2000), channels=0, align=2), "channels"),
    "9 channels": (wav(bytes(1800), channels=9), "channels"),
    "65535 channels": (wav(bytes(2000), channels=65535, align=2), "channels"),
    "rate 0": (wav(bytes(2000), rate=0), "sample rate 0"),
    "rate 4 kHz": (wav(bytes(2000), rate=4000), "sample rate 4,000"),
    "rate 2 GHz": (wav(bytes(2000), rate=2_000_000_000), "sample rate 2,000,000,000"),
    "12 bits": (wav(bytes(2000), bits=12, align=2), "12 bits"),
    "only a header": (wav(b"")[:36], "no data chunk"),
    "cut FLAC": (b"fLaC" + bytes(30), "not an audio file"),
    "MP4": (b"\x00\x00\x00\x20ftypM4A " + bytes(40), "MP4"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_audio_is_one_error_and_leaves_nothing(codec, case):
    data, part = BAD[case]
    Path("bad.wav").write_bytes(data)
    for arguments in (["bad.wav"], ["-", "-o", "bad.ptok"]):
        done = codec("encode", *arguments, stdin=data)
        assert done.code == 65 and part in done.err and done.out == b"" and tree() == ["bad.wav", "talk.wav"], done.err
        assert len(done.err.splitlines()) == 1 and "Traceback" not in done.err


@pytest.mark.parametrize(("bits", "channels"), [(8, 1), (8, 6), (16, 6), (24, 2), (32, 8)])
def test_widths_and_channels_are_converted_and_said(codec, bits, channels):
    Path("x.wav").write_bytes(wav(bytes([128] * (bits // 8 * channels * 4800)), channels=channels, bits=bits))
    done = codec("encode", "x.wav", "--json")
    assert (
        done.code == 0 and done.json["frames"] == 15 and (channels == 1 or f"{channels} channels -> 24,000 Hz mono" in done.err)
    )


ERRORS = {
    "no input": (["encode"], 2, "tts codec encode talk.wav"),
    "missing": (["encode", "none.wav"], 66, "none.wav"),
    "an empty folder": (["encode", "empty", "-o", "out"], 66, "no audio files"),
    "a folder without -o": (["encode", "empty"], 2, "-o DIR"),
    "many into a file": (["encode", "talk.wav", "b.wav", "-o", "talk.wav"], 73, "is a file"),
    "stdin and more": (["encode", "-", "talk.wav", "-o", "out"], 2, "alone"),
    "into no folder": (["encode", "talk.wav", "-o", "none/x.ptok"], 73, "mkdir"),
    "books": (["encode", "talk.wav", "--books", "2"], 2, "3 to 8 books are 1.125 to 3 kbit/s"),
    "kbps": (["encode", "talk.wav", "--kbps", "1"], 2, "3 to 8 books are 1.125 to 3 kbit/s"),
    "books and kbps": (["encode", "talk.wav", "--books", "4", "--kbps", "1"], 2, "say the same"),
    "metadata": (["encode", "talk.wav", "--metadata", "title"], 2, "KEY=VALUE"),
    "metadata twice": (["encode", "talk.wav", "--metadata", "a=1", "--metadata", "a=2"], 2, "twice"),
    "much metadata": (["encode", "talk.wav", "--metadata", "a=" + "x" * 40_000], 65, "metadata"),
    "scp and files": (["encode", "talk.wav", "--scp", "x.scp", "-o", "out"], 2, "--scp"),
    "no such list": (["encode", "--scp", "x.scp", "-o", "out"], 66, "x.scp"),
    "wav as tokens": (["decode", "talk.wav", "-o", "x.wav"], 65, "not a token file"),
    "no tokens": (["decode", "none.ptok", "-o", "x.wav"], 66, "none.ptok"),
    "ending": (["decode", "talk.ptok", "-o", "x.aac"], 2, "flac"),
    "format": (["decode", "talk.ptok", "--format", "aac"], 2, "flac"),
    "rate of opus": (["decode", "talk.ptok", "-o", "x.opus", "--rate-hz", "22050"], 2, "48000"),
    "bit rate of wav": (["decode", "talk.ptok", "-o", "x.wav", "--bitrate", "32k"], 2, "8 to 160"),
    "disk full": (["encode", "talk.wav", "-o", "/dev/full"], 74, "No space"),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_wrong_calls_are_refused(codec, case):
    os.makedirs("empty")
    arguments, code, part = ERRORS[case]
    done = codec(*arguments)
    assert done.code == code and part in done.err and done.out == b"" and tree() == ["talk.wav"], done.err


@pytest.mark.parametrize("name", ["none", "text"])
def test_a_model_that_is_none_is_refused(tts, codec, name):
    Path("text").mkdir()
    (Path("text") / "config.json").write_text("{")
    done = tts("codec", "encode", "talk.wav", "rec", "-o", "out", "--model", name)
    assert done.code == 78 and "config.json" in done.err and not Path("out").exists()
