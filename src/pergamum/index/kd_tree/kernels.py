"""The kd-tree: how points are brought into the order of its leaves, and how it is searched.

Source   Friedman, Bentley & Finkel, An algorithm for finding best matches in logarithmic expected time, 1977: leaves as
         buckets, the dimension of widest spread, the median. Arya & Mount, Algorithms for fast vector quantization,
         1993: nodes in the order of their distance, here from the box of a node's points rather than from its cell.

Why nothing is lost. Let y be the query (q under l2, q / |q| under cosine) and x a point as the leaves keep it (v, or
v / |v| in float32). `gap` computes |y - x|^2, or the same from y to the nearest point of a box, in float64, where
nothing overflows or underflows, with a relative error below 2^-38 for d <= 16,384; a box's coordinates are exact. A
point or a box is passed over only if its computed gap exceeds `ceiling(kth)`, which is at least the computed gap of
any point whose reference distance is at most the k-th smallest found so far: such a point is never passed over, ties
included. With D = kth and r = ROUNDING = 2^-36:

    l2       the reference S = |q - v|^2 and its root are off by less than 2^-38 of themselves; sqrt(S) <= D gives a
             computed gap of at most D^2 (1 + 2^-38)^4 < D^2 (1 + 4 r).
    cosine   1 - <q, v> / |q| |v| = |y' - x'|^2 / 2 for the true unit vectors y', x'; the reference is off by less
             than r.
             |y - y'| + |x - x'| < E = 2^-23, for a float32 is off by at most 2^-24 of itself, or 2^-150 where it is
             denormal. So the distance |y - x| is at most sqrt(2 (D + r)) + E.
"""

import math
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import types

from pergamum.domain.vectors import Matrix, Vector
from pergamum.index import heap
from pergamum.index.distance import Doubles
from pergamum.index.distance_kernels import COSINE, distance, dot, squared_l2
from pergamum.index.heap import Keys, Slots
from pergamum.index.jit import F8, FLAG, I8, array, kernel, named
from pergamum.index.kd_tree.tree import FAN, HIGH, LOW, Tree
from pergamum.index.mask import Flags
from pergamum.index.quantize import ROUNDING
from pergamum.index.rows_vnni import prefetch

UNIT_ERROR = 2.0**-23
"""E: what a unit vector and its query lose by rounding."""

FETCHED = 64
"""Cache lines of a leaf that are fetched ahead, at most."""

VERIFIED, SCORED = 0, 1
"""Columns of what a search counts: reference distances computed, points scanned."""

_F4 = types.float32
_TREE = named(
    Tree,
    array(I8, 1, readonly=True),
    array(_F4, 4, readonly=True),
    array(_F4, 3, readonly=True),
    array(I8, 1, readonly=True),
)
_MATRIX, _VECTOR = array(_F4, 2, readonly=True), array(_F4, 1, readonly=True)
_FLAGS = array(FLAG, 1, readonly=True)
_POINTS, _BOXES, _FIRST = array(_F4, 2), array(_F4, 4), array(I8, 1, readonly=True)
_DOUBLES, _LONGS = array(F8, 1), array(I8, 1)

Boxes: TypeAlias = npt.NDArray[np.float32]
Leaves: TypeAlias = npt.NDArray[np.float32]


class Walk(NamedTuple):
    """Scratch of one search.

    `y` f8 (d,): the query as the tree sees it. `row` f4 (d,): a point being verified. `gaps` f8: of one group or leaf.
    `keys` f8, `nodes` i8 (nodes,): the queue, a heap with the least gap, negated, at its root. `counts` i8 (2,).
    """

    y: Doubles
    row: Vector
    gaps: Doubles
    keys: Keys
    nodes: Slots
    counts: Slots


_WALK = named(Walk, _DOUBLES, array(_F4, 1), _DOUBLES, _DOUBLES, _LONGS, _LONGS)


