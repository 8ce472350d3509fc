"""Chunks on the wire."""

from datetime import datetime
from typing import Annotated

import numpy as np
from pydantic import Field, JsonValue

from pergamum.domain.commands import WriteMode
from pergamum.domain.etags import etag_of
from pergamum.wire.common import (
    AnswerModel,
    Embedding,
    EmbeddingOut,
    Id,
    Metadata,
    PageNumber,
    Position,
    RequestModel,
    Text,
)


class ChunkOfDocumentIn(RequestModel):
    """A chunk inside a document; without an embedding the library's model makes one."""

    id: Id | None = None
    text: Text
    embedding: Embedding | None = None
    page_number: PageNumber | None = None
    metadata: Metadata = Field(default_factory=dict)


class ChunkIn(ChunkOfDocumentIn):
    """A chunk posted into a document that exists."""

    document_id: Id


class ChunkPatch(RequestModel):
    """Changes to a chunk (RFC 7396): a field left out stays, null clears page_number and metadata.

    A new text without an embedding is embedded by the library's model.
    """

    text: Text = Field(default_factory=str)
    embedding: Embedding = Field(default_factory=lambda: np.empty(0, np.float32))
    page_number: PageNumber | None = None
    metadata: Metadata | None = None


class ChunkBatchIn(RequestModel):
    """Chunks to store, all or none."""

    chunks: Annotated[list[ChunkIn], Field(min_length=1)]
    mode: WriteMode = WriteMode.UPSERT


class ChunkOut(AnswerModel):
    """A chunk. `embedding` only where asked for, `position` only in the answer to a write."""

    id: str
    document_id: str
    text: str
    page_number: int | None
    chunk_index: int
    metadata: dict[str, JsonValue]
    version: int
    created_at: datetime
    updated_at: datetime
    embedding: EmbeddingOut | None = None
    position: Position | None = None

    @property
    def etag(self) -> str:
        """What tells this version from every other: give it as `If-Match`, and a change meets no other."""
        return etag_of(self.version, self.created_at)


class ChunkList(AnswerModel):
    """Chunks by ascending id; those of one document by chunk_index."""

    items: list[ChunkOut]
    next_cursor: str | None


class ChunkWritten(AnswerModel):
    """What a batch stored of one chunk."""

    id: str
    document_id: str
    chunk_index: int
    version: int


class ChunkBatchOut(AnswerModel):
    """What a batch stored, in its order."""

    items: list[ChunkWritten]
    created: int
    replaced: int
    position: Position
