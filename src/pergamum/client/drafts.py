"""What is sent: plain dictionaries with known fields, so that a line of JSON or a row of a table is one already."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Required, TypeAlias, TypedDict

from pergamum.client.filters import FilterLike
from pergamum.client.options import ChangeOptions, ReadOptions, WriteOptions
from pergamum.client.vectors import VectorLike

Metadata: TypeAlias = Mapping[str, Any]
"""A JSON object."""
Mode: TypeAlias = Literal["create", "upsert"]
"""What a batch does when an id exists: `create` refuses, `upsert` replaces."""
OnError: TypeAlias = Literal["abort", "skip"]
"""What an import does with a line that is refused: nothing of it is kept, or the other lines are."""


class WantedIndex(TypedDict, total=False):
    """The index a library asks for; kind `auto` lets the server choose."""

    kind: Literal["auto", "brute_force", "kd_tree", "lsh", "hnsw", "ivf"]
    params: Metadata


class Chunking(TypedDict, total=False):
    """How texts are split: at most `size` characters a chunk, at most `overlap` shared with the one before."""

    size: int
    overlap: int


class MetadataSchema(TypedDict, total=False):
    """The metadata fields of documents and chunks by name; `fields_of` makes them of a Pydantic model."""

    mode: Literal["strict", "inferred", "open"]
    documents: Mapping[str, Mapping[str, Any]]
    chunks: Mapping[str, Mapping[str, Any]]


class LibraryChanges(TypedDict, total=False):
    """The fields of a library that may change; None clears the description."""

    name: str
    description: str | None
    index: WantedIndex
    recall: float
    chunking: Chunking


class NewLibrary(TypedDict, total=False):
    """A library to create. Neither dimension nor embedding_model: the model is `local`, which embeds texts."""

    name: Required[str]
    description: str | None
    metric: Literal["cosine", "dot", "l2"]
    dimension: int | None
    embedding_model: str | None
    index: WantedIndex
    recall: float
    chunking: Chunking
    metadata_schema: MetadataSchema


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
    """A document without its id: its `text`, which is split and embedded, or its `chunks`, or neither.

    With both, the text is kept as the document's and the chunks are those given.
    """

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
    """The fields of a document that may change; None clears, other metadata is merged.

    A text makes new chunks, or comes with its `chunks`.
    """

    title: str | None
    author: str | None
    document_type: str | None
    source_url: str | None
    tags: Sequence[str] | None
    metadata: Metadata | None
    text: str
    chunks: Sequence[ChunkOfDocument]


class FieldChanges(TypedDict, total=False):
    """Changes to fields: `set` replaces values, `unset` removes them, `append` and `remove` change lists."""

    set: Metadata
    unset: Sequence[str]
    append: Mapping[str, Sequence[Any]]
    remove: Mapping[str, Sequence[Any]]


class Facet(TypedDict, total=False):
    """What to tell of a field: its `top` most frequent values, counts in `ranges`, or its least and greatest value."""

    field: Required[str]
    top: int
    ranges: Sequence[Mapping[str, Any]]
    stats: bool


class Like(TypedDict, total=False):
    """Stored chunks and documents, by id, that hits are to be like, or unlike. They are not found themselves."""

    chunks: Sequence[str]
    documents: Sequence[str]
    not_chunks: Sequence[str]
    not_documents: Sequence[str]


class Rerank(TypedDict, total=False):
    """Who judges the first `top` hits by their texts: `local`, or `cohere`."""

    provider: Required[Literal["local", "cohere"]]
    top: int
    model: str


class Options(TypedDict, total=False):
    """How to search: docs/search.md says what each option does. A filter is one made of `F`, or JSON."""

    filter: FilterLike | None
    mode: Literal["vector", "keyword", "hybrid"]
    like: Like | None
    fusion: Mapping[str, Any] | None
    candidates: int | None
    group_by: Literal["document"] | Mapping[str, Any] | None
    diversity: float
    min_score: float | None
    rerank: Rerank | None
    select: Sequence[str] | None
    explain: bool


class Query(Options, total=False):
    """What to look for: a vector, a text that the library's model embeds, or `like`; and how."""

    text: str | None
    vector: VectorLike | None
    k: int
    recall: float | Literal["exact"] | None


Fields: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Declarations of metadata fields by name, such as {"year": {"type": "integer", "min": 1450}}."""


class LevelChanges(TypedDict, total=False):
    """Changes to the fields of documents or of chunks; `rename` gives new names by old ones."""

    add: Fields
    drop: Iterable[str]
    rename: Mapping[str, str]
    change: Fields


class SchemaChanges(TypedDict, total=False):
    """Changes to a metadata schema: all of them, or none."""

    mode: Literal["strict", "inferred", "open"]
    documents: LevelChanges
    chunks: LevelChanges


# What single calls take: what is sent, and options of the call beside it.


class AddLibrary(NewLibrary, WriteOptions, total=False):
    """A library to create."""


class ChangeLibrary(LibraryChanges, ChangeOptions, total=False):
    """Changes to a library."""


class AddDocument(NewDocument, WriteOptions, total=False):
    """A document to store."""


class ReplaceDocument(DocumentFields, ChangeOptions, total=False):
    """A document to store under a given id."""


class ChangeDocument(DocumentChanges, ChangeOptions, total=False):
    """Changes to a document."""


class AddChunk(NewChunk, WriteOptions, total=False):
    """A chunk to store."""


class ReplaceChunk(PlacedChunk, ChangeOptions, total=False):
    """A chunk to store under a given id."""


class ChangeChunk(ChunkChanges, ChangeOptions, total=False):
    """Changes to a chunk."""


class UpdateWhere(FieldChanges, WriteOptions, total=False):
    """Changes to what a filter selects."""


class ChangeSchema(SchemaChanges, WriteOptions, total=False):
    """Changes to a metadata schema."""


class SearchOptions(Options, ReadOptions, total=False):
    """How to search."""


class PagedSearch(Query, ReadOptions, total=False):
    """What to look for, page by page."""


class BuildIndex(WantedIndex, WriteOptions, total=False):
    """An index to build."""


class WeighIndex(WantedIndex, ReadOptions, total=False):
    """An index to predict the cost of."""
