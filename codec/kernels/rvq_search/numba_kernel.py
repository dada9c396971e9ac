"""rvq_search for the CPU: all stages of a block of frames at a time, so that its residuals and scores stay in the cache.

Float32 scores first; the codes within their rounding error of the least one are compared again by the reference's float64 sums.
"""

from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from codec.kernels.rvq_search.books import Books

BLOCK = 32  # frames whose scores (4 * K bytes each) share the level-2 cache with one book
LANES = 64  # scores that are sifted together
REASSOCIATE = {"reassoc", "contract", "nsz"}  # lets sums run in vector lanes; the margins allow any order


def search(latent: Tensor, books: Books, n_q: int) -> Tensor:
    """[N, D] contiguous float32 -> [N, n_q] int64, equal to the reference."""
    codes = torch.empty(latent.shape[0], n_q, dtype=torch.int64)
    layout = np.array((books.starts, books.widths, books.offsets))
    tables = (books.table.numpy(), books.turned.numpy(), books.norms.numpy(), books.margins.numpy())
    fill_codes(latent.numpy(), *tables, layout, codes.numpy())
    return codes


@numba.njit(cache=True, nogil=True)
def fill_codes(latent, table, turned, norms, margins, layout, codes):
    """Write every element of codes [N, n_q]."""
    N, D = latent.shape
    K = norms.shape[1]
    residual = np.zeros((BLOCK, D), np.float32)
    part = np.zeros(BLOCK * D, np.float32)
    scores = np.empty((BLOCK, (K + 3) // 4 * 4), np.float32)
    rivals = np.empty(K, np.int64)
    norms32 = norms.astype(np.float32)
    for first in range(0, N, BLOCK):
        n = min(BLOCK, N - first)
        residual[:n] = latent[first : first + n]
        for q in range(codes.shape[1]):
            start, width, offset = layout[0, q], layout[1, q], layout[2, q]
            book = table[offset : offset + K * width].reshape(K, width)
            seen = part[: BLOCK * width].reshape(BLOCK, width)  # rows beyond n hold old numbers, which nobody reads
            seen[:n] = residual[:n, start : start + width]
            if len(turned):
                score_narrow(seen[:n], turned[offset : offset + K * width].reshape(width, K), norms32[q], scores)
            else:
                score_block(seen[: (n + 3) // 4 * 4], book, norms32[q], scores)
            for i in range(n):
                code = choose_code(seen[i], book, norms[q], scores[i], margins[q, 0], margins[q, 1], rivals)
                codes[first + i, q] = code
                for d in range(width):
                    residual[i, start + d] -= book[code, d]


@numba.njit(cache=True, nogil=True, fastmath=REASSOCIATE)
def score_block(rows, book, norms, scores):
    """scores[n, k] = |c_k|^2 - 2 r_n.c_k in float32; 4 frames by 4 codes at a time, which is as many sums as registers hold."""
    K, width = book.shape
    for k in range(0, K, 4):
        k1, k2, k3 = min(k + 1, K - 1), min(k + 2, K - 1), min(k + 3, K - 1)
        for n in range(0, rows.shape[0], 4):
            s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = np.float32(0)
            s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = np.float32(0)
            for d in range(width):
                c0, c1, c2, c3 = book[k, d], book[k1, d], book[k2, d], book[k3, d]
                r = rows[n, d]
                s00, s01, s02, s03 = s00 + r * c0, s01 + r * c1, s02 + r * c2, s03 + r * c3
                r = rows[n + 1, d]
                s10, s11, s12, s13 = s10 + r * c0, s11 + r * c1, s12 + r * c2, s13 + r * c3
                r = rows[n + 2, d]
                s20, s21, s22, s23 = s20 + r * c0, s21 + r * c1, s22 + r * c2, s23 + r * c3
                r = rows[n + 3, d]
                s30, s31, s32, s33 = s30 + r * c0, s31 + r * c1, s32 + r * c2, s33 + r * c3
            m0, m1, m2, m3 = norms[k], norms[k1], norms[k2], norms[k3]
            two = np.float32(2)
            line = scores[n]
            line[k], line[k + 1], line[k + 2], line[k + 3] = m0 - two * s00, m1 - two * s01, m2 - two * s02, m3 - two * s03
            line = scores[n + 1]
            line[k], line[k + 1], line[k + 2], line[k + 3] = m0 - two * s10, m1 - two * s11, m2 - two * s12, m3 - two * s13
            line = scores[n + 2]
            line[k], line[k + 1], line[k + 2], line[k + 3] = m0 - two * s20, m1 - two * s21, m2 - two * s22, m3 - two * s23
            line = scores[n + 3]
            line[k], line[k + 1], line[k + 2], line[k + 3] = m0 - two * s30, m1 - two * s31, m2 - two * s32, m3 - two * s33


@numba.njit(cache=True, nogil=True, fastmath=REASSOCIATE)
def score_narrow(rows, turned, norms, scores):
    """As ``score_block``, for books [width, K] of few channels: lanes of codes, four channels at a time."""
    width, K = turned.shape
    two = np.float32(2)
    for n in range(rows.shape[0]):
        line = scores[n]
        for k in range(K):
            line[k] = norms[k]
        whole = width // 4 * 4
        for d in range(0, whole, 4):
            c0, c1, c2, c3 = turned[d], turned[d + 1], turned[d + 2], turned[d + 3]
            r0, r1, r2, r3 = two * rows[n, d], two * rows[n, d + 1], two * rows[n, d + 2], two * rows[n, d + 3]
            for k in range(K):
                line[k] -= r0 * c0[k] + r1 * c1[k] + r2 * c2[k] + r3 * c3[k]
        for d in range(whole, width):
            c0, r0 = turned[d], two * rows[n, d]
            for k in range(K):
                line[k] -= r0 * c0[k]


@numba.njit(cache=True, nogil=True)
def choose_code(row, book, norms, scores, slope, offset, rivals):
    """The code of the least float64 score among those that the float32 scores leave open; 0 for a row that is not finite.

    rivals: room for K codes.
    """
    K, width = book.shape
    square = squared_length(row)
    if not np.isfinite(square):  # squares of finite float32 numbers have a finite float64 sum
        return 0
    limit = least(scores[:K].view(np.int32)) + slope * np.sqrt(square) + offset
    n_rivals = 0
    for first in range(0, K, LANES):
        chunk = scores[first : min(first + LANES, K)]
        n_open = 0
        for k in range(chunk.shape[0]):  # in vector lanes; most chunks end here
            n_open += not chunk[k] > limit  # so written, an overflow to NaN stays open
        if n_open > 0:
            for k in range(chunk.shape[0]):
                if not chunk[k] > limit:
                    rivals[n_rivals] = first + k
                    n_rivals += 1
    code = rivals[0]
    if n_rivals > 1:
        best = np.inf
        for k in rivals[:n_rivals]:
            total = 0.0
            for d in range(width):
                total += np.float64(row[d]) * np.float64(book[k, d])
            exact = norms[k] - 2.0 * total
            if exact < best:
                code, best = k, exact
    return code


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def squared_length(row):
    total = 0.0
    for d in range(row.shape[0]):
        total += np.float64(row[d]) * np.float64(row[d])
    return total


@numba.njit(cache=True, nogil=True)
def least(bits):
    """The least of float32 numbers given as int32 bit patterns: they order alike, and integers have a vector minimum."""
    low = np.int32(0x7FFFFFFF)
    for k in range(bits.shape[0]):
        low = min(low, np.int32(bits[k] ^ ((bits[k] >> np.int32(31)) & np.int32(0x7FFFFFFF))))
    pattern = np.empty(1, np.int32)
    pattern[0] = low ^ ((low >> np.int32(31)) & np.int32(0x7FFFFFFF))
    return np.float64(pattern.view(np.float32)[0])
