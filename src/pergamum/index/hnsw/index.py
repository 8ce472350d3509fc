"""Approximate nearest neighbours by a hierarchical navigable small-world graph over 8-bit codes.

With n slots, d dimensions, degree m and effort e:

    search   wide: some e visits, each a code of d bytes and the short codes of 2 m links; compact: about e * m codes of
             d bytes; k to k + 16 vectors read. n enters by the upper layers of the compact one, O(log n), and by the
             effort that a recall takes, which grows slowly (docs/benchmarks/growth.md has the exponent)
    build    O(n * ef_construction * m * d), in parallel, the same graph for any number of threads
    grown    O(n) copied, O(new * ef_construction * m * d) inserted; O(dead * m^2 * d) to mend gaps
    memory   d rounded up to 64, plus 16 and 8 m bytes a slot, and 4 m / (m - 1) for the layers above; the wide layout
             takes 24 m more, and m d / 2 for short codes up to 512 dimensions, m d / 4 beyond

Slots that died stay in the graph as stepping stones and are left out of results, until a `grown` finds more than
MEND_SHARE of them: then they are taken out and the gaps are closed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import ClassVar, Final, NamedTuple, Self

import numpy as np

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.arrays import anonymous_bytes, as_kernel_input, plain
from pergamum.index.base import Job, Neighbours, Route, Strategy, padded
from pergamum.index.brute_force.work import READ, Work
from pergamum.index.code_rows import CodeRows, empty_rows, extended_rows, frozen_rows
from pergamum.index.hnsw import faults, snapshot
from pergamum.index.hnsw.build import Builder
from pergamum.index.hnsw.desk import Desks
from pergamum.index.hnsw.graph import (
    ABSENT,
    Graph,
    Plan,
    empty_graph,
    frozen,
    levels_of,
    widened,
)
from pergamum.index.hnsw.params import HnswParams, Layout
from pergamum.index.hnsw.wide import Wide, none
from pergamum.index.hnsw.wide_build import Widening
from pergamum.index.mask import SlotMask
from pergamum.index.quantize import TERMS, QueryCodes

MEND_SHARE: Final = 0.1
"""Share of dead slots in the graph above which growing takes them out."""
MOST_EFFORT: Final = 4000
_EFFORTS: Final = (10, 16, 24, 36, 54, 80, 120, 180, 270, 400, 600, 900, 1350, 2000, 3000, MOST_EFFORT)
_METRICS: Final = list(Metric)
_SCAN, _FILTERED = Strategy.SCAN, Strategy.FILTERED_GRAPH  # looking them up would be a twentieth of a search


@dataclass(frozen=True, slots=True, eq=False)
class HnswIndex:
    """A `BuiltIndex` over the slots [0, count). `entry` is the slot searches enter by, -1 in an empty graph."""

    kind: ClassVar[str] = "hnsw"
    strategies: ClassVar[tuple[Strategy, ...]] = (Strategy.GRAPH, Strategy.FILTERED_GRAPH, Strategy.SCAN)

    dimension: int
    metric: Metric
    params: HnswParams
    rows: CodeRows
    graph: Graph
    entry: int
    wide: Wide
    _desks: Desks = field(init=False, repr=False)
    _number: int = field(init=False, repr=False)
    _top: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Keep what every search would have to look up."""
        object.__setattr__(self, "_desks", Desks(self.dimension, self.rows, self.graph, self.wide))
        object.__setattr__(self, "_number", _METRICS.index(self.metric))
        object.__setattr__(self, "_top", int(self.graph.levels[self.entry]) if 0 <= self.entry < self.count else 0)

    @classmethod
    def build(cls, vectors: Matrix, metric: Metric, live: SlotMask, params: HnswParams, job: Job) -> Self:
        """Return an index of all live rows of `vectors`. Raises `Cancelled`."""
        dimension = vectors.shape[1]
        rows, graph = frozen_rows(empty_rows(0, dimension)), frozen(empty_graph(np.empty(0, np.uint8), params.m))
        nothing = cls(dimension, metric, params, rows, graph, -1, none(dimension, 2 * params.m))
        return nothing.grown(vectors, live, job)

    @classmethod
    def load(cls, folder: Path, *, checked: bool = False) -> Self:
        """Map what `save` wrote; unless every byte has been `checked`, compare them with their checksum.

        Raises `Damaged`, or `NewerFormat`.
        """
        return cls(*snapshot.read(folder, checked=checked))

    @property
    def count(self) -> int:
        """How many slots it covers, live or not."""
        return len(self.rows.codes)

    @property
    def memory_bytes(self) -> int:
        """Memory of codes, links and blocks, in bytes, anonymous or mapped."""
        return sum(part.nbytes for part in (*self.rows, *self.graph, *self.wide))

    @property
    def anonymous_bytes(self) -> int:
        """How many of them the process holds itself; the others are its file's, mapped."""
        return anonymous_bytes((*self.rows, *self.graph, *self.wide))

    def efforts(self, strategy: Strategy, k: int) -> tuple[int, ...]:
        """Return efforts worth measuring for k hits; a scan has none."""
        if strategy is Strategy.SCAN:
            return (0,)
        return tuple(effort for effort in _EFFORTS if effort >= k) or (k,)

    def grown(self, vectors: Matrix, live: SlotMask, job: Job) -> Self:
        """Return an index over all rows of `vectors`; see `BuiltIndex.grown`."""
        job.report(0.0)
        rows = extended_rows(self.rows, vectors, self.metric)
        new = range(self.count, len(vectors))
        alive = live.flags(len(vectors))
        levels = np.concatenate([self.graph.levels, levels_of(new, self.params.m)])
        levels[new.start :][~alive[new.start :]] = ABSENT
        builder = Builder(frozen_rows(rows), widened(self.graph, levels), self.params, job, self.entry)
        present = self.graph.levels != ABSENT
        if np.count_nonzero(present & ~alive[: self.count]) > MEND_SHARE * np.count_nonzero(present):
            builder.mend(alive, self.count)
        builder.insert(np.flatnonzero(alive[new.start :]) + new.start, (0.1, 0.8))
        builder.connect()
        done, graph = frozen_rows(rows), frozen(builder.graph)
        wide = none(self.dimension, 2 * self.params.m)
        if self.params.layout is Layout.WIDE:
            wide = Widening(self.metric, done, graph, builder.entry, job).made(vectors)
        job.report(1.0)
        return replace(self, rows=done, graph=graph, entry=builder.entry, wide=wide)

    def search(self, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask, route: Route) -> Neighbours:
        """Return for each query near allowed slots; see `BuiltIndex.search`."""
        raw, rows = plain(queries), plain(vectors)
        if route.strategy is _SCAN or self.entry < 0:
            return self._scan(raw, k, rows, allowed)
        return self._walk(raw, k, rows, allowed, route)

    def save(self, folder: Path) -> None:
        """Write the index into `folder`; see docs/formats/hnsw-index.md."""
        saved = snapshot.Saved(self.dimension, self.metric, self.params, self.rows, self.graph, self.entry, self.wide)
        snapshot.write(folder, saved)

    def faults(self) -> Iterator[str]:
        """Yield what is wrong inside; see `BuiltIndex.faults`."""
        yield from faults.of_graph(self.graph, self.entry, self.count)
        yield from faults.of_blocks(self.wide, self.graph, self.dimension)

    def _walk(self, raw: Matrix, k: int, vectors: Matrix, allowed: SlotMask, route: Route) -> Neighbours:
        flags, compiled = allowed.flat(), _compiled()
        share = allowed.allowed(self.count) / self.count if len(flags) else 1.0
        effort, filtered = max(route.effort, k), int(route.strategy is _FILTERED)
        plan = Plan(self._number, self.entry, self._top, effort, filtered, share)
        distances, slots = np.empty((len(raw), k)), np.empty((len(raw), k), np.int64)
        desk = self._desks.take(effort)
        read, scored, doubts = compiled.search(
            compiled.bodies(), self._desks.table, desk.table, plan, vectors, raw, flags, distances, slots
        )
        self._desks.give_back(desk)
        near = Neighbours(slots, distances, read, scored)
        return self._rescanned(near, raw, vectors, allowed) if doubts else near

    def _rescanned(self, found: Neighbours, raw: Matrix, vectors: Matrix, allowed: SlotMask) -> Neighbours:
        """Return `found` with the doubtful queries answered by a scan."""
        doubtful = np.isnan(found.distances[:, 0])
        exact = self._scan(raw[doubtful], found.slots.shape[1], vectors, allowed)
        found.slots[doubtful], found.distances[doubtful] = exact.slots, exact.distances
        return found._replace(
            verified=found.verified + exact.verified,
            scored=found.scored + exact.scored,
            rescanned=int(doubtful.sum()),
        )

    def _scan(self, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask) -> Neighbours:
        raw, vectors = as_kernel_input(queries), as_kernel_input(vectors)
        compiled, metric, flags = _compiled(), _METRICS.index(self.metric), allowed.flat()
        digits = np.zeros((len(raw), 2, self.rows.codes.shape[1]), dtype=np.int8)
        codes = QueryCodes(raw, digits, np.empty((len(raw), TERMS)))
        compiled.encode_queries(raw, self.metric is Metric.COSINE, digits, codes.terms)
        work = Work.begin(len(raw), min(k, max(self.count, 1)))
        slots = np.empty(compiled.group, dtype=np.uint32)
        compiled.scan_rows(compiled.bodies()[0], self.rows, flags, metric, vectors, codes, slots, work)
        compiled.finish(metric, vectors, codes, work)
        scored = allowed.allowed(self.count) * len(raw)
        return padded(Neighbours(work.slots, work.distances, int(work.sizes[:, READ].sum()), scored), k)


class _Compiled(NamedTuple):
    """The kernels of a search. An import statement in each search would cost as much as a hundred comparisons."""

    bodies: Callable[[], tuple[int, int]]
    encode_queries: Callable[..., None]
    search: Callable[..., tuple[int, int, int]]
    scan_rows: Callable[..., None]
    finish: Callable[..., None]
    group: int


@cache
def _compiled() -> _Compiled:
    """Return the kernels. REQUIRES: they are loaded, or numba would be imported here."""
    from pergamum.index.brute_force import kernels as scan  # noqa: PLC0415
    from pergamum.index.hnsw import wide_kernels as wide  # noqa: PLC0415
    from pergamum.index.hnsw.search_kernels import entered, search  # noqa: PLC0415
    from pergamum.index.quantize_kernels import encode_queries  # noqa: PLC0415
    from pergamum.index.row_kernels import GROUP, scan_rows  # noqa: PLC0415

    return _Compiled(lambda: (scan.BODY, wide.BODY), encode_queries, entered(search), scan_rows, scan.finish, GROUP)
