"""Token files: streamed as whole, every damage seen, whole blocks saved from damaged files, nothing allocated on a claim."""

import io
import os
import struct
import threading
import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.tokenfile import Block, Gap, TokenReader, TokenWriter, drop_books
from codec.tokenheader import TokenHeader
from tts.base.errors import DataError, FileError, UsageError

WEIGHTS = "00112233445566778899aabbccddeeff"
NAMES = ("tiny", "speech", "live")


def written(header, pieces, n_samples=None):
    file = io.BytesIO()
    tokens = TokenWriter(file, header)
    for codes in pieces:
        tokens.write(codes)
    tokens.close(n_samples)
    return file.getvalue()


def read(data):
    """All blocks; payloads are not decoded, the CRCs speak for them."""
    return list(TokenReader(io.BytesIO(data)).blocks())


def codes_of(blocks, n_q):
    return np.concatenate([np.empty((n_q, 0), np.int16), *(block.codes for block in blocks)], axis=1)


def spans(data):
    """(start, end) of header, blocks and end mark."""
    reader, ends = TokenReader(io.BytesIO(data)), [0]
    ends.append(reader._offset)
    ends += [reader._offset for _ in reader.blocks()]
    return list(zip(ends, [*ends[1:], len(data)], strict=True))


def refused(data):
    with pytest.raises(DataError) as caught:
        read(data)
    error = caught.value
    assert error.code.startswith("tokens.") and error.fix and int(error.pos.removeprefix("byte ")) <= len(data)
    return error


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 8),
    st.integers(0, 2000),
    st.sampled_from([1, 3, 8, 10, 10, 11, 15]),
    st.sampled_from([1, 37, 300, 8192]),
    st.sampled_from([0.0, 0.4, 1.0]),
    st.integers(0, 319),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_what_is_written_is_read(n_q, n_frames, bits, block_frames, again, part, known, seed):
    rng = np.random.default_rng(seed)
    if block_frames == 1:
        n_frames //= 10
    codes = rng.integers(0, 1 << bits, (n_q, n_frames))
    codes = np.take_along_axis(
        codes, np.maximum.accumulate(np.where(rng.random(codes.shape) < again, 0, np.arange(n_frames)), 1), 1
    )
    n_samples = max(0, n_frames * 320 - part)
    header = TokenHeader(
        "test", WEIGHTS, 24_000, 320, n_q, bits, n_samples if known else None, block_frames, {"seed": seed} if known else {}
    )
    data = written(header, [codes], n_samples)
    reader = TokenReader(io.BytesIO(data))
    blocks = list(reader.blocks())
    assert reader.header == header and reader.n_samples == n_samples
    assert [block.first_frame for block in blocks] == list(range(0, n_frames, block_frames))
    assert np.array_equal(codes_of(blocks, n_q), codes)
    cuts = np.sort(rng.integers(0, n_frames + 1, 5))
    assert written(header, np.split(codes, cuts, axis=1), n_samples) == data


def test_frame_by_frame_makes_the_same_bytes(draw_codes, make_header):
    codes = draw_codes(0, 8, 700, 10)
    header = make_header(8)
    assert written(header, np.split(codes, 700, axis=1)) == written(header, [codes])


def test_the_golden_files_are_what_this_version_writes_and_reads(golden):
    for data, header, codes in golden.values():
        assert written(header, [codes]) == data and len(data) < 5_000
        reader = TokenReader(io.BytesIO(data))
        assert reader.header == header and np.array_equal(codes_of(reader.blocks(), header.n_q), codes)
        assert reader.n_samples == header.n_samples or header.n_samples is None


