"""Exact search over 8-bit codes: rule out by a bound, verify the rest.

For every slot the codes give a lower and an upper bound of the reference distance (`quantize.py` proves them). The k-th
smallest upper bound, and the k-th smallest verified distance, are each at least the k-th smallest distance of all; so a
slot whose lower bound is above the smaller of the two, its *threshold*, is not among the k nearest, ties included. What
is left is a short list of candidates; they are verified in the order of their lower bounds until a lower bound exceeds
the threshold.
"""

import math

import numpy as np
from numba import config, types

from pergamum.domain.vectors import Matrix
from pergamum.index import heap
from pergamum.index.brute_force import vnni
from pergamum.index.brute_force.blocks import GROUP, Block
from pergamum.index.brute_force.vnni import vnni_dots
from pergamum.index.brute_force.work import (
    CANDIDATES,
    CEILINGS,
    READ,
    VERIFIED,
    WAITING,
    Bytes,
    Doubles,
    Floats,
    Integers,
    Signed,
    Work,
)
from pergamum.index.distance_kernels import L2, distance
from pergamum.index.jit import F8, FLAG, I8, Whole, array, kernel, named
from pergamum.index.mask import Flags
from pergamum.index.quantize import BASE, ERROR, NORM, OFFSET, PER_ERROR, PER_SCALE, ROUNDING, SQUARE, STEP, QueryCodes

PORTABLE, VNNI = 0, 1
"""Bodies of the dot products: the reference, and the one for processors that have the instruction."""

BODY = VNNI if vnni.AVAILABLE and not config.DISABLE_JIT else PORTABLE
"""The body for this processor."""

_F4, _I4 = types.float32, types.int32
_CODES = array(types.uint8, 3, readonly=True)
_SCALES, _SQUARES = array(_F4, 1, readonly=True), array(_I4, 1, readonly=True)
_DIGITS = array(types.int8, 3)
_BLOCK = named(Block, _CODES, _SCALES, _SCALES, _SQUARES)
QUERIES = named(QueryCodes, array(_F4, 2, readonly=True), _DIGITS, array(F8, 2))
_MATRIX = array(_F4, 2, readonly=True)
_FLAGS = array(FLAG, 1, readonly=True)
_SUMS, _BOUNDS, _TERMS = array(_I4, 2), array(F8, 2), array(F8, 2)
_SPAN = types.UniTuple(I8, 3)
WORK = named(Work, *[array(F8, 2), array(I8, 2)] * 3, array(I8, 2), array(_I4, 2), array(F8, 2), array(F8, 1))


@kernel(types.void, _CODES, I8, _DIGITS, I8, _SUMS, inline=True)
def portable_dots(codes: Bytes, group: int, digits: Signed, row: int, sums: Integers) -> None:
    """sums[0, j], sums[1, j] = sum over dimensions of code j times the high, the low digit of query `row`.

    Shapes   codes u1 (groups, units, 256) | digits i1 (m, 2, 4 * units) | sums i4 (2, 64).
    Cost     O(64 * d) time, O(1) memory. The reference of `vnni_dots`: integers, so equal to the bit.
    """
    sums[:] = 0
    for unit in range(codes.shape[1]):
        for lane in range(GROUP):
            high = low = np.int32(0)
            for byte in range(4):
                code = np.int32(codes[group, unit, 4 * lane + byte])
                high += code * np.int32(digits[row, 0, 4 * unit + byte])
                low += code * np.int32(digits[row, 1, 4 * unit + byte])
            sums[0, lane] += high
            sums[1, lane] += low


@kernel(types.void, _CODES, I8, _DIGITS, I8, _SUMS, inline=True)
def special_dots(codes: Bytes, group: int, digits: Signed, row: int, sums: Integers) -> None:
    """Do what `portable_dots` does, by one instruction for 64 products. REQUIRES a processor that has it."""
    vnni_dots(codes, group, digits, row, sums)


