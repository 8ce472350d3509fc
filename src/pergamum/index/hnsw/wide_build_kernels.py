"""Making the blocks of the wide layout: links filled up, vectors rotated, codes of residuals packed.

Source   Algorithm 1 of RaBitQ, see `wide.py`; lists are filled up as in SymphonyQG, section 3.3: a block has room for
         GROUP links and costs the same with fewer.
"""

import math

import numpy as np
from numba import types

from pergamum.domain.vectors import Matrix
from pergamum.index.arrays import LINE
from pergamum.index.code_rows import CodeRows
from pergamum.index.distance_kernels import COSINE, DOT, dot
from pergamum.index.hnsw.build_kernels import as_query
from pergamum.index.hnsw.graph import ABSENT, EPOCH, NONE, Scratch
from pergamum.index.hnsw.kernels import LINKS as LISTS
from pergamum.index.hnsw.kernels import MATRIX, SCRATCH, new_epoch
from pergamum.index.hnsw.pool_kernels import insert, packed, slot_of
from pergamum.index.hnsw.rotation_kernels import FLOATS, SIGNS, rotate
from pergamum.index.hnsw.wide import CODES, CUT, FACTORS, GROUP, OFFSETS, Bytes, Edge, Floats, Making, patterns_of
from pergamum.index.jit import I8, Real, Whole, array, kernel, named
from pergamum.index.lanes import products
from pergamum.index.row_kernels import ROWS, Slots, row_dots
from pergamum.index.rows_vnni import prefetch

AHEAD = 2
"""Neighbours whose vectors are asked for before they are encoded."""
FILLING = 8
"""Links whose links may fill up a list: those of all cost as much as encoding, and find little that is nearer."""

F4 = types.float32
_CODES = array(types.uint8, 1)
_EDGE = named(Edge, FLOATS, FLOATS, FLOATS, _CODES)
_MAKING = named(Making, I8, I8, I8, I8)
_BLOCKS, _TURNED = array(types.uint8, 2), array(F4, 2)
_LEVELS = array(types.uint8, 1, readonly=True)
_TWO_BITS = patterns_of(2)
_ONE_BIT_TERM = np.uint64(sum(1 << (56 - 7 * i) for i in range(8)))
_TWO_BITS_TERM = np.uint64(sum(1 << (24 - 6 * i) for i in range(4)))
_LOW, _HIGH = _TWO_BITS[0, 2], _TWO_BITS[0, 3]


@kernel(I8, I8, ROWS, LISTS, I8, I8, SCRATCH)
def fill(body: Whole, rows: CodeRows, links: Slots, slot: Whole, most: Whole, scratch: Scratch) -> Whole:
    """Put the links of `slot` into `chosen`, then the nearest that the first of them link to; return how many.

    They are at most `most`.
    Cost     O(FILLING * links * d).
    """
    marks, fresh, chosen, width = scratch.marks, scratch.fresh, scratch.chosen, links.shape[1]
    new_epoch(scratch)
    epoch, own, count = np.uint8(scratch.state[EPOCH]), 0, 0
    marks[slot] = epoch
    while own < width and links[slot, own] != NONE:
        chosen[own] = links[slot, own]
        marks[np.uint64(chosen[own])] = epoch
        own += 1
    for i in range(min(own, FILLING)):
        for j in range(width):
            further = links[np.uint64(chosen[i]), j]
            if further == NONE or count == len(fresh):
                break
            fresh[count] = further
            count += marks[np.uint64(further)] != epoch
            marks[np.uint64(further)] = epoch
    room, size, terms = most - own, 0, rows.terms
    offset, factor = as_query(rows.codes, slot, scratch.query), np.float32(2.0) * terms[slot, 0]
    row_dots(body, rows.codes, fresh, count, scratch.query, scratch.sums)
    for i in range(count):
        other = np.uint64(fresh[i])
        key = terms[other, 1] - terms[other, 0] * (factor * np.float32(scratch.sums[i] - offset))
        entry = packed(key, np.int64(other))
        if size < room or (room > 0 and entry < scratch.pool[size - 1]):
            insert(scratch.pool, size, room, entry)
            size = min(size + 1, room)
    for i in range(size):
        chosen[own + i] = np.uint32(slot_of(scratch.pool[i]))
    return own + size


@kernel(types.void, MATRIX, I8, I8, SIGNS, FLOATS)
def turn(vectors: Matrix, slot: Whole, metric: Whole, signs: Floats, x: Floats) -> None:
    """Write R v, under cosine R v / |v|, into x. O(d log d)."""
    v, unit = vectors[slot], 1.0
    if metric == COSINE:
        unit = 1.0 / math.sqrt(dot(v, v))
    for i in range(len(v)):
        x[i] = np.float32(np.float64(v[i]) * unit)
    x[len(v) :] = 0.0
    rotate(signs, x)


@kernel(types.void, _LEVELS, MATRIX, _MAKING, SIGNS, _TURNED)
def turn_rows(levels: Bytes, vectors: Matrix, making: Making, signs: Floats, turned: Floats) -> None:
    """Write R x of the slots [making.start, making.stop) that are in the graph into their rows of `turned`."""
    for slot in range(making.start, making.stop):
        if levels[slot] != ABSENT:
            turn(vectors, slot, making.metric, signs, turned[slot])


@kernel(types.void, MATRIX, MATRIX, I8, I8, SIGNS, _EDGE)
def subtract_centre(vectors: Matrix, turned: Matrix, slot: Whole, metric: Whole, signs: Floats, edge: Edge) -> None:
    """Write R x - R c into `edge.residual`, R x being a row of `turned`, or made here if that has none. O(d log d)."""
    residual, centre = edge.residual, edge.centre
    if len(turned) > 0:
        for i in range(len(residual)):
            residual[i] = turned[slot, i] - centre[i]
        return
    turn(vectors, slot, metric, signs, residual)
    for i in range(len(residual)):
        residual[i] -= centre[i]


