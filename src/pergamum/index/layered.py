"""What a library searches: an index built in the background, and a scan of what it does not cover.

    slots       0 ............ built.count ............ count
    built       [ graph, tree or tables )
    tail                       [ 8-bit codes, scanned   )

A graph keeps codes of its slots and can scan them itself; beside a tree or tables the tail keeps codes from slot 0, so
that every exact scan has something to scan. Without a built index the tail is all there is.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index import kernel_cache
from pergamum.index.base import SCAN, BuiltIndex, Neighbours, Route, Strategy
from pergamum.index.brute_force import fallback
from pergamum.index.brute_force.index import BruteForceIndex
from pergamum.index.mask import SlotMask

_ENCODED_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class LayeredIndex:
    """All slots [0, count) of a library. Immutable; searches and `extended` may overlap.

    Invariant: tail.first is built.count where `built` can scan, else 0.
    """

    tail: BruteForceIndex
    built: BuiltIndex | None = None

    @classmethod
    def empty(cls, dimension: int, metric: Metric) -> Self:
        """Return the index of no vectors."""
        return cls(BruteForceIndex.empty(dimension, metric))

    @property
    def count(self) -> int:
        """How many slots it covers, live or not."""
        return self.tail.count

    @property
    def built_count(self) -> int:
        """How many of them the built index covers."""
        return 0 if self.built is None else self.built.count

    @property
    def kind(self) -> str:
        """The kind that answers searches."""
        return "brute_force" if self.built is None else self.built.kind

    @property
    def memory_bytes(self) -> int:
        """Memory of both parts, in bytes."""
        return self.tail.memory_bytes + (0 if self.built is None else self.built.memory_bytes)

    @property
    def anonymous_bytes(self) -> int:
        """How many of them the process holds itself; the others are files, mapped."""
        return self.tail.anonymous_bytes + (0 if self.built is None else self.built.anonymous_bytes)

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        """How it can be searched; a scan always can."""
        built = () if self.built is None else self.built.strategies
        return (Strategy.SCAN, *(strategy for strategy in built if strategy is not Strategy.SCAN))

    def extended(self, vectors: Matrix) -> Self:
        """Return an index that covers `vectors` too; see `GrowingIndex.extended`."""
        return replace(self, tail=self.tail.extended(vectors))

    def with_built(self, built: BuiltIndex | None, vectors: Matrix) -> Self:
        """Return the same slots with another built index. O(slots whose codes the tail needs and lacks).

        `vectors` is the library's matrix. REQUIRES: `built` covers no slot beyond `count`.
        """
        first = 0 if built is None or Strategy.SCAN not in built.strategies else built.count
        tail = self.tail
        if first != tail.first:
            tail = BruteForceIndex.empty(tail.dimension, tail.metric, first)
            for start in range(first, self.count, _ENCODED_AT_ONCE):
                tail = tail.extended(vectors[start : min(start + _ENCODED_AT_ONCE, self.count)])
        return replace(self, tail=tail, built=built)

    def search(self, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask, route: Route = SCAN) -> Neighbours:
        """Return for each query at most `k` allowed slots, nearest first, ties by slot: the true ones if route.exact.

        A strategy that the built index does not have, as a route of another kind, means a scan. Until the kernels are
        loaded every route is an exact scan by NumPy; if they come meanwhile, they answer.
        """
        built = self.built
        if built is not None and route.strategy not in built.strategies:
            route = SCAN
        if built is None or route.strategy not in self._routed(built):
            return self.tail.search(queries, k, vectors, allowed)
        if not kernel_cache.ready():
            found = fallback.before_kernels(self.tail.metric, queries, k, vectors[: self.count], allowed)
            if found is not None:
                return found
        near = built.search(queries, k, vectors, allowed, route)
        if built.count == self.count:
            return near
        return merged(near, self.tail.search(queries, k, vectors, allowed, built.count), k)

    def in_files(self, tail: BruteForceIndex | None, built: BuiltIndex | None) -> Self:
        """Return the same index with what `save` wrote, opened again, in place of what is held in memory.

        None stands for what was not saved. REQUIRES: `built` equals this one's, `tail` this one's codes as
        far as it goes.
        """
        return replace(
            self,
            tail=self.tail if tail is None else self.tail.with_blocks_of(tail),
            built=self.built if built is None else built,
        )

    def save(self, folder: Path) -> None:
        """Write into `folder` what opening would take long to make again; what is left is the tail beyond `built`."""
        if self.tail.first == 0:
            self.tail.save(folder)
        if self.built is not None:
            self.built.save(folder)

    def _routed(self, built: BuiltIndex) -> tuple[Strategy, ...]:
        """Return the strategies that involve the built index: a tail from slot 0 scans all by itself."""
        return built.strategies if self.tail.first else tuple(s for s in built.strategies if s is not Strategy.SCAN)


def merged(left: Neighbours, right: Neighbours, k: int) -> Neighbours:
    """Return the k nearest of two answers over different slots. O(m * k log k)."""
    slots = np.concatenate([left.slots, right.slots], axis=1)
    distances = np.concatenate([left.distances, right.distances], axis=1)
    missing = slots < 0
    order = np.lexsort((np.where(missing, np.iinfo(np.int64).max, slots), distances), axis=1)[:, :k]
    return Neighbours(
        np.take_along_axis(slots, order, axis=1),
        np.take_along_axis(distances, order, axis=1),
        left.verified + right.verified,
        left.scored + right.scored,
        left.rescanned + right.rescanned,
    )
