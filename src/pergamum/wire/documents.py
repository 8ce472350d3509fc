"""Documents on the wire."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, JsonValue, model_validator

from pergamum.domain.commands import WriteMode
from pergamum.domain.etags import etag_of
from pergamum.wire.chunks import ChunkOfDocumentIn
from pergamum.wire.common import (
    AnswerModel,
    Id,
    Metadata,
    Position,
    RequestModel,
    ShortText,
    Tags,
    Text,
    Url,
)


class DocumentIn(RequestModel):
    """A document with its `text`, which is split and embedded, or with its `chunks`, or with neither.

    With both, the text is kept as the document's and the chunks are those given.
    """

    id: Id | None = None
    title: ShortText | None = None
    author: ShortText | None = None
    document_type: ShortText | None = None
    source_url: Url | None = None
    tags: Tags = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)
    text: Text | None = None
    chunks: list[ChunkOfDocumentIn] | None = None


class DocumentPatch(RequestModel):
    """Changes to a document (RFC 7396): a field left out stays, null clears, metadata is merged.

    A new text replaces the chunks: it is split and embedded again, or comes with its `chunks`. No other field touches
    them.
    """

    title: ShortText | None = None
    author: ShortText | None = None
    document_type: ShortText | None = None
    source_url: Url | None = None
    tags: Tags | None = None
    metadata: Metadata | None = None
    text: Text = Field(default_factory=str)
    chunks: list[ChunkOfDocumentIn] = Field(default_factory=list)

    @model_validator(mode="after")
    def _chunks_of_a_text(self) -> Self:
        if "chunks" in self.model_fields_set and "text" not in self.model_fields_set:
            raise ValueError("new chunks come with the text that they are of")
        return self


class DocumentBatchIn(RequestModel):
    """Documents to store, all or none."""

    documents: Annotated[list[DocumentIn], Field(min_length=1)]
    mode: WriteMode = WriteMode.UPSERT


class DocumentOut(AnswerModel):
    """A document; `chunks` is how many it has.

    `text` is in the answer to GET of one, and in lists where asked for. `chunk_ids` and `position` are in the answer
    to a write: the chunks it stored, in order, or null when it left them alone.
    """

    id: str
    title: str | None
    author: str | None
    document_type: str | None
    source_url: str | None
    tags: list[str]
    metadata: dict[str, JsonValue]
    chunks: int
    version: int
    created_at: datetime
    updated_at: datetime
    text: str | None = None
    chunk_ids: list[str] | None = None
    position: Position | None = None

    @property
    def etag(self) -> str:
        """What tells this version from every other: give it as `If-Match`, and a change meets no other."""
        return etag_of(self.version, self.created_at)


class DocumentList(AnswerModel):
    """Documents by ascending id."""

    items: list[DocumentOut]
    next_cursor: str | None


class DocumentWritten(AnswerModel):
    """What a batch stored of one document."""

    id: str
    version: int
    chunk_ids: list[str]


class DocumentBatchOut(AnswerModel):
    """What a batch stored, in its order."""

    items: list[DocumentWritten]
    created: int
    replaced: int
    position: Position