@kernel(types.void, FLOATS, I8, F4, FLOATS, _CODES)
def choose_levels(turned: Floats, bits: Whole, scale: Real, levels: Floats, codes: Bytes) -> None:
    """codes[i] = the number of the level nearest to turned[i] * scale, levels[i] = that level. O(d), no branches."""
    if bits == 1:
        for i in range(len(turned)):
            codes[i] = turned[i] > 0
            levels[i] = np.float32(2.0) * np.float32(turned[i] > 0) - np.float32(1.0)
        return
    for i in range(len(turned)):
        number = turned[i] * scale
        above, below = number > CUT, number < -CUT
        positive = np.int32(number > 0)
        codes[i] = 1 + positive + np.int32(above) - np.int32(below)
        levels[i] = _LOW * np.float32(2 * positive - 1) + (_HIGH - _LOW) * np.float32(np.int32(above) - np.int32(below))


@kernel(types.void, _CODES, I8, I8, _CODES)
def pack(codes: Bytes, bits: Whole, place: Whole, block: Bytes) -> None:
    """Write the codes of neighbour `place` into the registers of a block.

    Eight codes, one in each byte of a word, are moved side by side by a product: the code in byte i by the term that
    lifts it to bit 56 + i (1 bit), or to bit 24 + 2 i of each half of a word (2 bits); no two terms meet there. O(d).
    """
    words = codes.view(np.uint64)
    for i in range(len(words)):
        if bits == 1:
            block[CODES + GROUP * i + place] = np.uint8((words[i] * _ONE_BIT_TERM) >> np.uint64(56))
            continue
        for half in range(2):
            word = (words[i] >> np.uint64(32 * half)) & np.uint64(0xFFFFFFFF)
            byte = ((word * _TWO_BITS_TERM) >> np.uint64(24)) & np.uint64(255)
            block[CODES + GROUP * (2 * i + half) + place] = np.uint8(byte)


@kernel(types.void, _MAKING, _CODES, I8, _EDGE)
def encode_neighbour(making: Making, block: Bytes, place: Whole, edge: Edge) -> None:
    """Write factor, offset and codes of neighbour `place` of a block; `edge` holds R r and R c.

    Source   the estimator of `wide.py`. With z the levels, F = 2 |r|^2 / <z, R r> and key = |x|^2 (l2) or 0, less
             2 <y, x>: key(x) = key(c) + |r|^2 - 2 <y - c, r>, estimated by key(c) + |r|^2 + F <z, R c> - F <z, R y>,
             under l2 and, as |x| = |c| = 1, under cosine. Dot products have no lengths: key(c) - F <z, R y>.
    Cost     O(d).
    """
    residual, levels = edge.residual, edge.levels
    square = products(residual, residual)
    scale = math.sqrt(len(residual) / square) if square > 0.0 else 0.0
    choose_levels(residual, making.bits, np.float32(scale), levels, edge.codes)
    along = products(levels, residual)
    factor = 2.0 * square / along if along > 0.0 else 0.0
    block[FACTORS : FACTORS + 4 * GROUP].view(np.float32)[place] = factor
    offset = 0.0 if making.metric == DOT else square + factor * products(levels, edge.centre)
    block[OFFSETS : OFFSETS + 4 * GROUP].view(np.float32)[place] = offset
    pack(edge.codes, making.bits, place, block)


@kernel(types.void, I8, ROWS, LISTS, MATRIX, MATRIX, _MAKING, SIGNS, _BLOCKS, SCRATCH, _EDGE)
def make_blocks(
    body: Whole,
    rows: CodeRows,
    links: Slots,
    vectors: Matrix,
    turned: Matrix,
    making: Making,
    signs: Floats,
    blocks: Bytes,
    scratch: Scratch,
    edge: Edge,
) -> None:
    """Write the blocks of the slots [making.start, making.stop).

    Shapes   turned f4 (n, padded), see `turn_rows`, or (0, padded): then each neighbour is turned when it is met |
             blocks u1 (n, row bytes): only rows of these slots are written. Where there is no neighbour the link is
             NONE and the offset infinite, so that no estimate is ever near.
    Cost     O((stop - start) * links * (FILLING * d + d)), with d log d for d where nothing is turned.
    """
    size, source = CODES + LINE * (len(edge.centre) * making.bits // 16), turned if len(turned) > 0 else vectors
    lines = (4 * source.shape[1] + LINE - 1) // LINE
    for slot in range(making.start, making.stop):
        row = blocks[slot]
        row[:] = 0
        count = fill(body, rows, links, slot, len(row) // size * GROUP, scratch)
        edge.centre[:] = 0.0
        if count > 0:
            subtract_centre(vectors, turned, slot, making.metric, signs, edge)
            for i in range(len(edge.centre)):
                edge.centre[i] = edge.residual[i]
        for i in range(len(row) // size * GROUP):
            block, place = row[i // GROUP * size : (i // GROUP + 1) * size], i % GROUP
            if i >= count:
                block[: 4 * GROUP].view(np.uint32)[place] = NONE
                block[OFFSETS : OFFSETS + 4 * GROUP].view(np.float32)[place] = np.inf
                continue
            block[: 4 * GROUP].view(np.uint32)[place] = scratch.chosen[i]
            prefetch(source, np.int64(scratch.chosen[min(i + AHEAD, count - 1)]), lines)
            subtract_centre(vectors, turned, np.int64(scratch.chosen[i]), making.metric, signs, edge)
            encode_neighbour(making, block, place, edge)
