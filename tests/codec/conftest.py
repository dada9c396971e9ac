"""Shared by the tests of codes and token files, and small fitted quantisers."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from codec.quantize import quantizer_classes
from codec.tokenheader import TokenHeader

TESTS = Path(__file__).parents[1]
WEIGHTS = "00112233445566778899aabbccddeeff"
DIM = 24
SIZES = {"mcrvq": dict(codebook_size=64), "rvq": dict(codebook_size=64), "factorized": dict(codebook_size=64, code_dim=4),
         "fsq": dict(levels=(4, 4, 4))}  # fmt: skip


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


def generator(seed):
    return torch.Generator().manual_seed(seed)


def sample(count, seed):
    """Latents [count, DIM] that look like latents: correlated channels, some of them loud."""
    mixing = torch.randn(DIM, DIM, generator=generator(0)) * torch.exp(-torch.arange(DIM) / 8)
    return torch.randn(count, DIM, generator=generator(seed)) @ mixing.T


def make(kind, **changes):
    cls, config = quantizer_classes(kind)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return cls(config(**{"dim": DIM, **SIZES[kind], **changes}))


def fitted(kind, **changes):
    quantizer = make(kind, **changes)
    quantizer.initialise(sample(2000, seed=1), generator(2))
    return quantizer


@pytest.fixture(name="generator")
def generator_fixture():
    return generator


@pytest.fixture(name="sample")
def sample_fixture():
    return sample


@pytest.fixture(name="make")
def make_fixture():
    return make


@pytest.fixture(name="fitted")
def fitted_fixture():
    return fitted


@pytest.fixture
def latents():
    """Unseen ones, [8, 40, DIM]."""
    return sample(320, seed=3).view(8, 40, DIM)
