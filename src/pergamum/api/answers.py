"""From what the services return to the wire, and to bytes. Only fields that are set are written."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel
from starlette.responses import Response

from pergamum.api.schema_answers import schema_out
from pergamum.domain.chunk import Chunk
from pergamum.domain.commands import Outcome
from pergamum.domain.document import Document
from pergamum.domain.operation import Operation
from pergamum.domain.tokens import Token
from pergamum.domain.vectors import Vector
from pergamum.storage.base import LibraryState
from pergamum.wire.chunks import ChunkBatchOut, ChunkOut, ChunkWritten
from pergamum.wire.common import to_base64
from pergamum.wire.documents import DocumentBatchOut, DocumentOut, DocumentWritten
from pergamum.wire.libraries import ChunkingOut, IndexSpecOut, LibraryOut
from pergamum.wire.operations import OperationOut

POSITION: Final = "Pergamum-Position"
TOKEN: Final = "Pergamum-Token"
JSON: Final = "application/json"

Model = TypeVar("Model", bound=BaseModel)


def respond(
    body: BaseModel,
    status: int = 200,
    *,
    token: Token | None = None,
    location: str | None = None,
    etag: str | None = None,
) -> Response:
    """Return the body as JSON; `token` is that of a write, `location` where what was made can be read."""
    headers = {} if token is None else _stands_at(token)
    if location is not None:
        headers["Location"] = location
    if etag is not None:
        headers["ETag"] = f'"{etag}"'
    return Response(body.model_dump_json(exclude_unset=True), status, headers, JSON)


def deleted(token: Token) -> Response:
    """Return the answer to a deletion."""
    return Response(status_code=204, headers=_stands_at(token))


def unless_seen(seen: str | None, response: Response) -> Response:
    """Return the response to a GET, or 304 without a body where the client has `seen` (If-None-Match) just that."""
    etag = response.headers["ETag"]
    if seen is None or {etag, "*"}.isdisjoint(one.strip().removeprefix("W/") for one in seen.split(",")):
        return response
    return Response(status_code=304, headers={"ETag": etag})


def _stands_at(token: Token) -> dict[str, str]:
    return {POSITION: str(token.position), TOKEN: str(token)}


def made(model: type[Model], **fields: Any) -> Model:  # noqa: ANN401  # as Pydantic has it
    """Return the model without validating what the server itself has made."""
    return model.model_construct(**fields)


def library_out(state: LibraryState) -> LibraryOut:
    """Return the library as of its position."""
    library = state.library
    return made(
        LibraryOut,
        id=library.id,
        name=library.name,
        description=library.description,
        metric=library.metric,
        dimension=library.dimension,
        embedding_model=library.embedding_model,
        index=made(IndexSpecOut, kind=library.index.kind.value, params=library.index.params),
        recall=library.recall,
        chunking=made(ChunkingOut, size=library.chunking.size, overlap=library.chunking.overlap),
        metadata_schema=schema_out(library.metadata_schema),
        documents=state.documents,
        chunks=state.chunks,
        version=library.version,
        position=state.position,
        created_at=library.created_at,
        updated_at=library.updated_at,
    )


def document_out(document: Document, *, text: bool = False, **extra: object) -> DocumentOut:
    """Return the document, with its text if asked, and what belongs to the answer of a write in `extra`."""
    if text:
        extra["text"] = document.text
    return made(
        DocumentOut,
        id=document.id,
        title=document.title,
        author=document.author,
        document_type=document.document_type,
        source_url=document.source_url,
        tags=list(document.tags),
        metadata=document.metadata,
        chunks=document.chunks,
        version=document.version,
        created_at=document.created_at,
        updated_at=document.updated_at,
        **extra,
    )


def document_batch_out(outcome: Outcome) -> DocumentBatchOut:
    """Return what a batch of documents left behind."""
    chunk_ids: dict[str, list[str]] = {document.id: [] for document in outcome.documents}
    for chunk in outcome.chunks:
        chunk_ids[chunk.document_id].append(chunk.id)
    items = [
        made(DocumentWritten, id=document.id, version=document.version, chunk_ids=chunk_ids[document.id])
        for document in outcome.documents
    ]
    return made(DocumentBatchOut, items=items, **_counts(outcome, len(items)))


def chunk_out(chunk: Chunk, **extra: object) -> ChunkOut:
    """Return the chunk, and what was asked for beside it in `extra`."""
    return made(
        ChunkOut,
        id=chunk.id,
        document_id=chunk.document_id,
        text=chunk.text,
        page_number=chunk.page_number,
        chunk_index=chunk.chunk_index,
        metadata=chunk.metadata,
        version=chunk.version,
        created_at=chunk.created_at,
        updated_at=chunk.updated_at,
        **extra,
    )


def vector_out(vector: Vector, *, base64: bool) -> list[float] | str:
    """Return the vector as it was asked for."""
    return to_base64(vector) if base64 else cast("list[float]", vector.tolist())


def chunk_batch_out(outcome: Outcome) -> ChunkBatchOut:
    """Return what a batch of chunks left behind."""
    items = [
        made(
            ChunkWritten,
            id=chunk.id,
            document_id=chunk.document_id,
            chunk_index=chunk.chunk_index,
            version=chunk.version,
        )
        for chunk in outcome.chunks
    ]
    return made(ChunkBatchOut, items=items, **_counts(outcome, len(items)))


def operation_out(operation: Operation) -> OperationOut:
    """Return how far long work is."""
    return made(
        OperationOut,
        id=operation.id,
        kind=operation.kind,
        library_id=operation.library_id,
        status=operation.status,
        progress=operation.progress,
        seconds_left=operation.seconds_left,
        result=operation.result,
        error=operation.error,
        created_at=operation.created_at,
        updated_at=operation.updated_at,
    )


def _counts(outcome: Outcome, total: int) -> Mapping[str, int]:
    return {"created": total - outcome.replaced, "replaced": outcome.replaced, "position": outcome.position}
