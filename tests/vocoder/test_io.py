"""Audio in and out: what is read is what was written, and no header is believed."""

import io
import itertools
import math
import os
import resource
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile

from tts.base.errors import CannotCreateError, DataError, FileError, NoInputError, ResourceError, TtsError, UsageError
from tts.base.limits import LIMITS
from vocoder.audio.io import (
    FORMATS,
    check_speech,
    encode_audio,
    encode_chunks,
    read_audio,
    read_blocks,
    read_comment,
    read_info,
    resample,
    resample_chunks,
    write_audio,
)
from vocoder.audio.wavfile import read_header, to_pcm16, wav_header

RATE = 24_000


def tone(seconds=1.0, rate=RATE, hz=220.0):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def wav_file(
    data=b"\0\0" * 500, tag=1, channels=1, rate=RATE, bits=16, align=None, claimed=None, riff=None, extra=b"", magic=b"RIFF"
):
    """A WAV file in which every field can lie."""
    align = channels * bits // 8 if align is None else align
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, rate, min(rate * align, 2**32 - 1), align, bits)
    claimed = len(data) if claimed is None else claimed
    body = b"WAVE" + fmt + extra + struct.pack("<4sI", b"data", claimed) + data
    return struct.pack("<4sI", magic, len(body) if riff is None else riff) + body


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "pcm"])
def test_every_format_returns_the_sound_and_its_length(format):
    wav = tone(0.7) * np.hanning(int(0.7 * RATE)).astype(np.float32)
    again = read_audio(encode_audio(wav, RATE, format))
    assert len(again) == len(wav) and again.dtype == np.float32
    assert np.corrcoef(again, wav)[0, 1] > 0.99
    if format in ("wav", "flac"):
        assert np.abs(again - wav).max() <= 0.5 / 32768 + 1e-9


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_is_sent_while_it_is_made_is_the_same_sound(format):
    wav = tone(2.0) * np.hanning(2 * RATE).astype(np.float32)
    pieces = list(encode_chunks(np.array_split(wav, 9), RATE, format, note=lambda facts: f"at {facts['sample_rate']}"))
    sent = b"".join(pieces)
    if format in ("wav", "flac", "pcm"):
        again = np.frombuffer(sent, "<i2") / 32768 if format == "pcm" else read_audio(sent)
        assert np.abs(again - wav).max() <= 0.5 / 32768 + 1e-9
    else:
        again = read_audio(sent)
        assert len(wav) <= len(again) <= len(wav) + (0.1 * RATE if format == "mp3" else 0)
    assert format == "pcm" or read_comment(sent).strip() == "at 24000"
    early = sum(map(len, pieces[:5]))
    assert early == 0 if format == "flac" else early > 0.2 * len(sent)
    with pytest.raises(DataError, match="nan"):
        list(encode_chunks([wav, wav * np.nan], RATE, format))


@pytest.mark.parametrize(
    ("tag", "bits", "dtype", "scale"),
    [(1, 8, "u1", 128), (1, 16, "<i2", 2**15), (1, 32, "<i4", 2**31), (3, 32, "<f4", 1), (3, 64, "<f8", 1)],
)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_wav_encodings_and_downmix(tag, bits, dtype, scale, channels):
    wav = tone(0.2).astype(np.float64)
    samples = wav if tag == 3 else np.rint(wav * (scale - 1)) + (128 if bits == 8 else 0)
    frames = np.repeat(samples.astype(dtype)[:, None], channels, axis=1)
    again = read_audio(wav_file(frames.tobytes(), tag, channels, bits=bits))
    assert len(again) == len(wav) and np.abs(again - wav).max() < 1.5 / 128 * (bits == 8) + 1e-4


