"""What every index can do. An index knows slots and vectors, never ids, texts or metadata.

Words: a *slot* is a row number; *live* slots are the ones a search may return; vectors stay in the memory-mapped
float32 matrix of the library, an index keeps only what it derives from them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix
from pergamum.index.mask import SlotMask


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What a search found for m queries: `slots` int64 and `distances` float64, both (m, k).

    Each row is sorted by (distance, slot). Where fewer than k slots are live the row ends with slot -1, distance inf.
    `verified` counts the float32 vectors that were read to answer.
    """

    slots: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float64]
    verified: int = 0


class VectorIndex(Protocol):
    """Nearest neighbours over the slots [0, count).

    An index is an immutable value: searches from any number of threads may overlap with each other and with
    `extended`, and an index once published answers the same for ever.
    """

    @property
    def count(self) -> int:
        """How many slots the index covers, live or not."""

    @property
    def memory_bytes(self) -> int:
        """Anonymous memory held, in bytes, reserved but untouched pages excluded."""

    def extended(self, vectors: Matrix) -> Self:
        """Return an index that covers `vectors` too, as slots [count, count + len(vectors)).

        Memory is shared with this index: what is new lies beyond this index's count, so the cost is O(new vectors).
        REQUIRES: one caller at a time; called on the newest index, or on an older one when everything newer has been
        thrown away (a write that was rolled back); vectors have passed the library's check.
        """

    def search(self, queries: Matrix, k: int, vectors: Matrix, live: SlotMask) -> Neighbours:
        """Return for each query the at most `k` nearest live slots, nearest first, ties by slot.

        `vectors` is the library's matrix, at least `count` rows: those this index was made of.
        """

    def save(self, folder: Path) -> None:
        """Write the index into `folder`, which exists and is empty; files are fsynced, the folder is not."""
