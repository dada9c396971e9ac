"""Speed of the quantiser's code search on one thread: ``python -m recipes.evaluate.rvq_speed`` prints the table of its README.

Books and latents are random: shapes of the codec (three blocks of 64 channels, then the full 192; 1024 codes), each stage's book
of the size of what is left over for it.
"""

from __future__ import annotations

import os
import statistics
import time
from functools import partial

import torch
from torch import Tensor

from codec.kernels.rvq_search import pack_books, rvq_search

FRAMES = (1, 8, 75, 750, 4800)  # 75 a second of audio


def plain_search(latent: Tensor, books: list[Tensor], norms: list[Tensor], starts: list[int]) -> Tensor:
    """What one writes first: a float32 matrix product and an argmin a stage. Its codes are not sure where two are close."""
    residual, codes = latent.clone(), []
    for book, norm, start in zip(books, norms, starts, strict=True):
        part = residual[:, start : start + book.shape[1]]
        codes.append(torch.addmm(norm, part, book.T, alpha=-2).argmin(1))
        part -= book[codes[-1]]
    return torch.stack(codes, 1)


def milliseconds(call, seconds: float = 2.0) -> float:
    """Median over at least 9 calls, after one that warms up."""
    call()
    times, until = [], time.perf_counter() + seconds
    while len(times) < 9 or time.perf_counter() < until:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def search_by(way: str, latent: Tensor, books) -> Tensor:
    os.environ["PARLANCE_KERNELS"] = way
    return rvq_search(latent, books)


def main() -> None:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    books = [torch.randn(1024, 64, generator=generator) for _ in range(3)]
    books += [torch.randn(1024, 192, generator=generator) * 0.8 ** (q + 1) for q in range(5)]
    starts = [0, 64, 128, 0, 0, 0, 0, 0]
    norms = [book.square().sum(1) for book in books]
    print("| stages | frames | reference | plain torch | numba |\n|---|---|---|---|---|")
    for n_q in (4, 8):
        packed, plain = pack_books(books[:n_q], starts[:n_q]), (books[:n_q], norms[:n_q], starts[:n_q])
        for n_frames in FRAMES:
            latent = torch.randn(n_frames, 192, generator=generator)
            times = [
                milliseconds(partial(search_by, "reference", latent, packed)),
                milliseconds(partial(plain_search, latent, *plain)),
                milliseconds(partial(search_by, "numba", latent, packed)),
            ]
            print(f"| {n_q} | {n_frames} | {' | '.join(f'{t:.2f}' for t in times)} |", flush=True)


if __name__ == "__main__":
    main()
