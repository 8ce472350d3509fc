"""The rows of one library, in dictionaries."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pergamum.domain.document import Document
from pergamum.storage.base import IndexSnapshot, LibraryState, StoredChunk

Item = TypeVar("Item")


@dataclass(slots=True)
class Tables:
    """All rows of a library."""

    state: LibraryState
    documents: dict[str, Document] = field(default_factory=dict)
    chunks: dict[str, StoredChunk] = field(default_factory=dict)
    snapshot: IndexSnapshot | None = None

    def copy(self) -> "Tables":
        """Return a copy that can be changed without changing this one."""
        return replace(self, documents=dict(self.documents), chunks=dict(self.chunks))


class MemoryRows:
    """Implements `Rows` on tables that nobody changes any more."""

    def __init__(self, tables: Tables) -> None:
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
        return page(self._tables.documents, after, limit)

    def chunk(self, chunk_id: str) -> StoredChunk | None:
        """Return the chunk, if it exists."""
        return self._tables.chunks.get(chunk_id)

    def chunks_by_id(self, ids: Sequence[str]) -> dict[str, StoredChunk]:
        """Return those of `ids` that exist."""
        return {key: self._tables.chunks[key] for key in ids if key in self._tables.chunks}

    def chunks(self, after: str | None, limit: int) -> list[StoredChunk]:
        """Return the chunks whose id comes after `after`."""
        return page(self._tables.chunks, after, limit)

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

    def tables(self) -> Tables:
        """Return a copy of what the transaction holds."""
        return self._tables.copy()

    def restore(self, tables: Tables) -> None:
        """Go back to a copy taken earlier."""
        self._tables = tables


def page(items: dict[str, Item], after: str | None, limit: int) -> list[Item]:
    """Return at most `limit` items in ascending order of their keys, those after `after`."""
    ids = sorted(items)
    first = 0 if after is None else bisect_right(ids, after)
    return [items[key] for key in ids[first : first + limit]]
