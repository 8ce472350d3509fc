"""Which slots a search may return: copy-on-write blocks, so that removing one slot copies 64 KiB, never the mask."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Self, TypeAlias

import numpy as np
import numpy.typing as npt

BLOCK_SLOTS = 65_536

Flags: TypeAlias = npt.NDArray[np.bool_]

ALL: Final = np.ones(BLOCK_SLOTS, dtype=np.bool_)
"""The block of which every slot is allowed."""
ALL.flags.writeable = False


@dataclass(frozen=True, slots=True)
class SlotMask:
    """An immutable set of slots, true where a slot may be found.

    Block i covers slots [i * BLOCK_SLOTS, (i + 1) * BLOCK_SLOTS). A block never touched is the one shared block of
    ones, so a mask without removals costs a pointer for every 64 Ki slots. Slots beyond the blocks count as allowed.
    """

    blocks: tuple[Flags, ...] = ()
    dead: int = 0
    _flat: list[Flags] = field(default_factory=list, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, flags: Flags) -> Self:
        """Return the mask of the slots [0, len(flags)) where `flags` is true; those beyond the last block are allowed.

        The rest of the last block is not. O(len(flags)).
        """
        padded = np.zeros(-(-len(flags) // BLOCK_SLOTS) * BLOCK_SLOTS, dtype=np.bool_)
        padded[: len(flags)] = flags
        padded.flags.writeable = False
        mask = cls(tuple(padded.reshape(-1, BLOCK_SLOTS)), len(flags) - int(np.count_nonzero(flags)))
        mask._flat.append(padded)
        return mask

    def block(self, number: int) -> Flags:
        """Return the flags of block `number`, shape (BLOCK_SLOTS,), read-only."""
        return self.blocks[number] if number < len(self.blocks) else ALL

    def flat(self) -> Flags:
        """Return the flags of all blocks in one read-only array; slots beyond it are allowed. O(slots) once."""
        if not self._flat:  # two threads may both make it: they make the same
            flags = np.concatenate(self.blocks) if self.blocks else np.empty(0, dtype=np.bool_)
            flags.flags.writeable = False
            self._flat.append(flags)
        return self._flat[0]

    def allowed(self, count: int) -> int:
        """Return how many of the slots [0, count) may be found. O(count) unless the mask was never touched."""
        flags = self.flat()[:count]
        return count - len(flags) + int(np.count_nonzero(flags))

    def flags(self, count: int) -> Flags:
        """Return which of the slots [0, count) may be found, as an array of the caller's own. O(count)."""
        made = np.ones(count, dtype=np.bool_)
        known = self.flat()[:count]
        made[: len(known)] = known
        return made

    def without(self, slots: Iterable[int]) -> Self:
        """Return a mask in which `slots` are dead too. O(touched blocks * BLOCK_SLOTS)."""
        removed = np.fromiter(slots, dtype=np.int64)
        if not removed.size:
            return self
        touched = removed // BLOCK_SLOTS
        blocks = list(self.blocks) + [ALL] * (int(touched.max()) + 1 - len(self.blocks))
        newly_dead = 0
        for number in np.unique(touched):
            flags = blocks[number].copy()
            before = int(flags.sum())
            flags[removed[touched == number] % BLOCK_SLOTS] = False
            newly_dead += before - int(flags.sum())
            flags.flags.writeable = False
            blocks[number] = flags
        return type(self)(tuple(blocks), self.dead + newly_dead)
