"""Queries that a library has never seen, made of nothing but its own vectors.

A member of the library is no fair sample: a graph has linked it to its neighbours, so that a search for it is led
straight to them. Measured on words-100 (60,000 vectors, graph, pool of 45): members 0.940, queries held out 0.887. So
each member is displaced, by DISPLACED of the distance to its nearest neighbour, in the direction from one random member
to another, which is the noise the data itself has, and is not counted among what is found. Then as much is found as for
held-out queries, or a little less; docs/recall.md has the table.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.layered import LayeredIndex
from pergamum.index.mask import SlotMask

DISPLACED = 0.7
_NEAREST = 10

Doubles = npt.NDArray[np.float64]
Slots = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Source:
    """Where samples come from: the library's vectors, and which slots are live."""

    index: LayeredIndex
    vectors: Matrix
    live: SlotMask

    @property
    def metric(self) -> Metric:
        """How they are compared."""
        return self.index.tail.metric

    def members(self, most: int, random: np.random.Generator) -> Slots:
        """Return at most `most` different live slots in random order."""
        alive = np.flatnonzero(self.live.flags(self.index.count))
        return random.permutation(alive)[:most]

    def rows(self, slots: Slots) -> Doubles:
        """Return the vectors in float64; of length 1 where only their direction counts."""
        rows: Doubles = self.vectors[slots].astype(np.float64)
        return units(rows) if self.metric is Metric.COSINE else rows


def unseen(source: Source, most: int, random: np.random.Generator) -> tuple[Matrix, Slots]:
    """Return at most `most` queries like those the library will get, and the member each was made of, (m,).

    That one is not to be counted: no query to come has such a near neighbour.
    """
    members = source.members(most, random)
    if len(members) < 2:
        return np.empty((0, source.vectors.shape[1]), np.float32), np.empty(0, np.int64)
    others = random.permutation(members)
    towards = source.rows(others) - source.rows(np.roll(others, 1))
    steps = DISPLACED * _nearest_distances(source, members)
    queries = _float32(source.rows(members) + steps[:, np.newaxis] * units(towards))
    usable = _usable(queries)
    return np.ascontiguousarray(queries[usable]), members[usable]


def foreign(source: Source, most: int, random: np.random.Generator) -> Matrix:
    """Return at most `most` queries unlike the library: of any direction, half as long as its vectors, half thrice."""
    members = source.members(max(most, 2), random)
    if len(members) < 2:
        return np.empty((0, source.vectors.shape[1]), np.float32)
    rows = source.rows(members)
    middle = rows.mean(axis=0) if source.metric is Metric.L2 else np.zeros(rows.shape[1])
    lengths = np.linalg.norm(rows - middle, axis=1) * np.where(np.arange(len(rows)) % 2, 3.0, 1.0)
    directions = units(random.standard_normal(rows.shape))
    queries = _float32(middle + lengths[:, np.newaxis] * directions)
    return np.ascontiguousarray(queries[_usable(queries)])


def units(rows: Doubles) -> Doubles:
    """Return the rows with length 1; a zero row stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)


def _nearest_distances(source: Source, members: Slots) -> Doubles:
    """Return how far each member is from its nearest neighbour that differs, as the crow flies whatever the metric.

    Where all that are near are copies of it, the median of the others stands in.
    """
    found = source.index.search(source.vectors[members], _NEAREST + 1, source.vectors, source.live)
    rows = source.rows(members)
    nearest = np.full(len(members), np.inf)
    for place in range(found.slots.shape[1]):
        slots = found.slots[:, place]
        apart = np.linalg.norm(source.rows(np.maximum(slots, 0)) - rows, axis=1)
        differs = (slots >= 0) & (slots != members) & (apart > 0)
        nearest = np.where(differs, np.minimum(nearest, apart), nearest)
    known = nearest[np.isfinite(nearest)]
    return np.where(np.isfinite(nearest), nearest, np.median(known) if known.size else 0.0)


def _float32(queries: Doubles) -> Matrix:
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(queries, dtype=np.float32)


def _usable(queries: Matrix) -> npt.NDArray[np.bool_]:
    """Return which of the queries a library would not refuse."""
    return np.logical_and(np.isfinite(queries).all(axis=1), queries.any(axis=1))
