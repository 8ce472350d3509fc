"""Finding arrays in their piece of memory, inside kernels, and the types that kernels are compiled for."""

from typing import NamedTuple

import numpy as np
from numba import types

from pergamum.index.ivf.layout import (
    BLOCK,
    BLOCKS,
    CODES,
    COUNT,
    NUMBERS,
    PLACES,
    TABLE,
    UNIT,
    WIDTH,
    Bytes,
    Longs,
    Partitions,
)
from pergamum.index.ivf.scratch import ROOM, TRAIL, Scratch
from pergamum.index.jit import F8, FLAG, I8, array, kernel, named

F4 = types.float32
F4S, I4S, U1S, U2S = array(F4, 1), array(types.int32, 1), array(types.uint8, 1), array(types.uint16, 1)
FLOATS, BYTES, LONGS = array(F4, 1, readonly=True), array(types.uint8, 1, readonly=True), array(I8, 1, readonly=True)
MATRIX, ROWS = array(F4, 2, readonly=True), array(types.uint8, 2, readonly=True)
TILES = array(types.uint8, 3, readonly=True)
FLAGS = array(FLAG, 1, readonly=True)
PARTITIONS = named(
    Partitions,
    FLOATS,
    MATRIX,
    TILES,
    FLOATS,
    FLOATS,
    FLOATS,
    array(F4, 3, readonly=True),
    FLOATS,
    ROWS,
    LONGS,
    array(F8, 1, readonly=True),
)
SCRATCH = named(
    Scratch,
    F4S,
    array(types.int8, 1),
    I4S,
    F4S,
    I4S,
    array(I8, 1),
    U1S,
    F4S,
    U1S,
    U2S,
    F4S,
    F4S,
    I4S,
    I4S,
    U1S,
    I4S,
    array(F8, 1),
    array(I8, 1),
)


class Aim(NamedTuple):
    """One search: the metric's number, k, `effort` partitions, `wanted` vectors at most; `scale`, `spread`: `facts`."""

    metric: int
    k: int
    effort: int
    wanted: int
    scale: float
    spread: float


AIM = named(Aim, I8, I8, I8, I8, F8, F8)


@kernel(PARTITIONS, BYTES, LONGS)
def partitions_in(arena: Bytes, head: Longs) -> Partitions:
    """Do what `layout.opened` does. O(1)."""
    p, m, blocks = head[COUNT], head[CODES], head[BLOCKS]
    at, wide = head[PLACES:], WIDTH * m
    each, tiles, units = BLOCK * (m // 2 + NUMBERS), (p + BLOCK - 1) // BLOCK, WIDTH * m // UNIT
    return Partitions(
        arena[at[0] : at[0] + 4 * wide].view(np.float32),
        arena[at[1] : at[1] + 4 * p * wide].view(np.float32).reshape((p, wide)),
        arena[at[2] : at[2] + tiles * units * UNIT * BLOCK].reshape((tiles, units, UNIT * BLOCK)),
        arena[at[3] : at[3] + 4 * p].view(np.float32),
        arena[at[4] : at[4] + 4 * p].view(np.float32),
        arena[at[5] : at[5] + 4 * p].view(np.float32),
        arena[at[6] : at[6] + 4 * m * WIDTH * TABLE].view(np.float32).reshape((m, WIDTH, TABLE)),
        arena[at[7] : at[7] + 4 * m].view(np.float32),
        arena[at[8] : at[8] + blocks * each].reshape((blocks, each)),
        arena[at[9] : at[9] + 8 * (p + 1)].view(np.int64),
        arena[at[10] : at[10] + 8 * 3].view(np.float64),
    )


@kernel(SCRATCH, U1S, LONGS)
def scratch_in(space: Bytes, head: Longs) -> Scratch:
    """Return the arrays that `scratch.scratch` laid out in `space`. O(1)."""
    p, m = head[COUNT], head[CODES]
    at = space[: 8 * (ROOM + 1)].view(np.int64)
    room, marks, wide = at[ROOM], at[15] - at[14], at[5] - at[4]
    return Scratch(
        space[at[0] : at[0] + 4 * WIDTH * m].view(np.float32),
        space[at[1] : at[1] + WIDTH * m].view(np.int8),
        space[at[2] : at[2] + wide].view(np.int32),
        space[at[3] : at[3] + 4 * p].view(np.float32),
        space[at[4] : at[4] + wide].view(np.int32),
        space[at[5] : at[5] + 8 * p].view(np.int64),
        space[at[6] : at[6] + p],
        space[at[7] : at[7] + 4 * m].view(np.float32),
        space[at[8] : at[8] + TABLE * m],
        space[at[9] : at[9] + 2 * BLOCK].view(np.uint16),
        space[at[10] : at[10] + 4 * BLOCK].view(np.float32),
        space[at[11] : at[11] + 4 * room].view(np.float32),
        space[at[12] : at[12] + 4 * room].view(np.int32),
        space[at[13] : at[13] + 4 * (room + BLOCK)].view(np.int32),
        space[at[14] : at[14] + marks].view(np.uint8),
        space[at[15] : at[15] + 4 * TRAIL].view(np.int32),
        space[at[16] : at[16] + 8 * 4].view(np.float64),
        space[at[17] : at[17] + 8 * 3].view(np.int64),
    )
