"""A chunk: a piece of text, its embedding and its metadata; it belongs to one document."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from pergamum.domain.json import JsonObject
from pergamum.domain.vectors import Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """What is stored of a chunk besides its embedding. `chunk_index` is its place in the document; gaps are allowed."""

    id: str
    document_id: str
    text: str
    page_number: int | None = None
    chunk_index: int
    metadata: JsonObject = field(default_factory=dict)
    version: int = 1
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChunk:
    """A chunk on its way in, embedded already. REQUIRES: the embedding has passed the library's check."""

    id: str
    document_id: str
    text: str
    embedding: Vector
    page_number: int | None = None
    metadata: JsonObject = field(default_factory=dict)


class ChunkChanges(TypedDict, total=False):
    """The fields a PATCH may change; a field left out stays. `metadata` is merged (RFC 7396), the others replace."""

    text: str
    embedding: Vector
    page_number: int | None
    metadata: JsonObject | None
