"""The rows of one library inside one transaction of SQLite."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

import apsw
import numpy as np
import numpy.typing as npt

from pergamum.domain.document import Document
from pergamum.domain.vectors import Matrix
from pergamum.errors import Damaged, PergamumError
from pergamum.storage.base import IndexSnapshot, LibraryState, StoredChunk
from pergamum.storage.sqlite.codec import (
    Row,
    chunk_of,
    chunk_row,
    document_of,
    document_row,
    snapshot_of,
    snapshot_row,
    state_of,
    state_row,
    vector_checksum_of,
)
from pergamum.storage.sqlite.connection import failure

Item = TypeVar("Item")

# The checksum of a chunk covers its document's id in place of the number, so a wrong number is seen too; LEFT JOIN
# because a chunk whose document is missing is damage, and must not look like no chunk.
CHUNK: Final = """
SELECT c.slot, c.id, d.id, c.chunk_index, c.page_number, c.version, c.created_at, c.updated_at, c.vector_crc, c.changed,
    c.metadata, c.text, c.checksum
FROM chunks AS c LEFT JOIN documents AS d ON d.number = c.document """
CHUNK_AT: Final = CHUNK + "WHERE c.slot = ?"
CHUNK_AFTER: Final = CHUNK + "WHERE c.slot > ? ORDER BY c.slot"
CHUNK_BY_ID: Final = CHUNK + "WHERE c.id = ?"
DOCUMENT: Final = """
SELECT id, next_chunk_index, chunks, version, created_at, updated_at, title, author, document_type, source_url, tags,
    metadata, text, checksum
FROM documents """
DOCUMENT_BY_ID: Final = DOCUMENT + "WHERE id = ?"
STATE: Final = "SELECT position, history, next_slot, documents, chunks, library, checksum FROM state"
SNAPSHOT: Final = "SELECT folder, position, slots, manifest_crc, checksum FROM snapshot"

_PUT_DOCUMENT: Final = """
INSERT INTO documents (id, next_chunk_index, chunks, version, created_at, updated_at, title, author, document_type,
    source_url, tags, metadata, text, checksum)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET next_chunk_index = excluded.next_chunk_index, chunks = excluded.chunks,
    version = excluded.version, created_at = excluded.created_at, updated_at = excluded.updated_at,
    title = excluded.title, author = excluded.author, document_type = excluded.document_type,
    source_url = excluded.source_url, tags = excluded.tags, metadata = excluded.metadata, text = excluded.text,
    checksum = excluded.checksum"""
_CHUNK_VALUES: Final = """
    (slot, id, document, chunk_index, page_number, version, created_at, updated_at, vector_crc, changed, metadata,
    text, checksum)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_ADD_CHUNK: Final = "INSERT INTO chunks" + _CHUNK_VALUES
_REWRITE_CHUNK: Final = "REPLACE INTO chunks" + _CHUNK_VALUES
_FIRST: Final = -(1 << 63)


