"""Searching partitions: the nearest centroids, then their vectors by look-ups, then the best by float32.

Source   Jégou, Douze, Schmid, "Product quantization for nearest neighbor search", IEEE TPAMI 2011 (section 4, IVFADC);
         Guo et al., "Accelerating large-scale inference with anisotropic vector quantization", ICML 2020.
Symbols  y: query | c: centroid | near: its estimate | step, low: of byte tables, estimate = near + low + step * sum.
"""

import math

import numpy as np
from numba import config, types

from pergamum.domain.vectors import Matrix
from pergamum.index import heap
from pergamum.index.distance_kernels import COSINE, DOT, distance, dot
from pergamum.index.hnsw.graph import Found
from pergamum.index.ivf import fastscan
from pergamum.index.ivf.fastscan import BLOCK, TABLE
from pergamum.index.ivf.layout import (
    MOST_SUM,
    READ,
    SCORED,
    SQUARE,
    UNIT,
    WIDTH,
    Aim,
    Bytes,
    Floats,
    Partitions,
    Scratch,
    Slots,
)
from pergamum.index.jit import F8, FLAG, I8, Real, Whole, array, kernel, named
from pergamum.index.mask import Flags
from pergamum.index.rows_vnni import prefetch

F4 = types.float32
FLOATS, BYTES = array(F4, 1, readonly=True), array(types.uint8, 1, readonly=True)
_MATRIX = array(F4, 2, readonly=True)
F4S, U1S, U2S, I4S = array(F4, 1), array(types.uint8, 1), array(types.uint16, 1), array(types.int32, 1)
PARTITIONS = named(
    Partitions,
    _MATRIX,
    FLOATS,
    array(F4, 3, readonly=True),
    _MATRIX,
    BYTES,
    array(types.int32, 1, readonly=True),
    array(I8, 1, readonly=True),
)
SCRATCH = named(Scratch, F4S, F4S, heap.KEYS, heap.SLOTS, U1S, F4S, U1S, U2S, F4S, I4S, array(I8, 1), array(F8, 1))
_AIM = named(Aim, I8, F8, I8, I8, F8, F8)
_FOUND = named(Found, array(F8, 2), array(I8, 2), array(I8, 1), array(FLAG, 1))
_FLAGS = array(FLAG, 1, readonly=True)

PORTABLE, SPECIAL = 0, 1
BODY = SPECIAL if fastscan.AVAILABLE and not config.DISABLE_JIT else PORTABLE
"""Which body this processor runs."""
AHEAD, LINES = 8, 4
"""Vectors that are asked for before they are read, and how many cache lines of each; the processor fetches the rest."""
AT_LEAST, STEP = 16, 16
"""Vectors read beyond k in any case, and between two looks at the others."""
DEVIATIONS = 3.0
"""Vectors estimated worse than the k-th by more of these than that are not read."""
FARTHEST = np.float32(1e15)
"""Numbers of a query are cut off here, in units of the scale: their squares stay in float32."""


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


@kernel(types.void, FLOATS, _AIM, PARTITIONS, SCRATCH)
def aim_at(raw: Floats, aim: Aim, partitions: Partitions, scratch: Scratch) -> None:
    """Put y into `query`, the estimates of all centroids into `near`, and the nearest into the heap `order`.

    Cost     O(p * d + p log effort).
    """
    query, near, centroids = scratch.query, scratch.near, partitions.centroids
    unit, square = aim.scale, 0.0
    if aim.metric == COSINE:
        unit = math.sqrt(dot(raw, raw))
    elif aim.metric == DOT:  # the order of dot products is the same for every length of the query
        unit = 0.0
        for number in raw:
            unit = max(unit, abs(np.float64(number)))
        unit = unit if unit > 0.0 else 1.0
    near[:] = 0
    for i in range(len(raw)):
        number = min(max(np.float32(np.float64(raw[i]) / unit), -FARTHEST), FARTHEST)
        query[i] = number
        square += np.float64(number) * np.float64(number)
        for p in range(len(near)):
            near[p] += number * centroids[i, p]
    size = 0
    for p in range(len(near)):
        near[p] = np.float32(aim.twice) * near[p]
        if aim.twice > 1.0:
            near[p] -= np.float32(2.0) * partitions.halves[p]
        size = heap.push_bounded(scratch.keys[: aim.effort], scratch.order[: aim.effort], size, -np.float64(near[p]), p)
    heap.sort(scratch.keys, scratch.order, size)
    scratch.lengths[UNIT], scratch.lengths[SQUARE] = unit, square


