"""Routes of chunks."""

from functools import partial
from typing import Annotated, Literal, TypeAlias

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from pergamum.api.answers import chunk_batch_out, chunk_out, deleted, made, respond, unless_seen, vector_out
from pergamum.api.bodies import parsed
from pergamum.api.contract import answers
from pergamum.api.cursors import cursor_after, read_cursor
from pergamum.api.dependencies import ChunksDep, LimitsDep, PageDep, SeenDep, SelectionDep
from pergamum.api.drafts import chunk_changes, owned_chunk_draft
from pergamum.api.lists import Wanted, WantedDep, asked
from pergamum.api.paths import ChunkId, DocumentId, LibraryReference, encoded
from pergamum.api.writes import BodyWriteDep, WriteDep
from pergamum.domain.commands import WriteMode
from pergamum.domain.fields import Level
from pergamum.errors import (
    ChunkExists,
    ChunkNotFound,
    DocumentNotFound,
    EmbeddingFailed,
    InvalidField,
    LibraryNotFound,
    TooLarge,
)
from pergamum.services.chunks import ChunkFound, ChunkWritten
from pergamum.services.selection import SelectionService
from pergamum.wire.chunks import ChunkBatchIn, ChunkBatchOut, ChunkIn, ChunkList, ChunkOut, ChunkPatch
from pergamum.wire.common import Id

router = APIRouter(prefix="/v1/libraries/{library}", tags=["chunks"])
REFUSES = (LibraryNotFound, DocumentNotFound, ChunkExists, EmbeddingFailed)
Form: TypeAlias = Literal["list", "base64"] | None
"""How embeddings are to be written, None for not at all."""


async def embedding_form(
    include: Annotated[Literal["embedding"] | None, Query(description="Whether to answer embeddings.")] = None,
    embedding_format: Annotated[Literal["list", "base64"], Query(description="How embeddings are written.")] = "list",
) -> Form:
    """Return how embeddings are to be answered."""
    return embedding_format if include == "embedding" else None


FormDep: TypeAlias = Annotated[Form, Depends(embedding_form)]


@router.post("/chunks", **answers(ChunkOut, status=201, takes=ChunkIn, refuses=REFUSES, writes=True, etag=True))
def create_chunk(library: LibraryReference, write: BodyWriteDep, chunks: ChunksDep) -> Response:
    """Store a new chunk in the document it names."""
    draft = owned_chunk_draft(parsed(ChunkIn, write.body))
    return write.answered(
        library, lambda terms: chunks.put(library, draft, WriteMode.CREATE, terms), partial(_written, library)
    )


@router.get("/chunks", **answers(ChunkList, refuses=[LibraryNotFound, DocumentNotFound]))
def list_chunks(
    library: LibraryReference,
    chunks: ChunksDep,
    selection: SelectionDep,
    wanted: WantedDep,
    form: FormDep,
    *,
    document_id: Annotated[Id | None, Query(description="List only the chunks of this document.")] = None,
) -> Response:
    """List chunks by ascending id or in the order asked for; or those of one document by chunk_index."""
    if document_id is None:
        return chunk_page(library, selection, wanted, form)
    if not wanted.plain:
        raise InvalidField("document_id", "goes with neither filter nor order_by; a filter may name the document")
    return list_chunks_of_document(library, document_id, chunks, wanted.page, form)


def chunk_page(library: str, selection: SelectionService, wanted: Wanted, form: Form) -> Response:
    """Return the part of a list of chunks that is wanted."""
    part = asked(Level.CHUNK, library, wanted)
    listed = selection.chunks(library, part.listing, embedding=form is not None)
    return _page(listed.items, form, part.cursor(listed.last))


@router.get("/documents/{document}/chunks", **answers(ChunkList, refuses=[LibraryNotFound, DocumentNotFound]))
def list_chunks_of_document(
    library: LibraryReference,
    document: DocumentId,
    chunks: ChunksDep,
    page: PageDep,
    form: FormDep,
) -> Response:
    """List the chunks of a document by chunk_index."""
    after = read_cursor(page.cursor, int, "chunks", library, document)
    found = chunks.page_of(library, document, after, page.limit + 1, embedding=form is not None)
    last = found[page.limit - 1].chunk.chunk_index if len(found) > page.limit else None
    return _page(found[: page.limit], form, None if last is None else cursor_after(last, "chunks", library, document))


