"""Aiming: the query in 8 bits, the estimates of all centroids, the partitions to look into, the tables of look-ups."""

import math

import numpy as np
import numpy.typing as npt
from numba import types

from pergamum.index import row_kernels
from pergamum.index.brute_force.kernels import BODY
from pergamum.index.distance_kernels import COSINE, DOT, L2, dot
from pergamum.index.ivf.fastscan import MOST_ENTRY, MOST_SUM
from pergamum.index.ivf.layout import SCALE, TABLE, Floats, Partitions, Slots
from pergamum.index.ivf.scratch import ANCHOR, SQUARE, UNIT, Scratch
from pergamum.index.ivf.views import F4, FLOATS, I4S, PARTITIONS, SCRATCH
from pergamum.index.jit import F8, I8, Real, Whole, array, kernel

FARTHEST = np.float32(1e15)
"""Numbers of a query are cut off here, in units of the scale: their squares stay in float32."""
MOST_DIGIT = np.float32(127)
_MAGNITUDE = np.int32(0x7FFFFFFF)


@kernel(F8, FLOATS, I8, F8)
def unit_of(raw: Floats, metric: Whole, scale: Real) -> Real:
    """Return by what a query is divided. O(d)."""
    if metric == COSINE:
        return math.sqrt(dot(raw, raw))
    if metric == L2:
        return scale
    unit = 0.0  # the order of dot products is the same for every length of the query
    for number in raw:
        unit = max(unit, abs(np.float64(number)))
    return unit if unit > 0.0 else 1.0


@kernel(types.void, FLOATS, I8, PARTITIONS, SCRATCH)
def set_query(raw: Floats, metric: Whole, partitions: Partitions, scratch: Scratch) -> None:
    """Put y into `query`, and what belongs to it into `facts`. O(d)."""
    query, middle, facts = scratch.query, partitions.middle, scratch.facts
    unit = unit_of(raw, metric, partitions.facts[SCALE])
    for i in range(len(raw)):
        number = np.float32(np.float64(raw[i]) / unit)
        number = min(FARTHEST, number)
        query[i] = max(-FARTHEST, number)
    facts[ANCHOR] = 0.0 if metric == L2 else dot(query, middle)
    if metric != DOT:
        for i in range(len(raw)):
            query[i] -= middle[i]
    facts[UNIT], facts[SQUARE] = unit, dot(query, query)


@kernel(types.Tuple((F4, types.int32)), FLOATS, array(types.int8, 1))
def set_digits(query: Floats, digits: npt.NDArray[np.int8]) -> tuple[Real, Whole]:
    """Put the query, in steps of a 127th of its largest number, into `digits`; return (step, sum of the digits). O(d).

    The largest is found by the bits: those of floats above zero are ordered as they are, and comparing whole numbers
    takes a vector instruction for many.
    """
    bits = query.view(np.int32)
    longest = np.int32(0)
    for i in range(len(bits)):
        longest = max(longest, bits[i] & _MAGNITUDE)
    largest = np.float32(0.0)
    for i in range(len(bits)):
        if bits[i] & _MAGNITUDE == longest:
            largest = abs(query[i])
            break
    step = largest / MOST_DIGIT
    step = step if step > np.float32(0.0) else np.float32(1.0)
    total = np.int32(0)
    for i in range(len(query)):
        digit = np.int32(np.rint(query[i] / step))
        digits[i] = digit
        total += digit
    return step, total


@kernel(types.void, I8, PARTITIONS, SCRATCH)
def near_centroids(metric: Whole, partitions: Partitions, scratch: Scratch) -> None:
    """Fill `near`, by 8-bit codes of both. O(p * stride) byte operations."""
    digits, near, products, scales = (
        scratch.digits,
        scratch.near,
        scratch.products,
        partitions.scales,
    )
    step, total = set_digits(scratch.query, digits)
    row_kernels.row_dots(BODY, partitions.centers, scratch.rows, len(near), digits, products)
    anchor, offsets = np.float32(scratch.facts[ANCHOR]), partitions.offsets
    twice = np.float32(2.0) if metric == L2 else np.float32(1.0)
    for p in range(len(near)):
        product = step * (scales[p] * np.float32(products[p] - np.int32(128) * total))
        near[p] = twice * (product + offsets[p]) + anchor


