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

    `query` f4 (2 m,): y. `digits` i1 (2 m,): y by its step. `products` i4 (p, and more up to a multiple of 64): of
    `digits` with the codes of the centroids. `near` f4 (p,): estimates of the centroids. `keys` i4 (as many as
    `products`): how much each promises, as ranks (select_kernels.py), below all of them in the rest. `order` i8 (p,):
    partitions to look into. `seen` u1 (p,). `reaches` f4 (m,): bounds of look-ups. `tables` u1 (16 m,): the look-ups.
    `sums` u2, `estimates` f4 (64,): of a block. `scores` f4, `found` i4 (room,): candidates. `ranks` i4 (room, and 64
    more): their scores as ranks. `marks` u1: a bit for each slot that was a candidate of this query. `trail` i4
    (TRAIL,): the slots whose bits are set, as far as they have room. `facts` f8 (4,), `counts` i8 (3,), columns named
    below.
    """

    query: Floats
    digits: npt.NDArray[np.int8]
    products: Slots
    near: Floats
    keys: Slots
    order: Longs
    seen: Bytes
    reaches: Floats
    tables: Bytes
    sums: npt.NDArray[np.uint16]
    estimates: Floats
    scores: Floats
    found: Slots
    ranks: Slots
    marks: Bytes
    trail: Slots
    facts: npt.NDArray[np.float64]
    counts: Longs


UNIT, SQUARE, ANCHOR, FLOOR = range(4)
"""By what the query was divided; |y|^2; <y, middle>; the estimate that a slot has to reach."""
SCORED, READ, MARKED = range(3)
"""Codes compared; vectors read; candidates so far, of those that are marked."""
TRAIL: Final = 1_024
PARTS: Final = len(Scratch._fields)
ROOM: Final = PARTS + 1
INDEX_BYTES: Final = 192
"""The first bytes of the piece: where each array begins, where the last ends, and the room for candidates."""


def _sizes(shape: Shape, room: int) -> Iterator[int]:
    """Yield the bytes of each array of `Scratch`."""
    p, m, wide = shape.partitions, shape.codes, BLOCK * -(-shape.partitions // BLOCK)
    yield from (4 * WIDTH * m, WIDTH * m, 4 * wide, 4 * p, 4 * wide, 8 * p, p, 4 * m, TABLE * m)
    yield from (
        2 * BLOCK,
        4 * BLOCK,
        4 * room,
        4 * room,
        4 * (room + BLOCK),
        shape.slots // 8 + 1,
        4 * TRAIL,
        8 * 4,
        8 * 3,
    )


def scratch(shape: Shape, wanted: int) -> Bytes:
    """Return scratch for searches that read at most `wanted` vectors."""
    room = wanted + SPARE
    sizes = [size + -size % LINE for size in _sizes(shape, room)]
    places = INDEX_BYTES + np.concatenate([[0], np.cumsum(sizes)])
    space = aligned(1, int(places[-1]), np.uint8).reshape(-1)
    space[:] = 0
    space[: 8 * (PARTS + 2)].view(np.int64)[:] = [*places.tolist(), room]
    keys, order = (int(places[Scratch._fields.index(name)]) for name in ("keys", "order"))
    space[keys:order].view(np.int32)[:] = np.iinfo(np.int32).min
    return space
