"""The arrays of a graph, and the scratch of whoever walks it."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pergamum.index.arrays import aligned, readonly

NONE: Final = np.uint32(0xFFFFFFFF)
"""Ends a list of links."""
ABSENT: Final = 255
"""The level of a slot that is not in the graph."""
MOST_LEVELS: Final = 15
_LEAST_SCRATCH: Final = 4096
_SEED: Final = 0x9E3779B97F4A7C15
_ORDER_SEED: Final = 0xD1B54A32D192ED03


class Graph(NamedTuple):
    """Links between the slots [0, n).

    `links` u4 (n, 2m): those on layer 0. `upper` u4 (rows, m): those on the layers above, row upper_rows[slot] + l - 1
    for layer l. From the first NONE on, a list is all NONE. `upper_rows` i4 (n,). `levels` u1 (n,): the highest layer
    of a slot, or ABSENT.
    """

    links: npt.NDArray[np.uint32]
    upper: npt.NDArray[np.uint32]
    upper_rows: npt.NDArray[np.int32]
    levels: npt.NDArray[np.uint8]


class Scratch(NamedTuple):
    """What one walk at a time needs. It may be used again and again: marks of earlier walks are told by their epoch.

    `marks` u1 (n,): the epoch in which a slot was last seen. `state` i8 (5,), columns named below. `pool` u8: slots by
    key, see `kernels.packed`. `fresh` u4, `sums` i4, `keys` u8: slots about to be scored, and their scores. `chosen`
    u4: links being selected. `query`, `other` i1 (stride,): codes of a slot as a query.
    """

    marks: npt.NDArray[np.uint8]
    state: npt.NDArray[np.int64]
    pool: npt.NDArray[np.uint64]
    fresh: npt.NDArray[np.uint32]
    sums: npt.NDArray[np.int32]
    keys: npt.NDArray[np.uint64]
    chosen: npt.NDArray[np.uint32]
    query: npt.NDArray[np.int8]
    other: npt.NDArray[np.int8]


class Aim(NamedTuple):
    """What a walk looks for: `query` i1 (stride,), zero in the padding; `factor` 2 t; `offset` 128 * sum of query.

    The query stands for t * query, t > 0.
    """

    query: npt.NDArray[np.int8]
    factor: float | np.float32
    offset: int


class Reach(NamedTuple):
    """How far a walk goes: entries in its pool, its layer, whether (1) it keeps allowed slots only."""

    effort: int
    layer: int
    filtered: int


class Found(NamedTuple):
    """What m queries have found: `distances` f8 and `slots` i8 (m, k), heaps while a query runs, then sorted.

    `sizes` i8 (m,): how many there are. `doubtful` (m,): whether somebody else should scan for the query.
    """

    distances: npt.NDArray[np.float64]
    slots: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    doubtful: npt.NDArray[np.bool_]


class Plan(NamedTuple):
    """One search: the metric's number, where to enter on which layer, `Reach`, and the share of slots allowed."""

    metric: int
    entry: int
    top: int
    effort: int
    filtered: int
    share: float


class Build(NamedTuple):
    """How slots are inserted: links each gets, pool they are chosen from, where to enter on which layer."""

    m: int
    effort: int
    entry: int
    top: int


EPOCH, SEEDS, SCORED, LOOKED_AT, ALLOWED = range(5)
"""Columns of `Scratch.state`: the current epoch; how many of `fresh` a walk starts from; slots scored, only ever
added to; slots near the query whose flag a filtered walk looked at, and how many of those were allowed."""


def scratch(slots: int, stride: int, effort: int) -> Scratch:
    """Return scratch for walks over `slots` slots with pools of `effort` entries."""
    room = max(_LEAST_SCRATCH, effort + 1)
    return Scratch(
        marks=np.zeros(slots, dtype=np.uint8),
        state=np.zeros(5, dtype=np.int64),
        pool=np.empty(room, dtype=np.uint64),
        fresh=np.empty(room, dtype=np.uint32),
        sums=np.empty(room, dtype=np.int32),
        keys=np.empty(room, dtype=np.uint64),
        chosen=np.empty(room, dtype=np.uint32),
        query=np.zeros(stride, dtype=np.int8),
        other=np.zeros(stride, dtype=np.int8),
    )


def levels_of(slots: range, m: int) -> npt.NDArray[np.uint8]:
    """Return the level of each slot: floor(-ln u / ln m) for a u in (0, 1] that is a hash of the slot.

    So the same slot has the same level in every build, whatever the number of threads or the history.
    """
    hashes = _hashed(np.arange(slots.start, slots.stop), _SEED)
    uniform = (hashes >> np.uint64(11)).astype(np.float64) / 2.0**53
    levels = -np.log(np.maximum(uniform, 2.0**-53)) / np.log(m)
    bounded: npt.NDArray[np.uint8] = np.minimum(levels, MOST_LEVELS).astype(np.uint8)
    return bounded


def shuffled(slots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the slots in an order that is a hash of them, the same in every build."""
    return slots[np.argsort(_hashed(slots, _ORDER_SEED), kind="stable")]


def _hashed(slots: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.uint64]:
    """Return 64 bits for each slot: the last step of splitmix64."""
    x = slots.astype(np.uint64) + np.uint64(seed)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed


def empty_graph(levels: npt.NDArray[np.uint8], m: int) -> Graph:
    """Return a graph without links, whose slots have these levels."""
    heights = np.where(levels == ABSENT, 0, levels).astype(np.int64)
    ends = np.cumsum(heights)
    upper = np.full((int(ends[-1]) if len(ends) else 0, m), NONE)
    links = aligned(len(levels), 2 * m, np.uint32)
    links.fill(NONE)
    return Graph(links, upper, (ends - heights).astype(np.int32), levels)


def widened(older: Graph, levels: npt.NDArray[np.uint8]) -> Graph:
    """Return a copy with more slots, which have no links yet: `levels` are those of all slots. O(slots * m)."""
    known, m = len(older.levels), older.upper.shape[1]
    new = empty_graph(levels[known:], m)
    wider = empty_graph(np.zeros(len(levels), dtype=np.uint8), m)
    wider.links[:known] = older.links
    return Graph(
        wider.links,
        np.concatenate([older.upper, new.upper]),
        np.concatenate([older.upper_rows, new.upper_rows + np.int32(len(older.upper))]),
        np.concatenate([older.levels, levels[known:]]),
    )


def frozen(graph: Graph) -> Graph:
    """Return read-only views of the arrays: the type that walks are compiled for."""
    links, upper, upper_rows, levels = graph
    return Graph(readonly(links), readonly(upper), readonly(upper_rows), readonly(levels))


def copied(graph: Graph) -> Graph:
    """Return copies of the arrays."""
    links, upper, upper_rows, levels = graph
    return Graph(links.copy(), upper.copy(), upper_rows.copy(), levels.copy())
