"""The rows of one library inside one transaction of SQLite."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, TypeVar

import apsw
import numpy as np
import numpy.typing as npt

from pergamum.domain.document import Document
from pergamum.domain.fields import Level
from pergamum.domain.json import JsonObject
from pergamum.domain.keywords import KeywordQuery
from pergamum.domain.replies import KeptReply
from pergamum.domain.schema import MetadataSchema
from pergamum.domain.schema_keys import named
from pergamum.errors import Damaged
from pergamum.storage.base import IndexSnapshot, LibraryState, StoredChunk
from pergamum.storage.naming import named_chunk, named_document
from pergamum.storage.sqlite.codec import (
    Row,
    chunk_of,
    document_of,
    id_and_metadata,
    object_of,
    reply_of,
    snapshot_of,
    state_of,
    vector_checksum_of,
)
from pergamum.storage.sqlite.connection import failure
from pergamum.storage.sqlite.keywords import KeywordReads
from pergamum.storage.sqlite.replies import REPLY_BY_KEY

Item = TypeVar("Item")

# The checksum of a chunk covers its document's id in place of the number, so a wrong number is seen too; LEFT JOIN
# because a chunk whose document is missing is damage, and must not look like no chunk.
CHUNK: Final = """
SELECT c.slot, c.id, d.id, c.chunk_index, c.page_number, c.version, c.created_at, c.updated_at, c.vector_crc, c.changed,
    c.metadata, c.text, c.checksum
FROM chunks AS c LEFT JOIN documents AS d ON d.number = c.document """
CHUNK_AT: Final = CHUNK + "WHERE c.slot = ?"
CHUNK_AFTER: Final = CHUNK + "WHERE c.slot > ? ORDER BY c.slot"
_NUMBERED_CHUNK: Final = CHUNK.replace("SELECT", "SELECT c.document,", 1)
_NUMBERED_AFTER: Final = _NUMBERED_CHUNK + "WHERE c.slot > ? ORDER BY c.slot"
_SLOT_AFTER: Final = "SELECT slot FROM chunks WHERE slot > ? ORDER BY slot LIMIT 1"
CHUNK_BY_ID: Final = CHUNK + "WHERE c.id = ?"
DOCUMENT: Final = """
SELECT id, next_chunk_index, chunks, version, created_at, updated_at, title, author, document_type, source_url, tags,
    metadata, text, changed, checksum
