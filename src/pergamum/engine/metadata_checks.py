"""Metadata against the schema: of what is about to be stored, and of what is stored when the schema changes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pergamum.domain.chunk import NewChunk
from pergamum.domain.commands import NewDocument
from pergamum.domain.fields import Level
from pergamum.domain.json import JsonObject
from pergamum.domain.metadata import MAX_BYTES, accepted, too_large
from pergamum.domain.schema import MetadataSchema
from pergamum.domain.schema_changes import SchemaChanges, demands
from pergamum.errors import Fact, InvalidField, InvalidMetadata, SchemaMismatch
from pergamum.storage.base import Rows

MAX_EXAMPLES: Final = 10


def accepted_at(
    schema: MetadataSchema, level: Level, metadata: JsonObject, **where: Fact
) -> tuple[JsonObject, MetadataSchema]:
    """Return the metadata as it is to be stored, and the schema after it. Raises `InvalidMetadata` that says where."""
    try:
        return accepted(schema, level, metadata)
    except InvalidMetadata as fault:
        fault.located(**where)
        raise


def merged_at(
    schema: MetadataSchema, level: Level, merged: JsonObject, **where: Fact
) -> tuple[JsonObject, MetadataSchema]:
    """Do as `accepted_at` for stored metadata that a change was merged into: it may have grown beyond its limit.

    Raises `InvalidField` then.
    """
    if too_large(merged):
        raise InvalidField("metadata", f"is over {MAX_BYTES:,} bytes of JSON").located(**where)
    return accepted_at(schema, level, merged, **where)


def accepted_documents(
    schema: MetadataSchema, documents: Sequence[NewDocument]
) -> tuple[tuple[NewDocument, ...], MetadataSchema]:
    """Return the documents as they are to be stored, one after the other, and the schema after them."""
    made = []
    for place, new in enumerate(documents):
        document = new.document
        metadata, schema = accepted_at(
            schema, Level.DOCUMENT, document.metadata, document=place, document_id=document.id
        )
        chunks, schema = accepted_chunks(schema, new.chunks, document=place)
        if metadata is not document.metadata:
            document = replace(document, metadata=metadata)
        made.append(new if document is new.document and chunks is new.chunks else NewDocument(document, chunks))
    return tuple(made), schema


def accepted_chunks(
    schema: MetadataSchema, chunks: tuple[NewChunk, ...], **where: Fact
) -> tuple[tuple[NewChunk, ...], MetadataSchema]:
    """Return the chunks as they are to be stored, the very same where they are, and the schema after them."""
    filled: dict[int, NewChunk] = {}
    for place, new in enumerate(chunks):
        metadata, schema = accepted_at(schema, Level.CHUNK, new.metadata, **where, chunk=place, chunk_id=new.id)
        if metadata is not new.metadata:
            filled[place] = replace(new, metadata=metadata)
    if not filled:
        return chunks, schema
    return tuple(filled.get(place, new) for place, new in enumerate(chunks)), schema


@dataclass(frozen=True, slots=True)
class Example:
    """A stored document or chunk that would not fit a changed schema."""

    level: Level
    id: str
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Misfits:
    """How many documents and chunks would not fit a changed schema, and the first of them."""

    documents: int = 0
    chunks: int = 0
    examples: tuple[Example, ...] = ()

    def refuse(self) -> None:
        """Raise `SchemaMismatch`, with the first example, unless there are none."""
        if self.examples:
            first = self.examples[0]
            where = {f"{first.level}_id": first.id, "field": f"metadata.{first.field}", "reason": first.reason}
            raise SchemaMismatch(self.documents, self.chunks, **where)


def misfits(rows: Rows, before: MetadataSchema, after: MetadataSchema, changes: SchemaChanges) -> Misfits:
    """Return what would not fit `after`, which `changes` made of `before`. O(rows) where they demand a look at them."""
    counts = dict.fromkeys(Level, 0)
    examples: list[Example] = []
    for level in Level:
        demanded = demands(before, after, changes, level)
        if demanded is None:
            continue
        for row_id, stored in rows.stored_metadata(level):
            fault = demanded.fault(stored)
            if fault is None:
                continue
            counts[level] += 1
            if len(examples) < MAX_EXAMPLES:
                examples.append(Example(level, row_id, *fault))
    return Misfits(counts[Level.DOCUMENT], counts[Level.CHUNK], tuple(examples))
