"""Vectors to points, points to keys and sketches, keys to tables: building, and the first step of a search."""

import math

import numpy as np
from numba import types

from pergamum.domain.vectors import Matrix, Vector
from pergamum.index.distance_kernels import COSINE, DOT, VECTOR, dot
from pergamum.index.jit import F8, FLAG, I8, array, kernel, named
from pergamum.index.lsh.layout import (
    BITS,
    CELL,
    ERROR,
    FACTORS,
    LOW,
    P_STABLE,
    SHIFT,
    SQUARE,
    WEIGHT,
    Bytes,
    Doubles,
    Floats,
    Hashes,
    Integers,
    Longs,
)
from pergamum.index.mask import Flags

_F4, _I4 = types.float32, types.int32
MATRIX = array(_F4, 2, readonly=True)
FLAGS = array(FLAG, 1, readonly=True)
DOUBLES = array(F8, 1)
HASHES = named(
    Hashes,
    I8,
    I8,
    F8,
    array(F8, 1, readonly=True),
    array(_F4, 3, readonly=True),
    array(I8, 2, readonly=True),
    array(F8, 3, readonly=True),
)
ROWS = array(I8, 1, readonly=True)
_KEYS, _KEYS_READ = array(_I4, 2), array(_I4, 2, readonly=True)
_SLOTS = array(_I4, 1)
_SLOTS_READ = array(_I4, 1, readonly=True)


@kernel(F8, VECTOR, FLAG, HASHES, DOUBLES)
def place(vector: Vector, query: bool, hashes: Hashes, point: Doubles) -> float:
    """Write the point of `vector` less the center to `point` (D,); return the norm of `vector`. See `layout.py`.

    Cost     O(D) time, O(1) memory.
    """
    norm = math.sqrt(dot(vector, vector))
    unit = hashes.metric == COSINE or (query and hashes.metric == DOT)
    by = norm if unit else hashes.scale
    by = by if by > 0.0 else 1.0
    dimension = len(vector)
    for i in range(len(point)):
        point[i] = (np.float64(vector[i]) / by if i < dimension else 0.0) - hashes.center[i]
    if hashes.metric == DOT and not query:
        share = norm / by
        point[dimension] += math.sqrt(max(0.0, 1.0 - share * share))
    return norm


@kernel(types.void, DOUBLES, I8, I8, inline=True)
def hadamard(numbers: Doubles, start: int, size: int) -> None:
    """Multiply numbers[start : start + size] by the Hadamard matrix of `size`, a power of two from 8 on.

    Cost     O(size * log size) time, in place. The first three levels are one pass of eights in registers; those that
             follow are loops the compiler turns into vectors.
    """
    for i in range(start, start + size, 8):
        a0, a1 = numbers[i] + numbers[i + 1], numbers[i] - numbers[i + 1]
        a2, a3 = numbers[i + 2] + numbers[i + 3], numbers[i + 2] - numbers[i + 3]
        a4, a5 = numbers[i + 4] + numbers[i + 5], numbers[i + 4] - numbers[i + 5]
        a6, a7 = numbers[i + 6] + numbers[i + 7], numbers[i + 6] - numbers[i + 7]
        b0, b1, b2, b3 = a0 + a2, a1 + a3, a0 - a2, a1 - a3
        b4, b5, b6, b7 = a4 + a6, a5 + a7, a4 - a6, a5 - a7
        numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3] = b0 + b4, b1 + b5, b2 + b6, b3 + b7
        numbers[i + 4], numbers[i + 5], numbers[i + 6], numbers[i + 7] = b0 - b4, b1 - b5, b2 - b6, b3 - b7
    half = 8
    while half < size:
        for first in range(start, start + size, 2 * half):
            for i in range(first, first + half):
                low, high = numbers[i], numbers[i + half]
                numbers[i], numbers[i + half] = low + high, low - high
        half *= 2


@kernel(types.void, DOUBLES, HASHES, DOUBLES)
def rotate(point: Doubles, hashes: Hashes, rotated: Doubles) -> None:
    """Write all R pseudo-random rotations H S H S H S of `point` (D,) to `rotated` (R * D,).

    Source   Andoni et al., arXiv:1509.02897, section 3.1: three rounds of signs and a Hadamard transform.
    Cost     O(R * D * log D) time, O(1) memory.
    """
    size, signs = len(point), hashes.signs
    root = 1.0 / (size * math.sqrt(size))  # of three transforms
    for rotation in range(len(signs)):
        start = rotation * size
        for i in range(size):
            rotated[start + i] = point[i] * root
        for turn in range(3):
            for i in range(size):
                rotated[start + i] *= signs[rotation, turn, i]
            hadamard(rotated, start, size)


@kernel(I8, DOUBLES, I8, I8, inline=True)
def corner(rotated: Doubles, start: int, count: int) -> int:
    """Return the corner of the cross-polytope nearest to rotated[start : start + count]: 2 i, one more if positive."""
    best, largest = 0, -1.0
    for i in range(count):
        if abs(rotated[start + i]) > largest:
            best, largest = i, abs(rotated[start + i])
    return 2 * best + (1 if rotated[start + best] > 0.0 else 0)


@kernel(I8, F8, F8, F8, I8, inline=True)
def cell_of(number: float, low: float, cell: float, cells: int) -> int:
    """Return floor((number - low) / cell), the outermost cells reaching to infinity.

    Source   Datar, Immorlica, Indyk, Mirrokni, SCG 2004: h(v) = floor((a v + b) / w); -b is `low`, w is `cell`.
    """
    return int(min(max(math.floor((number - low) / cell), 0.0), cells - 1.0))