@kernel(I8, _POINTS, I8, I8, allocates=True)
def widest(points: Matrix, begin: int, end: int) -> int:
    """Return the dimension in which the rows [begin, end) spread widest, the first of equals. O(rows * d)."""
    low, high = points[begin].copy(), points[begin].copy()
    for row in range(begin + 1, end):
        for dim in range(points.shape[1]):
            number = points[row, dim]
            low[dim] = min(low[dim], number)
            high[dim] = max(high[dim], number)
    best, widest_spread = 0, -1.0
    for dim in range(points.shape[1]):
        spread = np.float64(high[dim]) - np.float64(low[dim])
        if spread > widest_spread:
            best, widest_spread = dim, spread
    return best


@kernel(types.void, _POINTS, _LONGS, I8, I8, inline=True)
def swap(points: Matrix, slots: Slots, i: int, j: int) -> None:
    """Exchange two rows and their slots. O(d)."""
    slots[i], slots[j] = slots[j], slots[i]
    for dim in range(points.shape[1]):
        number = points[i, dim]
        points[i, dim] = points[j, dim]
        points[j, dim] = number


@kernel(types.void, _POINTS, _LONGS, I8, I8, I8, allocates=True)
def split(points: Matrix, slots: Slots, begin: int, middle: int, end: int) -> None:
    """Order the rows [begin, end) so that none before `middle` is beyond one after it in the widest dimension.

    Source   Hoare's FIND, with the pivot at a place that looks random: no order of the input is a bad one.
    Cost     O(rows * d) expected. Ends because both marks pass the pivot, so that every round leaves out a row.
    """
    dim, place = widest(points, begin, end), 1
    low, high = begin, end - 1
    while low < high:
        place = (place * 1103515245 + 12345) % 2147483648
        pivot = points[low + ((high - low + 1) * place >> 31), dim]
        i, j = low, high
        while i <= j:
            while points[i, dim] < pivot:
                i += 1
            while points[j, dim] > pivot:
                j -= 1
            if i <= j:
                swap(points, slots, i, j)
                i, j = i + 1, j - 1
        if j < middle:
            low = i
        if i > middle:
            high = j


@kernel(I8, I8, I8)
def cut(first: int, last: int) -> int:
    """Return where the leaves [first, last), two or more, are split: after a power of two, half of them or more.

    O(log leaves).
    """
    half = 1
    while 2 * half < last - first:
        half *= 2
    return first + half


@kernel(types.void, _POINTS, _LONGS, I8, I8, I8, allocates=True)
def arrange(points: Matrix, slots: Slots, leaf_size: int, first: int, last: int) -> None:
    """Bring the points of the leaves [first, last) into order.

    Shapes   points (p, d) f4 | slots (p,) i8, moved with their points.
    Cost     O(points * d * log leaves) expected time, O(log leaves) memory. Ends because each split makes two smaller.
    """
    pending = np.empty((64, 2), dtype=np.int64)
    pending[0, 0], pending[0, 1], size = first, last, 1
    while size > 0:
        size -= 1
        a, b = pending[size, 0], pending[size, 1]
        if b - a < 2:
            continue
        c = cut(a, b)
        split(points, slots, a * leaf_size, c * leaf_size, min(b * leaf_size, len(slots)))
        pending[size, 0], pending[size, 1] = a, c
        pending[size + 1, 0], pending[size + 1, 1] = c, b
        size += 2


@kernel(types.void, _POINTS, array(_F4, 3), _BOXES, I8, I8)
def fill(points: Matrix, leaves: Leaves, boxes: Boxes, first: int, last: int) -> None:
    """Copy the rows of the leaves [first, last) into their places and write their boxes. O(points * d).

    Shapes   points (p, d) f4 | leaves (leaves, d, s) f4 | boxes (groups, 2, d, 16) f4.
    """
    leaf_size = leaves.shape[2]
    lowest = len(boxes) - (len(leaves) + FAN - 1) // FAN
    for leaf in range(first, last):
        group, lane = lowest + leaf // FAN, leaf % FAN
        used = min(leaf_size, len(points) - leaf * leaf_size)
        for dim in range(leaves.shape[1]):
            low = high = points[leaf * leaf_size, dim]
            for i in range(used):
                number = points[leaf * leaf_size + i, dim]
                leaves[leaf, dim, i] = number
                low, high = min(low, number), max(high, number)
            boxes[group, LOW, dim, lane], boxes[group, HIGH, dim, lane] = low, high


