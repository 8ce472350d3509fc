"""Aiming: the query in 8 bits, the estimates of all centroids, the partitions to look into, the tables of look-ups."""

import math

import numpy as np
import numpy.typing as npt
from numba import types

from pergamum.index.distance_kernels import COSINE, DOT, L2, dot
from pergamum.index.ivf import fastscan
from pergamum.index.ivf.fastscan import MOST_ENTRY, MOST_SUM
from pergamum.index.ivf.layout import BLOCK, FARTHEST, SCALE, Floats, Partitions
from pergamum.index.ivf.scratch import ANCHOR, SQUARE, UNIT, Scratch
from pergamum.index.ivf.select_kernels import MAGNITUDE, least_between, least_of, to_ranks
from pergamum.index.ivf.tiles import BODY, tile_dots
from pergamum.index.ivf.views import F4, FLOATS, PARTITIONS, SCRATCH
from pergamum.index.jit import F8, I8, Real, Whole, array, kernel
from pergamum.index.registers import lowest

MOST_DIGIT = np.float32(127)
LEAST_STEP = np.float32(1e-30)
"""Of look-ups; one by it is a number."""
FAVOUR = np.float32(0.25)
"""How much more is expected of a partition whose vectors lie farther from its middle, of their distance."""


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
    query, middle, facts, farthest = scratch.query, partitions.middle, scratch.facts, np.float32(FARTHEST)
    unit = unit_of(raw, metric, partitions.facts[SCALE])
    for i in range(len(raw)):
        number = np.float32(np.float64(raw[i]) / unit)
        number = min(farthest, number)
        query[i] = max(-farthest, number)
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
        longest = max(longest, bits[i] & MAGNITUDE)
    largest = np.float32(0.0)
    for i in range(len(bits)):
        if bits[i] & MAGNITUDE == longest:
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
    """Fill `near`, by 8-bit codes of both. O(p * d) byte operations."""
    digits, near, products, scales = scratch.digits, scratch.near, scratch.products, partitions.scales
    step, total = set_digits(scratch.query, digits)
    tile_dots(BODY, partitions.centers, digits, products)
    anchor, offsets = np.float32(scratch.facts[ANCHOR]), partitions.offsets
    twice = np.float32(2.0) if metric == L2 else np.float32(1.0)
    for p in range(len(near)):
        product = step * (scales[p] * np.float32(products[p] - np.int32(128) * total))
        near[p] = twice * (product + offsets[p]) + anchor


@kernel(types.void, I8, PARTITIONS, SCRATCH)
def set_keys(metric: Whole, partitions: Partitions, scratch: Scratch) -> None:
    """Put into `keys` how much each partition promises: its estimate, and more the wider it is.

    The best vector of a wide partition is farther from its middle; what that is worth in the direction of a query is a
    share of the width (FAVOUR), times |y|, under l2 2 |y - c|. Under cosine y is taken to have length 1. O(p).
    """
    near, widths, square = scratch.near, partitions.widths, scratch.facts[SQUARE]
    promise = scratch.keys.view(np.float32)
    if metric == L2:
        whole = np.float32(square)
        for p in range(len(near)):
            gap = np.float32(math.sqrt(max(whole - near[p], np.float32(0.0))))
            promise[p] = near[p] + np.float32(2.0) * FAVOUR * widths[p] * gap
    else:
        share = FAVOUR if metric == COSINE else FAVOUR * np.float32(math.sqrt(square))
        for p in range(len(near)):
            promise[p] = near[p] + share * widths[p]
    to_ranks(scratch.keys[: len(near)])


@kernel(types.void, I8, SCRATCH)
def choose(effort: Whole, scratch: Scratch) -> None:
    """Put the `effort` most promising partitions into `order`, the best first, the others as they lie in memory.

    Ties go to the first. Cost: see `least_of`. REQUIRES 0 < effort <= p, and that the keys are set.
    """
    keys, order, picks, count = scratch.keys, scratch.order, scratch.products, len(scratch.near)
    coarse = least_between(keys, count, effort, 3 * effort + BLOCK)  # the last turns of halving are for a few of them
    size = 0
    for start in range(0, count, BLOCK):
        bits = fastscan.reaching(keys, start, coarse)
        while bits:
            p = start + lowest(bits)
            bits &= bits - np.uint64(1)
            order[size], picks[size] = p, keys[p]
            size += 1
    least = least_of(picks, size, effort)
    ties = np.int64(effort)
    for i in range(size):
        ties -= np.int64(picks[i] > least)
    kept, nearest = np.int64(0), 0
    for i in range(size):
        tie = np.int64(picks[i] == least) & np.int64(ties > 0)
        ties -= tie
        order[kept] = order[i]
        kept += np.int64(picks[i] > least) | tie
    for i in range(1, effort):
        if keys[order[i]] > keys[order[nearest]]:
            nearest = i
    order[0], order[nearest] = order[nearest], order[0]


@kernel(types.UniTuple(F4, 2), I8, PARTITIONS, SCRATCH)
def make_tables(metric: Whole, partitions: Partitions, scratch: Scratch) -> tuple[Real, Real]:
    """Put the look-ups into `tables`, as bytes; return (low, step): a sum s of them stands for low + step * s.

    A look-up is <y_j, point>, twice that under l2, and its size at most |y_j| times the longest point. The step is that
    of the widest table, so that all look-ups of a vector fit 16 bits and four of them a byte.
    Cost     O(16 d).
    """
    query, books, reaches = scratch.query, partitions.books, scratch.reaches
    tables, codes = scratch.tables, len(partitions.books)
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
    step = max(LEAST_STEP, step)
    steps = np.float32(1.0) / step
    for code in range(codes):
        across, up = twice * query[2 * code] * steps, twice * query[2 * code + 1] * steps
        half = reaches[code] * steps + np.float32(0.5)
        fastscan.entries(books, code, (across, up, half, top), tables)
    return low, step
