"""``Codes``: saved whole or not at all, loaded with all that was saved, salvaged with the lost spans in seconds."""

import io
import math
import os
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from codec import Codes, TokenReader, TokenWriter
from tts.base.errors import CannotCreateError, DataError, NoInputError, ResourceError

WEIGHTS = "00112233445566778899aabbccddeeff"


@pytest.fixture
def codes(draw_codes):
    return Codes(draw_codes(4, 8, 1000, 10), "test", WEIGHTS, 1000 * 320 - 7, 24_000, 320, metadata={"title": "Gruß"})


def written(codes):
    file = io.BytesIO()
    with TokenWriter(file, codes.header()) as tokens:
        tokens.write(codes.codes)
    return file.getvalue()


def test_what_is_saved_is_loaded(tmp_path, codes):
    path = tmp_path / "a.ptok"
    codes.save(path)
    data = path.read_bytes()
    for source in (path, str(path), data, io.BytesIO(data)):
        again = Codes.load(source)
        assert np.array_equal(again.codes, codes.codes) and again.codes.dtype == np.int16
        assert again.header() == codes.header() and again.n_samples == codes.n_samples and again.lost == ()
    with pytest.raises(CannotCreateError):
        codes.save(path)
    codes.save(path, force=True)
    assert path.read_bytes() == data and os.listdir(tmp_path) == ["a.ptok"]


def test_figures(codes):
    assert codes.seconds == pytest.approx(13.333, abs=1e-3) and codes.frame_rate == 75 and codes.kbps == 6.0


def test_a_notebook_shows_a_stroke_for_each_of_the_first_tokens(codes):
    figure = ElementTree.fromstring(codes._repr_html_())  # well formed
    strokes = [re.findall(r"M(\d+) (\d+)h1", path.get("d")) for path in figure.iter("{http://www.w3.org/2000/svg}path")]
    places = [(int(q), int(t)) for path in strokes for t, q in path]
    assert sorted(places) == [(q, t) for q in range(8) for t in range(300)]
    colour = {place: i for i, path in enumerate(strokes) for place in path}
    assert len({colour[str(t), "0"] for t in np.flatnonzero(codes.codes[0, :300] == codes.codes[0, 0])}) == 1
    caption = figure.find("figcaption").text
    assert caption == "codec test · 8 books × 1,000 frames · 13.33 s · 6 kbit/s · the first 300 frames are shown"
    assert len(codes._repr_html_()) < 40_000


def test_a_notebook_leaves_lost_frames_blank():
    lost = Codes(np.array([[3, -1, 5]]), "test", WEIGHTS, 900, 24_000, 320, lost=((0.01, 0.02),))
    assert lost._repr_html_().count("h1") == 2 and "lost stretches: 1" in lost._repr_html_()


def test_no_sound_at_all(tmp_path):
    Codes(np.empty((4, 0), int), "test", WEIGHTS, 0, 24_000, 320).save(tmp_path / "a.ptok")
    again = Codes.load(tmp_path / "a.ptok")
    assert again.codes.shape == (4, 0) and again.seconds == 0 and "4 books × 0 frames" in again._repr_html_()


def test_salvage_marks_what_is_lost(tmp_path, codes):
    path = tmp_path / "a.ptok"
    codes.save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1  # in the second of four blocks
    with pytest.raises(DataError, match="block 1") as caught:
        Codes.load(bytes(data))
    assert caught.value.code == "tokens.crc"
    saved = Codes.load(bytes(data), salvage=True)
    assert saved.lost == ((4.0, 8.0),) and saved.n_samples == codes.n_samples
    assert (saved.codes[:, 300:600] == -1).all()
    assert np.array_equal(np.delete(saved.codes, slice(300, 600), 1), np.delete(codes.codes, slice(300, 600), 1))
    with pytest.raises(DataError, match="lost"):
        saved.save(tmp_path / "b.ptok")
    assert os.listdir(tmp_path) == ["a.ptok"]


def test_salvage_of_a_whole_file_loses_nothing(golden):
    for data, _, codes in golden.values():
        saved = Codes.load(data, salvage=True)
        assert saved.lost == () and np.array_equal(saved.codes, codes)


def test_salvage_of_a_cut_stream_has_an_open_end(golden):
    data, header, codes = golden["live"]
    saved = Codes.load(data[:-30], salvage=True)
    assert saved.lost == ((header.seconds(90), math.inf),) and np.array_equal(saved.codes, codes[:, :90])
    cut = Codes.load(golden["speech"][0][:-30], salvage=True)
    assert cut.lost == ((header.seconds(400), 6.0),) and cut.codes.shape[1] == 450


def test_a_claim_of_years_is_not_filled_in(codes, fuzz):
    data = bytearray(written(codes))
    data[16:24] = (2**33).to_bytes(8, "little")
    with pytest.raises(ResourceError) as caught:
        Codes.load(fuzz.mend(data), salvage=True)
    assert caught.value.code == "tokens.too_long"


@pytest.mark.parametrize(
    "fields",
    [
        {"codes": np.zeros(5, int)},
        {"codes": 3},
        {"codes": np.zeros((1, 2, 3), int)},
        {"codes": np.zeros((0, 1000), int)},
        {"codes": np.full((2, 1000), 1024)},
        {"codes": np.full((2, 1000), -1)},
        {"codes": np.zeros((2, 999), int)},
        {"n_samples": 320_001},
        {"bits": 0},
        {"weights": "abc"},
    ],
)
def test_codes_that_do_not_fit_their_description_are_refused(fields):
    whole = {"codes": np.zeros((2, 1000), int), "codec": "a", "weights": WEIGHTS, "n_samples": 320_000}
    Codes(**whole, sample_rate=24_000, hop_length=320)
    with pytest.raises(DataError):
        Codes(**(whole | {"sample_rate": 24_000, "hop_length": 320} | fields))


def test_paths_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "none.ptok", tmp_path, "a\0b"):
        with pytest.raises(NoInputError):
            Codes.load(path)


def test_the_header_is_read_alone(golden):
    """What ``info`` needs: no block is touched."""
    data, header, _ = golden["speech"]
    assert TokenReader(io.BytesIO(data[:200])).header == header
