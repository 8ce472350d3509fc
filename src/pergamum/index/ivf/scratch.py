"""What one search at a time needs, in one piece of memory, and how kernels find their arrays in two such pieces."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pergamum.index.arrays import LINE, aligned
from pergamum.index.ivf.layout import BLOCK, TABLE, WIDTH, Bytes, Floats, Longs, Shape, Slots

SPARE: Final = 192
"""Candidates beyond the wanted ones before the worst are thrown away."""


class Scratch(NamedTuple):
    """What one search at a time needs.

    `query` f4 (2 m,): y. `digits` i1 (stride,): y by its step. `rows` u4 (p,): 0, 1, 2, ... `products` i4 (p,): of
    `digits` with the codes of the centroids. `near` f4 (p,): estimates of the centroids. `keys` i4 (p,): the same,
    ordered as whole numbers. `order` i8 (p,): partitions to look into. `seen` u1 (p,). `reaches` f4 (m,): bounds of
    look-ups. `entries` f4, `tables` u1 (16 m,): the look-ups. `sums` u2, `estimates` f4 (64,): of a block. `scores` f4,
    `found` i4 (room,): candidates. `facts` f8 (4,), columns named below. `counts` i8 (2,): codes compared, vectors
    read.
    """

    query: Floats
    digits: npt.NDArray[np.int8]
    rows: npt.NDArray[np.uint32]
    products: Slots
    near: Floats
    keys: Slots
    order: Longs
    seen: Bytes
    reaches: Floats
    entries: Floats
    tables: Bytes
    sums: npt.NDArray[np.uint16]
    estimates: Floats
    scores: Floats
    found: Slots
    facts: npt.NDArray[np.float64]
    counts: Longs


UNIT, SQUARE, ANCHOR, FLOOR = range(4)
"""By what the query was divided; |y|^2; <y, middle>; the estimate that a slot has to reach."""
SCORED, READ = range(2)
PARTS: Final = len(Scratch._fields)
ROOM: Final = PARTS + 1
INDEX_BYTES: Final = 192
"""The first bytes of the piece: where each array begins, where the last ends, and the room for candidates."""


def _sizes(shape: Shape, room: int) -> Iterator[int]:
    """Yield the bytes of each array of `Scratch`."""
    p, m = shape.partitions, shape.codes
    yield from (
        4 * WIDTH * m,
        shape.stride,
        4 * p,
        4 * p,
        4 * p,
        4 * p,
        8 * p,
        p,
        4 * m,
        4 * TABLE * m,
        TABLE * m,
    )
    yield from (2 * BLOCK, 4 * BLOCK, 4 * room, 4 * room, 8 * 4, 8 * 2)


def scratch(shape: Shape, wanted: int) -> Bytes:
    """Return scratch for searches that read at most `wanted` vectors."""
    room = wanted + SPARE
    sizes = [size + -size % LINE for size in _sizes(shape, room)]
    places = INDEX_BYTES + np.concatenate([[0], np.cumsum(sizes)])
    space = aligned(1, int(places[-1]), np.uint8).reshape(-1)
    space[:] = 0
    space[: 8 * (PARTS + 2)].view(np.int64)[:] = [*places.tolist(), room]
    rows = int(places[Scratch._fields.index("rows")])
    space[rows : rows + 4 * shape.partitions].view(np.uint32)[:] = np.arange(shape.partitions)
    return space
