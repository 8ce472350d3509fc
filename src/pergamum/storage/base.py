"""What a store of one library promises. SQLite keeps the rows on disk; `memory/` is the twin for tests.

The order of a durable write, kept by the engine:
    work.rows -> work.store_vectors -> work.commit -> publish the view -> acknowledge
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

import numpy as np
import numpy.typing as npt

from pergamum.domain.chunk import Chunk
from pergamum.domain.document import Document
from pergamum.domain.fields import Level
from pergamum.domain.json import JsonObject
from pergamum.domain.keywords import KeywordQuery
from pergamum.domain.library import Library
from pergamum.domain.operation import Operation
from pergamum.domain.replies import KeptReply
from pergamum.domain.schema import MetadataSchema
from pergamum.domain.vectors import Matrix


@dataclass(frozen=True, slots=True)
class LibraryState:
    """The one row that says where a library stands; saved in the transaction of every group.

    `position` is that of the last command applied, `history` the running hash (32 bytes) of all commands applied,
    `next_slot` the first slot never used, `documents` and `chunks` how many there are.
    """

    library: Library
    position: int = 0
    history: bytes = bytes(32)
    next_slot: int = 0
    documents: int = 0
    chunks: int = 0


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk's row: the chunk, its slot, the crc32 of its float32 bytes, the position that last changed the row."""

    chunk: Chunk
    slot: int
    vector_crc: int
    changed: int


@dataclass(frozen=True, slots=True)
class IndexSnapshot:
    """The index snapshot that counts: its folder under index/, the slots it covers, the crc32 of its manifest."""

    folder: str
    position: int
    slots: int
    manifest_crc: int