@pytest.mark.parametrize("name", NAMES)
def test_every_flipped_bit_is_seen(golden, name):
    data = golden[name][0]
    damaged = bytearray(data)
    for bit in range(8 * len(data)):
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DataError):
            read(damaged)
        damaged[bit // 8] ^= 1 << bit % 8
    assert damaged == data


@pytest.mark.parametrize("name", NAMES)
def test_every_cut_is_seen_between_blocks_too(golden, name):
    data = golden[name][0]
    for cut in range(len(data)):
        assert refused(data[:cut]).pos == f"byte {cut}"
    assert refused(data + b"\0").code == "tokens.trailing"
    for _, end in spans(data)[:-1]:
        error = refused(data[:end])
        assert error.code == "tokens.truncated" and "cut short" in str(error)


def test_lost_doubled_swapped_and_foreign_blocks_are_seen(golden, draw_codes, make_header):
    data = golden["speech"][0]
    (_, first), *blocks, (end, _) = spans(data)
    parts = [data[a:b] for a, b in blocks]

    def joined(parts):
        return data[:first] + b"".join(parts) + data[end:]

    assert refused(joined(parts[1:])).code == "tokens.sequence"
    assert refused(joined(parts[:-1])).code == "tokens.sequence"
    assert refused(joined([parts[0], *parts])).code == "tokens.sequence"
    assert refused(joined([parts[1], parts[0], *parts[2:]])).code == "tokens.sequence"
    one, two = (written(make_header(block_frames=50), [draw_codes(seed, 2, 100, 10)]) for seed in (1, 2))
    (_, _), (a, b), *_ = spans(one)
    (_, _), (c, d), *_ = spans(two)
    assert refused(one[:a] + two[c:d] + one[b:]).code == "tokens.crc"  # equal headers: the file CRC
    other = written(make_header(block_frames=50, metadata={"take": 2}), [draw_codes(1, 2, 100, 10)])
    (_, _), (c, d), *_ = spans(other)
    mixed = one[:a] + other[c:d] + one[b:]
    assert refused(mixed).pos == f"byte {a}"
    assert [type(item) for item in TokenReader(io.BytesIO(mixed)).salvage()] == [Gap, Block]


def test_a_file_that_was_not_finished_is_not_taken_for_a_whole_one(make_header):
    file = io.BytesIO()
    with pytest.raises(ZeroDivisionError), TokenWriter(file, make_header(block_frames=10)) as tokens:
        tokens.write(np.zeros((2, 20), int))
        raise ZeroDivisionError
    assert refused(file.getvalue()).code == "tokens.truncated"


def test_other_files_are_named_by_what_they_are(golden):
    data = golden["tiny"][0]
    assert "RIFF" in str(refused(b"RIFF1234WAVEfmt ")) and "empty" in str(refused(b""))
    assert "line ends" in str(refused(data.replace(b"\r\n", b"\n"))) and "line ends" in str(refused(data.replace(b"\n", b"\r\n")))
    newer = data[:8] + b"\2" + data[9:]
    assert refused(newer).code == "tokens.header.version" and "Upgrade" in str(refused(newer))


def test_a_newer_minor_version_may_add_header_fields(golden):
    data, header, codes = golden["tiny"]
    ((_, first), *rest) = spans(data)
    head = data[:9] + b"\7" + struct.pack("<H", first + 5) + data[12 : first - 4] + b"added"
    seed = zlib.crc32(head)
    newer = head + struct.pack("<I", seed)
    for start, end in rest:
        body = data[start : end - 4]
        if body.startswith(b"\x97PTE"):
            body = body[:16] + struct.pack("<I", zlib.crc32(newer))
        newer += body + struct.pack("<I", zlib.crc32(body, seed))
    reader = TokenReader(io.BytesIO(newer))
    assert reader.header == header and np.array_equal(codes_of(reader.blocks(), 2), codes)


@pytest.mark.parametrize(
    ("offset", "form", "value", "code"),
    [
        (12, "<I", 4_000_000_000, "header.sample_rate"),
        (12, "<I", 0, "header.sample_rate"),
        (16, "<Q", 2**63, "header.n_samples"),
        (24, "<H", 0, "header.hop_length"),
        (26, "<H", 0, "header.block_frames"),
        (26, "<H", 8193, "header.block_frames"),
        (28, "<H", 0xFFFF, "header.metadata"),
        (28, "<H", 13, "header.metadata"),
        (30, "<B", 0, "header.n_q"),
        (30, "<B", 33, "header.n_q"),
        (31, "<B", 0, "header.bits"),
        (31, "<B", 16, "header.bits"),
        (48, "<B", 0xFF, "header.codec"),
        (60, "<B", 65, "header.codec"),
        (98, "<H", 0, "block_frames"),
        (98, "<H", 301, "block_frames"),
        (98, "<H", 6, "sequence"),
        (98, "<H", 7, "book"),
        (100, "<H", 4, "book"),
        (100, "<H", 2, "book"),
        (102, "<H", 0x4004, "book"),
        (102, "<H", 0x8001, "book"),
        (94, "<I", 1, "sequence"),
        (94, "<I", 2**32 - 1, "sequence"),
        (16, "<Q", 1_200, "sequence"),
        (16, "<Q", 1_499, "frames"),
        (16, "<Q", 1_000_000, "frames"),
        (116, "<I", 0, "sequence"),
        (120, "<Q", 1_700, "frames"),
    ],
)
def test_lies_under_right_crcs_are_refused_at_their_byte(golden, fuzz, offset, form, value, code):
    data = bytearray(golden["tiny"][0])
    struct.pack_into(form, data, offset, value)
    error = refused(fuzz.mend(data))
    assert error.code == f"tokens.{code}"
    assert code.split(".")[-1] not in ("book", "block_frames") or abs(int(error.pos.removeprefix("byte ")) - offset) <= 4


def test_no_size_is_believed(golden, fuzz):
    """Peak memory of reading files that claim the most is that of a few blocks."""
    claims = []
    for offset, form, value in ((10, "<H", 0xFFFF), (16, "<Q", 2**40), (28, "<H", 32768), (30, "<B", 32)):
        data = bytearray(golden["tiny"][0])
        struct.pack_into(form, data, offset, value)
        claims.append(fuzz.mend(data))
    longest = TokenHeader("test", WEIGHTS, 24_000, 320, 32, 15, block_frames=8192).to_bytes()
    claims.append(longest + struct.pack("<4sIH32H", b"\x97PTB", 0, 8192, *[15_360] * 32))
    tracemalloc.start()
    try:
        for data in claims:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            with pytest.raises(DataError):
                read(data)
            assert tracemalloc.get_traced_memory()[1] - before < 200_000
    finally:
        tracemalloc.stop()


def test_a_long_stream_is_written_and_read_in_flat_memory(make_header):
    codes = np.zeros((1, 3000), np.int16)
    peaks = []
    for n in (2, 12):
        file = io.BytesIO()
        file.write(bytes(400_000))  # the buffer itself does not grow
        file.seek(0)
        tracemalloc.start()
        with TokenWriter(file, make_header(1)) as tokens:
            for _ in range(n):
                tokens.write(codes)
        file.truncate()
        file.seek(0)
        assert sum(block.codes.shape[1] for block in TokenReader(file).blocks()) == 3000 * n
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 20_000


def test_pipes_and_slow_files_are_read(golden):
    data = golden["speech"][0]

    class Slow(io.RawIOBase):
        at = 0

        def read(self, count):
            self.at += 1
            return data[self.at - 1 : self.at]

    assert sum(block.frames for block in TokenReader(Slow()).blocks()) == 450
    out, into = os.pipe()
    with open(out, "rb") as source:
        thread = threading.Thread(target=lambda: [os.write(into, data), os.close(into)])
        thread.start()
        reader = TokenReader(source)
        assert sum(block.frames for block in reader.blocks()) == 450
        with pytest.raises(UsageError, match="pipe"):
            next(reader.salvage())
        thread.join()


def test_a_failing_disk_is_an_error_of_the_family(golden):
    class Broken(io.BytesIO):
        def read(self, count):
            if self.tell() > 100:
                raise OSError(5, "Input/output error")
            return super().read(count)

    with pytest.raises(FileError, match="Input/output"):
        list(TokenReader(Broken(golden["speech"][0])).blocks())


@pytest.mark.parametrize("name", ["speech", "live"])
def test_salvage_keeps_all_other_blocks_whatever_byte_is_damaged(golden, name):
    data, header, codes = golden[name]
    (_, first), *blocks, _ = spans(data)
    for at in range(first, len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        hit = [k for k, (a, b) in enumerate(blocks) if a <= at < b]
        items = list(TokenReader(io.BytesIO(damaged)).salvage())
        gaps = [item for item in items if isinstance(item, Gap)]
        if hit:
            assert gaps == [
                Gap(hit[0] * header.block_frames, min(header.block_frames, codes.shape[1] - hit[0] * header.block_frames))
            ]
        else:
            assert gaps == ([] if header.n_samples is not None else [Gap(codes.shape[1], None)])
        kept = [block for block in items if isinstance(block, Block)]
        assert [block.first_frame // header.block_frames for block in kept] == [k for k in range(len(blocks)) if k not in hit]
        if at % 50 == 0:
            assert all(np.array_equal(b.codes, codes[:, b.first_frame : b.first_frame + b.frames]) for b in kept)


def test_salvage_puts_moved_blocks_back(golden):
    data, _, codes = golden["speech"]
    (_, first), *blocks, (end, _) = spans(data)
    parts = [data[a:b] for a, b in blocks]
    for order in ([1, 0, 2, 3, 4], [4, 0, 1, 2, 3], [0, 3, 1, 2, 3, 4, 4]):
        damaged = data[:first] + b"".join(parts[k] for k in order) + data[end:]
        refused(damaged)
        assert np.array_equal(codes_of(TokenReader(io.BytesIO(damaged)).salvage(), 4), codes)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.booleans())
def test_salvage_after_random_damage(seed, known):
    """Spans overwritten, cut out and put in: every block that was not touched comes back, every other one is in a gap."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 1024, (4, 610))
    header = TokenHeader("test", WEIGHTS, 24_000, 320, 4, 10, 610 * 320 if known else None, 25)
    data = written(header, [codes])
    (_, first), *blocks, (end, _) = spans(data)
    touched, edits = set(), np.sort(rng.integers(first, end, 6)).tolist()
    damaged = bytearray(data)
    for at, following in reversed(list(zip(edits, [*edits[1:], end], strict=True))):  # from the back: offsets in front stay true
        length = min(int(rng.integers(1, 300)), following - at)
        kind = rng.integers(0, 3)
        if kind == 0:
            damaged[at : at + length] = rng.bytes(len(damaged[at : at + length]))
        elif kind == 1:
            del damaged[at : at + length]
        else:
            damaged[at:at], length = rng.bytes(length), 0
        touched |= {k for k, (a, b) in enumerate(blocks) if a < at + length and at < b and (length or a < at)}
    frames, seen = 0, set()
    for item in TokenReader(io.BytesIO(damaged)).salvage():
        assert item.first_frame == frames
        frames += item.frames or 0
        if isinstance(item, Block):
            seen.add(item.first_frame // 25)
            assert np.array_equal(item.codes, codes[:, item.first_frame : item.first_frame + item.frames])
    assert set(range(len(blocks))) - touched <= seen
    assert frames == 610 or not known


def test_salvage_of_hostile_files_takes_linear_time(fuzz):
    """Block heads that overlap and claim the most: each is checked once, 1 MB in seconds. Gaps of billions cost nothing."""
    header = TokenHeader("test", WEIGHTS, 24_000, 320, 1, 15, block_frames=8192).to_bytes()
    head = struct.pack("<4sIHH", b"\x97PTB", 0, 8192, 15_360)
    assert list(TokenReader(io.BytesIO(header + head * 20_000)).salvage()) == [Gap(0, None)]
    far = header + struct.pack("<4sIHHBI", b"\x97PTB", 2**32 - 1, 1, 0x4001, 0, 0) + bytes(24)
    items = list(TokenReader(io.BytesIO(fuzz.mend(far))).salvage())
    assert items[0] == Gap(0, (2**32 - 1) * 8192) and isinstance(items[1], Block)


def test_thousands_of_random_edits_meet_only_the_error_family(fuzz):
    unmended, mended = fuzz.run(2_000, seed=1)
    assert unmended == 0 and mended > 30


@pytest.mark.parametrize("keep", [1, 3, 4])
def test_upper_books_are_dropped_without_decoding(golden, keep, monkeypatch):
    data, header, codes = golden["speech"]
    target = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr("codec.entropy.decode", None)
        drop_books(io.BytesIO(data), target, keep)
    reader = TokenReader(io.BytesIO(target.getvalue()))
    assert np.array_equal(codes_of(reader.blocks(), keep), codes[:keep])
    assert reader.header.metadata == header.metadata and reader.n_samples == header.n_samples
    assert (target.getvalue() == data) == (keep == 4)
    assert target.getvalue() == written(replace(header, n_q=keep), [codes[:keep]])


@pytest.mark.parametrize("keep", [0, 5, -1])
def test_only_books_that_are_there_can_be_kept(golden, keep):
    with pytest.raises(UsageError):
        drop_books(io.BytesIO(golden["speech"][0]), io.BytesIO(), keep)


def test_dropping_from_a_damaged_file_leaves_no_whole_file(golden):
    target = io.BytesIO()
    with pytest.raises(DataError):
        drop_books(io.BytesIO(golden["speech"][0][:-30]), target, 2)
    assert refused(target.getvalue()).code == "tokens.truncated"


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        (np.zeros((3, 5), int), "3 books for a file of 2"),
        (np.zeros(5, int), "shape [5]"),
        (np.zeros((2, 5)), "float64"),
        ([[0, 1], [1024, 0]], "code 1024 in book 1, frame 7"),
        ([[0, -1], [0, 0]], "code -1 in book 0, frame 8"),
        (np.full((2, 1), 65_535, np.uint16), "code 65535"),
        (np.full((2, 1), -5, np.int8), "code -5"),
    ],
)
def test_codes_that_do_not_fit_are_refused_and_nothing_of_them_is_written(make_header, codes, told):
    tokens = TokenWriter(io.BytesIO(), make_header(block_frames=2))
    tokens.write(np.ones((2, 7), int))
    before = tokens._file.getvalue()
    with pytest.raises(DataError) as caught:
        tokens.write(codes)
    assert told in str(caught.value) and tokens._file.getvalue() == before


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"n_q": 0}, "n_q"),
        ({"n_q": 33}, "n_q"),
        ({"bits": 16}, "bits"),
        ({"block_frames": 0}, "block_frames"),
        ({"block_frames": 8193}, "block_frames"),
        ({"n_samples": -1}, "n_samples"),
        ({"n_samples": 1.5}, "n_samples"),
        ({"metadata": ["a"]}, "metadata"),
        ({"metadata": {"a": b"x"}}, "metadata"),
        ({"metadata": {"a": float("nan")}}, "metadata"),
        ({"metadata": {"a": "x" * 40_000}}, "metadata"),
    ],
)
def test_header_fields_out_of_range_are_named(make_header, fields, name):
    with pytest.raises(DataError) as caught:
        make_header(**fields).to_bytes()
    assert caught.value.code == f"tokens.header.{name}" and caught.value.where == name


@pytest.mark.parametrize(
    ("codec", "weights"), [("", WEIGHTS), ("Name", WEIGHTS), ("x" * 25, WEIGHTS), ("a", WEIGHTS[1:]), ("a", "X" * 32)]
)
def test_names_and_hashes_are_checked(codec, weights):
    with pytest.raises(DataError):
        TokenHeader(codec, weights, 24_000, 320, 1, 10)


@pytest.mark.parametrize(
    ("known", "frames", "n_samples"),
    [(640, 3, None), (640, 1, None), (640, 2, 641), (0, 1, 5), (None, 2, 641), (None, 2, 320), (None, 0, -5)],
)
def test_frames_and_samples_must_agree(make_header, known, frames, n_samples):
    with pytest.raises(DataError) as caught:
        written(make_header(n_samples=known), [np.zeros((2, frames), int)], n_samples)
    assert caught.value.code == "tokens.frames"
