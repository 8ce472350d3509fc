"""Libraries on the wire."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, JsonValue, model_validator

from pergamum.domain.etags import etag_of
from pergamum.domain.library import Chunking, IndexKind
from pergamum.domain.vectors import MAX_DIMENSION, Metric
from pergamum.wire.common import AnswerModel, Description, Name, Position, RequestModel
from pergamum.wire.schema import SchemaIn, SchemaOut

RecallShare = Annotated[float, Field(gt=0, le=1, description="Share of the true neighbours wanted of a search.")]
Size = Annotated[int, Field(ge=50, le=100_000, description="Most characters of a chunk.")]
Overlap = Annotated[int, Field(ge=0, le=50_000, description="Most characters shared with the chunk before.")]
Params = Annotated[
    dict[str, JsonValue], Field(max_length=32, description="What the kind can be told; see docs/indexes.md.")
]


class IndexSpecIn(RequestModel):
    """The index a library asks for."""

    kind: IndexKind = IndexKind.AUTO
    params: Params = Field(default_factory=dict)


class IndexSpecOut(AnswerModel):
    """The index a library asked for."""

    kind: str
    params: dict[str, JsonValue]


class ChunkingIn(RequestModel):
    """How texts are split."""

    size: Size = Chunking().size
    overlap: Overlap = Chunking().overlap

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> Self:
        if 2 * self.overlap > self.size:
            raise ValueError("overlap must be at most half of size")
        return self


class ChunkingPatch(RequestModel):
    """Changes to how texts are split; a field left out stays."""

    size: Size = Field(default_factory=int)
    overlap: Overlap = Field(default_factory=int)


class ChunkingOut(AnswerModel):
    """How texts are split: at most `size` characters a chunk, at most `overlap` shared with the one before."""

    size: int
    overlap: int


class LibraryIn(RequestModel):
    """A library to create. Neither dimension nor embedding_model: the model is `local`."""

    name: Name
    description: Description | None = None
    metric: Metric = Metric.COSINE
    dimension: Annotated[int, Field(ge=1, le=MAX_DIMENSION)] | None = None
    embedding_model: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    index: IndexSpecIn = Field(default_factory=IndexSpecIn)
    recall: RecallShare = 0.95
    chunking: ChunkingIn = Field(default_factory=ChunkingIn)
    metadata_schema: SchemaIn = Field(default_factory=SchemaIn)


class LibraryPatch(RequestModel):
    """Changes to a library (RFC 7396): a field left out stays, null clears the description."""

    name: Name = Field(default_factory=str)
    description: Description | None = None
    index: IndexSpecIn = Field(default_factory=IndexSpecIn)
    recall: RecallShare = Field(default_factory=float)
    chunking: ChunkingPatch = Field(default_factory=ChunkingPatch)


class LibraryOut(AnswerModel):
    """A library and how much it holds at `position`."""

    id: UUID
    name: str
    description: str | None
    metric: Metric
    dimension: int | None
    embedding_model: str | None
    index: IndexSpecOut
    recall: float
    chunking: ChunkingOut
    metadata_schema: SchemaOut = Field(default_factory=SchemaOut)
    documents: int
    chunks: int
    version: int
    position: Position
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        """What tells this version from every other: give it as `If-Match`, and a change meets no other."""
        return etag_of(self.version, self.created_at)


class LibraryList(AnswerModel):
    """Libraries by ascending name. Those that cannot be opened are named by id in `unavailable`."""

    items: list[LibraryOut]
    unavailable: list[UUID] = Field(default_factory=list)
    next_cursor: str | None
