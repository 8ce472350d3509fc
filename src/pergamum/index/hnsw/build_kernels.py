"""Making the graph: links of new slots, links back, and links around slots that died.

Source   algorithms 1 (insertion) and 4 (neighbour selection by the heuristic) of the paper named in kernels.py. A batch
         of slots is inserted against the graph as it was before the batch, as in ParlayANN (Manohar et al., PPoPP 2024,
         arXiv 2305.04359), so the result depends on no order of threads: what a slot gets is a function of the frozen
         graph, and what a slot is given in return is a function of all that was offered to it.
Symbols  M: m | Mmax0: width of `links` | efConstruction: effort.
"""

import numpy as np
import numpy.typing as npt
from numba import types

from pergamum.index.brute_force.work import Bytes, Signed
from pergamum.index.code_rows import CodeRows
from pergamum.index.hnsw.graph import EPOCH, NONE, SEEDS, Aim, Build, Graph, Reach, Scratch
from pergamum.index.hnsw.kernels import (
    GRAPH,
    LINKS,
    SCRATCH,
    U4,
    descend,
    new_epoch,
    walk,
)
from pergamum.index.hnsw.pool_kernels import insert, key_of, packed, slot_of
from pergamum.index.jit import I8, Real, Whole, array, kernel, named
from pergamum.index.mask import Flags
from pergamum.index.row_kernels import CODES, FLAGS, ROWS, SIGNED, Slots, is_allowed, row_dots

Longs = npt.NDArray[np.int64]

F4 = types.float32
_OUT, _QUEUE, _SEEN = array(U4, 2), array(U4, 1), array(types.uint8, 1)
_SLOTS, _OFFERS = array(I8, 1, readonly=True), array(U4, 1, readonly=True)
_BUILD = named(Build, I8, I8, I8, I8)

PIECE = 256
"""Offers that a slot looks at together."""


@kernel(I8, CODES, I8, SIGNED, inline=True)
def as_query(codes: Bytes, slot: Whole, query: Signed) -> Whole:
    """Write the codes of `slot` as a query; return 128 times their sum, the offset of `Aim`. O(d)."""
    total = 0
    for i in range(len(query)):
        query[i] = np.int32(codes[slot, i]) - 128
        total += int(query[i])
    return 128 * total


@kernel(I8, I8, ROWS, F4, I8, I8, SCRATCH)
def select(body: Whole, rows: CodeRows, square: Real, size: Whole, most: Whole, scratch: Scratch) -> Whole:
    """Choose at most `most` of the first `size` entries of the pool into `chosen`; return how many. Algorithm 4.

    An entry e of the pool around q is chosen unless a slot r already chosen is at least as near to e as q is: then the
    way to e leads over r. `square` is |q|^2 under l2, else 0.
    Cost     O(size * chosen * d).
    """
    chosen, other, sums, count = scratch.chosen, scratch.other, scratch.sums, 0
    for i in range(size):
        if count == most:
            break
        entry = scratch.pool[i]
        e = slot_of(entry)
        offset, factor = as_query(rows.codes, e, other), np.float32(2.0) * rows.terms[e, 0]
        row_dots(body, rows.codes, chosen, count, other, sums)
        near, good = key_of(entry) + square - rows.terms[e, 1], True
        for j in range(count):
            r = np.uint64(chosen[j])
            if rows.terms[r, 1] - rows.terms[r, 0] * (factor * np.float32(sums[j] - offset)) <= near:
                good = False
                break
        if good:
            chosen[count] = np.uint32(e)
            count += 1
    return count


@kernel(types.void, _OUT, I8, I8, SCRATCH, inline=True)
def write_links(out: Slots, row: Whole, count: Whole, scratch: Scratch) -> None:
    """Make the first `count` slots of `chosen` the list in `row`, NONE all that follows. O(links)."""
    for i in range(count):
        out[row, i] = scratch.chosen[i]
    for i in range(count, out.shape[1]):
        out[row, i] = NONE


