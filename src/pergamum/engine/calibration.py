"""An index measures itself: sample queries are answered exactly and by every strategy, at one effort after another.

Only the library's own vectors and queries it was asked in the past are used. What comes out is the curve that the
planner reads: recall, with its interval, and seconds, by strategy, effort, k and selectivity.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from statistics import median
from typing import Final

import numpy as np

from pergamum.domain.recall import Doubles, Interval, RecallCurve, RecallPoint, interval, shares_found
from pergamum.domain.vectors import Matrix, query_lengths
from pergamum.engine.samples import Slots, Source, foreign, unseen
from pergamum.index.base import EXACT, SCAN, Job, Neighbours, Route, Strategy
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import SlotMask

KS: Final = (10, 100)
SELECTIVITIES: Final = (1.0, 0.5, 0.1, 0.01)
RANKS: Final = (1, 2, 3, 5, 7, 10, 14, 20, 30, 50, 70, 100)
"""The k for which it is kept how far the k-th hit may be before a query counts as foreign."""
OWN_WITHIN, OWN_AT_LEAST, FOREIGN_BEYOND = 0.98, 0.90, 0.02
"""Quantiles of that distance: of own samples, and of foreign ones."""
SAMPLES, FILTERED_SAMPLES, FOREIGN_SAMPLES, TIMED_SCANS = 400, 200, 100, 20
FEWEST: Final = 64
"""Samples of a point when time is short, or when it is of no interest."""
INTERESTING: Final = 0.85
"""Recall from which on a point is measured as well as time allows."""
DOUBTFUL: Final = 0.1
"""Share of samples answered by a scan after all from which on a point says little about larger efforts."""
ENOUGH, ALL_BUT_CERTAIN = 0.995, 0.9985
"""Once the low end, or the mean, is here, more effort is not worth measuring."""
UNFILTERED: Final = 6
"""How many times as much time the searches without a filter get as any other series."""
SECONDS_A_SLOT, LEAST_SECONDS, MOST_SECONDS = 60e-6, 4.0, 12.0
"""Time to spend, all in all; building takes about ten times as long."""


def calibrate(
    index: LayeredIndex, vectors: Matrix, live: SlotMask, *, live_queries: Matrix | None, job: Job
) -> RecallCurve:
    """Return what `index.built` finds of the true neighbours at which effort, and what it costs.

    `vectors` is the library's matrix, at least `index.count` rows; `live_queries` were asked in the past. Takes
    LEAST_SECONDS to MOST_SECONDS, and what the fewest samples take at the worst. The samples are the same for the same
    library. Raises `Cancelled`. REQUIRES: the kernels are loaded.
    """
    allowed = _within(live, index)
    alive = allowed.allowed(index.built_count)
    source = Source(index, vectors, allowed)
    random = np.random.default_rng(alive)
    asked = [_Sample("own", *unseen(source, SAMPLES, random))]
    asked.append(_Sample("foreign", *_uncounted(foreign(source, FOREIGN_SAMPLES, random))))
    if live_queries is not None and len(live_queries) >= FEWEST:
        asked.append(_Sample("live", *_uncounted(np.ascontiguousarray(live_queries))))
    measuring = _Measuring(source, job, alive)
    shares = SELECTIVITIES if len(asked[0].queries) else ()
    points = [point for share in shares for point in measuring.at(share, asked, random)]
    return RecallCurve(tuple(points), measuring.beyond(), index.count, alive, datetime.now(UTC))


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """Queries of one kind, and for each a slot that is not counted among what is found, -1: none."""

    name: str
    queries: Matrix
    uncounted: Slots


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """The first queries of a sample, and their true neighbours."""

    sample: _Sample
    queries: Matrix
    truth: Neighbours

    @property
    def foreign(self) -> bool:
        return self.sample.name == "foreign"

    def shares(self, found: list[Neighbours], k: int) -> Doubles:
        """Return the share of true neighbours found of the first queries."""
        uncounted = self.sample.uncounted[: len(found), np.newaxis]
        slots, distances = (np.concatenate(part) for part in zip(*((f.slots, f.distances) for f in found), strict=True))
        true_slots, truth = self.truth.slots[: len(found), :k], self.truth.distances[: len(found), :k]
        return shares_found(_but(uncounted, slots, distances), _but(uncounted, true_slots, truth))


@dataclass(frozen=True, slots=True)
class _Task:
    """One series of measurements: a strategy, k, and what is allowed, until `deadline`."""

    strategy: Strategy
    k: int
    share: float
    allowed: SlotMask
    deadline: float


class _Measuring:
    """Carries what all measurements share: the clock, the job, and the distances seen so far."""

    def __init__(self, source: Source, job: Job, alive: int) -> None:
        self._source, self._job, self._alive = source, job, alive
        self._end = time.perf_counter() + min(max(alive * SECONDS_A_SLOT, LEAST_SECONDS), MOST_SECONDS)
        built = source.index.built
        self._strategies = [] if built is None else [one for one in built.strategies if one is not Strategy.SCAN]
        self._left = self._total = len(KS) * sum(map(self._weight, self._strategies))
        self._reported = -inf
        self._distances: dict[tuple[str, int], Doubles] = {}

    def at(self, share: float, asked: list[_Sample], random: np.random.Generator) -> Iterator[RecallPoint]:
        """Yield all points at one selectivity; the filters are random."""
        allowed = self._source.live if share == 1.0 else self._random_part(share, random)
        ks = [k for k in KS if 2 * k <= share * self._alive]
        if not ks:
            return
        most = SAMPLES if share == 1.0 else FILTERED_SAMPLES
        wanted = [sample for sample in asked if share == 1.0 or sample.name != "foreign"]
        groups = [self._group(sample, most, allowed, max(ks)) for sample in wanted]
        for group in groups:
            self._keep_distances(group, share)
        for k in ks:
            scan = self._scan_point(k, share, allowed, groups[0])
            yield scan
            for strategy in self._strategies:
                if strategy is not Strategy.FILTERED_GRAPH or share < 1.0:  # without a filter it is the graph
                    yield from self._series(strategy, scan, allowed, groups)

    def beyond(self) -> dict[int, float]:
        """Return for each rank the distance from which a query counts as foreign.

        Between the two quantiles of the library's own samples, and as far down as most foreign samples ask for. With a
        random filter the k-th hit is the k / selectivity-th of all: so farther ranks are known as well. Foreign
        samples have no filter: what they lower the distance by at the last rank is taken off all farther ones.
        """
        limits: dict[int, float] = {}
        lowered = 0.0
        for rank in sorted({rank for _, rank in self._distances}):
            own = [self._distances[name, rank] for name in ("own", "live") if (name, rank) in self._distances]
            within = max(float(np.quantile(one, OWN_WITHIN)) for one in own)
            if ("foreign", rank) in self._distances:
                least = max(float(np.quantile(one, OWN_AT_LEAST)) for one in own)
                far = float(np.quantile(self._distances["foreign", rank], FOREIGN_BEYOND))
                lowered = within - min(within, max(least, far))
            limits[rank] = within - lowered
        return limits

    def _group(self, sample: _Sample, most: int, allowed: SlotMask, k: int) -> _Group:
        queries = sample.queries[:most]
        batches = [queries[first : first + FEWEST] for first in range(0, len(queries), FEWEST)]
        parts = [self._search(batch, k, allowed, SCAN) for batch in batches]
        slots = np.concatenate([np.empty((0, k), np.int64), *(part.slots for part in parts)])
        distances = np.concatenate([np.empty((0, k)), *(part.distances for part in parts)])
        return _Group(sample, queries, Neighbours(slots, distances))

    def _keep_distances(self, group: _Group, share: float) -> None:
        lengths = query_lengths(group.queries, self._source.metric)
        name, truth = group.sample.name, group.truth.distances
        itself = 1 if name == "own" and share == 1.0 else 0  # what was displaced is nearer than any neighbour is
        for k in RANKS:
            if k <= truth.shape[1] and len(group.queries):
                place = min(k - 1 + itself, truth.shape[1] - 1)
                self._distances.setdefault((name, round(k / share)), truth[:, place] / lengths)

    def _scan_point(self, k: int, share: float, allowed: SlotMask, group: _Group) -> RecallPoint:
        timed = [self._timed(query, k, allowed, SCAN) for query in group.queries[:TIMED_SCANS]]
        seconds = median(seconds for _, seconds in timed)
        scored = float(np.mean([found.scored for found, _ in timed]))
        return RecallPoint(Strategy.SCAN.value, 0, k, share, False, 1.0, 1.0, 1.0, seconds, scored, len(timed))

    def _series(
        self, strategy: Strategy, scan: RecallPoint, allowed: SlotMask, groups: list[_Group]
    ) -> Iterator[RecallPoint]:
        """Yield the points of one strategy by ascending effort, for foreign samples apart."""
        apart = [group for group in groups if group.foreign and strategy not in EXACT]
        for of_one_kind in ([group for group in groups if not group.foreign], apart):
            if not of_one_kind:
                continue
            weight = UNFILTERED if scan.selectivity == 1.0 and of_one_kind is not apart else 1
            task = self._task(strategy, scan, allowed, weight)
            for effort in self._efforts(task):
                measured = [self._point(task, effort, group) for group in of_one_kind]
                point = min((point for point, _ in measured), key=lambda one: one.low)
                yield point
                enough = point.low >= ENOUGH or point.recall >= ALL_BUT_CERTAIN or point.seconds > scan.seconds
                if enough and max(doubtful for _, doubtful in measured) < DOUBTFUL:
                    break

    @staticmethod
    def _weight(strategy: Strategy) -> int:
        """Return for how many parts of the time a strategy counts, for one k."""
        filtered = len(SELECTIVITIES) - 1
        return filtered if strategy is Strategy.FILTERED_GRAPH else filtered + UNFILTERED + (strategy not in EXACT)

    def _task(self, strategy: Strategy, scan: RecallPoint, allowed: SlotMask, weight: int) -> _Task:
        """Return the next series to measure, with its part of the time that is left."""
        now = time.perf_counter()
        deadline = now + max(0.0, self._end - now) * weight / max(weight, self._left)
        self._left -= weight
        return _Task(strategy, scan.k, scan.selectivity, allowed, deadline)

    def _efforts(self, task: _Task) -> list[int]:
        """Return the efforts to measure: a pool must have room for k hits beside what the filter leaves out."""
        built = self._source.index.built
        assert built is not None, "only a built index has strategies"
        least = task.k / task.share if task.strategy is Strategy.GRAPH else 0.0
        return [effort for effort in built.efforts(task.strategy, task.k) if effort >= least]

    def _point(self, task: _Task, effort: int, group: _Group) -> tuple[RecallPoint, float]:
        """Return the measurement, and the share of samples that the index answered by a scan after all."""
        route = Route(task.strategy, effort)
        found: list[Neighbours] = []
        seconds: list[float] = []
        for query in group.queries if not route.exact else group.queries[:FEWEST]:
            if len(found) >= FEWEST and (time.perf_counter() > task.deadline or self._dull(found, group, task.k)):
                break
            one, took = self._timed(query, task.k, task.allowed, route)
            found.append(one)
            seconds.append(took)
        recall = Interval(1.0, 1.0, 1.0) if route.exact else interval(group.shares(found, task.k))
        point = RecallPoint(
            task.strategy.value,
            effort,
            task.k,
            task.share,
            group.foreign,
            recall.mean,
            recall.low,
            recall.high,
            seconds=median(seconds),
            scored=float(np.mean([one.scored for one in found])),
            queries=len(found),
        )
        return point, sum(one.rescanned for one in found) / len(found)

    @staticmethod
    def _dull(found: list[Neighbours], group: _Group, k: int) -> bool:
        """Whether nobody will ask for as little as is found. Looked at once, after the fewest samples."""
        return len(found) == FEWEST and not group.foreign and float(group.shares(found, k).mean()) < INTERESTING

    def _timed(self, query: Matrix, k: int, allowed: SlotMask, route: Route) -> tuple[Neighbours, float]:
        started = time.perf_counter()
        found = self._search(query[np.newaxis], k, allowed, route)
        return found, time.perf_counter() - started

    def _search(self, queries: Matrix, k: int, allowed: SlotMask, route: Route) -> Neighbours:
        now = time.perf_counter()
        if now - self._reported > 0.1:
            self._reported = now
            self._job.report(1.0 - max(self._left, 0) / max(self._total, 1))
        return self._source.index.search(queries, k, self._source.vectors, allowed, route)

    def _random_part(self, share: float, random: np.random.Generator) -> SlotMask:
        count = self._source.index.count
        return SlotMask.of(self._source.live.flags(count) & (random.random(count) < share))


def _but(uncounted: Slots, slots: Slots, distances: Doubles) -> Doubles:
    """Return the distances in ascending order without those of the uncounted slots, inf in their place at the end."""
    kept: Doubles = np.sort(np.where((slots == uncounted) & (slots >= 0), np.inf, distances), axis=1)
    return kept


def _uncounted(queries: Matrix) -> tuple[Matrix, Slots]:
    """Return the queries with nothing left uncounted."""
    return queries, np.full(len(queries), -1, np.int64)


def _within(live: SlotMask, index: LayeredIndex) -> SlotMask:
    """Return the live slots of the built index: what the tail finds is always true and would flatter it."""
    if index.built_count == index.count:
        return live
    covered = live.flags(index.count)
    covered[index.built_count :] = False
    return SlotMask.of(covered)
