"""Exact search over 8-bit codes: rule out by a bound, verify the rest.

For every slot the codes give a lower and an upper bound of the reference distance (`quantize.py` proves them). The k-th
smallest upper bound, and the k-th smallest verified distance, are each at least the k-th smallest distance of all; so a
slot whose lower bound is above the smaller of the two, its *threshold*, is not among the k nearest, ties included. What
is left is a short list of candidates; they are verified in the order of their lower bounds until a lower bound exceeds
the threshold.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import config, types

from pergamum.domain.vectors import Matrix
from pergamum.index import heap, registers
from pergamum.index.bound import Bound
from pergamum.index.bound_kernels import BOUND, taken
from pergamum.index.brute_force.blocks import GROUP, GROUPS, Block
from pergamum.index.brute_force.vnni import WIDENED, vnni_next_within
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
from pergamum.index.distance_kernels import COSINE, L2, distance
from pergamum.index.jit import F8, FLAG, I8, Whole, array, kernel, named
from pergamum.index.mask import BLOCK_SLOTS, Flags
from pergamum.index.quantize import BASE, ERROR, NORM, OFFSET, PER_ERROR, PER_SCALE, ROUNDING, SQUARE, STEP, QueryCodes
from pergamum.index.quantize_kernels import encode_queries

PORTABLE, VNNI = 0, 1
"""Bodies of the dot products: the reference, and the one for processors that have the instruction."""

BODY = VNNI if registers.VNNI and not config.DISABLE_JIT else PORTABLE
"""The body for this processor."""


class Asked(NamedTuple):
    """What a search for the next group looks for: slots that a limit does not rule out, of one of the queries."""

    metric: int
    row: int
    limit: float


_F4, _I4 = types.float32, types.int32
_CODES = array(types.uint8, 3, readonly=True)
_SCALES, _SQUARES = array(_F4, 1, readonly=True), array(_I4, 1, readonly=True)
_DIGITS = array(types.int8, 3)
_BLOCK = named(Block, _CODES, _SCALES, _SCALES, _SQUARES)
QUERIES = named(QueryCodes, array(_F4, 2, readonly=True), _DIGITS, array(F8, 2))
_MATRIX = array(_F4, 2, readonly=True)
_FLAGS = array(FLAG, 1, readonly=True)
_SUMS, _BOUNDS, _TERMS = array(_I4, 2), array(F8, 2), array(F8, 2)
_SPAN, _GROUPS, _ASKED = types.UniTuple(I8, 3), types.UniTuple(I8, 2), named(Asked, I8, I8, F8)
_codes, _scales, _squares = taken(array(types.uint8, 2, readonly=True)), taken(_SCALES), taken(_SQUARES)
_f8_rows, _i8_rows, _i4_rows = taken(array(F8, 2)), taken(array(I8, 2)), taken(array(_I4, 2))
_f8_line, _digits = taken(array(F8, 1)), taken(array(types.int8, 2))
WORK = named(Work, *[array(F8, 2), array(I8, 2)] * 3, array(I8, 2), array(_I4, 2), array(F8, 2), array(F8, 1))


@kernel(types.void, _CODES, I8, _DIGITS, I8, _SUMS, inline=True)
def portable_dots(codes: Bytes, group: int, digits: Signed, row: int, sums: Integers) -> None:
    """sums[0, j], sums[1, j] = sum over dimensions of code j times the high, the low digit of query `row`.

    Shapes   codes u1 (groups, units, 256) | digits i1 (m, 2, 4 * units) | sums i4 (2, 64).
    Cost     O(64 * d) time, O(1) memory. Integers, so equal to the bit with what `vnni_next_within` adds up.
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


@kernel(I8, _SUMS, _BLOCK, I8, _TERMS, I8, F8, inline=True)
def count_gaps(sums: Integers, block: Block, first: int, terms: Doubles, row: int, limit: float) -> int:
    """Return how many of the 64 slots from `first` on may have a lower bound within `limit`, for l2.

    Symbols  those of `bound_gaps`, whose lower bound is at most `limit` only if G^2 - slack is at most the square of
             the reach, limit + |p| + e > 0, times 1 / (1 - ROUNDING)^2 and all rounding; WIDENED is more than that.
    Cost     O(64), without a root. The square of a reach never underflows: e is at least the least positive float32.
    """
    step, offset, square, lost = terms[row, STEP], terms[row, OFFSET], terms[row, SQUARE], terms[row, ERROR]
    within = 0
    for lane in range(GROUP):
        slot = np.uint64(first + lane)
        scale = np.float64(block.scales[slot])
        total = square + scale * scale * block.squares[slot]
        gap = total - 2.0 * scale * (step * (256.0 * sums[0, lane] + sums[1, lane] - offset))
        reach = block.errors[slot] + lost + limit
        within += gap - ROUNDING * total <= reach * reach * WIDENED
    return within