FROM documents """
_NUMBERED_DOCUMENT: Final = DOCUMENT.replace("SELECT", "SELECT number,", 1)
_DOCUMENT_AFTER: Final = _NUMBERED_DOCUMENT + "WHERE number > ? ORDER BY number"
_NUMBER_AFTER: Final = "SELECT number FROM documents WHERE number > ? ORDER BY number LIMIT 1"
DOCUMENT_BY_ID: Final = DOCUMENT + "WHERE id = ?"
STATE: Final = "SELECT position, history, next_slot, documents, chunks, library, checksum FROM state"
SNAPSHOT: Final = "SELECT folder, position, slots, manifest_crc, checksum FROM snapshot"

_FIRST: Final = -(1 << 63)
_KEYED: Final = {Level.DOCUMENT: ("documents", "number"), Level.CHUNK: ("chunks", "slot")}


class SqliteRows:
    """What one transaction sees. Implements `Rows`. Threads: one at a time."""

    __slots__ = ("_connection", "_schema", "_state_row", "_what")

    def __init__(self, connection: apsw.Connection, what: str, state_row: Row | None = None) -> None:
        self._connection, self._what, self._state_row = connection, what, state_row
        self._schema: MetadataSchema | None = None  # whose names metadata has, once they are needed

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
        return next(iter(self._list(self._document_of(), DOCUMENT_BY_ID, (document_id,))), None)

    def documents_by_id(self, ids: Sequence[str]) -> dict[str, Document]:
        """Return those of `ids` that exist."""
        found = self._each(self._document_of(), DOCUMENT_BY_ID, ((key,) for key in ids))
        return {document.id: document for document in found}

    def documents(self, after: str | None, limit: int) -> list[Document]:
        """Return the documents whose id comes after `after`."""
        return self._list(self._document_of(), DOCUMENT + "WHERE id > ? ORDER BY id LIMIT ?", (after or "", limit))

    def chunk(self, chunk_id: str) -> StoredChunk | None:
        """Return the chunk, if it exists."""
        return next(iter(self._list(self._chunk_of(), CHUNK_BY_ID, (chunk_id,))), None)

    def chunks_by_id(self, ids: Sequence[str]) -> dict[str, StoredChunk]:
        """Return those of `ids` that exist."""
        found = self._each(self._chunk_of(), CHUNK_BY_ID, ((key,) for key in ids))
        return {stored.chunk.id: stored for stored in found}

    def chunks(self, after: str | None, limit: int) -> list[StoredChunk]:
        """Return the chunks whose id comes after `after`."""
        return self._list(self._chunk_of(), CHUNK + "WHERE c.id > ? ORDER BY c.id LIMIT ?", (after or "", limit))

    def chunks_of(self, document_id: str, after: int | None, limit: int | None) -> list[StoredChunk]:
        """Return the document's chunks whose chunk_index is greater than `after`; `limit` None returns all."""
        where = """WHERE c.document = (SELECT number FROM documents WHERE id = ?) AND c.chunk_index > ?
            ORDER BY c.chunk_index, c.slot LIMIT ?"""
        bindings = (document_id, _FIRST if after is None else after, -1 if limit is None else limit)
        return self._list(self._chunk_of(), CHUNK + where, bindings)

    def slots_of(self, document_id: str) -> npt.NDArray[np.int64]:
        """Return the slots of the document's chunks, ascending."""
        sql = "SELECT slot FROM chunks WHERE document = (SELECT number FROM documents WHERE id = ?) ORDER BY slot"
        return np.array(self._list(lambda row: row[0], sql, (document_id,)), np.int64)

    def document_numbers(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the numbers of those of `ids` that exist."""
        sql = "SELECT id, number FROM documents WHERE id = ?"
        return dict(self._each(lambda row: row, sql, ((key,) for key in ids)))

    def slots_by_id(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the slots of the chunks that exist of `ids`."""
        sql = "SELECT id, slot FROM chunks WHERE id = ?"
        return dict(self._each(lambda row: row, sql, ((key,) for key in ids)))

    def all_document_numbers(self) -> npt.NDArray[np.int64]:
        """Return the number of every document, ascending."""
        return np.sort(self._slots("SELECT number FROM documents"))  # in order it would read the rows, not an index

    def documents_changed(self, since: int) -> Iterator[tuple[int, Document | None]]:
        """Yield (number, document) of the documents written after position `since`, None for a damaged row."""
        if since < 0:
            found = self._resumed(_sound_document, _DOCUMENT_AFTER, _NUMBER_AFTER, -1)
        else:
            numbers = self._slots("SELECT number FROM documents WHERE changed > ? ORDER BY number", since)
            found = self._one_by_one(_sound_document, _NUMBERED_DOCUMENT + "WHERE number = ?", numbers)
        schema = self._names()
        for number, document in found:
            yield number, None if document is None else named_document(schema, document)

    def chunks_changed(self, since: int, first_slot: int) -> Iterator[tuple[int, int, StoredChunk | None]]:
        """Yield (slot, number of the document, chunk) of the chunks that are new or were written again."""
        again = "SELECT slot FROM chunks WHERE version > 1 AND changed > ? AND slot < ? ORDER BY slot"
        slots, schema = self._slots(again, since, first_slot), self._names()
        rewritten = self._one_by_one(_sound_chunk, _NUMBERED_CHUNK + "WHERE c.slot = ?", slots)
        new = self._resumed(_sound_chunk, _NUMBERED_AFTER, _SLOT_AFTER, first_slot - 1)
        for slot, found in chain(rewritten, new):
            yield (slot, 0, None) if found is None else (slot, found[0], named_chunk(schema, found[1]))

    def chunks_at(self, slots: Sequence[int]) -> dict[int, StoredChunk]:
        """Return the chunks that hold these slots."""
        found = self._each(self._chunk_of(), CHUNK_AT, ((int(slot),) for slot in slots))
        return {stored.slot: stored for stored in found}

    def documents_at(self, numbers: Sequence[int]) -> dict[int, Document]:
        """Return the documents with these numbers."""
        sql, schema = _NUMBERED_DOCUMENT + "WHERE number = ?", self._names()
        found = self._each(_numbered_document, sql, ((int(number),) for number in numbers))
        return {number: named_document(schema, document) for number, document in found}

    def ids_at(self, level: Level, numbers: Sequence[int]) -> dict[int, str]:
        """Return the ids of the documents with these numbers, or of the chunks in these slots."""
        table, key = _KEYED[level]
        sql = f"SELECT {key}, id FROM {table} WHERE {key} = ?"
        return dict(self._each(_pair, sql, ((int(number),) for number in numbers)))

    def ids_after(self, level: Level, after: str | None, limit: int, *, descending: bool) -> list[tuple[str, int]]:
        """Return (id, number or slot) of what comes after `after`; the index on ids holds both."""
        table, key = _KEYED[level]
        behind, order = ("<", "DESC") if descending else (">", "ASC")
        where, bindings = ("", (limit,)) if after is None else (f"WHERE id {behind} ?", (after, limit))
        return self._list(_pair, f"SELECT id, {key} FROM {table} {where} ORDER BY id {order} LIMIT ?", bindings)

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
        yield from self._resumed(vector_checksum_of, CHUNK_AFTER, _SLOT_AFTER, first_slot - 1)

    def stored_metadata(self, level: Level) -> Iterator[tuple[str, JsonObject]]:
        """Yield (id, metadata by its keys) of every document or chunk."""
        return self._stream(id_and_metadata, f"SELECT id, metadata FROM {_KEYED[level][0]}", ())

    def keyword_hits(self, query: KeywordQuery, title_weight: float) -> Iterator[tuple[int, float]]:
        """Yield (slot, score) of every chunk that has a phrase worth ranking by, the best first."""
        return KeywordReads(self._connection, self._what).hits(query, title_weight)

    def slots_matching(self, words: str) -> npt.NDArray[np.int64]:
        """Return the slots of the chunks whose text alone `matches` the words, ascending."""
        return np.array(KeywordReads(self._connection, self._what).slots_matching(words), np.int64)

    def reply(self, key: str) -> KeptReply | None:
        """Return what is kept under the key, if anything, however old. Raises `Damaged`."""
        return next(iter(self._list(reply_of, REPLY_BY_KEY, (key,))), None)

    def snapshot(self) -> IndexSnapshot | None:
        """Return the index snapshot that counts, if any."""
        return next(iter(self._list(snapshot_of, SNAPSHOT, ())), None)

    def _names(self) -> MetadataSchema:
        if self._schema is None:
            self._schema = self.state().library.metadata_schema
        return self._schema

    def _chunk_of(self) -> Callable[[Row], StoredChunk]:
        """Return what reads a row of `CHUNK`: it costs nothing more while every name is its own key."""
        schema = self._names()
        if schema.chunk_keys.plain:
            return chunk_of
        return lambda row: chunk_of(row, lambda text: named(schema, Level.CHUNK, object_of(text)))

    def _document_of(self) -> Callable[[Row], Document]:
        schema = self._names()
        return document_of if schema.document_keys.plain else lambda row: named_document(schema, document_of(row))

    def _resumed(
        self, decode: Callable[[Row], tuple[int, Item | None]], sql: str, next_sql: str, last: int
    ) -> Iterator[tuple[int, Item | None]]:
        """Yield what `sql` finds after the key `last`, ascending by key; (key, None) for a row that is damaged."""
        while True:
            try:
                for key, item in self._stream(decode, sql, (last,)):
                    yield key, item
                    last = key
                return
            except Damaged:  # the row after `last` cannot even be fetched
                last = self._key_after(next_sql, last)
                yield last, None

    def _one_by_one(
        self, decode: Callable[[Row], tuple[int, Item | None]], sql: str, keys: Iterable[int]
    ) -> Iterator[tuple[int, Item | None]]:
        """Yield the row of each key; (key, None) for one that is damaged."""
        for key in keys:
            try:
                yield from self._list(decode, sql, (int(key),))
            except Damaged:
                yield int(key), None

    def _key_after(self, next_sql: str, last: int) -> int:
        for found in self._list(lambda row: int(row[0]), next_sql, (last,)):
            return found
        raise Damaged(self._what, f"the row after {last} cannot be read")

    def _slots(self, sql: str, *bindings: int) -> npt.NDArray[np.int64]:
        return np.array(self._list(lambda row: row[0], sql, bindings), np.int64)

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


def _pair(row: Row) -> tuple[Any, Any]:
    return row[0], row[1]


def _sound_chunk(row: Row) -> tuple[int, tuple[int, StoredChunk] | None]:
    """Return the slot, and the number of the document with the chunk; None when the row is damaged."""
    try:
        return row[1], (row[0], chunk_of(row[1:]))
    except Damaged:
        return row[1], None


def _numbered_document(row: Row) -> tuple[int, Document]:
    return row[0], document_of(row[1:])


def _sound_document(row: Row) -> tuple[int, Document | None]:
    """Return the number, and the document; None when the row is damaged."""
    try:
        return _numbered_document(row)
    except Damaged:
        return row[0], None
