"""Search in hash tables: the likeliest buckets of all tables first, then sketches, then float32 for what is promising.

A function ranks its digits by how likely a near vector has them: rank 0 is the query's own. A bucket is a rank for each
function; its cost is the sum of theirs. Buckets come in the order of cost from one heap over all tables. Every bucket
has one parent, which costs no more, so each is made once: lower the rank of the last function that has one, or, if that
was 1, move it to the function before, or drop it if that one has a rank too.
"""

import math

import numpy as np
from numba import types

from pergamum.domain.vectors import Matrix, Vector
from pergamum.index import heap
from pergamum.index.distance_kernels import COSINE, L2, VECTOR, distance, dot
from pergamum.index.jit import F8, I8, array, kernel, named
from pergamum.index.lsh.hash_kernels import DOUBLES, FLAGS, HASHES, MATRIX, cell_of, place, rotate
from pergamum.index.lsh.layout import (
    BITS,
    CELL,
    ERROR,
    FACTORS,
    FIRST,
    LOW,
    P_STABLE,
    SHIFT,
    SQUARE,
    WEIGHT,
    Doubles,
    Found,
    Hashes,
    Longs,
    Tables,
)
from pergamum.index.lsh.scratch import Scratch
from pergamum.index.mask import Flags
from pergamum.index.rows_vnni import prefetch

DOUBT = 2.0
"""How many mean errors a sketch's estimate may be too large before a near vector is missed."""
_AHEAD = 12
"""Rows between what is read and what is asked of memory."""
SLACK = 1e-6
"""Share of the squared lengths that covers what float32 factors and sums lose."""

VERIFIED, SCORED, RESCANNED = range(3)
"""Entries of `Found.counts`."""

_F4, _I4, _U4 = types.float32, types.int32, types.uint32
_TABLES = named(
    Tables,
    array(_I4, 2, readonly=True),
    array(_I4, 2, readonly=True),
    array(_F4, 2, readonly=True),
    array(types.uint8, 2, readonly=True),
)
_KEYS, _DIGITS, _COSTS, _CODES = array(F8, 2), array(I8, 2), array(F8, 1), array(I8, 1)
_SCRATCH = named(
    Scratch,
    *(DOUBLES, DOUBLES, array(_F4, 2)),
    *(_KEYS, _DIGITS, array(I8, 1), array(I8, 2), DOUBLES),
    *(_COSTS, _CODES, array(I8, 1)),
    *(array(_U4, 1), array(_U4, 1), array(I8, 1), DOUBLES),
    *(DOUBLES, array(I8, 1)),
)
_FOUND = named(Found, array(F8, 2), array(I8, 2), array(I8, 1))
_CHOICE = types.Tuple((F8, I8))

_TABLE_AT, _PLACE_AT, _RANK_AT = 20, 28, 34
"""A bucket to look into as one number: its key, its table, the last function with a rank (0: none), that rank."""
_KEY, _BUCKET = (1 << _TABLE_AT) - 1, (1 << _PLACE_AT) - 1


@kernel(types.void, HASHES, I8, I8, _SCRATCH)
def reach(hashes: Hashes, table: int, part: int, scratch: Scratch) -> None:
    """Write the digits of a function for the query, unsorted, and how well each goes with the query.

    Cross-polytope: one of each two opposite corners, by how far the query reaches towards it. P-stable: all cells, by
    the negated squared distance of the query from the cell, as in Lv, Josephson, Wang, Charikar, Li, VLDB 2007.
    Cost     O(digits).
    """
    size, last = len(hashes.center), len(hashes.parts) - 1
    stable, bits = hashes.family == P_STABLE, hashes.parts[part, BITS]
    numbers = hashes.parts[last, FIRST] + (1 if stable else 1 << (hashes.parts[last, BITS] - 1))
    start, function = size + table * numbers + hashes.parts[part, FIRST], table * (last + 1) + part
    keys, digits = scratch.keys[function], scratch.digits[function]
    scratch.sizes[function] = 1 << bits if stable else 1 << (bits - 1)
    if stable:
        number, low, cell = scratch.rotated[start], hashes.cells[table, part, LOW], hashes.cells[table, part, CELL]
        own = cell_of(number, low, cell, 1 << bits)
        for digit in range(1 << bits):
            gap = 0.0 if digit == own else number - (low + cell * (digit if digit > own else digit + 1))
            keys[digit], digits[digit] = -gap * gap, digit
        return
    for i in range(1 << (bits - 1)):
        number = scratch.rotated[start + i]
        keys[i], digits[i] = abs(number), 2 * i + (1 if number > 0.0 else 0)


