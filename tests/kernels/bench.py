"""What ``python -m tests bench`` measures: the sizes of each op, the ways to do it, and the time that it cannot beat.

All ways of a size take the same tensors and are called in turn, so that a machine that slows down slows all of them. The
inputs of successive calls rotate through more memory than the level-2 cache holds. Floors: bytes that must move over the
bandwidth of a copy on this machine, or operations over the rate of a large float32 product, whichever takes longer; both are
measured in the same run. Other packages (``baselines``) are measured where they are installed; the report lists the rest.
"""

from __future__ import annotations

import importlib
import itertools
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from recipes.evaluate.rvq_speed import plain_search
from tests.kernels import baselines

FRAMES = (1, 8, 75, 750, 4800, 65536)  # 75 a second of audio
COMPILED = (8, 65536)  # frames and rows at which torch.compile is measured: each takes seconds to compile
CPU_FRAMES = 4800  # at most
FEW = (1, 8, 75, 256, 512)  # frames for a whole block
BLOCKS = ((256, 768), (384, 1152))  # its width, and that between its linear layers
ROWS = (750, 4800, 65536)  # of a training batch
WIDTH = 192  # channels of a latent, three blocks
SIZE = 1024  # codes of a book
ALIGNED = ((1, 400, 60), (16, 800, 120), (64, 800, 120))  # items, frames, tokens
ROTATION = 256 * 2**20  # bytes of inputs that successive calls go through
CALLS = {"cuda": 50, "cpu": 9}  # at least
WARM_UP = 3  # calls


@dataclass
class Case:
    """One size of an op."""

    size: str
    ways: dict[str, Callable]  # name -> function of the inputs; "reference" and ``ours`` among them
    inputs: Callable[[int], tuple]  # seed -> tensors
    n_bytes: int  # that a call must read and write, however it is done
    tolerance: float  # largest error of ours against the reference, as a share of its largest value; 0: equal to the bit
    n_operations: int = 0  # float32 multiplications and additions that it cannot do without
    others: dict[str, baselines.Baseline] = field(default_factory=dict)
    ours: str = "triton"


def frames(device: str) -> list[int]:
    return [n for n in FRAMES if device == "cuda" or n <= CPU_FRAMES]


def more_ways(ways: dict[str, Callable], name: str, device: str, compiled: bool, products: bool = False) -> None:
    """Beside way ``name``: itself compiled, and with TF32 products."""
    if device == "cuda" and products:
        ways[f"{name}, TF32"] = partial(in_tf32, ways[name])
    if compiled and device == "cuda":
        ways[f"{name}, torch.compile"] = torch.compile(ways[name])


def in_tf32(way: Callable, *given):
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        return way(*given)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def form_of(op: str, form: str):
    """The module of a form of an op."""
    package = "codec" if op in ("rvq_search", "projected_search", "rvq_decode", "cluster_sums") else "vocoder"
    return importlib.import_module(f"{package}.kernels.{op}.{form if form == 'reference' else f'{form}_kernel'}")


def rvq_search(device: str, form: str) -> Iterator[Case]:
    from codec.kernels.rvq_search import pack_books

    block = WIDTH // 3
    for name, stages in {"MCRVQ": [block] * 3 + [WIDTH] * 5, "RVQ": [WIDTH] * 8, "one book": [WIDTH]}.items():
        given = [normal(SIZE, width, seed=q).to(device) * 0.8**q for q, width in enumerate(stages)]
        starts = [0, block, 2 * block, 0, 0, 0, 0, 0] if name == "MCRVQ" else [0] * len(stages)
        books, norms = pack_books(given, starts), [book.square().sum(1) for book in given]
        for n in frames(device):
            more = books, len(stages)
            ways = {way: partial(calling, form_of("rvq_search", way).search, more) for way in (form, "reference")}
            ways["torch"] = partial(calling, plain_search, (given, norms, starts))
            more_ways(ways, "torch", device, n in COMPILED, products=True)
            others = baselines.residual_vq(8, WIDTH, SIZE) if name == "RVQ" else {}
            if device == "cpu" and name == "one book":
                others = baselines.flat_search(given[0])
            yield Case(
                f"{name}, {len(stages)} stages of {WIDTH}, {n} frames",
                ways,
                lambda seed, n=n: (normal(n, WIDTH, seed=seed).to(device),),
                n * (4 * WIDTH + 8 * len(stages)) + 4 * SIZE * sum(stages),
                0.0,
                2 * n * SIZE * sum(stages),
                others,
                form,
            )


