"""Rows and vectors of one library, in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from pergamum.domain.library import Library
from pergamum.domain.vectors import Matrix
from pergamum.errors import Damaged
from pergamum.storage.base import LibraryState
from pergamum.storage.memory.rows import MemoryRows, MemoryWritableRows, Tables


class MemoryUnitOfWork:
    """Implements `UnitOfWork`."""

    def __init__(self, tables: Tables, vectors: "MemoryVectors", keep: Callable[[Tables], None]) -> None:
        self._vectors, self._keep = vectors, keep
        self._rows = MemoryWritableRows(tables)

    @property
    def rows(self) -> MemoryWritableRows:
        """The rows as this transaction sees them."""
        return self._rows

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Make what is written inside the block undone when the block raises; the error goes on."""
        before = self._rows.tables()
        try:
            yield
        except BaseException:
            self._rows.restore(before)
            raise

    def store_vectors(self, first_slot: int, vectors: Matrix) -> None:
        """Write vectors into the slots from `first_slot` on."""
        self._vectors.create(vectors.shape[1])
        self._vectors.write(first_slot, vectors)

    def commit(self) -> None:
        """Let later readers see the transaction."""
        self._keep(self._rows.tables())


class MemoryVectors:
    """Implements `VectorStore`. Older arrays are written too, as older maps of a file would show the bytes."""

    def __init__(self) -> None:
        self._arrays: list[Matrix] = []

    @property
    def mapped_bytes(self) -> int:
        """How many bytes the current array has."""
        return self._arrays[-1].nbytes if self._arrays else 0

    def create(self, dimension: int) -> None:
        """Be ready for vectors of `dimension` numbers."""
        if not self._arrays or self._arrays[-1].shape[1] != dimension:
            self._arrays = [np.zeros((64, dimension), np.float32)]

    def write(self, first_slot: int, vectors: Matrix) -> None:
        """Write vectors into the slots from `first_slot` on."""
        if not self._arrays or vectors.ndim != 2 or vectors.shape[1] != self._arrays[-1].shape[1]:
            raise ValueError(f"vectors of shape {vectors.shape} do not fit")
        self._make_room(first_slot + len(vectors))
        for array in self._arrays:
            part = vectors[: max(len(array) - first_slot, 0)]
            array[first_slot : first_slot + len(part)] = part

    def matrix(self, slots: int) -> Matrix:
        """Return a read-only view of at least `slots` rows."""
        matrix = self._arrays[-1].view() if self._arrays else np.empty((0, 0), np.float32)
        if len(matrix) < slots:
            raise Damaged("vectors in memory", f"there is room for {len(matrix)} vectors, the rows speak of {slots}")
        matrix.flags.writeable = False
        return matrix

    def _make_room(self, slots: int) -> None:
        while len(self._arrays[-1]) < slots:
            old = self._arrays[-1]
            self._arrays.append(np.concatenate([old, np.zeros_like(old)]))


class MemoryLibraryStore:
    """Implements `LibraryStore`; what is committed outlives `close`, as on a disk."""

    index_folder = None
    failure = None

    def __init__(self, library: Library) -> None:
        self._committed = Tables(LibraryState(library))
        self._vectors = MemoryVectors()

    @property
    def vectors(self) -> MemoryVectors:
        """The vectors, by slot."""
        return self._vectors

    @contextmanager
    def reading(self) -> Iterator[MemoryRows]:
        """Open a read transaction."""
        yield MemoryRows(self._committed)

    @contextmanager
    def writing(self) -> Iterator[MemoryUnitOfWork]:
        """Open the write transaction."""
        yield MemoryUnitOfWork(self._committed.copy(), self._vectors, self._keep)

    def settle(self) -> None:
        """Nothing to do: memory is never more durable."""

    def checkpoint(self) -> None:
        """Nothing to do: there is no log."""

    def close(self) -> None:
        """Nothing to release."""

    def _keep(self, tables: Tables) -> None:
        self._committed = tables
