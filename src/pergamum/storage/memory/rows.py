"""The rows of one library, in dictionaries."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pergamum.domain.document import Document
from pergamum.domain.fields import Level
from pergamum.domain.json import JsonObject
from pergamum.domain.keywords import KeywordQuery, read_keywords
from pergamum.domain.replies import KeptReply
from pergamum.domain.schema import MetadataSchema
from pergamum.storage.base import IndexSnapshot, LibraryState, StoredChunk
from pergamum.storage.memory.keywords import entry_of, hits, matching
from pergamum.storage.naming import keyed_chunk, keyed_document, named_chunk, named_document

Item = TypeVar("Item")


@dataclass(slots=True)
class Tables:
    """All rows of a library. `numbers` are those of its documents, `changed` the positions that last changed them."""

    state: LibraryState
    documents: dict[str, Document] = field(default_factory=dict)
    chunks: dict[str, StoredChunk] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    replies: dict[str, KeptReply] = field(default_factory=dict)
    last_number: int = 0
    snapshot: IndexSnapshot | None = None

    def copy(self) -> "Tables":
        """Return a copy that can be changed without changing this one."""
        return replace(
            self,
            documents=dict(self.documents),
            chunks=dict(self.chunks),
            numbers=dict(self.numbers),
            changed=dict(self.changed),
            replies=dict(self.replies),
        )


class MemoryRows:
    """Implements `Rows` on tables that nobody changes any more."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._schema = tables.state.library.metadata_schema

    def state(self) -> LibraryState:
        """Return where the library stands."""
        return self._tables.state

    def document(self, document_id: str) -> Document | None:
        """Return the document, if it exists."""
        return self._documents.get(document_id)

    def documents_by_id(self, ids: Sequence[str]) -> dict[str, Document]:
        """Return those of `ids` that exist."""
        return {key: self._documents[key] for key in ids if key in self._documents}

    def documents(self, after: str | None, limit: int) -> list[Document]:
        """Return the documents whose id comes after `after`."""
        return page(self._documents, after, limit)

    def chunk(self, chunk_id: str) -> StoredChunk | None:
        """Return the chunk, if it exists."""
        return self._chunks.get(chunk_id)

    def chunks_by_id(self, ids: Sequence[str]) -> dict[str, StoredChunk]:
        """Return those of `ids` that exist."""
        return {key: self._chunks[key] for key in ids if key in self._chunks}

    def chunks(self, after: str | None, limit: int) -> list[StoredChunk]:
        """Return the chunks whose id comes after `after`."""
        return page(self._chunks, after, limit)

    def chunks_of(self, document_id: str, after: int | None, limit: int | None) -> list[StoredChunk]:
        """Return the document's chunks whose chunk_index is greater than `after`; `limit` None returns all."""
        found = [
            stored
            for stored in self._chunks.values()
            if stored.chunk.document_id == document_id and (after is None or stored.chunk.chunk_index > after)
        ]
        return sorted(found, key=lambda stored: (stored.chunk.chunk_index, stored.slot))[:limit]

    def slots_of(self, document_id: str) -> npt.NDArray[np.int64]:
        """Return the slots of the document's chunks, ascending."""
        chunks = self._chunks.values()
        return np.array(sorted(stored.slot for stored in chunks if stored.chunk.document_id == document_id), np.int64)

    def document_numbers(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the numbers of those of `ids` that exist."""
        return {key: self._tables.numbers[key] for key in ids if key in self._tables.numbers}

    def slots_by_id(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the slots of the chunks that exist of `ids`."""
        return {key: stored.slot for key, stored in self.chunks_by_id(ids).items()}

    def all_document_numbers(self) -> npt.NDArray[np.int64]:
        """Return the number of every document, ascending."""
        return np.array(sorted(self._tables.numbers.values()), np.int64)

    def documents_changed(self, since: int) -> Iterator[tuple[int, Document | None]]:
        """Yield (number, document) of the documents written after position `since`, ascending by number."""
        tables, documents = self._tables, self._documents
        for key, number in sorted(tables.numbers.items(), key=lambda item: item[1]):
            if tables.changed[key] > since:
                yield number, documents[key]

    def chunks_changed(self, since: int, first_slot: int) -> Iterator[tuple[int, int, StoredChunk | None]]:
        """Yield (slot, number of the document, chunk) of the chunks that are new or were written again."""
        for stored in self._by_slot():
            again = stored.chunk.version > 1 and stored.changed > since
            if stored.slot >= first_slot or again:
                yield stored.slot, self._tables.numbers[stored.chunk.document_id], stored

    def chunks_at(self, slots: Sequence[int]) -> dict[int, StoredChunk]:
        """Return the chunks that hold these slots."""
        wanted = set(slots)
        return {stored.slot: stored for stored in self._by_slot() if stored.slot in wanted}

    def documents_at(self, numbers: Sequence[int]) -> dict[int, Document]:
        """Return the documents with these numbers."""
        return {number: self._documents[key] for number, key in self.ids_at(Level.DOCUMENT, numbers).items()}

    def ids_at(self, level: Level, numbers: Sequence[int]) -> dict[int, str]:
        """Return the ids of the documents with these numbers, or of the chunks in these slots."""
        wanted = set(numbers)
        return {number: key for key, number in self._numbered(level).items() if number in wanted}

    def ids_after(self, level: Level, after: str | None, limit: int, *, descending: bool) -> list[tuple[str, int]]:
        """Return (id, number or slot) of what comes after `after`."""
        ids = sorted(self._numbered(level).items(), reverse=descending)
        behind = [item for item in ids if after is None or (item[0] < after if descending else item[0] > after)]
        return behind[:limit]

    def dead_slots(self) -> npt.NDArray[np.int64]:
        """Return the slots below next_slot that hold no chunk, ascending."""
        live = [stored.slot for stored in self._by_slot()]
        return np.setdiff1d(np.arange(self._tables.state.next_slot, dtype=np.int64), np.array(live, np.int64))

    def vector_checksums(self, first_slot: int) -> Iterator[tuple[int, int | None]]:
        """Yield (slot, vector_crc) of every chunk from `first_slot` on, ascending; no row is damaged here."""
        return ((stored.slot, stored.vector_crc) for stored in self._by_slot() if stored.slot >= first_slot)

    def stored_metadata(self, level: Level) -> Iterator[tuple[str, JsonObject]]:
        """Yield (id, metadata by its keys) of every document or chunk."""
        if level is Level.DOCUMENT:
            return ((document.id, document.metadata) for document in self._tables.documents.values())
        return ((stored.chunk.id, stored.chunk.metadata) for stored in self._tables.chunks.values())

    def keyword_hits(self, query: KeywordQuery, title_weight: float) -> Iterator[tuple[int, float]]:
        """Yield (slot, score) of every chunk that has a phrase worth ranking by, the best first."""
        documents = self._tables.documents
        entries = [entry_of(stored, documents[stored.chunk.document_id]) for stored in self._by_slot()]
        return iter(hits(entries, query, title_weight))

    def slots_matching(self, words: str) -> npt.NDArray[np.int64]:
        """Return the slots of the chunks whose text alone `matches` the words, ascending."""
        return np.array(list(matching(self._by_slot(), read_keywords(words))), np.int64)

    def reply(self, key: str) -> KeptReply | None:
        """Return what is kept under the key, if anything, however old."""
        return self._tables.replies.get(key)

    def snapshot(self) -> IndexSnapshot | None:
        """Return the index snapshot that counts, if any."""
        return self._tables.snapshot

    @property
    def _documents(self) -> dict[str, Document]:
        schema, documents = self._schema, self._tables.documents
        if schema.document_keys.plain:
            return documents
        return {key: named_document(schema, document) for key, document in documents.items()}

    @property
    def _chunks(self) -> dict[str, StoredChunk]:
        schema, chunks = self._schema, self._tables.chunks
        if schema.chunk_keys.plain:
            return chunks
        return {key: named_chunk(schema, stored) for key, stored in chunks.items()}

    def _numbered(self, level: Level) -> dict[str, int]:
        if level is Level.DOCUMENT:
            return self._tables.numbers
        return {key: stored.slot for key, stored in self._chunks.items()}

    def _by_slot(self) -> list[StoredChunk]:
        return sorted(self._chunks.values(), key=lambda stored: stored.slot)


class MemoryWritableRows(MemoryRows):
    """Implements `WritableRows` on tables that belong to one transaction."""

    def use_schema(self, schema: MetadataSchema) -> None:
        """Say by which names metadata is read and written from now on."""
        self._schema = schema

    def save_state(self, state: LibraryState) -> None:
        """Say where the library stands."""
        self._tables.state = state

    def put_documents(self, documents: Sequence[Document]) -> None:
        """Insert the documents, or replace the rows that have their ids."""
        tables = self._tables
        for document in documents:
            tables.documents[document.id] = keyed_document(self._schema, document)
            tables.changed[document.id] = tables.state.position + 1
            if document.id not in tables.numbers:
                tables.last_number += 1
                tables.numbers[document.id] = tables.last_number

    def remove_document(self, document_id: str) -> None:
        """Remove the row."""
        for table in (self._tables.documents, self._tables.numbers, self._tables.changed):
            table.pop(document_id, None)

    def put_chunks(self, chunks: Sequence[StoredChunk]) -> None:
        """Insert the chunks, or replace the rows that have their ids; a row's old slot is dead."""
        for stored in chunks:
            if stored.chunk.document_id not in self._tables.documents:
                raise KeyError(stored.chunk.document_id)
            self._tables.chunks[stored.chunk.id] = keyed_chunk(self._schema, stored)

    def remove_chunks(self, chunks: Sequence[StoredChunk]) -> None:
        """Remove the rows; their slots are dead."""
        for stored in chunks:
            self._tables.chunks.pop(stored.chunk.id, None)

    def keep_reply(self, kept: KeptReply) -> None:
        """Keep the reply, in place of one with the same key; forget those that are no longer good at its time."""
        keep(self._tables.replies, kept)

    def name_snapshot(self, snapshot: IndexSnapshot | None) -> None:
        """Say which index snapshot counts from now on."""
        self._tables.snapshot = snapshot

    def tables(self) -> Tables:
        """Return a copy of what the transaction holds."""
        return self._tables.copy()

    def restore(self, tables: Tables) -> None:
        """Go back to a copy taken earlier."""
        self._tables = tables


def keep(replies: dict[str, KeptReply], kept: KeptReply | None) -> None:
    """Keep the reply, if there is one, and forget those that are no longer good at its time."""
    if kept is None:
        return
    for key in [key for key, older in replies.items() if not older.good_at(kept.at)]:
        del replies[key]
    replies[kept.key.name] = kept


def page(items: dict[str, Item], after: str | None, limit: int) -> list[Item]:
    """Return at most `limit` items in ascending order of their keys, those after `after`."""
    ids = sorted(items)
    first = 0 if after is None else bisect_right(ids, after)
    return [items[key] for key in ids[first : first + limit]]
