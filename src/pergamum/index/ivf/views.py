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
    STRIDE,
    TABLE,
    WIDTH,
    Bytes,
    Longs,
    Partitions,
)
from pergamum.index.ivf.scratch import ROOM, Scratch
from pergamum.index.jit import F8, FLAG, I8, array, kernel, named

F4 = types.float32
F4S, I4S, U1S, U2S = (
    array(F4, 1),
    array(types.int32, 1),
    array(types.uint8, 1),
    array(types.uint16, 1),
)
FLOATS, BYTES, LONGS = (
    array(F4, 1, readonly=True),
    array(types.uint8, 1, readonly=True),
    array(I8, 1, readonly=True),
)
MATRIX, ROWS = array(F4, 2, readonly=True), array(types.uint8, 2, readonly=True)
FLAGS = array(FLAG, 1, readonly=True)
PARTITIONS = named(
    Partitions,
    FLOATS,
    MATRIX,
    ROWS,
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
    array(types.uint32, 1),
    I4S,
    F4S,
    I4S,
    array(I8, 1),
    U1S,
    F4S,
    F4S,
    U1S,
    U2S,
    F4S,
    F4S,
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
    p, m, stride, blocks = head[COUNT], head[CODES], head[STRIDE], head[BLOCKS]
    at, wide = head[PLACES:], WIDTH * m
    each = BLOCK * (m // 2 + NUMBERS)
    return Partitions(
        arena[at[0] : at[0] + 4 * wide].view(np.float32),
        arena[at[1] : at[1] + 4 * p * wide].view(np.float32).reshape((p, wide)),
        arena[at[2] : at[2] + p * stride].reshape((p, stride)),
        arena[at[3] : at[3] + 4 * p].view(np.float32),
        arena[at[4] : at[4] + 4 * p].view(np.float32),
        arena[at[5] : at[5] + 4 * m * WIDTH * TABLE].view(np.float32).reshape((m, WIDTH, TABLE)),
        arena[at[6] : at[6] + 4 * m].view(np.float32),
        arena[at[7] : at[7] + blocks * each].reshape((blocks, each)),
        arena[at[8] : at[8] + 8 * (p + 1)].view(np.int64),
        arena[at[9] : at[9] + 8 * 2].view(np.float64),
    )


@kernel(SCRATCH, U1S, LONGS)
def scratch_in(space: Bytes, head: Longs) -> Scratch:
    """Return the arrays that `scratch.scratch` laid out in `space`. O(1)."""
    p, m, stride = head[COUNT], head[CODES], head[STRIDE]
    at = space[: 8 * (ROOM + 1)].view(np.int64)
    room = at[ROOM]
    return Scratch(
        space[at[0] : at[0] + 4 * WIDTH * m].view(np.float32),
        space[at[1] : at[1] + stride].view(np.int8),
        space[at[2] : at[2] + 4 * p].view(np.uint32),
        space[at[3] : at[3] + 4 * p].view(np.int32),
        space[at[4] : at[4] + 4 * p].view(np.float32),
        space[at[5] : at[5] + 4 * p].view(np.int32),
        space[at[6] : at[6] + 8 * p].view(np.int64),
        space[at[7] : at[7] + p],
        space[at[8] : at[8] + 4 * m].view(np.float32),
        space[at[9] : at[9] + 4 * TABLE * m].view(np.float32),
        space[at[10] : at[10] + TABLE * m],
        space[at[11] : at[11] + 2 * BLOCK].view(np.uint16),
        space[at[12] : at[12] + 4 * BLOCK].view(np.float32),
        space[at[13] : at[13] + 4 * room].view(np.float32),
        space[at[14] : at[14] + 4 * room].view(np.int32),
        space[at[15] : at[15] + 8 * 4].view(np.float64),
        space[at[16] : at[16] + 8 * 2].view(np.int64),
    )
