"""What ``python -m tests bench`` measures: the sizes of each op, the ways to do it, and the time that it cannot beat.

All ways of a size take the same tensors and are called in turn, so that a machine that slows down slows all of them. The
inputs of successive calls rotate through more memory than the level-2 cache holds. Floors: bytes that must move over the
bandwidth of a copy on this machine, measured in the same run.
"""

from __future__ import annotations

import itertools
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

FRAMES = (1, 8, 75, 750, 4800, 65536)  # 75 a second of audio
ROWS = (750, 4800, 65536)  # of a training batch
SIZE = 1024  # codes of a book
ROTATION = 256 * 2**20  # bytes of inputs that successive calls go through
CALLS = 50  # at least


@dataclass
class Case:
    """One size of an op."""

    size: str
    ways: dict[str, Callable]  # name -> function of the inputs; "triton" and "reference" among them
    inputs: Callable[[int], tuple]  # seed -> tensors
    n_bytes: int  # that a call must read and write, however it is done
    tolerance: float  # largest error of triton against the reference, as a share of its largest value; 0: equal to the bit


def rvq_decode(device: str) -> Iterator[Case]:
    from codec.kernels.rvq_decode import reference, triton_kernel
    from codec.kernels.rvq_search import pack_books

    widths = [64] * 3 + [192] * 5
    books = pack_books([normal(SIZE, width, seed=q).to(device) for q, width in enumerate(widths)], [0, 64, 128, 0, 0, 0, 0, 0])
    plan = (books.table, SIZE, books.starts, books.widths, 192)
    for n in FRAMES:
        forms = {"triton": triton_kernel.decode, "reference": reference.decode}
        ways = {name: lambda codes, decode=decode: decode(codes, *plan) for name, decode in forms.items()}
        ways["torch.compile"] = torch.compile(ways["reference"])
        yield Case(f"{n} frames, 8 stages", ways, lambda seed, n=n: (integers(SIZE, 1, 8, n, seed=seed).to(device),),
                   n * (8 * 8 + 4 * 192), 0.0)  # fmt: skip


def cluster_sums(device: str) -> Iterator[Case]:
    from codec.kernels.cluster_sums import reference, triton_kernel

    def one_hot(rows, codes):
        hot = torch.nn.functional.one_hot(codes, SIZE).to(rows.dtype)
        return hot.sum(0), hot.T @ rows

    ways = {"triton": partial(triton_kernel.sums_of, size=SIZE), "reference": partial(reference.sums_of, size=SIZE)}
    ways["one-hot"] = one_hot
    for n, skew in itertools.product(ROWS, (1, 6)):

        def inputs(seed, n=n, skew=skew):
            share = torch.rand(n, generator=torch.Generator().manual_seed(seed)) ** skew  # 6: a third falls to 0.1 % of codes
            return normal(n, 192, seed=seed).to(device), (share * SIZE).long().to(device)

        yield Case(f"{n} rows, skew {skew}", ways, inputs, n * (8 + 4 * 192) + 4 * SIZE * 193, 1e-5)


def convnext(device: str) -> Iterator[Case]:
    from vocoder.kernels.convnext import reference, triton_kernel

    for dim, n in itertools.product((256, 384), FRAMES):
        parameters = (normal(dim, 1, 1, 7, seed=1), normal(dim, seed=2), normal(dim, seed=3), normal(dim, seed=4))
        rest = (*(p.to(device) for p in parameters), 1e-6, False, None, None)
        ways = {"triton": lambda x, rest=rest: triton_kernel.conv_norm(x, *rest),
                "reference": lambda x, rest=rest: reference.conv_norm(x, *rest)}  # fmt: skip
        ways["torch.compile"] = torch.compile(ways["reference"])
        yield Case(f"{n} frames of {dim}", ways, lambda seed, n=n, dim=dim: (normal(1, n, dim, seed=seed).to(device),),
                   8 * n * dim, 1e-5)  # fmt: skip


def fourier_head(device: str) -> Iterator[Case]:
    from vocoder.audio.spectrum import _envelope, hann_window
    from vocoder.kernels.fourier_head import reference, triton_kernel

    bins, size, hop = 641, 1280, 320
    for n in FRAMES:

        def head(seed, parts, n=n):
            return normal(1, n, parts * bins, seed=seed).to(device)

        def spectra(seed, n=n, head=head):
            prior = normal(1, n, bins, seed=seed + 1).to(device)
            return head(seed, 3), prior, *(torch.complex(*normal(2, 1, n, bins, seed=seed + i)).to(device) for i in (2, 3))

        fixed = (hann_window(size, device), _envelope(n, size, hop, device), hop)
        forms = {"triton": triton_kernel, "reference": reference}
        for name, inputs, n_bytes, more in (
            ("polar_spectrum", lambda seed, head=head: (head(seed, 2),), 16 * n * bins, ()),
            ("excited_spectrum", spectra, 40 * n * bins, ()),
            ("overlap_add", lambda seed, n=n: (normal(1, n, size, seed=seed).to(device),), 4 * n * (size + 2 * hop), fixed),
        ):
            ways = {way: partial(calling, getattr(form, name), more) for way, form in forms.items()}
            ways["torch.compile"] = torch.compile(ways["reference"])
            yield Case(f"{name}, {n} frames", ways, inputs, n_bytes, 1e-5)