def projected_search(device: str, form: str) -> Iterator[Case]:
    from codec.kernels.projected_search import Stage, pack_stages

    def stage(q):
        shapes = ((8, WIDTH), (8,), (SIZE, 8), (WIDTH, 8), (WIDTH,))
        return Stage(*(0.3 * normal(*shape, seed=10 * q + i).to(device) for i, shape in enumerate(shapes)))

    def plain(latent, stages):
        residual, codes = latent, []
        for down, down_bias, book, up, up_bias in stages:
            point = torch.nn.functional.linear(residual, down, down_bias)
            codes.append((torch.nn.functional.normalize(point, dim=1) @ torch.nn.functional.normalize(book, dim=1).T).argmax(1))
            residual = residual - torch.nn.functional.linear(book[codes[-1]], up, up_bias)
        return torch.stack(codes, 1)

    stages = [stage(q) for q in range(8)]
    books = pack_stages(stages, [0] * 8)
    for n in frames(device):
        ways = {name: partial(calling, form_of("projected_search", name).search, (books, 8)) for name in (form, "reference")}
        ways["torch"] = partial(calling, plain, (stages,))
        more_ways(ways, "torch", device, n in COMPILED, products=True)
        yield Case(
            f"8 stages of 8 of {WIDTH}, {n} frames",
            ways,
            lambda seed, n=n: (normal(n, WIDTH, seed=seed).to(device),),
            n * (4 * WIDTH + 8 * 8) + 8 * 4 * SIZE * 8,
            0.0,
            2 * n * 8 * 8 * (SIZE + WIDTH),
            baselines.factorized_vq(8, WIDTH, SIZE, 8),
            form,
        )


def monotonic_align(device: str, form: str) -> Iterator[Case]:
    for items, n_frames, n_tokens in ALIGNED:

        def inputs(seed, shape=(items, n_frames, n_tokens)):
            items, n_frames, n_tokens = shape
            log_p = normal(*shape, seed=seed).log_softmax(-1).to(device)
            lengths = [torch.full((items,), size, device=device) for size in (n_tokens, n_frames)]
            return log_p, *lengths, torch.zeros(items, n_tokens, dtype=torch.bool, device=device)

        ways = {name: form_of("monotonic_align", name).align for name in (form, "reference")}
        states = items * n_frames * n_tokens
        yield Case(f"{items} of {n_frames} frames, {n_tokens} tokens", ways, inputs, 4 * states, 0.0, ours=form)


def snake(device: str, form: str) -> Iterator[Case]:
    kinds = (torch.float32, torch.bfloat16) if device == "cuda" else (torch.float32,)
    for dtype, (channels, hop) in itertools.product(kinds, ((32, 160), (256, 4))):  # early and late in an encoder
        for n in frames("cpu"):  # more is the same

            def inputs(seed, shape=(1, channels, n * hop), dtype=dtype):
                return normal(*shape, seed=seed).to(device, dtype), torch.ones(shape[1], device=device, dtype=dtype)

            ways = {name: form_of("snake", name).activate for name in (form, "reference")}
            more_ways(ways, "reference", device, n in COMPILED)
            name, size = str(dtype).removeprefix("torch."), dtype.itemsize
            yield Case(f"{n} frames, {channels} channels, {name}", ways, inputs, 2 * size * channels * n * hop,
                       1e-5 if size == 4 else 2e-2, others=baselines.snake(), ours=form)  # fmt: skip


def rvq_decode(device: str, form: str) -> Iterator[Case]:
    from codec.kernels.rvq_search import pack_books

    widths = [64] * 3 + [192] * 5
    books = pack_books([normal(SIZE, width, seed=q).to(device) for q, width in enumerate(widths)], [0, 64, 128, 0, 0, 0, 0, 0])
    plan = (books.table, SIZE, books.starts, books.widths, 192)
    for n in frames(device):
        ways = {name: partial(calling, form_of("rvq_decode", name).decode, plan) for name in (form, "reference")}
        more_ways(ways, "reference", device, n in COMPILED)
        yield Case(f"{n} frames, 8 stages", ways, lambda seed, n=n: (integers(SIZE, 1, 8, n, seed=seed).to(device),),
                   n * (8 * 8 + 4 * 192), 0.0, ours=form)  # fmt: skip


