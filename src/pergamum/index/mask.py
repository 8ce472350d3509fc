"""Which slots are live: copy-on-write blocks, so that removing one slot copies 64 KiB and never the whole mask."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

BLOCK_SLOTS = 65_536

Flags: TypeAlias = npt.NDArray[np.bool_]

_ALL = np.ones(BLOCK_SLOTS, dtype=np.bool_)
_ALL.flags.writeable = False


@dataclass(frozen=True, slots=True)
class SlotMask:
    """An immutable set of slots, true where a slot may be found.

    Block i covers slots [i * BLOCK_SLOTS, (i + 1) * BLOCK_SLOTS). A block never touched is the one shared block of
    ones, so a mask without removals costs a pointer for every 64 Ki slots. Slots beyond the blocks count as live.
    """

    blocks: tuple[Flags, ...] = ()
    dead: int = 0

    def block(self, number: int) -> Flags:
        """Return the flags of block `number`, shape (BLOCK_SLOTS,), read-only."""
        return self.blocks[number] if number < len(self.blocks) else _ALL

    def without(self, slots: Iterable[int]) -> Self:
        """Return a mask in which `slots` are dead too. O(touched blocks * BLOCK_SLOTS)."""
        removed = np.fromiter(slots, dtype=np.int64)
        if not removed.size:
            return self
        touched = removed // BLOCK_SLOTS
        blocks = list(self.blocks) + [_ALL] * (int(touched.max()) + 1 - len(self.blocks))
        newly_dead = 0
        for number in np.unique(touched):
            flags = blocks[number].copy()
            before = int(flags.sum())
            flags[removed[touched == number] % BLOCK_SLOTS] = False
            newly_dead += before - int(flags.sum())
            flags.flags.writeable = False
            blocks[number] = flags
        return type(self)(tuple(blocks), self.dead + newly_dead)

    def all_live(self, number: int) -> bool:
        """Whether block `number` was never touched."""
        return self.block(number) is _ALL
