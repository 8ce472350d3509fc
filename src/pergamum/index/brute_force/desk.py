"""Where a scan works: memory of its own, by address. What one search used the next one finds in the caches."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pergamum.index.bound import Bound, bound
from pergamum.index.brute_force.work import Doubles, Signed, Work
from pergamum.index.quantize import TERMS, padded

_MOST_KINDS: Final = 8
"""Pairs of dimension and k of which desks are kept: 64 KiB each, as many of a pair as searches ran at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """Memory for m queries at a time, which `search` of kernels.py prepares itself.

    `digits` i1 (2 m, padded dimension) and `terms` f8 (m, 8) are for `QueryCodes`. `table`: `work`, `digits`, `terms`.
    """

    kind: tuple[int, int, int]
    work: Work
    digits: Signed
    terms: Doubles
    table: Bound

    def answer(self) -> tuple[npt.NDArray[np.int64], Doubles]:
        """Return slots and distances, which nobody else will change."""
        return self.work.slots.copy(), self.work.distances.copy()


class Desks:
    """Desks that nobody uses, for one query each: those of batches are large, and cost little of a batch's time."""

    def __init__(self) -> None:
        self._free: dict[tuple[int, int, int], list[Desk]] = {}

    def take(self, queries: int, dimension: int, k: int) -> Desk:
        """Return a desk that nobody else uses; taking from and adding to a list is atomic.

        It never served another dimension: `encode_queries` leaves what lies behind a query's own digits alone.
        """
        kind = (queries, dimension, k)
        try:
            return self._free[kind].pop()
        except (KeyError, IndexError):
            return _made(kind)

    def give_back(self, desk: Desk) -> None:
        """Let others use it, if there may be others of its kind."""
        if desk.kind[0] > 1:
            return
        if len(self._free) >= _MOST_KINDS and desk.kind not in self._free:
            self._free.clear()
        self._free.setdefault(desk.kind, []).append(desk)


def _made(kind: tuple[int, int, int]) -> Desk:
    queries, dimension, k = kind
    work = Work.begin(queries, k)
    digits, terms = np.zeros((2 * queries, padded(dimension)), dtype=np.int8), np.empty((queries, TERMS))
    return Desk(kind, work, digits, terms, bound([*work, digits, terms]))
