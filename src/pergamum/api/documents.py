"""Routes of documents."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from pergamum.api.answers import deleted, document_batch_out, document_out, made, respond
from pergamum.api.bodies import JsonBody, parsed
from pergamum.api.contract import answers
from pergamum.api.dependencies import DocumentsDep, LimitsDep, SelectionDep
from pergamum.api.drafts import document_changes, document_draft
from pergamum.api.lists import Wanted, WantedDep, asked
from pergamum.api.paths import DocumentId, LibraryReference, encoded
from pergamum.domain.commands import WriteMode
from pergamum.domain.fields import Level
from pergamum.errors import (
    ChunkOwnedElsewhere,
    DocumentExists,
    DocumentNotFound,
    EmbeddingFailed,
    InvalidField,
    LibraryNotFound,
    TooLarge,
)
from pergamum.services.documents import DocumentWritten
from pergamum.services.selection import SelectionService
from pergamum.wire.documents import (
    DocumentBatchIn,
    DocumentBatchOut,
    DocumentIn,
    DocumentList,
    DocumentOut,
    DocumentPatch,
)

router = APIRouter(prefix="/v1/libraries/{library}", tags=["documents"])
REFUSES = (LibraryNotFound, DocumentExists, ChunkOwnedElsewhere, EmbeddingFailed)


@router.post("/documents", **answers(DocumentOut, status=201, takes=DocumentIn, refuses=REFUSES, writes=True))
def create_document(library: LibraryReference, raw: JsonBody, documents: DocumentsDep) -> Response:
    """Store a new document with its chunks in one atomic command; a text is split and embedded."""
    written = documents.put(library, document_draft(parsed(DocumentIn, raw)), WriteMode.CREATE)
    return _written(library, written)


@router.get("/documents", **answers(DocumentList, refuses=[LibraryNotFound]))
def list_documents(
    library: LibraryReference,
    selection: SelectionDep,
    wanted: WantedDep,
    include: Annotated[Literal["text"] | None, Query(description="Whether to list original texts too.")] = None,
) -> Response:
    """List documents by ascending id or in the order asked for, all of them or those that a filter holds for."""
    return document_page(library, selection, wanted, text=include == "text")


def document_page(library: str, selection: SelectionService, wanted: Wanted, *, text: bool) -> Response:
    """Return the part of a list of documents that is wanted."""
    part = asked(Level.DOCUMENT, library, wanted)
    listed = selection.documents(library, part.listing)
    items = [document_out(document, text=text) for document in listed.items]
    return respond(made(DocumentList, items=items, next_cursor=part.cursor(listed.last)))


@router.post("/documents:batch", **answers(DocumentBatchOut, takes=DocumentBatchIn, refuses=REFUSES, writes=True))
def store_documents(library: LibraryReference, raw: JsonBody, documents: DocumentsDep, limits: LimitsDep) -> Response:
    """Store documents with their chunks in one atomic command: all or none."""
    body = parsed(DocumentBatchIn, raw)
    if len(body.documents) > limits.max_batch_items:
        raise TooLarge("the batch", limits.max_batch_items)
    outcome = documents.put_all(library, list(map(document_draft, body.documents)), body.mode)
    return respond(document_batch_out(outcome), position=outcome.position)


@router.get("/documents/{document}", **answers(DocumentOut, refuses=[DocumentNotFound]))
def get_document(library: LibraryReference, document: DocumentId, documents: DocumentsDep) -> Response:
    """Return a document with its original text."""
    return respond(document_out(documents.get(library, document), text=True))


@router.put("/documents/{document}", **answers(DocumentOut, also=201, takes=DocumentIn, refuses=REFUSES, writes=True))
def put_document(library: LibraryReference, document: DocumentId, raw: JsonBody, documents: DocumentsDep) -> Response:
    """Create a document, or replace it with all its chunks."""
    body = parsed(DocumentIn, raw)
    if body.id not in {None, document}:
        raise InvalidField("id", "differs from the id in the path")
    return _written(library, documents.put(library, document_draft(body, document), WriteMode.UPSERT))


@router.patch(
    "/documents/{document}",
    **answers(DocumentOut, takes=DocumentPatch, refuses=[DocumentNotFound, EmbeddingFailed], writes=True),
)
def update_document(
    library: LibraryReference, document: DocumentId, raw: JsonBody, documents: DocumentsDep
) -> Response:
    """Change fields of a document (RFC 7396); a new text is split and embedded, no other field touches the chunks."""
    return _written(library, documents.patch(library, document, document_changes(parsed(DocumentPatch, raw))))


@router.delete("/documents/{document}", **answers(status=204, refuses=[DocumentNotFound], writes=True))
def delete_document(library: LibraryReference, document: DocumentId, documents: DocumentsDep) -> Response:
    """Delete a document and its chunks."""
    return deleted(documents.delete(library, document))


def _written(library: str, written: DocumentWritten) -> Response:
    body = document_out(written.document, chunk_ids=written.chunk_ids, position=written.position)
    location = f"/v1/libraries/{encoded(library)}/documents/{encoded(body.id)}" if written.created else None
    return respond(body, 201 if written.created else 200, position=written.position, location=location)
