"""``python -m tests bench OP``: speed of a kernel, or of a path through several, told only when the tests pass.

    python -m tests bench rvq_decode --json rvq_decode.json
    python -m tests bench all                                # all of them on a GPU, within 8 minutes
    python -m tests bench projected_search --device cpu      # the numba form; where an op has none, it is refused

Prints a table and writes JSON. Sizes, baselines and floors of an op are its function in ``tests/kernels/bench.py``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def tests_of(op: str) -> int:
    """Exit status of the op's tests, in the interpreter, in a process of its own: triton reads that switch at import."""
    from tests.kernels.bench import TESTS

    env = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    files = [f"tests/kernels/{name}" for name in TESTS[op]]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *files], cwd=ROOT, env=env, capture_output=True, text=True)
    print(f"{op}: {(done.stdout.splitlines() or [''])[-1]}", file=sys.stderr)
    return done.returncode


def main(argv: list[str] | None = None) -> int:
    start = time.perf_counter()
    from tests.kernels.bench import CASES, ON_CPU, measure, table

    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(required=True)
    bench = commands.add_parser("bench", help="measure an op")
    bench.add_argument("op", choices=[*CASES, "all"])
    bench.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    bench.add_argument("--seconds", type=float, default=None, help="of measuring a row, and a number of calls at least "
                       "(default 2; of all: 0.2)")  # fmt: skip
    bench.add_argument("--minutes", type=float, default=8.0, help="in all; sizes that come too late are listed (default 8)")
    bench.add_argument("--json", type=Path, default=None, help="written file; default OP.json")
    args = parser.parse_args(argv)

    import torch

    if args.device == "cuda" and not torch.cuda.is_available():
        print("no CUDA device: the Triton kernels have no speed here; give --device cpu for numba's", file=sys.stderr)
        return 69
    ops = [args.op] if args.op != "all" else list(CASES) if args.device == "cuda" else list(ON_CPU)
    if args.device == "cpu" and args.op not in ("all", *ON_CPU):
        print(f"{args.op} has no form for a CPU but its reference; these have: {', '.join(ON_CPU)}", file=sys.stderr)
        return 69
    with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2)) as pool:
        red = [op for op, status in zip(ops, pool.map(tests_of, ops), strict=True) if status]
    if red:
        print(f"no report: tests of {', '.join(red)} fail", file=sys.stderr)
        return 1
    seconds = args.seconds or (0.2 if args.op == "all" else 2.0)
    report = measure(ops, seconds, args.device, until=start + 60 * args.minutes - 15)  # a size takes seconds
    print(table(report))
    from tts.base.files import atomic_write
    from tts.base.strict_json import dumps

    atomic_write(args.json or Path(f"{args.op}.json"), dumps(report) + "\n", force=True)
    return 0 if all(row["equal"] for row in report["rows"]) else 1


if __name__ == "__main__":
    sys.exit(main())
