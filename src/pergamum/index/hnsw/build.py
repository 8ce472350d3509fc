"""Building and growing a graph with any number of threads, always the same one.

Slots are inserted in a shuffled order, in batches of at most a fiftieth of the graph (64 where that is less), doubling
from one. Each batch is three steps, in which threads only ever write to lists of their own: links for the new slots,
sorting who chose whom, links back. Slots of one batch do not see each other; at a fiftieth that costs less recall than
can be measured. That holds as long as near slots fall into different batches: chunks arrive document by document, near
ones together, and a batch of them would be a cluster without a link inside. Hence the shuffling, and the doubling from
one.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from pergamum.index.arrays import readonly
from pergamum.index.base import Job
from pergamum.index.brute_force.work import Longs
from pergamum.index.code_rows import CodeRows
from pergamum.index.hnsw.graph import ABSENT, NONE, Build, Graph, Scratch, copied, frozen, scratch, shuffled
from pergamum.index.hnsw.params import HnswParams
from pergamum.index.mask import Flags

BATCH_SHARE = 1 / 50
_LEAST_BATCH = 64
_PIECES_A_THREAD = 8

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Builder:
    """A graph being made. `graph` is written in place; nobody else sees it before it is done."""

    rows: CodeRows
    graph: Graph
    params: HnswParams
    job: Job
    entry: int = -1

    def insert(self, slots: Longs, share: tuple[float, float]) -> None:
        """Insert `slots`, ascending, none of them linked yet; report progress from share[0] to share[1]."""
        with _Threads(self.job.threads, self._scratch) as threads:
            if self.entry < 0 and len(slots):
                self.entry, slots = int(slots[0]), slots[1:]
            present = int((self.graph.links[:, 0] != NONE).sum()) + 1
            most = max(_LEAST_BATCH, int(BATCH_SHARE * (present + len(slots))))
            order, done = shuffled(slots), 0
            while done < len(slots):
                batch = np.sort(order[done : done + min(1 + done, most)])
                self._insert_batch(batch, threads)
                done += len(batch)
                self.job.report(share[0] + (share[1] - share[0]) * done / len(slots))

    def mend(self, alive: Flags, known: int) -> None:
        """Take what is not alive of the slots [0, known) out of the graph and close the gaps they leave.

        `alive` has a flag for each slot. Those from `known` on have levels but no links yet: nobody may enter by them.
        """
        before = copied(self.graph)
        present = self.graph.levels != ABSENT
        present[known:] = False
        with _Threads(self.job.threads, self._scratch) as threads:
            for layer in range(self._top() + 1):
                slots = np.flatnonzero(alive & present & (before.levels >= layer))
                self._mend_layer(layer, slots, before, alive, threads)
                self.job.report(0.1 * (layer + 1) / (self._top() + 2))
        gone = np.flatnonzero(present & ~alive)
        self.graph.links[gone] = NONE
        self.graph.levels[gone] = ABSENT
        self.entry = self._highest(known)

    def connect(self) -> None:
        """Make every slot of the graph reachable from the entry on the lowest layer."""
        from pergamum.index.hnsw.build_kernels import attach, spread  # noqa: PLC0415  # numba: loaded by then

        if self.entry < 0:
            return
        links, slots = frozen(self.graph).links, np.flatnonzero(self.graph.levels != ABSENT)
        queue, seen = np.empty(len(self.graph.levels), np.uint32), np.zeros(len(self.graph.levels), np.uint8)
        spread(links, self.entry, seen, queue)
        attach(links, self.graph.links, self.entry, readonly(slots), seen, queue)

    def _scratch(self) -> Scratch:
        return scratch(len(self.graph.levels), self.rows.codes.shape[1], self.params.ef_construction)

    def _top(self) -> int:
        return int(self.graph.levels[self.entry]) if self.entry >= 0 else 0

    def _highest(self, known: int) -> int:
        """Return the slot of [0, known) to enter by: the first on the highest layer; -1 when there is none."""
        levels = np.where(self.graph.levels == ABSENT, -1, self.graph.levels.astype(np.int16))[:known]
        return int(levels.argmax()) if len(levels) and levels.max() >= 0 else -1

    def _insert_batch(self, batch: Longs, threads: "_Threads") -> None:
        from pergamum.index.brute_force.kernels import BODY  # noqa: PLC0415
        from pergamum.index.hnsw.build_kernels import insert_slots  # noqa: PLC0415

        top, graph = self._top(), frozen(self.graph)
        build = Build(self.params.m, self.params.ef_construction, self.entry, top)
        links, upper, no_flags = self.graph.links, self.graph.upper, readonly(np.empty(0, np.bool_))

        def work(piece: Longs, own: Scratch) -> None:
            insert_slots(BODY, self.rows, graph, piece, build, links, upper, no_flags, own)

        threads.run(work, _pieces(batch, threads.count * _PIECES_A_THREAD))
        for layer in range(top + 1):
            chosen = batch[self.graph.levels[batch] >= layer]
            if len(chosen):
                self._link_back(layer, chosen, threads)
        highest = int(batch[self.graph.levels[batch].argmax()])
        if self.graph.levels[highest] > top:
            self.entry = highest

    def _link_back(self, layer: int, slots: Longs, threads: "_Threads") -> None:
        from pergamum.index.brute_force.kernels import BODY  # noqa: PLC0415
        from pergamum.index.hnsw.build_kernels import link_back  # noqa: PLC0415

        out = self.graph.links if layer == 0 else self.graph.upper
        offers = _Offers.of(slots, out[self._places(layer, slots)])

        def work(piece: tuple[int, int], own: Scratch) -> None:
            groups = slice(*piece)
            targets, starts = offers.targets[groups], offers.starts[piece[0] : piece[1] + 1]
            link_back(BODY, self.rows, out, targets, self._places(layer, targets), starts, offers.sources, own)

        threads.run(work, offers.pieces(threads.count * _PIECES_A_THREAD))

    def _mend_layer(self, layer: int, slots: Longs, before: Graph, alive: Flags, threads: "_Threads") -> None:
        from pergamum.index.brute_force.kernels import BODY  # noqa: PLC0415
        from pergamum.index.hnsw.build_kernels import mend  # noqa: PLC0415

        frozen_before, live = frozen(before), readonly(alive)
        links, out = (frozen_before.links, self.graph.links) if layer == 0 else (frozen_before.upper, self.graph.upper)

        def work(piece: Longs, own: Scratch) -> None:
            mend(BODY, self.rows, links, frozen_before, layer, piece, live, out, own)

        threads.run(work, _pieces(slots, threads.count * _PIECES_A_THREAD))

    def _places(self, layer: int, slots: Longs) -> Longs:
        places = slots if layer == 0 else self.graph.upper_rows[slots].astype(np.int64) + layer - 1
        return readonly(np.ascontiguousarray(places))


@dataclass(frozen=True, slots=True, eq=False)
class _Offers:
    """Who chose whom: targets[i] was chosen by sources[starts[i]:starts[i + 1]], ascending. Read-only arrays."""

    targets: Longs
    starts: Longs
    sources: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, slots: Longs, links: npt.NDArray[np.uint32]) -> Self:
        """Return the offers of `slots`, whose lists are the rows of `links`. O(links log links)."""
        used = np.logical_and.accumulate(links != NONE, axis=1)
        sources, targets = np.repeat(slots, used.sum(axis=1)), links[used].astype(np.int64)
        order = np.argsort(targets, kind="stable")
        unique, starts = np.unique(targets[order], return_index=True)
        ends = np.append(starts, len(targets)).astype(np.int64)
        return cls(readonly(unique), readonly(ends), readonly(sources[order].astype(np.uint32)))

    def pieces(self, count: int) -> list[tuple[int, int]]:
        """Return ranges of targets with about equally many offers."""
        wanted = np.linspace(0, len(self.sources), count + 1)
        cuts = np.unique(np.searchsorted(self.starts, wanted)).tolist()
        return list(pairwise(cuts))


class _Threads:
    """Threads that each hold scratch of their own; with one, the work is done by the caller."""

    def __init__(self, count: int, make: Callable[[], Scratch]) -> None:
        self.count = count
        self._scratches = [make() for _ in range(count)]
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="build") if count > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def run(self, work: Callable[[T, Scratch], None], pieces: Sequence[T]) -> None:
        """Do `work` on every piece, in any order."""
        if self._pool is None:
            for piece in pieces:
                work(piece, self._scratches[0])
            return
        for done in [self._pool.submit(self._with_scratch, work, piece) for piece in pieces]:
            done.result()

    def _with_scratch(self, work: Callable[[T, Scratch], None], piece: T) -> None:
        own = self._scratches.pop()  # as many as threads, so there is one
        try:
            work(piece, own)
        finally:
            self._scratches.append(own)


def _pieces(slots: Longs, count: int) -> list[Longs]:
    return [readonly(piece) for piece in np.array_split(slots, min(count, len(slots)) or 1) if len(piece)]
