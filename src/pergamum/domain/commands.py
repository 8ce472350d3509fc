"""Commands: the unit of order and of atomicity. Each is one validated write to one library.

Everything that could differ between two runs is fixed before a command is made: ids, times and embeddings. What
depends on the order of writes (does the id exist? who owns the chunk? is it the version that `if_match` speaks of?) is
decided where the order is known, in `engine/state_machine.py`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from pergamum.domain.chunk import Chunk, ChunkChanges, NewChunk
from pergamum.domain.document import Document, DocumentChanges
from pergamum.domain.etags import IfMatch
from pergamum.domain.field_changes import FieldChanges
from pergamum.domain.fields import Level
from pergamum.domain.filters import Filter
from pergamum.domain.library import Library, LibraryChanges
from pergamum.domain.schema_changes import SchemaChanges
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
    if_match: IfMatch | None = None


@dataclass(frozen=True, slots=True)
class UpdateSchema:
    """Change the metadata schema; refused with the changes that stored metadata would not fit."""

    changes: SchemaChanges
    at: datetime


@dataclass(frozen=True, slots=True)
class PutDocuments:
    """Store documents with their chunks. A replaced document loses its old chunks in the same command.

    REQUIRES: no document id and no chunk id appears twice; with `if_match` there is one document.
    """

    documents: tuple[NewDocument, ...]
    mode: WriteMode
    at: datetime
    if_match: IfMatch | None = None


@dataclass(frozen=True, slots=True)
class PatchDocument:
    """Change fields of a document; `chunks`, when given, replace its chunks (its text was split again)."""

    document_id: str
    changes: DocumentChanges
    chunks: tuple[NewChunk, ...] | None
    at: datetime
    if_match: IfMatch | None = None


@dataclass(frozen=True, slots=True)
class DeleteDocument:
    """Delete a document and its chunks."""

    document_id: str
    at: datetime
    if_match: IfMatch | None = None


@dataclass(frozen=True, slots=True)
class PutChunks:
    """Store chunks in documents that exist. REQUIRES: no chunk id appears twice; with `if_match` there is one."""

    chunks: tuple[NewChunk, ...]
    mode: WriteMode
    at: datetime
    if_match: IfMatch | None = None


@dataclass(frozen=True, slots=True)
class PatchChunk:
    """Change fields of a chunk."""

    chunk_id: str
    changes: ChunkChanges
    at: datetime
    if_match: IfMatch | None = None


@dataclass(frozen=True, slots=True)
class DeleteChunk:
    """Delete a chunk."""

    chunk_id: str
    at: datetime
    if_match: IfMatch | None = None


@dataclass(frozen=True, slots=True)
class DeleteWhere:
    """Delete the documents, with their chunks, or the chunks that the filter holds for."""

    level: Level
    filter: Filter
    at: datetime


@dataclass(frozen=True, slots=True)
class UpdateWhere:
    """Change fields of the documents or chunks that the filter holds for: of all of them, or of none."""

    level: Level
    filter: Filter
    changes: FieldChanges
    at: datetime


Command: TypeAlias = (
    UpdateLibrary
    | UpdateSchema
    | PutDocuments
    | PatchDocument
    | DeleteDocument
    | PutChunks
    | PatchChunk
    | DeleteChunk
    | DeleteWhere
    | UpdateWhere
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command: its position and, unless it was refused, what it left behind.

    `documents` and `chunks` are those the command wrote, as they are now stored; `library` its settings after it, and
    `held` how many documents and chunks there are then, both only where the settings changed.
    `replaced` counts the documents (of PutDocuments) or chunks (of PutChunks) that existed before; `matched` those that
    a command by filter was about, which are not listed one by one.
    """

    position: int
    refusal: PergamumError | None = None
    library: Library | None = None
    held: tuple[int, int] = (0, 0)
    documents: tuple[Document, ...] = ()
    chunks: tuple[Chunk, ...] = ()
    replaced: int = 0
    matched: int = 0
