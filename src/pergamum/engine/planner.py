"""Chooses how a search is carried out: the cheapest way that was measured to find the share of neighbours wanted.

Pure: a `Planner` knows what an index has measured of itself, `plan` is told the rest. What a plan costs also decides
where it runs: a short search at once in the event loop, a long one on the search threads.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from pergamum.domain.query import Refused
from pergamum.domain.recall import RecallCurve, RecallPoint
from pergamum.index.base import SCAN, Route, Strategy

SCAN_BYTES_PER_SECOND = 20e9
"""8-bit codes one core scans in a second, on the slow side; benchmarks/exact_search.py measures it."""
SEARCH_SECONDS = 100e-6
"""What any search costs, whatever the library's size: fetching the rows of the hits above all."""
STRETCH = 0.65
"""Down to this share of a measured selectivity its measurements hold, with as much more effort."""
STRAIGHT = 0.8
"""Above this recall the curve over log(effort) bends down, so that a straight line between two points lies below it."""
MOST_CHOICES = 1_000
"""Choices kept; clients may ask for any recall they like."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted of a search. `recall` 1 asks for the true neighbours."""

    k: int
    recall: float
    queries: int = 1


@dataclass(frozen=True, slots=True)
class Extent:
    """What there is to search: `slots` in all, the first `built` of them in the built index, `allowed` of all."""

    slots: int
    built: int
    allowed: int
    dimension: int

    @property
    def selectivity(self) -> float:
        """The share of slots that a search may find."""
        return self.allowed / self.slots if self.slots else 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How a search is carried out, what that should cost on one core, and how much of the truth it should find.

    A query whose k-th hit is farther than `foreign_beyond` is answered again by `foreign`. Invariant:
    `expected_recall` is at least what was asked, and 1 where the route is exact.
    """

    route: Route
    seconds: float
    expected_recall: float
    foreign: Route = SCAN
    foreign_beyond: float = math.inf

    @property
    def kind(self) -> str:
        """The name of the strategy."""
        return self.route.strategy.value

    @property
    def exact(self) -> bool:
        """Whether the hits are the true nearest."""
        return self.route.exact


@dataclass(frozen=True, slots=True)
class Choice:
    """A route, and what one query by it takes and finds."""

    route: Route
    seconds: float
    recall: float


class Planner:
    """Plans for one curve. Threads: any; two that make the same choice at once make it twice."""

    def __init__(self, curve: RecallCurve | None) -> None:
        self.curve = curve
        self._points = {} if curve is None else _by_class(curve.points)
        self._ks = sorted({k for k, _, _ in self._points})
        self._selectivities = sorted({share for _, share, foreign in self._points if not foreign})
        self._least = [share * STRETCH for share in self._selectivities]
        self._scans = {
            (k, share): points[Strategy.SCAN.value][0].seconds
            for (k, share, foreign), points in self._points.items()
            if not foreign and Strategy.SCAN.value in points
        }
        self._ranks = [] if curve is None else sorted(curve.foreign_beyond)
        self._choices: dict[tuple[int, float, bool, float], Choice | None] = {}

    def plan(self, asked: Asked, extent: Extent) -> Plan:
        """Return the cheapest plan that reaches the wanted recall; exact plans always do. O(1)."""
        if self.curve is None:
            return Plan(SCAN, SEARCH_SECONDS + asked.queries * self._scan_seconds(0, 0.0, extent), 1.0)
        k, share = self._class(asked, extent)
        scan = self._scan_seconds(k, share, extent)
        choice = self._choice(k, share, False, asked.recall) if share else None
        if choice is None:
            return Plan(SCAN, SEARCH_SECONDS + asked.queries * scan, 1.0)
        stretch = max(1.0, share / self._selectivity(extent))
        each = choice.seconds * stretch + self._tail_seconds(k, extent)
        if each >= scan:
            return Plan(SCAN, SEARCH_SECONDS + asked.queries * scan, 1.0)
        seconds = SEARCH_SECONDS + asked.queries * each
        if choice.route.exact:
            return Plan(choice.route, seconds, 1.0)
        route = Route(choice.route.strategy, math.ceil(choice.route.effort * stretch))
        foreign = self._foreign_route(k, share, asked.recall, scan)
        return Plan(route, seconds, choice.recall, foreign, self._beyond(asked.k, extent))

    def refused(self, asked: Asked, extent: Extent, chosen: Plan) -> list[Refused]:
        """Return the plans that were not chosen, each with its reason, the cheapest first."""
        k, share = self._class(asked, extent)
        each = (chosen.seconds - SEARCH_SECONDS) / asked.queries
        losers = self._losers(asked, extent, (k, share), each, chosen.route.strategy)
        return sorted(losers, key=lambda one: one.predicted_seconds or math.inf)

    def predicted_selectivity(self, asked: Asked, extent: Extent) -> float:
        """Return the share of slots that the plan was made for: one that was measured, where there is one."""
        return self._class(asked, extent)[1] or extent.selectivity

    def _losers(
        self, asked: Asked, extent: Extent, at: tuple[int, float], chosen: float, won: Strategy
    ) -> Iterator[Refused]:
        if won is not Strategy.SCAN:
            scan = self._scan_seconds(*at, extent)
            yield Refused(Strategy.SCAN.value, 0, SEARCH_SECONDS + scan * asked.queries, 1.0, _slower(scan, chosen))
        tail = self._tail_seconds(at[0], extent)
        for name in self._strategies():
            if name in {won.value, Strategy.SCAN.value}:
                continue
            points = self._points.get((*at, False), {}).get(name, [])
            if not points:
                reason = f"not measured for k = {asked.k} where {extent.selectivity:.2%} of the slots are allowed"
                yield Refused(name, 0, None, None, reason)
                continue
            choice = _cheapest_reaching(points, asked.recall)
            if choice is None:
                best = max(points, key=lambda point: point.low)
                reason = f"{asked.recall} was asked; {best.low:.3f} is the most it was measured to reach"
                yield Refused(name, best.effort, _total(best.seconds + tail, asked), best.low, reason)
            else:
                seconds = choice.seconds + tail
                reason = _slower(seconds, chosen)
                yield Refused(name, choice.route.effort, _total(seconds, asked), choice.recall, reason)

    def _strategies(self) -> list[str]:
        return sorted({name for points in self._points.values() for name in points})

    def _class(self, asked: Asked, extent: Extent) -> tuple[int, float]:
        """Return the k and the selectivity whose measurements hold; selectivity 0 where none do."""
        place = bisect_left(self._ks, asked.k)
        if place == len(self._ks):
            return 0, 0.0
        harder = bisect_right(self._least, self._selectivity(extent))
        return self._ks[place], self._selectivities[harder - 1] if harder else 0.0

    def _selectivity(self, extent: Extent) -> float:
        """Return how many slots of the built index may be found, as a share of those live when it was measured."""
        if self.curve is None or not self.curve.live or not extent.slots:
            return 0.0
        return extent.allowed * (extent.built / extent.slots) / self.curve.live

    def _choice(self, k: int, share: float, foreign: bool, recall: float) -> Choice | None:
        """Return the cheapest measured way that reaches the recall, the scan left out."""
        key = (k, share, foreign, recall)
        if key not in self._choices:
            if len(self._choices) >= MOST_CHOICES:
                self._choices.clear()
            strategies = self._points.get((k, share, foreign), {})
            found = [
                _cheapest_reaching(points, recall) for name, points in strategies.items() if name != Strategy.SCAN.value
            ]
            self._choices[key] = min(filter(None, found), key=lambda choice: choice.seconds, default=None)
        return self._choices.get(key)

    def _foreign_route(self, k: int, share: float, recall: float, scan: float) -> Route:
        """Return how foreign queries are answered again. Measured only where every live slot is allowed."""
        choice = self._choice(k, 1.0, True, recall) if share >= 1.0 else None
        return SCAN if choice is None or choice.seconds >= scan else choice.route

    def _beyond(self, k: int, extent: Extent) -> float:
        """Return the distance from which the k-th hit tells a foreign query.

        Of the allowed slots the k-th is of all slots the k / selectivity-th, unless the mask avoids the query's
        neighbourhood: then it is farther, and the query is answered again, which is what it needs.
        """
        assert self.curve is not None, "only what was measured is chosen instead of the scan"
        rank = k / min(1.0, self._selectivity(extent))
        place = bisect_right(self._ranks, rank)
        return self.curve.foreign_beyond[self._ranks[place - 1]] if place else -math.inf

    def _scan_seconds(self, k: int, share: float, extent: Extent) -> float:
        """Return what an exact scan takes. It takes no longer where less is allowed than in any measurement."""
        least = self._selectivities[0] if self._selectivities else 0.0
        seconds = self._scans.get((k, least if not share and extent.selectivity <= least else share))
        if seconds is None or self.curve is None:
            return extent.slots * extent.dimension / SCAN_BYTES_PER_SECOND
        return seconds * extent.slots / self.curve.slots

    def _tail_seconds(self, k: int, extent: Extent) -> float:
        """Return what scanning the slots beyond the built index takes."""
        return self._scan_seconds(k, 1.0, extent) * (extent.slots - extent.built) / max(extent.slots, 1)


def _by_class(points: Iterable[RecallPoint]) -> dict[tuple[int, float, bool], dict[str, list[RecallPoint]]]:
    """Return the points by (k, selectivity, foreign), then by strategy, by effort."""
    ordered = sorted(points, key=lambda p: (p.k, p.selectivity, p.foreign, p.strategy, p.effort))
    return {
        key: {name: list(same) for name, same in groupby(group, key=lambda p: p.strategy)}
        for key, group in groupby(ordered, key=lambda p: (p.k, p.selectivity, p.foreign))
    }


def _cheapest_reaching(points: list[RecallPoint], recall: float) -> Choice | None:
    """Return the least effort whose recall, at the lower end of its interval, is the wanted one. O(points).

    REQUIRES: points of one strategy, by ascending effort. An effort between two measured ones is taken from the
    straight line between them.
    """
    strategy = Strategy(points[0].strategy)
    if Route(strategy).exact:
        best = min(points, key=lambda point: point.seconds)
        return Choice(Route(strategy, best.effort), best.seconds, 1.0)
    if recall >= 1.0:
        return None
    before: RecallPoint | None = None
    for point in points:
        if point.low >= recall:
            return _between(before, point, strategy, recall)
        before = point
    return None


def _between(before: RecallPoint | None, point: RecallPoint, strategy: Strategy, recall: float) -> Choice:
    """Return the effort at which the line from `before`, which misses the recall, to `point` reaches it."""
    if before is None or before.low < STRAIGHT or before.effort < 1 or before.seconds > point.seconds:
        return Choice(Route(strategy, point.effort), point.seconds, point.low)
    part = (recall - before.low) / (point.low - before.low)
    effort = min(point.effort, math.ceil(before.effort * (point.effort / before.effort) ** part))
    part = math.log(effort / before.effort) / math.log(point.effort / before.effort)
    reached = before.low + part * (point.low - before.low)
    seconds = before.seconds + part * (point.seconds - before.seconds)
    return Choice(Route(strategy, effort), seconds, max(recall, reached))


def _total(seconds: float, asked: Asked) -> float:
    return SEARCH_SECONDS + asked.queries * seconds


def _slower(seconds: float, chosen: float) -> str:
    return f"slower: {seconds * 1e3:.3f} ms a query instead of {chosen * 1e3:.3f} ms"
