"""Walking the graph: search by 8-bit codes, then distances of the best by float32.

Source   Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable
         Small World graphs", IEEE TPAMI 2020 (arXiv 1603.09320). Algorithm 2 is `walk`, algorithm 5 is `search`.
Symbols  q: query | ef: effort | lc: layer | C and W, candidates and nearest found: one sorted pool, in which an entry
         says whether it was expanded | v, visited: marks of the current epoch.

The filtered walk is that of ACORN-1 (Patel et al., SIGMOD 2024, arXiv 2403.04871): where a neighbour may not be
returned, its neighbours take its place.
"""

import numpy as np
from numba import types

from pergamum.domain.vectors import Matrix
from pergamum.index import heap
from pergamum.index.arrays import LINE
from pergamum.index.brute_force.kernels import QUERIES
from pergamum.index.brute_force.work import Integers
from pergamum.index.code_rows import CodeRows
from pergamum.index.distance_kernels import COSINE, distance
from pergamum.index.hnsw.graph import (
    ALLOWED,
    EPOCH,
    LOOKED_AT,
    NONE,
    SCORED,
    SEEDS,
    Aim,
    Found,
    Graph,
    Plan,
    Reach,
    Scratch,
)
from pergamum.index.hnsw.pool_kernels import ENTRIES, EXPANDED, U8, insert, next_unexpanded, packed, slot_of
from pergamum.index.jit import F8, FLAG, I8, Whole, array, kernel, named
from pergamum.index.mask import Flags
from pergamum.index.quantize import NORM, STEP, QueryCodes
from pergamum.index.quantize_kernels import encode_queries
from pergamum.index.row_kernels import FLAGS, ROWS, SIGNED, Slots, is_allowed, row_dots
from pergamum.index.rows_vnni import prefetch

F4, U4 = types.float32, types.uint32
LINKS = array(U4, 2, readonly=True)
PLACES, LEVELS = array(types.int32, 1, readonly=True), array(types.uint8, 1, readonly=True)
GRAPH = named(Graph, LINKS, LINKS, PLACES, LEVELS)
_U4S, _I4S, _U1S = array(U4, 1), array(types.int32, 1), array(types.uint8, 1)
SCRATCH = named(Scratch, _U1S, array(I8, 1), ENTRIES, _U4S, _I4S, ENTRIES, _U4S, SIGNED, SIGNED)
AIM, REACH = named(Aim, SIGNED, F4, I8), named(Reach, I8, I8, I8)
PLAN = named(Plan, I8, I8, I8, I8, I8, F8)
FOUND = named(Found, array(F8, 2), array(I8, 2), array(I8, 1), array(FLAG, 1))
MATRIX = array(F4, 2, readonly=True)

_HIGHEST = np.uint64(0xFFFFFFFFFFFFFFFF)

LINKS_LINES = 2
"""Cache lines of a list of links that are asked for ahead."""
SEED_EFFORT, MOST_SEED_EFFORT = 32, 400
"""Least and largest pool of the unfiltered walk that finds where a filtered one starts."""
EXPECTED_NEARBY = 8.0
"""Allowed slots wanted in that pool, when the filter has nothing to do with the query."""
MOST_FRESH = 64
"""Slots a filtered walk takes from the neighbours of one slot."""
VECTOR_LINES = 2
"""Cache lines of a vector that are asked for ahead; the processor sees the run and fetches the rest."""
VERIFIED_BEYOND = 16
"""Vectors read beyond k: the order of codes is nearly that of vectors."""
LEAST_SHARE = 0.5
"""Share of the allowed slots expected near the query below which the filter counts as set against it."""


@kernel(types.void, SCRATCH, inline=True)
def new_epoch(scratch: Scratch) -> None:
    """Forget which slots were seen. O(1), but O(n) every 255th time."""
    scratch.state[EPOCH] += 1
    if scratch.state[EPOCH] > 255:
        scratch.marks[:] = 0
        scratch.state[EPOCH] = 1


