"""Recall against queries a second: measured in turns, read off at a given recall."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from benchmarks.peers import Contestant
from benchmarks.vector_sets import K, pinned

ENOUGH = 0.993
"""No larger effort is tried once this recall is reached."""

FLAT = 0.001
USELESS = 0.8
"""Efforts of less recall are left out."""


@dataclass
class Point:
    """One effort of a contestant: its recall, and the seconds a query of every repeat."""

    effort: int
    recall: float
    seconds: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Queries a second, the median of the repeats."""
        return 1.0 / float(np.median(self.seconds))


@dataclass(frozen=True)
class Curve:
    """What one contestant reached, by ascending effort."""

    contestant: Contestant
    points: list[Point]

    def rates_at(self, recall: float) -> list[float]:
        """Return for each repeat the queries a second at `recall`, log-linear between two efforts.

        Not a number where no effort reaches it; the rate of the least effort where that one reaches more.
        """
        recalls = np.maximum.accumulate([point.recall for point in self.points])
        if recalls[-1] < recall:
            return [float("nan")] * len(self.points[0].seconds)
        repeats = np.log([point.seconds for point in self.points]).T
        return [float(np.exp(-np.interp(recall, recalls, seconds))) for seconds in repeats]

    def rate_at(self, recall: float) -> float:
        """Return the median of `rates_at`."""
        return float(np.median(self.rates_at(recall)))

    def reaching(self, recall: float) -> Point:
        """Return the point of the least effort that reaches `recall`, else the last."""
        return next((point for point in self.points if point.recall >= recall), self.points[-1])


def ratios(curve: Curve, base: Curve, recall: float) -> list[float]:
    """Return by how much `curve` is faster at `recall`, for each repeat."""
    return [one / other for one, other in zip(curve.rates_at(recall), base.rates_at(recall), strict=True)]


def measured(contestants: Sequence[Contestant], repeats: int, asked: int) -> list[Curve]:
    """Return a curve for each contestant: recall over all queries, times over the first `asked` of them.

    Repeat by repeat, effort by effort, the contestants take turns on one core, so that noise hits all alike.
    """
    with pinned():
        curves = [Curve(contestant, points(contestant)) for contestant in contestants]
        for repeat in range(repeats):
            turns = curves[repeat % len(curves) :] + curves[: repeat % len(curves)]
            for step in range(max(len(curve.points) for curve in curves)):
                take_turns(turns, step, asked)
    return curves


def take_turns(curves: Sequence[Curve], step: int, asked: int) -> None:
    for curve in curves:
        for point in curve.points[step : step + 1]:
            point.seconds.append(seconds_a_query(curve.contestant, point.effort, asked))


def points(contestant: Contestant) -> list[Point]:
    """Return the recall of ascending efforts, until one has reached ENOUGH or they make no difference."""
    found = list[Point]()
    for effort in contestant.efforts:
        search = contestant.aimed(effort)
        answers = np.array([row_of(search(query)) for query in contestant.queries()])
        found.append(Point(effort, contestant.data.recall(answers)))
        if found[-1].recall >= ENOUGH or flat(found):
            break
    return [point for point in found if point.recall >= USELESS] or found[-1:]


def row_of(answer: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """Return an answer as K numbers, -1 where it has fewer."""
    row = np.ravel(answer)[:K].astype(np.int64)
    return np.pad(row, (0, K - len(row)), constant_values=-1)


def flat(found: Sequence[Point]) -> bool:
    """Whether larger efforts no longer help, as where codes are too coarse."""
    return len(found) > 4 and found[-1].recall < found[-5].recall + FLAT


def seconds_a_query(contestant: Contestant, effort: int, asked: int) -> float:
    """Ask one query after the other."""
    search, queries = contestant.aimed(effort), contestant.queries(asked)
    for query in queries[:20]:
        search(query)
    start = time.perf_counter()
    for query in queries:
        search(query)
    return (time.perf_counter() - start) / len(queries)
