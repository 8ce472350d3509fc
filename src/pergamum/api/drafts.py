"""From the wire to what the services take."""

from collections.abc import Iterable

from pergamum.domain.chunk import ChunkChanges
from pergamum.domain.document import DocumentChanges
from pergamum.domain.library import Chunking, IndexSpec, LibraryChanges
from pergamum.services.drafts import ChunkDraft, DocumentDraft, LibraryDraft, OwnedChunkDraft, Query
from pergamum.wire.chunks import ChunkIn, ChunkOfDocumentIn, ChunkPatch
from pergamum.wire.documents import DocumentIn, DocumentPatch
from pergamum.wire.libraries import IndexSpecIn, LibraryIn, LibraryPatch
from pergamum.wire.search import SearchIn

DEFAULT_MODEL = "local"
FIXED = ("metric", "dimension", "embedding_model")
"""The settings of a library that never change."""


def library_draft(body: LibraryIn) -> LibraryDraft:
    """Return the library to create. With neither dimension nor model given the model is the local one."""
    says_nothing = body.dimension is None and "embedding_model" not in body.model_fields_set
    return LibraryDraft(
        name=body.name,
        description=body.description,
        metric=body.metric,
        dimension=body.dimension,
        embedding_model=DEFAULT_MODEL if says_nothing else body.embedding_model,
        index=index_spec(body.index),
        recall=body.recall,
        chunking=Chunking(body.chunking.size, body.chunking.overlap),
    )


def library_changes(body: LibraryPatch) -> tuple[LibraryChanges, dict[str, int]]:
    """Return what changes of the settings, and of `chunking` apart, which is merged."""
    given = body.model_fields_set
    changes: LibraryChanges = {}
    if "name" in given:
        changes["name"] = body.name
    if "description" in given:
        changes["description"] = body.description
    if body.index.model_fields_set:
        changes["index"] = index_spec(body.index)
    if "recall" in given:
        changes["recall"] = body.recall
    return changes, body.chunking.model_dump(exclude_unset=True)


def library_replacement(body: LibraryIn) -> tuple[LibraryChanges, dict[str, object]]:
    """Return the settings that replace all that may change, and what was said of those that may not."""
    draft = library_draft(body)
    changes = LibraryChanges(
        name=draft.name, description=draft.description, index=draft.index, recall=draft.recall, chunking=draft.chunking
    )
    said = body.model_fields_set - ({"dimension"} if body.dimension is None else set())
    return changes, {name: getattr(body, name) for name in FIXED if name in said}


def index_spec(body: IndexSpecIn) -> IndexSpec:
    """Return the index that is asked for."""
    return IndexSpec(body.kind, {**body.params})


def document_draft(body: DocumentIn, document_id: str | None = None) -> DocumentDraft:
    """Return the document to store; `document_id` is that of the path, where there is one."""
    return DocumentDraft(
        id=document_id or body.id,
        title=body.title,
        author=body.author,
        document_type=body.document_type,
        source_url=body.source_url,
        tags=tuple(body.tags),
        metadata={**body.metadata},
        text=body.text,
        chunks=tuple(map(chunk_draft, body.chunks or ())),
    )


def document_changes(body: DocumentPatch) -> DocumentChanges:
    """Return what changes of a document; null clears."""
    given = body.model_fields_set
    changes: DocumentChanges = {}
    if "title" in given:
        changes["title"] = body.title
    if "author" in given:
        changes["author"] = body.author
    if "document_type" in given:
        changes["document_type"] = body.document_type
    if "source_url" in given:
        changes["source_url"] = body.source_url
    if "tags" in given:
        changes["tags"] = tuple(body.tags or ())
    if "metadata" in given:
        changes["metadata"] = None if body.metadata is None else {**body.metadata}
    if "text" in given:
        changes["text"] = body.text
    return changes


def chunk_draft(body: ChunkOfDocumentIn, chunk_id: str | None = None) -> ChunkDraft:
    """Return the chunk to store; `chunk_id` is that of the path, where there is one."""
    return ChunkDraft(
        id=chunk_id or body.id,
        text=body.text,
        embedding=body.embedding,
        page_number=body.page_number,
        metadata={**body.metadata},
    )


def owned_chunk_draft(body: ChunkIn, chunk_id: str | None = None) -> OwnedChunkDraft:
    """Return the chunk to store in the document it names."""
    return OwnedChunkDraft(body.document_id, chunk_draft(body, chunk_id))


def chunk_changes(body: ChunkPatch) -> ChunkChanges:
    """Return what changes of a chunk; null clears."""
    given = body.model_fields_set
    changes: ChunkChanges = {}
    if "text" in given:
        changes["text"] = body.text
    if "embedding" in given:
        changes["embedding"] = body.embedding
    if "page_number" in given:
        changes["page_number"] = body.page_number
    if "metadata" in given:
        changes["metadata"] = None if body.metadata is None else {**body.metadata}
    return changes


def query(body: SearchIn) -> Query:
    """Return what to look for."""
    return Query(vector=body.vector, text=body.text, k=body.k, recall=body.recall, explain=body.explain)


def queries(bodies: Iterable[SearchIn]) -> list[Query]:
    """Return what to look for, in order."""
    return [query(body) for body in bodies]
