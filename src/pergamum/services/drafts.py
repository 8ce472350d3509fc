"""What a client gave, before ids, times and embeddings are fixed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pergamum.domain.filters import Filter
from pergamum.domain.json import JsonObject
from pergamum.domain.library import Chunking, IndexSpec, LibraryChanges
from pergamum.domain.query import Recall
from pergamum.domain.schema import MetadataSchema
from pergamum.domain.search_options import PLAIN, SearchOptions
from pergamum.domain.vectors import Metric, Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryDraft:
    """A library to create. `embedding_model` None means that vectors come from outside."""

    name: str
    description: str | None = None
    metric: Metric = Metric.COSINE
    dimension: int | None = None
    embedding_model: str | None = None
    index: IndexSpec = field(default_factory=IndexSpec)
    recall: float = 0.95
    chunking: Chunking = field(default_factory=Chunking)
    metadata_schema: MetadataSchema = field(default_factory=MetadataSchema)


@dataclass(frozen=True, slots=True)
class LibraryReplacement:
    """The settings a library is to have. `fixed` names others, which must be as they are, and so must `schema`."""

    changes: LibraryChanges
    fixed: Mapping[str, object]
    schema: MetadataSchema | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkDraft:
    """A chunk to store; without an embedding the library's model makes one of its text."""

    id: str | None = None
    text: str
    embedding: Vector | None = None
    page_number: int | None = None
    metadata: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OwnedChunkDraft:
    """A chunk to store in a document that exists."""

    document_id: str
    chunk: ChunkDraft


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentDraft:
    """A document to store; `chunks` None means that its text is to be split."""

    id: str | None = None
    title: str | None = None
    author: str | None = None
    document_type: str | None = None
    source_url: str | None = None
    tags: tuple[str, ...] = ()
    metadata: JsonObject = field(default_factory=dict)
    text: str | None = None
    chunks: tuple[ChunkDraft, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to look for. REQUIRES: what the mode asks for is there; k is at least 1; recall above 0, at most 1.

    `recall` None means that of the library's settings. `filter` is as it was asked. `options` is PLAIN where nothing
    but the nearest is wanted: such queries share searches.
    """

    vector: Vector | None = None
    text: str | None = None
    k: int = 10
    recall: Recall | None = None
    explain: bool = False
    filter: Filter | None = None
    options: SearchOptions = PLAIN
