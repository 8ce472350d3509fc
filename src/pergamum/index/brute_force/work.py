"""What a search holds while it runs: heaps, candidates and scratch, as arrays that kernels read."""

from typing import NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]
Signed: TypeAlias = npt.NDArray[np.int8]
Integers: TypeAlias = npt.NDArray[np.int32]
Longs: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]

CANDIDATES = 4096
"""Candidates a query may hold before they must be verified."""

VERIFIED, CEILINGS, WAITING, READ = range(4)
"""Columns of `Work.sizes`."""


class Work(NamedTuple):
    """What m queries have found so far, and scratch. Row i belongs to query i.

    `distances` f8, `slots` i8 (m, k): heaps of the verified. `ceilings` f8, `owners` i8 (m, k): heaps of upper bounds.
    `floors` f8, `waiting` i8 (m, CANDIDATES): negated lower bounds and slots of candidates, in no order.
    `sizes` i8 (m, 4): of the verified, of the ceilings, of the candidates; how many vectors were read.
    `sums` i4 (2, 64), `bounds` f8 (2, 64): one group's dot products, lower and upper bounds.
    `limits` f8 (m,): the thresholds, inf while unknown.
    """

    distances: Doubles
    slots: Longs
    ceilings: Doubles
    owners: Longs
    floors: Doubles
    waiting: Longs
    sizes: Longs
    sums: Integers
    bounds: Doubles
    limits: Doubles

    @classmethod
    def begin(cls, queries: int, k: int) -> Self:
        """Return the state before anything was scanned. Results not found stay slot -1, distance inf."""
        return cls(
            distances=np.full((queries, k), np.inf),
            slots=np.full((queries, k), -1, dtype=np.int64),
            ceilings=np.empty((queries, k)),
            owners=np.empty((queries, k), dtype=np.int64),
            floors=np.empty((queries, CANDIDATES)),
            waiting=np.empty((queries, CANDIDATES), dtype=np.int64),
            sizes=np.zeros((queries, 4), dtype=np.int64),
            sums=np.empty((2, 64), dtype=np.int32),
            bounds=np.empty((2, 64)),
            limits=np.full(queries, np.inf),
        )
