"""The arrays of partitions and of a search through them.

A vector x (v / |v| under cosine, else v / scale) belongs to the partition whose centroid c is nearest, and is kept as
codes of the residual x - c: two neighbouring dimensions a code of 4 bits, which names one of 16 points r.

    <y, x>        ~ <y, c> + sum <y, r>                                        cosine, dot
    |y|^2 - |y - x|^2  ~ 2 <y, c> - |c|^2 + sum (2 <y, r> - 2 <c, r> - |r|^2)  l2

Each sum runs over the codes, so a query makes a table of 16 numbers a code and a vector's estimate is a sum of look-ups
(`fastscan.py`). Under l2 the last two terms, `shifts`, depend on the partition: there each has tables of its own.
"""

from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix, Metric
from pergamum.index.ivf.fastscan import BLOCK, TABLE

Bytes: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]
Slots: TypeAlias = npt.NDArray[np.int32]
Longs: TypeAlias = npt.NDArray[np.int64]

WIDTH: Final = 2
"""Dimensions a code stands for."""
MOST_SUM: Final = 65_535


class Partitions(NamedTuple):
    """Vectors by partition. p partitions, m codes a vector (even), d padded to 2 m dimensions.

    `centroids` f4 (2 m, p): a column each. `halves` f4 (p,): |c|^2 / 2. `books` f4 (m, 16, 2): the points r.
    `shifts` f4 (p, 16 m) under l2, else (0, 16 m). `codes` u1 (blocks * 32 m,): see `fastscan`. `slots` i4
    (64 * blocks,): whose codes they are, ascending within a partition, -1 in the padding. `first` i8 (p + 1,): the
    first block of each partition.
    """

    centroids: Floats
    halves: Floats
    books: Floats
    shifts: Floats
    codes: Bytes
    slots: Slots
    first: Longs


class Aim(NamedTuple):
    """One search: the metric's number, `twice` 2.0 under l2, else 1.0, `effort` partitions, `wanted` vectors at most.

    `scale`: see `scale_of`. `spread`: what codes lose, by the root of the mean square of one dimension.
    """

    metric: int
    twice: float
    effort: int
    wanted: int
    scale: float
    spread: float


class Scratch(NamedTuple):
    """What one search at a time needs.

    `query` f4 (2 m,). `near` f4 (p,): estimates of the centroids. `keys` f8, `order` i8 (p,): a heap of partitions.
    `seen` u1 (p,). `entries` f4, `tables` u1 (16 m,). `sums` u2 (64,). `scores` f4, `found` i4: candidates.
    `state` i8 (2,): codes compared, vectors read. `lengths` f8 (2,): by what the query was divided, and |y|^2.
    """

    query: Floats
    near: Floats
    keys: npt.NDArray[np.float64]
    order: Longs
    seen: Bytes
    entries: Floats
    tables: Bytes
    sums: npt.NDArray[np.uint16]
    scores: Floats
    found: Slots
    state: Longs
    lengths: npt.NDArray[np.float64]


SCORED, READ = range(2)
UNIT, SQUARE = range(2)
SPARE: Final = 160
"""Candidates beyond the wanted ones before the worst are thrown away."""


def codes_of(dimension: int) -> int:
    """Return how many codes a vector has: even, so that they fill bytes."""
    return -(-dimension // (2 * WIDTH)) * 2


def room_of(wanted: int) -> int:
    """Return how many candidates a search has room for that reads `wanted` vectors."""
    return wanted + SPARE


def scratch(partitions: Partitions, wanted: int) -> Scratch:
    """Return scratch for searches that read `wanted` vectors."""
    padded, count = partitions.centroids.shape
    entries, room = partitions.books.size // WIDTH, room_of(wanted)
    return Scratch(
        np.zeros(padded, np.float32),
        np.empty(count, np.float32),
        np.empty(count),
        np.empty(count, np.int64),
        np.zeros(count, np.uint8),
        np.empty(entries, np.float32),
        np.empty(entries, np.uint8),
        np.empty(BLOCK, np.uint16),
        np.empty(room, np.float32),
        np.empty(room, np.int32),
        np.zeros(2, np.int64),
        np.zeros(2),
    )


def represented(vectors: Matrix, metric: Metric, scale: float) -> Floats:
    """Return x of each row, padded with zeros to whole codes, as f4 (n, 2 m)."""
    wide = np.asarray(vectors, dtype=np.float64)
    wide = wide / np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None] if metric is Metric.COSINE else wide / scale
    padded = np.zeros((len(wide), WIDTH * codes_of(wide.shape[1])), np.float32)
    padded[:, : wide.shape[1]] = wide
    return padded


def scale_of(vectors: Matrix, metric: Metric) -> float:
    """Return a power of two that no number of the vectors is far above, so that squares stay in range."""
    if metric is Metric.COSINE or not vectors.size:
        return 1.0
    largest = float(np.abs(vectors).max())
    return float(2.0 ** np.ceil(np.log2(largest))) if largest > 0 else 1.0


def shifts_of(centroids: Floats, books: Floats, metric: Metric) -> Floats:
    """Return `Partitions.shifts`."""
    codes = len(books)
    if metric is not Metric.L2:
        return np.empty((0, TABLE * codes), np.float32)
    parts = centroids.T.reshape(-1, codes, 1, WIDTH)
    shifts = -((2 * parts + books) * books).sum(axis=3)
    return np.ascontiguousarray(shifts.reshape(len(parts), -1), dtype=np.float32)


def packed(codes: Bytes) -> Bytes:
    """Return the codes (n, m) of one partition as its blocks, flat."""
    count, each = codes.shape
    whole = np.zeros((-(-count // BLOCK) * BLOCK, each), np.uint8)
    whole[:count] = codes
    blocks = whole.reshape(-1, BLOCK, each).transpose(0, 2, 1)
    return np.ascontiguousarray(blocks[:, 0::2] | (blocks[:, 1::2] << 4)).reshape(-1)


def unpacked(codes: Bytes, each: int) -> Bytes:
    """Return the codes (n, m) of blocks, those of the padding too."""
    blocks = codes.reshape(-1, each // 2, BLOCK).transpose(0, 2, 1)
    return np.stack([blocks & 15, blocks >> 4], axis=3).reshape(-1, each)


def gathered(slots: Longs, labels: Longs, codes: Bytes, count: int) -> tuple[Bytes, Slots, Longs]:
    """Return `codes`, `slots` and `first` of `Partitions`, for slots (ascending) with labels and codes (n, m)."""
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels, minlength=count)
    first = np.concatenate([[0], np.cumsum(-(-sizes // BLOCK))]).astype(np.int64)
    ends = np.cumsum(sizes)
    places = np.arange(len(order)) + np.repeat(first[:-1] * BLOCK - (ends - sizes), sizes)
    kept = np.full(int(first[-1]) * BLOCK, -1, np.int32)
    kept[places] = slots[order]
    whole = np.zeros((len(kept), codes.shape[1]), np.uint8)
    whole[places] = codes[order]
    return packed(whole), kept, first