def calling(op: Callable, more: tuple, *given):
    return op(*given, *more)


CASES = {"rvq_decode": rvq_decode, "cluster_sums": cluster_sums, "convnext": convnext, "fourier_head": fourier_head}


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def integers(high: int, *shape: int, seed: int) -> Tensor:
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def measure(ops: list[str], seconds: float, device: str = "cuda") -> dict:
    """The report: the machine, and a row for each way of each size."""
    bandwidth = copy_bandwidth(device)
    report = {
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "torch": torch.__version__,
        "copy_bytes_per_second": round(bandwidth),
        "load_average": os.getloadavg()[0],
        "rows": [],
    }
    for op in ops:
        for case in CASES[op](device):
            report["rows"] += rows_of(op, case, seconds, bandwidth, device)
    return report


def rows_of(op: str, case: Case, seconds: float, bandwidth: float, device: str) -> list[dict]:
    first = case.inputs(0)
    n_bytes = sum(x.numel() * x.element_size() for x in first)
    n_sets = max(2, min(64, math.ceil(ROTATION / n_bytes)))
    sets = [first] + [case.inputs(seed) for seed in range(1, n_sets)]
    expected, found = (flat(case.ways[name](*first)) for name in ("reference", "triton"))
    error = max(float((a - b).abs().max() / a.abs().max().clamp(min=1e-30)) for a, b in zip(expected, found, strict=True))
    times = interleaved(case.ways, sets, seconds, device)
    floor = case.n_bytes / bandwidth
    rows = []
    for name, values in times.items():
        p10, *_, p90 = (1e6 * cut for cut in statistics.quantiles(values, n=10))
        p50 = 1e6 * statistics.median(values)
        row = {"op": op, "size": case.size, "way": name, "p10_us": p10, "p50_us": p50, "p90_us": p90, "calls": len(values)}
        row |= {"times_triton": p50 * 1e-6 / statistics.median(times["triton"]), "percent_of_floor": 100 * 1e6 * floor / p50}
        row |= {"peak_bytes": peak(case.ways[name], first, device), "triton_error": error, "equal": error <= case.tolerance}
        rows.append(row)
    return rows


def flat(result) -> list[Tensor]:
    results = result if isinstance(result, tuple) else (result,)
    return [torch.view_as_real(x) if x.is_complex() else x for x in results]


def interleaved(ways: dict[str, Callable], sets: list[tuple], seconds: float, device: str) -> dict[str, list[float]]:
    """Seconds of each call, the ways in turn; at least 50 calls each after 3 that warm up."""
    for way in ways.values():
        for given in itertools.islice(itertools.cycle(sets), 3):
            way(*given)
    times: dict[str, list[float]] = {name: [] for name in ways}
    until = time.perf_counter() + seconds * len(ways)
    for given in itertools.cycle(sets):
        if len(times["triton"]) >= CALLS and time.perf_counter() >= until:
            return times
        for name, way in ways.items():
            times[name].append(seconds_of(way, given, device))
    return times


def seconds_of(way: Callable, given: tuple, device: str) -> float:
    if device != "cuda":
        start = time.perf_counter()
        way(*given)
        return time.perf_counter() - start
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    way(*given)
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3


def peak(way: Callable, given: tuple, device: str) -> int:
    """Bytes that a call holds at most beyond its inputs."""
    if device != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    way(*given)
    return torch.cuda.max_memory_allocated() - before


def copy_bandwidth(device: str, n_bytes: int = 2**28) -> float:
    """Bytes a second, read and written, of the best of ten large copies."""
    if device != "cuda":
        n_bytes //= 16
    source = torch.ones(n_bytes // 4, device=device)
    target = torch.empty_like(source)
    return 2 * n_bytes / min(seconds_of(target.copy_, (source,), device) for _ in range(10))


def table(report: dict) -> str:
    head = "| op | size | way | p10 µs | p50 µs | p90 µs | times Triton | of floor | peak MB | Triton's error |"
    lines = [f"{report['device']}, torch {report['torch']}", "", head, "|---|---|---|---|---|---|---|---|---|---|"]
    for row in report["rows"]:
        shown = [f"{row[name]:.1f}" for name in ("p10_us", "p50_us", "p90_us")]
        shown += [f"{row['times_triton']:.2f}x", f"{row['percent_of_floor']:.0f} %", f"{row['peak_bytes'] / 1e6:.1f}"]
        error = f"{row['triton_error']:.1e}" + ("" if row["equal"] else " too large")
        lines.append(f"| {' | '.join([row['op'], row['size'], row['way'], *shown, error])} |")
    return "\n".join(lines)