@kernel(types.void, _SUMS, _BLOCK, I8, _TERMS, I8, _BOUNDS)
def bound_gaps(sums: Integers, block: Block, first: int, terms: Doubles, row: int, bounds: Doubles) -> None:
    """Fill `bounds` for l2.

    Symbols  |y - x| differs from G = |t a - s c| by at most |p| + e (triangle inequality), and
             G^2 = |t a|^2 - 2 t s <a, c> + s^2 C is off by less than ROUNDING (|t a|^2 + s^2 C) in float64.
    Cost     O(64).
    """
    step, offset, square, lost = terms[row, STEP], terms[row, OFFSET], terms[row, SQUARE], terms[row, ERROR]
    for lane in range(GROUP):
        slot = np.uint64(first + lane)
        scale = np.float64(block.scales[slot])
        total = square + scale * scale * block.squares[slot]
        gap = total - 2.0 * scale * (step * (256.0 * sums[0, lane] + sums[1, lane] - offset))
        slack, margin = ROUNDING * total, block.errors[slot] + lost
        bounds[0, lane] = math.sqrt(max(gap - slack, 0.0)) * (1.0 - ROUNDING) - margin
        bounds[1, lane] = math.sqrt(max(gap + slack, 0.0)) * (1.0 + ROUNDING) + margin


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


@kernel(FLAG, _FLAGS, I8, inline=True)
def none_allowed(allowed: Flags, start: int) -> bool:
    """Whether none of the 64 slots from `start` on is allowed. O(64)."""
    any_allowed = False
    for lane in range(GROUP):
        any_allowed |= allowed[np.uint64(start + lane)]
    return not any_allowed


@kernel(I8, _BLOCK, _FLAGS, _GROUPS, _ASKED, QUERIES, _SUMS)
def portable_next_within(
    block: Block, allowed: Flags, groups: tuple[int, int], asked: Asked, queries: QueryCodes, sums: Integers
) -> int:
    """Return the first of `groups` (begin, stop) with an allowed slot and one within the limit; else stop.

    The one need not be the other: flags only spare work here. `sums` are then those of the group returned.
    Cost     O(groups * 64 * d) time, O(1) memory. The reference of `vnni_next_within`.
    """
    metric, row, limit = asked
    for group in range(groups[0], groups[1]):
        start = GROUP * group
        if none_allowed(allowed, start):
            continue
        portable_dots(block.codes, group, queries.digits, row, sums)
        if metric == L2:
            within = count_gaps(sums, block, start, queries.terms, row, limit)
        else:
            within = count_products(sums, block.scales, block.errors, start, queries.terms, row, limit)
        if within > 0:
            return group
    return groups[1]


@kernel(I8, I8, _BLOCK, _FLAGS, _GROUPS, _ASKED, QUERIES, _SUMS, inline=True)
def next_within(
    body: int, block: Block, allowed: Flags, groups: tuple[int, int], asked: Asked, queries: QueryCodes, sums: Integers
) -> Whole:
    """Do what `portable_next_within` does, by the body of this processor."""
    if body == VNNI:
        return vnni_next_within(block, allowed, groups, asked, queries, sums)
    return portable_next_within(block, allowed, groups, asked, queries, sums)


