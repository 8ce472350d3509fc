"""Filtered search of our graph: both walks and the scan, by the share of vectors that pass.

Three kinds of filter. random: any vector passes with the same probability. near and far: those pass that lie furthest
along the first principal direction of the vectors, and the queries come from the quarter furthest along it (near), or
from the opposite quarter (far): the right answers then lie where no walk comes by that looks for what is near.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from benchmarks.vector_sets import DataSet, K, exact_worst, pinned
from pergamum.domain.vectors import Matrix
from pergamum.index.base import SCAN, Neighbours, Route, Strategy
from pergamum.index.hnsw.index import HnswIndex
from pergamum.index.mask import Flags, SlotMask

SHARES = (0.5, 0.1, 0.01, 0.001)
KINDS = ("random", "near", "far")
WANTED = 0.95
STRATEGIES = (Strategy.GRAPH, Strategy.FILTERED_GRAPH)
_TOO_SLOW = 2.0
"""An effort that takes so many times the scan's time is the last one tried."""


@dataclass(frozen=True)
class Case:
    """A filter, the queries it is tried with, and the index."""

    kind: str
    share: float
    data: DataSet
    allowed: SlotMask
    index: HnswIndex

    def search(self, query: Matrix, route: Route) -> Neighbours:
        return self.index.search(query, K, self.data.vectors, self.allowed, route)


@dataclass(frozen=True)
class Tried:
    """How one strategy did: the least effort that reaches WANTED, or the last one tried."""

    strategy: Strategy
    effort: int
    recall: float
    seconds: list[float]
    scored: float
    rescanned: float

    @property
    def rate(self) -> float:
        return 1.0 / float(np.median(self.seconds))


def cases(data: DataSet, index: HnswIndex, queries: int) -> Iterator[Case]:
    along = principal(data.vectors)
    for kind in KINDS:
        chosen = chosen_queries(data.queries @ along, kind, queries)
        asked = np.ascontiguousarray(data.queries[chosen])
        for share in SHARES:
            allowed = SlotMask.of(flags(data.vectors @ along, kind, share))
            worst = exact_worst(data.vectors, asked, allowed)
            yield Case(kind, share, replace(data, queries=asked, worst=worst), allowed, index)


def principal(vectors: Matrix) -> npt.NDArray[np.float32]:
    """Return the direction in which the vectors differ most."""
    centred = vectors - vectors.mean(axis=0)
    direction: npt.NDArray[np.float32] = np.linalg.eigh(centred.T @ centred)[1][:, -1].astype(np.float32)
    return direction


def chosen_queries(along: npt.NDArray[np.float32], kind: str, most: int) -> npt.NDArray[np.int64]:
    if kind == "random":
        return np.arange(min(most, len(along)))
    order = np.argsort(along if kind == "far" else -along)[: len(along) // 4]
    return np.sort(np.random.default_rng(0).permutation(order)[:most])


def flags(along: npt.NDArray[np.float32], kind: str, share: float) -> Flags:
    passing = max(K, round(share * len(along)))
    order = np.random.default_rng(1).permutation(len(along)) if kind == "random" else np.argsort(-along)
    passed = np.zeros(len(along), dtype=np.bool_)
    passed[order[:passing]] = True
    return passed


def tried(case: Case, repeats: int) -> list[Tried]:
    """Return the scan and both walks; they take turns."""
    with pinned():
        scan = once(case, SCAN)
        routes = [SCAN, *(least_effort(case, strategy, scan.seconds[0]) for strategy in STRATEGIES)]
        rounds = [[once(case, route) for route in routes] for _ in range(repeats)]
    return [replace(turns[0], seconds=[turn.seconds[0] for turn in turns]) for turns in zip(*rounds, strict=True)]


def least_effort(case: Case, strategy: Strategy, scan: float) -> Route:
    route = Route(strategy)
    for effort in case.index.efforts(strategy, K):
        route = Route(strategy, effort)
        result = once(case, route)
        if result.recall >= WANTED or result.seconds[0] > _TOO_SLOW * scan:
            break
    return route


def once(case: Case, route: Route) -> Tried:
    queries = case.data.one_by_one()
    start = time.perf_counter()
    found = [case.search(query, route) for query in queries]
    seconds = (time.perf_counter() - start) / len(queries)
    slots = np.concatenate([each.slots for each in found])
    if not case.allowed.flags(len(case.data.vectors))[slots].all():
        raise SystemExit(f"{route} returned a vector that does not pass the filter")
    recall = case.data.recall(slots)
    return Tried(route.strategy, route.effort, recall, [seconds], mean(found, "scored"), mean(found, "rescanned"))


def mean(found: list[Neighbours], field: str) -> float:
    return float(np.mean([getattr(each, field) for each in found]))
