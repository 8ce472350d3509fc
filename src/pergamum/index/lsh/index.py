"""Approximate nearest neighbours by hashing: near vectors share a bucket in some table, or have neighbouring ones.

With n slots, d dimensions (D once padded), T tables of 2^b buckets, R rotations, and for a query p buckets looked into
that hold c slots, of which v are verified:

    search    O(R * D log D + p log p + c * D / 8 + v * d) time; O(n) memory a thread, kept between searches
    build     O(n * R * D log D) time, shared by threads; O(n * T) memory
    grown     O(new * R * D log D + n * T), or a build when the number has doubled
    memory    4 T + D / 8 + 16 bytes a slot and 4 T 2^b in all

The worst case is c = n: all equal, or p all buckets. What is not near enough to be a candidate is missed, and so, now
and then, is what a sketch makes look farther than it is: that is what the recall curve measures.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.arrays import anonymous_bytes
from pergamum.index.base import Job, Neighbours, Route, Strategy
from pergamum.index.lsh import build, layout, snapshot
from pergamum.index.lsh.layout import CROSS_POLYTOPE, Found, Hashes, Tables
from pergamum.index.lsh.params import LshParams
from pergamum.index.lsh.scratch import borrowed
from pergamum.index.mask import SlotMask

_STEPS = 12
_FACTOR = 1.6


@dataclass(frozen=True, slots=True, eq=False)
class LshIndex:
    """A `BuiltIndex` over `count` slots. Invariant: each slot live when it was made is once in every table.

    `params` is what was asked for; `origin` is the number of live slots for which the rest was chosen.
    """

    kind: ClassVar[str] = "lsh"
    strategies: ClassVar[tuple[Strategy, ...]] = (Strategy.TABLES,)

    dimension: int
    metric: Metric
    count: int
    origin: int
    params: LshParams
    hashes: Hashes
    tables: Tables

    @classmethod
    def build(cls, vectors: Matrix, metric: Metric, live: SlotMask, params: LshParams, job: Job) -> Self:
        """Return an index of the live rows of `vectors`, the same for any number of threads. Raises `Cancelled`.

        REQUIRES: the kernels are loaded.
        """
        job.report(0.0)
        rows = build.live_rows(live, 0, len(vectors))
        tables, bits = params.chosen(len(rows))
        hashes = build.make_hashes(vectors, rows, metric, (tables, bits), params.seed)
        made = build.make_tables(build.hash_all(vectors, rows, hashes, 0, job), 1 << bits, job)
        return cls(vectors.shape[1], metric, len(vectors), len(rows), params, hashes, made)

    @classmethod
    def load(cls, folder: Path, *, checked: bool = False) -> Self:
        """Map what `save` wrote; unless every byte has been `checked`, compare them with their checksum.

        Raises `Damaged`, or `NewerFormat`.
        """
        stored = snapshot.read(folder, checked=checked)
        fields = (stored.dimension, stored.metric, stored.count, stored.origin, stored.params)
        return cls(*fields, stored.hashes, stored.tables)

    @property
    def memory_bytes(self) -> int:
        """Bytes of its arrays, anonymous or mapped."""
        return sum(array.nbytes for array in self._arrays())

    @property
    def anonymous_bytes(self) -> int:
        """How many of them the process holds itself; the others are its file's, mapped."""
        return anonymous_bytes(self._arrays())

    def _arrays(self) -> tuple[npt.NDArray[np.generic], ...]:
        return (self.hashes.signs, self.hashes.cells, self.tables.starts, self.tables.slots, self.tables.factors)

    @property
    def buckets(self) -> int:
        """How many buckets all tables have together: an effort that leaves nothing out."""
        tables, bounds = self.tables.starts.shape
        return int(tables * (bounds - 1))

    def efforts(self, strategy: Strategy, k: int) -> tuple[int, ...]:  # noqa: ARG002  # there is one
        """Return numbers of buckets, ascending, each 1.6 times the one before; more for more hits.

        Cells of p-stable functions hold more of a neighbourhood than corners do: fewer buckets are worth a try there.
        """
        least = (4 if self.hashes.family == CROSS_POLYTOPE else 1) * len(self.tables.starts)
        first = least * max(1.0, (k / 10) ** 0.5)
        ladder = {min(self.buckets, int(first * _FACTOR**step)) for step in range(_STEPS)}
        return tuple(sorted(ladder))

    def search(self, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask, route: Route) -> Neighbours:
        """Return for each query k near allowed slots; see `BuiltIndex.search`. An effort of all buckets is exact."""
        from pergamum.index.lsh import kernels  # noqa: PLC0415  # numba: loaded before anything is built

        found = _nothing(len(queries), k)
        if k and len(queries) and self.count:
            effort = max(1, min(route.effort, self.buckets))
            scratch = borrowed(self.hashes, self.tables, effort, k).fresh(len(queries))
            rows = layout.readonly(np.ascontiguousarray(queries, dtype=np.float32))
            matrix, flags = layout.readonly(vectors), allowed.flat()
            kernels.search(rows, matrix, flags, effort, self.hashes, self.tables, scratch, found)
        verified, scored, rescanned = found.counts.tolist()
        return Neighbours(found.slots, found.distances, verified, scored, rescanned)

    def grown(self, vectors: Matrix, live: SlotMask, job: Job) -> Self:
        """Return an index over all of `vectors`; see `BuiltIndex.grown`.

        Only new rows are hashed, unless the live ones are twice as many as the tables were chosen for, or a vector is
        longer than the points are scaled for. REQUIRES: the kernels are loaded.
        """
        job.report(0.0)
        new = build.live_rows(live, self.count, len(vectors))
        scaled = self.metric is Metric.COSINE or build.largest_norm(vectors, new) <= self.hashes.scale
        if not scaled or live.allowed(len(vectors)) >= 2 * max(1, self.origin):
            return type(self).build(vectors, self.metric, live, self.params, job)
        hashed = build.hash_all(vectors, new, self.hashes, self.count, job)
        tail = build.make_tables(hashed, self.tables.starts.shape[1] - 1, job)
        return replace(self, count=len(vectors), tables=build.merged(self.tables, tail, live, job))

    def save(self, folder: Path) -> None:
        """Write the index into `folder`; see docs/formats/lsh-index.md."""
        fields = (self.dimension, self.metric, self.count, self.origin, self.params, self.hashes, self.tables)
        snapshot.write(folder, snapshot.Stored(*fields))

    def faults(self) -> Iterator[str]:
        """Yield what is wrong: every table must hold the same slots, once, ascending within a bucket."""
        yield from layout.broken(self.tables)
        first = np.sort(self.tables.slots[0])
        if (np.diff(first) <= 0).any():
            yield "table 0: a slot appears twice"
        for number, (starts, slots) in enumerate(zip(self.tables.starts, self.tables.slots, strict=True)):
            if not np.array_equal(np.sort(slots), first):
                yield f"table {number}: does not hold the slots of table 0"
            falls = 1 + np.flatnonzero(np.diff(slots) <= 0)
            if not np.isin(falls, starts).all():
                yield f"table {number}: the slots of a bucket are not in ascending order"
        if not np.isfinite(self.tables.factors[:, : layout.FACTORS]).all():
            yield "a sketch is not a number"


def _nothing(queries: int, k: int) -> Found:
    """Return the results before anything was found."""
    return Found(np.full((queries, k), np.inf), np.full((queries, k), -1, np.int64), np.zeros(3, dtype=np.int64))