def cluster_sums(device: str, form: str) -> Iterator[Case]:
    def one_hot(rows, codes):
        hot = torch.nn.functional.one_hot(codes, SIZE).to(rows.dtype)
        return hot.sum(0), hot.T @ rows

    ways = {name: partial(form_of("cluster_sums", name).sums_of, size=SIZE) for name in (form, "reference")}
    ways["one-hot"] = one_hot
    for n, skew in itertools.product(ROWS, (1, 6)):

        def inputs(seed, n=n, skew=skew):
            share = torch.rand(n, generator=torch.Generator().manual_seed(seed)) ** skew  # 6: a third falls to 0.1 % of codes
            return normal(n, 192, seed=seed).to(device), (share * SIZE).long().to(device)

        yield Case(f"{n} rows, skew {skew}", ways, inputs, n * (8 + 4 * 192) + 4 * SIZE * 193, 1e-5, ours=form)


def convnext(device: str, form: str) -> Iterator[Case]:
    kinds = (torch.float32, torch.bfloat16) if device == "cuda" else (torch.float32,)
    for dim, n, dtype in itertools.product((256, 384), frames(device), kinds):
        parameters = (normal(dim, 1, 1, 7, seed=1), normal(dim, seed=2), normal(dim, seed=3), normal(dim, seed=4))
        rest = (*(p.to(device, dtype) for p in parameters), 1e-6, False, None, None)
        ways = {name: partial(calling, form_of("convnext", name).conv_norm, rest) for name in (form, "reference")}
        more_ways(ways, "reference", device, n in COMPILED and dim == 256)
        name, size = str(dtype).removeprefix("torch."), dtype.itemsize
        yield Case(f"{n} frames of {dim}, {name}", ways,
                   lambda seed, n=n, dim=dim, dtype=dtype: (normal(1, n, dim, seed=seed).to(device, dtype),),
                   2 * size * n * dim, 1e-5 if size == 4 else 2e-2, ours=form)  # fmt: skip


def convnext_block(device: str, form: str) -> Iterator[Case]:
    """The whole block in one kernel, for few frames."""
    from vocoder.kernels.convnext import block_kernel, reference

    for (dim, hidden), n in itertools.product(BLOCKS, FEW):
        sizes = ((dim, 1, 1, 7), (dim,), (dim,), (dim,)), ((hidden, dim), (hidden,), (dim, hidden), (dim,), (dim,))
        head, ends = ([0.1 * normal(*size, seed=i + 1).to(device) for i, size in enumerate(each)] for each in sizes)
        rest = (*head, 1e-6, False, None, None, *ends)
        ways = {"triton": partial(calling, block_kernel.block, rest), "reference": partial(calling, reference.block, rest)}
        more_ways(ways, "reference", device, n == 8 and dim == 256, products=True)
        yield Case(f"{n} frames of {dim}", ways, lambda seed, n=n, dim=dim: (normal(1, n, dim, seed=seed).to(device),),
                   8 * n * dim + 8 * dim * hidden, 1e-5, 4 * n * dim * hidden, ours=form)  # fmt: skip


def fourier_head(device: str, form: str) -> Iterator[Case]:
    from vocoder.audio.spectrum import _envelope, hann_window

    bins, size, hop = 641, 1280, 320
    for n in frames(device):

        def head(seed, parts, n=n):
            return normal(1, n, parts * bins, seed=seed).to(device)

        def spectra(seed, n=n, head=head):
            prior = normal(1, n, bins, seed=seed + 1).to(device)
            return head(seed, 3), prior, *(torch.complex(*normal(2, 1, n, bins, seed=seed + i)).to(device) for i in (2, 3))

        fixed = (hann_window(size, device), _envelope(n, size, hop, device), hop)
        for name, inputs, n_bytes, more in (
            ("polar_spectrum", lambda seed, head=head: (head(seed, 2),), 16 * n * bins, ()),
            ("excited_spectrum", spectra, 40 * n * bins, ()),
            ("overlap_add", lambda seed, n=n: (normal(1, n, size, seed=seed).to(device),), 4 * n * (size + 2 * hop), fixed),
        ):
            forms = (form, "reference")
            ways = {way: partial(calling, getattr(form_of("fourier_head", way), name), more) for way in forms}
            more_ways(ways, "reference", device, n in COMPILED)
            yield Case(f"{name}, {n} frames", ways, inputs, n_bytes, 1e-5, ours=form)