@kernel(types.void, _KEYS, _DIGITS, array(I8, 1), I8, I8)
def settle(keys: Doubles, digits: Longs, sizes: Longs, function: int, at: int) -> None:
    """Move the best unsorted digits of a function to the end of those until position `at` is sorted too.

    Few ranks are ever asked for, so selection is cheaper than sorting. Cost     O(digits) for each position.
    """
    while sizes[function] > at:
        last, best = sizes[function] - 1, 0
        for i in range(1, last + 1):
            if keys[function, i] > keys[function, best]:
                best = i
        key, digit = keys[function, best], digits[function, best]
        keys[function, best], digits[function, best] = keys[function, last], digits[function, last]
        keys[function, last], digits[function, last] = key, digit
        sizes[function] = last


@kernel(_CHOICE, I8, I8, I8, I8, _KEYS, _DIGITS, array(I8, 1), inline=True)
def choice(
    family: int, bits: int, function: int, rank: int, keys: Doubles, digits: Longs, sizes: Longs
) -> tuple[float, int]:
    """Return the cost and the digit of a rank of a function of `bits` bits.

    Symbols  a corner costs (top - reach)^2, reach being negative on the far side: the far corners follow in the
             opposite order of the near ones.
    Cost     O(1), and O(digits) the first time.
    """
    held = 1 << bits if family == P_STABLE else 1 << (bits - 1)
    at = held - 1 - rank if rank < held else rank - held
    if sizes[function] > at:
        settle(keys, digits, sizes, function, at)
    key, digit, top = keys[function, at], digits[function, at], keys[function, held - 1]
    if family == P_STABLE:
        return -key, digit
    gap = top - key if rank < held else top + key
    return gap * gap, digit if rank < held else digit ^ 1


@kernel(I8, HASHES, I8, _SCRATCH)
def home(hashes: Hashes, table: int, scratch: Scratch) -> int:
    """Prepare the functions of `table`; return the query's own key. O(numbers the table reads + F^2)."""
    parts, key = len(hashes.parts), 0
    order, firsts = scratch.order[table], scratch.firsts
    for part in range(parts):
        reach(hashes, table, part, scratch)
        function, bits = table * parts + part, hashes.parts[part, BITS]
        own = choice(hashes.family, bits, function, 0, scratch.keys, scratch.digits, scratch.sizes)[1]
        firsts[part] = choice(hashes.family, bits, function, 1, scratch.keys, scratch.digits, scratch.sizes)[0]
        key |= own << hashes.parts[part, SHIFT]
        at = part
        while at > 0 and firsts[order[at - 1]] > firsts[part]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = part
    return key


@kernel(I8, _COSTS, _CODES, I8, F8, I8, inline=True)
def push(costs: Doubles, codes: Longs, size: int, cost: float, code: int) -> int:
    """Add a bucket to the heap of `size`, the cheapest at the root; return the new size. O(log size)."""
    hole = size
    while hole > 0 and costs[(hole - 1) >> 1] > cost:
        costs[hole], codes[hole] = costs[(hole - 1) >> 1], codes[(hole - 1) >> 1]
        hole = (hole - 1) >> 1
    costs[hole], codes[hole] = cost, code
    return size + 1


@kernel(I8, _COSTS, _CODES, I8, inline=True)
def drop(costs: Doubles, codes: Longs, size: int) -> int:
    """Take the root off the heap of `size` > 0; return the new size. O(log size)."""
    size -= 1
    cost, code, hole, child = costs[size], codes[size], 0, 1
    while child < size:
        if child + 1 < size and costs[child + 1] < costs[child]:
            child += 1
        if costs[child] >= cost:
            break
        costs[hole], codes[hole] = costs[child], codes[child]
        hole, child = child, 2 * child + 1
    costs[hole], codes[hole] = cost, code
    return size


