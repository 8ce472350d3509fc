"""Where the codes of a brute-force index live: blocks of 64 Ki slots that grow in place.

A block reserves address space for all its slots at once; the kernel gives memory only to pages that were written, so a
library of ten chunks holds a few pages and one that grows never copies what it has.
"""

import mmap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pergamum.index.arrays import readonly
from pergamum.index.bound import Bound, bound
from pergamum.index.mask import BLOCK_SLOTS
from pergamum.index.quantize import UNIT, Codes, padded

GROUP = 64
"""Slots whose codes are interleaved: four 512-bit registers of sixteen 4-byte units."""
GROUPS = BLOCK_SLOTS // GROUP
"""Groups of a block."""
PAGE = 4096


class Block(NamedTuple):
    """64 Ki slots, in anonymous memory or, once they are all used and saved, in a file mapped read-only.

    Only the last block of an index is written, and only beyond every published count.

    `codes` u1 (1024 groups, units, 256): byte [g, u, 4 * j + b] is dimension 4 * u + b of slot 64 * g + j.
    `scales` f4, `errors` f4, `squares` i4: (65536,), see `quantize.py`.
    """

    codes: npt.NDArray[np.uint8]
    scales: npt.NDArray[np.float32]
    errors: npt.NDArray[np.float32]
    squares: npt.NDArray[np.int32]


def reserve(dimension: int) -> Block:
    """Return an empty block. O(1): nothing is touched."""
    space = mmap.mmap(-1, block_bytes(dimension), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        space.madvise(mmap.MADV_NOHUGEPAGE)
    return block_in(space, 0, dimension)


def block_bytes(dimension: int) -> int:
    """Return the size of a block."""
    return BLOCK_SLOTS * (padded(dimension) + 3 * 4)


def block_in(space: mmap.mmap, start: int, dimension: int) -> Block:
    """Return the block that begins at byte `start` of a map, writable where the map is. O(1)."""
    terms = start + BLOCK_SLOTS * padded(dimension)
    return Block(
        np.frombuffer(space, np.uint8, terms - start, start).reshape(BLOCK_SLOTS // GROUP, -1, GROUP * UNIT),
        np.frombuffer(space, np.float32, BLOCK_SLOTS, terms),
        np.frombuffer(space, np.float32, BLOCK_SLOTS, terms + 4 * BLOCK_SLOTS),
        np.frombuffer(space, np.int32, BLOCK_SLOTS, terms + 8 * BLOCK_SLOTS),
    )


def frozen(block: Block) -> Block:
    """Return the block as kernels take it: arrays that cannot be written."""
    codes, scales, errors, squares = block
    return Block(readonly(codes), readonly(scales), readonly(errors), readonly(squares))


def bound_blocks(blocks: Sequence[Block]) -> Bound:
    """Return where the arrays of the blocks lie, four of each, as `block_at` of kernels.py puts them together."""
    arrays = ((block.codes.reshape(-1, GROUP * UNIT), *block[1:]) for block in blocks)
    return bound([array for four in arrays for array in four])


def write(block: Block, first: int, new: Codes) -> None:
    """Put `new` at the slots [first, first + n) of the block. O(n * d)."""
    slots = np.arange(first, first + len(new.scales))
    units = block.codes.view(np.uint32)
    units[slots // GROUP, :, slots % GROUP] = new.codes.view(np.uint32)
    block.scales[slots], block.errors[slots], block.squares[slots] = new.scales, new.errors, new.squares


def touched_bytes(dimension: int, used: int) -> int:
    """Return the bytes of the pages that hold `used` slots of a block."""
    groups = -(-used // GROUP)
    parts = (groups * GROUP * padded(dimension), used * 4, used * 4, used * 4)
    return sum(-(-part // PAGE) * PAGE for part in parts)


def used_slots(count: int) -> list[int]:
    """Return how many slots of each block an index of `count` slots uses."""
    return [min(BLOCK_SLOTS, count - first) for first in range(0, count, BLOCK_SLOTS)]