@kernel(I8, LINKS, I8, SCRATCH, inline=True)
def gather(links: Slots, row: Whole, scratch: Scratch) -> Whole:
    """Put the unseen slots of a list into `fresh` and mark them; return how many. O(links), without branches."""
    marks, fresh, epoch = scratch.marks, scratch.fresh, np.uint8(scratch.state[EPOCH])
    count = 0
    for i in range(links.shape[1]):
        slot = links[row, i]
        if slot == NONE:
            break
        fresh[count] = slot
        count += marks[np.uint64(slot)] != epoch
        marks[np.uint64(slot)] = epoch
    return count


@kernel(I8, LINKS, I8, FLAGS, SCRATCH, inline=True)
def gather_allowed(links: Slots, row: Whole, flags: Flags, scratch: Scratch) -> Whole:
    """Put unseen allowed slots into `fresh`: of the list, and of the lists of those in it that are not allowed.

    At most MOST_FRESH. O(links^2).
    """
    marks, fresh, epoch = scratch.marks, scratch.fresh, np.uint8(scratch.state[EPOCH])
    count = 0
    for i in range(links.shape[1]):
        slot = links[row, i]
        if slot == NONE or count >= MOST_FRESH:
            break
        if marks[np.uint64(slot)] == epoch:
            continue
        marks[np.uint64(slot)] = epoch
        if is_allowed(flags, np.int64(slot)):
            fresh[count] = slot
            count += 1
            continue
        for j in range(links.shape[1]):
            further = links[np.uint64(slot), j]
            if further == NONE or count >= MOST_FRESH:
                break
            if is_allowed(flags, np.int64(further)):
                fresh[count] = further
                count += marks[np.uint64(further)] != epoch
                marks[np.uint64(further)] = epoch
    return count


@kernel(types.void, LINKS, I8, ROWS, SCRATCH, inline=True)
def ask_for_neighbours(links: Slots, row: Whole, rows: CodeRows, scratch: Scratch) -> None:
    """Ask for the codes of the unseen slots of a list, while others are being scored. Changes nothing. O(links)."""
    epoch, lines = np.uint8(scratch.state[EPOCH]), rows.codes.shape[1] // LINE
    for i in range(links.shape[1]):
        slot = links[row, i]
        if slot == NONE:
            break
        if scratch.marks[np.uint64(slot)] != epoch:
            prefetch(rows.codes, np.int64(slot), lines)


@kernel(I8, I8, ROWS, AIM, I8, U8, SCRATCH, inline=True)
def score(body: Whole, rows: CodeRows, aim: Aim, count: Whole, limit: Whole, scratch: Scratch) -> Whole:
    """Score the first `count` slots of `fresh`; leave the packed entries below `limit` in `keys`; return how many.

    Symbols  key = terms[1] - s * factor * (<q, c + 128> - offset).
    Cost     O(count * d).
    """
    fresh, terms, keys, sums = scratch.fresh, rows.terms, scratch.keys, scratch.sums
    row_dots(body, rows.codes, fresh, count, aim.query, sums)
    scratch.state[SCORED] += count
    kept = 0
    for i in range(count):
        slot = np.uint64(fresh[i])
        product = np.float32(sums[i] - aim.offset)
        entry = packed(terms[slot, 1] - terms[slot, 0] * (aim.factor * product), np.int64(slot))
        keys[kept] = entry
        kept += entry < limit
    return kept


@kernel(types.void, LINKS, I8, I8, ROWS, SCRATCH, inline=True)
def ask_ahead(links: Slots, cursor: Whole, size: Whole, rows: CodeRows, scratch: Scratch) -> None:
    """Ask for what the next two expansions will most likely read. Changes nothing. O(links)."""
    pool = scratch.pool
    if cursor < size:
        ask_for_neighbours(links, slot_of(pool[cursor]), rows, scratch)
        after = next_unexpanded(pool, cursor + 1, size)
        if after < size:
            prefetch(links, slot_of(pool[after]), LINKS_LINES)


