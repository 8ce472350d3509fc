"""How domain objects become rows and come back, each row with its checksum last. docs/formats/library-db.md."""

import json
import zlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypeAlias
from uuid import UUID

from pergamum.domain.chunk import Chunk
from pergamum.domain.document import Document
from pergamum.domain.json import Json, JsonObject
from pergamum.domain.library import Chunking, IndexKind, IndexSpec, Library
from pergamum.domain.operation import Operation, OperationStatus
from pergamum.domain.replies import KeptReply, Key
from pergamum.domain.schema import MetadataSchema, SchemaMode
from pergamum.domain.schema_json import schema_json, schema_of
from pergamum.domain.vectors import Metric
from pergamum.errors import Damaged
from pergamum.storage.base import IndexSnapshot, LibraryState, StoredChunk

Row: TypeAlias = tuple[Any, ...]
"""The columns of a row. STRICT tables and the checksum vouch for the types."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
to_json: Final = json.JSONEncoder(separators=(",", ":")).encode
"""Compact JSON in ASCII: whatever its strings hold can be stored."""
_decode: Final = json.JSONDecoder().raw_decode  # what `json.loads` comes to, less 2 µs of looking for white space


def checksum(values: Iterable[object]) -> int:
    """Return the crc32 of the values as text (NULL as None), joined by U+001F, in UTF-8."""
    return zlib.crc32("\x1f".join(map(str, values)).encode())


def sealed(*values: object) -> Row:
    """Return the row of these values and their checksum."""
    return (*values, checksum(values))


def check(row: Row, what: str) -> None:
    """Raise `Damaged` unless the row ends with the checksum of what comes before."""
    if checksum(row[:-1]) != row[-1]:
        raise Damaged(what, "the row does not match its checksum")


@lru_cache(1_024)
def micros(at: datetime) -> int:
    """Return microseconds since 1970 in UTC."""
    return (at - EPOCH) // MICROSECOND


@lru_cache(1_024)
def time_of(value: int) -> datetime:
    """Return the time `micros` came from, in UTC."""
    return EPOCH + value * MICROSECOND


def object_text(value: JsonObject) -> str:
    """Return a JSON object as text."""
    return to_json(value) if value else "{}"


def object_of(text: str) -> JsonObject:
    """Return the JSON object written in `text`."""
    value: JsonObject = {} if text == "{}" else _decode(text)[0]
    return value


def id_and_metadata(row: Row) -> tuple[str, JsonObject]:
    """Return (id, metadata) of a row that holds nothing else. Raises `Damaged` for what is not JSON."""
    try:
        return row[0], object_of(row[1])
    except ValueError:
        raise Damaged(f"the metadata of {row[0]!r}", "it is not JSON") from None


def chunk_row(stored: StoredChunk) -> Row:
    """Return the columns of `rows.CHUNK` in their order."""
    chunk = stored.chunk
    return sealed(
        stored.slot,
        chunk.id,
        chunk.document_id,
        chunk.chunk_index,
        chunk.page_number,
        chunk.version,
        micros(chunk.created_at),
        micros(chunk.updated_at),
        stored.vector_crc,
        stored.changed,
        object_text(chunk.metadata),
        chunk.text,
    )


def chunk_of(row: Row, metadata_of: Callable[[str], JsonObject] = object_of) -> StoredChunk:
    """Return the chunk of a row selected by `rows.CHUNK`, its metadata as `metadata_of` reads it. Raises `Damaged`."""
    slot, chunk_id, document_id, chunk_index, page, version, created, updated, crc, changed, metadata, text, found = row
    # `checksum(row[:-1])` written out: every hit of every search pays for it, and this takes half the time.
    content = (
        f"{slot}\x1f{chunk_id}\x1f{document_id}\x1f{chunk_index}\x1f{page}\x1f{version}\x1f{created}\x1f{updated}"
        f"\x1f{crc}\x1f{changed}\x1f{metadata}\x1f{text}"
    )
    if zlib.crc32(content.encode()) != found:
        raise Damaged(f"chunk {chunk_id!r} at slot {slot}", "the row does not match its checksum")
    chunk = Chunk(
        id=chunk_id,
        document_id=document_id,
        text=text,
        page_number=page,
        chunk_index=chunk_index,
        metadata=metadata_of(metadata),
        version=version,
        created_at=time_of(created),
        updated_at=time_of(updated),
    )
    return StoredChunk(chunk, slot, crc, changed)


def vector_checksum_of(row: Row) -> tuple[int, int | None]:
    """Return slot and vector_crc of a row selected by `rows.CHUNK`; None when the row is damaged."""
    try:
        return row[0], chunk_of(row).vector_crc
    except Damaged:
        return row[0], None


def document_row(document: Document, changed: int) -> Row:
    """Return the columns of `rows.DOCUMENT` in their order; `changed` is the position of the write, at least 1."""
    return sealed(
        document.id,
        document.next_chunk_index,
        document.chunks,
        document.version,
        micros(document.created_at),
        micros(document.updated_at),
        document.title,
        document.author,
        document.document_type,
        document.source_url,
        to_json(document.tags),
        object_text(document.metadata),
        document.text,
        changed,
    )


def document_of(row: Row) -> Document:
    """Return the document of a row selected by `rows.DOCUMENT`. Raises `Damaged`."""
    *values, changed, found = row
    # Rows of formats 1 and 2 had no `changed`, so it is not in their checksum; here they have 0.
    check((*values, changed, found) if changed else (*values, found), f"document {row[0]!r}")
    document_id, next_index, chunks, version, created, updated, title, author, kind, url, tags, metadata, text = values
    return Document(
        id=document_id,
        title=title,
        author=author,
        document_type=kind,
        source_url=url,
        tags=tuple(json.loads(tags)),
        metadata=object_of(metadata),
        text=text,
        next_chunk_index=next_index,
        chunks=chunks,
        version=version,
        created_at=time_of(created),
        updated_at=time_of(updated),
    )


def state_row(state: LibraryState) -> Row:
    """Return the columns of `rows.STATE` in their order."""
    library = library_text(state.library)
    return sealed(state.position, state.history.hex(), state.next_slot, state.documents, state.chunks, library)


@lru_cache(256)
def state_of(row: Row) -> LibraryState:
    """Return the state of a row selected by `rows.STATE`. Raises `Damaged`."""
    check(row, "the state of the library")
    position, history, next_slot, documents, chunks, library, _ = row
    return LibraryState(library_of(library), position, bytes.fromhex(history), next_slot, documents, chunks)


def snapshot_row(snapshot: IndexSnapshot) -> Row:
    """Return the columns of `rows.SNAPSHOT` in their order."""
    return sealed(snapshot.folder, snapshot.position, snapshot.slots, snapshot.manifest_crc)


def snapshot_of(row: Row) -> IndexSnapshot:
    """Return the snapshot of a row selected by `rows.SNAPSHOT`. Raises `Damaged`."""
    check(row, "the name of the index snapshot")
    return IndexSnapshot(*row[:-1])


def reply_row(kept: KeptReply) -> Row:
    """Return the columns of `replies.REPLY` in their order."""
    return (*sealed(kept.key.name, kept.key.request, micros(kept.at), zlib.crc32(kept.reply)), kept.reply)


def reply_of(row: Row) -> KeptReply:
    """Return the reply of a row selected by `replies.REPLY`. Raises `Damaged`."""
    *sealing, reply = row
    key, request, at, crc, _ = sealing
    what = f"the reply kept under {key!r}"
    check(tuple(sealing), what)
    if zlib.crc32(reply) != crc:
        raise Damaged(what, "it does not match its checksum")
    return KeptReply(Key(key, request), time_of(at), reply)


def library_text(library: Library) -> str:
    """Return the settings as JSON."""
    fields: dict[str, Json] = {
        "id": str(library.id),
        "name": library.name,
        "description": library.description,
        "metric": library.metric,
        "dimension": library.dimension,
        "embedding_model": library.embedding_model,
        "index": {"kind": library.index.kind, "params": library.index.params},
        "recall": library.recall,
        "chunking": {"size": library.chunking.size, "overlap": library.chunking.overlap},
        "version": library.version,
        "created_at": micros(library.created_at),
        "updated_at": micros(library.updated_at),
    }
    return f'{to_json(fields)[:-1]},"metadata_schema":{_schema_text(library.metadata_schema)}}}'


@lru_cache(256)
def _schema_text(schema: MetadataSchema) -> str:
    """Return the schema as JSON. Remembered, because every group of writes saves it, and few change it."""
    return to_json(schema_json(schema))


@lru_cache(256)
def library_of(text: str) -> Library:
    """Return the settings `library_text` wrote.

    Format 2 knew no schema: a library of such a time holds metadata of any kind, so it is an open one.
    """
    fields = json.loads(text)
    schema = fields.get("metadata_schema")
    return Library(
        id=UUID(fields["id"]),
        name=fields["name"],
        description=fields["description"],
        metric=Metric(fields["metric"]),
        dimension=fields["dimension"],
        embedding_model=fields["embedding_model"],
        index=IndexSpec(IndexKind(fields["index"]["kind"]), fields["index"]["params"]),
        recall=fields["recall"],
        chunking=Chunking(**fields["chunking"]),
        metadata_schema=MetadataSchema(SchemaMode.OPEN, loose=None) if schema is None else schema_of(schema),
        version=fields["version"],
        created_at=time_of(fields["created_at"]),
        updated_at=time_of(fields["updated_at"]),
    )


def operation_text(operation: Operation) -> str:
    """Return the operation as JSON."""
    fields: dict[str, Json] = {
        "id": str(operation.id),
        "kind": operation.kind,
        "library_id": str(operation.library_id),
        "status": operation.status,
        "progress": operation.progress,
        "request": operation.request,
        "result": operation.result,
        "error": operation.error,
        "created_at": micros(operation.created_at),
        "updated_at": micros(operation.updated_at),
    }
    return to_json(fields)


def operation_of(text: str) -> Operation:
    """Return the operation `operation_text` wrote."""
    fields = json.loads(text)
    return Operation(
        id=UUID(fields["id"]),
        kind=fields["kind"],
        library_id=UUID(fields["library_id"]),
        status=OperationStatus(fields["status"]),
        progress=fields["progress"],
        request=fields.get("request", {}),  # 0.1.0 kept none
        result=fields["result"],
        error=fields["error"],
        created_at=time_of(fields["created_at"]),
        updated_at=time_of(fields["updated_at"]),
    )
