"""Scanning partitions: look-ups added up in registers, and the candidates that reach the floor.

Symbols  near: the estimate of a centroid | low, step: of tables | floor: the estimate that a slot has to reach.
"""

import math

import numpy as np
from numba import config, types

from pergamum.index.distance_kernels import COSINE, L2
from pergamum.index.ivf import fastscan
from pergamum.index.ivf.aim_kernels import make_tables
from pergamum.index.ivf.layout import BLOCK, TABLE, Bytes, Floats, Partitions, Slots
from pergamum.index.ivf.scratch import FLOOR, SCORED, SQUARE, Scratch
from pergamum.index.ivf.views import (
    AIM,
    BYTES,
    F4,
    F4S,
    FLAGS,
    I4S,
    PARTITIONS,
    SCRATCH,
    U1S,
    U2S,
    Aim,
)
from pergamum.index.jit import F8, I8, Real, Whole, kernel
from pergamum.index.mask import Flags
from pergamum.index.registers import lowest

PORTABLE, SPECIAL = 0, 1
BODY = SPECIAL if fastscan.AVAILABLE and not config.DISABLE_JIT else PORTABLE
"""Which body this processor runs."""
DEVIATIONS = 3.0
"""How far off an estimate is taken to be at most, in standard deviations."""
TIGHTENED = 64
"""New candidates after which the floor is looked at again."""
TERMS = types.UniTuple(F4, 3)


@kernel(types.void, BYTES, I8, I8, U1S, U2S, inline=True)
def portable_sums(codes: Bytes, start: Whole, pairs: Whole, tables: Bytes, sums: fastscan.Sums) -> None:
    """sums[j] = sum over the codes c of vector j, in the block that begins at byte `start`, of tables[16 i + c_i].

    Shapes   codes u1: blocks of (pairs, 64), code 2 i of a vector in the low half of its byte in row i, code 2 i + 1 in
             the high half | tables u1 (32 * pairs,), whose largest entries add up to less than 65,536 | sums u2 (64,).
    Cost     O(64 * pairs).
    """
    sums[:] = 0
    for pair in range(pairs):
        for j in range(BLOCK):
            byte = np.int64(codes[start + pair * BLOCK + j])
            sums[j] += tables[32 * pair + (byte & 15)]
            sums[j] += tables[32 * pair + TABLE + (byte >> 4)]


@kernel(types.void, I8, BYTES, I8, I8, U1S, U2S, inline=True)
def fastscan_sums(
    body: Whole,
    codes: Bytes,
    start: Whole,
    pairs: Whole,
    tables: Bytes,
    sums: fastscan.Sums,
) -> None:
    """Do what `portable_sums` does, by the body of this processor."""
    if body == SPECIAL:
        fastscan.special_sums(codes, start, pairs, tables, sums)
    else:
        portable_sums(codes, start, pairs, tables, sums)