def decode(device: str, form: str) -> Iterator[Case]:
    """A path: log-mel to samples by a Fourier decoder of width 256 with 8 blocks, all ops together."""
    from vocoder.fourier import FourierVocoder, VocoderConfig

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FourierVocoder(VocoderConfig(form="mel", n_blocks=8, n_projections=0)).to(device).eval()
    for n in frames(device):
        ways = {"parlance": model, "reference": partial(by_reference, model), "parlance, bf16": partial(in_bf16, model)}
        more_ways(ways, "parlance", device, n in COMPILED, products=True)

        def inputs(seed, n=n):
            return normal(1, n, 100, seed=seed).to(device) - 5, torch.zeros(1, n, device=device)

        yield Case(f"{n} frames", ways, inputs, 4 * n * (100 + 320), 1e-4, n * (656_000 + 8 * 790_000 + 358_000),
                   baselines.fourier_decoder(model), "parlance")  # fmt: skip


def by_reference(model: Callable, *given):
    before = os.environ.get("PARLANCE_KERNELS", "auto")
    os.environ["PARLANCE_KERNELS"] = "reference"
    try:
        return model(*given)
    finally:
        os.environ["PARLANCE_KERNELS"] = before


def in_bf16(model: Callable, *given):
    with torch.autocast(given[0].device.type, torch.bfloat16):
        return model(*given)


def calling(op: Callable, more: tuple, *given):
    return op(*given, *more)


CASES = {
    "rvq_search": rvq_search,
    "projected_search": projected_search,
    "decode": decode,
    "snake": snake,
    "monotonic_align": monotonic_align,
    "convnext": convnext,
    "convnext_block": convnext_block,
    "fourier_head": fourier_head,
    "rvq_decode": rvq_decode,
    "cluster_sums": cluster_sums,
}
FORMS = {"cuda": "triton", "cpu": "numba"}  # of ours that is measured
ON_CPU = ("rvq_search", "projected_search", "decode", "monotonic_align")  # the ops that have a form for it, and the path
TESTS = {op: [f"test_{op}.py"] for op in CASES} | {
    "convnext_block": ["test_convnext.py"],
    "decode": ["test_convnext.py", "test_fourier_head.py"],
}


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def integers(high: int, *shape: int, seed: int) -> Tensor:
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def measure(ops: list[str], seconds: float, device: str = "cuda", form: str | None = None, until: float = math.inf) -> dict:
    """The report: the machine, a row for each way of each size, and what was not measured and why.

    Args:
        seconds: Of measuring a way of a size.
        form: Of ours; None: that of the device.
        until: ``time.perf_counter`` after which no further size is begun.
    """
    bandwidth, rate = copy_bandwidth(device), product_rate(device)
    report = {
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "copy_bytes_per_second": round(bandwidth),
        "float32_operations_per_second": round(rate),
        "load_average": os.getloadavg()[0],
        "rows": [],
        "not_measured": {},
    }
    for op in ops:
        for case in CASES[op](device, form or FORMS[device]):
            if time.perf_counter() > until:
                report["not_measured"][f"{op}, {case.size}"] = "out of time"
                continue
            floor = max(case.n_bytes / bandwidth, case.n_operations / rate)
            report["rows"] += rows_of(op, case, seconds, floor, device, report["not_measured"])
    return report


