"""Rows as storage keeps them, their metadata by keys, and as everybody else sees them, by names.

Each function returns the very object it was given where the schema has nothing to translate.
"""

from dataclasses import replace

from pergamum.domain.document import Document
from pergamum.domain.fields import Level
from pergamum.domain.schema import MetadataSchema
from pergamum.domain.schema_keys import named, stored
from pergamum.storage.base import StoredChunk


def named_document(schema: MetadataSchema, document: Document) -> Document:
    """Return the document with its metadata by names."""
    if schema.document_keys.plain:
        return document
    return replace(document, metadata=named(schema, Level.DOCUMENT, document.metadata))


def keyed_document(schema: MetadataSchema, document: Document) -> Document:
    """Return the document with its metadata by keys."""
    if schema.document_keys.plain:
        return document
    return replace(document, metadata=stored(schema, Level.DOCUMENT, document.metadata))


def named_chunk(schema: MetadataSchema, row: StoredChunk) -> StoredChunk:
    """Return the chunk with its metadata by names."""
    if schema.chunk_keys.plain:
        return row
    return replace(row, chunk=replace(row.chunk, metadata=named(schema, Level.CHUNK, row.chunk.metadata)))


def keyed_chunk(schema: MetadataSchema, row: StoredChunk) -> StoredChunk:
    """Return the chunk with its metadata by keys."""
    if schema.chunk_keys.plain:
        return row
    return replace(row, chunk=replace(row.chunk, metadata=stored(schema, Level.CHUNK, row.chunk.metadata)))
