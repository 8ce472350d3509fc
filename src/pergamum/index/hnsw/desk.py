"""Where a search works: memory of its own, and the addresses of all that a kernel reads."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pergamum.index.bound import Bound, bound
from pergamum.index.code_rows import CodeRows
from pergamum.index.hnsw.graph import Graph, Scratch, scratch
from pergamum.index.hnsw.wide import Query, Wide, query
from pergamum.index.quantize import TERMS


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """Memory for one search at a time.

    `table`: `scratch`, then `query`, then digits and terms of `QueryCodes`, then sizes and doubtful of `Found`.
    """

    scratch: Scratch
    query: Query
    others: tuple[npt.NDArray[Any], ...]
    table: Bound

    def has_room(self, effort: int) -> bool:
        """Whether a search of this effort can work here."""
        return len(self.scratch.pool) > effort


class Desks:
    """The desks of an index over `rows`, `graph` and `wide`; `table` has their arrays in this order."""

    def __init__(self, dimension: int, rows: CodeRows, graph: Graph, wide: Wide) -> None:
        self.table = bound([*rows, *graph, *wide])
        self._dimension, self._slots, self._stride = dimension, *rows.codes.shape
        self._free: list[Desk] = []

    @property
    def free(self) -> int:
        """How many there are that nobody uses."""
        return len(self._free)

    def take(self, effort: int) -> Desk:
        """Return a desk that nobody else uses; taking from and adding to a list is atomic."""
        try:
            desk = self._free.pop()
        except IndexError:
            desk = None
        if desk is not None and desk.has_room(effort):
            return desk
        return self._made(effort)

    def give_back(self, desk: Desk) -> None:
        """Let others use it."""
        self._free.append(desk)

    def _made(self, effort: int) -> Desk:
        own = scratch(self._slots, self._stride, effort)
        asked = query(self._dimension, len(own.pool))
        digits, terms = np.zeros((2, self._stride), np.int8), np.empty((1, TERMS))
        others = (digits, terms, np.zeros(1, np.int64), np.zeros(1, np.bool_))
        return Desk(own, asked, others, bound([*own, *asked, *others]))
