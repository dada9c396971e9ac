"""The shipped codec: more books are nearer to the recording, streams and files agree, codes of another round mostly stay."""

from pathlib import Path

import numpy as np
import pytest

from codec import Codec
from vocoder.audio.io import read_audio
from vocoder.audio.mel import log_mel

SPEECH = Path(__file__).parents[2] / "docs" / "hello.ogg"


@pytest.fixture(scope="module")
def codec():
    return Codec.load()


@pytest.fixture(scope="module")
def speech():
    return read_audio(SPEECH)[: 24_000 * 4]


def test_it_has_three_to_eight_books_of_ten_bits(codec):
    assert (codec.name, codec.min_books, codec.n_books, codec.bits, codec.frame_rate) == ("house", 3, 8, 10, 75.0)


def test_more_books_are_nearer_and_all_are_near(codec, speech):
    mel, distances = log_mel(speech), {}
    for n_books in (3, 4, 8):
        codes = codec.encode(speech, 24_000, n_books)
        assert codes.kbps == 0.75 * n_books
        copy = codec.decode(codes)
        assert len(copy) == len(speech) and np.isfinite(copy).all()
        distances[n_books] = float(np.abs(log_mel(copy) - mel).mean())
    assert distances[8] < distances[4] < distances[3] < 0.6
    silent = float(np.abs(mel - np.log(1e-5)).mean())
    assert distances[3] < silent / 5


def test_a_stream_of_small_pieces_gives_the_file(codec, speech):
    codes = codec.encode(speech, 24_000, 4).codes
    pieces = np.array_split(speech, 50)
    streamed = np.concatenate(list(codec.stream(pieces, n_books=4, chunk=8)), axis=1)
    assert (streamed == codes).all(axis=0).mean() > 0.99
    whole = np.concatenate(list(codec.stream_decode([codes])))
    small = np.concatenate(list(codec.stream_decode(np.array_split(codes, 30, axis=1), chunk=8)))
    assert np.abs(small - whole).max() < 3e-4  # the pulses add up the last bits of F0, which differ among processors


def test_silence_stays_silent(codec):
    copy = codec.decode(codec.encode(np.zeros(24_000, np.float32), 24_000, 4))
    assert np.abs(copy).max() < 0.01