@kernel(types.void, HASHES, DOUBLES, I8, _KEYS)
def write_keys(hashes: Hashes, rotated: Doubles, row: int, keys: Integers) -> None:
    """Write the keys of a rotated point in all tables to keys[row] (T,). O(numbers the tables read)."""
    parts, cells, start = hashes.parts, hashes.cells, len(hashes.center)
    stable = hashes.family == P_STABLE
    for table in range(keys.shape[1]):
        key = 0
        for part in range(len(parts)):
            bits = parts[part, BITS]
            if stable:
                digit = cell_of(rotated[start], cells[table, part, LOW], cells[table, part, CELL], 1 << bits)
            else:
                digit = corner(rotated, start, 1 << (bits - 1))
            key |= digit << parts[part, SHIFT]
            start += 1 if stable else 1 << (bits - 1)
        keys[row, table] = key


@kernel(types.void, DOUBLES, I8, I8, array(_F4, 2), array(types.uint8, 2))
def sketch(rotated: Doubles, size: int, slot: int, factors: Floats, sketches: Bytes) -> None:
    """Keep the signs of rotation 0 for `slot`, and what turns a product with them into an estimate.

    Source   Gao and Long, RaBitQ, arXiv:2405.12497. o is the point over its length, o' the signs over sqrt(D):
             <o', q> / <o', o> estimates <o, q>, off by sqrt((1 / <o', o>^2 - 1) / (D - 1)) in the mean square.
    Cost     O(D).
    """
    total = square = 0.0
    for i in range(size):
        total += abs(rotated[i])
        square += rotated[i] * rotated[i]
    length = math.sqrt(square)
    for byte in range(size // 8):
        bits = 0
        for bit in range(8):
            bits |= (1 if rotated[8 * byte + bit] > 0.0 else 0) << bit
        sketches[slot, 4 * FACTORS + byte] = bits
    factors[slot, SQUARE] = square
    if total > 0.0:
        aligned = min(1.0, total / (length * math.sqrt(size)))
        factors[slot, WEIGHT] = length / (aligned * math.sqrt(size))
        factors[slot, ERROR] = length * math.sqrt((1.0 / (aligned * aligned) - 1.0) / (size - 1))


@kernel(types.void, MATRIX, ROWS, HASHES, DOUBLES, DOUBLES, _KEYS, array(_F4, 2), array(types.uint8, 2))
def hash_rows(
    vectors: Matrix,
    rows: Longs,
    hashes: Hashes,
    point: Doubles,
    rotated: Doubles,
    keys: Integers,
    factors: Floats,
    sketches: Bytes,
) -> None:
    """Write the keys (m, T) of `rows` (m,), and their sketches at their slots. O(m * R * D * log D)."""
    for i in range(len(rows)):
        place(vectors[rows[i]], False, hashes, point)
        rotate(point, hashes, rotated)
        sketch(rotated, len(point), rows[i], factors, sketches)
        write_keys(hashes, rotated, i, keys)


@kernel(types.void, MATRIX, ROWS, HASHES, DOUBLES, array(F8, 2))
def project_rows(vectors: Matrix, rows: Longs, hashes: Hashes, point: Doubles, rotated: Doubles) -> None:
    """Write all rotations of `rows` (m,) to `rotated` (m, R * D), or their points where there are no rotations."""
    for i in range(len(rows)):
        place(vectors[rows[i]], False, hashes, point)
        if len(hashes.signs):
            rotate(point, hashes, rotated[i])
        for at in range(0 if len(hashes.signs) else len(point)):
            rotated[i, at] = point[at]


@kernel(types.void, _KEYS_READ, I8, ROWS, _SLOTS, _SLOTS)
def file(keys: Integers, table: int, rows: Longs, starts: Integers, slots: Integers) -> None:
    """Sort `rows` (m,) by their keys (m, T) in `table`, equal keys in their order: a counting sort.

    Shapes   starts (2^bits + 1,), zeros before | slots (m,).
    Cost     O(m + 2^bits) time, O(1) memory.
    """
    buckets = len(starts) - 1
    for i in range(len(rows)):
        starts[keys[i, table] + 1] += 1
    for bucket in range(buckets):
        starts[bucket + 1] += starts[bucket]
    for i in range(len(rows)):
        bucket = keys[i, table]
        slots[starts[bucket]] = rows[i]
        starts[bucket] += 1
    for bucket in range(buckets, 0, -1):
        starts[bucket] = starts[bucket - 1]
    starts[0] = 0


@kernel(types.void, _SLOTS_READ, _SLOTS_READ, _SLOTS_READ, _SLOTS_READ, FLAGS, _SLOTS, _SLOTS)
def merge(
    starts: Integers,
    slots: Integers,
    new_starts: Integers,
    new_slots: Integers,
    live: Flags,
    out_starts: Integers,
    out_slots: Integers,
) -> None:
    """Write what is live of a table, and a table of later slots, bucket by bucket, to a third one.

    Shapes   live: slots beyond it are live | out_slots: exactly as long as what is kept.
    Cost     O(slots + 2^bits).
    """
    end = 0
    for bucket in range(len(starts) - 1):
        out_starts[bucket] = end
        for i in range(starts[bucket], starts[bucket + 1]):
            if slots[i] >= len(live) or live[slots[i]]:
                out_slots[end] = slots[i]
                end += 1
        for i in range(new_starts[bucket], new_starts[bucket + 1]):
            out_slots[end] = new_slots[i]
            end += 1
    out_starts[len(starts) - 1] = end
