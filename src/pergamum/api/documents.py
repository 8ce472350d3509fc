"""Routes of documents."""

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from pergamum.api.answers import deleted, document_batch_out, document_out, made, respond, unless_seen
from pergamum.api.bodies import parsed
from pergamum.api.contract import answers
from pergamum.api.dependencies import DocumentsDep, LimitsDep, SeenDep, SelectionDep
from pergamum.api.drafts import document_changes, document_draft, new_chunks
from pergamum.api.lists import Wanted, WantedDep, asked
from pergamum.api.paths import DocumentId, LibraryReference, encoded
from pergamum.api.writes import BodyWriteDep, WriteDep
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


@router.post(
    "/documents", **answers(DocumentOut, status=201, takes=DocumentIn, refuses=REFUSES, writes=True, etag=True)
)
def create_document(library: LibraryReference, write: BodyWriteDep, documents: DocumentsDep) -> Response:
    """Store a new document with its chunks in one atomic command; a text that has no chunks is split and embedded."""
    draft = document_draft(parsed(DocumentIn, write.body))
    return write.answered(
        library, lambda terms: documents.put(library, draft, WriteMode.CREATE, terms), partial(_written, library)
    )


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
def store_documents(
    library: LibraryReference, write: BodyWriteDep, documents: DocumentsDep, limits: LimitsDep
) -> Response:
    """Store documents with their chunks in one atomic command: all or none."""
    body = parsed(DocumentBatchIn, write.body)
    if len(body.documents) > limits.max_batch_items:
        raise TooLarge("the batch", limits.max_batch_items)
    drafts = list(map(document_draft, body.documents))
    return write.answered(
        library,
        lambda terms: documents.put_all(library, drafts, body.mode, terms),
        lambda written: respond(document_batch_out(written.outcome), token=written.token),
    )


@router.get("/documents/{document}", **answers(DocumentOut, refuses=[DocumentNotFound], etag=True, seen=True))
def get_document(library: LibraryReference, document: DocumentId, documents: DocumentsDep, seen: SeenDep) -> Response:
    """Return a document with its original text."""
    body = document_out(documents.get(library, document), text=True)
    return unless_seen(seen, respond(body, etag=body.etag))


@router.put(
    "/documents/{document}",
    **answers(DocumentOut, also=201, takes=DocumentIn, refuses=REFUSES, writes=True, etag=True, if_match=True),
)
def put_document(
    library: LibraryReference, document: DocumentId, write: BodyWriteDep, documents: DocumentsDep
) -> Response:
    """Create a document, or replace it with all its chunks."""
    body = parsed(DocumentIn, write.body)
    if body.id not in {None, document}:
        raise InvalidField("id", "differs from the id in the path")
    draft = document_draft(body, document)
    return write.answered(
        library, lambda terms: documents.put(library, draft, WriteMode.UPSERT, terms), partial(_written, library)
    )


@router.patch(
    "/documents/{document}",
    **answers(
        DocumentOut,
        takes=DocumentPatch,
        refuses=[DocumentNotFound, EmbeddingFailed],
        writes=True,
        etag=True,
        if_match=True,
    ),
)
def update_document(
    library: LibraryReference, document: DocumentId, write: BodyWriteDep, documents: DocumentsDep
) -> Response:
    """Change fields of a document (RFC 7396); a new text is split and embedded, no other field touches the chunks."""
    body = parsed(DocumentPatch, write.body)
    changes, chunks = document_changes(body), new_chunks(body)
    return write.answered(
        library,
        lambda terms: documents.patch(library, document, changes, terms, chunks=chunks),
        partial(_written, library),
    )


@router.delete("/documents/{document}", **answers(status=204, refuses=[DocumentNotFound], writes=True, if_match=True))
def delete_document(
    library: LibraryReference, document: DocumentId, write: WriteDep, documents: DocumentsDep
) -> Response:
    """Delete a document and its chunks."""
    return write.answered(library, lambda terms: documents.delete(library, document, terms), deleted)


def _written(library: str, written: DocumentWritten) -> Response:
    token = written.token
    body = document_out(written.document, chunk_ids=written.chunk_ids, position=token.position)
    location = f"/v1/libraries/{encoded(library)}/documents/{encoded(body.id)}" if written.created else None
    return respond(body, 201 if written.created else 200, token=token, location=location, etag=body.etag)
