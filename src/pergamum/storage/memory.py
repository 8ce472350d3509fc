"""The twin of the SQLite storage for tests: the same contract, kept in dictionaries, copied at each write."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock
from typing import TypeVar
from uuid import UUID

import numpy as np
import numpy.typing as npt

from pergamum.domain.document import Document
from pergamum.domain.library import Library
from pergamum.domain.operation import Operation
from pergamum.domain.vectors import Matrix
from pergamum.errors import Damaged, LibraryExists, LibraryNotFound
from pergamum.storage.base import IndexSnapshot, LibraryState, StoredChunk

Item = TypeVar("Item")


@dataclass(slots=True)
class _Tables:
    state: LibraryState
    documents: dict[str, Document] = field(default_factory=dict)
    chunks: dict[str, StoredChunk] = field(default_factory=dict)
    snapshot: IndexSnapshot | None = None

    def copy(self) -> "_Tables":
        return replace(self, documents=dict(self.documents), chunks=dict(self.chunks))


class MemoryRows:
    """Implements `Rows` on tables that nobody changes any more."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    def state(self) -> LibraryState:
        """Return where the library stands."""
        return self._tables.state

    def document(self, document_id: str) -> Document | None:
        """Return the document, if it exists."""
        return self._tables.documents.get(document_id)

    def documents_by_id(self, ids: Sequence[str]) -> dict[str, Document]:
        """Return those of `ids` that exist."""
        return {key: self._tables.documents[key] for key in ids if key in self._tables.documents}

    def documents(self, after: str | None, limit: int) -> list[Document]:
        """Return the documents whose id comes after `after`."""
        return _page(self._tables.documents, after, limit)

    def chunk(self, chunk_id: str) -> StoredChunk | None:
        """Return the chunk, if it exists."""
        return self._tables.chunks.get(chunk_id)

    def chunks_by_id(self, ids: Sequence[str]) -> dict[str, StoredChunk]:
        """Return those of `ids` that exist."""
        return {key: self._tables.chunks[key] for key in ids if key in self._tables.chunks}

    def chunks(self, after: str | None, limit: int) -> list[StoredChunk]:
        """Return the chunks whose id comes after `after`."""
        return _page(self._tables.chunks, after, limit)

    def chunks_of(self, document_id: str, after: int | None, limit: int | None) -> list[StoredChunk]:
        """Return the document's chunks whose chunk_index is greater than `after`; `limit` None returns all."""
        found = [
            stored
            for stored in self._tables.chunks.values()
            if stored.chunk.document_id == document_id and (after is None or stored.chunk.chunk_index > after)
        ]
        return sorted(found, key=lambda stored: (stored.chunk.chunk_index, stored.slot))[:limit]

    def chunks_at(self, slots: Sequence[int]) -> dict[int, StoredChunk]:
        """Return the chunks that hold these slots."""
        wanted = set(slots)
        return {stored.slot: stored for stored in self._by_slot() if stored.slot in wanted}

    def dead_slots(self) -> npt.NDArray[np.int64]:
        """Return the slots below next_slot that hold no chunk, ascending."""
        live = [stored.slot for stored in self._by_slot()]
        return np.setdiff1d(np.arange(self._tables.state.next_slot, dtype=np.int64), np.array(live, np.int64))

    def vector_checksums(self, first_slot: int) -> Iterator[tuple[int, int | None]]:
        """Yield (slot, vector_crc) of every chunk from `first_slot` on, ascending; no row is damaged here."""
        return ((stored.slot, stored.vector_crc) for stored in self._by_slot() if stored.slot >= first_slot)

    def snapshot(self) -> IndexSnapshot | None:
        """Return the index snapshot that counts, if any."""
        return self._tables.snapshot

    def _by_slot(self) -> list[StoredChunk]:
        return sorted(self._tables.chunks.values(), key=lambda stored: stored.slot)


class MemoryWritableRows(MemoryRows):
    """Implements `WritableRows` on tables that belong to one transaction."""

    def save_state(self, state: LibraryState) -> None:
        """Say where the library stands."""
        self._tables.state = state

    def put_documents(self, documents: Sequence[Document]) -> None:
        """Insert the documents, or replace the rows that have their ids."""
        self._tables.documents.update((document.id, document) for document in documents)

    def remove_document(self, document_id: str) -> None:
        """Remove the row."""
        self._tables.documents.pop(document_id, None)

    def put_chunks(self, chunks: Sequence[StoredChunk]) -> None:
        """Insert the chunks, or replace the rows that have their ids; a row's old slot is dead."""
        for stored in chunks:
            if stored.chunk.document_id not in self._tables.documents:
                raise KeyError(stored.chunk.document_id)
            self._tables.chunks[stored.chunk.id] = stored

    def remove_chunks(self, chunks: Sequence[StoredChunk]) -> None:
        """Remove the rows; their slots are dead."""
        for stored in chunks:
            self._tables.chunks.pop(stored.chunk.id, None)

    def name_snapshot(self, snapshot: IndexSnapshot | None) -> None:
        """Say which index snapshot counts from now on."""
        self._tables.snapshot = snapshot

    def tables(self) -> _Tables:
        """Return a copy of what the transaction holds."""
        return self._tables.copy()

    def restore(self, tables: _Tables) -> None:
        """Go back to a copy taken earlier."""
        self._tables = tables


