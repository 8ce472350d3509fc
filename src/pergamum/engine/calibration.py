"""An index measures itself: sample queries are answered exactly and by every strategy, at one effort after another.

Only the library's own vectors and queries it was asked in the past are used. What comes out is the curve that the
planner reads: recall, with its interval, and seconds, by strategy, effort, k and selectivity.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Final

import numpy as np

from pergamum.domain.recall import Doubles, RecallCurve, RecallPoint, interval, shares_found
from pergamum.domain.vectors import Matrix, Metric, query_lengths
from pergamum.engine.samples import Source, foreign, unseen
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
"""Samples of a point when time is short."""
ENOUGH, ALL_BUT_CERTAIN = 0.995, 0.9985
"""Once the low end, or the mean, is here, more effort is not worth measuring."""
SECONDS_A_SLOT, LEAST_SECONDS, MOST_SECONDS = 40e-6, 1.0, 8.0
"""Time to spend, all in all; building takes about ten times as long."""


def calibrate(
    index: LayeredIndex, vectors: Matrix, live: SlotMask, metric: Metric, *, live_queries: Matrix | None, job: Job
) -> RecallCurve:
    """Return what `index.built` finds of the true neighbours at which effort, and what it costs.

    `vectors` is the library's matrix, at least `index.count` rows; `live_queries` were asked in the past. Takes
    LEAST_SECONDS to MOST_SECONDS, and what the fewest samples take at the worst. The samples are the same for the same
    library. Raises `Cancelled`. REQUIRES: the kernels are loaded.
    """
    allowed = _within(live, index)
    alive = allowed.allowed(index.built_count)
    source = Source(index, vectors, allowed, metric)
    random = np.random.default_rng(alive)
    asked = {"own": unseen(source, SAMPLES, random), "foreign": foreign(source, FOREIGN_SAMPLES, random)}
    if live_queries is not None and len(live_queries) >= FEWEST:
        asked["live"] = np.ascontiguousarray(live_queries)
    measuring = _Measuring(source, job, alive)
    shares = SELECTIVITIES if len(asked["own"]) else ()
    points = [point for share in shares for point in measuring.at(share, asked, random)]
    return RecallCurve(tuple(points), measuring.beyond(), index.count, alive, datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class _Group:
    """Sample queries and the distances of their true neighbours, (m, largest k)."""

    name: str
    queries: Matrix
    truth: Doubles


@dataclass(frozen=True, slots=True)
class _Task:
    """One series of measurements: a strategy, k, and what is allowed, until `deadline`."""

    strategy: Strategy
    k: int
    share: float
    allowed: SlotMask
    deadline: float
    scan_seconds: float


class _Measuring:
    """Carries what all measurements share: the clock, the job, and the distances seen so far."""

    def __init__(self, source: Source, job: Job, alive: int) -> None:
        self._source, self._job, self._alive = source, job, alive
        self._end = time.perf_counter() + min(max(alive * SECONDS_A_SLOT, LEAST_SECONDS), MOST_SECONDS)
        built = source.index.built
        self._strategies = [] if built is None else [one for one in built.strategies if one is not Strategy.SCAN]
        self._left = len(self._strategies) * len(KS) * (len(SELECTIVITIES) + 1)
        self._total = max(self._left, 1)
        self._reported = 0.0
        self._distances: dict[tuple[str, int], Doubles] = {}

    def at(self, share: float, asked: dict[str, Matrix], random: np.random.Generator) -> Iterator[RecallPoint]:
        """Yield all points at one selectivity; the filters are random."""
        allowed = self._source.live if share == 1.0 else self._random_part(share, random)
        ks = [k for k in KS if 2 * k <= share * self._alive]
        if not ks:
            return
        names = [name for name in asked if share == 1.0 or name != "foreign"]
        most = SAMPLES if share == 1.0 else FILTERED_SAMPLES
        groups = [self._group(name, asked[name][:most], allowed, max(ks)) for name in names]
        for group in groups:
            self._keep_distances(group, share)
        for k in ks:
            scan = self._scan_point(k, share, allowed, groups[0])
            yield scan
            for strategy in self._strategies:
                if strategy is Strategy.FILTERED_GRAPH and share == 1.0:
                    continue  # without a filter it is the graph
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

    def _group(self, name: str, queries: Matrix, allowed: SlotMask, k: int) -> _Group:
        batches = [queries[first : first + FEWEST] for first in range(0, len(queries), FEWEST)]
        parts = [self._search(batch, k, allowed, SCAN).distances for batch in batches]
        return _Group(name, queries, np.concatenate([np.empty((0, k)), *parts]))

    def _keep_distances(self, group: _Group, share: float) -> None:
        lengths = query_lengths(group.queries, self._source.metric)
        for k in RANKS:
            if k <= group.truth.shape[1] and len(group.queries):
                self._distances.setdefault((group.name, round(k / share)), group.truth[:, k - 1] / lengths)

    def _scan_point(self, k: int, share: float, allowed: SlotMask, group: _Group) -> RecallPoint:
        timed = [self._timed(query, k, allowed, SCAN) for query in group.queries[:TIMED_SCANS]]
        seconds = median(seconds for _, seconds in timed)
        scored = float(np.mean([found.scored for found, _ in timed]))
        return RecallPoint(Strategy.SCAN.value, 0, k, share, False, 1.0, 1.0, 1.0, seconds, scored, len(timed))

    def _series(
        self, strategy: Strategy, scan: RecallPoint, allowed: SlotMask, groups: list[_Group]
    ) -> Iterator[RecallPoint]:
        """Yield the points of one strategy by ascending effort, for foreign samples apart."""
        built = self._source.index.built
        assert built is not None, "only a built index has strategies"
        own = [group for group in groups if group.name != "foreign"]
        apart = [group for group in groups if group.name == "foreign" and strategy not in EXACT]
        for of_one_kind in (own, apart):
            now = time.perf_counter()
            deadline = now + max(0.0, self._end - now) / max(1, self._left)
            self._left -= 1
            task = _Task(strategy, scan.k, scan.selectivity, allowed, deadline, scan.seconds)
            for effort in built.efforts(strategy, scan.k) if of_one_kind else ():
                point = min((self._point(task, effort, group) for group in of_one_kind), key=lambda one: one.low)
                yield point
                if point.low >= ENOUGH or point.recall >= ALL_BUT_CERTAIN or point.seconds > scan.seconds:
                    break

    def _point(self, task: _Task, effort: int, group: _Group) -> RecallPoint:
        route = Route(task.strategy, effort)
        found: list[Neighbours] = []
        seconds: list[float] = []
        for query in group.queries if not route.exact else group.queries[:FEWEST]:
            if len(found) >= FEWEST and time.perf_counter() > task.deadline:
                break
            one, took = self._timed(query, task.k, task.allowed, route)
            found.append(one)
            seconds.append(took)
        distances = np.concatenate([one.distances for one in found])
        recall = interval(shares_found(distances, group.truth[: len(found), : task.k]))
        scored = float(np.mean([one.scored for one in found]))
        ends = (1.0, 1.0, 1.0) if route.exact else (recall.mean, recall.low, recall.high)
        return RecallPoint(
            task.strategy.value,
            effort,
            task.k,
            task.share,
            group.name == "foreign",
            *ends,
            seconds=median(seconds),
            scored=scored,
            queries=len(found),
        )

    def _timed(self, query: Matrix, k: int, allowed: SlotMask, route: Route) -> tuple[Neighbours, float]:
        started = time.perf_counter()
        found = self._search(query[np.newaxis], k, allowed, route)
        return found, time.perf_counter() - started

    def _search(self, queries: Matrix, k: int, allowed: SlotMask, route: Route) -> Neighbours:
        now = time.perf_counter()
        if now - self._reported > 0.1:
            self._reported = now
            self._job.report(1.0 - max(self._left, 0) / self._total)
        return self._source.index.search(queries, k, self._source.vectors, allowed, route)

    def _random_part(self, share: float, random: np.random.Generator) -> SlotMask:
        count = self._source.index.count
        return SlotMask.of(self._source.live.flags(count) & (random.random(count) < share))


def _within(live: SlotMask, index: LayeredIndex) -> SlotMask:
    """Return the live slots of the built index: what the tail finds is always true and would flatter it."""
    if index.built_count == index.count:
        return live
    covered = live.flags(index.count)
    covered[index.built_count :] = False
    return SlotMask.of(covered)
