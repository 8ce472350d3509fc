"""A built index whose recall is known: it finds the true neighbours and loses each by chance."""

import math
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np

from pergamum.domain.recall import RecallCurve, RecallPoint
from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.base import Job, Neighbours, Route, Strategy
from pergamum.index.brute_force.index import BruteForceIndex
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import SlotMask


def _unreported(_share: float) -> None:
    """Nobody watches the progress."""


JOB = Job(1, _unreported)


class FakeIndex:
    """A `BuiltIndex` that loses each true neighbour with chance 1 - recall(effort); lost ones are replaced by farther.

    A query loses its neighbours together with chance `together`: then recall varies more between queries.
    """

    kind = "fake"
    strategies: tuple[Strategy, ...] = (Strategy.GRAPH, Strategy.FILTERED_GRAPH)
    memory_bytes = anonymous_bytes = 0

    def __init__(self, vectors: Matrix, metric: Metric = Metric.L2, together: float = 0.0) -> None:
        self.count, self._together = len(vectors), together
        self._scan = BruteForceIndex.empty(vectors.shape[1], metric).extended(vectors)
        self.asked: list[Route] = []

    @staticmethod
    def recall(effort: int) -> float:
        """The share of true neighbours it finds."""
        return 1.0 - math.exp(-effort / 20)

    def efforts(self, strategy: Strategy, k: int) -> tuple[int, ...]:  # noqa: ARG002  # as the contract has it
        return tuple(effort for effort in (10, 20, 40, 80, 160, 320) if effort >= k)

    def search(self, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask, route: Route) -> Neighbours:
        self.asked.append(route)
        more = self._scan.search(queries, min(4 * k + 20, self.count), vectors, allowed)
        slots = np.full((len(queries), k), -1, np.int64)
        distances = np.full((len(queries), k), np.inf)
        for row in range(len(queries)):
            random = np.random.default_rng(zlib.crc32(queries[row].tobytes()) + route.effort)
            chances = random.random((more.slots.shape[1],))
            if random.random() < self._together:
                chances[:] = chances[0]  # all are found, or none is
            found = (chances < self.recall(route.effort)) | (np.arange(len(chances)) >= 2 * k)
            kept = np.flatnonzero(found & (more.slots[row] >= 0))[:k]
            slots[row, : len(kept)], distances[row, : len(kept)] = more.slots[row, kept], more.distances[row, kept]
        return Neighbours(slots, distances, 0, k * len(queries))

    def grown(self, vectors: Matrix, live: SlotMask, job: Job) -> Self:  # noqa: ARG002  # as the contract has it
        return type(self)(vectors)

    def save(self, folder: Path) -> None:
        """Nothing is kept."""

    def faults(self) -> Iterator[str]:
        return iter(())


def layered(built: FakeIndex, vectors: Matrix, metric: Metric = Metric.L2) -> LayeredIndex:
    """Return an index over all vectors, of which `built` covers the first."""
    index = LayeredIndex.empty(vectors.shape[1], metric).extended(vectors)
    return index.with_built(built, vectors)


def point(
    effort: int, low: float, seconds: float, *, strategy: str = "graph", k: int = 10, selectivity: float = 1.0
) -> RecallPoint:
    """Return a measurement; its interval is one hundredth wide on either side."""
    recall, high = min(1.0, low + 0.01), min(1.0, low + 0.02)
    return RecallPoint(strategy, effort, k, selectivity, False, recall, low, high, seconds, 100.0, 400)


def curve(points: Sequence[RecallPoint], slots: int, beyond: dict[int, float] | None = None) -> RecallCurve:
    """Return a curve measured while all slots were live."""
    limits = {1: math.inf} if beyond is None else beyond
    return RecallCurve(tuple(points), limits, slots, slots, datetime(2026, 1, 1, tzinfo=UTC))