@router.post("/chunks:batch", **answers(ChunkBatchOut, takes=ChunkBatchIn, refuses=REFUSES, writes=True))
def store_chunks(library: LibraryReference, write: BodyWriteDep, chunks: ChunksDep, limits: LimitsDep) -> Response:
    """Store chunks in the documents they name, in one atomic command: all or none."""
    body = parsed(ChunkBatchIn, write.body)
    if len(body.chunks) > limits.max_batch_items:
        raise TooLarge("the batch", limits.max_batch_items)
    drafts = list(map(owned_chunk_draft, body.chunks))
    return write.answered(
        library,
        lambda terms: chunks.put_all(library, drafts, body.mode, terms),
        lambda written: respond(chunk_batch_out(written.outcome), token=written.token),
    )


@router.get("/chunks/{chunk}", **answers(ChunkOut, refuses=[ChunkNotFound], etag=True, seen=True))
def get_chunk(library: LibraryReference, chunk: ChunkId, chunks: ChunksDep, form: FormDep, seen: SeenDep) -> Response:
    """Return a chunk."""
    body = _found(chunks.get(library, chunk, embedding=form is not None), form)
    return unless_seen(seen, respond(body, etag=body.etag))


@router.put(
    "/chunks/{chunk}",
    **answers(ChunkOut, also=201, takes=ChunkIn, refuses=REFUSES, writes=True, etag=True, if_match=True),
)
def put_chunk(library: LibraryReference, chunk: ChunkId, write: BodyWriteDep, chunks: ChunksDep) -> Response:
    """Create a chunk in the document it names, or replace it."""
    body = parsed(ChunkIn, write.body)
    if body.id not in {None, chunk}:
        raise InvalidField("id", "differs from the id in the path")
    draft = owned_chunk_draft(body, chunk)
    return write.answered(
        library, lambda terms: chunks.put(library, draft, WriteMode.UPSERT, terms), partial(_written, library)
    )


@router.patch(
    "/chunks/{chunk}",
    **answers(
        ChunkOut, takes=ChunkPatch, refuses=[ChunkNotFound, EmbeddingFailed], writes=True, etag=True, if_match=True
    ),
)
def update_chunk(library: LibraryReference, chunk: ChunkId, write: BodyWriteDep, chunks: ChunksDep) -> Response:
    """Change fields of a chunk (RFC 7396); a new text without an embedding is embedded."""
    changes = chunk_changes(parsed(ChunkPatch, write.body))
    return write.answered(
        library, lambda terms: chunks.patch(library, chunk, changes, terms), partial(_written, library)
    )


@router.delete("/chunks/{chunk}", **answers(status=204, refuses=[ChunkNotFound], writes=True, if_match=True))
def delete_chunk(library: LibraryReference, chunk: ChunkId, write: WriteDep, chunks: ChunksDep) -> Response:
    """Delete a chunk."""
    return write.answered(library, lambda terms: chunks.delete(library, chunk, terms), deleted)


def _written(library: str, written: ChunkWritten) -> Response:
    token = written.token
    body = chunk_out(written.chunk, position=token.position)
    location = f"/v1/libraries/{encoded(library)}/chunks/{encoded(body.id)}" if written.created else None
    return respond(body, 201 if written.created else 200, token=token, location=location, etag=body.etag)


def _found(found: ChunkFound, form: Form) -> ChunkOut:
    if found.embedding is None:
        return chunk_out(found.chunk)
    return chunk_out(found.chunk, embedding=vector_out(found.embedding, base64=form == "base64"))


def _page(found: list[ChunkFound], form: Form, next_cursor: str | None) -> Response:
    return respond(made(ChunkList, items=[_found(one, form) for one in found], next_cursor=next_cursor))