@kernel(I8, I8, ROWS, LINKS, PLACES, REACH, AIM, FLAGS, SCRATCH)
def walk(
    body: Whole,
    rows: CodeRows,
    links: Slots,
    places: Integers,
    reach: Reach,
    aim: Aim,
    flags: Flags,
    scratch: Scratch,
) -> Whole:
    """Fill `pool` with the nearest slots found from the seeds in `fresh`; return how many. Algorithm 2.

    Shapes   places: `Graph.upper_rows`, read above layer 0 only | flags: see `SlotMask.flat`.
    Cost     O(expanded * links * d), with about `effort` expanded. Ends because an entry is expanded at most once, a
             slot enters the pool at most once, and what leaves the pool never comes back.
    """
    effort, layer, filtered = reach
    pool, keys, lines = scratch.pool, scratch.keys, rows.codes.shape[1] // LINE
    new_epoch(scratch)
    count = scratch.state[SEEDS]
    for i in range(count):
        scratch.marks[np.uint64(scratch.fresh[i])] = np.uint8(scratch.state[EPOCH])
    size = cursor = 0
    while True:
        for i in range(count):
            prefetch(rows.codes, np.int64(scratch.fresh[i]), lines)
            prefetch(rows.terms, np.int64(scratch.fresh[i]), 1)
        cursor = next_unexpanded(pool, cursor, size)
        if layer == 0 and filtered == 0:
            ask_ahead(links, cursor, size, rows, scratch)
        kept = score(body, rows, aim, count, pool[size - 1] if size == effort else _HIGHEST, scratch)
        for i in range(kept):
            if size < effort or keys[i] < pool[size - 1]:
                cursor = min(cursor, insert(pool, size, effort, keys[i]))
                size = min(size + 1, effort)
        cursor = next_unexpanded(pool, cursor, size)
        if cursor >= size:
            return size
        node = slot_of(pool[cursor])
        pool[cursor] |= EXPANDED
        if filtered:
            count = gather_allowed(links, node, flags, scratch)
        else:
            count = gather(links, node if layer == 0 else np.int64(places[node]) + layer - 1, scratch)


@kernel(I8, I8, ROWS, GRAPH, AIM, I8, I8, I8, SCRATCH)
def descend(
    body: Whole, rows: CodeRows, graph: Graph, aim: Aim, start: Whole, top: Whole, bottom: Whole, scratch: Scratch
) -> Whole:
    """Return the slot that a greedy walk from `start` ends at, through the layers from `top` down to `bottom` + 1.

    Cost     O(hops * m * d). Ends because the key falls with every hop.
    """
    links, fresh, keys = graph.upper, scratch.fresh, scratch.keys
    fresh[0] = start
    score(body, rows, aim, 1, _HIGHEST, scratch)
    best = keys[0]
    for layer in range(top, bottom, -1):
        moved = True
        while moved:
            moved, row, count = False, np.int64(graph.upper_rows[slot_of(best)]) + layer - 1, 0
            while count < links.shape[1] and links[row, count] != NONE:
                fresh[count] = links[row, count]
                count += 1
            for i in range(score(body, rows, aim, count, best, scratch)):
                if keys[i] < best:
                    best, moved = keys[i], True
    return slot_of(best)


@kernel(I8, I8, FLAGS, SCRATCH, inline=True)
def allowed_in_pool(size: Whole, flags: Flags, scratch: Scratch) -> Whole:
    """Return how many of the first `size` entries of the pool a search may return. O(size)."""
    count = 0
    for i in range(size):
        count += is_allowed(flags, slot_of(scratch.pool[i]))
    return count


@kernel(I8, I8, ROWS, GRAPH, AIM, F8, FLAGS, SCRATCH)
def seed_filtered(
    body: int, rows: CodeRows, graph: Graph, aim: Aim, share: float, flags: Flags, scratch: Scratch
) -> int:
    """Replace the seed in `fresh` by allowed slots near the query; return how many.

    They are the allowed ones among the slots that an unfiltered walk ends with, and among the neighbours of the
    nearest. Its pool is so large that EXPECTED_NEARBY of its slots are allowed where the filter has nothing to do with
    the query; `state` keeps how many were looked at, and how many were allowed.
    """
    links, fresh, chosen = graph.links, scratch.fresh, scratch.chosen
    effort: Whole = np.int64(min(max(SEED_EFFORT, EXPECTED_NEARBY / max(share, 1e-9)), MOST_SEED_EFFORT))
    size = walk(body, rows, links, graph.upper_rows, Reach(effort, 0, 0), aim, flags, scratch)
    scratch.state[LOOKED_AT], scratch.state[ALLOWED] = size, allowed_in_pool(size, flags, scratch)
    new_epoch(scratch)
    epoch, found = np.uint8(scratch.state[EPOCH]), 0
    for i in range(size):
        near = slot_of(scratch.pool[i])
        if is_allowed(flags, near) and scratch.marks[near] != epoch:
            scratch.marks[near] = epoch
            chosen[found] = near
            found += 1
        if i < SEED_EFFORT:
            count = gather_allowed(links, near, flags, scratch)
            for j in range(count):
                chosen[found + j] = fresh[j]
            found += count
    for i in range(found):
        fresh[i] = chosen[i]
    return found