def test_24_bit_and_extensible_wav():
    values = np.array([0, 1, -1, 2**23 - 1, -(2**23)])
    data = b"".join(int(v).to_bytes(3, "little", signed=True) for v in values)
    assert np.allclose(read_audio(wav_file(data, bits=24)), values / 2**23, atol=1e-7)
    guid = struct.pack("<HHIH", 22, 16, 4, 1) + bytes.fromhex("000000001000800000aa00389b71")
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 40, 0xFFFE, 1, RATE, RATE * 2, 2, 16) + guid
    body = b"WAVE" + fmt + struct.pack("<4sI", b"data", 4) + b"\0\x40\0\xc0"
    assert read_audio(b"RIFF" + struct.pack("<I", len(body)) + body).tolist() == [0.5, -0.5]


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_other_rates_are_resampled_to_the_right_length_and_pitch(rate):
    again = read_audio(encode_audio(tone(0.5, rate), rate))
    assert abs(len(again) - RATE // 2) <= 1
    assert np.corrcoef(again[500:-500], tone(0.5)[: len(again)][500:-500])[0, 1] > 0.9999
    assert np.array_equal(again, resample(read_audio(encode_audio(tone(0.5, rate), rate), rate), rate, RATE))


LIES = {
    "data_exceeds_file": wav_file(claimed=0xFFFFFFFF),
    "data one byte too long": wav_file(claimed=1001),
    "data zero": wav_file(b"", claimed=0),
    "riff zero, half a frame": wav_file(b"\0" * 999, claimed=0, riff=0),
    "channels 0": wav_file(channels=0, align=2),
    "channels 9": wav_file(b"\0" * 1800, channels=9),
    "channels 65535": wav_file(channels=65535, align=2),
    "rate 0": wav_file(rate=0),
    "rate 4.29 GHz": wav_file(rate=2**32 - 1),
    "block_align": wav_file(align=3),
    "block_align 0": wav_file(align=0),
    "bits 0": wav_file(bits=0, align=2),
    "bits 17": wav_file(bits=17, align=2),
    "float 16": wav_file(tag=3),
    "half a frame": wav_file(b"\0" * 1001),
    "unknown tag": wav_file(tag=0x7777),
    "chunk past the end": wav_file(extra=struct.pack("<4sI", b"LIST", 2**31)),
    "two formats": wav_file(extra=struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, RATE, RATE * 4, 4, 16)),
    "too many chunks": wav_file(extra=struct.pack("<4sI", b"junk", 0) * 2000),
    "no format": b"RIFF" + struct.pack("<I", 16) + b"WAVE" + struct.pack("<4sI", b"data", 4) + b"\0" * 4,
    "no data": b"RIFF" + struct.pack("<I", 4) + b"WAVE",
    "not wave": b"RIFF" + struct.pack("<I", 4) + b"AVI ",
    "only riff": b"RIFF",
    "short format": b"RIFF\0\0\0\0WAVE" + struct.pack("<4sI", b"fmt ", 4) + b"\0" * 4,
    "rf64 without ds64": wav_file(magic=b"RF64", claimed=0xFFFFFFFF),
    "rf64 lie": wav_file(magic=b"RF64", claimed=0xFFFFFFFF)[:12]
    + struct.pack("<4sI3Q", b"ds64", 24, 0, 2**60, 0)
    + wav_file(claimed=0xFFFFFFFF)[12:],
}


@pytest.mark.parametrize("name", LIES)
def test_lying_wav_headers_are_refused_with_their_place(name):
    with pytest.raises(DataError) as caught:
        read_audio(LIES[name])
    assert caught.value.code.startswith("audio.") and caught.value.fix


@pytest.fixture
def piped(monkeypatch):
    """``write_audio`` to standard output, which then holds the bytes of ``piped.out``."""

    def write(*arguments):
        out = io.TextIOWrapper(io.BytesIO())
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdout", out)
            try:
                write_audio("-", *arguments)
            finally:
                write.out = out.buffer.getvalue()

    return write


