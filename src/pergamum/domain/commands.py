"""Commands: the unit of order and of atomicity. Each is one validated write to one library.

Everything that could differ between two runs is fixed before a command is made: ids, times and embeddings. What
depends on the order of writes (does the id exist? who owns the chunk?) is decided where the order is known, in
`engine/state_machine.py`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from pergamum.domain.chunk import Chunk, ChunkChanges, NewChunk
from pergamum.domain.document import Document, DocumentChanges
from pergamum.domain.library import Library, LibraryChanges
from pergamum.errors import PergamumError


class WriteMode(StrEnum):
    """What to do when an id exists: `create` refuses, `upsert` replaces."""

    CREATE = "create"
    UPSERT = "upsert"


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document with all its chunks, in order. Its version, counts and chunk numbering are given when applied."""

    document: Document
    chunks: tuple[NewChunk, ...]


@dataclass(frozen=True, slots=True)
class UpdateLibrary:
    """Change settings of the library."""

    changes: LibraryChanges
    at: datetime


@dataclass(frozen=True, slots=True)
class PutDocuments:
    """Store documents with their chunks. A replaced document loses its old chunks in the same command.

    REQUIRES: no document id and no chunk id appears twice.
    """

    documents: tuple[NewDocument, ...]
    mode: WriteMode
    at: datetime


@dataclass(frozen=True, slots=True)
class PatchDocument:
    """Change fields of a document; `chunks`, when given, replace its chunks (its text was split again)."""

    document_id: str
    changes: DocumentChanges
    chunks: tuple[NewChunk, ...] | None
    at: datetime


@dataclass(frozen=True, slots=True)
class DeleteDocument:
    """Delete a document and its chunks."""

    document_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PutChunks:
    """Store chunks in documents that exist. REQUIRES: no chunk id appears twice."""

    chunks: tuple[NewChunk, ...]
    mode: WriteMode
    at: datetime


@dataclass(frozen=True, slots=True)
class PatchChunk:
    """Change fields of a chunk."""

    chunk_id: str
    changes: ChunkChanges
    at: datetime


@dataclass(frozen=True, slots=True)
class DeleteChunk:
    """Delete a chunk."""

    chunk_id: str
    at: datetime


Command: TypeAlias = (
    UpdateLibrary | PutDocuments | PatchDocument | DeleteDocument | PutChunks | PatchChunk | DeleteChunk
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command: its position and, unless it was refused, what it left behind.

    `documents` and `chunks` are those the command wrote, as they are now stored; `library` its settings after it.
    `replaced` counts the documents (of PutDocuments) or chunks (of PutChunks) that existed before.
    """

    position: int
    refusal: PergamumError | None = None
    library: Library | None = None
    documents: tuple[Document, ...] = ()
    chunks: tuple[Chunk, ...] = ()
    replaced: int = 0
