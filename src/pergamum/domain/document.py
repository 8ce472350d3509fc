"""A document: an ordered set of chunks plus what is known of the whole, replaced and deleted as one."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self, TypedDict

from pergamum.domain.json import JsonObject, merge_object


class DocumentChanges(TypedDict, total=False):
    """The fields a PATCH may change; a field left out stays. `metadata` is merged (RFC 7396), the others replace."""

    title: str | None
    author: str | None
    document_type: str | None
    source_url: str | None
    tags: tuple[str, ...]
    metadata: JsonObject | None
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What is stored of a document besides its chunks.

    `text` is the original text where the document was posted as one; `next_chunk_index` is what the next chunk
    added to it gets, so that an index is never used twice; `chunks` is how many there are.
    """

    id: str
    title: str | None = None
    author: str | None = None
    document_type: str | None = None
    source_url: str | None = None
    tags: tuple[str, ...] = ()
    metadata: JsonObject = field(default_factory=dict)
    text: str | None = None
    next_chunk_index: int = 0
    chunks: int = 0
    version: int = 1
    created_at: datetime
    updated_at: datetime

    def succeeding(self, older: "Document") -> Self:
        """Return this document as the next version of `older`, which it replaces."""
        return replace(self, version=older.version + 1, created_at=older.created_at)

    def changed(self, changes: DocumentChanges, at: datetime) -> Self:
        """Return the next version of the document with `changes` made."""
        fields = dict(changes)
        if "metadata" in changes:
            fields["metadata"] = merge_object(self.metadata, changes["metadata"])
        return replace(self, **fields, version=self.version + 1, updated_at=at)  # type: ignore[arg-type]  # TypedDict

    def touched(self, at: datetime, *, chunks: int = 0) -> Self:
        """Return the next version after a change of its chunks; `chunks` is how many more there are."""
        return replace(self, version=self.version + 1, updated_at=at, chunks=self.chunks + chunks)