@kernel(types.void, _BOXES, _FIRST)
def enclose(boxes: Boxes, first: Slots) -> None:
    """Write the boxes of groups, from those of their children. O(groups * d): the children of a group come after it."""
    groups = len(boxes)
    for group in range(groups - 1, -1, -1):
        for child in range(first[group], min(first[group + 1], groups)):
            used = first[child + 1] - first[child]
            for dim in range(boxes.shape[2]):
                low, high = boxes[child, LOW, dim, 0], boxes[child, HIGH, dim, 0]
                for lane in range(1, used):
                    low, high = min(low, boxes[child, LOW, dim, lane]), max(high, boxes[child, HIGH, dim, lane])
                boxes[group, LOW, dim, child - first[group]] = low
                boxes[group, HIGH, dim, child - first[group]] = high


@kernel(F8, I8, F8, inline=True)
def ceiling(metric: int, kth: float) -> float:
    """Return what the gap of a point cannot exceed if its reference distance is at most `kth`; see above. O(1)."""
    if metric == COSINE:
        kth = math.sqrt(2.0 * max(kth + ROUNDING, 0.0)) + UNIT_ERROR
    return kth * kth * (1.0 + 4.0 * ROUNDING)


@kernel(types.void, array(_F4, 4, readonly=True), I8, _DOUBLES, _DOUBLES, inline=True)
def box_gaps(boxes: Boxes, group: int, y: Doubles, gaps: Doubles) -> None:
    """gaps[j] = squared distance of `y` to the box of child j of `group`. O(16 d), eight an instruction."""
    fan = boxes.shape[3]
    for lane in range(fan):
        gaps[np.uint64(lane)] = 0.0
    for dim in range(len(y)):
        at = y[dim]
        for lane in range(fan):
            j = np.uint64(lane)
            below = np.float64(boxes[group, LOW, dim, j]) - at
            above = at - np.float64(boxes[group, HIGH, dim, j])
            outside = max(below, above, 0.0)
            gaps[j] += outside * outside


@kernel(types.void, array(_F4, 3, readonly=True), I8, _DOUBLES, _DOUBLES, inline=True)
def point_gaps(leaves: Leaves, leaf: int, y: Doubles, gaps: Doubles) -> None:
    """gaps[j] = squared distance of `y` to point j of `leaf`. O(s d), eight an instruction."""
    size = leaves.shape[2]
    for i in range(size):
        gaps[np.uint64(i)] = 0.0
    for dim in range(len(y)):
        at = y[dim]
        for i in range(size):
            j = np.uint64(i)
            gap = np.float64(leaves[leaf, dim, j]) - at
            gaps[j] += gap * gap


@kernel(F8, array(_F4, 3, readonly=True), I8, I8, _VECTOR, array(_F4, 1), inline=True)
def leaf_distance(leaves: Leaves, leaf: int, lane: int, q: Vector, row: Vector) -> float:
    """Return the reference l2 distance of `q` to point `lane` of `leaf`, which is copied into `row`. O(d)."""
    for dim in range(len(row)):
        row[dim] = leaves[leaf, dim, lane]
    return math.sqrt(squared_l2(q, row))


