"""Every request of the client, made by pure functions; the answers are read with the models of `wire`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from pydantic import BaseModel

from pergamum.client.call import NDJSON, Call, Parameter, Reply, json_body, known, path
from pergamum.client.drafts import (
    ChunkChanges,
    ChunkFields,
    DocumentChanges,
    DocumentFields,
    LibraryChanges,
    Mode,
    NewChunk,
    NewLibrary,
    OnError,
    PlacedChunk,
    Query,
    WantedIndex,
)
from pergamum.client.filters import as_json
from pergamum.client.page import Page
from pergamum.client.results import IndexStatus, LibraryInfo, LibraryInfos, Preflight, SearchResult, SearchResults
from pergamum.client.vectors import VectorLike, encoded
from pergamum.wire.chunks import ChunkBatchOut, ChunkList, ChunkOut
from pergamum.wire.documents import DocumentBatchOut, DocumentList, DocumentOut
from pergamum.wire.operations import OperationOut
from pergamum.wire.problems import ImportOut
from pergamum.wire.search import HitOut

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
ModelT = TypeVar("ModelT", bound=BaseModel)
POSITION: Final = "pergamum-position"
_EMBEDDING: Final[Mapping[str, str]] = {"include": "embedding", "embedding_format": "base64"}


class _List(Protocol[T_co]):
    @property
    def items(self) -> Sequence[T_co]: ...

    @property
    def next_cursor(self) -> str | None: ...


# Libraries


def create_library(fields: NewLibrary) -> Call[LibraryInfo]:
    """Create a library."""
    return Call("POST", path("libraries"), _model(LibraryInfo), body=json_body(fields), keyed=True)


def get_library(library: str) -> Call[LibraryInfo]:
    """Read a library by its id or name."""
    return _get(LibraryInfo, "libraries", library)


def list_libraries(cursor: str | None, limit: int | None) -> Call[Page[LibraryInfo]]:
    """Read a page of the libraries."""
    return _list(path("libraries"), _page(LibraryInfos), cursor=cursor, limit=limit)


def update_library(library: str, changes: LibraryChanges) -> Call[LibraryInfo]:
    """Change fields of a library."""
    return Call("PATCH", path("libraries", library), _model(LibraryInfo), body=json_body(changes), keyed=True)


def delete_library(library: str) -> Call[int | None]:
    """Delete a library with everything in it."""
    return _delete("libraries", library)


# Documents


def create_document(library: str, fields: DocumentFields) -> Call[DocumentOut]:
    """Store a document."""
    body = document_body(fields)
    return Call("POST", path("libraries", library, "documents"), _model(DocumentOut), body=body, keyed=True)


def put_document(library: str, document: str, fields: DocumentFields) -> Call[DocumentOut]:
    """Create a document, or replace it with its chunks."""
    where = path("libraries", library, "documents", document)
    return Call("PUT", where, _model(DocumentOut), body=document_body(fields), keyed=True)


def get_document(library: str, document: str) -> Call[DocumentOut]:
    """Read a document."""
    return _get(DocumentOut, "libraries", library, "documents", document)


def list_documents(library: str, cursor: str | None, limit: int | None, texts: bool) -> Call[Page[DocumentOut]]:
    """Read a page of the documents, with their texts if wanted."""
    where = path("libraries", library, "documents")
    return _list(where, _page(DocumentList), cursor=cursor, limit=limit, include="text" if texts else None)


def update_document(library: str, document: str, changes: DocumentChanges) -> Call[DocumentOut]:
    """Change fields of a document."""
    where = path("libraries", library, "documents", document)
    return Call("PATCH", where, _model(DocumentOut), body=document_body(changes), keyed=True)


def delete_document(library: str, document: str) -> Call[int | None]:
    """Delete a document and its chunks."""
    return _delete("libraries", library, "documents", document)


def store_documents(library: str, mode: Mode, documents: Sequence[bytes]) -> Call[DocumentBatchOut]:
    """Store documents, each the JSON that `document_body` makes, all or none."""
    body = b'{"mode":"%s","documents":[%s]}' % (mode.encode(), b",".join(documents))
    return Call(
        "POST", path("libraries", library) + "/documents:batch", _model(DocumentBatchOut), body=body, keyed=True
    )


def import_documents(library: str, on_error: OnError, documents: Sequence[bytes]) -> Call[ImportOut]:
    """Store documents, each the JSON that `document_body` makes, as an import; each needs its id."""
    return Call(
        "POST",
        path("libraries", library) + "/documents:import",
        _model(ImportOut),
        params={"on_error": on_error},
        body=b"".join(document + b"\n" for document in documents),
        content_type=NDJSON,
        repeatable=True,
    )


# Chunks


def create_chunk(library: str, fields: NewChunk) -> Call[ChunkOut]:
    """Store a chunk in a document that exists."""
    body = chunk_body(fields)
    return Call("POST", path("libraries", library, "chunks"), _model(ChunkOut), body=body, keyed=True)


def put_chunk(library: str, chunk: str, fields: PlacedChunk) -> Call[ChunkOut]:
    """Create a chunk, or replace it."""
    where = path("libraries", library, "chunks", chunk)
    return Call("PUT", where, _model(ChunkOut), body=chunk_body(fields), keyed=True)


def get_chunk(library: str, chunk: str, embedding: bool) -> Call[ChunkOut]:
    """Read a chunk, with its embedding if wanted."""
    return _get(ChunkOut, "libraries", library, "chunks", chunk, params=_EMBEDDING if embedding else {})


def list_chunks(
    library: str, document: str | None, cursor: str | None, limit: int | None, embedding: bool
) -> Call[Page[ChunkOut]]:
    """Read a page of the chunks of a library, or of one document of it, with their embeddings if wanted."""
    within = ("libraries", library, "documents", document) if document is not None else ("libraries", library)
    extra = _EMBEDDING if embedding else {}
    return _list(path(*within, "chunks"), _page(ChunkList), cursor=cursor, limit=limit, **extra)


def update_chunk(library: str, chunk: str, changes: ChunkChanges) -> Call[ChunkOut]:
    """Change fields of a chunk."""
    where = path("libraries", library, "chunks", chunk)
    return Call("PATCH", where, _model(ChunkOut), body=json_body(_with_wire_vector(changes, "embedding")), keyed=True)


def delete_chunk(library: str, chunk: str) -> Call[int | None]:
    """Delete a chunk."""
    return _delete("libraries", library, "chunks", chunk)


def store_chunks(library: str, mode: Mode, chunks: Sequence[bytes]) -> Call[ChunkBatchOut]:
    """Store chunks, each the JSON that `chunk_body` makes, all or none."""
    body = b'{"mode":"%s","chunks":[%s]}' % (mode.encode(), b",".join(chunks))
    return Call("POST", path("libraries", library) + "/chunks:batch", _model(ChunkBatchOut), body=body, keyed=True)


# Search, index, operations


def search(library: str, query: Query) -> Call[SearchResult]:
    """Find the nearest chunks."""
    select = query.get("select")

    def read(reply: Reply) -> SearchResult:
        found = SearchResult.model_validate_json(reply.body)
        return found if select is None else found.selecting(select)

    where = path("libraries", library, "search")
    return Call("POST", where, read, body=json_body(_query(query)), repeatable=True)


def search_page(library: str, query: Query, cursor: str | None) -> Call[Page[HitOut]]:
    """Read a page of the hits of a search, the first one without a cursor."""

    def read(reply: Reply) -> Page[HitOut]:
        answer = SearchResult.model_validate_json(reply.body)
        return Page(list(answer), answer.next_cursor)

    body = json_body({**_query(query), "page": True} if cursor is None else {"cursor": cursor})
    return Call("POST", path("libraries", library, "search"), read, body=body, repeatable=True)


def search_many(library: str, queries: Sequence[Query]) -> Call[SearchResults]:
    """Find the nearest chunks of many queries."""
    body = json_body({"queries": [_query(query) for query in queries]})
    where = path("libraries", library) + "/search:batch"
    return Call("POST", where, _model(SearchResults), body=body, repeatable=True)


def query_of(given: Query | str | VectorLike) -> Query:
    """Return the query, also where it is a text or a vector alone."""
    if isinstance(given, Mapping):
        return given
    return {"text": given} if isinstance(given, str) else {"vector": given}


def get_index(library: str) -> Call[IndexStatus]:
    """Read how the library is searched."""
    return _get(IndexStatus, "libraries", library, "index")


def build_index(library: str, index: WantedIndex) -> Call[OperationOut]:
    """Ask for an index; the answer is the operation that builds it."""
    return Call("POST", path("libraries", library, "index"), _model(OperationOut), body=json_body(index), keyed=True)


def preflight_index(library: str, index: WantedIndex) -> Call[Preflight]:
    """Ask what an index would take, without building it."""
    body = json_body({**index, "preflight": True})
    return Call("POST", path("libraries", library, "index"), _model(Preflight), body=body, repeatable=True)


def cancel_operation(operation: str) -> Call[OperationOut]:
    """Give up long work."""
    return Call("DELETE", path("operations", operation), _model(OperationOut), keyed=True)


def get_operation(operation: str) -> Call[OperationOut]:
    """Read how far long work is."""
    return _get(OperationOut, "operations", operation)


# Bodies


def document_body(fields: DocumentFields | DocumentChanges) -> bytes:
    """Return the document as JSON, the vectors of its chunks encoded."""
    chunks = fields.get("chunks")
    if chunks is None:
        return json_body(fields)
    return json_body({**fields, "chunks": [_with_wire_vector(chunk, "embedding") for chunk in chunks]})


def chunk_body(fields: ChunkFields) -> bytes:
    """Return the chunk as JSON, its vector encoded."""
    return json_body(_with_wire_vector(fields, "embedding"))


def _query(query: Query) -> dict[str, Any]:
    fields = known(_with_wire_vector(query, "vector"))
    if "filter" in fields:
        fields["filter"] = as_json(fields["filter"])
    if "vector" in fields.get("select", ()):
        fields["vector_format"] = "base64"
    return fields


def _with_wire_vector(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the fields with a vector as the wire carries it; one that is text already stays."""
    vector = fields.get(name)
    return fields if vector is None or isinstance(vector, str) else {**fields, name: encoded(vector)}


# What most requests share


def _get(model: type[ModelT], *segments: str, params: Mapping[str, Parameter] | None = None) -> Call[ModelT]:
    return Call("GET", path(*segments), _model(model), params=params or {}, repeatable=True)


def _list(where: str, read: Callable[[Reply], Page[T]], **params: Parameter | None) -> Call[Page[T]]:
    return Call("GET", where, read, params=known(params), repeatable=True)


def _delete(*segments: str) -> Call[int | None]:
    return Call("DELETE", path(*segments), _position, keyed=True)


def _model(model: type[ModelT]) -> Callable[[Reply], ModelT]:
    return lambda reply: model.model_validate_json(reply.body)


def _page(model: type[_List[T]]) -> Callable[[Reply], Page[T]]:
    def read(reply: Reply) -> Page[T]:
        found: _List[T] = model.model_validate_json(reply.body)  # type: ignore[attr-defined]  # every list is a model
        return Page(found.items, found.next_cursor)

    return read


def _position(reply: Reply) -> int | None:
    text = reply.headers.get(POSITION)
    return int(text) if text is not None else None
