"""Where the codes of a brute-force index live: blocks of 64 Ki slots that grow in place.

A block reserves address space for all its slots at once; the kernel gives memory only to pages that were written, so a
library of ten chunks holds a few pages and one that grows never copies what it has.
"""

import mmap
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pergamum.index.mask import BLOCK_SLOTS
from pergamum.index.quantize import UNIT, Codes, padded

GROUP = 64
"""Slots whose codes are interleaved: four 512-bit registers of sixteen 4-byte units."""
PAGE = 4096


class Block(NamedTuple):
    """64 Ki slots. All arrays are writable, and written only beyond every published count.

    `codes` u1 (1024 groups, units, 256): byte [g, u, 4 * j + b] is dimension 4 * u + b of slot 64 * g + j.
    `scales` f4, `errors` f4, `squares` i4: (65536,), see `quantize.py`.
    """

    codes: npt.NDArray[np.uint8]
    scales: npt.NDArray[np.float32]
    errors: npt.NDArray[np.float32]
    squares: npt.NDArray[np.int32]


def reserve(dimension: int) -> Block:
    """Return an empty block. O(1): nothing is touched."""
    code_bytes, term_bytes = BLOCK_SLOTS * padded(dimension), BLOCK_SLOTS * 4
    space = mmap.mmap(-1, code_bytes + 3 * term_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        space.madvise(mmap.MADV_NOHUGEPAGE)
    return Block(
        np.frombuffer(space, np.uint8, code_bytes).reshape(BLOCK_SLOTS // GROUP, -1, GROUP * UNIT),
        np.frombuffer(space, np.float32, BLOCK_SLOTS, code_bytes),
        np.frombuffer(space, np.float32, BLOCK_SLOTS, code_bytes + term_bytes),
        np.frombuffer(space, np.int32, BLOCK_SLOTS, code_bytes + 2 * term_bytes),
    )


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
