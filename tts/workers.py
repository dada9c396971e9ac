"""Many items by many workers: in this process, in several of this machine, or on a Ray cluster. The results are the same."""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from tts.base.errors import ResourceError, TemporaryError, UnavailableError, UsageError

RETRIES = 3  # of an item whose worker on Ray died
AHEAD = 8  # items a worker that are under way or wait for those before them

_ADDRESS = re.compile(r"|auto|local|(ray://)?[^\s/:]+:\d+")
_worker: dict = {}  # of this process: the function that does an item


def check_workers(nj: int, ray: str | None) -> None:
    """Refuse workers that cannot be meant, before any work.

    Raises:
        UsageError: The address is none, or processes of this machine are asked for as well.
        UnavailableError: Ray is not installed.
    """
    if ray is None:
        return
    if nj > 1:
        raise UsageError("--nj counts processes of this machine; Ray takes as many as it has processors.", where="--ray",
                         code="usage.ray", fix="Leave --nj out. To bound Ray: ray start --head --num-cpus N")  # fmt: skip
    if not _ADDRESS.fullmatch(ray):
        raise UsageError(f"{ray!r} is no address of a Ray cluster.", where="--ray", code="usage.ray",
                         fix="Write --ray=HOST:PORT, --ray=auto, --ray=local, or --ray as the last word.")  # fmt: skip
    if importlib.util.find_spec("ray") is None:
        raise UnavailableError("Ray is not installed.", where="--ray", code="package.missing",
                               fix="pip install 'parlance-tts[scale]'")  # fmt: skip


def mapped(
    load: Callable[[], Callable], items: Iterable, nj: int = 1, ray: str | None = None, processors: int = 1
) -> Iterator:
    """``load()(item)`` of every item, in order.

    Args:
        load: Called once in a worker; gives the function that does an item. It crosses process borders, as items do.
        nj: Processes of this machine; 1 is this one.
        ray: Address of a Ray cluster ("host:port"), "auto" for the one that runs on this machine, "local" for one that is started
            here and ends with the work, "" for what Ray finds: ``RAY_ADDRESS``, else auto, else local. None: no Ray.
        processors: That an item keeps busy, by which Ray counts.

    Yields:
        A result; or a TemporaryError in its place, when four workers in turn died over that item on Ray.

    Raises:
        UsageError, UnavailableError: As ``check_workers``, or no Ray answers.
        ResourceError: A process of this machine died.
        Exception: What doing an item raises ends all.
    """
    check_workers(nj, ray)
    if ray is None and nj == 1:
        yield from map(load(), items)
        return
    with _cluster(load, ray, processors) if ray is not None else _pool(load, nj) as (submit, result, n_workers):
        under_way: deque = deque()
        for item in items:
            if len(under_way) == AHEAD * n_workers:
                yield result(under_way.popleft())
            under_way.append(submit(item))
        while under_way:
            yield result(under_way.popleft())


@contextmanager
def _pool(load: Callable, nj: int):
    """(submit, result, number) of processes. They are started afresh: threads of torch do not survive a fork."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    pool, finished = ProcessPoolExecutor(nj, multiprocessing.get_context("spawn"), _start, (load,)), False
    try:
        yield lambda item: pool.submit(_do, item), lambda future: future.result(), nj
        finished = True
    except BrokenProcessPool as error:
        raise ResourceError(
            "a process died, perhaps for want of memory.",
            code="worker.died",
            fix="Run the same command again with a smaller --nj: what is done is kept.",
        ) from error
    finally:
        if not finished:
            for child in multiprocessing.active_children():
                child.terminate()
        pool.shutdown(cancel_futures=True)


def _start(load: Callable) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that temporary files go
    _worker["load"] = load


def _do(item):
    if "do" not in _worker:
        _worker["do"] = _worker["load"]()
    return _worker["do"](item)


@contextmanager
def _cluster(load: Callable, address: str, processors: int):
    """(submit, result, number) of Ray's workers. A task whose worker died goes to another, ``RETRIES`` times."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    import ray

    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address or None, log_to_driver=False, logging_level="error", include_dashboard=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UnavailableError(f"no Ray cluster answers: {str(error).splitlines()[0]}", where=address or "--ray",
                                   code="ray.connect", fix="Look at: ray status") from error  # fmt: skip
    task = ray.remote(num_cpus=processors, max_retries=RETRIES)(_do_on_ray)
    token, shared = secrets.token_hex(8), ray.put(load)

    def result(reference):
        try:
            return ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            return TemporaryError(f"{RETRIES + 1} workers died over it: {str(error).splitlines()[0]}", code="worker.died",
                                  fix="Run it alone; perhaps it wants more memory than there is.")  # fmt: skip

    try:
        n_workers = max(1, int(ray.cluster_resources().get("CPU", 1) / processors))
        yield lambda item: task.remote(token, shared, item), result, n_workers
    finally:
        if ours:
            ray.shutdown()


def _do_on_ray(token: str, load: Callable, item):
    """As ``_do``, in a process of Ray's, which outlives a task; ``token`` names the work that its function is of."""
    if _worker.get("token") != token:
        _worker.update(token=token, do=load())
    return _worker["do"](item)
