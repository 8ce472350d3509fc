"""Routes of chunks."""

from typing import Annotated, Literal, TypeAlias

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from pergamum.api.answers import chunk_batch_out, chunk_out, deleted, made, respond, vector_out
from pergamum.api.bodies import JsonBody, parsed
from pergamum.api.contract import answers
from pergamum.api.cursors import cursor_after, read_cursor
from pergamum.api.dependencies import ChunksDep, LimitsDep, PageDep, SelectionDep
from pergamum.api.drafts import chunk_changes, owned_chunk_draft
from pergamum.api.lists import Wanted, WantedDep, asked
from pergamum.api.paths import ChunkId, DocumentId, LibraryReference, encoded
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


@router.post("/chunks", **answers(ChunkOut, status=201, takes=ChunkIn, refuses=REFUSES, writes=True))
def create_chunk(library: LibraryReference, raw: JsonBody, chunks: ChunksDep) -> Response:
    """Store a new chunk in the document it names."""
    return _written(library, chunks.put(library, owned_chunk_draft(parsed(ChunkIn, raw)), WriteMode.CREATE))


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
def store_chunks(library: LibraryReference, raw: JsonBody, chunks: ChunksDep, limits: LimitsDep) -> Response:
    """Store chunks in the documents they name, in one atomic command: all or none."""
    body = parsed(ChunkBatchIn, raw)
    if len(body.chunks) > limits.max_batch_items:
        raise TooLarge("the batch", limits.max_batch_items)
    outcome = chunks.put_all(library, list(map(owned_chunk_draft, body.chunks)), body.mode)
    return respond(chunk_batch_out(outcome), position=outcome.position)


@router.get("/chunks/{chunk}", **answers(ChunkOut, refuses=[ChunkNotFound]))
def get_chunk(library: LibraryReference, chunk: ChunkId, chunks: ChunksDep, form: FormDep) -> Response:
    """Return a chunk."""
    return respond(_found(chunks.get(library, chunk, embedding=form is not None), form))


@router.put("/chunks/{chunk}", **answers(ChunkOut, also=201, takes=ChunkIn, refuses=REFUSES, writes=True))
def put_chunk(library: LibraryReference, chunk: ChunkId, raw: JsonBody, chunks: ChunksDep) -> Response:
    """Create a chunk in the document it names, or replace it."""
    body = parsed(ChunkIn, raw)
    if body.id not in {None, chunk}:
        raise InvalidField("id", "differs from the id in the path")
    return _written(library, chunks.put(library, owned_chunk_draft(body, chunk), WriteMode.UPSERT))


@router.patch(
    "/chunks/{chunk}",
    **answers(ChunkOut, takes=ChunkPatch, refuses=[ChunkNotFound, EmbeddingFailed], writes=True),
)
def update_chunk(library: LibraryReference, chunk: ChunkId, raw: JsonBody, chunks: ChunksDep) -> Response:
    """Change fields of a chunk (RFC 7396); a new text without an embedding is embedded."""
    return _written(library, chunks.patch(library, chunk, chunk_changes(parsed(ChunkPatch, raw))))


@router.delete("/chunks/{chunk}", **answers(status=204, refuses=[ChunkNotFound], writes=True))
def delete_chunk(library: LibraryReference, chunk: ChunkId, chunks: ChunksDep) -> Response:
    """Delete a chunk."""
    return deleted(chunks.delete(library, chunk))


def _written(library: str, written: ChunkWritten) -> Response:
    body = chunk_out(written.chunk, position=written.position)
    location = f"/v1/libraries/{encoded(library)}/chunks/{encoded(body.id)}" if written.created else None
    return respond(body, 201 if written.created else 200, position=written.position, location=location)


def _found(found: ChunkFound, form: Form) -> ChunkOut:
    if found.embedding is None:
        return chunk_out(found.chunk)
    return chunk_out(found.chunk, embedding=vector_out(found.embedding, base64=form == "base64"))


def _page(found: list[ChunkFound], form: Form, next_cursor: str | None) -> Response:
    return respond(made(ChunkList, items=[_found(one, form) for one in found], next_cursor=next_cursor))