@kernel(types.void, PARTITIONS, F4, SCRATCH)
def make_entries(partitions: Partitions, twice: Real, scratch: Scratch) -> None:
    """Put the look-ups that do not depend on the partition into `entries`: twice * <y, r>. O(16 d)."""
    books, query = partitions.books, scratch.query
    for code in range(len(books)):
        for point in range(TABLE):
            product = np.float32(0.0)
            for i in range(WIDTH):
                product += query[WIDTH * code + i] * books[code, point, i]
            scratch.entries[TABLE * code + point] = twice * product


@kernel(types.UniTuple(F4, 2), PARTITIONS, I8, SCRATCH)
def make_tables(partitions: Partitions, place: Whole, scratch: Scratch) -> tuple[Real, Real]:
    """Turn `entries`, with the shifts of partition `place` where there are any, into bytes; return (low, step).

    The step is that of the widest table, so that the sum of all look-ups fits 16 bits. O(16 m).
    """
    entries, tables, shifts = scratch.entries, scratch.tables, partitions.shifts
    codes, shifted = len(entries) // TABLE, len(shifts) > 0
    widest, low = np.float32(0.0), np.float32(0.0)
    for code in range(codes):
        least, most = np.float32(np.inf), np.float32(-np.inf)
        for i in range(TABLE * code, TABLE * code + TABLE):
            entry = entries[i] + shifts[place, i] if shifted else entries[i]
            least, most = min(least, entry), max(most, entry)
        low += least
        widest = max(widest, most - least)
    top = np.float32(min(255, MOST_SUM // codes))
    step = widest / top if widest > np.float32(0.0) else np.float32(1.0)
    for code in range(codes):
        least = np.float32(np.inf)
        for i in range(TABLE * code, TABLE * code + TABLE):
            least = min(least, entries[i] + shifts[place, i] if shifted else entries[i])
        for i in range(TABLE * code, TABLE * code + TABLE):
            entry = entries[i] + shifts[place, i] if shifted else entries[i]
            tables[i] = np.uint8(min((entry - least) / step + np.float32(0.5), top))
    return low, step


@kernel(I8, I8, PARTITIONS, I8, F4, F4, I8, _FLAGS, I8, SCRATCH)
def scan_partition(
    body: Whole,
    partitions: Partitions,
    place: Whole,
    base: Real,
    step: Real,
    wanted: Whole,
    flags: Flags,
    size: Whole,
    scratch: Scratch,
) -> Whole:
    """Add the allowed slots of a partition that may be among the `wanted` best to the candidates; return how many.

    Shapes   base: near + low of the partition | size: candidates before; once they are more than `wanted`, `keys[0]`
             holds the estimate that a slot has to reach.
    Cost     O(slots * m / 4) instructions, and O(1) amortised for each candidate.
    """
    slots, scores, found, pairs = partitions.slots, scratch.scores, scratch.found, len(scratch.tables) // (2 * TABLE)
    for block in range(partitions.first[place], partitions.first[place + 1]):
        floor = (scratch.keys[0] - base) / step
        if floor > MOST_SUM:
            return size
        fastscan_sums(body, partitions.codes, block * pairs * BLOCK, pairs, scratch.tables, scratch.sums)
        bits = fastscan.survivors(scratch.sums, np.uint16(math.ceil(max(floor, 0.0))))
        while bits:
            j = fastscan.lowest(bits)
            bits &= bits - np.uint64(1)
            slot = np.int64(slots[block * BLOCK + j])
            if slot >= 0 and (slot >= len(flags) or flags[slot]):
                scores[size], found[size] = base + step * np.float32(scratch.sums[j]), slot
                size += 1
        if size > len(scores) - BLOCK:
            scratch.keys[0] = keep_best(scores, found, 0, size, wanted)
            size = wanted
    return size


@kernel(I8, I8, PARTITIONS, _AIM, I8, _FLAGS, SCRATCH)
def gather(body: Whole, partitions: Partitions, aim: Aim, k: Whole, flags: Flags, scratch: Scratch) -> Whole:
    """Fill the candidates from the nearest partitions, and from others while there are fewer than k; return how many.

    REQUIRES: `aim_at` was called. `keys` is used for the threshold afterwards.
    """
    count, near, order = len(scratch.near), scratch.near, scratch.order
    shifted, size = len(partitions.shifts) > 0, 0
    scratch.seen[:] = 0
    scratch.keys[0] = -np.inf
    make_entries(partitions, np.float32(aim.twice), scratch)
    low, step = make_tables(partitions, 0, scratch)
    effort = min(aim.effort, count)
    for turn in range(effort + count):
        if turn >= effort and size >= k:
            break
        place = order[turn] if turn < effort else np.int64(turn - effort)
        if scratch.seen[place] or partitions.first[place] == partitions.first[place + 1]:
            continue
        scratch.seen[place] = 1
        scratch.state[SCORED] += BLOCK * (partitions.first[place + 1] - partitions.first[place])
        if shifted:
            low, step = make_tables(partitions, place, scratch)
        size = scan_partition(body, partitions, place, near[place] + low, step, aim.wanted, flags, size, scratch)
    return size


@kernel(types.void, _MATRIX, FLOATS, I8, I8, I8, SCRATCH, _FOUND, I8)
def read(
    vectors: Matrix, raw: Floats, metric: Whole, start: Whole, stop: Whole, scratch: Scratch, found: Found, row: Whole
) -> None:
    """Put the reference distances of the candidates [start, stop) into the results. O((stop - start) * d)."""
    norm = scratch.lengths[UNIT] if metric == COSINE else 0.0
    slots = scratch.found
    for i in range(start, min(start + AHEAD, stop)):
        prefetch(vectors, np.int64(slots[i]), LINES)
    for i in range(start, stop):
        if i + AHEAD < stop:
            prefetch(vectors, np.int64(slots[i + AHEAD]), LINES)
        slot = np.int64(slots[i])
        near = distance(metric, raw, norm, vectors[slot])
        found.sizes[row] = heap.push_bounded(found.distances[row], found.slots[row], found.sizes[row], near, slot)
    scratch.state[READ] += stop - start


@kernel(F8, _AIM, F8, SCRATCH)
def least_hope(aim: Aim, farthest: Real, scratch: Scratch) -> Real:
    """Return the estimate below which a vector is most likely farther than `farthest`, a reference distance.

    The codes of x lose e, which the estimate misjudges by <y, e>, under l2 by 2 <y - x, e>: over random directions that
    is |y| or 2 |y - x| times `spread`, by the root of its mean square.
    """
    unit, square = scratch.lengths[UNIT], scratch.lengths[SQUARE]
    if aim.metric == COSINE:
        return 1.0 - farthest - DEVIATIONS * aim.spread
    if aim.metric == DOT:
        return -farthest / (unit * aim.scale) - DEVIATIONS * aim.spread * math.sqrt(square)
    gap = farthest / aim.scale
    return square - gap * gap - 2.0 * DEVIATIONS * aim.spread * gap


@kernel(types.void, _MATRIX, FLOATS, _AIM, I8, SCRATCH, _FOUND, I8)
def verify(vectors: Matrix, raw: Floats, aim: Aim, size: Whole, scratch: Scratch, found: Found, row: Whole) -> None:
    """Read the candidates, the best estimates first, until the others have no hope or `aim.wanted` are read.

    Cost     O(size + read * d).
    """
    k, done, step = found.slots.shape[1], 0, found.slots.shape[1] + AT_LEAST
    most = min(size, aim.wanted)
    while done < most:
        step = min(step, most - done)
        keep_best(scratch.scores, scratch.found, done, size, step)
        read(vectors, raw, aim.metric, done, done + step, scratch, found, row)
        done, step = done + step, STEP
        if done < most and found.sizes[row] == k:
            hope, best = least_hope(aim, found.distances[row, 0], scratch), np.float32(-np.inf)
            for i in range(done, size):
                best = max(best, scratch.scores[i])
            if best < hope:
                break
    heap.sort(found.distances[row], found.slots[row], found.sizes[row])


@kernel(types.void, I8, PARTITIONS, _AIM, _MATRIX, _MATRIX, _FLAGS, SCRATCH, _FOUND)
def search(
    body: Whole,
    partitions: Partitions,
    aim: Aim,
    vectors: Matrix,
    queries: Matrix,
    flags: Flags,
    scratch: Scratch,
    found: Found,
) -> None:
    """Find the nearest of every query.

    Shapes   queries (q, d) f4 | found of q rows, to be filled | flags: see `SlotMask.flat`.
    Cost     O(q * (p * d + effort * n / p * m / 4 + wanted * d)).
    """
    scratch.state[:] = 0
    found.distances[:], found.slots[:], found.sizes[:] = np.inf, -1, 0
    for row in range(len(queries)):
        aim_at(queries[row], aim, partitions, scratch)
        size = gather(body, partitions, aim, found.slots.shape[1], flags, scratch)
        verify(vectors, queries[row], aim, size, scratch, found, row)
