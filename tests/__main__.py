"""``python -m tests bench OP``: speed of a kernel on this GPU, told only when its tests pass.

    python -m tests bench rvq_decode --json rvq_decode.json
    python -m tests bench all --seconds 0.5

Prints a table and writes JSON. Sizes, baselines and floors of an op are its function in ``tests/kernels/bench.py``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def tests_of(op: str) -> int:
    """Exit status of the op's tests, in the interpreter, in a process of its own: triton reads that switch at import."""
    env = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run([sys.executable, "-m", "pytest", "-q", f"tests/kernels/test_{op}.py"], cwd=ROOT, env=env).returncode


def main(argv: list[str] | None = None) -> int:
    from tests.kernels.bench import CASES, measure, table

    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(required=True)
    bench = commands.add_parser("bench", help="measure an op on this GPU")
    bench.add_argument("op", choices=[*CASES, "all"])
    bench.add_argument("--seconds", type=float, default=2.0, help="of measuring a row, at least 50 calls (default 2)")
    bench.add_argument("--json", type=Path, default=None, help="written file; default OP.json")
    args = parser.parse_args(argv)

    import torch

    if not torch.cuda.is_available():
        print("no CUDA device: the Triton kernels have no speed here", file=sys.stderr)
        return 69
    ops = list(CASES) if args.op == "all" else [args.op]
    red = [op for op in ops if tests_of(op)]
    if red:
        print(f"no report: tests of {', '.join(red)} fail", file=sys.stderr)
        return 1
    report = measure(ops, args.seconds)
    print(table(report))
    from tts.base.files import atomic_write
    from tts.base.strict_json import dumps

    atomic_write(args.json or Path(f"{args.op}.json"), dumps(report) + "\n", force=True)
    return 0 if all(row["equal"] for row in report["rows"]) else 1


if __name__ == "__main__":
    sys.exit(main())
