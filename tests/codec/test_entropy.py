"""Entropy coding: what goes in comes out, plain is the ceiling, what repeats costs little, the bytes are those of the page."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec import entropy

PAGE = (Path(__file__).parents[2] / "docs/token-format.md").read_text(encoding="utf-8")
VECTORS = re.findall(r"^\| (\d+) \| ([\d ]+) \| `(\w*)` \| `(\w*)` \|$", PAGE, re.MULTILINE)

COSTS = re.findall(r"^\| (\d+) % \| (\d+) \| ([\d.]+) \| ([\d.]+) \|", PAGE, re.MULTILINE)


@st.composite
def books(draw):
    bits = draw(st.integers(1, 15))
    few = draw(st.lists(st.integers(0, (1 << bits) - 1), min_size=1, max_size=4))
    code = st.one_of(st.sampled_from(few), st.integers(0, (1 << bits) - 1))
    return bits, np.array(draw(st.lists(code, max_size=400)), np.int16)


@settings(deadline=None, max_examples=150)
@given(books())
def test_every_form_returns_the_codes(book):
    bits, codes = book
    plain = entropy.pack(codes, bits)
    assert len(plain) == entropy.plain_bytes(len(codes), bits)
    assert np.array_equal(entropy.unpack(plain, len(codes), bits), codes)
    ranged = entropy.range_encode(codes, bits, 1 << 20)
    assert np.array_equal(entropy.range_decode(ranged, len(codes), bits), codes)
    coder, data = entropy.encode(codes, bits)
    assert data == min(plain, ranged, key=len) and (coder == entropy.RANGE) == (len(ranged) < len(plain))
    again = entropy.decode(coder, data, len(codes), bits)
    assert np.array_equal(again, codes) and again.dtype == np.int16


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=60), st.integers(1, 15), st.integers(0, 50))
def test_any_bytes_decode_to_codes_in_range(data, bits, frames):
    codes = entropy.range_decode(data, frames, bits)
    assert len(codes) == frames and (codes >= 0).all() and (codes < 1 << bits).all()


@pytest.mark.parametrize(("bits", "codes", "plain", "ranged"), VECTORS)
def test_the_vectors_of_the_page(bits, codes, plain, ranged):
    codes = np.array([int(code) for code in codes.split()], np.int16)
    assert entropy.pack(codes, int(bits)).hex() == plain
    assert entropy.range_encode(codes, int(bits), 99).hex() == ranged
    assert np.array_equal(entropy.range_decode(bytes.fromhex(ranged), len(codes), int(bits)), codes)


def test_the_page_has_its_tables():
    assert len(VECTORS) == 6 and len(COSTS) == 5


@pytest.mark.parametrize(("again", "in_use", "told", "floor"), COSTS)
def test_what_correlated_codes_cost(again, in_use, told, floor):
    """The table of the page: bits a code of 10, before the choice of plain."""
    again, in_use = int(again) / 100, int(in_use)
    rng = np.random.default_rng(5)
    words, bits = rng.permutation(1024)[:in_use], []
    for _ in range(20):
        codes = words[rng.integers(0, in_use, 300)]
        for t in range(1, 300):
            if rng.random() < again:
                codes[t] = codes[t - 1]
        bits.append(8 * len(entropy.range_encode(codes, 10, 1 << 20)) / 300)
    entropy_of_flag = -sum(p * np.log2(p) for p in (again, 1 - again) if p)
    assert abs(entropy_of_flag + (1 - again) * np.log2(in_use) - float(floor)) < 0.006
    assert abs(np.mean(bits) - float(told)) < 0.05, np.mean(bits)


def test_numbering_does_not_matter(draw_codes):
    codes = draw_codes(1, 1, 300, 10)[0] % 64
    renumbered = np.random.default_rng(2).permutation(1024)[codes]
    lengths = [len(entropy.range_encode(c, 10, 1 << 20)) for c in (codes, renumbered)]
    assert abs(lengths[0] - lengths[1]) <= 3


def test_a_second_of_eight_books_takes_less_than_a_fiftieth_of_a_second(draw_codes):
    """Processor time, pure Python; measured about 1/500."""
    codes, start = draw_codes(3, 8, 750, 10, again=0.2), time.process_time()
    for book in codes:
        assert np.array_equal(entropy.range_decode(entropy.range_encode(book, 10, 1 << 20), 750, 10), book)
    assert time.process_time() - start < 2 * 10 / 50
