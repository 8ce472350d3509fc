"""Approximate nearest neighbours by partitions, scanned by 4-bit codes.

With n slots, d dimensions, p partitions and effort e:

    search   O(p * d) byte operations for the centroids, about e * n / p * d / 8 for the codes, and the vectors read:
             those whose estimates are within their error of the k-th, k + 16 + 2 e at most
    build    O(p * 48 * p * d) for the partitions, O(n * p * d) to assign, in parallel, the same for any threads
    grown    O(n * d) copied, O(new * p * d) assigned; built anew when the slots have doubled
    memory   d / 4 + 12 bytes a slot, twice that where each is in two partitions, 5 d a partition

A filter is looked at slot by slot; partitions beyond the effort follow while there are fewer than k hits.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import ClassVar, Final, Self

import numpy as np

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.arrays import anonymous_bytes, plain
from pergamum.index.base import Job, Neighbours, Route, Strategy
from pergamum.index.ivf import snapshot
from pergamum.index.ivf.assembly import Trained, assembled, joined, taken_out
from pergamum.index.ivf.build import coded, represented, spread_of, trained
from pergamum.index.ivf.faults import of_partitions
from pergamum.index.ivf.layout import (
    BLOCK,
    TABLE,
    WIDTH,
    Bytes,
    Floats,
    Longs,
    Partitions,
    Shape,
    head_of,
    opened,
    scale_of,
)
from pergamum.index.ivf.params import IvfParams
from pergamum.index.ivf.scratch import scratch
from pergamum.index.mask import SlotMask

OUTGROWN: Final = 2
"""So many times the slots that partitions were made for need new partitions."""
READ_AT_LEAST: Final = 16
READ_A_PARTITION: Final = 2
"""Vectors read beyond k at most: so many, and so many for each partition looked into."""
_EFFORTS: Final = (1, 2, 3, 4, 6, 9, 13, 20, 30, 45, 68, 100, 150, 225, 340, 500, 750, 1100, 1700, 2500, 4000)
_METRICS: Final = list(Metric)


@dataclass(frozen=True, slots=True, eq=False)
class IvfIndex:
    """A `BuiltIndex`. `made_for`: how many slots the partitions were made for; `shape`, `arena`: see layout.py."""

    kind: ClassVar[str] = "ivf"
    strategies: ClassVar[tuple[Strategy, ...]] = (Strategy.PARTITIONS,)

    dimension: int
    metric: Metric
    params: IvfParams
    count: int
    made_for: int
    shape: Shape
    arena: Bytes
    _head: Longs = field(init=False, repr=False)
    _scratches: list[tuple[int, Bytes]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_head", head_of(_METRICS.index(self.metric), self.shape))

    @classmethod
    def build(cls, vectors: Matrix, metric: Metric, live: SlotMask, params: IvfParams, job: Job) -> Self:
        """Return an index of all live rows of `vectors`. Raises `Cancelled`."""
        job.report(0.0)
        slots = np.flatnonzero(live.flags(len(vectors)))
        rows = vectors[slots] if len(slots) < len(vectors) else vectors
        scale = scale_of(rows, metric)
        x = represented(rows, metric, scale, None, job)
        made = _trained(x, params.chosen(len(slots), metric), metric, scale, job)
        job.report(0.6)
        kept = coded(x, slots, made, job)
        job.report(0.9)
        spread = spread_of(x, kept, made)
        shape, arena = assembled(vectors.shape[1], made, joined(kept), spread, len(vectors))
        job.report(1.0)
        return cls(vectors.shape[1], metric, params, len(vectors), len(slots), shape, arena)

    @classmethod
    def load(cls, folder: Path, *, checked: bool = False) -> Self:
        """Map what `save` wrote; unless every byte has been `checked`, compare them with their checksum.

        Raises `Damaged`, or `NewerFormat`.
        """
        return cls(*snapshot.read(folder, checked=checked))

    @property
    def partitions(self) -> Partitions:
        """The arrays, as views of the arena."""
        return opened(self.arena, self.shape)

    @property
    def memory_bytes(self) -> int:
        """Memory of centroids, points and codes, in bytes, anonymous or mapped."""
        return self.arena.nbytes

    @property
    def anonymous_bytes(self) -> int:
        """How many of them the process holds itself; the others are its file's, mapped."""
        return anonymous_bytes([self.arena])

    def efforts(self, strategy: Strategy, k: int) -> tuple[int, ...]:  # noqa: ARG002  # the contract's: there is one
        """Return numbers of partitions to look into; the last is all of them."""
        count = self.shape.partitions
        return (*(effort for effort in _EFFORTS if effort < count), count)

    def grown(self, vectors: Matrix, live: SlotMask, job: Job) -> Self:
        """Return an index over all rows of `vectors`; see `BuiltIndex.grown`."""
        alive = live.flags(len(vectors))
        if not self.made_for or np.count_nonzero(alive) > OUTGROWN * self.made_for:
            return type(self).build(vectors, self.metric, live, self.params, job)
        job.report(0.0)
        parts = self.partitions
        scale, spread, copies = parts.facts.tolist()
        made = Trained(self.metric, parts.middle, parts.centroids, parts.widths, parts.books, scale, int(copies))
        new = np.flatnonzero(alive[self.count :]) + self.count
        x = represented(vectors[new], self.metric, made.scale, made.middle, job)
        added = coded(x, new, made, job)
        job.report(0.5)
        kept = joined([taken_out(parts, alive), *added])
        shape, arena = assembled(self.dimension, made, kept, spread, len(vectors))
        job.report(1.0)
        return type(self)(self.dimension, self.metric, self.params, len(vectors), self.made_for, shape, arena)

    def search(self, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask, route: Route) -> Neighbours:
        """Return for each query near allowed slots; see `BuiltIndex.search`."""
        rows, shape, effort = len(queries), self.shape, max(route.effort, 1)
        wanted = min(k + READ_AT_LEAST + READ_A_PARTITION * effort, BLOCK * shape.blocks + k)
        distances, slots = np.empty((rows, k)), np.empty((rows, k), np.int64)
        own = self._borrow(wanted)
        scored, read = _compiled()(
            self.arena,
            self._head,
            min(effort, shape.partitions),
            wanted,
            own[1],
            plain(vectors),
            plain(queries),
            allowed.flat(),
            distances,
            slots,
        )
        self._scratches.append(own)
        return Neighbours(slots, distances, read, scored)

    def save(self, folder: Path) -> None:
        """Write the index into `folder`; see docs/formats/ivf-index.md."""
        saved = snapshot.Saved(
            self.dimension, self.metric, self.params, self.count, self.made_for, self.shape, self.arena
        )
        snapshot.write(folder, saved)

    def faults(self) -> Iterator[str]:
        """Yield what is wrong inside; see `BuiltIndex.faults`."""
        yield from of_partitions(self.partitions, self.count)

    def _borrow(self, wanted: int) -> tuple[int, Bytes]:
        """Return scratch that nobody else uses, and how much it suffices for; a list is taken from in one step."""
        try:
            own = self._scratches.pop()
        except IndexError:
            own = None
        return own if own is not None and own[0] >= wanted else (wanted, scratch(self.shape, wanted))


def _trained(x: Floats, count: int, metric: Metric, scale: float, job: Job) -> Trained:
    """Return partitions made of the rows of `x`, or one for vectors to come."""
    if len(x):
        return trained(x, count, metric, scale, job)
    middle = np.zeros(x.shape[1], np.float32)
    books = np.zeros((len(middle) // WIDTH, WIDTH, TABLE), np.float32)
    return Trained(metric, middle, middle[None], middle[:1], books, scale, 1)


@cache
def _compiled() -> Callable[..., tuple[int, int]]:
    """Return the kernel. An import statement in each search would cost as much as a hundred comparisons.

    REQUIRES: the kernels are loaded, or numba would be imported here.
    """
    from pergamum.index.ivf import kernels  # noqa: PLC0415

    return kernels.search
