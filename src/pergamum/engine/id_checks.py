"""Whether the ids of what is about to be stored are free, or where they should be."""

from collections.abc import Mapping, Sequence

from pergamum.domain.chunk import NewChunk
from pergamum.domain.commands import NewDocument
from pergamum.domain.document import Document
from pergamum.errors import ChunkExists, ChunkOwnedElsewhere, DocumentExists, DocumentNotFound
from pergamum.storage.base import StoredChunk


def refuse_existing_documents(documents: Sequence[NewDocument], older: Mapping[str, Document]) -> None:
    """Raise `DocumentExists` for the first of the documents that is stored already."""
    for place, new in enumerate(documents):
        if new.document.id in older:
            raise DocumentExists(new.document.id).located(document=place)


def refuse_existing_chunks(chunks: Sequence[NewChunk], previous: Mapping[str, StoredChunk]) -> None:
    """Raise `ChunkExists` for the first of the chunks that is stored already."""
    for place, chunk in enumerate(chunks):
        if chunk.id in previous:
            raise ChunkExists(chunk.id).located(chunk=place)


def refuse_owned_elsewhere(
    chunks: Sequence[NewChunk], previous: Mapping[str, StoredChunk], document: int | None = None
) -> None:
    """Raise `ChunkOwnedElsewhere` for the first of the chunks whose id another document's chunk has."""
    for place, chunk in enumerate(chunks):
        old = previous.get(chunk.id)
        if old is None or old.chunk.document_id == chunk.document_id:
            continue
        where = {"chunk": place} if document is None else {"document": document, "chunk": place}
        raise ChunkOwnedElsewhere(chunk.id, old.chunk.document_id).located(**where)


def refuse_without_document(chunks: Sequence[NewChunk], documents: Mapping[str, Document]) -> None:
    """Raise `DocumentNotFound` for the first of the chunks whose document does not exist."""
    for place, chunk in enumerate(chunks):
        if chunk.document_id not in documents:
            raise DocumentNotFound(chunk.document_id).located(chunk=place)
