"""Kernels over `CodeRows`: dot products of chosen rows, and the exact scan of allowed slots.

The dot products come in two bodies: the portable one, and one instruction for 64 products where the processor has it.
They are integers, so the bodies are equal to the bit.
"""

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import types

from pergamum.domain.vectors import Matrix
from pergamum.index import rows_vnni
from pergamum.index.arrays import LINE
from pergamum.index.brute_force.kernels import QUERIES, VNNI, WORK, offer, settle
from pergamum.index.brute_force.work import CANDIDATES, WAITING, Bytes, Doubles, Integers, Signed, Work
from pergamum.index.code_rows import CodeRows
from pergamum.index.distance_kernels import L2
from pergamum.index.jit import F8, FLAG, I8, Whole, array, kernel, named
from pergamum.index.mask import Flags
from pergamum.index.quantize import BASE, ERROR, OFFSET, PER_ERROR, PER_SCALE, ROUNDING, SQUARE, STEP, QueryCodes

Slots: TypeAlias = npt.NDArray[np.uint32]

GROUP, FULL = 64, 48
"""Most slots that are scanned together, and how many allowed ones are worth a scan before the last."""

CODES = array(types.uint8, 2, readonly=True)
TERMS = array(types.float32, 2, readonly=True)
ROWS = named(CodeRows, CODES, TERMS, array(types.float32, 1, readonly=True), array(types.int32, 1, readonly=True))
SLOTS, SIGNED, SUMS = array(types.uint32, 1), array(types.int8, 1), array(types.int32, 1)
FLAGS = array(FLAG, 1, readonly=True)
_MATRIX = array(types.float32, 2, readonly=True)


@kernel(types.void, CODES, SLOTS, I8, SIGNED, SUMS, inline=True)
def portable_row_dots(codes: Bytes, slots: Slots, count: int, query: Signed, sums: Integers) -> None:
    """sums[i] = sum over dimensions of the code of slots[i] times `query`, for the first `count` slots.

    Shapes   codes u1 (n, stride) | slots u4, sums i4 (>= count,) | query i1 (stride,), zero in the padding.
    Cost     O(count * stride) time, O(1) memory.
    """
    for i in range(count):
        slot = np.uint64(slots[i])
        total = np.int32(0)
        for j in range(len(query)):
            total += np.int32(codes[slot, j]) * np.int32(query[j])
        sums[i] = total


@kernel(types.void, I8, CODES, SLOTS, I8, SIGNED, SUMS, inline=True)
def row_dots(body: int, codes: Bytes, slots: Slots, count: int, query: Signed, sums: Integers) -> None:
    """Do what `portable_row_dots` does, by the body of this processor."""
    if body == VNNI:
        rows_vnni.dots(codes, slots, count, query, sums)
    else:
        portable_row_dots(codes, slots, count, query, sums)


@kernel(FLAG, FLAGS, I8, inline=True)
def is_allowed(flags: Flags, slot: Whole) -> bool:
    """Whether a search may return `slot`; see `SlotMask.flat`. O(1)."""
    return bool(slot >= len(flags) or flags[slot])


@kernel(I8, FLAGS, I8, I8, SLOTS, inline=True)
def allowed_of(flags: Flags, start: int, stop: int, slots: Slots) -> int:
    """Put the allowed ones of [start, stop) into `slots`; return how many there are. O(stop - start)."""
    count = 0
    for slot in range(start, stop):
        slots[count] = slot
        count += is_allowed(flags, slot)
    return count


@kernel(types.void, ROWS, SLOTS, I8, I8, I8, array(F8, 2), WORK)
def bound_rows(rows: CodeRows, slots: Slots, count: int, metric: int, row: int, terms: Doubles, work: Work) -> None:
    """Fill `work.bounds` with lower and upper bounds of the distances of `slots` to query `row`, from `work.sums`.

    The bounds are those of `bound_products` and `bound_gaps` in brute_force/kernels.py, where they are proven.
    Cost     O(count).
    """
    for i in range(count):
        slot = np.uint64(slots[i])
        scale, lost = np.float64(rows.terms[slot, 0]), np.float64(rows.errors[slot])
        product = 256.0 * work.sums[0, i] + work.sums[1, i] - terms[row, OFFSET]
        if metric == L2:
            total = terms[row, SQUARE] + scale * scale * rows.squares[slot]
            gap = total - 2.0 * scale * (terms[row, STEP] * product)
            slack, margin = ROUNDING * total, lost + terms[row, ERROR]
            work.bounds[0, i] = math.sqrt(max(gap - slack, 0.0)) * (1.0 - ROUNDING) - margin
            work.bounds[1, i] = math.sqrt(max(gap + slack, 0.0)) * (1.0 + ROUNDING) + margin
        else:
            middle = terms[row, BASE] - scale * (terms[row, STEP] * product)
            margin = scale * terms[row, PER_SCALE] + lost * terms[row, PER_ERROR]
            work.bounds[0, i], work.bounds[1, i] = middle - margin, middle + margin


@kernel(types.void, I8, ROWS, FLAGS, I8, _MATRIX, QUERIES, SLOTS, WORK)
def scan_rows(
    body: int,
    rows: CodeRows,
    flags: Flags,
    metric: int,
    vectors: Matrix,
    queries: QueryCodes,
    slots: Slots,
    work: Work,
) -> None:
    """Take every allowed slot of `rows` into account for every query; `finish` of brute_force/kernels.py ends it.

    Source   the scan of brute_force/kernels.py over another layout, which can leave out slots one by one.
    Shapes   flags: see `SlotMask.flat` | vectors (n, d) f4 | queries of m, digits (m, 2, stride) | slots u4 (64,)
             scratch | work of m rows.
    Ends     every turn takes at least GROUP - FULL of the slots that are left.
    Cost     O(n + m * allowed * d) byte operations and O(m * verified * d) float64 ones. O(1) memory.
    """
    count, lines = len(rows.codes), rows.codes.shape[1] // LINE
    start = found = 0
    while start < count:
        stop = min(start + GROUP - found, count)  # so many slots have room, should all of them be allowed
        found += allowed_of(flags, start, stop, slots[found:])
        start = stop
        if found < FULL and start < count:
            continue
        for i in range(found):
            rows_vnni.prefetch(rows.codes, np.int64(slots[i]), lines)
        for row in range(len(work.limits)):
            row_dots(body, rows.codes, slots, found, queries.digits[row, 0], work.sums[0])
            row_dots(body, rows.codes, slots, found, queries.digits[row, 1], work.sums[1])
            bound_rows(rows, slots, found, metric, row, queries.terms, work)
            if work.sizes[row, WAITING] > CANDIDATES - GROUP:
                settle(row, metric, vectors, queries, work)
            for i in range(found):
                if work.bounds[0, i] <= work.limits[row]:
                    offer(row, np.int64(slots[i]), work.bounds[0, i], work.bounds[1, i], work)
        found = 0