class MemoryUnitOfWork:
    """Implements `UnitOfWork`."""

    def __init__(self, tables: _Tables, vectors: "MemoryVectors", keep: Callable[[_Tables], None]) -> None:
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
        self._committed = _Tables(LibraryState(library))
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

    def _keep(self, tables: _Tables) -> None:
        self._committed = tables


class MemoryCatalog:
    """Implements `CatalogStore`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._listed: dict[UUID, datetime] = {}
        self._deleted: set[UUID] = set()
        self._names: dict[str, UUID] = {}
        self._operations: dict[UUID, Operation] = {}

    def add(self, library_id: UUID, name: str, at: datetime) -> None:
        """List a library. Raises `LibraryExists` when the name is taken."""
        with self._lock:
            self._give(library_id, name)
            self._listed[library_id] = at

    def remove(self, library_id: UUID) -> None:
        """Leave a tombstone in place of the library and free its names. Raises `LibraryNotFound`."""
        with self._lock:
            self._check_listed(library_id)
            del self._listed[library_id]
            self._deleted.add(library_id)
            self._names = {name: holder for name, holder in self._names.items() if holder != library_id}

    def reserve(self, library_id: UUID, name: str) -> None:
        """Give the library one more name. Raises `LibraryExists`, `LibraryNotFound`."""
        with self._lock:
            self._check_listed(library_id)
            self._give(library_id, name)

    def release_all_but(self, library_id: UUID, name: str) -> None:
        """Free the names of the library other than `name`."""
        with self._lock:
            self._names = {held: holder for held, holder in self._names.items() if holder != library_id or held == name}

    def names(self, library_id: UUID) -> list[str]:
        """Return the names of the library, none when it is not listed."""
        with self._lock:
            return sorted(name for name, holder in self._names.items() if holder == library_id)

    def find(self, name: str) -> UUID | None:
        """Return the library that holds the name."""
        return self._names.get(name)

    def page(self, after: str | None, limit: int) -> list[tuple[str, UUID]]:
        """Return at most `limit` (name, library id) in ascending order of name, those after `after`."""
        with self._lock:
            names = {name: (name, holder) for name, holder in self._names.items()}
        return _page(names, after, limit)

    def libraries(self) -> set[UUID]:
        """Return every listed library."""
        return set(self._listed)

    def tombstones(self) -> set[UUID]:
        """Return every library that was deleted here."""
        return set(self._deleted)

    def save_operation(self, operation: Operation) -> None:
        """Insert the operation, or replace the one with its id."""
        self._operations[operation.id] = operation

    def operation(self, operation_id: UUID) -> Operation | None:
        """Return the operation, if it is known."""
        return self._operations.get(operation_id)

    def unfinished_operations(self) -> list[Operation]:
        """Return the operations that have not ended, the oldest first."""
        unfinished = [operation for operation in self._operations.values() if not operation.ended]
        return sorted(unfinished, key=lambda operation: operation.created_at)

    def _give(self, library_id: UUID, name: str) -> None:
        if self._names.setdefault(name, library_id) != library_id:
            raise LibraryExists(name)

    def _check_listed(self, library_id: UUID) -> None:
        if library_id not in self._listed:
            raise LibraryNotFound(str(library_id))


class MemoryStorage:
    """Implements `Storage`; `close` keeps everything, so a test can go on as if it had started again."""

    def __init__(self) -> None:
        self._catalog = MemoryCatalog()
        self._stores: dict[UUID, MemoryLibraryStore] = {}

    @property
    def catalog(self) -> MemoryCatalog:
        """Which libraries exist, under which names, and the operations."""
        return self._catalog

    def create(self, library: Library) -> None:
        """Make an empty store for the library, not listed in the catalogue."""
        if library.id in self._stores:
            raise FileExistsError(library.id)
        self._stores[library.id] = MemoryLibraryStore(library)

    def open(self, library_id: UUID) -> MemoryLibraryStore:
        """Open the store. Raises `Damaged` when it is missing."""
        if library_id not in self._stores:
            raise Damaged(str(library_id), "the library is missing")
        return self._stores[library_id]

    def destroy(self, library_id: UUID) -> None:
        """Take the store away; harmless when there is none."""
        self._stores.pop(library_id, None)

    def tidy(self) -> list[UUID]:
        """Remove stores with a tombstone and unlisted ones at position 0; return the other unlisted ones."""
        kept = []
        for library_id in sorted(self._stores.keys() - self._catalog.libraries()):
            if library_id in self._catalog.tombstones() or self._position(library_id) == 0:
                self.destroy(library_id)
            else:
                kept.append(library_id)
        return kept

    def release_reserve(self) -> None:
        """Nothing to free: memory keeps no reserve."""

    def restore_reserve(self) -> None:
        """Nothing to keep."""

    def close(self) -> None:
        """Nothing to release."""

    def _position(self, library_id: UUID) -> int:
        with self._stores[library_id].reading() as rows:
            return rows.state().position


def _page(items: dict[str, Item], after: str | None, limit: int) -> list[Item]:
    ids = sorted(items)
    first = 0 if after is None else bisect_right(ids, after)
    return [items[key] for key in ids[first : first + limit]]
