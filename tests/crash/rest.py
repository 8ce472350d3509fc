"""The database of the crash tests over HTTP. A connection that breaks leaves the outcome of a command unknown."""

from collections.abc import Mapping
from typing import TypeVar

import httpx

from pergamum.wire.chunks import ChunkList
from pergamum.wire.documents import DocumentList
from pergamum.wire.libraries import LibraryList
from pergamum.wire.search import SearchOut
from tests.crash.workload import (
    DIMENSION,
    ChangeLibrary,
    Chunk,
    Command,
    CreateLibrary,
    DeleteChunk,
    DeleteDocument,
    DeleteLibrary,
    Document,
    Library,
    PatchDocument,
    PutChunks,
    PutDocuments,
    Refused,
    State,
    Unknown,
    Vector,
)

ListOf = TypeVar("ListOf", LibraryList, DocumentList, ChunkList)
Call = tuple[str, str, Mapping[str, object] | None]
ROOT = "/v1/libraries"
UNCLEAR = ("outcome-unknown", "internal")


class RestDatabase:
    """What a server holds."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=60.0, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def do(self, command: Command) -> None:
        method, path, body = _call(command)
        try:
            answer = self._http.request(method, f"{ROOT}{path}", json=body)
        except httpx.ConnectError as error:
            raise Refused(str(error)) from error
        except httpx.TransportError as error:
            raise Unknown(str(error)) from error
        if not answer.is_success:
            raise Unknown(answer.text) if answer.json()["type"].endswith(UNCLEAR) else Refused(answer.text)

    def dump(self) -> State:
        held = {}
        for library in (found for page in self._pages("", LibraryList) for found in page.items):
            documents = [
                found for page in self._pages(f"/{library.id}/documents", DocumentList) for found in page.items
            ]
            path = f"/{library.id}/chunks?include=embedding"
            chunks = [found for page in self._pages(path, ChunkList) for found in page.items]
            assert (library.documents, library.chunks) == (len(documents), len(chunks)), f"{library.name}: wrong counts"
            pieces: dict[str, dict[str, Chunk]] = {document.id: {} for document in documents}
            for chunk in chunks:
                assert isinstance(chunk.embedding, list)
                pieces[chunk.document_id][chunk.id] = Chunk(chunk.text, tuple(chunk.embedding))
            kept = {document.id: Document(document.title or "", pieces[document.id]) for document in documents}
            held[library.name] = Library(library.description or "", kept)
        return held

    def nearest(self, library: str, vector: Vector) -> str:
        answer = self._http.post(f"{ROOT}/{library}/search", json={"vector": vector, "k": 1}).raise_for_status()
        found = SearchOut.model_validate_json(answer.content)
        assert (found.exact, found.complete) == (True, True), f"{library}: the answer is not exact and complete"
        return found.hits[0].text

    def _pages(self, path: str, kind: type[ListOf]) -> list[ListOf]:
        pages = [self._page(path, kind, None)]
        while (cursor := pages[-1].next_cursor) is not None:
            pages.append(self._page(path, kind, cursor))
        return pages

    def _page(self, path: str, kind: type[ListOf], cursor: str | None) -> ListOf:
        url = httpx.URL(f"{ROOT}{path}").copy_merge_params({"limit": 1000} | ({"cursor": cursor} if cursor else {}))
        return kind.model_validate_json(self._http.get(url).raise_for_status().content)


def _call(command: Command) -> Call:
    match command:
        case CreateLibrary(name, description):
            body = {"name": name, "description": description, "metric": "l2", "dimension": DIMENSION}
            return "POST", "", {**body, "embedding_model": None}
        case ChangeLibrary(name, new_name, description):
            return "PATCH", f"/{name}", {"name": new_name, "description": description}
        case DeleteLibrary(name):
            return "DELETE", f"/{name}", None
        case PutDocuments(library, documents):
            return _put_documents(library, [_document(id, document) for id, document in documents.items()])
        case PatchDocument(library, id, title):
            return "PATCH", f"/{library}/documents/{id}", {"title": title}
        case DeleteDocument(library, id):
            return "DELETE", f"/{library}/documents/{id}", None
        case PutChunks(library, document, chunks):
            owned = [{**_chunk(id, chunk), "document_id": document} for id, chunk in chunks.items()]
            return "POST", f"/{library}/chunks:batch", {"chunks": owned}
        case DeleteChunk(library, _, id):
            return "DELETE", f"/{library}/chunks/{id.replace('/', '%2F')}", None


def _put_documents(library: str, documents: list[dict[str, object]]) -> Call:
    if len(documents) > 1:
        return "POST", f"/{library}/documents:batch", {"documents": documents}
    return "PUT", f"/{library}/documents/{documents[0].pop('id')}", documents[0]


def _document(id: str, document: Document) -> dict[str, object]:
    chunks = [_chunk(chunk_id, chunk) for chunk_id, chunk in document.chunks.items()]
    return {"id": id, "title": document.title, "chunks": chunks}


def _chunk(id: str, chunk: Chunk) -> dict[str, object]:
    return {"id": id, "text": chunk.text, "embedding": chunk.vector}
