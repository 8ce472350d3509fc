"""What recall searches really have: a share of them is answered exactly as well, in the background, and compared.

Searching only appends to a bounded queue. The comparing is made one at a time, on the view that answered the search,
and takes a small share of the time; while it is under way, or has had its share, samples are dropped.
"""

import random
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog

from pergamum.domain.recall import Doubles, interval, shares_found
from pergamum.domain.vectors import Matrix
from pergamum.engine.answering import Found, Search
from pergamum.engine.view import View
from pergamum.index.base import SCAN
from pergamum.index.mask import SlotMask

WINDOW: Final = 500
"""Comparisons kept for each recall that is asked for."""
MOST_RECALLS: Final = 16
"""Different recalls asked for that are kept apart."""
QUERIES: Final = 256
"""Queries kept for the next calibration."""
SHARE_OF_TIME: Final = 0.05
"""Most of a core that comparing takes."""
FEWEST: Final = 50
"""Comparisons that must speak against the curve before it is measured again."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LiveRecallFigure:
    """Recall of `queries` real searches that asked for `wanted`, and its 95 % confidence interval."""

    wanted: float
    recall: float
    low: float
    high: float
    queries: int


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """One query, (1, d), the distances it was answered, (1, k), and what it was answered from."""

    query: Matrix
    distances: Doubles
    wanted: float
    view: View
    searched: SlotMask


def _nobody() -> None:
    """Nobody measures again."""


class LiveRecall:
    """Of one library. Threads: any. Changed under `_lock` only: _windows, _told. Nothing is compared before `start`."""

    def __init__(
        self, *, chance: Callable[[], float] = random.random, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._chance, self._clock = chance, clock
        self._share = 0.0
        self._run: Callable[[Callable[[], None]], object] | None = None
        self._on_drift: Callable[[], None] = _nobody
        self._queries: deque[Matrix] = deque(maxlen=QUERIES)
        self._lock = threading.Lock()
        self._windows: OrderedDict[float, deque[float]] = OrderedDict()
        self._told = False
        self._busy = False
        self._not_before = 0.0

    def start(
        self, share: float, run: Callable[[Callable[[], None]], object], on_drift: Callable[[], None] = _nobody
    ) -> None:
        """Compare that share of searches from now on.

        `run` puts work on the background threads. `on_drift` is called there once the recall that was found lies below
        what was asked, up to the end of its interval; then not again before `forget`.
        """
        self._run, self._on_drift, self._share = run, on_drift, share

    def picks(self, queries: int) -> bool:
        """Whether one of so many searches made together is to be a sample."""
        return self._chance() < self._share * queries

    def take(self, view: View, search: Search, searched: SlotMask, found: Found) -> None:
        """Keep a query for the next calibration; compare its answer in the background, if there is time for it.

        The true neighbours have nothing to be compared with, but what was asked is worth knowing all the same.
        """
        number = min(int(self._chance() * len(search.queries)), len(search.queries) - 1)
        query = search.queries[number : number + 1].copy()
        self._queries.append(query)
        if found.plan.exact or self._run is None or self._busy or self._clock() < self._not_before:
            return
        distances = found.neighbours.distances[number : number + 1]
        sample = _Sample(query, distances, search.asked.recall, view, searched)
        self._busy = True  # two threads may both get here: then there are two comparisons
        try:
            self._run(lambda: self._compare(sample))
        except RuntimeError:  # the server is stopping
            self._busy = False

    def queries(self) -> Matrix | None:
        """Return the queries kept, no two the same, (m, d) with m at most QUERIES; None if there are none."""
        kept = list(self._queries)
        return np.unique(np.concatenate(kept), axis=0) if kept else None

    def figures(self) -> tuple[LiveRecallFigure, ...]:
        """Return the recall measured for each that was asked for, ascending."""
        with self._lock:
            windows = {wanted: list(shares) for wanted, shares in sorted(self._windows.items())}
        return tuple(_figure(wanted, shares) for wanted, shares in windows.items())

    def forget(self) -> None:
        """Begin anew: searches are planned by another curve from now on. The queries are kept."""
        with self._lock:
            self._windows.clear()
            self._told = False

    def _compare(self, sample: _Sample) -> None:
        started, index, vectors = self._clock(), sample.view.index, sample.view.vectors
        assert index is not None, "what was not exact was found by an index"
        assert vectors is not None, "an index implies vectors"
        try:
            truth = index.search(sample.query, sample.distances.shape[1], vectors, sample.searched, SCAN)
            self._record(sample.wanted, float(shares_found(sample.distances, truth.distances)[0]))
        finally:
            ended = self._clock()
            self._not_before = ended + (ended - started) * (1 / SHARE_OF_TIME - 1)
            self._busy = False

    def _record(self, wanted: float, share: float) -> None:
        with self._lock:
            window = self._windows.setdefault(wanted, deque(maxlen=WINDOW))
            self._windows.move_to_end(wanted)
            if len(self._windows) > MOST_RECALLS:
                self._windows.popitem(last=False)
            window.append(share)
            figure = _figure(wanted, list(window))
            drifted = figure.queries >= FEWEST and figure.high < wanted and not self._told
            self._told = self._told or drifted
        if drifted:
            log.warning("searches find less than was measured", wanted=wanted, recall=figure.recall, high=figure.high)
            self._on_drift()


def _figure(wanted: float, shares: list[float]) -> LiveRecallFigure:
    measured = interval(shares)
    return LiveRecallFigure(wanted, measured.mean, measured.low, measured.high, len(shares))
