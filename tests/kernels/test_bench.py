"""``python -m tests bench``: it has an answer for every op, and none without a GPU or with red tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys, torch
import tests.__main__ as program
from tests.kernels import bench

torch.compile = lambda function: function  # needs a compiler of the machine
bench.FRAMES, bench.ROWS, bench.SIZE, bench.ROTATION, bench.CALLS = (3,), (20,), 8, 1, 2
report = bench.measure(list(bench.CASES), 0.0, "cpu")
rows = report["rows"]
assert {row["op"] for row in rows} == set(bench.CASES) and all(row["equal"] for row in rows), rows
assert all(row["p10_us"] <= row["p50_us"] <= row["p90_us"] and row["percent_of_floor"] > 0 for row in rows)
assert bench.table(report).count("| triton |") == 1 + 2 + 2 + 3

assert program.main(["bench", "all"]) == 69
torch.cuda.is_available = lambda: True
program.tests_of = lambda op: int(op == "convnext")
assert program.main(["bench", "all"]) == 1
"""


def test_reports_on_every_op_and_refuses_when_it_should():
    pytest.importorskip("triton")
    env = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = ["no CUDA device: the Triton kernels have no speed here", "no report: tests of convnext fail"]
    assert done.stderr.splitlines()[-2:] == told
