"""The pool of a walk: one sorted array of integers, each a key, a slot and whether the slot was expanded."""

import numpy as np
import numpy.typing as npt
from numba import types

from pergamum.index.hnsw.shift import shift
from pergamum.index.jit import I8, Real, Whole, array, kernel

Entries = npt.NDArray[np.uint64]

U8 = types.uint64
ENTRIES = array(U8, 1)

EXPANDED = np.uint64(1)
_SIGN = np.uint32(0x80000000)
_SLOT = np.uint64(0x7FFFFFFF)
_HALF = np.uint64(32)
_ONE = np.uint64(1)


@kernel(U8, types.float32, I8, inline=True)
def packed(key: Real, slot: Whole) -> Whole:
    """Return an integer that sorts as (key, slot): the bits of the key made monotone, the slot, a bit for `expanded`.

    O(1). REQUIRES: key is not NaN, slot < 2^31.
    """
    bits = np.float32(key).view(np.uint32)
    ordered = ~bits if bits & _SIGN else bits | _SIGN
    return (np.uint64(ordered) << _HALF) | (np.uint64(slot) << _ONE)


@kernel(types.float32, U8, inline=True)
def key_of(entry: Whole) -> Real:
    """Return the key in a packed entry. O(1)."""
    ordered = np.uint32(entry >> _HALF)
    bits = ordered & ~_SIGN if ordered & _SIGN else ~ordered
    return np.uint32(bits).view(np.float32)


@kernel(I8, U8, inline=True)
def slot_of(entry: Whole) -> Whole:
    """Return the slot in a packed entry. O(1)."""
    return np.int64((entry >> _ONE) & _SLOT)


@kernel(I8, ENTRIES, I8, U8, inline=True)
def place_of(pool: Entries, size: Whole, entry: Whole) -> Whole:
    """Return how many of the first `size` entries are smaller: a binary search without branches. O(log size)."""
    low, left = 0, size
    while left > 1:
        half = left >> 1
        low += half if pool[low + half - 1] < entry else 0
        left -= half
    return low + 1 if left == 1 and pool[low] < entry else low


@kernel(I8, ENTRIES, I8, I8, U8, inline=True)
def insert(pool: Entries, size: Whole, most: Whole, entry: Whole) -> Whole:
    """Put `entry` into the sorted pool, which keeps its `most` smallest; return its place. O(size).

    REQUIRES: size < most, or the entry is smaller than the last.
    """
    place = place_of(pool, size, entry)
    shift(pool, place, max(place, min(size, most - 1)))
    pool[place] = entry
    return place


@kernel(I8, ENTRIES, I8, I8, inline=True)
def next_unexpanded(pool: Entries, place: Whole, size: Whole) -> Whole:
    """Return the first place from `place` on whose entry was not expanded, or `size`. O(size)."""
    while place < size and pool[place] & EXPANDED:
        place += 1
    return place
