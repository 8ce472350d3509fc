"""The rows of one library inside its write transaction."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import apsw
import numpy as np
import numpy.typing as npt

from pergamum.domain.document import Document
from pergamum.domain.keywords import KeywordQuery
from pergamum.domain.replies import KeptReply
from pergamum.domain.schema import MetadataSchema
from pergamum.domain.vectors import Matrix
from pergamum.errors import KeywordsDamaged, PergamumError
from pergamum.storage.base import IndexSnapshot, LibraryState, StoredChunk
from pergamum.storage.naming import keyed_chunk, keyed_document
from pergamum.storage.sqlite.codec import Row, chunk_row, document_row, snapshot_row, state_row
from pergamum.storage.sqlite.connection import failure
from pergamum.storage.sqlite.keywords import KeywordWrites, is_sound
from pergamum.storage.sqlite.replies import keep_reply
from pergamum.storage.sqlite.rows import SqliteRows

_PUT_DOCUMENT: Final = """
INSERT INTO documents (id, next_chunk_index, chunks, version, created_at, updated_at, title, author, document_type,
    source_url, tags, metadata, text, changed, checksum)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET next_chunk_index = excluded.next_chunk_index, chunks = excluded.chunks,
    version = excluded.version, created_at = excluded.created_at, updated_at = excluded.updated_at,
    title = excluded.title, author = excluded.author, document_type = excluded.document_type,
    source_url = excluded.source_url, tags = excluded.tags, metadata = excluded.metadata, text = excluded.text,
    changed = excluded.changed, checksum = excluded.checksum"""
_CHUNK_VALUES: Final = """
    (slot, id, document, chunk_index, page_number, version, created_at, updated_at, vector_crc, changed, metadata,
    text, checksum)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_ADD_CHUNK: Final = "INSERT INTO chunks" + _CHUNK_VALUES
_REWRITE_CHUNK: Final = "REPLACE INTO chunks" + _CHUNK_VALUES


class SqliteWritableRows(SqliteRows):
    """The rows inside the write transaction. Implements `WritableRows`."""

    __slots__ = ("_changing", "_keywords", "broken")

    def __init__(self, connection: apsw.Connection, what: str) -> None:
        super().__init__(connection, what)
        self._keywords = KeywordWrites(connection, what)
        self._changing: int | None = None  # the position of the transaction's first command, once it is needed
        self.broken: PergamumError | None = None
        """The failure after which SQLite may have rolled back by itself: nothing more is written, nor committed."""

    def use_schema(self, schema: MetadataSchema) -> None:
        """Say by which names metadata is read and written from now on."""
        self._schema = schema

    def save_state(self, state: LibraryState) -> None:
        """Say where the library stands."""
        self._run(
            "REPLACE INTO state (one, position, history, next_slot, documents, chunks, library, checksum)"
            " VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
            [state_row(state)],
        )

    def put_documents(self, documents: Sequence[Document]) -> None:
        """Insert the documents, or replace the rows that have their ids."""
        if self._changing is None:
            self._changing = self.state().position + 1
        changing, schema = self._changing, self._names()
        self._guard(lambda: self._keywords.titles_changed((document.id, document.title) for document in documents))
        rows = (document_row(keyed_document(schema, document), changing) for document in documents)
        self._run(_PUT_DOCUMENT, rows)

    def write_keywords(self) -> None:
        """Bring the keyword index up to what the transaction has written; to be called before it is committed."""
        self._guard(self._keywords.write)

    def keyword_hits(self, query: KeywordQuery, title_weight: float) -> Iterator[tuple[int, float]]:
        """Yield (slot, score) of every chunk that has a phrase worth ranking by, the best first."""
        self.write_keywords()
        return super().keyword_hits(query, title_weight)

    def slots_matching(self, words: str) -> npt.NDArray[np.int64]:
        """Return the slots of the chunks whose text alone `matches` the words, ascending."""
        self.write_keywords()
        try:
            return super().slots_matching(words)
        except KeywordsDamaged as error:
            if is_sound(self._connection):  # it was met only now, so SQLite may commit nothing any more
                self.broken = error
            raise

    def remove_document(self, document_id: str) -> None:
        """Remove the row. REQUIRES: the document's chunks have been removed."""
        self._run("DELETE FROM documents WHERE id = ?", [(document_id,)])

    def put_chunks(self, chunks: Sequence[StoredChunk]) -> None:
        """Insert the chunks, or replace the rows that have their ids; a row's old slot is dead."""
        numbers = self.document_numbers(list({stored.chunk.document_id for stored in chunks}))
        held = self.slots_by_id([stored.chunk.id for stored in chunks])
        self._leave([held[s.chunk.id] for s in chunks if held.get(s.chunk.id, s.slot) != s.slot])
        schema = self._names()
        keyed = (chunk_row(keyed_chunk(schema, stored)) for stored in chunks)
        rows = [(row[0], row[1], numbers[row[2]], *row[3:]) for row in keyed]
        self._keywords.chunks_changed(row[0] for row in rows)
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

    def keep_reply(self, kept: KeptReply) -> None:
        """Keep the reply, in place of one with the same key; forget a few that are no longer good at its time."""
        self._guard(lambda: keep_reply(self._connection, kept))

    def name_snapshot(self, snapshot: IndexSnapshot | None) -> None:
        """Say which index snapshot counts from now on."""
        if snapshot is None:
            self._run("DELETE FROM snapshot", [()])
            return
        self._run(
            "REPLACE INTO snapshot (one, folder, position, slots, manifest_crc, checksum) VALUES (1, ?, ?, ?, ?, ?)",
            [snapshot_row(snapshot)],
        )

    def _leave(self, slots: Sequence[int]) -> None:
        if not slots:
            return
        self._keywords.chunks_changed(slots)
        self._run("DELETE FROM chunks WHERE slot = ?", ((slot,) for slot in slots))
        self._run("INSERT INTO dead_slots (slot) VALUES (?)", ((slot,) for slot in slots))

    def _run(self, sql: str, rows: Iterable[Row]) -> None:
        self._guard(lambda: self._connection.executemany(sql, rows))

    def _guard(self, action: Callable[[], object]) -> None:
        if self.broken is not None:
            raise self.broken
        try:
            action()
        except KeywordsDamaged as error:
            self.broken = error
            raise
        except apsw.Error as error:
            self.broken = failure(error, self._what, self._connection)
            raise self.broken or error from error
