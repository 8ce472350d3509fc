"""Walking the wide layout: neighbours are estimated from their short codes, slots that are visited compared by 8 bits.

Source   the search of SymphonyQG, see `wide.py`. A slot is compared only when it is visited, and its neighbours' codes
         are read in one go; the pool is sorted by estimates, `best` keeps what was visited by the better key.
Symbols  y: query | c: slot that is visited | low, step: of byte tables, <z, R y> is estimated by low + step * sum.
"""

import math

import numpy as np
from numba import config, types

from pergamum.domain.vectors import Matrix
from pergamum.index import heap
from pergamum.index.arrays import LINE
from pergamum.index.code_rows import CodeRows
from pergamum.index.distance_kernels import COSINE, L2, distance, dot
from pergamum.index.hnsw import block_sums
from pergamum.index.hnsw.block_sums import estimates
from pergamum.index.hnsw.graph import ALLOWED, EPOCH, LOOKED_AT, SCORED, Aim, Found, Plan, Scratch
from pergamum.index.hnsw.kernels import (
    AIM,
    FOUND,
    LEAST_SHARE,
    MATRIX,
    PLAN,
    SCRATCH,
    new_epoch,
    score,
)
from pergamum.index.hnsw.pool_kernels import (
    ENTRIES,
    EXPANDED,
    U8,
    Entries,
    insert,
    key_of,
    next_unexpanded,
    packed,
    slot_of,
)
from pergamum.index.hnsw.query_tables import largest, write_tables
from pergamum.index.hnsw.rotation_kernels import FLOATS, SIGNS, rotate
from pergamum.index.hnsw.wide import (
    CODES,
    GROUP,
    MOST_ENTRY,
    MOST_SUM,
    Bytes,
    Floats,
    Query,
    Stride,
    Sums,
    Wide,
    patterns_of,
)
from pergamum.index.jit import F8, I8, Real, Whole, array, kernel, named
from pergamum.index.mask import Flags
from pergamum.index.registers import SHUFFLES, lowest
from pergamum.index.row_kernels import FLAGS, ROWS, is_allowed
from pergamum.index.rows_vnni import prefetch

PORTABLE, SPECIAL = 0, 1
BODY = SPECIAL if SHUFFLES and not config.DISABLE_JIT else PORTABLE
"""Which body adds up the look-ups on this processor."""
READ_BEYOND, DEVIATIONS = 16, 3.0
"""Vectors read beyond k, as long as their keys are within so many deviations: the order of 8-bit codes is nearly that
of vectors."""
AHEAD = 4
"""Vectors that are asked for before they are read."""
AT_ONCE = 16
"""Lines of a block that are asked for together with the codes of its slot: the other lines follow one another."""
SLACK, SLACK_ENDS = 0.055, 100.0
"""How far beyond the k-th nearest a walk goes: its squared distance times 1 + SLACK log r + (r / SLACK_ENDS)^3, where r
is effort / k. Fitted on three sets (decision 28); the last term lets great efforts see all there is."""

F4 = types.float32
_BLOCKS, _TABLES, _SUMS = array(types.uint8, 2, readonly=True), array(types.uint8, 1), array(types.uint16, 1)
_FLAT, _REALS = array(types.uint8, 1, readonly=True), array(F4, 1, readonly=True)
WIDE = named(Wide, _BLOCKS, SIGNS, array(types.uint32, 1, readonly=True))
QUERY = named(Query, FLOATS, _TABLES, _SUMS, FLOATS, ENTRIES)
_PAIR, _LINE, _TWO = types.UniTuple(F4, 2), types.UniTuple(F4, 4), types.UniTuple(I8, 2)
_STRIDE = named(Stride, I8, I8, I8, I8, I8)
_HIGH = patterns_of(2)[0, 15]
_HIGHEST = np.uint64(0xFFFFFFFFFFFFFFFF)


@kernel(types.void, _FLAT, I8, I8, _TABLES, _SUMS, inline=True)
def portable_block_sums(blocks: Bytes, start: Whole, registers: Whole, tables: Bytes, sums: Sums) -> None:
    """sums[j] = sum over the codes of neighbour j, from byte `start` on, of their entries in `tables`.

    Shapes   blocks u1, flat | tables u1 (128 * registers,): see `make_tables` | sums u2 (32,).
    Cost     O(128 * registers).
    """
    sums[:] = 0
    for register in range(registers):
        for half in range(0, LINE, GROUP):
            for j in range(GROUP):
                byte = np.int64(blocks[start + LINE * register + half + j])
                sums[j] += tables[2 * LINE * register + half + (byte & 15)]
                sums[j] += tables[2 * LINE * register + LINE + half + (byte >> 4)]


