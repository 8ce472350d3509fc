"""Bounded heaps over two parallel arrays: the k smallest pairs (key, slot), the largest of them at the root.

Shapes: `keys` (capacity,) f8 and `slots` (capacity,) i8; the first `size` entries are the heap. No key is NaN.
"""

import numpy as np
import numpy.typing as npt

from pergamum.index.jit import F8, FLAG, I8, Whole, array, kernel

Keys = npt.NDArray[np.float64]
Slots = npt.NDArray[np.int64]

KEYS, SLOTS = array(F8, 1), array(I8, 1)


@kernel(FLAG, F8, I8, F8, I8)
def before(key: float, slot: int, other_key: float, other_slot: int) -> bool:
    """Whether (key, slot) sorts before (other_key, other_slot). O(1)."""
    return key < other_key or (key == other_key and slot < other_slot)


@kernel(I8, KEYS, SLOTS, I8, F8, I8)
def sift_down(keys: Keys, slots: Slots, size: int, key: float, slot: int) -> int:
    """Put (key, slot) in place of the root and restore the heap; return where it came to rest.

    Cost     O(log size) time. Ends because every step goes down one level.
    """
    hole = 0
    while 2 * hole + 1 < size:
        child = 2 * hole + 1
        if child + 1 < size and before(keys[child], slots[child], keys[child + 1], slots[child + 1]):
            child += 1
        if not before(key, slot, keys[child], slots[child]):
            break
        keys[hole], slots[hole] = keys[child], slots[child]
        hole = child
    keys[hole], slots[hole] = key, slot
    return hole


@kernel(I8, KEYS, SLOTS, I8, F8, I8)
def sift_up(keys: Keys, slots: Slots, hole: int, key: float, slot: int) -> int:
    """Put (key, slot) at the free leaf `hole` and restore the heap; return where it came to rest.

    Cost     O(log hole) time. Ends because every step goes up one level.
    """
    while hole > 0:
        parent = (hole - 1) // 2
        if not before(keys[parent], slots[parent], key, slot):
            break
        keys[hole], slots[hole] = keys[parent], slots[parent]
        hole = parent
    keys[hole], slots[hole] = key, slot
    return hole


@kernel(I8, KEYS, SLOTS, I8, F8, I8)
def push_bounded(keys: Keys, slots: Slots, size: Whole, key: float, slot: Whole) -> Whole:
    """Keep the `len(keys)` smallest pairs of those pushed; return the new size. O(log size)."""
    if size < len(keys):
        sift_up(keys, slots, size, key, slot)
        return size + 1
    if before(key, slot, keys[0], slots[0]):
        sift_down(keys, slots, size, key, slot)
    return size


@kernel(I8, KEYS, SLOTS, I8)
def pop(keys: Keys, slots: Slots, size: int) -> int:
    """Move the largest pair to the end of the heap, [size - 1]; return the new size. REQUIRES size > 0. O(log size)."""
    last = size - 1
    key, slot = keys[last], slots[last]
    keys[last], slots[last] = keys[0], slots[0]
    if last > 0:
        sift_down(keys, slots, last, key, slot)
    return last


@kernel(I8, KEYS, SLOTS, I8)
def sort(keys: Keys, slots: Slots, size: Whole) -> Whole:
    """Turn the heap into an ascending list in place; return its length. O(size * log size)."""
    left = size
    while left > 0:
        left = pop(keys, slots, left)
    return size
