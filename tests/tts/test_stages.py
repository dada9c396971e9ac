"""``python -m tests profile``: every moment belongs to one stage, and what was wrapped is as before."""

import os
import time
from types import SimpleNamespace

from tests.stages import Stages, as_table, environment


def test_a_stage_has_its_own_time_alone():
    part = SimpleNamespace(outer=lambda: (time.sleep(0.02), part.inner()), inner=lambda: time.sleep(0.06))
    outer, inner = part.outer, part.inner
    stages = Stages()
    stages.wrap(part, "outer", "outer")
    stages.wrap(part, "inner", "inner")
    began = time.perf_counter()
    stages.run(lambda: (part.outer(), time.sleep(0.01)))
    wall = time.perf_counter() - began
    assert set(stages.seconds) == {"outer", "inner", "rest"} and abs(sum(stages.seconds.values()) - wall) < 0.005
    assert stages.seconds["inner"] >= 0.06 > stages.seconds["outer"] >= 0.02 and stages.seconds["rest"] >= 0.01
    stages.unwrap()
    assert part.outer is outer and part.inner is inner


def test_methods_of_classes_and_objects_are_given_back():
    class Thing:
        def work(self):
            return 3

    thing, stages = Thing(), Stages()
    method = Thing.work
    stages.wrap(thing, "work", "a")
    stages.wrap(Thing, "work", "b")
    assert thing.work() == 3 and Thing().work() == 3 and set(stages.seconds) == {"a", "b"}
    stages.unwrap()
    assert Thing.work is method and "work" not in vars(thing)


def test_the_table_has_shares_of_what_is_used(monkeypatch):
    table = as_table("synth", {"plain": {"a": 0.003, "rest": 0.001}, "used": {"b": 0.001, "rest": 0.001}})
    assert table.splitlines()[-1] == "| all; real-time factor 0.0040, 0.0020 | 4.00 | 2.00 | |"
    assert "| a | 3.00 | 0.00 | 0% |" in table and "| b | 0.00 | 1.00 | 50% |" in table
    monkeypatch.setenv("PARLANCE_ENGINE", "fp32")
    with environment(PARLANCE_ENGINE="int8", PARLANCE_KERNELS="reference"):
        pass
    assert os.environ["PARLANCE_ENGINE"] == "fp32" and "PARLANCE_KERNELS" not in os.environ
