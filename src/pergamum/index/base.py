"""What every index can do. An index knows slots and vectors, never ids, texts or metadata.

Words: a *slot* is a row number; *allowed* slots are the ones a search may return, those that are live and pass its
filter; vectors stay in the memory-mapped float32 matrix of the library, an index keeps only what it derives from them.

Two contracts. A `GrowingIndex` takes new vectors at once and answers exactly: the scan. A `BuiltIndex` is made in the
background over the slots that existed then; `layered.py` puts a growing one beside it for what has come since.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from pergamum.domain.vectors import Matrix
from pergamum.index.mask import SlotMask


class Neighbours(NamedTuple):
    """What a search found for m queries: `slots` int64 and `distances` float64, both (m, k).

    Each row is sorted by (distance, slot). Where fewer than k slots are live the row ends with slot -1, distance inf.
    `verified` counts the float32 vectors that were read to answer, `scored` the codes that were compared, and
    `rescanned` the queries that were answered by an exact scan because the index could not vouch for its own answer.
    A tuple, for every search makes one: it takes 0.16 us, a frozen dataclass 0.42.
    """

    slots: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float64]
    verified: int = 0
    scored: int = 0
    rescanned: int = 0


def padded(found: Neighbours, k: int) -> Neighbours:
    """Return `found` with k columns: slot -1, distance inf where there is nothing."""
    missing = ((0, 0), (0, k - found.slots.shape[1]))
    if not missing[1][1]:
        return found
    return found._replace(
        slots=np.pad(found.slots, missing, constant_values=-1),
        distances=np.pad(found.distances, missing, constant_values=np.inf),
    )


class Strategy(StrEnum):
    """How a search goes about it. The first two are exact."""

    SCAN = "exact_scan"
    TREE = "tree"
    TABLES = "hash_tables"
    GRAPH = "graph"
    FILTERED_GRAPH = "filtered_graph"
    PARTITIONS = "partitions"


EXACT = frozenset({Strategy.SCAN, Strategy.TREE})


@dataclass(frozen=True, slots=True)
class Route:
    """A strategy and how hard to try. `effort` is the strategy's own unit, 0 where it is exact.

    graph, filtered_graph: slots kept in the search pool. hash_tables: buckets looked into. partitions: partitions.
    """

    strategy: Strategy
    effort: int = 0

    @property
    def exact(self) -> bool:
        """Whether the answer is the true one."""
        return self.strategy in EXACT


SCAN = Route(Strategy.SCAN)


@dataclass(frozen=True, slots=True)
class Job:
    """What a build may use, and whom it tells how far it is.

    `report` takes the share done, 0 to 1, and raises `Cancelled` when nobody wants the result any more: call it some
    ten times a second, from the thread that called the build.
    """

    threads: int
    report: Callable[[float], None]


class GrowingIndex(Protocol):
    """Nearest neighbours over the slots [first, count), exact, growing with every write.

    An index is an immutable value: searches from any number of threads may overlap with each other and with
    `extended`, and an index once published answers the same for ever.
    """

    @property
    def first(self) -> int:
        """The first slot it covers."""

    @property
    def count(self) -> int:
        """One more than the last slot it covers."""

    @property
    def memory_bytes(self) -> int:
        """Memory of its codes, in bytes, anonymous or mapped; reserved but untouched pages excluded."""

    @property
    def anonymous_bytes(self) -> int:
        """How many of them the process holds itself; the others are a file's, mapped."""

    def extended(self, vectors: Matrix) -> Self:
        """Return an index that covers `vectors` too, as slots [count, count + len(vectors)).

        Memory is shared with this index: what is new lies beyond this index's count, so the cost is O(new vectors).
        REQUIRES: one caller at a time; called on the newest index, or on an older one when everything newer has been
        thrown away (a write that was rolled back); vectors have passed the library's check.
        """

    def search(self, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask, begin: int = 0) -> Neighbours:
        """Return for each query the at most `k` nearest allowed slots of [max(first, begin), count), ties by slot.

        `vectors` is the library's matrix, at least `count` rows: those this index was made of.
        """

    def save(self, folder: Path) -> None:
        """Write the index into `folder`, which exists; files are fsynced, the folder is not."""


class BuiltIndex(Protocol):
    """Nearest neighbours over the slots [0, count), made in the background and never changed.

    Searches from any number of threads may overlap. All strategies return reference distances (`distance.py`).
    Slots that were not live when it was made may be left out: a slot never comes back to life.
    """

    @property
    def kind(self) -> str:
        """The name of the kind: `kd_tree`, `lsh`, `hnsw`, `ivf`."""

    @property
    def count(self) -> int:
        """How many slots it covers, live or not."""

    @property
    def memory_bytes(self) -> int:
        """Memory of its arrays, in bytes, anonymous or mapped."""

    @property
    def anonymous_bytes(self) -> int:
        """How many of them the process holds itself; the others are a file's, mapped."""

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        """How it can be searched. Without SCAN among them, somebody else keeps codes of every slot for exact scans."""

    def efforts(self, strategy: Strategy, k: int) -> tuple[int, ...]:
        """Return efforts worth measuring for k hits, ascending: a few, each about 1.5 times the one before."""

    def search(self, queries: Matrix, k: int, vectors: Matrix, allowed: SlotMask, route: Route) -> Neighbours:
        """Return for each query at most `k` near allowed slots, nearest first, ties by slot.

        `vectors` is the library's matrix, at least `count` rows. k hits come back whenever k slots are allowed.
        REQUIRES: `route.strategy` is one of `strategies`; the kernels are loaded.
        """

    def grown(self, vectors: Matrix, live: SlotMask, job: Job) -> Self:
        """Return an index over all rows of `vectors`, of which this one covers the first `count`.

        What is not live is left out or mended where that pays. The result is the same for any number of threads.
        Raises `Cancelled`.
        """

    def save(self, folder: Path) -> None:
        """Write the index into `folder`, which exists; files are fsynced, the folder is not."""

    def faults(self) -> Iterator[str]:
        """Yield what is wrong inside, for the doctor: links out of range, unreachable slots, order. May be slow."""