@kernel(I8, MATRIX, QUERIES, I8, I8, I8, FLAGS, SCRATCH, FOUND)
def verify(
    vectors: Matrix,
    queries: QueryCodes,
    row: Whole,
    metric: Whole,
    size: Whole,
    flags: Flags,
    scratch: Scratch,
    found: Found,
) -> Whole:
    """Put the reference distances of the first allowed slots of the pool into the results; return how many were read.

    Cost     O((k + VERIFIED_BEYOND) * d) time.
    """
    chosen, most, read = scratch.fresh, found.slots.shape[1] + VERIFIED_BEYOND, 0
    for i in range(size):
        slot = slot_of(scratch.pool[i])
        if read == most:
            break
        if is_allowed(flags, slot):
            prefetch(vectors, slot, VECTOR_LINES)
            chosen[read] = slot
            read += 1
    for i in range(read):
        slot = np.int64(chosen[i])
        near = distance(metric, queries.raw[row], queries.terms[row, NORM], vectors[slot])
        found.sizes[row] = heap.push_bounded(found.distances[row], found.slots[row], found.sizes[row], near, slot)
    heap.sort(found.distances[row], found.slots[row], found.sizes[row])
    return read


@kernel(I8, I8, ROWS, GRAPH, PLAN, MATRIX, QUERIES, FLAGS, SCRATCH, FOUND)
def search(
    body: Whole,
    rows: CodeRows,
    graph: Graph,
    plan: Plan,
    vectors: Matrix,
    queries: QueryCodes,
    flags: Flags,
    scratch: Scratch,
    found: Found,
) -> Whole:
    """Find the nearest of every query; return how many vectors were read. Adds to `scratch.state[SCORED]` the codes.

    A query is `doubtful` when fewer than k slots turned up, or when so few of the slots near it are allowed, compared
    with the share that is allowed everywhere, that the filter must be set against it: then what it asks for lies far
    away, where a walk towards the query does not go.

    Shapes   queries of m rows: `raw` is given, all digits are zero | found of m rows, to be filled |
             flags: see `SlotMask.flat`.
    Cost     O(m * (log n + effort) * links * d) on data of low intrinsic dimension; the paper's section 4.2.
    """
    metric, entry, top, effort, filtered, share = plan
    state, total = scratch.state, 0
    encode_queries(queries.raw, metric == COSINE, queries.digits, queries.terms)
    found.distances[:], found.slots[:], found.sizes[:] = np.inf, -1, 0
    for row in range(len(found.sizes)):
        query = queries.digits[row, 0]
        digits: Whole = 0
        for digit in query:
            digits += np.int64(digit)
        aim = Aim(query, np.float32(512.0 * queries.terms[row, STEP]), 128 * digits)
        scratch.fresh[0] = descend(body, rows, graph, aim, entry, top, 0, scratch)
        state[ALLOWED], state[LOOKED_AT], state[SEEDS] = 0, 0, 1
        if filtered:
            state[SEEDS] = seed_filtered(body, rows, graph, aim, share, flags, scratch)
        nearby, allowed_nearby = state[LOOKED_AT], state[ALLOWED]
        size = walk(body, rows, graph.links, graph.upper_rows, Reach(effort, 0, filtered), aim, flags, scratch)
        if filtered == 0:
            nearby, allowed_nearby = size, allowed_in_pool(size, flags, scratch)
        read = verify(vectors, queries, row, metric, size, flags, scratch, found)
        found.doubtful[row] = allowed_nearby < LEAST_SHARE * share * nearby or read < found.slots.shape[1]
        total += read
    return total
