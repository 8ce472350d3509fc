"""The one file that knows which database the crash tests examine.

`open_database(name, folder)` opens a folder in this process: `engine` is Pergamum from the services down, `toy` and
`toy:<flaw>` are toy.py, for testing the tests. `rest.py` has the same for a server.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pergamum import errors
from pergamum.app import build_core
from pergamum.domain.commands import WriteMode
from pergamum.domain.document import Document as StoredDocument
from pergamum.domain.vectors import Metric
from pergamum.embedding.factory import Embedders
from pergamum.engine import live_library
from pergamum.rerank.factory import Rerankers
from pergamum.services.chunks import ChunkFound, ChunkService
from pergamum.services.composer import Composer
from pergamum.services.documents import DocumentService
from pergamum.services.drafts import ChunkDraft, DocumentDraft, LibraryDraft, OwnedChunkDraft, Query
from pergamum.services.libraries import LibraryService
from pergamum.services.pages import Pages
from pergamum.services.search import Means, SearchService
from pergamum.settings import Settings
from pergamum.storage.sqlite import pending
from tests.crash.toy import Flaw, Toy
from tests.crash.workload import (
    DIMENSION,
    ChangeLibrary,
    Chunk,
    Command,
    CreateLibrary,
    Database,
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
    untold,
)
from tests.support.keywords import faults

EVERYTHING = 1_000
FEW_SLOTS = 24
"""An index snapshot is written this often in crash tests, so that short scripts write some."""
FEW_VECTORS = 2
"""More in a group are flushed at once; so few are copied, and settled when twelve are."""

REFUSALS = (
    errors.Invalid,
    errors.NotFound,
    errors.Conflict,
    errors.StorageFull,
    errors.LibraryReadOnly,
    errors.Overloaded,
    errors.ShuttingDown,
    errors.Damaged,
)


def open_database(name: str, folder: Path) -> Database:
    """Open what is stored in `folder`, recovering first where that is needed."""
    kind, _, flaw = name.partition(":")
    if kind == "toy":
        return Toy(folder, Flaw[flaw.upper()] if flaw else Flaw.NONE)
    return EngineDatabase(folder)


def save_snapshots_often() -> None:
    """Make index snapshots, and both ways to store vectors, part of short scripts. For tests' processes and images."""
    live_library.SNAPSHOT_SLOTS = FEW_SLOTS
    pending.SMALL_GROUP_BYTES, pending.MOST_VECTORS = FEW_VECTORS * DIMENSION * 4, FEW_SLOTS // 2


SETTINGS = Settings(readers_per_library=1)


class EngineDatabase:
    """Pergamum without HTTP."""

    def __init__(self, folder: Path) -> None:
        save_snapshots_often()
        self._folder = folder
        self._core = build_core(SETTINGS.model_copy(update={"data_dir": folder}))
        catalog, journal, composer = self._core.catalog, self._core.journal, Composer(Embedders())
        self._libraries = LibraryService(catalog, journal, Embedders())
        self._documents = DocumentService(catalog, journal, composer)
        self._chunks = ChunkService(catalog, journal, composer)
        self._searches = SearchService(catalog, composer, Means(Rerankers(), Pages(1 << 20, 60.0), EVERYTHING), untold)

    def close(self) -> None:
        self._core.close()

    def do(self, command: Command) -> None:
        try:
            self._do(command)
        except errors.OutcomeUnknown as error:
            raise Unknown(str(error)) from error
        except REFUSALS as error:
            raise Refused(str(error)) from error

    def _do(self, command: Command) -> None:
        match command:
            case CreateLibrary(name, description):
                draft = LibraryDraft(name=name, description=description, metric=Metric.L2, dimension=DIMENSION)
                self._libraries.create(draft)
            case ChangeLibrary(name, new_name, description):
                self._libraries.update(name, {"name": new_name, "description": description}, {})
            case DeleteLibrary(name):
                self._libraries.delete(name)
            case PutDocuments(library, documents):
                drafts = [_document_draft(id, document) for id, document in documents.items()]
                self._documents.put_all(library, drafts, WriteMode.UPSERT)
            case PatchDocument(library, id, title):
                self._documents.patch(library, id, {"title": title})
            case DeleteDocument(library, id):
                self._documents.delete(library, id)
            case PutChunks(library, document_id, chunks):
                owned = [OwnedChunkDraft(document_id, _chunk_draft(id, chunk)) for id, chunk in chunks.items()]
                self._chunks.put_all(library, owned, WriteMode.UPSERT)
            case DeleteChunk(library, _, id):
                self._chunks.delete(library, id)

    def dump(self) -> State:
        page = self._libraries.page(None, EVERYTHING)
        assert not page.unavailable, f"libraries that do not open: {page.unavailable}"
        held = {}
        for state in page.items:
            name = state.library.name
            documents = self._documents.page(name, None, EVERYTHING)
            chunks = self._chunks.page(name, None, EVERYTHING, embedding=True)
            assert (state.documents, state.chunks) == (len(documents), len(chunks)), f"{name}: its counts are wrong"
            held[name] = Library(state.library.description or "", _assembled(documents, chunks))
        assert faults(self._folder) == [], "a keyword index is not what its rows say"
        return held

    def nearest(self, library: str, vector: Vector) -> str:
        answer = self._searches.search(library, Query(vector=np.array(vector, np.float32), k=1))
        assert (answer.exact, answer.complete) == (True, True), f"{library}: the answer is not exact and complete"
        return answer.hits[0].chunk.text


def _document_draft(id: str, document: Document) -> DocumentDraft:
    chunks = tuple(_chunk_draft(chunk_id, chunk) for chunk_id, chunk in document.chunks.items())
    return DocumentDraft(id=id, title=document.title, chunks=chunks)


def _chunk_draft(id: str, chunk: Chunk) -> ChunkDraft:
    return ChunkDraft(id=id, text=chunk.text, embedding=np.array(chunk.vector, np.float32))


def _assembled(documents: list[StoredDocument], chunks: list[ChunkFound]) -> Mapping[str, Document]:
    pieces: dict[str, dict[str, Chunk]] = {document.id: {} for document in documents}
    for found in chunks:
        assert found.embedding is not None
        vector = tuple(found.embedding.tolist())
        pieces[found.chunk.document_id][found.chunk.id] = Chunk(found.chunk.text, vector)
    for document in documents:
        assert document.chunks == len(pieces[document.id]), f"document {document.id}: its count is wrong"
    return {document.id: Document(document.title or "", pieces[document.id]) for document in documents}
