"""``python -m tests bench OP``: speed of a kernel, or of a path through several, told only when the tests pass.
``python -m tests load``: waiting times of the clients of ``tts serve`` on this machine.
``python -m tests profile``: where the time of speaking, cloning, encoding and decoding goes, plain and as it is used.

    python -m tests bench rvq_decode --json rvq_decode.json
    python -m tests bench all                                # all of them on a GPU, within 8 minutes
    python -m tests bench projected_search --device cpu      # the numba form; where an op has none, it is refused
    python -m tests load --clients 1,4,16,64 --seconds 20
    python -m tests load --clients 16 --seconds 60 --leave 0.3 --slow 20 -- --queue 8
    python -m tests profile --path synth --model fs2 --engine onnx-int8
    python -m tests profile --cold                           # from a fresh process to a word

All print a table and write JSON. Sizes, baselines and floors of an op are its function in ``tests/kernels/bench.py``; texts
and clients are in ``tests/serve/load.py``, stages in ``tests/stages.py``.
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
    from tests.kernels.bench import CASES

    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(required=True)
    bench = commands.add_parser("bench", help="measure an op")
    bench.add_argument("op", choices=[*CASES, "all"])
    bench.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    bench.add_argument("--seconds", type=float, default=None, help="of measuring a row, and a number of calls at least "
                       "(default 2; of all: 0.2)")  # fmt: skip
    bench.add_argument("--minutes", type=float, default=8.0, help="in all; sizes that come too late are listed (default 8)")
    bench.add_argument("--json", type=Path, default=None, help="written file; default OP.json")
    bench.set_defaults(run=run_bench)
    load = commands.add_parser("load", help="ask a server for speech")
    load.add_argument("--clients", type=lambda text: [int(n) for n in text.split(",")], default=[1, 4, 16, 64],
                      metavar="N,N...", help="who ask at once, a row each (default 1,4,16,64)")  # fmt: skip
    load.add_argument("--seconds", type=float, default=20.0, help="of a row (default 20)")
    load.add_argument("--leave", type=float, default=0.0, help="share of answers left after their first sound")
    load.add_argument("--slow", type=int, default=0, help="clients besides, who read 1 KiB a second")
    load.add_argument("--attack", type=int, default=0, help="connections besides of each kind: silent, a head or a body that "
                      "dawdles, gone within a body")  # fmt: skip
    load.add_argument("--json", type=Path, default=Path("load.json"), help="written file; default load.json")
    load.add_argument("serve", nargs="*", help="after --: arguments of tts serve")
    load.set_defaults(run=run_load)
    profile = commands.add_parser("profile", help="measure the stages of a path")
    profile.add_argument("--path", choices=["synth", "clone", "encode", "decode", "all"], default="all")
    profile.add_argument("--cold", action="store_true", help="instead: from a fresh process to a word")
    profile.add_argument("--model", default="megatts", help="that speaks: a name or a folder (default megatts)")
    profile.add_argument("--engine", default=None, help="of the vocoder as used; default: what tts synth would take here")
    profile.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="of vocoder and codec decoder (default cpu)")
    profile.add_argument("--threads", type=int, default=1, help="of torch (default 1)")
    profile.add_argument("--runs", type=int, default=5, help="the median is told (default 5)")
    profile.add_argument("--json", type=Path, default=Path("profile.json"), help="written file; default profile.json")
    profile.set_defaults(run=run_profile)
    args = parser.parse_args(argv)
    return args.run(args)


def run_profile(args) -> int:
    import torch

    from tests import stages

    if args.device == "cuda" and not torch.cuda.is_available():
        print("no CUDA device; give --device cpu", file=sys.stderr)
        return 69
    if args.cold:
        report = {"machine": stages.machine(args.device), "cold": stages.measure_cold(args.model, args.runs),
                  "load_average": os.getloadavg()}  # fmt: skip
        print(stages.as_cold_table(report["cold"]))
    else:
        torch.set_num_threads(args.threads)
        paths = list(stages.PATHS) if args.path == "all" else [args.path]
        report = stages.measure(paths, args.model, args.engine, args.device, args.runs, lambda table: print(table, flush=True))
    print(f"{report['machine']}, load average {', '.join(f'{each:.1f}' for each in report['load_average'])}")
    _write(report, args.json)
    return 0


def run_load(args) -> int:
    from tests.serve.load import HEAD, measure

    print(HEAD)
    asked = (args.clients, args.seconds, args.leave, args.slow, args.attack, args.serve)
    report = measure(*asked, told=lambda line: print(line, flush=True))
    _write(report, args.json)
    return 0


def run_bench(args) -> int:
    import torch

    from tests.kernels.bench import CASES, ON_CPU, measure, table

    start = time.perf_counter()
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
    _write(report, args.json or Path(f"{args.op}.json"))
    return 0 if all(row["equal"] for row in report["rows"]) else 1


def _write(report: dict, path: Path) -> None:
    from tts.base.files import atomic_write
    from tts.base.strict_json import dumps

    atomic_write(path, dumps(report) + "\n", force=True)


if __name__ == "__main__":
    sys.exit(main())
