"""Figures of requests, as one process gathers them and as they travel from the processes that read to the writer."""

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, Protocol, TypeAlias, TypedDict

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Counts: TypeAlias = list[int]
"""How many durations were at most each of SECONDS and above the one before; the last were longer than all."""


class FiguresSent(TypedDict):
    """What travels as JSON: counts since the last ones, each behind its labels; of seconds counts and their sum."""

    requests: list[tuple[str, str, int, int]]
    seconds: list[tuple[str, str, Counts, float]]
    searches: list[tuple[str, int]]


class RequestFigures(Protocol):
    """Whoever counts requests."""

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""


class Durations(Collector):
    """Seconds of requests by method and route: a histogram that another one can be added to. Threads: any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], Counts] = defaultdict(lambda: [0] * (len(SECONDS) + 1))
        self._sums: dict[tuple[str, str], float] = defaultdict(float)

    def observe(self, method: str, route: str, seconds: float) -> None:
        """Count one."""
        with self._lock:
            self._counts[method, route][bisect_left(SECONDS, seconds)] += 1
            self._sums[method, route] += seconds

    def add(self, method: str, route: str, counts: Sequence[int], total: float) -> None:
        """Count many."""
        with self._lock:
            held = self._counts[method, route]
            held[:] = [own + other for own, other in zip(held, counts, strict=True)]
            self._sums[method, route] += total

    def taken(self) -> list[tuple[str, str, Counts, float]]:
        """Return what there is, and begin anew."""
        with self._lock:
            found = [(*key, counts, self._sums[key]) for key, counts in self._counts.items()]
            self._counts.clear()
            self._sums.clear()
        return found

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the histogram as Prometheus has it."""
        family = HistogramMetricFamily("pergamum_request_seconds", "Time to answer.", labels=("method", "route"))
        with self._lock:
            held = [(key, list(counts), self._sums[key]) for key, counts in self._counts.items()]
        for key, counts, total in held:
            bounds = [*map(str, SECONDS), "+Inf"]
            family.add_metric(key, list(zip(bounds, accumulate(counts), strict=True)), total)
        yield family


class Figures:
    """What a process that only reads counts until it is asked. Threads: any."""

    def __init__(self) -> None:
        self._lock, self._durations = threading.Lock(), Durations()
        self._requests: dict[tuple[str, str, int], int] = defaultdict(int)
        self._searches: dict[str, int] = defaultdict(int)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._durations.observe(method, route, seconds)
        with self._lock:
            self._requests[method, route, status] += 1

    def search(self, plan: str) -> None:
        """Count a search."""
        with self._lock:
            self._searches[plan] += 1

    def taken(self) -> FiguresSent:
        """Return what was counted since the last time."""
        with self._lock:
            requests = [(*key, count) for key, count in self._requests.items()]
            searches = list(self._searches.items())
            self._requests.clear()
            self._searches.clear()
        return {"requests": requests, "seconds": self._durations.taken(), "searches": searches}