@kernel(types.int32, I4S, I8)
def least_of(keys: Slots, wanted: Whole) -> Whole:
    """Return the greatest number that at least `wanted` of the keys reach. REQUIRES 0 < wanted <= len(keys).

    Found by halving: counting is a few vector instructions. Ends because each turn halves what is between low and high.
    """
    low, high = np.int64(keys[0]), np.int64(keys[0])
    for p in range(len(keys)):
        low, high = min(low, np.int64(keys[p])), max(high, np.int64(keys[p]))
    while low < high:
        middle = np.int32((low + high + 1) // 2)
        count = np.int32(0)
        for p in range(len(keys)):
            count += np.int32(keys[p] >= middle)
        if count == wanted:
            return middle
        if count > wanted:
            low = np.int64(middle)
        else:
            high = np.int64(middle) - 1
    return np.int32(low)


@kernel(types.void, I8, SCRATCH)
def choose(effort: Whole, scratch: Scratch) -> None:
    """Put the `effort` nearest partitions into `order`, the nearest first, the others as they lie in memory.

    Ties go to the first. Cost: O(32 p). REQUIRES 0 < effort <= p.
    """
    keys, order, bits = scratch.keys, scratch.order, scratch.near.view(np.int32)
    for p in range(len(keys)):  # whole numbers in the order of the estimates
        keys[p] = bits[p] ^ ((bits[p] >> np.int32(31)) & _MAGNITUDE)
    least = least_of(keys, effort)
    ties = np.int64(effort)
    for p in range(len(keys)):
        ties -= np.int64(keys[p] > least)
    size, nearest = 0, 0
    for p in range(len(keys)):
        if keys[p] < least or (keys[p] == least and ties == 0):
            continue
        ties -= np.int64(keys[p] == least)
        order[size] = p
        if keys[p] > keys[order[nearest]]:
            nearest = size
        size += 1
    order[0], order[nearest] = order[nearest], order[0]


@kernel(types.UniTuple(F4, 2), I8, PARTITIONS, SCRATCH)
def make_tables(metric: Whole, partitions: Partitions, scratch: Scratch) -> tuple[Real, Real]:
    """Put the look-ups into `tables`, as bytes; return (low, step): a sum s of them stands for low + step * s.

    A look-up is <y_j, point>, twice that under l2, and its size at most |y_j| times the longest point. The step is that
    of the widest table, so that all look-ups of a vector fit 16 bits and four of them a byte.
    Cost     O(16 d).
    """
    query, books, reaches = scratch.query, partitions.books, scratch.reaches
    entries, tables, codes = scratch.entries, scratch.tables, len(partitions.books)
    twice = np.float32(2.0) if metric == L2 else np.float32(1.0)
    widest, low = np.float32(0.0), np.float32(0.0)
    for code in range(codes):
        across, up = query[2 * code], query[2 * code + 1]
        reaches[code] = twice * partitions.radii[code] * np.float32(math.sqrt(across * across + up * up))
    for code in range(codes):
        low -= reaches[code]
        widest = max(widest, reaches[code])
    top = np.float32(min(MOST_ENTRY, MOST_SUM // codes))
    step = np.float32(2.0) * widest / top
    step = step if step > np.float32(0.0) else np.float32(1.0)
    for code in range(codes):
        across, up = twice * query[2 * code] / step, twice * query[2 * code + 1] / step
        half = reaches[code] / step + np.float32(0.5)
        for i in range(TABLE):
            entries[TABLE * code + i] = across * books[code, 0, i] + up * books[code, 1, i] + half
    for i in range(TABLE * codes):  # by itself: over two kinds of arrays at once, no vector instructions come out
        entry = min(top, entries[i])
        tables[i] = np.uint8(np.int32(max(np.float32(0.0), entry)))
    return low, step
