"""Exact search by NumPy alone: what answers until the kernels are loaded. The same results, bit for bit.

Over many vectors that takes longer than loading kernels does: `before_kernels` then leaves the answer to them.

A pass over the vectors in float32 (`rough.py`) rules out most of them. Distances of the others are estimated by
float64 matrix products, whose order of summation nobody knows, then taken from the reference function for the few slots
that the error of an estimate leaves in doubt. Any order of at most 16,384 additions is off by less than 2^-39 of the
sum of magnitudes, and so is the reference; `ROUNDING` (2^-36) covers both.

Loading holds the interpreter lock nearly all the time, and whoever gives it up waits for it: so the first pass is a few
long calls, not many short ones.
"""

from collections.abc import Iterator

import numpy as np

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index import kernel_cache
from pergamum.index.base import Neighbours, padded
from pergamum.index.brute_force.rough import rough_bounds
from pergamum.index.brute_force.work import Doubles, Longs
from pergamum.index.distance import distances
from pergamum.index.mask import BLOCK_SLOTS, Flags, SlotMask
from pergamum.index.quantize import ROUNDING

_CHUNK = 1 << 19
"""Numbers whose copies as float64 stay in a cache."""
_RUN = 1 << 26
"""Numbers that are read in one go, some 30 milliseconds."""
_MOST_BOUNDS = 1 << 20
_GATHERED_BELOW = 0.25
"""Share of allowed slots below which it is cheaper to copy their vectors than to read all."""


def before_kernels(
    metric: Metric, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask, *, begin: int = 0
) -> Neighbours | None:
    """Return the k nearest allowed rows of `vectors` (n, d) from row `begin` on; None once the kernels are loaded.

    They answer at once then. Columns for which there is nothing hold slot -1, distance inf.
    O(m * n * d) time, O(m * k + chunk) memory.
    """
    wanted = min(k, len(vectors) - begin)
    found = [_Nearest(wanted) for _ in queries]
    for run in _runs(range(begin, len(vectors)), vectors.shape[1], len(queries)):
        if kernel_cache.ready():
            return None
        near = _doubtful(metric, queries, vectors[run.start : run.stop], _flags(run, allowed), found)
        for part in _chunks(run.start + near, vectors.shape[1]):
            if kernel_cache.ready():
                return None
            _look(metric, queries, part, vectors[part], found)
    return padded(_gathered(found, wanted, (len(vectors) - begin) * len(queries)), k)


def _runs(slots: range, dimension: int, queries: int) -> Iterator[range]:
    """Cut the slots into runs of not too many numbers and bounds."""
    size = max(64, min(_RUN // dimension, _MOST_BOUNDS // max(queries, 1)))
    for start in range(slots.start, slots.stop, size):
        yield range(start, min(start + size, slots.stop))


def _doubtful(metric: Metric, queries: Matrix, rows: Matrix, flags: Flags, found: "list[_Nearest]") -> Longs:
    """Return which of the rows that `flags` allows may be among the nearest of a query."""
    if np.count_nonzero(flags) < _GATHERED_BELOW * len(rows):
        return np.flatnonzero(flags)
    low, high = rough_bounds(metric, queries, np.asarray(rows))
    low[:, ~flags] = high[:, ~flags] = np.inf
    near = np.zeros(len(rows), np.bool_)
    for i, nearest in enumerate(found):
        near |= low[i] <= nearest.limit(high[i])
    return np.flatnonzero(near & flags)


def _flags(run: range, allowed: SlotMask) -> Flags:
    """Return which slots of `run` are allowed."""
    first, last = run.start // BLOCK_SLOTS, -(-run.stop // BLOCK_SLOTS)
    flags = np.concatenate([allowed.block(number) for number in range(first, last)])
    return flags[run.start - first * BLOCK_SLOTS : run.stop - first * BLOCK_SLOTS]


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


def _chunks(slots: Longs, dimension: int) -> Iterator[Longs]:
    """Yield the slots in order, a few thousand at a time."""
    size = max(64, _CHUNK // dimension)
    for start in range(0, len(slots), size):
        yield slots[start : start + size]


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
