"""Shared by the tests of codes and token files."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from codec.tokenheader import TokenHeader

TESTS = Path(__file__).parents[1]
WEIGHTS = "00112233445566778899aabbccddeeff"


def script(path):
    """A program of the tests as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def golden():
    """name -> (bytes, header, codes) of every golden file."""
    maker = script(TESTS / "golden/tokens/make.py")
    return {name: ((TESTS / f"golden/tokens/{name}.ptok").read_bytes(), *build()) for name, build in maker.FILES.items()}


@pytest.fixture(scope="session")
def fuzz():
    return script(TESTS / "fuzz/token_file.py")


@pytest.fixture
def make_header():
    def make(n_q=2, bits=10, **fields):
        return TokenHeader("test", WEIGHTS, 24_000, 320, n_q, bits, **fields)

    return make


@pytest.fixture
def draw_codes():
    """Random codes [n_q, T] in which a share ``again`` of the frames repeats the one before."""

    def draw(seed, n_q, n_frames, bits, again=0.5):
        rng = np.random.default_rng(seed)
        codes = rng.integers(0, 1 << bits, (n_q, n_frames))
        for t in range(1, n_frames):
            codes[:, t] = np.where(rng.random(n_q) < again, codes[:, t - 1], codes[:, t])
        return codes.astype(np.int16)

    return draw
