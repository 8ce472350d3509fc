"""What kinds of index took and found when they were tried on samples of a library."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log
from typing import Final

from pergamum.domain.library import IndexSpec

ASSUMED_EXPONENT: Final = 0.5
"""How the cost of a query is taken to grow where only one sample says what it is: with the square root of the size."""


@dataclass(frozen=True, slots=True)
class TrialPoint:
    """One effort. `recall`: the mean share of true neighbours found, `low`: the low end of its 95 % interval.

    `seconds`: processor time of one query on one core.
    """

    effort: int
    recall: float
    low: float
    seconds: float


@dataclass(frozen=True, slots=True)
class SampleTrial:
    """One index built over `sampled` vectors: its points by ascending effort, and the memory of all that it needs."""

    spec: IndexSpec
    sampled: int
    memory_bytes: int
    points: tuple[TrialPoint, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """All that was measured while the library had `live` chunks: every index over every size of sample.

    `k` hits were asked for, by `queries` held-out vectors. Exact search is among them, with one point.
    """

    live: int
    k: int
    queries: int
    samples: tuple[SampleTrial, ...]
    measured_at: datetime

    @property
    def sampled(self) -> int:
        """How many vectors the largest sample had."""
        return max(sample.sampled for sample in self.samples)

    @property
    def specs(self) -> list[IndexSpec]:
        """What was tried, each once, in the order in which it was."""
        return [one.spec for place, one in enumerate(self.samples) if not self._before(place, one.spec)]

    def of(self, spec: IndexSpec) -> list[SampleTrial]:
        """Return the samples over which the index was built, the largest first."""
        return sorted((one for one in self.samples if one.spec == spec), key=lambda one: -one.sampled)

    def _before(self, place: int, spec: IndexSpec) -> bool:
        return any(one.spec == spec for one in self.samples[:place])


@dataclass(frozen=True, slots=True)
class Growth:
    """What a query costs by the size of the library: constant + slope * size ** exponent, in seconds."""

    constant: float
    slope: float
    exponent: float

    def at(self, size: int) -> float:
        """Return the predicted seconds of one query."""
        scale: float = float(size) ** self.exponent
        return self.constant + self.slope * scale


def reached(points: Sequence[TrialPoint], recall: float) -> TrialPoint | None:
    """Return the least effort whose `low` is the recall, between two measured ones on the straight line; or None.

    REQUIRES: points by ascending effort.
    """
    before: TrialPoint | None = None
    for point in points:
        if point.low >= recall:
            return point if before is None else _between(before, point, recall)
        before = point
    return None


def line(costs: Sequence[tuple[int, float]]) -> Growth:
    """Return a cost that grows straight, as that of a scan does. `costs`: (size, seconds), the largest size first."""
    size, seconds = costs[0]
    if len(costs) < 2 or costs[1][0] >= size or costs[1][1] >= seconds:
        return Growth(0.0, seconds / size, 1.0)
    slope = (seconds - costs[1][1]) / (size - costs[1][0])
    constant = max(0.0, seconds - slope * size)
    return Growth(constant, (seconds - constant) / size, 1.0)


def power(costs: Sequence[tuple[int, float]]) -> Growth:
    """Return a cost that grows with a power of the size, at most straight and never falling."""
    size, seconds = costs[0]
    if len(costs) < 2 or costs[1][0] >= size:
        exponent = ASSUMED_EXPONENT
    else:
        exponent = min(1.0, max(0.0, log(seconds / costs[1][1]) / log(size / costs[1][0])))
    return Growth(0.0, seconds / float(size) ** exponent, exponent)


def _between(before: TrialPoint, point: TrialPoint, recall: float) -> TrialPoint:
    """Return the point on the line from `before`, which misses the recall, to `point`."""
    part = (recall - before.low) / (point.low - before.low)
    return TrialPoint(
        effort=round(before.effort + part * (point.effort - before.effort)),
        recall=before.recall + part * (point.recall - before.recall),
        low=recall,
        seconds=before.seconds + part * (point.seconds - before.seconds),
    )