def test_a_streamed_wav_without_sizes_is_read(piped):
    wav = tone(0.1)
    piped([wav[:1000], wav[1000:]], RATE)
    data = piped.out
    assert data[4:8] == data[40:44] == b"\xff" * 4
    assert np.array_equal(read_audio(data), read_audio(encode_audio(wav, RATE)))
    assert len(read_audio(wav_file(claimed=0, riff=0))) == 500


def failing(after):
    yield from after
    raise DataError("no.")


@pytest.mark.parametrize("format", ["wav", "flac"])
def test_a_pipe_gets_nothing_when_the_first_chunk_fails(piped, format):
    with pytest.raises(DataError, match="no"):
        piped(failing([]), RATE, format)
    assert piped.out == b""


@pytest.mark.parametrize("name", [f"a.{format}" for format in FORMATS])
def test_chunks_make_the_file_that_the_whole_makes(tmp_path, monkeypatch, name):
    wav = tone(2.5) * 1.1
    cuts = [0, 0, 999, 30_000, 30_001, len(wav)]
    write_audio(tmp_path / name, [wav[a:b] for a, b in itertools.pairwise(cuts)], RATE)
    written, whole = (tmp_path / name).read_bytes(), encode_audio(wav, RATE, name[2:])
    if name in ("a.ogg", "a.opus"):  # the stream of every Ogg file has a random number
        assert np.array_equal(read_audio(written), read_audio(whole))
    else:
        assert written == whole
    with pytest.raises(DataError, match="no"):
        write_audio(tmp_path / name, failing([wav, wav]), RATE, force=True)
    assert (tmp_path / name).read_bytes() == written and os.listdir(tmp_path) == [name]
    os.mkfifo(tmp_path / f"b{name}")
    with ThreadPoolExecutor(1) as other:
        read = other.submit((tmp_path / f"b{name}").read_bytes)
        write_audio(tmp_path / f"b{name}", iter([wav[:999], wav[999:]]), RATE)
    assert len(read.result()) == len(whole)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_a_full_disk_is_said_and_leaves_the_folder_as_it_was(tmp_path, name):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(0).standard_normal(20 * RATE).astype(np.float32)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
        with pytest.raises(FileError):
            write_audio(tmp_path / name, np.split(noise, 20), RATE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
def test_resampled_chunks_are_the_resampled_whole(rate):
    wav = tone(1.0)
    chunks = resample_chunks([wav[:7], wav[7:7], wav[7:9000], wav[9000:]], RATE, rate)
    assert np.array_equal(np.concatenate(list(chunks)), resample(wav, RATE, rate))


def test_more_than_4_gib_of_wav_are_rf64_where_there_is_room_and_refused_where_not(tmp_path, monkeypatch):
    count = 2**31 + 5
    header = wav_header(RATE, count, rf64=True)
    assert header[:4] == b"RF64" and len(header) == len(wav_header(RATE, 7, rf64=True)) == len(wav_header(RATE, 7)) + 36
    with open(tmp_path / "big.wav", "wb") as file:  # sparse
        file.write(header)
        file.truncate(len(header) + 2 * count)
    with open(tmp_path / "big.wav", "rb") as file:
        assert read_header(file, os.path.getsize(file.name), "big.wav").frames == count
    assert soundfile.info(tmp_path / "big.wav").frames == count
    write_audio(tmp_path / "small.wav", tone(0.1), RATE, rf64=True)
    assert np.array_equal(read_audio(tmp_path / "small.wav"), read_audio(encode_audio(tone(0.1), RATE)))
    monkeypatch.setattr("vocoder.audio.wavfile._OPEN_END", 2**16)
    with pytest.raises(ResourceError, match="do not fit a WAV file"):
        write_audio(tmp_path / "x.wav", (tone() for _ in itertools.count()), RATE)
    assert sorted(os.listdir(tmp_path)) == ["big.wav", "small.wav"]


def test_a_large_file_is_read_in_blocks_and_refused_as_a_whole(tmp_path):
    path, count = tmp_path / "big.wav", LIMITS.audio_file_bytes // 2 + RATE
    with open(path, "wb") as file:  # sparse
        file.write(wav_header(RATE, count))
        file.truncate(44 + 2 * count)
    assert len(next(read_blocks(path))) == RATE and read_info(path).frames == count
    with open(path, "rb") as file:  # as it stands, and left open
        assert len(next(read_blocks(file))) == RATE and not file.closed
    with pytest.raises(ResourceError, match="larger than 536,870,912 bytes"):
        read_audio(path)


def test_a_pipe_is_read_in_blocks(tmp_path):
    data = encode_audio(tone(1.5), RATE)
    reader, writer = os.pipe()
    with open(writer, "wb") as file:
        assert file.write(data[:60_000]) == 60_000  # what a pipe holds
    with open(reader, "rb") as file, pytest.raises(DataError, match="promises"):
        list(read_blocks(file))
    reader, writer = os.pipe()
    with open(writer, "wb") as file:
        file.write(encode_audio(tone(1.0), RATE))
    with open(reader, "rb") as file:
        assert np.array_equal(np.concatenate(list(read_blocks(file))), read_audio(encode_audio(tone(1.0), RATE)))


@pytest.mark.parametrize("format", ["wav", "flac", "ogg", "mp3"])
def test_a_cut_file_is_never_read_as_a_shorter_one(format):
    data = encode_audio(tone(1.0) + 0.01 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32), RATE, format)
    for cut in np.linspace(1, len(data) - 2, 25).astype(int):
        try:
            got = read_audio(data[:cut])
        except DataError:
            continue
        assert format == "mp3" and len(got) == RATE, f"cut at {cut} of {len(data)}: {len(got)} samples without an error"


