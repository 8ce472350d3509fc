"""The two sides of a search, what vectors find and what words find, and the one that is made of both."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Protocol

import numpy as np

from pergamum.domain.search_options import Fusion
from pergamum.domain.vectors import Matrix
from pergamum.engine.answering import Found, Search, Stages, extent_of, vouched
from pergamum.engine.fusion import Doubles, Ranking, Slots, fused
from pergamum.engine.planner import Asked, Planner
from pergamum.engine.view import View
from pergamum.index.distance import distances
from pergamum.index.mask import SlotMask

LEAST_DEPTH: Final = 50
LEAST_READ: Final = 64
NOTHING: Final = Ranking(np.empty(0, np.int64), np.empty(0), all=True)


class Side(Protocol):
    """Ranks the slots that one search may find. Threads: one."""

    def best(self, count: int) -> Ranking:
        """Return at least the `count` best, all where there are fewer. May be asked again for more."""

    def deepening(self, wanted: int) -> Iterator[Ranking]:
        """Yield rankings of at least the `wanted` best, each about twice as long as the one before, until it is all."""

    def within(self, slots: Slots, most: int) -> Ranking:
        """Return the at most `most` best of these slots. REQUIRES: `best` or `deepening` has been asked."""


def _doubled(best: Callable[[int], Ranking], wanted: int) -> Iterator[Ranking]:
    depth = max(LEAST_DEPTH, 2 * wanted)
    while True:
        ranking = best(depth)
        yield ranking
        if ranking.all:
            return
        depth *= 2


@dataclass(slots=True)
class VectorSide:
    """By nearness to `query`, float32 (1, d). `searches` are all that were made, `distances` of all that was found."""

    view: View
    planner: Planner
    query: Matrix
    recall: float
    searched: SlotMask
    stages: Stages
    searches: list[tuple[Search, Found]] = field(default_factory=list)
    distances: dict[int, float] = field(default_factory=dict)

    def best(self, count: int) -> Ranking:
        """Return the `count` nearest as the plan for so many finds them."""
        view, extent = self.view, extent_of(self.view, self.searched)
        k = min(count, extent.allowed)
        if view.index is None or view.vectors is None or not k:
            return NOTHING
        search = Search(self.query, Asked(k, self.recall))
        plan = self.planner.plan(search.asked, extent)
        self.stages.done("plan")
        first = view.index.search(self.query, k, view.vectors, self.searched, plan.route)
        found = vouched(view, search, self.searched, plan, first)
        self.searches.append((search, found))
        self.stages.done("index")
        there = found.neighbours.slots[0] >= 0
        slots = found.neighbours.slots[0][there]
        return self._ranking(slots, found.neighbours.distances[0][there], whole=k == extent.allowed)

    def deepening(self, wanted: int) -> Iterator[Ranking]:
        """Yield the nearest, more and more of them."""
        return _doubled(self.best, wanted)

    def within(self, slots: Slots, most: int) -> Ranking:
        """Return the nearest of these slots, exactly."""
        assert self.view.vectors is not None, "what was found has a vector"
        slots = np.sort(slots[self.searched.flags(self.view.state.next_slot)[slots]])
        far = distances(self.view.state.library.metric, self.query[0], self.view.vectors[slots])
        order = np.argsort(far, kind="stable")[:most]
        return self._ranking(slots[order], far[order], whole=True)

    @property
    def exact(self) -> bool:
        """Whether everything that was found is the true nearest."""
        return all(found.plan.exact or 0 in found.certain for _, found in self.searches)

    @property
    def expected_recall(self) -> float:
        """The least share of the true nearest expected in any of the searches."""
        return 1.0 if self.exact else min(found.plan.expected_recall for _, found in self.searches)

    def _ranking(self, slots: Slots, far: Doubles, *, whole: bool) -> Ranking:
        self.distances.update(zip(slots.tolist(), far.tolist(), strict=True))
        return Ranking(slots, self.view.state.library.metric.scores(far), whole)


class KeywordSide:
    """By words in common. `hits` yields (slot, score), the best first; what may not be searched is left out."""

    def __init__(self, hits: Iterator[tuple[int, float]], searched: SlotMask, slots: int, stages: Stages) -> None:
        self._flags, self._hits, self._stages = searched.flags(slots), hits, stages
        self._slots: list[int] = []
        self._scores: dict[int, float] = {}
        self._ended = False
        self.read = 0
        """How many hits were looked at."""

    def best(self, count: int) -> Ranking:
        """Return the `count` best."""
        self._read_to(count + 1)
        slots = self._slots[:count]
        scores = [self._scores[slot] for slot in slots]
        return Ranking(np.array(slots, np.int64), np.array(scores), self._ended and count >= len(self._slots))

    def deepening(self, wanted: int) -> Iterator[Ranking]:
        """Yield the best, more and more of them."""
        return _doubled(self.best, wanted)

    def within(self, slots: Slots, most: int) -> Ranking:
        """Return the best of these slots. Reads all hits: nobody knows how many of these slots are among them."""
        self._read_to(len(self._flags))
        among = sorted((-self._scores[slot], slot) for slot in slots.tolist() if slot in self._scores)[:most]
        return Ranking(np.array([slot for _, slot in among], np.int64), np.array([-score for score, _ in among]), True)

    def close(self) -> None:
        """Read no more hits."""
        if isinstance(self._hits, Generator):
            self._hits.close()

    def _read_to(self, count: int) -> None:
        while not self._ended and len(self._slots) < count:
            most = max(LEAST_READ, count - len(self._slots))
            some = list(islice(self._hits, most))
            self.read += len(some)
            self._ended = len(some) < most
            for slot, score in some:
                if self._flags[slot]:
                    self._slots.append(slot)
                    self._scores[slot] = score
        self._stages.done("keyword")


@dataclass(slots=True)
class HybridSide:
    """By both: the first `candidates` of each are fused, of twice as many where those are not enough.

    `parts` are the two rankings that were fused last.
    """

    vector: Side
    keyword: Side
    fusion: Fusion
    candidates: int
    stages: Stages
    parts: tuple[Ranking, Ranking] = (NOTHING, NOTHING)
    _fused: Ranking = NOTHING

    def best(self, count: int) -> Ranking:
        """Return all that was fused."""
        found = self._fuse()
        while len(found) < count and not found.all:
            self.candidates *= 2
            found = self._fuse()
        return found

    def deepening(self, wanted: int) -> Iterator[Ranking]:
        """Yield all that was fused, of more and more candidates."""
        found = self.best(wanted)
        while not found.all:
            yield found
            self.candidates *= 2
            found = self._fuse()
        yield found

    def within(self, slots: Slots, most: int) -> Ranking:
        """Return the best of these slots among the candidates."""
        among = np.isin(self._fused.slots, slots)
        return Ranking(self._fused.slots[among][:most], self._fused.scores[among][:most], all=True)

    def _fuse(self) -> Ranking:
        self.parts = self.vector.best(self.candidates), self.keyword.best(self.candidates)
        self._fused = fused(*self.parts, self.fusion)
        self.stages.done("fusion")
        return self._fused


def places(ranking: Ranking) -> dict[int, tuple[int, float]]:
    """Return rank, from 1, and score by slot."""
    each: Sequence[float] = ranking.scores.tolist()
    return {slot: (rank, each[rank - 1]) for rank, slot in enumerate(ranking.slots.tolist(), 1)}