@kernel(F4, F4S, I4S, I8, I8, I8)
def keep_best(scores: Floats, found: Slots, start: Whole, count: Whole, wanted: Whole) -> Real:
    """Move the `wanted` greatest of the scores [start, count), with their slots, to their front; return the least.

    Source   Hoare, "Find", CACM 1961. REQUIRES 0 < wanted <= count - start.
    Cost     O(count - start) expected. Ends because each turn leaves out the pivot.
    """
    left, right, last = start, count - 1, start + wanted - 1
    while left < right:
        pivot = scores[(left + right) // 2]
        i, j = left, right
        while i <= j:
            while scores[i] > pivot:
                i += 1
            while scores[j] < pivot:
                j -= 1
            if i <= j:
                scores[i], scores[j] = scores[j], scores[i]
                found[i], found[j] = found[j], found[i]
                i += 1
                j -= 1
        if last <= j:
            right = j
        elif last >= i:
            left = i
        else:
            break
    least = scores[start]
    for i in range(start + 1, last + 1):
        least = min(least, scores[i])
    return least


@kernel(F8, AIM, F8, SCRATCH)
def margin(aim: Aim, closeness: Real, scratch: Scratch) -> Real:
    """Return by how much the estimate of a vector as near as `closeness`, an estimate, may be off.

    That is `spread` times |y - x|, under l2 twice that. What codes lose stands upright on the residual, so the shorter
    of y - x and y counts; under dot, where x has any length, it is y.
    """
    square, spread = scratch.facts[SQUARE], DEVIATIONS * aim.spread
    if aim.metric == L2:
        return 2.0 * spread * math.sqrt(max(square - closeness, 0.0))
    if aim.metric == COSINE:
        return spread * math.sqrt(min(max(2.0 - 2.0 * closeness, 0.0), 1.0))
    return spread * math.sqrt(square)


@kernel(I8, F4S, I4S, I8, I8, F8)
def keep_above(scores: Floats, found: Slots, start: Whole, size: Whole, floor: Real) -> Whole:
    """Keep those of the scores [start, size), with their slots, that reach `floor`; return the new size."""
    least = np.float32(floor)
    for i in range(start, size):
        if scores[i] >= least:
            scores[start], found[start] = scores[i], found[i]
            start += 1
    return start


@kernel(I8, AIM, I8, SCRATCH)
def tighten(aim: Aim, size: Whole, scratch: Scratch) -> Whole:
    """Raise the floor to where the k best candidates put it; return how many reach it, `wanted` at most. O(size)."""
    scores, found, facts = scratch.scores, scratch.found, scratch.facts
    if size <= aim.k:
        return size
    kth = np.float64(keep_best(scores, found, 0, size, aim.k))
    if aim.spread < np.inf:
        facts[FLOOR] = max(facts[FLOOR], kth - margin(aim, kth, scratch))
        size = keep_above(scores, found, aim.k, size, facts[FLOOR])
    if size > aim.wanted:
        facts[FLOOR] = max(facts[FLOOR], np.float64(keep_best(scores, found, 0, size, aim.wanted)))
        size = aim.wanted
    return size


@kernel(I8, BYTES, I8, TERMS, FLAGS, I8, SCRATCH, inline=True)
def scan_block(
    block: Bytes,
    pairs: Whole,
    terms: tuple[Real, Real, Real],
    flags: Flags,
    size: Whole,
    scratch: Scratch,
) -> Whole:
    """Add the allowed slots of a block whose estimates reach the floor to the `size` candidates; return how many.

    Shapes   block u1 (64 (pairs + 12),), see `Partitions` | terms: near, low, step | flags: see `SlotMask.flat`.
    Cost     O(64 * pairs) byte operations, nine instructions a pair, and O(1) for each candidate.
    """
    fastscan_sums(BODY, block, 0, pairs, scratch.tables, scratch.sums)
    rest, estimates = block[pairs * BLOCK :], scratch.estimates
    numbers, slots = rest.view(np.float32), rest.view(np.int32)
    bits = fastscan.survivors(scratch.sums, numbers, terms, np.float32(scratch.facts[FLOOR]), estimates)
    while bits:
        j = lowest(bits)
        bits &= bits - np.uint64(1)
        slot = np.int64(slots[2 * BLOCK + j])
        if slot >= 0 and (slot >= len(flags) or flags[slot]):
            scratch.scores[size], scratch.found[size] = estimates[j], slot
            size += 1
    return size


@kernel(I8, AIM, PARTITIONS, FLAGS, SCRATCH)
def gather(aim: Aim, partitions: Partitions, flags: Flags, scratch: Scratch) -> Whole:
    """Fill the candidates from the nearest partitions, and from others while there are fewer than k; return how many.

    REQUIRES: `choose` was called; `wanted` candidates and SPARE, more than TIGHTENED and a block, have room.
    """
    near, order, blocks, first = (
        scratch.near,
        scratch.order,
        partitions.blocks,
        partitions.first,
    )
    count, pairs = len(near), len(partitions.books) // 2
    low, step = make_tables(aim.metric, partitions, scratch)
    scratch.seen[:] = 0
    scratch.facts[FLOOR] = -np.inf
    size, known, room = 0, 0, len(scratch.scores)
    for turn in range(aim.effort + count):
        if turn >= aim.effort and size >= aim.k:
            break
        place = order[turn] if turn < aim.effort else np.int64(turn - aim.effort)
        if scratch.seen[place]:
            continue
        scratch.seen[place] = 1
        scratch.counts[SCORED] += BLOCK * (first[place + 1] - first[place])
        for block in range(first[place], first[place + 1]):
            size = scan_block(blocks[block], pairs, (near[place], low, step), flags, size, scratch)
            if size - known > TIGHTENED or size > room - BLOCK:
                size = known = tighten(aim, size, scratch)
    return tighten(aim, size, scratch)