def test_a_flac_that_claims_2_to_36_samples_costs_nothing():
    data = bytearray(encode_audio(tone(0.2), RATE, "flac"))
    data[21] |= 0x0F  # STREAMINFO: 36-bit total
    data[22:26] = b"\xff" * 4
    with pytest.raises(DataError):
        read_audio(bytes(data))


def test_a_bomb_stops_at_the_cap_in_flat_memory():
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", 8000, 1, "PCM_16", format="FLAC") as out:
        for _ in range(60):
            out.write(np.zeros(8000 * 60, np.int16))
    assert len(buffer.getvalue()) < 200_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ResourceError) as caught:
        read_audio(buffer.getvalue(), max_seconds=120)
    assert caught.value.exit_code == 76
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e38])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_bad_float_is_named_with_its_index(value, channels):
    wav = np.tile(tone(2.0)[:, None], channels)
    wav[30_001, channels - 1] = value
    with pytest.raises(DataError) as caught:
        read_audio(wav_file(wav.astype("<f4").tobytes(), tag=3, channels=channels, bits=32))
    assert caught.value.pos == "sample 30001"
    with pytest.raises(DataError):
        read_audio(wav_file(wav.astype("<f4").tobytes(), tag=3, channels=channels, bits=32), sample_rate=16_000)


def test_floats_above_full_scale_scale_the_clip_down():
    again = read_audio(wav_file((tone() * 8).astype("<f4").tobytes(), tag=3, bits=32))
    assert abs(np.abs(again).max() - 1) < 1e-6 and np.corrcoef(again, tone())[0, 1] > 0.9999


def test_sources_of_every_kind_and_bad_ones(tmp_path):
    path = tmp_path / "a b.wav"
    write_audio(path, tone(), RATE)
    same = read_audio(path)
    assert np.array_equal(read_audio(str(path)), same) and np.array_equal(read_audio(path.read_bytes()), same)
    with open(path, "rb") as file:
        assert np.array_equal(read_audio(file), same)
    info = read_info(path)
    assert (info.format, info.sample_rate, info.channels, info.seconds) == ("WAV", RATE, 1, 1.0)
    for missing in (tmp_path / "none.wav", tmp_path, "a\0b"):
        with pytest.raises(NoInputError):
            read_audio(missing)
    for junk in (b"", b"\0", b"hello", os.urandom(4096), b"PK\x03\x04" * 50):
        with pytest.raises(DataError):
            read_audio(junk)


