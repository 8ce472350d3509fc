"""What an index has measured of itself: how much of the truth each effort finds, and what it costs."""

from dataclasses import dataclass
from datetime import datetime


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
    """All measurements of one built index. `slots`: how many it covered when it was measured.

    `foreign_beyond`: for each k measured, the distance of the k-th hit from which on a query counts as foreign.
    """

    points: tuple[RecallPoint, ...]
    foreign_beyond: dict[int, float]
    slots: int
    measured_at: datetime