@kernel(I8, _SUMS, _SCALES, _SCALES, I8, _TERMS, I8, F8, inline=True)
def count_products(
    sums: Integers, scales: Floats, errors: Floats, first: int, terms: Doubles, row: int, limit: float
) -> int:
    """Return how many of the 64 slots from `first` on have a lower bound within `limit`, for cosine and dot.

    Symbols  <y, x> <= t s <a, c> + margin, <a, c> = 256 H + L - 128 sum a; the margin is that of `encode_queries`.
    Cost     O(64): eight slots an instruction, no branch. Unsigned indices spare the test for negative ones.
    """
    step, offset = terms[row, STEP], terms[row, OFFSET]
    per_scale, per_error = terms[row, PER_SCALE], terms[row, PER_ERROR]
    needed = terms[row, BASE] - limit
    within = 0
    for lane in range(GROUP):
        slot = np.uint64(first + lane)
        product = 256.0 * sums[0, lane] + sums[1, lane] - offset
        within += scales[slot] * (step * product + per_scale) + errors[slot] * per_error >= needed
    return within


@kernel(types.void, _SUMS, _SCALES, _SCALES, I8, _TERMS, I8, _BOUNDS)
def bound_products(
    sums: Integers, scales: Floats, errors: Floats, first: int, terms: Doubles, row: int, bounds: Doubles
) -> None:
    """Fill `bounds` with the lower and the upper bounds that `count_products` speaks of. O(64)."""
    for lane in range(GROUP):
        product = 256.0 * sums[0, lane] + sums[1, lane] - terms[row, OFFSET]
        scale = np.float64(scales[first + lane])
        middle = terms[row, BASE] - scale * (terms[row, STEP] * product)
        margin = scale * terms[row, PER_SCALE] + errors[first + lane] * terms[row, PER_ERROR]
        bounds[0, lane], bounds[1, lane] = middle - margin, middle + margin


@kernel(I8, _SUMS, _BLOCK, I8, _TERMS, I8, _BOUNDS, F8, inline=True)
def bound_gaps(
    sums: Integers, block: Block, first: int, terms: Doubles, row: int, bounds: Doubles, limit: float
) -> int:
    """Fill `bounds` for l2; return how many of the 64 lower bounds are within `limit`.

    Symbols  |y - x| differs from G = |t a - s c| by at most |p| + e (triangle inequality), and
             G^2 = |t a|^2 - 2 t s <a, c> + s^2 C is off by less than ROUNDING (|t a|^2 + s^2 C) in float64.
    Cost     O(64).
    """
    step, offset, square, lost = terms[row, STEP], terms[row, OFFSET], terms[row, SQUARE], terms[row, ERROR]
    within = 0
    for lane in range(GROUP):
        slot = np.uint64(first + lane)
        scale = np.float64(block.scales[slot])
        total = square + scale * scale * block.squares[slot]
        gap = total - 2.0 * scale * (step * (256.0 * sums[0, lane] + sums[1, lane] - offset))
        slack, margin = ROUNDING * total, block.errors[slot] + lost
        low = math.sqrt(max(gap - slack, 0.0)) * (1.0 - ROUNDING) - margin
        bounds[0, lane] = low
        bounds[1, lane] = math.sqrt(max(gap + slack, 0.0)) * (1.0 + ROUNDING) + margin
        within += low <= limit
    return within


@kernel(types.void, I8, WORK)
def lower_limit(row: int, work: Work) -> None:
    """Set the limit of query `row` from its heaps: a number that its k-th smallest distance does not exceed. O(1)."""
    k = work.slots.shape[1]
    if work.sizes[row, VERIFIED] == k:
        work.limits[row] = min(work.limits[row], work.distances[row, 0])
    if work.sizes[row, CEILINGS] == k:
        work.limits[row] = min(work.limits[row], work.ceilings[row, 0])


@kernel(types.void, I8, I8, _MATRIX, QUERIES, WORK)
def settle(row: int, metric: int, vectors: Matrix, queries: QueryCodes, work: Work) -> None:
    """Verify the candidates of query `row` that its threshold does not rule out, and forget all of them.

    Cost     O(candidates + verified * (d + log k + log candidates)). Ends because every turn takes one candidate.
    """
    floors, waiting = work.floors[row], work.waiting[row]
    size = 0
    for i in range(work.sizes[row, WAITING]):
        if -floors[i] <= work.limits[row]:
            heap.sift_up(floors, waiting, size, floors[i], waiting[i])
            size += 1
    while size > 0 and -floors[0] <= work.limits[row]:
        found = distance(metric, queries.raw[row], queries.terms[row, NORM], vectors[waiting[0]])
        work.sizes[row, VERIFIED] = heap.push_bounded(
            work.distances[row], work.slots[row], work.sizes[row, VERIFIED], found, waiting[0]
        )
        lower_limit(row, work)
        work.sizes[row, READ] += 1
        size = heap.pop(floors, waiting, size)
    work.sizes[row, WAITING] = 0