@kernel(I8, HASHES, I8, I8, _SCRATCH)
def cheapest(hashes: Hashes, tables: int, effort: int, scratch: Scratch) -> int:
    """Write the `effort` cheapest buckets of all tables for the rotated query to `scratch.buckets`, cheapest first.

    Returns how many: all there are, if `effort` is more. A bucket's table is its number >> 20, the rest its key.
    Source   multi-probe: Lv et al., VLDB 2007, here with one heap for all tables and any number of digits a function.
    Cost     O(T * D + effort * log effort). Ends because every bucket has one parent, so it is pushed once.
    """
    costs, codes, order = scratch.costs, scratch.codes, scratch.order
    keys, digits, sizes = scratch.keys, scratch.digits, scratch.sizes
    family, parts, count, size = hashes.family, hashes.parts, 0, 0
    for table in range(tables):
        size = push(costs, codes, size, 0.0, home(hashes, table, scratch) | table << _TABLE_AT)
    while count < effort and size > 0:
        cost, code = costs[0], codes[0]
        size = drop(costs, codes, size)
        base, at, rank = code & _BUCKET, (code >> _PLACE_AT) & 63, code >> _RANK_AT
        scratch.buckets[count] = base
        count += 1
        first, back_cost, back = (base >> _TABLE_AT) * len(parts), cost, base
        if at > 0:
            part = order[base >> _TABLE_AT, at - 1]
            bits, shift, function = parts[part, BITS], parts[part, SHIFT], first + part
            own_cost, own = choice(family, bits, function, rank, keys, digits, sizes)
            if rank + 1 < 1 << bits:
                more, digit = choice(family, bits, function, rank + 1, keys, digits, sizes)
                changed = base + ((digit - own) << shift) | at << _PLACE_AT | (rank + 1) << _RANK_AT
                size = push(costs, codes, size, cost + more - own_cost, changed)
            back_cost = cost - own_cost
            back = base + ((choice(family, bits, function, 0, keys, digits, sizes)[1] - own) << shift)
        if at < len(parts):
            part = order[base >> _TABLE_AT, at]
            bits, shift, function = parts[part, BITS], parts[part, SHIFT], first + part
            more, digit = choice(family, bits, function, 1, keys, digits, sizes)
            change = (digit - choice(family, bits, function, 0, keys, digits, sizes)[1]) << shift
            where = (at + 1) << _PLACE_AT | 1 << _RANK_AT
            size = push(costs, codes, size, cost + more, (base + change) | where)
            if rank == 1:
                size = push(costs, codes, size, back_cost + more, (back + change) | where)
    return count


@kernel(I8, I8, FLAGS, _TABLES, _SCRATCH)
def collect(buckets: int, allowed: Flags, tables: Tables, scratch: Scratch) -> int:
    """Take the allowed slots of the first `buckets` of `scratch.buckets` as candidates, each once; return how many.

    Cost     O(buckets + slots in them). Bounds and first slots are read in loops of their own: each waits for memory,
             and reads that do not hang on each other wait together.
    """
    scratch.epoch[0] += np.uint32(1)
    epoch, marks, candidates, starts, count = scratch.epoch[0], scratch.marks, scratch.candidates, tables.starts, 0
    slots = tables.slots
    spans, touched = scratch.codes, 0  # the heap has done its work
    for i in range(buckets):
        table, key = scratch.buckets[i] >> _TABLE_AT, scratch.buckets[i] & _KEY
        spans[2 * i], spans[2 * i + 1] = starts[table, key], starts[table, key + 1]
    for i in range(buckets):
        if spans[2 * i] < spans[2 * i + 1]:
            touched ^= slots[scratch.buckets[i] >> _TABLE_AT, spans[2 * i]]
    spans[2 * buckets] = touched  # so that the reads are not left out
    for i in range(buckets):
        table = scratch.buckets[i] >> _TABLE_AT
        for at in range(spans[2 * i], spans[2 * i + 1]):
            slot = slots[table, at]
            fresh = marks[slot] != epoch and (slot >= len(allowed) or allowed[slot])
            marks[slot] = epoch
            candidates[count] = slot
            count += fresh
    return count


