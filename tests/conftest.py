"""Shared by all tests: at most two threads, so that times and results do not depend on the machine's cores; and speech."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ["PARLANCE_ENGINE"] = "fp32"  # whatever was measured on this machine
os.environ.setdefault("NUMBA_NUM_THREADS", os.environ["OMP_NUM_THREADS"])

_SAID = "The birch canoe slid on the smooth planks near the river, and nobody said a word about the weather of last summer."


@pytest.fixture(scope="session")
def spoken():
    """About seven seconds of speech of two people, a woman and a man of the house: name -> float32 [S] at 24 kHz."""
    from tts.api import Synthesizer

    house = Synthesizer()
    return {name: house.synth(_SAID, language="en", voice=name).samples for name in ("kathleen", "bdl")}