@kernel(types.void, I8, I8, F8, F8, WORK)
def offer(row: int, slot: Whole, floor: float, ceiling: float, work: Work) -> None:
    """Make `slot`, whose distance to query `row` lies in [floor, ceiling], a candidate. O(log k).

    REQUIRES: fewer than CANDIDATES wait.
    """
    size = work.sizes[row, WAITING]
    work.floors[row, size], work.waiting[row, size] = -floor, slot
    work.sizes[row, WAITING] = size + 1
    work.sizes[row, CEILINGS] = heap.push_bounded(
        work.ceilings[row], work.owners[row], work.sizes[row, CEILINGS], ceiling, slot
    )
    lower_limit(row, work)


@kernel(types.void, I8, I8, I8, I8, _FLAGS, I8, WORK)
def collect(row: int, first: int, start: int, stop: int, allowed: Flags, begin: int, work: Work) -> None:
    """Make candidates of the allowed slots in [start, stop) that the limit of query `row` does not rule out.

    Those below `begin` are left out. `first` is the block's first slot; the bounds in `work` are those of the group at
    `start`. O(64 + collected * log k).
    """
    for lane in range(max(begin - start, 0), stop - start):
        if work.bounds[0, lane] <= work.limits[row] and allowed[start + lane]:
            offer(row, first + start + lane, work.bounds[0, lane], work.bounds[1, lane], work)


@kernel(FLAG, _FLAGS, I8, I8, inline=True)
def none_allowed(allowed: Flags, start: int, stop: int) -> bool:
    """Whether no slot of [start, stop) is allowed. O(stop - start)."""
    any_allowed = False
    for slot in range(start, stop):
        any_allowed |= allowed[slot]
    return not any_allowed


@kernel(types.void, _BLOCK, _FLAGS, _SPAN, I8, I8, _MATRIX, QUERIES, WORK)
def scan(
    block: Block,
    allowed: Flags,
    span: tuple[int, int, int],
    metric: int,
    body: int,
    vectors: Matrix,
    queries: QueryCodes,
    work: Work,
) -> None:
    """Take the slots [begin, used) of one block into account for every query; slot `first` is the block's first.

    Source   the bound is Cauchy-Schwarz over what 8-bit codes lose; see `quantize.py`.
    Shapes   allowed (65536,) flags | span (first, begin, used) | vectors (n, d) f4 | queries of m | work of m rows.
    Cost     O(m * used * d) byte multiplications and O(verified * d) float64 ones; a group of codes stays in the first
             cache for all m queries. O(1) memory. No array is cut in the loop: numba counts references with atomics.
    """
    codes, scales, errors = block.codes, block.scales, block.errors
    digits, terms, limits, sums, bounds = queries.digits, queries.terms, work.limits, work.sums, work.bounds
    first, begin, used = span
    for start in range(begin - begin % GROUP, used, GROUP):
        stop = min(start + GROUP, used)
        if none_allowed(allowed, max(start, begin), stop):
            continue
        for row in range(len(limits)):
            if body == VNNI:
                special_dots(codes, start // GROUP, digits, row, sums)
            else:
                portable_dots(codes, start // GROUP, digits, row, sums)
            if metric == L2:
                within = bound_gaps(sums, block, start, terms, row, bounds, limits[row])
            else:
                within = count_products(sums, scales, errors, start, terms, row, limits[row])
            if within == 0:
                continue
            if metric != L2:
                bound_products(sums, scales, errors, start, terms, row, bounds)
            if work.sizes[row, WAITING] > CANDIDATES - GROUP:
                settle(row, metric, vectors, queries, work)
            collect(row, first, start, stop, allowed, begin, work)


@kernel(types.void, I8, _MATRIX, QUERIES, WORK)
def finish(metric: int, vectors: Matrix, queries: QueryCodes, work: Work) -> None:
    """Verify what is still waiting and sort each query's results. O(m * (candidates + verified * d + k * log k))."""
    for row in range(len(work.sizes)):
        settle(row, metric, vectors, queries, work)
        heap.sort(work.distances[row], work.slots[row], work.sizes[row, VERIFIED])
