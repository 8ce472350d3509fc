"""Documents on the wire."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, JsonValue, model_validator

from pergamum.domain.commands import WriteMode
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
    """A document with its `text`, which is split and embedded, or with its `chunks`, or with neither."""

    id: Id | None = None
    title: ShortText | None = None
    author: ShortText | None = None
    document_type: ShortText | None = None
    source_url: Url | None = None
    tags: Tags = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)
    text: Text | None = None
    chunks: list[ChunkOfDocumentIn] | None = None

    @model_validator(mode="after")
    def _text_or_chunks(self) -> Self:
        if self.text is not None and self.chunks is not None:
            raise ValueError("give the text or the chunks, not both")
        return self


class DocumentPatch(RequestModel):
    """Changes to a document (RFC 7396): a field left out stays, null clears, metadata is merged.

    A new text replaces the chunks: it is split and embedded again. No other field touches them.
    """

    title: ShortText | None = None
    author: ShortText | None = None
    document_type: ShortText | None = None
    source_url: Url | None = None
    tags: Tags | None = None
    metadata: Metadata | None = None
    text: Text = Field(default_factory=str)


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
