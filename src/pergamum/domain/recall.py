"""What an index has measured of itself: how much of the truth each effort finds, and what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Doubles: TypeAlias = npt.NDArray[np.float64]
Z: Final = 1.96
"""95 % of a normal distribution lie within as many standard deviations."""


@dataclass(frozen=True, slots=True)
class RecallPoint:
    """One measurement: `queries` sample queries answered exactly and by one route.

    `strategy`, `effort`: the route. `selectivity`: the share of slots that was allowed. `foreign`: whether the sample
    queries were unlike the library's own vectors. `recall`: the mean share of the true k nearest that were found,
    `low` and `high` its 95 % confidence interval. `seconds`: of one query on one core; `scored`: codes compared by it.
    """

    strategy: str
    effort: int
    k: int
    selectivity: float
    foreign: bool
    recall: float
    low: float
    high: float
    seconds: float
    scored: float
    queries: int


@dataclass(frozen=True, slots=True)
class RecallCurve:
    """All measurements of one built index.

    `slots`: how many it covered when it was measured, `live`: how many of them were live. The selectivity of a point is
    a share of the live ones. `foreign_beyond`: for each k, the distance of the k-th hit from which on a query counts as
    foreign, unlike anything the library holds; for the metric dot that of a query of length 1.
    """

    points: tuple[RecallPoint, ...]
    foreign_beyond: dict[int, float]
    slots: int
    live: int
    measured_at: datetime


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % confidence interval."""

    mean: float
    low: float
    high: float


def interval(shares: Sequence[float] | Doubles) -> Interval:
    """Return the mean of the shares, each in [0, 1], and its 95 % interval by the variance between them.

    One more share, of a half, is counted in for the ends: that all of m queries found everything does not mean that the
    next one will. No end is nearer to the mean of those m + 1 than 1 / (m + 1). REQUIRES: at least one share.
    """
    mean = float(np.mean(shares))
    widened = np.append(np.asarray(shares, dtype=np.float64), 0.5)
    half = max(Z * float(widened.std(ddof=1)) / float(np.sqrt(len(widened))), 1 / len(widened))
    return Interval(mean, max(0.0, float(widened.mean()) - half), min(1.0, mean + half))


def shares_found(found: Doubles, truth: Doubles) -> Doubles:
    """Return for each query the share of its true neighbours that was found, (m,); equally far ones are equally true.

    `found` and `truth`: distances, (m, k), each row ascending, inf where there is nothing. Who has nothing to find has
    found it all.
    """
    there = np.isfinite(truth).sum(axis=1)
    last = np.take_along_axis(truth, np.maximum(there - 1, 0)[:, np.newaxis], axis=1)
    hits = (np.isfinite(found) & (found <= last)).sum(axis=1)
    shares: Doubles = np.where(there > 0, np.minimum(hits, there) / np.maximum(there, 1), 1.0)
    return shares