class SqliteRows:
    """What one transaction sees. Implements `Rows`. Threads: one at a time."""

    __slots__ = ("_connection", "_state_row", "_what")

    def __init__(self, connection: apsw.Connection, what: str, state_row: Row | None = None) -> None:
        self._connection, self._what, self._state_row = connection, what, state_row

    def state(self) -> LibraryState:
        """Return where the library stands."""
        if self._state_row is not None:
            return state_of(self._state_row)
        found = self._list(state_of, STATE, ())
        if not found:
            raise Damaged(self._what, "the state of the library is missing")
        return found[0]

    def document(self, document_id: str) -> Document | None:
        """Return the document, if it exists."""
        return next(iter(self._list(document_of, DOCUMENT_BY_ID, (document_id,))), None)

    def documents_by_id(self, ids: Sequence[str]) -> dict[str, Document]:
        """Return those of `ids` that exist."""
        found = self._each(document_of, DOCUMENT_BY_ID, ((key,) for key in ids))
        return {document.id: document for document in found}

    def documents(self, after: str | None, limit: int) -> list[Document]:
        """Return the documents whose id comes after `after`."""
        return self._list(document_of, DOCUMENT + "WHERE id > ? ORDER BY id LIMIT ?", (after or "", limit))

    def chunk(self, chunk_id: str) -> StoredChunk | None:
        """Return the chunk, if it exists."""
        return next(iter(self._list(chunk_of, CHUNK_BY_ID, (chunk_id,))), None)

    def chunks_by_id(self, ids: Sequence[str]) -> dict[str, StoredChunk]:
        """Return those of `ids` that exist."""
        found = self._each(chunk_of, CHUNK_BY_ID, ((key,) for key in ids))
        return {stored.chunk.id: stored for stored in found}

    def chunks(self, after: str | None, limit: int) -> list[StoredChunk]:
        """Return the chunks whose id comes after `after`."""
        return self._list(chunk_of, CHUNK + "WHERE c.id > ? ORDER BY c.id LIMIT ?", (after or "", limit))

    def chunks_of(self, document_id: str, after: int | None, limit: int | None) -> list[StoredChunk]:
        """Return the document's chunks whose chunk_index is greater than `after`; `limit` None returns all."""
        where = """WHERE c.document = (SELECT number FROM documents WHERE id = ?) AND c.chunk_index > ?
            ORDER BY c.chunk_index, c.slot LIMIT ?"""
        bindings = (document_id, _FIRST if after is None else after, -1 if limit is None else limit)
        return self._list(chunk_of, CHUNK + where, bindings)

    def chunks_at(self, slots: Sequence[int]) -> dict[int, StoredChunk]:
        """Return the chunks that hold these slots."""
        found = self._each(chunk_of, CHUNK_AT, ((int(slot),) for slot in slots))
        return {stored.slot: stored for stored in found}

    def dead_slots(self) -> npt.NDArray[np.int64]:
        """Return the slots below next_slot that hold no chunk, ascending."""
        state = self.state()
        dead = self._slots("SELECT slot FROM dead_slots ORDER BY slot")
        if len(dead) + state.chunks == state.next_slot:
            return dead
        # Within a write the state may not be saved yet; and a slot skipped by a refused command was never filled.
        live = self._slots("SELECT slot FROM chunks ORDER BY slot")
        return np.setdiff1d(np.arange(state.next_slot, dtype=np.int64), live, assume_unique=True)

    def vector_checksums(self, first_slot: int) -> Iterator[tuple[int, int | None]]:
        """Yield (slot, vector_crc) of every chunk from `first_slot` on, ascending; None for a row that is damaged."""
        last = first_slot - 1
        while True:
            try:
                for slot, checksum in self._stream(vector_checksum_of, CHUNK_AFTER, (last,)):
                    yield slot, checksum
                    last = slot
                return
            except Damaged:  # the row after `last` cannot even be fetched
                last = self._slot_after(last)
                yield last, None

    def snapshot(self) -> IndexSnapshot | None:
        """Return the index snapshot that counts, if any."""
        return next(iter(self._list(snapshot_of, SNAPSHOT, ())), None)

    def _slot_after(self, slot: int) -> int:
        sql = "SELECT slot FROM chunks WHERE slot > ? ORDER BY slot LIMIT 1"
        for found in self._list(lambda row: int(row[0]), sql, (slot,)):
            return found
        raise Damaged(self._what, f"the chunk after slot {slot} cannot be read")

    def _slots(self, sql: str) -> npt.NDArray[np.int64]:
        return np.array(self._list(lambda row: row[0], sql, ()), np.int64)

    def _list(self, decode: Callable[[Row], Item], sql: str, bindings: Row) -> list[Item]:
        try:
            return [decode(row) for row in self._connection.execute(sql, bindings)]
        except (apsw.Error, UnicodeDecodeError) as error:
            raise self._failed(error) from error

    def _each(self, decode: Callable[[Row], Item], sql: str, bindings: Iterable[Row]) -> list[Item]:
        """Run the statement once for each binding; one by one costs less here than a join with a list."""
        try:
            return [decode(row) for row in self._connection.executemany(sql, bindings)]
        except (apsw.Error, UnicodeDecodeError) as error:
            raise self._failed(error) from error

    def _stream(self, decode: Callable[[Row], Item], sql: str, bindings: Row) -> Iterator[Item]:
        try:
            yield from map(decode, self._connection.execute(sql, bindings))
        except (apsw.Error, UnicodeDecodeError) as error:
            raise self._failed(error) from error

    def _failed(self, error: apsw.Error | UnicodeDecodeError) -> Exception:
        return failure(error, self._what, self._connection) or error