@kernel(types.void, I8, _FLAT, I8, I8, _TABLES, _SUMS, _TWO, inline=True)
def sum_block(
    body: Whole, blocks: Bytes, start: Whole, registers: Whole, tables: Bytes, sums: Sums, ahead: tuple[Whole, Whole]
) -> None:
    """Do what `portable_block_sums` does, by the body of this processor; `ahead`: bytes where blocks begin that may be
    read next, see `special_block_sums`.
    """
    if body == SPECIAL:
        block_sums.special_block_sums(blocks, start, registers, tables, sums, ahead)
    else:
        portable_block_sums(blocks, start, registers, tables, sums)


@kernel(types.UniTuple(F4, 2), FLOATS, I8, _TABLES)
def make_tables(turned: Floats, bits: Whole, tables: Bytes) -> tuple[Real, Real]:
    """Write the bytes that stand for what each code adds to <z, R y>; return (low, step): it is low + step * sum.

    Shapes   turned f4 (padded + 4,): R y, then zeros | tables u1 (128 * registers,): in each register the entries of
             the low halves, then of the high ones; of each the first run's 16 entries twice, then the second's.
    Cost     O(16 * padded).
    """
    each = 4 // bits
    codes = (len(turned) - 4) // each
    peak = largest(turned[: len(turned) - 4]) * (np.float32(each) * (_HIGH if bits == 2 else np.float32(1.0)))
    if not peak < np.float32(np.inf):
        tables[:] = 0
        return -peak, np.float32(1.0)
    top = np.float32(min(MOST_ENTRY, MOST_SUM // codes))
    step = np.float32(2.0) * peak / top if peak > np.float32(0.0) else np.float32(1.0)
    write_tables(bits, turned, peak, np.float32(1.0) / step, tables)
    return -peak * np.float32(codes), step


@kernel(types.Tuple((F8, F4, I8)), _REALS, I8, SIGNS, SCRATCH, QUERY)
def aim_at(raw: Floats, metric: Whole, signs: Floats, scratch: Scratch, own: Query) -> tuple[Real, Real, Whole]:
    """Write the query's 8-bit code into `scratch.query` and R y into `own.turned`; return |q|, and what `Aim` wants.

    Cost     O(d log d).
    """
    turned, total = own.turned[: len(own.turned) - 4], np.int64(0)
    for i in range(len(raw)):
        turned[i] = raw[i]
    turned[len(raw) :] = 0.0
    norm, peak = math.sqrt(dot(raw, raw)), np.float64(largest(turned))
    unit = np.float64(norm) if metric == COSINE else 1.0
    scale, share = 127.0 / peak if peak > 0.0 else 0.0, 1.0 / unit
    for i in range(len(raw)):
        digit = np.int32(np.rint(np.float64(raw[i]) * scale))
        scratch.query[i] = digit
        turned[i] = np.float32(np.float64(raw[i]) * share)
        total += digit
    rotate(signs, turned)
    return norm, np.float32(2.0 * peak / (127.0 * unit)), 128 * np.int64(total)


@kernel(I8, I8, ROWS, WIDE, AIM, I8, SCRATCH, inline=True)
def begin(body: Whole, rows: CodeRows, wide: Wide, aim: Aim, effort: Whole, scratch: Scratch) -> Whole:
    """Put the nearest seed into the pool, and the first, from which every slot can be reached; return its size.

    Cost     O(seeds * d).
    """
    count, pool, epoch = len(wide.seeds), scratch.pool, np.uint8(scratch.state[EPOCH])
    for i in range(count):
        scratch.fresh[i] = wide.seeds[i]
    score(body, rows, aim, count, _HIGHEST, scratch)
    nearest = first = scratch.keys[0]
    for i in range(1, count):
        nearest = min(nearest, scratch.keys[i])
    pool[0] = nearest
    scratch.marks[slot_of(nearest)] = epoch
    if slot_of(nearest) == slot_of(first) or effort == 1:
        return 1
    pool[1] = first
    scratch.marks[slot_of(first)] = epoch
    return 2


@kernel(_TWO, ENTRIES, I8, I8, ROWS, inline=True)
def next_two(pool: Entries, cursor: Whole, size: Whole, rows: CodeRows) -> tuple[Whole, Whole]:
    """Return the slots that are visited after the one at `cursor`, if nothing nearer turns up, and ask for their rows.

    Where there is none it is the one at `cursor` itself. O(size + d).
    """
    first = next_unexpanded(pool, cursor + 1, size)
    second = next_unexpanded(pool, first + 1, size)
    following = (slot_of(pool[first if first < size else cursor]), slot_of(pool[second if second < size else cursor]))
    for slot in following:
        prefetch(rows.codes, slot, rows.codes.shape[1] // LINE)
        prefetch(rows.terms, slot, 1)
    return following


@kernel(_PAIR, I8, F8, I8, I8)
def reach_of(metric: Whole, norm: Real, effort: Whole, k: Whole) -> tuple[Real, Real]:
    """Return what is added to a key to make it the square of a distance, and how many times the k-th a walk goes.

    A dot product is no distance: then the first is infinite, and only the effort ends a walk. O(1).
    """
    ratio = np.float64(effort) / np.float64(k)
    times = np.float32(1.0 + SLACK * math.log(ratio) + (ratio / SLACK_ENDS) ** 3)
    if metric == L2:
        return np.float32(norm * norm), times
    return np.float32(2.0 if metric == COSINE else np.inf), times


@kernel(F4, F4, _PAIR, U8, inline=True)
def cut_by(limit: Real, reach: tuple[Real, Real], entry: Whole) -> Real:
    """Return `limit`, or the key that is as far beyond the k-th nearest, `entry`, as a walk goes, if that is less."""
    far = max(key_of(entry) + reach[0], np.float32(0.0))
    cut = far * reach[1] - reach[0]
    return min(limit, cut)


@kernel(I8, ENTRIES, I8, _STRIDE, U8, MATRIX, inline=True)
def keep(best: Entries, kept: Whole, stride: Stride, entry: Whole, vectors: Matrix) -> Whole:
    """Put `entry` among the `kept` best, if it is one of `stride.keep`; return how many there are then.

    Asks for the vector of one that is among the k nearest. O(kept).
    """
    if kept == stride.keep and entry > best[kept - 1]:
        return kept
    if insert(best, kept, stride.keep, entry) < stride.k:
        prefetch(vectors, slot_of(entry), (4 * vectors.shape[1] + LINE - 1) // LINE)
    return min(kept + 1, stride.keep)


@kernel(I8, _TWO, ROWS, WIDE, MATRIX, AIM, _LINE, _STRIDE, FLAGS, SCRATCH, QUERY)
def walk(
    bodies: tuple[Whole, Whole],
    rows: CodeRows,
    wide: Wide,
    vectors: Matrix,
    aim: Aim,
    line: tuple[Real, Real, Real, Real],
    stride: Stride,
    flags: Flags,
    scratch: Scratch,
    own: Query,
) -> Whole:
    """Fill `own.best` with the nearest allowed slots that are visited from the nearest seeds on; return how many.

    The pool loses what is farther than the k-th nearest by more than the walk's reach: that of the pool, and, as a
    filter may leave few of it, that of `best`.

    Source   adaptive beam search, Al-Jazzazi et al. 2025 (arXiv 2505.15636), with the k-th by estimates.
    Shapes   bodies: of row codes, of block sums | line: low and step of `own.tables`, then `reach_of`.
    Cost     O(effort * links * d / 8). Ends because a slot enters the pool at most once, an entry is visited at most
             once, and what leaves the pool never comes back.
    """
    pool, marks, best, reach = scratch.pool, scratch.marks, own.best, (line[2], line[3])
    near = stride.k if len(flags) == 0 else stride.effort + 1
    new_epoch(scratch)
    epoch, size = np.uint8(scratch.state[EPOCH]), begin(bodies[0], rows, wide, aim, stride.effort, scratch)
    flat, row_bytes = wide.blocks.reshape(-1), wide.blocks.shape[1]
    limit, cursor, kept, visited, allowed = np.float32(np.inf), 0, 0, 0, 0
    while cursor < size:
        node = scratch.fresh[0] = slot_of(pool[cursor])
        pool[cursor] |= EXPANDED
        following = next_two(pool, cursor, size, rows)
        prefetch(wide.blocks, node, min(AT_ONCE, row_bytes // LINE))
        score(bodies[0], rows, aim, 1, _HIGHEST, scratch)
        entry, visited = scratch.keys[0], visited + 1
        if is_allowed(flags, node):
            allowed += 1
            kept = keep(best, kept, stride, entry, vectors)
            limit = cut_by(limit, reach, best[stride.k - 1]) if kept >= stride.k else limit
        for part in range(0, row_bytes, stride.block):
            start, ahead = node * row_bytes + part, (following[0] * row_bytes + part, following[1] * row_bytes + part)
            sum_block(bodies[1], flat, start + CODES, stride.registers, own.tables, own.sums, ahead)
            bits = estimates(flat, start, own.sums, (key_of(entry), line[0], line[1], limit), own.keys)
            links = flat[start : start + CODES // 3].view(np.uint32)
            while bits:
                j = lowest(bits)
                bits &= bits - np.uint64(1)
                slot = np.int64(links[j])
                if marks[slot] != epoch and own.keys[j] < limit:
                    marks[slot] = epoch
                    place = insert(pool, size, stride.effort, packed(own.keys[j], slot))
                    cursor, size = min(cursor, place), min(size + 1, stride.effort)
                    limit = min(limit, key_of(pool[size - 1])) if size == stride.effort else limit
                    limit = cut_by(limit, reach, pool[near - 1]) if place < near <= size else limit
        while size > stride.k and key_of(pool[size - 1]) > limit:
            size -= 1
        cursor = next_unexpanded(pool, cursor, size)
    scratch.state[LOOKED_AT], scratch.state[ALLOWED] = visited, allowed
    scratch.state[SCORED] += visited * wide.blocks.shape[1] // stride.block * GROUP
    return kept


@kernel(F8, I8, F8, F8, inline=True)
def key_at(metric: Whole, norm: Real, far: Real) -> Real:
    """Return the key of a vector at distance `far` of the query, whose norm is `norm`; see `CodeRows`. O(1)."""
    if metric == L2:
        return far * far - norm * norm
    return 2.0 * (far - 1.0) if metric == COSINE else 2.0 * far


@kernel(I8, ROWS, MATRIX, _REALS, F8, I8, I8, QUERY, FOUND)
def verify(
    rows: CodeRows, vectors: Matrix, raw: Floats, norm: Real, metric: Whole, kept: Whole, own: Query, found: Found
) -> Whole:
    """Put the reference distances of the slots of `own.best` into the results; return how many were read.

    Beyond k only those whose key is not above that of the k-th by more than codes are likely to err: a number of x is
    off by up to s / 2, one of y by about as much of its own, so <y, x> by |y| s / sqrt(6), by the root of its mean
    square, and the key by twice that.
    Cost     O(kept * d).
    """
    lines, k, margin = (4 * len(raw) + LINE - 1) // LINE, found.slots.shape[1], DEVIATIONS * 2.0 / math.sqrt(6.0)
    margin *= 1.0 if metric == COSINE else norm
    for i in range(min(AHEAD, kept)):
        prefetch(vectors, slot_of(own.best[i]), lines)
    for i in range(kept):
        slot = slot_of(own.best[i])
        if i >= k:
            least = np.float64(key_of(own.best[i])) - margin * np.float64(rows.terms[slot, 0])
            if least > key_at(metric, norm, found.distances[0, 0]):
                kept = i
                break
        if i + AHEAD < kept:
            prefetch(vectors, slot_of(own.best[i + AHEAD]), lines)
        near = distance(metric, raw, norm, vectors[slot])
        found.sizes[0] = heap.push_bounded(found.distances[0], found.slots[0], found.sizes[0], near, slot)
    heap.sort(found.distances[0], found.slots[0], found.sizes[0])
    return kept


@kernel(I8, _TWO, ROWS, WIDE, PLAN, MATRIX, _REALS, FLAGS, SCRATCH, QUERY, FOUND)
def search(
    bodies: tuple[Whole, Whole],
    rows: CodeRows,
    wide: Wide,
    plan: Plan,
    vectors: Matrix,
    raw: Floats,
    flags: Flags,
    scratch: Scratch,
    own: Query,
    found: Found,
) -> Whole:
    """Find the nearest of one query; return how many vectors were read; see `search` of kernels.py.

    Shapes   raw f4 (d,) | found of one row, to be filled | flags: see `SlotMask.flat`.
    Cost     O(effort * links * d / 8) byte operations.
    """
    state, k, registers = scratch.state, found.slots.shape[1], len(own.tables) // (2 * LINE)
    bits = len(own.tables) // (8 * (len(own.turned) - 4))
    stride = Stride(plan.effort, k, min(k + READ_BEYOND, plan.effort), registers, CODES + LINE * registers)
    found.distances[:], found.slots[:], found.sizes[0] = np.inf, -1, 0
    norm, factor, offset = aim_at(raw, plan.metric, wide.signs, scratch, own)
    line = (*make_tables(own.turned, bits, own.tables), *reach_of(plan.metric, norm, plan.effort, k))
    kept = walk(bodies, rows, wide, vectors, Aim(scratch.query, factor, offset), line, stride, flags, scratch, own)
    read = verify(rows, vectors, raw, norm, plan.metric, kept, own, found)
    found.doubtful[0] = state[ALLOWED] < LEAST_SHARE * plan.share * state[LOOKED_AT] or read < k
    return read