def test_a_fifo_is_read_to_its_end(tmp_path):
    import threading

    os.mkfifo(tmp_path / "pipe.wav")
    data = encode_audio(tone(), RATE)
    writer = threading.Thread(target=lambda: (tmp_path / "pipe.wav").write_bytes(data))
    writer.start()
    assert len(read_audio(tmp_path / "pipe.wav")) == RATE
    writer.join()


def test_references_that_are_short_silent_or_not_finite_are_refused():
    check_speech(tone(2.0), RATE, 1.0)
    for wav, code in (
        (tone(0.4), "audio.too_short"),
        (np.zeros(3 * RATE, np.float32), "audio.silent"),
        (tone(3.0) * 1e-4, "audio.silent"),
        (np.append(tone(2.0), np.nan), "audio.not_finite"),
        (np.zeros(0, np.float32), "audio.too_short"),
    ):
        with pytest.raises(DataError) as caught:
            check_speech(wav, RATE, 1.0, "me.wav")
        assert caught.value.code == code and str(caught.value).startswith("me.wav")


def test_writing_refuses_what_it_cannot_keep(tmp_path):
    wav = tone()
    for call, kind in [
        (lambda: write_audio(tmp_path / "a.xyz", wav, RATE), UsageError),
        (lambda: write_audio(tmp_path / "a", wav, RATE), UsageError),
        (lambda: write_audio(tmp_path / "a.opus", wav, 22_050), UsageError),
        (lambda: write_audio(tmp_path / "a.opus", wav, RATE, bitrate=1000), UsageError),
        (lambda: write_audio(tmp_path / "a.wav", wav, RATE, bitrate=32), UsageError),
        (lambda: write_audio(tmp_path / "a.flac", wav, RATE, bitrate=32), UsageError),
        (lambda: write_audio(tmp_path / "a.wav", wav * math.nan, RATE), DataError),
        (lambda: write_audio(tmp_path / "none" / "a.wav", wav, RATE), CannotCreateError),
        (lambda: wav_header(RATE, 2**31), ResourceError),
    ]:
        with pytest.raises(kind):
            call()
    assert os.listdir(tmp_path) == []
    write_audio(tmp_path / "a.wav", wav, RATE)
    with pytest.raises(CannotCreateError):
        write_audio(tmp_path / "a.wav", wav, RATE)
    write_audio(tmp_path / "a.wav", wav * 0, RATE, force=True)
    assert not read_audio(tmp_path / "a.wav").any()


@pytest.mark.parametrize(("format", "kbps"), [("opus", 16), ("opus", 64), ("mp3", 32), ("mp3", 96)])
def test_the_bit_rate_asked_for_is_the_one_written(format, kbps):
    noise = 0.1 * np.random.default_rng(1).standard_normal(8 * RATE).astype(np.float32)
    assert abs(len(encode_audio(noise, RATE, format, kbps)) * 8 / 8000 / kbps - 1) < 0.15


def test_pcm16_rounds_and_clips():
    assert to_pcm16(np.array([0, 1, -1, 2, -2, 0.5 / 32768, 1.5 / 32768, 0.25])).tolist() == [
        0,
        32767,
        -32768,
        32767,
        -32768,
        0,
        2,
        8192,
    ]


def test_single_flipped_bytes_never_crash_or_grow_a_wav():
    data = encode_audio(tone(0.05), RATE)
    for position in range(44):
        for value in (0, 1, 0x7F, 0x80, 0xFF):
            mutant = bytearray(data)
            mutant[position] = value
            try:
                wav = read_audio(bytes(mutant), max_seconds=1)
            except TtsError:
                continue
            assert np.isfinite(wav).all() and len(wav) <= LIMITS.max_sample_rate