@kernel(types.void, I8, ROWS, GRAPH, _SLOTS, _BUILD, _OUT, _OUT, FLAGS, SCRATCH)
def insert_slots(
    body: Whole,
    rows: CodeRows,
    graph: Graph,
    slots: Longs,
    build: Build,
    links: Slots,
    upper: Slots,
    nothing: Flags,
    scratch: Scratch,
) -> None:
    """Give each of `slots` its links on every layer it is on, found in the frozen `graph`. Algorithm 1.

    Shapes   links and upper are the writable arrays of the same graph; rows of other slots are not touched.
    Cost     O(slots * effort * links * d).
    """
    m, effort, entry, top = build
    for slot in slots:
        query = scratch.query
        offset, factor = as_query(rows.codes, slot, query), np.float32(2.0) * rows.terms[slot, 0]
        aim = Aim(query, factor, offset)
        level: Whole = min(top, np.int64(graph.levels[slot]))
        near = descend(body, rows, graph, aim, entry, top, level, scratch)
        for layer in range(level, -1, -1):
            scratch.state[SEEDS], scratch.fresh[0] = 1, near
            around = graph.links if layer == 0 else graph.upper
            size = walk(body, rows, around, graph.upper_rows, Reach(effort, layer, 0), aim, nothing, scratch)
            near = slot_of(scratch.pool[0])
            count = select(body, rows, rows.terms[slot, 1], size, m, scratch)
            if layer == 0:
                write_links(links, slot, count, scratch)
            else:
                write_links(upper, graph.upper_rows[slot] + layer - 1, count, scratch)


@kernel(I8, I8, ROWS, I8, I8, SCRATCH)
def rank(body: Whole, rows: CodeRows, slot: Whole, count: Whole, scratch: Scratch) -> Whole:
    """Sort the first `count` slots of `fresh` into the pool by their distance to `slot`; return how many there are.

    Repetitions and `slot` itself are left out. O(count * (d + count)).
    """
    query, fresh, sums, terms = scratch.query, scratch.fresh, scratch.sums, rows.terms
    offset, factor = as_query(rows.codes, slot, query), np.float32(2.0) * terms[slot, 0]
    row_dots(body, rows.codes, fresh, count, query, sums)
    new_epoch(scratch)
    epoch, size = np.uint8(scratch.state[EPOCH]), 0
    scratch.marks[slot] = epoch
    for i in range(count):
        other = np.uint64(fresh[i])
        if scratch.marks[other] != epoch:
            scratch.marks[other] = epoch
            key = terms[other, 1] - terms[other, 0] * (factor * np.float32(sums[i] - offset))
            insert(scratch.pool, size, count, packed(key, np.int64(other)))
            size += 1
    return size


@kernel(types.void, I8, ROWS, _OUT, _SLOTS, _SLOTS, _SLOTS, _OFFERS, SCRATCH)
def link_back(
    body: Whole,
    rows: CodeRows,
    out: Slots,
    targets: Longs,
    places: Longs,
    starts: Longs,
    offers: Slots,
    scratch: Scratch,
) -> None:
    """Add to the list of each target the slots that chose it; a list that overflows is selected anew.

    Shapes   targets, places (g,): the list of targets[i] is out[places[i]] | starts (g + 1,): its offers are
             offers[starts[i]:starts[i + 1]], looked at PIECE by PIECE.
    Cost     O(offers * links * d).
    """
    width, fresh = out.shape[1], scratch.fresh
    for i in range(len(targets)):
        target, place, begin = targets[i], places[i], starts[i]
        while begin < starts[i + 1]:
            end, count = min(begin + PIECE, starts[i + 1]), 0
            while count < width and out[place, count] != NONE:
                fresh[count] = out[place, count]
                count += 1
            room = width - count
            for j in range(begin, end):
                fresh[count] = offers[j]
                count += 1
            if end - begin <= room:
                for j in range(count):
                    scratch.chosen[j] = fresh[j]
            else:
                count = rank(body, rows, target, count, scratch)
                count = select(body, rows, rows.terms[target, 1], count, width, scratch)
            write_links(out, place, count, scratch)
            begin = end