@kernel(types.void, _BLOCK, I8, I8, QUERIES, I8, WORK)
def bound(block: Block, start: int, metric: int, queries: QueryCodes, row: int, work: Work) -> None:
    """Fill the bounds of `work` from its sums, which are those of the group at `start`. O(64)."""
    if metric == L2:
        bound_gaps(work.sums, block, start, queries.terms, row, work.bounds)
    else:
        bound_products(work.sums, block.scales, block.errors, start, queries.terms, row, work.bounds)


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
    Cost     O(m * used * d) byte multiplications and O(verified * d) float64 ones. One query runs from group to group
             with candidates; of several all look at a group while its codes are in the first cache. O(1) memory.
    """
    first, begin, used = span
    many = len(work.limits) > 1
    group, last = begin // GROUP, (used + GROUP - 1) // GROUP
    while group < last:
        stop = group + 1 if many else last
        for row in range(len(work.limits)):
            asked = Asked(metric, row, work.limits[row])
            found = next_within(body, block, allowed, (group, stop), asked, queries, work.sums)
            if found == stop:
                continue
            start = GROUP * found
            bound(block, start, metric, queries, row, work)
            if work.sizes[row, WAITING] > CANDIDATES - GROUP:
                settle(row, metric, vectors, queries, work)
            collect(row, first, start, min(start + GROUP, used), allowed, begin, work)
            if not many:
                stop = found + 1
        group = stop


@kernel(I8, I8, _MATRIX, QUERIES, WORK)
def finish(metric: int, vectors: Matrix, queries: QueryCodes, work: Work) -> Whole:
    """Verify what is still waiting and sort each query's results; return how many vectors were read.

    Cost     O(m * (candidates + verified * d + k * log k)).
    """
    read = 0
    for row in range(len(work.sizes)):
        settle(row, metric, vectors, queries, work)
        heap.sort(work.distances[row], work.slots[row], work.sizes[row, VERIFIED])
        read += work.sizes[row, READ]
    return read


@kernel(_BLOCK, BOUND, I8)
def block_at(table: Bound, number: int) -> Block:
    """Return a block of the index whose arrays are bound in `table`, four of each block. O(1)."""
    lines = _codes(table, 4 * number)
    codes = lines.reshape(GROUPS, lines.shape[0] // GROUPS, lines.shape[1])
    return Block(codes, _scales(table, 4 * number + 1), _scales(table, 4 * number + 2), _squares(table, 4 * number + 3))


@kernel(WORK, BOUND)
def work_at(desk: Bound) -> Work:
    """Return the work of a `Desk`, as `Work.begin` makes it. O(m * k)."""
    work = Work(
        _f8_rows(desk, 0), _i8_rows(desk, 1), _f8_rows(desk, 2), _i8_rows(desk, 3), _f8_rows(desk, 4),
        _i8_rows(desk, 5), _i8_rows(desk, 6), _i4_rows(desk, 7), _f8_rows(desk, 8), _f8_line(desk, 9),
    )  # fmt: skip
    work.distances[:], work.slots[:] = np.inf, -1
    work.sizes[:], work.limits[:] = 0, np.inf
    return work


@kernel(I8, _GROUPS, _GROUPS, BOUND, BOUND, _FLAGS, _FLAGS, _MATRIX, _MATRIX)
def search(
    how: tuple[int, int],
    slots: tuple[int, int],
    table: Bound,
    desk: Bound,
    flags: Flags,
    all_allowed: Flags,
    vectors: Matrix,
    raw: Matrix,
) -> Whole:
    """Find the nearest of every row of `raw`, into the desk's work; return how many vectors were read.

    Shapes   how (body, metric) | slots (begin, count): those to look at | table: the arrays of the blocks | desk of m
             | flags: see `SlotMask.flat` | all_allowed (65536,): true | vectors (n, d) f4 | raw (m, d) f4.
    Cost     that of `scan` and `finish`; all blocks in one call, for taking arguments apart costs as much as 64 groups.
    """
    body, metric = how
    begin, count = slots
    work, digits = work_at(desk), _digits(desk, 10)
    queries = QueryCodes(raw, digits.reshape(len(raw), 2, digits.shape[1]), _f8_rows(desk, 11))
    encode_queries(raw, metric == COSINE, queries.digits, queries.terms)
    for number in range(begin // BLOCK_SLOTS, (count + BLOCK_SLOTS - 1) // BLOCK_SLOTS):
        first = number * BLOCK_SLOTS
        allowed = flags[first : first + BLOCK_SLOTS] if first < len(flags) else all_allowed
        span = (first, max(0, begin - first), min(BLOCK_SLOTS, count - first))
        scan(block_at(table, number), allowed, span, metric, body, vectors, queries, work)
    return finish(metric, vectors, queries, work)
