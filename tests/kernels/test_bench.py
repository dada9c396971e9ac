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

bench.FRAMES, bench.ROWS, bench.SIZE, bench.ROTATION, bench.ALIGNED = (3,), (20,), 8, 1, ((2, 6, 3),)
bench.WIDTH, bench.WARM_UP, bench.CALLS, bench.FEW, bench.BLOCKS = 12, 1, {"cpu": 2}, (3,), ((12, 20),)
for form, ops in (("triton", [op for op in bench.CASES if op != "decode"]), ("numba", bench.ON_CPU)):
    report = bench.measure(ops, 0.0, "cpu", form)
    rows = report["rows"]
    assert {row["op"] for row in rows} == set(ops) and all(row["equal"] for row in rows), rows
    assert all(row["p10_us"] <= row["p50_us"] <= row["p90_us"] and row["percent_of_floor"] > 0 for row in rows)
    sizes = {(row["op"], row["size"]) for row in rows}
    assert bench.table(report).count(f"| {form} |") == sum(op != "decode" for op, _ in sizes)
assert bench.measure(["rvq_search"], 0.0, "cpu", until=0)["not_measured"]["rvq_search, RVQ, 8 stages of 12, 3 frames"]

assert program.main(["bench", "all"]) == 69
assert program.main(["bench", "snake", "--device", "cpu"]) == 69
torch.cuda.is_available = lambda: True
program.tests_of = lambda op: int(op == "convnext")
assert program.main(["bench", "all"]) == 1
"""

BASELINES = """
import sys, types
from tests.kernels import bench, baselines

made = types.ModuleType("encodec.quantization.core_vq")
made.ResidualVectorQuantization = type("R", (), {
    "__init__": lambda self, **sizes: None, "to": lambda self, device: self, "eval": lambda self: self,
    "encode": lambda self, latent: latent[0, :8].T.argmax(1)})
present = {"encodec", "vector_quantize_pytorch"}  # the second cannot be imported
baselines.missing = lambda packages: not set(packages) <= present
sys.modules |= {"encodec": types.ModuleType("encodec"), "encodec.quantization": types.ModuleType("q"), made.__name__: made}
bench.FRAMES, bench.SIZE, bench.WIDTH, bench.ROTATION, bench.CALLS = (3,), 8, 12, 1, {"cpu": 2}
report = bench.measure(["rvq_search"], 0.0, "cpu")
assert any(row["way"] == "encodec" for row in report["rows"])
told = report["not_measured"]
assert told["faiss"] == "not installed" and "ModuleNotFoundError" in told["vector-quantize-pytorch, rvq_search"], told
assert "not measured: faiss: not installed" in bench.table(report)
"""


def run(script):
    env = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True)


def test_reports_on_every_op_and_refuses_when_it_should():
    pytest.importorskip("triton")
    pytest.importorskip("numba")
    done = run(SCRIPT)
    assert done.returncode == 0, done.stderr
    told = ["no CUDA device: the Triton kernels", "snake has no form for a CPU", "no report: tests of convnext fail"]
    assert all(line.startswith(start) for line, start in zip(done.stderr.splitlines()[-3:], told, strict=True))


def test_other_packages_are_measured_where_they_run_and_told_where_not():
    pytest.importorskip("numba")
    done = run(BASELINES)
    assert done.returncode == 0, done.stderr
