"""Counts and sums of the rows of each cluster: what k-means and running-mean codebooks learn from.

    >>> import torch
    >>> from codec.kernels.cluster_sums import cluster_sums
    >>> counts, sums = cluster_sums(torch.tensor([[1.0], [2.0], [5.0]]), torch.tensor([2, 0, 2]), size=3)
    >>> counts.tolist(), sums.tolist()
    ([1.0, 0.0, 2.0], [[2.0], [0.0], [6.0]])
"""

from __future__ import annotations

import torch
from torch import Tensor

from tts.base.errors import DataError
from vocoder.kernels.dispatch import choose

__all__ = ["WAYS", "cluster_sums"]

WAYS = {"triton": "cuda"}


def cluster_sums(rows: Tensor, codes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """How many rows fell to each code, and their sum.

    Counts are exact up to 2^24. Sums are float32; the Triton form adds the rows of a code in a fixed order and gives the same
    bits at every call, the reference adds them in the order of the rows on a CPU and in any order on CUDA. The forms agree
    within rounding. No gradient through the Triton form.

    Args:
        rows: [N, width] float32; N may be 0.
        codes: [N] int64, 0..size-1. Not checked here: the reference refuses others by an error of torch, the Triton form
            leaves their rows out.
        size: K, how many clusters there are.

    Returns:
        Counts [K] and sums [K, width], float32.

    Raises:
        DataError: Shapes, dtypes or devices do not fit.
    """
    if rows.dim() != 2 or rows.dtype != torch.float32 or codes.shape != rows.shape[:1] or codes.dtype != torch.int64:
        raise DataError(
            f"cluster_sums: rows are {rows.dtype} of shape {list(rows.shape)}, codes {codes.dtype} of shape {list(codes.shape)}",
            code="clusters.rows",
            fix="Give float32 [N, width] and int64 [N].",
        )
    if choose("cluster_sums", rows.device.type, WAYS) == "triton":
        from codec.kernels.cluster_sums.triton_kernel import sums_of
    else:
        from codec.kernels.cluster_sums.reference import sums_of
    return sums_of(rows, codes, size)
