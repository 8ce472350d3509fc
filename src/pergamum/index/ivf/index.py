"""Approximate nearest neighbours by partitions, scanned by 4-bit codes.

With n slots, d dimensions, p partitions and effort e:

    search   O(p * d) for the centroids, about e * n / p * d / 8 byte operations, k + 16 + 2 e vectors read
    build    O(p * 48 * p * d) for the partitions, O(n * p * d) to assign, in parallel, the same for any threads
    grown    O(n * d) copied, O(new * p * d) assigned; built anew when the slots have doubled
    memory   d / 4 bytes and 4 a slot, 4 d a partition, and under l2 32 d more

A filter is looked at slot by slot; partitions beyond the effort follow while there are fewer than k hits.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import ClassVar, Final, NamedTuple, Self

import numpy as np

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.arrays import readonly
from pergamum.index.base import Job, Neighbours, Route, Strategy
from pergamum.index.hnsw.graph import room_for
from pergamum.index.ivf import snapshot
from pergamum.index.ivf.build import Trained, codes_for, halves_of, labels_of, spread_of, trained
from pergamum.index.ivf.fastscan import BLOCK, TABLE
from pergamum.index.ivf.faults import of_partitions
from pergamum.index.ivf.layout import (
    READ,
    SCORED,
    WIDTH,
    Aim,
    Bytes,
    Longs,
    Partitions,
    Scratch,
    codes_of,
    gathered,
    represented,
    room_of,
    scale_of,
    scratch,
    shifts_of,
    unpacked,
)
from pergamum.index.ivf.params import IvfParams
from pergamum.index.mask import Flags, SlotMask

OUTGROWN: Final = 2
"""So many times the slots that partitions were made for need new partitions."""
READ_AT_LEAST: Final = 16
READ_A_PARTITION: Final = 2
"""Vectors read beyond k: so many, and so many for each partition looked into."""
_EFFORTS: Final = (1, 2, 3, 4, 6, 9, 13, 20, 30, 45, 68, 100, 150, 225, 340, 500, 750, 1100, 1700, 2500, 4000)
_METRICS: Final = list(Metric)


@dataclass(frozen=True, slots=True, eq=False)
class IvfIndex:
    """A `BuiltIndex`. `made_for`: how many slots the partitions were made for; `scale`, `spread`: see `layout.Aim`."""

    kind: ClassVar[str] = "ivf"
    strategies: ClassVar[tuple[Strategy, ...]] = (Strategy.PARTITIONS,)

    dimension: int
    metric: Metric
    params: IvfParams
    count: int
    made_for: int
    scale: float
    spread: float
    partitions: Partitions
    _scratches: list[Scratch] = field(default_factory=list, repr=False)

    @classmethod
    def build(cls, vectors: Matrix, metric: Metric, live: SlotMask, params: IvfParams, job: Job) -> Self:
        """Return an index of all live rows of `vectors`. Raises `Cancelled`."""
        job.report(0.0)
        slots = np.flatnonzero(live.flags(len(vectors)))
        scale = scale_of(vectors[slots], metric)
        x = represented(vectors[slots], metric, scale)
        if not len(slots):
            made = Trained(
                np.zeros((1, x.shape[1]), np.float32), np.zeros((codes_of(vectors.shape[1]), TABLE, WIDTH), np.float32)
            )
        else:
            made = trained(x, params.chosen(len(slots)), job)
        job.report(0.6)
        labels = labels_of(x, made.centroids, job)
        job.report(0.8)
        codes = codes_for(x, labels, made, job)
        partitions, spread = _assembled(made, metric, slots, labels, codes), spread_of(x, labels, codes, made)
        job.report(1.0)
        return cls(vectors.shape[1], metric, params, len(vectors), len(slots), scale, spread, partitions)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Map what `save` wrote. Raises `Damaged`, or `NewerFormat`."""
        return cls(*snapshot.read(folder))

    @property
    def memory_bytes(self) -> int:
        """Memory of centroids, points and codes, in bytes, anonymous or mapped."""
        return sum(part.nbytes for part in self.partitions)

    def efforts(self, strategy: Strategy, k: int) -> tuple[int, ...]:  # noqa: ARG002  # the contract's: there is one
        """Return numbers of partitions to look into; the last is all of them."""
        count = len(self.partitions.halves)
        return (*(effort for effort in _EFFORTS if effort < count), count)

    def grown(self, vectors: Matrix, live: SlotMask, job: Job) -> Self:
        """Return an index over all rows of `vectors`; see `BuiltIndex.grown`."""
        alive = live.flags(len(vectors))
        if not self.made_for or np.count_nonzero(alive) > OUTGROWN * self.made_for:
            return type(self).build(vectors, self.metric, live, self.params, job)
        job.report(0.0)
        made = Trained(np.ascontiguousarray(self.partitions.centroids.T), self.partitions.books)
        kept, labels, codes = self._kept(alive)
        new = np.flatnonzero(alive[self.count :]) + self.count
        x = represented(vectors[new], self.metric, self.scale)
        new_labels = labels_of(x, made.centroids, job)
        job.report(0.5)
        new_codes = codes_for(x, new_labels, made, job)
        slots, labels = np.concatenate([kept, new]), np.concatenate([labels, new_labels])
        partitions = _assembled(made, self.metric, slots, labels, np.concatenate([codes, new_codes]))
        job.report(1.0)
        return type(self)(
            self.dimension, self.metric, self.params, len(vectors), self.made_for, self.scale, self.spread, partitions
        )

    def search(self, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask, route: Route) -> Neighbours:
        """Return for each query near allowed slots; see `BuiltIndex.search`."""
        raw = readonly(np.ascontiguousarray(queries, dtype=np.float32))
        found = room_for(len(raw), k)
        effort = max(1, min(route.effort, len(self.partitions.halves)))
        wanted = min(k + READ_AT_LEAST + READ_A_PARTITION * max(route.effort, 1), len(self.partitions.slots) + k)
        metric = _METRICS.index(self.metric)
        spread = self.spread if effort < len(self.partitions.halves) else np.inf  # trying hardest, all are read
        aim = Aim(metric, 2.0 if self.metric is Metric.L2 else 1.0, effort, wanted, self.scale, spread)
        own, compiled, rows = self._borrow(wanted), _compiled(), readonly(np.asarray(vectors))
        compiled.search(compiled.body(), self.partitions, aim, rows, raw, allowed.flat(), own, found)
        scored, read = int(own.state[SCORED]), int(own.state[READ])
        self._scratches.append(own)
        return Neighbours(found.slots, found.distances, read, scored)

    def save(self, folder: Path) -> None:
        """Write the index into `folder`; see docs/formats/ivf-index.md."""
        snapshot.write(
            folder,
            snapshot.Saved(
                self.dimension,
                self.metric,
                self.params,
                self.count,
                self.made_for,
                self.scale,
                self.spread,
                self.partitions,
            ),
        )

    def faults(self) -> Iterator[str]:
        """Yield what is wrong inside; see `BuiltIndex.faults`."""
        yield from of_partitions(self.partitions, self.count)

    def _kept(self, alive: Flags) -> tuple[Longs, Longs, Bytes]:
        """Return slots, ascending, labels and codes of what is still live."""
        partitions = self.partitions
        places = np.flatnonzero(partitions.slots >= 0)
        places = places[alive[partitions.slots[places]]]
        places = places[np.argsort(partitions.slots[places])]
        labels = np.searchsorted(partitions.first, places // BLOCK, side="right") - 1
        codes = unpacked(partitions.codes, len(partitions.books))[places]
        return partitions.slots[places].astype(np.int64), labels.astype(np.int64), codes

    def _borrow(self, wanted: int) -> Scratch:
        """Return scratch that nobody else uses; taking from and adding to a list is atomic."""
        try:
            own = self._scratches.pop()
        except IndexError:
            own = None
        if own is not None and len(own.scores) >= room_of(wanted):
            return own
        return scratch(self.partitions, wanted)


class _Compiled(NamedTuple):
    """The kernels of a search. An import statement in each search would cost as much as a hundred comparisons."""

    body: Callable[[], int]
    search: Callable[..., None]


@cache
def _compiled() -> _Compiled:
    """Return the kernels. REQUIRES: they are loaded, or numba would be imported here."""
    from pergamum.index.ivf import kernels  # noqa: PLC0415

    return _Compiled(lambda: kernels.BODY, kernels.search)


def _assembled(made: Trained, metric: Metric, slots: Longs, labels: Longs, codes: Bytes) -> Partitions:
    packed, kept, first = gathered(slots, labels, codes, len(made.centroids))
    centroids = np.ascontiguousarray(made.centroids.T)
    shifts = shifts_of(centroids, made.books, metric)
    halves = halves_of(made.centroids)
    return Partitions(
        readonly(centroids),
        halves,
        readonly(made.books),
        readonly(shifts),
        readonly(packed),
        readonly(kept),
        readonly(first),
    )
