"""Documents, chunks and stores for the tests of storage."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from pergamum.domain.chunk import Chunk
from pergamum.domain.document import Document
from pergamum.domain.library import Library
from pergamum.domain.vectors import Matrix
from pergamum.storage.base import LibraryState, LibraryStore, Storage, StoredChunk
from pergamum.storage.memory.storage import MemoryStorage
from pergamum.storage.sqlite.storage import SqliteStorage

NOW = datetime(2026, 11, 21, 8, 30, 0, 123_456, tzinfo=UTC)
UNUSUAL_IDS = (
    "x" * 256,
    "a/b/../c",
    'it\'s "quoted"; DROP TABLE chunks --',
    "🦊" * 256,
    "\uffff",
    "\U00010000",
    "é",
    "e\u0301",
    " ",
    "\n",
    "\x1f",
    "%00",
    "?",
    "Z",
    "z",
)


def library(**fields: object) -> Library:
    """Return an empty library; dimension None unless given."""
    return Library(id=uuid4(), name="papers", created_at=NOW, updated_at=NOW, **fields)  # type: ignore[arg-type]  # test data


def document(id: str = "d", **fields: object) -> Document:
    """Return a document without chunks."""
    return Document(id=id, created_at=NOW, updated_at=NOW, **fields)  # type: ignore[arg-type]  # test data


def stored(slot: int, id: str | None = None, document_id: str = "d", **fields: object) -> StoredChunk:
    """Return the chunk `c<slot>` of the document `d`."""
    given = {"text": f"text {slot}", "chunk_index": slot, "created_at": NOW, "updated_at": NOW} | fields
    chunk = Chunk(id=id or f"c{slot}", document_id=document_id, **given)  # type: ignore[arg-type]  # test data
    return StoredChunk(chunk, slot, vector_crc=4_000_000_000 + slot, changed=1)


def save(store: LibraryStore, *chunks: StoredChunk, documents: tuple[Document, ...] = (document(),)) -> None:
    """Commit the documents and chunks as the next position."""
    with store.writing() as work:
        work.rows.put_documents(documents)
        work.rows.put_chunks(chunks)
        work.rows.save_state(counted(work.rows.state(), chunks))
        work.commit()


def save_vectors(store: LibraryStore, first_slot: int, vectors: Matrix) -> None:
    """Commit vectors without rows."""
    with store.writing() as work:
        work.store_vectors(first_slot, vectors)
        work.commit()


def counted(state: LibraryState, added: tuple[StoredChunk, ...]) -> LibraryState:
    """Return the state one position later, with the chunks added."""
    top = max((chunk.slot + 1 for chunk in added), default=0)
    chunks = state.chunks + len(added)
    return replace(state, position=state.position + 1, chunks=chunks, next_slot=max(state.next_slot, top))


@contextmanager
def open_storage(kind: str, folder: Path) -> Iterator[Storage]:
    """Open an empty storage: `sqlite` on disk in `folder`, or `memory`."""
    made: Storage = SqliteStorage(folder) if kind == "sqlite" else MemoryStorage()
    try:
        yield made
    finally:
        made.close()