@kernel(I8, _TREE, I8, _VECTOR, F8, _MATRIX, _FLAGS, _WALK, _DOUBLES, _LONGS)
def search_one(
    tree: Tree,
    metric: int,
    q: Vector,
    norm: float,
    vectors: Matrix,
    allowed: Flags,
    walk: Walk,
    distances: Keys,
    owners: Slots,
) -> int:
    """Fill `distances`, `owners` with the nearest allowed points of `q`, sorted; return how many were found.

    Symbols  Arya & Mount's queue of nodes by distance is `walk.keys` (gaps, negated) with `walk.nodes`.
    Shapes   q (d,) f4, `norm` its reference norm | distances f8, owners i8 (k,), k at least 1.
    Cost     O(groups opened * (16 d + log nodes) + leaves scanned * s d + verified * (d + log k)) time, O(1) memory.
             Ends because every node is queued once. The next leaf is fetched while one is scanned: in 8 dimensions
             that took a quarter off the time. Arrays leave their tuples here, once: numba counts references.
    """
    slots, boxes, leaves, first = tree.slots, tree.boxes, tree.leaves, tree.first
    y, row, gaps, keys, nodes = walk.y, walk.row, walk.gaps, walk.keys, walk.nodes
    groups, leaf_size, lines = len(boxes), leaves.shape[2], min(leaves.shape[1] * leaves.shape[2] // 16, FETCHED)
    size, waiting, limit, verified, scored = 0, 1, np.inf, 0, 0
    keys[0], nodes[0] = 0.0, 0
    while waiting > 0 and -keys[0] <= limit:
        node = nodes[0]
        waiting = heap.pop(keys, nodes, waiting)
        if waiting > 0 and nodes[0] >= groups:
            prefetch(leaves, nodes[0] - groups, lines)
        if node < groups:
            box_gaps(boxes, node, y, gaps)
            for lane in range(first[node + 1] - first[node]):
                if gaps[lane] <= limit:
                    heap.sift_up(keys, nodes, waiting, -gaps[lane], first[node] + lane)
                    waiting += 1
            continue
        leaf, begin = node - groups, (node - groups) * leaf_size
        used = min(leaf_size, len(slots) - begin)
        point_gaps(leaves, leaf, y, gaps)
        for lane in range(used):
            if gaps[lane] > limit:
                continue
            slot = slots[begin + lane]
            if slot < len(allowed) and not allowed[slot]:
                continue
            if metric == COSINE:
                found = distance(metric, q, norm, vectors[slot])
            else:
                found = leaf_distance(leaves, leaf, lane, q, row)
            size = heap.push_bounded(distances, owners, size, found, slot)
            if size == len(distances):
                limit = ceiling(metric, distances[0])
            verified += 1
        scored += used
    walk.counts[VERIFIED] += verified
    walk.counts[SCORED] += scored
    return int(heap.sort(distances, owners, size))


@kernel(
    types.UniTuple(I8, 2),
    _TREE,
    I8,
    _MATRIX,
    I8,
    _MATRIX,
    _FLAGS,
    array(F8, 2),
    array(I8, 2),
    allocates=True,
)
def search(
    tree: Tree, metric: int, queries: Matrix, k: int, vectors: Matrix, allowed: Flags, distances: Doubles, slots: Slots
) -> tuple[int, int]:
    """Search for each query; return how many reference distances were computed and how many points scanned.

    Shapes   queries (m, d) f4 | vectors (n, d) f4 | allowed (any,) flags | distances f8, slots i8 (m, columns), of
             which the first `k` are filled and the others made empty: inf, -1.
    Cost     that of `search_one`, m times; O(nodes + d + s) memory, of which a search touches what it queues.
    REQUIRES k is at most the number of points, and at least 1.
    """
    dimension = queries.shape[1]
    walk = Walk(
        np.empty(dimension),
        np.empty(dimension, dtype=np.float32),
        np.empty(max(FAN, tree.leaves.shape[2])),
        np.empty(len(tree.boxes) + len(tree.leaves)),
        np.empty(len(tree.boxes) + len(tree.leaves), dtype=np.int64),
        np.zeros(2, dtype=np.int64),
    )
    for row in range(len(queries)):
        q = queries[row]
        norm = math.sqrt(dot(q, q)) if metric == COSINE else 1.0
        for dim in range(dimension):
            walk.y[dim] = np.float64(q[dim]) / norm
        found = search_one(tree, metric, q, norm, vectors, allowed, walk, distances[row, :k], slots[row, :k])
        distances[row, found:], slots[row, found:] = np.inf, -1
    return walk.counts[VERIFIED], walk.counts[SCORED]
