"""Short ways to make libraries, documents and commands for tests below the services."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import numpy as np

from pergamum.domain.chunk import NewChunk
from pergamum.domain.commands import NewDocument, PutChunks, PutDocuments, WriteMode
from pergamum.domain.document import Document
from pergamum.domain.library import Library
from pergamum.domain.vectors import Metric, Vector

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_library(name: str = "papers", dimension: int | None = 2, metric: Metric = Metric.L2) -> Library:
    """Return a library with a fresh id."""
    return Library(id=uuid4(), name=name, metric=metric, dimension=dimension, created_at=NOW, updated_at=NOW)


def vector(*numbers: float) -> Vector:
    """Return a float32 vector."""
    return np.array(numbers, np.float32)


def a_chunk(id: str, document_id: str, embedding: Vector, text: str = "") -> NewChunk:
    """Return a chunk on its way in; its text is its id unless given."""
    return NewChunk(id=id, document_id=document_id, text=text or id, embedding=embedding)


def put(document_id: str, chunks: Sequence[NewChunk] = (), mode: WriteMode = WriteMode.UPSERT) -> PutDocuments:
    """Return the command that stores one document."""
    document = Document(id=document_id, created_at=NOW, updated_at=NOW)
    return PutDocuments((NewDocument(document, tuple(chunks)),), mode, NOW)


def put_chunks(chunks: Sequence[NewChunk], mode: WriteMode = WriteMode.UPSERT) -> PutChunks:
    """Return the command that stores chunks in documents that exist."""
    return PutChunks(tuple(chunks), mode, NOW)
