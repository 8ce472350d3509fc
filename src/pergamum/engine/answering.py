"""What a search needs beside the index: which slots it may find, what to ask again, and what its answers say."""

import time
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from pergamum.domain.query import Answer, Explanation, Filtering, Hit
from pergamum.domain.vectors import Matrix, Metric, query_lengths
from pergamum.engine.planner import Asked, Extent, Plan, Planner
from pergamum.engine.view import View
from pergamum.index.base import SCAN, Neighbours
from pergamum.index.mask import SlotMask
from pergamum.storage.base import StoredChunk


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """Queries float32 (m, dimension) that have passed the library's check, and what is wanted of their answers.

    `allowed` is what their filter leaves, live or not; None: no filter. Slots beyond its blocks count as allowed.
    """

    queries: Matrix
    asked: Asked
    allowed: SlotMask | None = None
    explain: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """What a search looks at: a view, those of its slots that may be found, and the filter that left them, if any."""

    view: View
    searched: SlotMask
    filtering: Filtering | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The slots found for a search, by `plan`. `certain`: the queries that were answered again by an exact scan."""

    neighbours: Neighbours
    plan: Plan
    certain: frozenset[int] = frozenset()


def within(view: View, allowed: SlotMask | None) -> SlotMask:
    """Return the slots of the view that are live and allowed. O(slots) with a filter."""
    if allowed is None:
        return view.live
    count = view.state.next_slot
    return SlotMask.of(view.live.flags(count) & allowed.flags(count))


def extent_of(view: View, searched: SlotMask) -> Extent:
    """Return what there is to search. O(1): what a mask leaves out is counted when it is made."""
    slots = view.state.next_slot
    built = 0 if view.index is None else view.index.built_count
    return Extent(slots, built, max(0, slots - searched.dead), view.state.library.dimension or 0)


def nothing(search: Search) -> Neighbours:
    """Return the answer of a library without vectors."""
    shape = (len(search.queries), search.asked.k)
    return Neighbours(np.full(shape, -1, np.int64), np.full(shape, np.inf))


def vouched(view: View, search: Search, searched: SlotMask, plan: Plan, first: Neighbours) -> Found:
    """Return what the plan found first, every query for which it cannot vouch answered again.

    Those are foreign queries, unlike the library's vectors: the recall that was measured does not hold for them. They
    are told by their k-th hit, which is farther than that of nearly every query like the library's vectors. An answer
    short of k hits is made anew by an exact scan, so that k come back whenever k match.
    """
    if plan.exact:
        return Found(first, plan)
    if first.rescanned == len(search.queries):  # the index has seen to it
        return Found(first, plan, frozenset(range(first.rescanned)))
    last = first.distances[:, -1]
    beyond, farthest = plan.foreign_beyond, last.max()
    if np.isfinite(farthest) and farthest <= beyond and _metric(view) is not Metric.DOT:  # as it nearly always is
        return Found(first, plan)
    far = last > (beyond * query_lengths(search.queries, Metric.DOT) if _metric(view) is Metric.DOT else beyond)
    short = np.isinf(last)
    if not (far | short).any() or view.index is None or view.vectors is None:
        return Found(first, plan)
    found = first
    for rows, route in ((far & ~short, plan.foreign), (short, SCAN)):
        if rows.any():
            again = view.index.search(search.queries[rows], search.asked.k, view.vectors, searched, route)
            found = _replaced(found, rows, again)
    return Found(found, plan, frozenset(np.flatnonzero(short | (far & plan.foreign.exact)).tolist()))


def assembled(view: View, found: Found, rows: dict[int, StoredChunk], explanation: Explanation | None) -> list[Answer]:
    """Return the answers, one for each query."""
    position, neighbours, plan = view.state.position, found.neighbours, found.plan
    scores = _metric(view).scores(neighbours.distances)
    answers = []
    each = zip(neighbours.slots.tolist(), scores.tolist(), neighbours.distances.tolist(), strict=True)
    for number, query in enumerate(each):
        hits = tuple(
            Hit(rows[slot].chunk, score, distance) for slot, score, distance in zip(*query, strict=True) if slot >= 0
        )
        exact = plan.exact or number in found.certain
        answers.append(
            Answer(
                hits,
                exact=exact,
                expected_recall=1.0 if exact else plan.expected_recall,
                complete=not view.damaged,
                position=position,
                plan=plan.kind,
                explanation=explanation,
            )
        )
    return answers


@dataclass(slots=True)
class Stages:
    """Where the seconds of a search went: `done` names what has just been finished."""

    _last: float
    seconds: dict[str, float]

    @classmethod
    def begin(cls) -> Self:
        """Return a clock that runs."""
        return cls(time.perf_counter(), {})

    def done(self, stage: str) -> None:
        """Note what the time since the last call was spent on."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now


def explanation(planner: Planner, search: Search, extent: Extent, found: Found, stages: Stages) -> Explanation:
    """Return how the answers of a search came about."""
    plan, neighbours = found.plan, found.neighbours
    return Explanation(
        strategy=plan.kind,
        effort=plan.route.effort,
        predicted_seconds=plan.seconds,
        expected_recall=plan.expected_recall,
        refused=tuple(planner.refused(search.asked, extent, plan)),
        queries=len(search.queries),
        seconds=sum(stages.seconds.values()),
        scored=neighbours.scored,
        verified=neighbours.verified,
        rescanned=neighbours.rescanned,
        predicted_selectivity=planner.predicted_selectivity(search.asked, extent),
        selectivity=extent.selectivity,
        stages=stages.seconds,
    )


def _metric(view: View) -> Metric:
    return view.state.library.metric


def _replaced(found: Neighbours, rows: npt.NDArray[np.bool_], again: Neighbours) -> Neighbours:
    """Return the answers with those of `rows` replaced."""
    slots, distances = found.slots.copy(), found.distances.copy()
    slots[rows], distances[rows] = again.slots, again.distances
    return Neighbours(
        slots,
        distances,
        found.verified + again.verified,
        found.scored + again.scored,
        found.rescanned + again.rescanned + int(rows.sum()),
    )