def rows_of(op: str, case: Case, seconds: float, floor: float, device: str, not_measured: dict) -> list[dict]:
    first = case.inputs(0)
    n_bytes = sum(x.numel() * x.element_size() for x in first)
    n_sets = max(2, min(64, math.ceil(ROTATION / n_bytes)))
    sets = [first] + [case.inputs(seed) for seed in range(1, n_sets)]
    expected, found = (flat(case.ways[name](*first)) for name in ("reference", case.ours))
    error = max(float((a - b).abs().max() / a.abs().max().clamp(min=1e-30)) for a, b in zip(expected, found, strict=True))
    ways = measurable(op, case, first, device, not_measured)
    times = interleaved(ways, sets, seconds, device)
    ours = statistics.median(times[case.ours])
    rows = []
    for name, values in times.items():
        p10, *_, p90 = (1e6 * cut for cut in statistics.quantiles(values, n=10))
        p50 = 1e6 * statistics.median(values)
        row = {"op": op, "size": case.size, "way": name, "ours": case.ours, "calls": len(values)}
        row |= {"p10_us": p10, "p50_us": p50, "p90_us": p90, "times_ours": p50 * 1e-6 / ours}
        row |= {"percent_of_floor": 100 * 1e6 * floor / p50, "launches": launches(ways[name], first, device)}
        row |= {"peak_bytes": peak(ways[name], first, device), "error_of_ours": error, "equal": error <= case.tolerance}
        rows.append(row)
    return rows


def measurable(op: str, case: Case, first: tuple, device: str, not_measured: dict) -> dict[str, Callable]:
    """The ways that run here; why others do not goes into ``not_measured``. Ours and the reference have run already."""
    makers = {name: partial(lambda way, device: way, way) for name, way in case.ways.items()}
    for name, (packages, make) in case.others.items():
        if baselines.missing(packages):
            not_measured[name] = "not installed"
        else:
            makers[name] = make
    ways = {}
    for name, make in makers.items():
        try:
            way = make(device)
            way(*first)
        except Exception as error:  # no compiler, another version, no form for this device: that must not end the run
            not_measured[f"{name}, {op}"] = f"{type(error).__name__}: {error}"[:200]
        else:
            ways[name] = way
    return ways


def flat(result) -> list[Tensor]:
    results = result if isinstance(result, tuple) else (result,)
    return [torch.view_as_real(x) if x.is_complex() else x.double() for x in results]


def interleaved(ways: dict[str, Callable], sets: list[tuple], seconds: float, device: str) -> dict[str, list[float]]:
    """Seconds of each call, the ways in turn; at least ``CALLS`` each after those that warm up."""
    for way in ways.values():
        for given in itertools.islice(itertools.cycle(sets), WARM_UP):
            way(*given)
    times: dict[str, list[float]] = {name: [] for name in ways}
    until = time.perf_counter() + seconds * len(ways)
    for given in itertools.cycle(sets):
        if len(times["reference"]) >= CALLS[device] and time.perf_counter() >= until:
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


def product_rate(device: str) -> float:
    """Float32 operations a second of the best of ten large matrix products, without TF32."""
    size = 4096 if device == "cuda" else 512
    a = torch.ones(size, size, device=device)
    return 2 * size**3 / min(seconds_of(torch.mm, (a, a), device) for _ in range(10))


def launches(way: Callable, given: tuple, device: str) -> int | None:
    """Kernels and copies that a call puts on the GPU."""
    if device != "cuda":
        return None
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        way(*given)
        torch.cuda.synchronize()
    return sum(event.device_type == DeviceType.CUDA for event in seen.events())


def table(report: dict) -> str:
    rate = report["float32_operations_per_second"] / 1e9
    head = f"{report['device']}, torch {report['torch']}, {report['threads']} threads, "
    head += f"copies {report['copy_bytes_per_second'] / 1e9:.0f} GB/s, float32 products {rate:.0f} GFLOP/s"
    names = "| op | size | way | p10 µs | p50 µs | p90 µs | times ours | of floor | launches | peak MB | error of ours |"
    lines = [head, "", names, "|---" * 11 + "|"]
    for row in report["rows"]:
        shown = [f"{row[name]:.1f}" for name in ("p10_us", "p50_us", "p90_us")]
        shown += [f"{row['times_ours']:.2f}x", f"{row['percent_of_floor']:.0f} %", row["launches"] or ""]
        shown += [f"{row['peak_bytes'] / 1e6:.1f}", f"{row['error_of_ours']:.1e}" + ("" if row["equal"] else " too large")]
        lines.append(f"| {' | '.join(map(str, [row['op'], row['size'], row['way'], *shown]))} |")
    lines += ["", *(f"not measured: {name}: {why}" for name, why in report["not_measured"].items())]
    return "\n".join(lines)