class Rows(Protocol):
    """One read transaction: all it answers belongs to one position, `state().position`.

    A row whose checksum does not match raises `Damaged`. Metadata is by its names in the schema of `state().library`,
    whatever the keys are that it is stored under. Lists are in ascending order of id (by code point), those of
    a document's chunks in the order of chunk_index, and hold at most `limit` items.
    """

    def state(self) -> LibraryState:
        """Return where the library stands."""

    def document(self, document_id: str) -> Document | None:
        """Return the document, if it exists."""

    def documents_by_id(self, ids: Sequence[str]) -> dict[str, Document]:
        """Return those of `ids` that exist."""

    def documents(self, after: str | None, limit: int) -> list[Document]:
        """Return the documents whose id comes after `after`."""

    def chunk(self, chunk_id: str) -> StoredChunk | None:
        """Return the chunk, if it exists."""

    def chunks_by_id(self, ids: Sequence[str]) -> dict[str, StoredChunk]:
        """Return those of `ids` that exist."""

    def chunks(self, after: str | None, limit: int) -> list[StoredChunk]:
        """Return the chunks whose id comes after `after`."""

    def chunks_of(self, document_id: str, after: int | None, limit: int | None) -> list[StoredChunk]:
        """Return the document's chunks whose chunk_index is greater than `after`; `limit` None returns all."""

    def slots_of(self, document_id: str) -> npt.NDArray[np.int64]:
        """Return the slots of the document's chunks, ascending; none for a document that does not exist.

        No row's checksum is looked at: who relies on a slot reads its row.
        """

    def document_numbers(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the numbers of those of `ids` that exist: at least 1, and a document's own as long as it exists.

        Neither here nor in `slots_by_id` is a row's checksum looked at.
        """

    def slots_by_id(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the slots of the chunks that exist of `ids`."""

    def all_document_numbers(self) -> npt.NDArray[np.int64]:
        """Return the number of every document, ascending."""

    def documents_changed(self, since: int) -> Iterable[tuple[int, Document | None]]:
        """Yield (number, document) of the documents written after position `since`, of all where it is negative.

        Raises nothing for a damaged row: None stands for the document. Ascending by number.
        """

    def chunks_changed(self, since: int, first_slot: int) -> Iterable[tuple[int, int, StoredChunk | None]]:
        """Yield (slot, number of the document, chunk) of the chunks at `first_slot` or beyond, ascending by slot.

        Before them come those below it that were written again, in their slot, after position `since`. Raises nothing
        for a damaged row: (slot, 0, None) stands for it.
        """

    def chunks_at(self, slots: Sequence[int]) -> dict[int, StoredChunk]:
        """Return the chunks that hold these slots; slots that hold none are left out."""

    def documents_at(self, numbers: Sequence[int]) -> dict[int, Document]:
        """Return the documents with these numbers; numbers of none are left out."""

    def ids_at(self, level: Level, numbers: Sequence[int]) -> dict[int, str]:
        """Return the ids of the documents with these numbers, or of the chunks in these slots, as far as there are any.

        Neither here nor in `ids_after` is a row's checksum looked at.
        """

    def ids_after(self, level: Level, after: str | None, limit: int, *, descending: bool) -> list[tuple[str, int]]:
        """Return (id, number or slot) of the documents or chunks whose ids come after `after`, in that order of id."""

    def dead_slots(self) -> npt.NDArray[np.int64]:
        """Return the slots below next_slot that hold no chunk, ascending."""

    def vector_checksums(self, first_slot: int) -> Iterable[tuple[int, int | None]]:
        """Yield (slot, vector_crc) of every chunk at `first_slot` or beyond, ascending by slot.

        Raises nothing for a damaged row: (slot, None) says that it vouches for no vector.
        """

    def stored_metadata(self, level: Level) -> Iterable[tuple[str, JsonObject]]:
        """Yield (id, metadata by its keys) of every document or chunk. No row's checksum is looked at."""

    def keyword_hits(self, query: KeywordQuery, title_weight: float) -> Iterator[tuple[int, float]]:
        """Yield (slot, score) of every chunk that has a phrase of the query worth ranking by, the best first.

        A chunk has the words of its text, and of its document's title: those count `title_weight` times as often.
        The score is BM25 (k1 = 1.2, b = 0.75), always positive; equal ones come in ascending order of slot. See
        `worth_ranking` for the phrases left out. REQUIRES: title_weight > 0. Raises `KeywordsDamaged` when the index
        is not fit to answer; everything else goes on then. An iterator not read to its end is to be closed before
        the transaction ends.
        """

    def slots_matching(self, words: str) -> npt.NDArray[np.int64]:
        """Return the slots of the chunks whose text alone `matches` the words, ascending.

        Raises `KeywordsDamaged`, too.
        """

    def reply(self, key: str) -> KeptReply | None:
        """Return what is kept under the key, if anything, however old. Raises `Damaged`."""

    def snapshot(self) -> IndexSnapshot | None:
        """Return the index snapshot that counts, if any."""


class WritableRows(Rows, Protocol):
    """The rows inside the one write transaction."""

    def use_schema(self, schema: MetadataSchema) -> None:
        """Say by which names metadata is read and written from now on; until then they are those of `state`."""

    def save_state(self, state: LibraryState) -> None:
        """Replace the state."""

    def put_documents(self, documents: Sequence[Document]) -> None:
        """Insert the documents, or replace the rows that have their ids."""

    def remove_document(self, document_id: str) -> None:
        """Remove the row. REQUIRES: the document's chunks have been removed."""

    def put_chunks(self, chunks: Sequence[StoredChunk]) -> None:
        """Insert the chunks, or replace the rows that have their ids. REQUIRES: their documents are stored.

        A row that moves to another slot leaves its old slot dead.
        """

    def remove_chunks(self, chunks: Sequence[StoredChunk]) -> None:
        """Remove the rows; their slots are dead. REQUIRES: these are the rows as stored."""

    def keep_reply(self, kept: KeptReply) -> None:
        """Keep the reply, in place of one with the same key.

        Of replies that are no longer good at its time some are forgotten now and then: more than come.
        """

    def name_snapshot(self, snapshot: IndexSnapshot | None) -> None:
        """Say which index snapshot counts from now on."""


class UnitOfWork(Protocol):
    """One write transaction. Leaving its block without `commit` rolls it back."""

    @property
    def rows(self) -> WritableRows:
        """The rows as this transaction sees and changes them."""

    def savepoint(self) -> AbstractContextManager[None]:
        """Make what is written inside the block undone when the block raises; the error goes on."""

    def store_vectors(self, first_slot: int, vectors: Matrix) -> None:
        """Write vectors into the slots from `first_slot` on: in `matrix` at once, durable when the transaction is.

        REQUIRES: no committed row holds these slots, no committed state names another dimension. Vectors of a
        transaction that is rolled back are rubbish beyond next_slot. Raises `StorageFull`, or `OutcomeUnknown` when a
        flush failed.
        """

    def commit(self) -> None:
        """Make the transaction durable.

        Raises `StorageFull` when the disk is full: all is rolled back and the next write may try. Raises
        `OutcomeUnknown` when the flush failed: whether the transaction is kept will be known when the store has been
        opened again, and nothing more may be written before. Raises `KeywordsDamaged` at most once as long as the
        store is open: nothing is kept, and the same writes succeed in another transaction, without keywords.
        """


class VectorStore(Protocol):
    """The library's vectors, addressed by slot; written by `UnitOfWork.store_vectors`. Threads: any."""

    def matrix(self, slots: int) -> Matrix:
        """Return a read-only map of at least `slots` rows, shape (rows, dimension).

        It stays valid as long as it is referenced; it shows later writes to slots at or beyond `slots`. Raises
        `Damaged` when there is no room for so many.
        """

    @property
    def mapped_bytes(self) -> int:
        """How many bytes of the file are mapped."""


class ReadableStore(Protocol):
    """Rows and vectors of one library, as far as reading them is concerned. Threads: any."""

    @property
    def vectors(self) -> VectorStore:
        """The vectors of the library."""

    @property
    def index_folder(self) -> Path | None:
        """The folder that holds one folder for each index snapshot; None when the store lives in memory."""

    def reading(self) -> AbstractContextManager[Rows]:
        """Open a read transaction."""

    def close(self) -> None:
        """Release files and connections. REQUIRES: nothing is being read or written."""


class LibraryStore(ReadableStore, Protocol):
    """Rows and vectors of one library. Threads: any number of readers, one writer at a time."""

    def writing(self) -> AbstractContextManager[UnitOfWork]:
        """Open the write transaction. Raises `StorageFull` or `LibraryReadOnly`."""

    @property
    def failure(self) -> str | None:
        """Why the store takes no more writes until it is opened again, or None."""

    def settle(self) -> None:
        """Make every committed vector durable in its slot, so that nothing has to be kept beside the rows.

        REQUIRES: no open write. Raises `StorageFull`, or `OutcomeUnknown` and is read-only from then on.
        """

    def checkpoint(self) -> None:
        """Settle the vectors and let the writer move its log into the database, when there is enough of either.

        REQUIRES: no open write. Raises nothing: a full disk leaves it for another time, any other trouble is `failure`.
        """


class CatalogStore(Protocol):
    """Which libraries exist, under which names, the operations, and replies to what is no command of a library.

    Each method is one durable transaction; `kept` is kept in the same as everything else. Threads: any. A library may
    hold two names while it is renamed; each name belongs to one library.
    """

    def add(self, library_id: UUID, name: str, at: datetime, kept: KeptReply | None = None) -> None:
        """List a library. Raises `LibraryExists` when the name is taken."""

    def remove(self, library_id: UUID, kept: KeptReply | None = None) -> None:
        """Leave a tombstone in place of the library and free its names. Raises `LibraryNotFound`."""

    def reserve(self, library_id: UUID, name: str) -> None:
        """Give the library one more name; harmless when it has it. Raises `LibraryExists` when another has it."""

    def release_all_but(self, library_id: UUID, name: str) -> None:
        """Free the names of the library other than `name`."""

    def names(self, library_id: UUID) -> list[str]:
        """Return the names of the library, none when it is not listed."""

    def find(self, name: str) -> UUID | None:
        """Return the library that holds the name."""

    def page(self, after: str | None, limit: int) -> list[tuple[str, UUID]]:
        """Return at most `limit` (name, library id) in ascending order of name, those after `after`."""

    def libraries(self) -> set[UUID]:
        """Return every listed library."""

    def tombstones(self) -> set[UUID]:
        """Return every library that was deleted here."""

    def save_operation(self, operation: Operation) -> None:
        """Insert the operation, or replace the one with its id."""

    def operation(self, operation_id: UUID) -> Operation | None:
        """Return the operation, if it exists."""

    def unfinished_operations(self) -> list[Operation]:
        """Return the operations that have not ended, the oldest first. A damaged row is left out."""

    def reply(self, key: str) -> KeptReply | None:
        """Return what is kept under the key, if anything, however old. Raises `Damaged`."""

    def keep_reply(self, kept: KeptReply) -> None:
        """Keep the reply, in place of one with the same key.

        Of replies that are no longer good at its time some are forgotten now and then: more than come.
        """


class Storage(Protocol):
    """All that is kept: the catalogue and a store for each library. Threads: any, one at a time for one library."""

    @property
    def catalog(self) -> CatalogStore:
        """The catalogue."""

    def create(self, library: Library) -> None:
        """Make an empty store for the library, durable with its name on disk, not listed in the catalogue."""

    def open(self, library_id: UUID) -> LibraryStore:
        """Open the store. Raises `Damaged` when it is missing or unreadable, `NewerFormat`."""

    def destroy(self, library_id: UUID) -> None:
        """Take the store away durably and give its bytes back; harmless when there is none. REQUIRES: it is closed."""

    def tidy(self) -> list[UUID]:
        """Clean up what a crash left: trash, stores with a tombstone, unlisted stores at position 0.

        Returns the other unlisted stores: they are kept, because a lost catalogue must not delete data.
        """

    def release_reserve(self) -> None:
        """Free the bytes kept so that deletions work on a full disk."""

    def restore_reserve(self) -> None:
        """Keep them again, if there is space; harmless when they are kept."""

    def close(self) -> None:
        """Release everything. REQUIRES: every store is closed."""
