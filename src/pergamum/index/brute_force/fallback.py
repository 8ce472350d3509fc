"""Exact search by NumPy alone: what answers until the kernels are loaded. The same results, bit for bit.

Over many vectors that takes longer than loading kernels does: `before_kernels` then leaves the answer to them.

Distances are first estimated by float64 matrix products, whose order of summation nobody knows, then taken from the
reference function for the few slots that the error of an estimate leaves in doubt. Any order of at most 16,384
additions is off by less than 2^-39 of the sum of magnitudes, and so is the reference; `ROUNDING` (2^-36) covers both.
"""

from collections.abc import Iterator

import numpy as np

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index import kernel_cache
from pergamum.index.base import Neighbours, padded
from pergamum.index.brute_force.work import Doubles, Longs
from pergamum.index.distance import distances
from pergamum.index.mask import BLOCK_SLOTS, SlotMask
from pergamum.index.quantize import ROUNDING

_CHUNK = 1 << 19


def before_kernels(
    metric: Metric, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask, *, begin: int = 0
) -> Neighbours | None:
    """Return the k nearest allowed rows of `vectors` (n, d) from row `begin` on; None once the kernels are loaded.

    They answer at once then. Columns for which there is nothing hold slot -1, distance inf.
    O(m * n * d) time, O(m * k + chunk) memory.
    """
    wanted = min(k, len(vectors) - begin)
    found = [_Nearest(wanted) for _ in queries]
    for slots in _chunks(range(begin, len(vectors)), vectors.shape[1], allowed):
        if kernel_cache.ready():
            return None
        _look(metric, queries, slots, vectors[slots], found)
    return padded(_gathered(found, wanted, (len(vectors) - begin) * len(queries)), k)


def _look(metric: Metric, queries: Matrix, slots: Longs, rows: Matrix, found: "list[_Nearest]") -> None:
    """Take the vectors `rows` of `slots` into account."""
    low, high = _bounds(metric, queries.astype(np.float64), rows.astype(np.float64))
    for i, nearest in enumerate(found):
        doubtful = low[i] <= nearest.limit(high[i])
        nearest.add(distances(metric, queries[i], rows[doubtful]), slots[doubtful])


def _gathered(found: "list[_Nearest]", k: int, scored: int) -> Neighbours:
    return Neighbours(
        np.array([nearest.padded_slots() for nearest in found]).reshape(-1, k),
        np.array([nearest.padded_distances() for nearest in found]).reshape(-1, k),
        sum(nearest.verified for nearest in found),
        scored,
    )


class _Nearest:
    """The k smallest (distance, slot) of one query so far, sorted."""

    def __init__(self, k: int) -> None:
        self._k = k
        self._distances, self._slots = np.empty(0), np.empty(0, dtype=np.int64)
        self.verified = 0

    def limit(self, high: Doubles) -> float:
        """Return what the k-th distance cannot exceed, given upper bounds of further distances."""
        known = np.concatenate([self._distances, high])
        return float(np.partition(known, self._k - 1)[self._k - 1]) if len(known) >= self._k else np.inf

    def add(self, distances: Doubles, slots: Longs) -> None:
        """Take verified distances into account."""
        self.verified += len(slots)
        distances, slots = np.concatenate([self._distances, distances]), np.concatenate([self._slots, slots])
        order = np.lexsort((slots, distances))[: self._k]
        self._distances, self._slots = distances[order], slots[order]

    def padded_slots(self) -> Longs:
        return np.pad(self._slots, (0, self._k - len(self._slots)), constant_values=-1)

    def padded_distances(self) -> Doubles:
        return np.pad(self._distances, (0, self._k - len(self._distances)), constant_values=np.inf)


def _chunks(slots: range, dimension: int, allowed: SlotMask) -> Iterator[Longs]:
    """Yield the allowed ones of `slots` in order, a few thousand at a time, never across two blocks."""
    size = min(BLOCK_SLOTS, max(64, _CHUNK // dimension))
    for block in range(slots.start // BLOCK_SLOTS, -(-slots.stop // BLOCK_SLOTS)):
        flags, first = allowed.block(block), block * BLOCK_SLOTS
        for start in range(max(first, slots.start), min(first + BLOCK_SLOTS, slots.stop), size):
            stop = min(start + size, first + BLOCK_SLOTS, slots.stop)
            chosen = start + np.flatnonzero(flags[start - first : stop - first])
            if len(chosen):
                yield chosen


def _bounds(metric: Metric, queries: Doubles, rows: Doubles) -> tuple[Doubles, Doubles]:
    """Return lower and upper bounds of the reference distances, (m, n) each."""
    products = queries @ rows.T
    squares = np.einsum("ij,ij->i", queries, queries)[:, None], np.einsum("ij,ij->i", rows, rows)[None, :]
    if metric is Metric.L2:
        total = squares[0] + squares[1]
        gap, slack = total - 2.0 * products, ROUNDING * total
        low, high = np.sqrt(np.maximum(gap - slack, 0.0)), np.sqrt(np.maximum(gap + slack, 0.0))
        return low * (1 - ROUNDING), high * (1 + ROUNDING)
    lengths = np.sqrt(squares[0]) * np.sqrt(squares[1])
    if metric is Metric.COSINE:
        return 1.0 - products / lengths - ROUNDING, 1.0 - products / lengths + ROUNDING
    return -products - ROUNDING * lengths, -products + ROUNDING * lengths
