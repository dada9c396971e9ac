"""What is measured of another synthesiser is what it did."""

import sys

import pytest

from recipes.evaluate.peers import Peer, measure_peers, peers, speak
from tts.base.errors import InternalError

SPEAKS = """
import sys, time, wave
held = bytearray(30 << 20)
time.sleep(0.3)
seconds = 1 + open(sys.argv[1]).read().count(" ")
with wave.open(sys.argv[2] if len(sys.argv) > 2 else sys.stdout.buffer, "wb") as sound:
    sound.setparams((1, 2, 8000, 2**30 - 100, "NONE", ""))  # a size that a pipe cannot mend
    sound.writeframesraw(bytes(16000 * seconds))
    sys.stdout.flush()
    time.sleep(0.2)
    if len(sys.argv) < 3:
        sound._datawritten = 2 * sound._nframes  # nothing to patch
"""


@pytest.mark.parametrize("out", [(), ("{out}",)])
def test_times_length_and_memory_are_those_of_the_process(out):
    run = speak(Peer("fake", (sys.executable, "-c", SPEAKS, "{text}", *out)), "one two three")
    assert run.audio == pytest.approx(3, abs=0.01) and run.total > 0.5 and run.peak_mib > 30
    assert run.first_bytes is None if out else 0.3 < run.first_bytes < run.total


def test_a_peer_that_fails_is_named():
    with pytest.raises(InternalError, match="no voice"):
        speak(Peer("broken", (sys.executable, "-c", "import sys; sys.exit('no voice')")), "one")


def test_only_what_is_installed_is_measured():
    assert peers()[0].name == "parlance" and not Peer("absent", ("no-such-synthesiser",)).installed


def test_speed_is_told_without_start_up(monkeypatch):
    rows, records = measure_peers([Peer("fake", (sys.executable, "-c", SPEAKS, "{text}"))], runs=1)
    assert rows[0]["synthesiser"] == "fake" and float(rows[0]["RTF"]) < 0.05 and len(records) == 2
