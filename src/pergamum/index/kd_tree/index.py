"""Exact nearest neighbours in few dimensions: a kd-tree whose leaves and boxes are bounded by vector instructions.

With n live slots, d dimensions, leaves of s points, and queries whose neighbours fill l leaves (few in 3 dimensions,
hundreds in 8, nearly all of them in 20 and more):

    build     O(n * d * log n) expected time, O(n * d) memory beside the result
    search    O(l * (s * d + log n)) time a query, n * d at worst; O(n / s) memory reserved, little of it touched
    insert    none: new vectors are searched beside the tree until the next build. Deleted slots are passed over
    save      O(n * d); load the same, for the checksum; the arrays stay mapped
    memory    4 * d + 8 bytes a slot, and 8 * d / s a slot for the boxes
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from pergamum.domain.vectors import Matrix, Metric
from pergamum.errors import InvalidField
from pergamum.index.arrays import anonymous_bytes
from pergamum.index.base import Job, Neighbours, Route, Strategy
from pergamum.index.kd_tree import snapshot
from pergamum.index.kd_tree.build import tree_of
from pergamum.index.kd_tree.faults import faults
from pergamum.index.kd_tree.params import KdTreeParams
from pergamum.index.kd_tree.tree import Slots, Tree, unit
from pergamum.index.mask import SlotMask

_NUMBERS = {metric: number for number, metric in enumerate(Metric)}


def check_metric(metric: Metric) -> None:
    """Refuse dot, whose neighbours lie in a direction and not in a box. Raises `InvalidField`."""
    if metric is Metric.DOT:
        reason = (
            "kd_tree serves the metrics l2 and cosine, not dot; use hnsw, or brute_force for exact answers, or auto, "
            "or make the library with cosine if its vectors have length 1"
        )
        raise InvalidField("index.kind", reason)


@dataclass(frozen=True, slots=True, eq=False)
class KdTreeIndex:
    """An exact `BuiltIndex`. Invariant: `tree` holds each slot that was live when it was made, once."""

    kind: ClassVar[str] = "kd_tree"
    strategies: ClassVar[tuple[Strategy, ...]] = (Strategy.TREE,)

    dimension: int
    metric: Metric
    count: int
    params: KdTreeParams
    tree: Tree

    @classmethod
    def build(cls, vectors: Matrix, metric: Metric, live: SlotMask, params: KdTreeParams, job: Job) -> Self:
        """Return an index over the rows of `vectors` (n, d), without those that are not live.

        The same for any number of threads. Raises `InvalidField`, or `Cancelled`. REQUIRES: the kernels are loaded.
        """
        check_metric(metric)
        slots = _live_slots(len(vectors), live)
        points = np.ascontiguousarray(vectors[slots], dtype=np.float32)
        tree = tree_of(unit(points) if metric is Metric.COSINE else points, slots, params.leaf_size, job)
        return cls(vectors.shape[1], metric, len(vectors), params, tree)

    @classmethod
    def load(cls, folder: Path, *, checked: bool = False) -> Self:
        """Map what `save` wrote; unless every byte has been `checked`, compare them with their checksum.

        Raises `Damaged`, or `NewerFormat`.
        """
        header, tree = snapshot.read(folder, checked=checked)
        return cls(header.dimension, header.metric, header.count, KdTreeParams(header.leaf_size), tree)

    @property
    def memory_bytes(self) -> int:
        """Memory of the tree's arrays, in bytes, anonymous or mapped."""
        return sum(part.nbytes for part in self.tree)

    @property
    def anonymous_bytes(self) -> int:
        """How many of them the process holds itself; the others are its file's, mapped."""
        return anonymous_bytes(self.tree)

    def efforts(self, strategy: Strategy, k: int) -> tuple[int, ...]:  # noqa: ARG002  # the contract's: all are exact
        """Return the one effort there is: the answer is exact."""
        return (0,)

    def search(
        self,
        queries: Matrix,
        k: int,
        vectors: Matrix,
        allowed: SlotMask,
        route: Route,  # noqa: ARG002  # the contract's: there is one way to go
    ) -> Neighbours:
        """Return for each query the k nearest allowed slots; see `BuiltIndex.search`."""
        from pergamum.index.kd_tree import kernels  # noqa: PLC0415  # numba: the caller has loaded them

        queries = np.ascontiguousarray(queries, dtype=np.float32)
        slots, distances = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
        wanted = min(k, len(self.tree.slots))
        if not wanted:
            slots[:], distances[:] = -1, np.inf
            return Neighbours(slots, distances)
        metric, vectors, flags = _NUMBERS[self.metric], np.asarray(vectors), allowed.flat()
        verified, scored = kernels.search(self.tree, metric, queries, wanted, vectors, flags, distances, slots)
        return Neighbours(slots, distances, verified, scored)

    def grown(self, vectors: Matrix, live: SlotMask, job: Job) -> Self:
        """Return an index over all rows of `vectors`, built anew; see `BuiltIndex.grown`."""
        return type(self).build(vectors, self.metric, live, self.params, job)

    def save(self, folder: Path) -> None:
        """Write the index into `folder`; see docs/formats/kd-tree-index.md."""
        header = snapshot.Header(self.dimension, self.metric, self.count, self.params.leaf_size, len(self.tree.slots))
        snapshot.write(folder, header, self.tree)

    def faults(self) -> Iterator[str]:
        """Yield what is wrong inside; see `BuiltIndex.faults`. O(n * d)."""
        yield from faults(self.tree, self.count)


def _live_slots(count: int, live: SlotMask) -> Slots:
    """Return the live ones of the slots [0, count), ascending."""
    flags = np.ones(count, dtype=np.bool_)
    known = live.flat()[:count]
    flags[: len(known)] = known
    return np.flatnonzero(flags).astype(np.int64, copy=False)