@kernel(types.void, I8, ROWS, LINKS, GRAPH, I8, _SLOTS, FLAGS, _OUT, SCRATCH)
def mend(
    body: Whole,
    rows: CodeRows,
    links: Slots,
    graph: Graph,
    layer: Whole,
    slots: Longs,
    live: Flags,
    out: Slots,
    scratch: Scratch,
) -> None:
    """Replace in the lists of `slots` every dead slot by its own live neighbours, and select anew.

    Source   the deletion of FreshDiskANN (Singh et al. 2021, arXiv 2105.09613), section 5.1.
    Shapes   links: the lists of `layer` as they were; out: the same lists to be written.
    Cost     O(slots with dead neighbours * links^2 * d).
    """
    width, fresh, limit = links.shape[1], scratch.fresh, len(scratch.fresh) - links.shape[1]
    for slot in slots:
        place, count, dead = slot if layer == 0 else np.int64(graph.upper_rows[slot]) + layer - 1, 0, 0
        for i in range(width):
            other = links[place, i]
            if other == NONE:
                break
            if is_allowed(live, np.int64(other)):
                fresh[count] = other
                count += 1
                continue
            dead += 1
            further = np.int64(other) if layer == 0 else np.int64(graph.upper_rows[other]) + layer - 1
            for j in range(width):
                beyond = links[further, j]
                if beyond == NONE or count >= limit:
                    break
                fresh[count] = beyond
                count += is_allowed(live, np.int64(beyond))
        if dead > 0:
            count = rank(body, rows, slot, count, scratch)
            count = select(body, rows, rows.terms[slot, 1], count, width, scratch)
            write_links(out, place, count, scratch)


@kernel(I8, LINKS, I8, _SEEN, _QUEUE)
def spread(links: Slots, start: Whole, seen: Bytes, queue: Slots) -> Whole:
    """Mark in `seen` every slot that can be reached from `start` over unmarked slots; return how many. O(n * links).

    Shapes   seen u1 (n,) | queue u4 (n,) scratch.
    """
    seen[start], queue[0] = 1, start
    done, known = 0, 1
    while done < known:
        slot = np.uint64(queue[done])
        done += 1
        for i in range(links.shape[1]):
            other = links[slot, i]
            if other == NONE:
                break
            if seen[np.uint64(other)] == 0:
                seen[np.uint64(other)] = 1
                queue[known] = other
                known += 1
    return known


@kernel(I8, LINKS, I8, _SEEN)
def host_of(links: Slots, slot: Whole, seen: Bytes) -> Whole:
    """Return a marked slot near `slot` whose list has room: one of its list, or of theirs; else any marked one, or -1.

    O(links^3).
    """
    width = links.shape[1]
    any_host = np.int64(-1)
    for i in range(width):
        near = links[slot, i]
        if near == NONE:
            break
        if seen[np.uint64(near)] == 1:
            any_host = np.int64(near)
            if links[np.uint64(near), width - 1] == NONE:
                return any_host
        for j in range(width):
            further = links[np.uint64(near), j]
            if further == NONE:
                break
            if seen[np.uint64(further)] == 1 and links[np.uint64(further), width - 1] == NONE:
                return np.int64(further)
    return any_host


@kernel(types.void, _OUT, I8, I8)
def link(out: Slots, owner: Whole, other: Whole) -> None:
    """Put `other` into the list of `owner` unless it is there; a full list loses its last link. O(links)."""
    place = 0
    while place < out.shape[1] - 1 and out[owner, place] != NONE and out[owner, place] != other:
        place += 1
    out[owner, place] = np.uint32(other)


@kernel(I8, LINKS, _OUT, I8, _SLOTS, _SEEN, _QUEUE)
def attach(links: Slots, out: Slots, entry: Whole, slots: Longs, seen: Bytes, queue: Slots) -> Whole:
    """Give every unmarked slot of `slots` a marked one that links to it; return how many there were.

    A host without room gives up its last link, which the new one takes over: so what could be reached always can be,
    and one pass is enough. `links` is a read-only view of `out`. Cost O(n * links + attached * links^3).
    """
    attached, width = 0, out.shape[1]
    for slot in slots:
        if seen[slot] == 1:
            continue
        host = host_of(links, slot, seen)
        host = entry if host < 0 else host
        last = out[host, width - 1]
        link(out, host, slot)
        if last != NONE:
            link(out, slot, np.int64(last))
        spread(links, slot, seen, queue)
        attached += 1
    return attached