class SqliteWritableRows(SqliteRows):
    """The rows inside the write transaction. Implements `WritableRows`."""

    __slots__ = ("broken",)

    def __init__(self, connection: apsw.Connection, what: str) -> None:
        super().__init__(connection, what)
        self.broken: PergamumError | None = None
        """The failure after which SQLite may have rolled back by itself: nothing more is written, nor committed."""

    def save_state(self, state: LibraryState) -> None:
        """Say where the library stands."""
        self._run(
            "REPLACE INTO state (one, position, history, next_slot, documents, chunks, library, checksum)"
            " VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
            [state_row(state)],
        )

    def put_documents(self, documents: Sequence[Document]) -> None:
        """Insert the documents, or replace the rows that have their ids."""
        self._run(_PUT_DOCUMENT, map(document_row, documents))

    def remove_document(self, document_id: str) -> None:
        """Remove the row. REQUIRES: the document's chunks have been removed."""
        self._run("DELETE FROM documents WHERE id = ?", [(document_id,)])

    def put_chunks(self, chunks: Sequence[StoredChunk]) -> None:
        """Insert the chunks, or replace the rows that have their ids; a row's old slot is dead."""
        numbers = self._numbers({stored.chunk.document_id for stored in chunks})
        held = self._held([stored.chunk.id for stored in chunks])
        self._leave([held[s.chunk.id] for s in chunks if held.get(s.chunk.id, s.slot) != s.slot])
        rows = [(row[0], row[1], numbers[row[2]], *row[3:]) for row in map(chunk_row, chunks)]
        if not held:
            self._run(_ADD_CHUNK, rows)
            return
        self._run(_REWRITE_CHUNK, [row for row in rows if held.get(row[1]) == row[0]])
        self._run(_ADD_CHUNK, [row for row in rows if held.get(row[1]) != row[0]])

    def remove_chunks(self, chunks: Sequence[StoredChunk]) -> None:
        """Remove the rows; their slots are dead. REQUIRES: these are the rows as stored."""
        self._leave([stored.slot for stored in chunks])

    def put_pending(self, first_slot: int, vectors: Matrix) -> None:
        """Keep a copy of each vector beside the rows, until the vector file has been flushed."""
        copies = ((first_slot + at, vector.tobytes()) for at, vector in enumerate(vectors))
        self._run("REPLACE INTO pending (slot, vector) VALUES (?, ?)", copies)

    def name_snapshot(self, snapshot: IndexSnapshot | None) -> None:
        """Say which index snapshot counts from now on."""
        if snapshot is None:
            self._run("DELETE FROM snapshot", [()])
            return
        self._run(
            "REPLACE INTO snapshot (one, folder, position, slots, manifest_crc, checksum) VALUES (1, ?, ?, ?, ?, ?)",
            [snapshot_row(snapshot)],
        )

    def _numbers(self, ids: Iterable[str]) -> dict[str, int]:
        sql = "SELECT id, number FROM documents WHERE id = ?"
        return dict(self._each(lambda row: row, sql, ((key,) for key in ids)))

    def _held(self, ids: Iterable[str]) -> dict[str, int]:
        sql = "SELECT id, slot FROM chunks WHERE id = ?"
        return dict(self._each(lambda row: row, sql, ((key,) for key in ids)))

    def _leave(self, slots: Sequence[int]) -> None:
        if not slots:
            return
        self._run("DELETE FROM chunks WHERE slot = ?", ((slot,) for slot in slots))
        self._run("INSERT INTO dead_slots (slot) VALUES (?)", ((slot,) for slot in slots))

    def _run(self, sql: str, rows: Iterable[Row]) -> None:
        if self.broken is not None:
            raise self.broken
        try:
            self._connection.executemany(sql, rows)
        except apsw.Error as error:
            self.broken = failure(error, self._what, self._connection)
            raise self.broken or error from error
