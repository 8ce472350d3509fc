"""Searching partitions: the nearest centroids, then their vectors by look-ups, then the best by float32.

Source   Jégou, Douze, Schmid, "Product quantization for nearest neighbor search", IEEE TPAMI 2011 (section 4, IVFADC);
         Guo et al., "Accelerating large-scale inference with anisotropic vector quantization", ICML 2020 (the layout);
         Gao, Long, "RaBitQ", SIGMOD 2024, arXiv 2405.12497 (the estimate).
"""

import numpy as np
from numba import types

from pergamum.domain.vectors import Matrix
from pergamum.index import heap
from pergamum.index.distance_kernels import COSINE, L2, distance
from pergamum.index.ivf.aim_kernels import choose, near_centroids, set_keys, set_query
from pergamum.index.ivf.layout import COUNT, METRIC, SCALE, SPREAD, Bytes, Floats, Longs
from pergamum.index.ivf.scan_kernels import gather, margin
from pergamum.index.ivf.scratch import READ, SCORED, SQUARE, UNIT, Scratch
from pergamum.index.ivf.select_kernels import keep_reaching, rank_of, to_front
from pergamum.index.ivf.views import (
    AIM,
    BYTES,
    FLAGS,
    FLOATS,
    LONGS,
    MATRIX,
    SCRATCH,
    U1S,
    Aim,
    partitions_in,
    scratch_in,
)
from pergamum.index.jit import F8, I8, Real, Whole, array, kernel
from pergamum.index.mask import Flags
from pergamum.index.rows_vnni import prefetch

AHEAD, MOST_LINES, LINE_FLOATS = 12, 64, 16
"""Vectors that are asked for before they are read, how many cache lines of each at most, and the numbers of a line."""
STEP = 8
"""Vectors read beyond k before the others are looked at again."""


@kernel(F8, AIM, F8, SCRATCH)
def least_hope(aim: Aim, farthest: Real, scratch: Scratch) -> Real:
    """Return the estimate below which a vector is most likely farther than `farthest`, a reference distance."""
    if aim.metric == COSINE:
        closeness = 1.0 - farthest
    elif aim.metric == L2:
        closeness = scratch.facts[SQUARE] - (farthest / aim.scale) * (farthest / aim.scale)
    else:
        closeness = -farthest / (scratch.facts[UNIT] * aim.scale)
    return closeness - margin(aim, closeness, scratch)


@kernel(I8, MATRIX, FLOATS, AIM, I8, I8, SCRATCH, heap.KEYS, heap.SLOTS)
def read(
    vectors: Matrix,
    raw: Floats,
    aim: Aim,
    start: Whole,
    stop: Whole,
    scratch: Scratch,
    distances: heap.Keys,
    slots: heap.Slots,
) -> Whole:
    """Put the reference distances of the candidates [start, stop) that still have hope into the results, a heap.

    REQUIRES: the results hold the k best of the first `start`. Returns their number. Cost: O((stop - start) * d).
    """
    norm, k = scratch.facts[UNIT] if aim.metric == COSINE else 0.0, len(slots)
    found, scores, lines = scratch.found, scratch.scores, min(vectors.shape[1] // LINE_FLOATS + 1, MOST_LINES)
    size, farthest, hope = min(start, k), np.inf, -np.inf
    for i in range(start, min(start + AHEAD, stop)):
        prefetch(vectors, np.int64(found[i]), lines)
    for i in range(start, stop):
        if i + AHEAD < stop:
            prefetch(vectors, np.int64(found[i + AHEAD]), lines)
        if scores[i] < hope:
            continue
        slot = np.int64(found[i])
        near = distance(aim.metric, raw, norm, vectors[slot])
        size = heap.push_bounded(distances, slots, size, near, slot)
        scratch.counts[READ] += 1
        if size == k and distances[0] < farthest and aim.spread < np.inf:
            farthest = distances[0]
            hope = least_hope(aim, farthest, scratch)
    return size


@kernel(types.void, MATRIX, FLOATS, AIM, I8, SCRATCH, heap.KEYS, heap.SLOTS)
def verify(
    vectors: Matrix, raw: Floats, aim: Aim, size: Whole, scratch: Scratch, distances: heap.Keys, slots: heap.Slots
) -> None:
    """Read the best of the `size` candidates, then those of the others that have hope. O(size + read * d)."""
    if size == 0:
        return
    first = min(size, aim.k + STEP)
    to_front(size, first, scratch)
    found = read(vectors, raw, aim, 0, first, scratch, distances, slots)
    if first < size:
        if aim.spread < np.inf:
            hope = least_hope(aim, distances[0], scratch)
            size = keep_reaching(first, size, rank_of(np.float32(hope)), scratch)
        found = read(vectors, raw, aim, first, size, scratch, distances, slots)
    heap.sort(distances, slots, found)


@kernel(types.UniTuple(I8, 2), BYTES, LONGS, I8, I8, U1S, MATRIX, MATRIX, FLAGS, array(F8, 2), array(I8, 2))
def search(
    arena: Bytes,
    head: Longs,
    effort: Whole,
    wanted: Whole,
    space: Bytes,
    vectors: Matrix,
    queries: Matrix,
    flags: Flags,
    distances: heap.Keys,
    slots: heap.Slots,
) -> tuple[Whole, Whole]:
    """Find the nearest of every query; return how many codes were compared and how many vectors read.

    Shapes   arena, head: see layout.py | effort: partitions, 1 to p | wanted: vectors read at most, of a query | space:
             see scratch.py | vectors (n, d), queries (q, d) f4 | flags: see `SlotMask.flat` | distances, slots (q, k),
             to be filled.
    Cost     O(q * (p * d + effort * n / p * m / 4 + wanted * d)).
    """
    partitions, scratch = partitions_in(arena, head), scratch_in(space, head)
    scale, spread = partitions.facts[SCALE], partitions.facts[SPREAD]
    if effort == head[COUNT]:
        spread = np.inf  # trying hardest, all that are wanted are read
    aim = Aim(head[METRIC], slots.shape[1], effort, wanted, scale, spread)
    scratch.counts[:] = 0
    distances[:], slots[:] = np.inf, -1
    for row in range(len(queries)):
        set_query(queries[row], aim.metric, partitions, scratch)
        near_centroids(aim.metric, partitions, scratch)
        set_keys(aim.metric, partitions, scratch)
        choose(effort, scratch)
        size = gather(aim, partitions, flags, scratch)
        verify(vectors, queries[row], aim, size, scratch, distances[row], slots[row])
    return scratch.counts[SCORED], scratch.counts[READ]
