"""A library: a named set of documents that fixes dimension, metric, embedding model and index."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self, TypedDict
from uuid import UUID

from pergamum.domain.json import JsonObject
from pergamum.domain.schema import MetadataSchema
from pergamum.domain.vectors import Metric, Vector, check_vector


def spelled_id(reference: str) -> UUID | None:
    """Return the id that a client's text spells, None where it can only be a name."""
    try:
        return UUID(reference)
    except ValueError:
        return None


class IndexKind(StrEnum):
    """How a library's vectors are searched."""

    AUTO = "auto"
    BRUTE_FORCE = "brute_force"
    KD_TREE = "kd_tree"
    LSH = "lsh"
    HNSW = "hnsw"
    IVF = "ivf"


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """The index a library asks for. `auto` lets the server choose."""

    kind: IndexKind = IndexKind.AUTO
    params: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chunking:
    """How a document's text is split: `size` characters a chunk at most, `overlap` shared at most."""

    size: int = 1_200
    overlap: int = 200


class LibraryChanges(TypedDict, total=False):
    """The settings of a library that may change, but for its schema; one left out stays as it is."""

    name: str
    description: str | None
    index: IndexSpec
    recall: float
    chunking: Chunking


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The settings of a library. Invariant: metric and model never change, nor does a dimension once it is known."""

    id: UUID
    name: str
    description: str | None = None
    metric: Metric = Metric.COSINE
    dimension: int | None = None
    embedding_model: str | None = None
    index: IndexSpec = field(default_factory=IndexSpec)
    recall: float = 0.95
    chunking: Chunking = field(default_factory=Chunking)
    metadata_schema: MetadataSchema = field(default_factory=MetadataSchema)
    version: int = 1
    created_at: datetime
    updated_at: datetime

    def check(self, vector: Vector) -> None:
        """Refuse a vector this library cannot hold or search with."""
        check_vector(vector, self.dimension, self.metric)

    def changed(self, changes: LibraryChanges, at: datetime) -> Self:
        """Return the next version of the library."""
        return replace(self, **changes, version=self.version + 1, updated_at=at)

    def with_schema(self, schema: MetadataSchema) -> Self:
        """Return the library with a schema that metadata has extended. The version stays: no setting changed."""
        return self if self.metadata_schema is schema else replace(self, metadata_schema=schema)

    def with_dimension(self, dimension: int) -> Self:
        """Return the library with its dimension fixed by its first vector. The version stays: no setting changed."""
        return self if self.dimension == dimension else replace(self, dimension=dimension)
