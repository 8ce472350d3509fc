"""A trial: the kinds `auto` may choose are built over samples of a library and asked what its users might ask.

Queries are vectors of the library that are left out of the samples, and queries it was asked in the past: of the two
the lower recall counts. Two samples, one four times the other, say how the cost of a query grows.

Cost is processor time of the searching thread: codes compared would not do, for a graph fetches each from another
place and partitions stream them, and time by the clock counts what other processes do. Blocks of queries are timed,
each kind at each effort over both samples in turn, and the median of the blocks counts: what disturbs the machine
disturbs all alike, and nobody finds its own data in the cache.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from statistics import median
from typing import Final, Protocol, Self

import numpy as np

from pergamum.domain.library import IndexSpec
from pergamum.domain.recall import Interval, interval, shares_found
from pergamum.domain.trial import SampleTrial, Trial, TrialPoint
from pergamum.domain.vectors import Matrix, Metric
from pergamum.engine.auto import TRIED
from pergamum.engine.view import EXACT, View
from pergamum.errors import NothingToMeasure
from pergamum.index import factory
from pergamum.index.base import SCAN, Job, Neighbours, Route, Strategy
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import SlotMask

K: Final = 10
MOST_SAMPLED, SMALLER = 20_000, 4
"""Vectors in the larger sample, and how many times smaller the other one is."""
QUERIES, HELD_OUT_SHARE = 400, 0.1
"""Vectors left out of the samples to ask for, and no more than this share of the library."""
FEWEST_ASKED: Final = 64
"""Past queries that are worth a group of their own."""
BLOCK: Final = 20
"""Queries timed together."""
ENOUGH: Final = 0.995
"""A recall from which on more effort is not worth measuring: its low end, or 1 as the mean."""
BUILT_SHARE, FOUND_SHARE = 0.9, 0.8
"""Where the progress of one index stands when it is built, and that of the trial when all recall is known."""
ALL: Final = SlotMask()


class Tries(Protocol):
    """Whoever makes trials."""

    def __call__(self, view: View, past: Matrix | None, job: Job) -> Trial:
        """Return what each kind takes over samples of the view. Raises `Cancelled`, `NothingToMeasure`."""


def tried(view: View, past: Matrix | None, job: Job) -> Trial:
    """Return what each kind takes over samples of the view's vectors; `past` are queries the library was asked.

    The samples are the same for the same library. A few seconds of one core, most of it the builds. Raises `Cancelled`,
    `NothingToMeasure`. REQUIRES: the kernels are loaded.
    """
    asked, base = _drawn(view)
    groups = [asked] if past is None or len(past) < FEWEST_ASKED else [asked, np.ascontiguousarray(past)]
    sizes = sorted({max(1, len(base) // SMALLER), len(base)})
    ways: list[_Way] = []
    done = 0
    for size in sizes:
        part = part_of(job, FOUND_SHARE * done / sum(sizes), FOUND_SHARE * (done + size) / sum(sizes))
        sample = _Sample.of(np.ascontiguousarray(base[:size]), groups, view.state.library.metric)
        ways += sample.ways(part)
        done += size
    _time(ways, groups[-1], part_of(job, FOUND_SHARE, 1.0))
    return Trial(view.live_slots, K, len(asked), tuple(_told(ways)), datetime.now(UTC))


def part_of(job: Job, first: float, last: float) -> Job:
    """Return the job with its progress told as a part of the whole, from `first` to `last`."""
    return Job(job.threads, lambda share: job.report(first + (last - first) * share))


def _drawn(view: View) -> tuple[Matrix, Matrix]:
    """Return queries and vectors to search, chosen by chance but always the same, without one in both."""
    if view.vectors is None or view.live_slots < 2:
        raise NothingToMeasure
    slots = np.flatnonzero(view.live.flags(view.state.next_slot))
    slots = np.random.default_rng(len(slots)).permutation(slots)
    queries = max(1, min(QUERIES, int(len(slots) * HELD_OUT_SHARE)))
    chosen = view.vectors[slots[: queries + MOST_SAMPLED]]
    return np.ascontiguousarray(chosen[:queries]), chosen[queries:]


@dataclass(frozen=True, slots=True, eq=False)
class _Over:
    """An index over all vectors of a sample."""

    spec: IndexSpec
    index: LayeredIndex
    vectors: Matrix

    def search(self, queries: Matrix, route: Route) -> Neighbours:
        return self.index.search(queries, K, self.vectors, ALL, route)


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """An index at one effort: what it finds, of the group of queries where that is less, and what blocks took."""

    over: _Over
    route: Route
    recall: Interval
    seconds: list[float] = field(default_factory=list)

    def time(self, block: list[Matrix]) -> None:
        """Search for one query at a time and note what one took."""
        started = time.thread_time()
        for query in block:
            self.over.search(query, self.route)
        self.seconds.append((time.thread_time() - started) / len(block))


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """Vectors, their exact index, and the true neighbours of every group of queries."""

    exact: _Over
    groups: list[Matrix]
    truths: list[Neighbours]
    metric: Metric

    @classmethod
    def of(cls, vectors: Matrix, groups: list[Matrix], metric: Metric) -> Self:
        exact = _Over(EXACT, LayeredIndex.empty(vectors.shape[1], metric).extended(vectors), vectors)
        return cls(exact, groups, [exact.search(group, SCAN) for group in groups], metric)

    def ways(self, job: Job) -> list[_Way]:
        """Return all that is to be timed, exact search first."""
        found = [_Way(self.exact, SCAN, Interval(1.0, 1.0, 1.0))]
        for number, spec in enumerate(TRIED):
            part = part_of(job, number / len(TRIED), (number + 1) / len(TRIED))
            found += self._efforts(self._built(spec, part_of(part, 0.0, BUILT_SHARE)), part)
        return found

    def _built(self, spec: IndexSpec, job: Job) -> _Over:
        vectors = self.exact.vectors
        built = factory.build(spec, self.metric, vectors, ALL, job)
        return _Over(spec, self.exact.index.with_built(built, vectors), vectors)

    def _efforts(self, over: _Over, job: Job) -> Iterator[_Way]:
        """Yield the efforts worth timing, ascending: up to one that finds nearly everything."""
        built = over.index.built
        assert built is not None, "it has just been built"
        strategy = next(one for one in built.strategies if one is not Strategy.SCAN)
        for effort in built.efforts(strategy, K):
            job.report(BUILT_SHARE)
            route = Route(strategy, effort)
            recall = min((self._recall(over, route, group) for group in range(len(self.groups))), key=lambda r: r.low)
            yield _Way(over, route, recall)
            if recall.low >= ENOUGH or recall.mean >= 1.0:
                return

    def _recall(self, over: _Over, route: Route, group: int) -> Interval:
        found = over.search(self.groups[group], route)
        return interval(shares_found(found.distances, self.truths[group].distances))


def _time(ways: list[_Way], queries: Matrix, job: Job) -> None:
    """Time every way over every sample on every block of queries, in turn."""
    firsts = range(0, len(queries), BLOCK)
    for number, first in enumerate(firsts):
        job.report(number / len(firsts))
        block = [query[np.newaxis] for query in queries[first : first + BLOCK]]
        for way in ways:
            way.time(block)


def _told(ways: list[_Way]) -> Iterator[SampleTrial]:
    for over, same in groupby(ways, key=lambda way: way.over):
        points = tuple(
            TrialPoint(way.route.effort, way.recall.mean, way.recall.low, median(way.seconds)) for way in same
        )
        yield SampleTrial(over.spec, len(over.vectors), over.index.memory_bytes, points)
