"""Scanning partitions: look-ups added up in registers, and the candidates that reach the floor.

Symbols  near: the estimate of a centroid | low, step: of tables | floor: the estimate that a slot has to reach.
"""

import math

import numpy as np
from numba import config, types

from pergamum.index.distance_kernels import COSINE, L2
from pergamum.index.ivf import fastscan
from pergamum.index.ivf.aim_kernels import make_tables
from pergamum.index.ivf.layout import BLOCK, COPIES, TABLE, Bytes, Partitions
from pergamum.index.ivf.scratch import FLOOR, MARKED, SCORED, SQUARE, TRAIL, Scratch
from pergamum.index.ivf.select_kernels import keep_reaching, least_of, rank_of, score_of, to_front, to_ranks
from pergamum.index.ivf.views import AIM, BYTES, F4, FLAGS, PARTITIONS, SCRATCH, U1S, U2S, Aim
from pergamum.index.jit import F8, FLAG, I8, Real, Whole, kernel
from pergamum.index.mask import Flags
from pergamum.index.registers import SHUFFLES, lowest
from pergamum.index.rows_vnni import prefetch

PORTABLE, SPECIAL = 0, 1
BODY = SPECIAL if SHUFFLES and not config.DISABLE_JIT else PORTABLE
"""Which body this processor runs."""
DEVIATIONS = 3.0
"""How far off an estimate is taken to be at most, in standard deviations."""
TIGHTENED = 32
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
def fastscan_sums(body: Whole, codes: Bytes, start: Whole, pairs: Whole, tables: Bytes, sums: fastscan.Sums) -> None:
    """Do what `portable_sums` does, by the body of this processor."""
    if body == SPECIAL:
        fastscan.special_sums(codes, start, pairs, tables, sums)
    else:
        portable_sums(codes, start, pairs, tables, sums)


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


@kernel(I8, AIM, I8, SCRATCH)
def tighten(aim: Aim, size: Whole, scratch: Scratch) -> Whole:
    """Raise the floor to where the k best candidates put it; return how many reach it, `wanted` at most.

    Sets the ranks of the candidates. Cost as of `least_of`.
    """
    ranks, facts = scratch.ranks, scratch.facts
    bits = scratch.scores.view(np.int32)
    for i in range(size):
        ranks[i] = bits[i]
    to_ranks(ranks[:size])
    if size <= aim.k:
        return size
    if aim.spread < np.inf:
        kth = np.float64(score_of(least_of(ranks, size, aim.k)))
        facts[FLOOR] = max(facts[FLOOR], kth - margin(aim, kth, scratch))
        size = keep_reaching(0, size, rank_of(np.float32(facts[FLOOR])), scratch)
    if size > aim.wanted:
        facts[FLOOR] = max(facts[FLOOR], np.float64(score_of(to_front(size, aim.wanted, scratch))))
        size = aim.wanted
    return size


@kernel(FLAG, I8, SCRATCH, inline=True)
def mark(slot: Whole, scratch: Scratch) -> bool:
    """Remember that a slot is a candidate; return whether it was not. O(1)."""
    marks, counts = scratch.marks, scratch.counts
    byte, bit = slot >> 3, np.uint8(1 << (slot & 7))
    if marks[byte] & bit:
        return False
    marks[byte] |= bit
    if counts[MARKED] < TRAIL:
        scratch.trail[counts[MARKED]] = slot
    counts[MARKED] += 1
    return True


@kernel(types.void, SCRATCH)
def forget(scratch: Scratch) -> None:
    """Take back all marks. O(candidates), or O(n / 8) where the trail had no room."""
    marks, trail, count = scratch.marks, scratch.trail, scratch.counts[MARKED]
    if count > TRAIL:
        marks[:] = 0
    else:
        for i in range(count):
            marks[trail[i] >> np.int32(3)] = 0
    scratch.counts[MARKED] = 0


@kernel(I8, BYTES, I8, TERMS, FLAGS, I8, FLAG, SCRATCH, inline=True)
def scan_block(
    block: Bytes, pairs: Whole, terms: tuple[Real, Real, Real], flags: Flags, size: Whole, once: bool, scratch: Scratch
) -> Whole:
    """Add the allowed slots of a block whose estimates reach the floor to the `size` candidates; return how many.

    Shapes   block u1 (64 (pairs + 12),), see `Partitions` | terms: near, low, step | flags: see `SlotMask.flat` |
             once: a slot is in one block only; else it is a candidate where it is met first.
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
        if slot >= 0 and (slot >= len(flags) or flags[slot]) and (once or mark(slot, scratch)):
            scratch.scores[size], scratch.found[size] = estimates[j], slot
            size += 1
    return size


@kernel(I8, AIM, PARTITIONS, FLAGS, SCRATCH)
def gather(aim: Aim, partitions: Partitions, flags: Flags, scratch: Scratch) -> Whole:
    """Fill the candidates from the nearest partitions, and from others while there are fewer than k; return how many.

    REQUIRES: `choose` was called; `wanted` candidates and SPARE, more than TIGHTENED and a block, have room.
    """
    near, order, blocks, first = scratch.near, scratch.order, partitions.blocks, partitions.first
    count, pairs, once = len(near), len(partitions.books) // 2, partitions.facts[COPIES] == 1.0
    low, step = make_tables(aim.metric, partitions, scratch)
    scratch.seen[:] = 0
    scratch.facts[FLOOR] = -np.inf
    size, known, room, lines = 0, 0, len(scratch.scores), min(pairs, fastscan.AHEAD)
    for turn in range(aim.effort + count):
        if turn >= aim.effort and size >= aim.k:
            break
        place = order[turn] if turn < aim.effort else np.int64(turn - aim.effort)
        if scratch.seen[place]:
            continue
        scratch.seen[place] = 1
        if turn + 1 < aim.effort:
            prefetch(blocks, first[order[turn + 1]], lines)
        scratch.counts[SCORED] += BLOCK * (first[place + 1] - first[place])
        for block in range(first[place], first[place + 1]):
            size = scan_block(blocks[block], pairs, (near[place], low, step), flags, size, once, scratch)
            if size - known >= TIGHTENED or size > room - BLOCK:
                size = known = tighten(aim, size, scratch)
    forget(scratch)
    return tighten(aim, size, scratch)
