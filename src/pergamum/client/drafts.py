"""What is sent: plain dictionaries with known fields, so that a line of JSON or a row of a table is one already."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Required, TypeAlias, TypedDict

from pergamum.client.vectors import VectorLike

Metadata: TypeAlias = Mapping[str, Any]
"""A JSON object."""
Mode: TypeAlias = Literal["create", "upsert"]
"""What a batch does when an id exists: `create` refuses, `upsert` replaces."""
OnError: TypeAlias = Literal["abort", "skip"]
"""What an import does with a line that is refused: nothing of it is kept, or the other lines are."""


class Index(TypedDict, total=False):
    """The index a library asks for; kind `auto` lets the server choose."""

    kind: Literal["auto", "brute_force"]
    params: Metadata


class Chunking(TypedDict, total=False):
    """How texts are split: at most `size` characters a chunk, at most `overlap` shared with the one before."""

    size: int
    overlap: int


class LibraryChanges(TypedDict, total=False):
    """The fields of a library that may change; None clears the description."""

    name: str
    description: str | None
    index: Index
    recall: float
    chunking: Chunking


class NewLibrary(TypedDict, total=False):
    """A library to create. Neither dimension nor embedding_model: the model is `local`, which embeds texts."""

    name: Required[str]
    description: str | None
    metric: Literal["cosine", "dot", "l2"]
    dimension: int | None
    embedding_model: str | None
    index: Index
    recall: float
    chunking: Chunking


class ChunkFields(TypedDict, total=False):
    """A chunk without its id and place; without an embedding the library's model makes one."""

    text: Required[str]
    embedding: VectorLike | None
    page_number: int | None
    metadata: Metadata


class ChunkOfDocument(ChunkFields, total=False):
    """A chunk inside a document; without an id the server makes one."""

    id: str | None


class PlacedChunk(ChunkFields, total=False):
    """A chunk without its id, for a document that exists."""

    document_id: Required[str]


class NewChunk(PlacedChunk, total=False):
    """A chunk for a document that exists; without an id the server makes one."""

    id: str | None


class ChunkChanges(TypedDict, total=False):
    """The fields of a chunk that may change; None clears page_number and metadata, other metadata is merged."""

    text: str
    embedding: VectorLike
    page_number: int | None
    metadata: Metadata | None


class DocumentFields(TypedDict, total=False):
    """A document without its id: its `text`, which is split and embedded, or its `chunks`, or neither."""

    title: str | None
    author: str | None
    document_type: str | None
    source_url: str | None
    tags: Sequence[str]
    metadata: Metadata
    text: str | None
    chunks: Sequence[ChunkOfDocument] | None


class NewDocument(DocumentFields, total=False):
    """A document; without an id the server makes one."""

    id: str | None


class DocumentChanges(TypedDict, total=False):
    """The fields of a document that may change; None clears, other metadata is merged, a text makes new chunks."""

    title: str | None
    author: str | None
    document_type: str | None
    source_url: str | None
    tags: Sequence[str] | None
    metadata: Metadata | None
    text: str


class Query(TypedDict, total=False):
    """What to look for: a vector, or a text that the library's model embeds."""

    text: str | None
    vector: VectorLike | None
    k: int
    recall: float | Literal["exact"] | None