@kernel(F8, I8, _SCRATCH, inline=True)
def byte_sums(size: int, scratch: Scratch) -> float:
    """Fill `scratch.sums` for the rotated query: [b, v] is its product with the signs v of byte b, over its length.

    Cost     O(32 * D) time. Returns the squared length.
    """
    square = 0.0
    for i in range(size):
        square += scratch.rotated[i] * scratch.rotated[i]
    by = math.sqrt(square) if square > 0.0 else 1.0
    for byte in range(size // 8):
        total = 0.0
        for bit in range(8):
            total += scratch.rotated[8 * byte + bit]
        scratch.sums[byte, 0] = -total / by
        for bit in range(8):
            more = np.float32(2.0 * scratch.rotated[8 * byte + bit] / by)
            for value in range(1 << bit):
                scratch.sums[byte, value + (1 << bit)] = scratch.sums[byte, value] + more
    return square


@kernel(I8, I8, _TABLES, _SCRATCH)
def score(count: int, tables: Tables, scratch: Scratch) -> int:
    """Estimate the squared distance of each candidate's point; keep a floor of each and the k that seem nearest.

    Returns how many of those there are. O(count * D / 8) time.
    """
    square = byte_sums(len(scratch.point), scratch)
    length, bytes_of, near, k = math.sqrt(square), len(scratch.sums), 0, len(scratch.nearest)
    sums, factors, sketches, nearest = scratch.sums, tables.factors, tables.sketches, scratch.nearest
    candidates, floors = scratch.candidates, scratch.floors
    for i in range(count):
        slot = candidates[i]
        prefetch(sketches, candidates[min(i + _AHEAD, count - 1)], 1)
        even = odd = np.float32(0.0)
        for byte in range(0, bytes_of, 2):
            even += sums[byte, sketches[slot, 4 * FACTORS + byte]]
            odd += sums[byte + 1, sketches[slot, 4 * FACTORS + byte + 1]]
        total = square + factors[slot, SQUARE]
        estimate = total - 2.0 * length * factors[slot, WEIGHT] * (even + odd)
        floors[i] = estimate - 2.0 * DOUBT * length * factors[slot, ERROR] - SLACK * total
        if near < k or estimate < nearest[0]:
            near = heap.push_bounded(nearest, scratch.places, near, estimate, i)
    return near


@kernel(F8, HASHES, F8, F8, inline=True)
def ceiling(hashes: Hashes, norm: float, reached: float) -> float:
    """Return the squared distance of points that means a distance of `reached` from a query of `norm`. O(1)."""
    if hashes.metric == COSINE:
        return 2.0 * reached
    if hashes.metric == L2:
        ratio = reached / hashes.scale
        return ratio * ratio
    by = norm * hashes.scale
    return 2.0 + 2.0 * reached / by if by > 0.0 else math.inf


@kernel(types.void, VECTOR, F8, MATRIX, I8, HASHES, _SCRATCH, _FOUND, I8)
def verify(
    query: Vector, norm: float, vectors: Matrix, count: int, hashes: Hashes, scratch: Scratch, found: Found, row: int
) -> None:
    """Verify the candidates whose floors are within the k-th best distance: k hits.

    REQUIRES count >= k, and `score`: its nearest go first, so that the limit is low from the start.
    Cost     O(count + verified * (d + log k)).
    """
    distances, slots, candidates, floors = found.distances[row], found.slots[row], scratch.candidates, scratch.floors
    hits, waiting, lines = 0, 0, -(-vectors.shape[1] // 16)
    for i in range(len(slots)):
        slot = candidates[scratch.places[i]]
        floors[scratch.places[i]] = math.inf  # not again
        hits = heap.push_bounded(distances, slots, hits, distance(hashes.metric, query, norm, vectors[slot]), slot)
    limit = ceiling(hashes, norm, distances[0])
    for i in range(count):
        if floors[i] < limit:
            candidates[waiting], floors[waiting] = candidates[i], floors[i]
            waiting += 1
    for i in range(waiting):
        prefetch(vectors, candidates[min(i + 4, waiting - 1)], lines)
        if floors[i] < ceiling(hashes, norm, distances[0]):
            slot, hits = candidates[i], hits + 1
            heap.push_bounded(distances, slots, len(slots), distance(hashes.metric, query, norm, vectors[slot]), slot)
    found.counts[VERIFIED] += hits


@kernel(I8, VECTOR, F8, MATRIX, FLAGS, I8, I8, _FOUND, I8)
def scan(
    query: Vector, norm: float, vectors: Matrix, allowed: Flags, count: int, metric: int, found: Found, row: int
) -> int:
    """Verify every allowed slot below `count`; return how many hits there are. O(count + allowed * (d + log k))."""
    distances, slots, hits = found.distances[row], found.slots[row], 0
    for slot in range(count):
        if slot >= len(allowed) or allowed[slot]:
            exact = distance(metric, query, norm, vectors[slot])
            hits = heap.push_bounded(distances, slots, hits, exact, slot)
            found.counts[VERIFIED] += 1
    return hits


@kernel(types.void, MATRIX, MATRIX, FLAGS, I8, HASHES, _TABLES, _SCRATCH, _FOUND)
def search(
    queries: Matrix,
    vectors: Matrix,
    allowed: Flags,
    effort: int,
    hashes: Hashes,
    tables: Tables,
    scratch: Scratch,
    found: Found,
) -> None:
    """Fill `found` for `queries` (m, d), whose rows hold slot -1, distance inf before.

    An effort of all buckets of all tables is a scan: exact. So is what follows where buckets gave fewer than k.
    """
    everything = effort >= len(tables.starts) * (tables.starts.shape[1] - 1)
    for row in range(len(queries)):
        query, hits, k = queries[row], 0, found.slots.shape[1]
        norm = math.sqrt(dot(query, query))
        if not everything:
            place(query, True, hashes, scratch.point)
            rotate(scratch.point, hashes, scratch.rotated)
            buckets = cheapest(hashes, len(tables.starts), effort, scratch)
            count = collect(buckets, allowed, tables, scratch)
            found.counts[SCORED] += count
            if count >= k:
                score(count, tables, scratch)
                verify(query, norm, vectors, count, hashes, scratch, found, row)
                hits = k
            else:
                found.counts[RESCANNED] += 1
        if hits < k:
            hits = scan(query, norm, vectors, allowed, len(tables.factors), hashes.metric, found, row)
        heap.sort(found.distances[row], found.slots[row], hits)
